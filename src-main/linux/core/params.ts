/** Settings that a real kernel takes from its command line and from module parameters. */

export interface KernelParams {
  /** `intel_iommu=on|off` */
  readonly intel_iommu: boolean;
  /** `intel_iommu=sm_on`: use scalable mode where the unit has it. */
  readonly scalable_mode: boolean;
  /** `iommu=pt`: devices start in an identity domain. */
  readonly passthrough: boolean;
  /** `intremap=on|off` */
  readonly interrupt_remapping: boolean;
  /**
   * Who turns PASID, PRI and ATS on in a function: `iommu` when the IOMMU driver takes the function over (as Linux does),
   * `driver` leaves it to the function's own driver, so that a lab can do it by hand.
   */
  readonly pci_features: 'iommu' | 'driver';
  /** Format of paging domains when the caller does not choose. */
  readonly first_stage: boolean;
  /** `vfio_iommu_type1.allow_unsafe_interrupts` */
  readonly allow_unsafe_interrupts: boolean;
  /** `vfio_iommu_type1.dma_entry_limit` */
  readonly dma_entry_limit: number;
  /** PCI names of devices that sit behind a path without snoop control. */
  readonly noncoherent_devices: readonly string[];
  /** Drivers that are loaded at boot, as `modprobe` would: `idxd`, `ice`, `qat_4xxx`. */
  readonly modules: readonly string[];
  /** `idxd.sva`: the accelerator's driver uses PASIDs. */
  readonly idxd_sva: boolean;
  /** `idxd.mdev`: the accelerator's driver offers its queues as mediated devices. Off, a driver of one's own may. */
  readonly idxd_mdev: boolean;
  /** Simulated time between two calls of a driver's request operation while a removal waits. */
  readonly remove_interval_ns: number;
  /** How long software polls hardware before it gives up. */
  readonly poll_timeout_ns: number;
}

export const DEFAULT_PARAMS: KernelParams = {
  intel_iommu: true,
  scalable_mode: true,
  passthrough: false,
  interrupt_remapping: true,
  pci_features: 'iommu',
  first_stage: false,
  allow_unsafe_interrupts: false,
  dma_entry_limit: 65_535,
  noncoherent_devices: [],
  modules: [],
  idxd_sva: true,
  idxd_mdev: true,
  remove_interval_ns: 10_000_000_000,
  poll_timeout_ns: 1_000_000_000,
};
