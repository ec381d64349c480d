/**
 * Host driver of the QAT-class accelerator (drivers/crypto/intel/qat/qat_4xxx), as far as Scalable IOV needs it: it takes the
 * function over, lets the administrator choose services, and offers ring pairs as mediated devices. Kernel users of the
 * accelerator and SR-IOV are not modelled.
 */
import { EIO, ENOMEM, IS_ERR } from '../errno.ts';
import type { Sysfs } from '../core/sysfs.ts';
import type { Ioasids } from '../iommu/ioasid.ts';
import type { IrqBypass } from '../irq/irq-bypass.ts';
import type { Mdev } from '../mdev/mdev.ts';
import type { Msix } from '../pci/msix.ts';
import { OwnFeatures } from '../pci/own-features.ts';
import type { PciDev } from '../pci/pci-dev.ts';
import { PCI_REGS } from '../pci/pci-regs.ts';
import type { PciDriver } from '../pci/pci.ts';
import {
  createImsDomain,
  disableMediation,
  enableMediation,
  type SiovParentParts,
} from '../vdcm/siov-parent.ts';
import type { Vdcm } from '../vdcm/vdcm.ts';
import type { Vfio } from '../vfio/vfio.ts';
import { QatDevice } from './qat-device.ts';
import { createQatVdcm } from './vdcm/qat-vdcm.ts';
import type { QatVdev } from './vdcm/qat-vdev.ts';

export interface QatParts extends SiovParentParts {
  readonly sysfs: Sysfs;
  readonly msix: Msix;
  readonly bypass: IrqBypass;
  readonly ioasids: Ioasids;
  readonly mdev: Mdev;
  readonly vfio: Vfio;
}

/** 4xxx, 401xx, 402xx, 420xx. */
const DEVICE_IDS = [0x4940, 0x4942, 0x4944, 0x4946] as const;
const BAR = 0;

export class Qat {
  readonly vdcm: Vdcm<QatVdev>;
  /** `struct pci_driver` of the module. */
  readonly driver: PciDriver;
  readonly #parts: QatParts;
  readonly #features: OwnFeatures;
  readonly #devices = new Map<PciDev, QatDevice>();
  #isLoaded = false;

  constructor(parts: QatParts) {
    this.#parts = parts;
    this.#features = new OwnFeatures(parts.core, parts.pci);
    this.vdcm = createQatVdcm({
      ...parts,
      deviceOf: (dev) => this.#devices.get(dev as PciDev),
    });
    this.driver = {
      name: '4xxx',
      id_table: DEVICE_IDS.map((device) => ({ vendor: PCI_REGS.PCI_VENDOR_ID_INTEL, device })),
      probe: (dev) => this.#probe(dev),
      remove: (dev) => this.#remove(dev),
    };
  }

  get devices(): readonly QatDevice[] {
    return [...this.#devices.values()];
  }

  /** Open files hold references of the module. */
  get isInUse(): boolean {
    return this.vdcm.vdevs.some((vdev) => vdev.isOpen);
  }

  /** modprobe qat_4xxx */
  load(): number {
    if (this.#isLoaded) {
      return 0;
    }
    this.#isLoaded = true;
    this.vdcm.load();
    return this.#parts.pci.pci_register_driver(this.driver);
  }

  /** rmmod qat_4xxx */
  unload(): void {
    if (this.#isLoaded) {
      this.#parts.pci.pci_unregister_driver(this.driver);
      this.vdcm.unload();
      this.#isLoaded = false;
    }
  }

  #probe(dev: PciDev): number {
    const { core, pci, msix } = this.#parts;
    pci.pci_enable_device(dev);
    const bar = pci.pci_iomap(dev, BAR);
    const ringPairs = msix.pci_msix_vec_count(dev) - 1;
    if (bar === 0 || ringPairs < 1) {
      pci.pci_disable_device(dev);
      return bar === 0 ? -ENOMEM : -EIO;
    }
    const vectors = msix.pci_alloc_irq_vectors(dev, 1, 1);
    if (IS_ERR(vectors)) {
      pci.pci_disable_device(dev);
      return vectors;
    }
    pci.pci_set_master(dev);
    this.#features.enable(dev);
    const qat = new QatDevice(core, dev, bar, ringPairs);
    dev.driver_data = qat;
    this.#devices.set(dev, qat);
    this.#addFiles(qat);
    this.#publish(qat);
    qat.ims = createImsDomain(this.#parts, dev, {
      registers: qat.registers,
      table: qat.imsTable,
      entries: qat.imsEntries,
    });
    if (qat.ims !== null && enableMediation(this.#parts, dev)) {
      this.vdcm.addParent(dev);
    }
    return 0;
  }

  #remove(dev: PciDev): void {
    const qat = this.#devices.get(dev);
    if (qat === undefined) {
      return;
    }
    const { core, pci, msix, sysfs } = this.#parts;
    this.vdcm.removeParent(dev);
    disableMediation(this.#parts, dev);
    sysfs.remove(`${dev.path}/qat`);
    msix.pci_free_irq_vectors(dev);
    this.#features.disable(dev);
    pci.pci_disable_device(dev);
    this.#devices.delete(dev);
    qat.pairs.forEach((pair) => pair.unpublish());
    core.publish(`qat/${dev.name}`, undefined);
  }

  #addFiles(qat: QatDevice): void {
    const { sysfs, mdev } = this.#parts;
    sysfs.mkdir(`${qat.dev.path}/qat`);
    sysfs.file(`${qat.dev.path}/qat/cfg_services`, {
      show: () => qat.services.join(';'),
      store: (text) => {
        const result = qat.configure(text);
        this.#publish(qat);
        mdev.touch(qat.dev);
        return result;
      },
    });
  }

  #publish(qat: QatDevice): void {
    this.#parts.core.publish(`qat/${qat.dev.name}`, {
      ringPairs: qat.pairs.length,
      imsEntries: qat.imsEntries,
      services: [...qat.services],
    });
  }
}
