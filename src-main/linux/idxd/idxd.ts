/**
 * The idxd host driver (drivers/dma/idxd/init.c): takes accelerators over, brings them up, offers their queues to the kernel,
 * to processes and, as mediated devices, to VMs.
 */
import type { Core } from '../core/core.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import type { DeviceNodes } from '../core/files.ts';
import type { Sysfs } from '../core/sysfs.ts';
import { EAGAIN, EINVAL, ENODEV, ENOMEM, IS_ERR } from '../errno.ts';
import type { AuxDomains } from '../iommu/aux-domain.ts';
import { IOMMU_DEV_FEAT_SVA } from '../iommu/aux-domain.ts';
import type { Ioasids } from '../iommu/ioasid.ts';
import { INVALID_IOASID } from '../iommu/ioasid.ts';
import type { Iommu } from '../iommu/iommu.ts';
import type { Sva } from '../iommu/sva.ts';
import type { IrqBypass } from '../irq/irq-bypass.ts';
import type { Irqs } from '../irq/irq.ts';
import type { Mdev } from '../mdev/mdev.ts';
import { DeviceRegisters } from '../pci/device-registers.ts';
import type { PciIov } from '../pci/iov.ts';
import type { Msix } from '../pci/msix.ts';
import { OwnFeatures } from '../pci/own-features.ts';
import type { PciDev } from '../pci/pci-dev.ts';
import { PCI_REGS } from '../pci/pci-regs.ts';
import type { Pci, PciDriver } from '../pci/pci.ts';
import { createImsDomain, disableMediation, enableMediation } from '../vdcm/siov-parent.ts';
import type { Vdcm } from '../vdcm/vdcm.ts';
import type { Vfio } from '../vfio/vfio.ts';
import { DsaBus } from './bus.ts';
import { openWq } from './cdev.ts';
import { IdxdDevice } from './idxd-device.ts';
import { addIdxdSysfs, removeIdxdSysfs } from './sysfs.ts';
import { createIdxdVdcm } from './vdcm/idxd-vdcm.ts';
import type { IdxdVdev } from './vdcm/vdev.ts';
import type { IdxdWq } from './wq.ts';

export interface IdxdParts {
  readonly core: Core;
  readonly sysfs: Sysfs;
  readonly nodes: DeviceNodes;
  readonly pci: Pci;
  readonly iov: PciIov;
  readonly msix: Msix;
  readonly irqs: Irqs;
  readonly bypass: IrqBypass;
  readonly iommu: Iommu;
  readonly ioasids: Ioasids;
  readonly aux: AuxDomains;
  readonly sva: Sva;
  readonly mdev: Mdev;
  readonly vfio: Vfio;
}

/** Accelerators of the three generations. */
const DEVICE_IDS = [0x0b25, 0x11fb, 0x1212] as const;
const BAR = { registers: 0, portals: 2 } as const;
const RETRY_NS = 500;

export class Idxd {
  readonly vdcm: Vdcm<IdxdVdev>;
  readonly bus: DsaBus;
  /** `struct pci_driver` of the module. */
  readonly driver: PciDriver;
  readonly #parts: IdxdParts;
  readonly #devices = new Map<PciDev, IdxdDevice>();
  readonly #features: OwnFeatures;
  #isLoaded = false;

  constructor(parts: IdxdParts) {
    this.#parts = parts;
    this.#features = new OwnFeatures(parts.core, parts.pci);
    this.vdcm = createIdxdVdcm({
      ...parts,
      deviceOf: (dev) => this.#devices.get(dev as PciDev),
    });
    this.bus = new DsaBus({
      sysfs: parts.sysfs,
      devices: () => this.devices,
      hasIommu: () => parts.iommu.driver !== null,
      didBind: (idxd, wq) => this.#didBind(idxd, wq),
      willUnbind: (_idxd, wq) => this.#willUnbind(wq),
    });
    this.driver = {
      name: 'idxd',
      id_table: DEVICE_IDS.map((device) => ({ vendor: PCI_REGS.PCI_VENDOR_ID_INTEL, device })),
      probe: (dev) => this.#probe(dev),
      remove: (dev) => this.#remove(dev),
      sriov_configure: (dev, count) => this.#configureSriov(dev, count),
    };
    exportSymbols<Idxd>(parts.core, this, {
      calls: [
        'idxd_device_enable',
        'idxd_device_disable',
        'idxd_wq_enable',
        'idxd_wq_disable',
        'idxd_wq_drain',
        'idxd_device_drain_pasid',
        'idxd_device_abort_pasid',
        'idxd_device_request_int_handle',
        'idxd_device_release_int_handle',
        'idxd_device_set_perm_entry',
        'idxd_submit_desc',
      ],
    });
  }

  get devices(): readonly IdxdDevice[] {
    return [...this.#devices.values()];
  }

  deviceOf(dev: PciDev): IdxdDevice | undefined {
    return this.#devices.get(dev);
  }

  /** Open files hold references of the module: queues of processes, and virtual devices. */
  get isInUse(): boolean {
    const queues = this.devices.flatMap((idxd) => idxd.wqs);
    return (
      this.vdcm.vdevs.some((vdev) => vdev.isOpen) ||
      queues.some((wq) => wq.config.type === 'user' && wq.clients > 0)
    );
  }

  /** modprobe idxd */
  load(): number {
    if (this.#isLoaded) {
      return 0;
    }
    this.#isLoaded = true;
    this.bus.register();
    this.vdcm.load();
    return this.#parts.pci.pci_register_driver(this.driver);
  }

  /** rmmod idxd */
  unload(): void {
    if (!this.#isLoaded) {
      return;
    }
    this.#parts.pci.pci_unregister_driver(this.driver);
    this.vdcm.unload();
    this.bus.unregister();
    this.#isLoaded = false;
  }

  // ---- what other parts of the kernel may ask ------------------------------------------------------------------------

  idxd_device_enable(idxd: IdxdDevice): number {
    return this.bus.bind({ idxd, wq: null });
  }

  idxd_device_disable(idxd: IdxdDevice): number {
    return this.bus.unbind({ idxd, wq: null });
  }

  idxd_wq_enable(wq: IdxdWq): number {
    return this.bus.bind({ idxd: this.#ownerOf(wq), wq });
  }

  idxd_wq_disable(wq: IdxdWq): number {
    return this.bus.unbind({ idxd: this.#ownerOf(wq), wq });
  }

  idxd_wq_drain(wq: IdxdWq): number {
    return wq.drain();
  }

  idxd_device_drain_pasid(idxd: IdxdDevice, pasid: number): number {
    return idxd.drainPasid(pasid);
  }

  idxd_device_abort_pasid(idxd: IdxdDevice, pasid: number): number {
    return idxd.abortPasid(pasid);
  }

  idxd_device_request_int_handle(idxd: IdxdDevice, index: number): number {
    return idxd.requestInterruptHandle(index, 'msix');
  }

  idxd_device_release_int_handle(idxd: IdxdDevice, index: number): number {
    idxd.releaseInterruptHandle(index, 'msix');
    return 0;
  }

  idxd_device_set_perm_entry(idxd: IdxdDevice, entry: number, pasid: number | null): number {
    if (entry < 0 || entry >= idxd.dev.msix_irqs.length) {
      return -EINVAL;
    }
    idxd.setPermission(entry, pasid);
    return 0;
  }

  /** A descriptor of the kernel itself, through the unlimited portal and with the system's PASID. */
  idxd_submit_desc(wq: IdxdWq, descriptor: Uint32Array): number {
    if (!wq.isEnabled) {
      return -ENODEV;
    }
    const { hw } = this.#parts.core;
    const words = descriptor.slice();
    if (wq.isDedicated) {
      hw.movdir64b(0, wq.portal('unlimitedMsix'), words);
      return 0;
    }
    const { systemPasid } = this.#ownerOf(wq);
    words[0] = (PRIVILEGED | Math.max(0, systemPasid)) >>> 0;
    for (let attempt = 0; attempt <= wq.config.enqcmds_retries; attempt++) {
      if (hw.enqcmds(0, wq.portal('unlimitedMsix'), words) === 'accepted') {
        return 0;
      }
      this.#parts.core.advance(RETRY_NS);
    }
    return -EAGAIN;
  }

  // ---- probe and remove ----------------------------------------------------------------------------------------------

  #probe(dev: PciDev): number {
    const { core, pci } = this.#parts;
    pci.pci_enable_device(dev);
    const registers = pci.pci_iomap(dev, BAR.registers);
    const portals = pci.pci_resource_start(dev, BAR.portals);
    if (registers === 0 || portals === 0) {
      pci.pci_disable_device(dev);
      return -ENOMEM;
    }
    pci.pci_set_master(dev);
    this.#features.enable(dev);
    const idxd = new IdxdDevice({
      core,
      dev,
      registers: new DeviceRegisters(core, registers),
      portals,
      index: core.nextId('idxd'),
    });
    dev.driver_data = idxd;
    idxd.reset();
    const interrupts = this.#setupInterrupts(idxd);
    if (interrupts < 0) {
      pci.pci_disable_device(dev);
      return interrupts;
    }
    this.#devices.set(dev, idxd);
    this.#enableSva(idxd);
    this.#attachSystemPasid(idxd);
    addIdxdSysfs(idxd);
    idxd.publish();
    idxd.wqs.forEach((wq) => wq.publish());
    this.#setupMediation(idxd);
    return 0;
  }

  #remove(dev: PciDev): void {
    const idxd = this.#devices.get(dev);
    if (idxd === undefined) {
      return;
    }
    const { pci, msix, aux, core } = this.#parts;
    this.vdcm.removeParent(dev);
    idxd.onError.clear();
    idxd.onHandlesRevoked.clear();
    for (const wq of idxd.wqs.filter((w) => w.isBound)) {
      this.#willUnbind(wq);
      wq.unbind();
    }
    if (idxd.state === 'enabled') {
      idxd.disable();
    }
    disableMediation(this.#parts, dev);
    this.#detachSystemPasid(idxd);
    if (aux.iommu_dev_feature_enabled(dev, IOMMU_DEV_FEAT_SVA)) {
      aux.iommu_dev_disable_feature(dev, IOMMU_DEV_FEAT_SVA);
    }
    const [first] = dev.msix_irqs;
    if (first !== undefined) {
      this.#parts.irqs.free_irq(first);
    }
    msix.pci_free_irq_vectors(dev);
    removeIdxdSysfs(idxd);
    this.#features.disable(dev);
    pci.pci_disable_device(dev);
    this.#devices.delete(dev);
    core.publish(`idxd/${dev.name}`, undefined);
    idxd.wqs.forEach((wq) => core.publish(`idxd/${dev.name}/wq${wq.id}`, undefined));
  }

  #configureSriov(dev: PciDev, count: number): number {
    const { iov } = this.#parts;
    if (count === 0) {
      iov.pci_disable_sriov(dev);
      return 0;
    }
    const result = iov.pci_enable_sriov(dev, count);
    return result < 0 ? result : count;
  }

  #setupInterrupts(idxd: IdxdDevice): number {
    const { msix, irqs } = this.#parts;
    const count = msix.pci_msix_vec_count(idxd.dev);
    const allocated = msix.pci_alloc_irq_vectors(idxd.dev, 1, Math.max(1, count));
    if (IS_ERR(allocated)) {
      return allocated;
    }
    const irq = msix.pci_irq_vector(idxd.dev, 0);
    const result = irqs.request_irq(irq, () => idxd.handleInterrupt(), `${idxd.name}-misc`);
    idxd.enableErrorInterrupts();
    return result;
  }

  /** In 2019 a driver asks before the unit takes requests with PASIDs; later it takes them as soon as they are enabled. */
  #enableSva(idxd: IdxdDevice): void {
    const { core, aux, iommu } = this.#parts;
    if (core.profile === 'kvmforum2019' && idxd.isPasidEnabled && iommu.driver !== null) {
      aux.iommu_dev_enable_feature(idxd.dev, IOMMU_DEV_FEAT_SVA);
    }
  }

  /** The kernel's own descriptors work in the DMA-API domain under a PASID (idxd_enable_system_pasid). */
  #attachSystemPasid(idxd: IdxdDevice): void {
    const { iommu } = this.#parts;
    const domain = iommu.groupOf(idxd.dev)?.default_domain ?? null;
    if (!idxd.isPasidEnabled || iommu.driver === null || domain === null) {
      return;
    }
    const pasid = this.#allocPasid(idxd);
    if (pasid < 0) {
      return;
    }
    if (iommu.attachPasid(domain, idxd.dev, pasid, null) < 0) {
      this.#freePasid(pasid);
      return;
    }
    idxd.systemPasid = pasid;
  }

  #detachSystemPasid(idxd: IdxdDevice): void {
    const { iommu } = this.#parts;
    const domain = iommu.groupOf(idxd.dev)?.pasids.get(idxd.systemPasid)?.domain;
    if (domain !== undefined) {
      iommu.detachPasid(domain, idxd.dev, idxd.systemPasid);
      this.#freePasid(idxd.systemPasid);
      idxd.systemPasid = -1;
    }
  }

  #allocPasid(idxd: IdxdDevice): number {
    const { core, iommu, ioasids } = this.#parts;
    const max = iommu.maxPasids(idxd.dev) - 1;
    const pasid =
      core.profile === 'iommufd'
        ? iommu.iommu_alloc_global_pasid(idxd.dev)
        : ioasids.ioasid_alloc(null, 1, max, idxd);
    return pasid === INVALID_IOASID ? -ENODEV : pasid;
  }

  #freePasid(pasid: number): void {
    const { core, iommu, ioasids } = this.#parts;
    if (core.profile === 'iommufd') {
      iommu.iommu_free_global_pasid(pasid);
    } else {
      ioasids.ioasid_free(null, pasid);
    }
  }

  /** Interrupts for VMs and registration as a parent of mediated devices. */
  #setupMediation(idxd: IdxdDevice): void {
    const { dev } = idxd;
    if (!idxd.isPasidEnabled) {
      return;
    }
    idxd.ims = createImsDomain(this.#parts, dev, {
      registers: idxd.registers,
      table: idxd.capabilities.tables.ims,
      entries: idxd.capabilities.imsEntries,
      didChange: () => idxd.publish(),
    });
    const isWanted = idxd.ims !== null && this.#parts.core.params.idxd_mdev;
    if (!isWanted || !enableMediation(this.#parts, dev)) {
      return;
    }
    this.vdcm.addParent(dev);
    idxd.onError.add((error) => {
      for (const vdev of this.vdcm.vdevs.filter((v) => v.idxd === idxd && v.wq.id === error.wq)) {
        vdev.relayError(error);
      }
    });
  }

  // ---- queues --------------------------------------------------------------------------------------------------------

  #didBind(idxd: IdxdDevice, wq: IdxdWq): void {
    if (wq.config.type === 'user') {
      const parts = { idxd, wq, sva: this.#parts.sva };
      this.#parts.nodes.add(`/dev/dsa/${wq.name}`, (caller) => openWq(parts, caller));
    } else if (wq.config.type === 'kernel' && wq.isDedicated && idxd.systemPasid > 0) {
      wq.disable();
      wq.setPasid({ pasid: idxd.systemPasid, priv: true });
      wq.enableHardware();
    }
    this.#parts.mdev.touch(idxd.dev);
  }

  #willUnbind(wq: IdxdWq): void {
    this.#parts.nodes.remove(`/dev/dsa/${wq.name}`);
  }

  #ownerOf(wq: IdxdWq): IdxdDevice {
    return wq.idxd as IdxdDevice;
  }
}

/** Bit of a descriptor that marks it as the kernel's. */
const PRIVILEGED = 0x8000_0000;
