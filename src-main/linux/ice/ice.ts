/**
 * Host driver of the NIC-class adapter (drivers/net/ethernet/intel/ice), as far as Scalable IOV needs it: it takes the
 * function over and offers its queue pairs as mediated devices. The host's own network device is not modelled.
 */
import { ENOMEM, IS_ERR } from '../errno.ts';
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
import { IceDevice } from './ice-device.ts';
import { createIceVdcm } from './vdcm/ice-vdcm.ts';
import type { IceVdev } from './vdcm/ice-vdev.ts';

export interface IceParts extends SiovParentParts {
  readonly msix: Msix;
  readonly bypass: IrqBypass;
  readonly ioasids: Ioasids;
  readonly mdev: Mdev;
  readonly vfio: Vfio;
}

const DEVICE_ID = 0x1592;
const BAR = { registers: 0, doorbells: 2 } as const;

export class Ice {
  readonly vdcm: Vdcm<IceVdev>;
  /** `struct pci_driver` of the module. */
  readonly driver: PciDriver;
  readonly #parts: IceParts;
  readonly #features: OwnFeatures;
  readonly #devices = new Map<PciDev, IceDevice>();
  #isLoaded = false;

  constructor(parts: IceParts) {
    this.#parts = parts;
    this.#features = new OwnFeatures(parts.core, parts.pci);
    this.vdcm = createIceVdcm({
      ...parts,
      deviceOf: (dev) => this.#devices.get(dev as PciDev),
    });
    this.driver = {
      name: 'ice',
      id_table: [{ vendor: PCI_REGS.PCI_VENDOR_ID_INTEL, device: DEVICE_ID }],
      probe: (dev) => this.#probe(dev),
      remove: (dev) => this.#remove(dev),
    };
  }

  get devices(): readonly IceDevice[] {
    return [...this.#devices.values()];
  }

  /** Open files hold references of the module. */
  get isInUse(): boolean {
    return this.vdcm.vdevs.some((vdev) => vdev.isOpen);
  }

  /** modprobe ice */
  load(): number {
    if (this.#isLoaded) {
      return 0;
    }
    this.#isLoaded = true;
    this.vdcm.load();
    return this.#parts.pci.pci_register_driver(this.driver);
  }

  /** rmmod ice */
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
    const registers = pci.pci_iomap(dev, BAR.registers);
    const doorbells = pci.pci_resource_start(dev, BAR.doorbells);
    if (registers === 0 || doorbells === 0) {
      pci.pci_disable_device(dev);
      return -ENOMEM;
    }
    const vectors = msix.pci_alloc_irq_vectors(dev, 1, 1);
    if (IS_ERR(vectors)) {
      pci.pci_disable_device(dev);
      return vectors;
    }
    pci.pci_set_master(dev);
    this.#features.enable(dev);
    const ice = new IceDevice(core, dev, { registers, doorbells });
    dev.driver_data = ice;
    this.#devices.set(dev, ice);
    core.publish(`ice/${dev.name}`, { queuePairs: ice.pairs.length, imsEntries: ice.imsEntries });
    ice.ims = createImsDomain(this.#parts, dev, {
      registers: ice.registers,
      table: ice.imsTable,
      entries: ice.imsEntries,
    });
    if (ice.ims !== null && enableMediation(this.#parts, dev)) {
      this.vdcm.addParent(dev);
    }
    return 0;
  }

  #remove(dev: PciDev): void {
    const ice = this.#devices.get(dev);
    if (ice === undefined) {
      return;
    }
    const { core, pci, msix } = this.#parts;
    this.vdcm.removeParent(dev);
    disableMediation(this.#parts, dev);
    msix.pci_free_irq_vectors(dev);
    this.#features.disable(dev);
    pci.pci_disable_device(dev);
    this.#devices.delete(dev);
    ice.pairs.forEach((pair) => pair.unpublish());
    core.publish(`ice/${dev.name}`, undefined);
  }
}
