/**
 * The configuration of a machine: plain JSON, complete, versioned by the lab package that carries it. Everything that
 * can differ between two machines is here; nothing is read from anywhere else.
 */
import type { DefenceName } from './defences.ts';

export interface MachineConfig {
  readonly name: string;
  /** Seed of every pseudo-random choice. */
  readonly seed: number;
  readonly kernelProfile: 'kvmforum2019' | 'iommufd';
  readonly memory: MemoryConfig;
  readonly cpus: number;
  readonly iommu: IommuConfig;
  readonly devices: readonly DeviceConfig[];
  readonly vms?: readonly VmConfig[];
  readonly processes?: readonly ProcessConfig[];
  /** Defences that a lab takes away by `false`; all on by default. */
  readonly defences?: Readonly<Partial<Record<DefenceName, boolean>>>;
  /** Whether the machine watches whose pages devices reach; it does by default. Costs nothing where it does not. */
  readonly hasIsolationOracle?: boolean;
  /** A `guest-error` event is shown to the learner. Off where the lab wants silence to stay silent. */
  readonly showGuestErrors?: boolean;
}

export interface MemoryConfig {
  /** RAM of the host in bytes, a multiple of 1 MiB. 2 GiB of it lies below 4 GiB, with the usual hole at 640 KiB. */
  readonly bytes: number;
}

export interface IommuConfig {
  /** A profile of `spec/vtd/capability-profile.ts`. */
  readonly profile: string;
  /** Capability registers that replace the profile's, `0x…`. */
  readonly cap?: string;
  readonly ecap?: string;
  readonly version?: string;
  /** Host address width in bits. */
  readonly hostAddressWidth?: number;
  readonly caches?: Partial<IommuCacheConfig>;
  /** Drop a fault whose requester already has an unread record (VT-d 5.10 section 7.2.1, optional). */
  readonly compressFaults?: boolean;
}

/** Entries of each translation cache. 0 turns it off. Four-way set associative, least recently used goes first. */
export interface IommuCacheConfig {
  readonly context: number;
  readonly pasid: number;
  readonly iotlb: number;
  readonly pagingStructure: number;
  readonly interruptEntry: number;
}

export const DEFAULT_IOMMU_CACHES: IommuCacheConfig = {
  context: 64,
  pasid: 256,
  iotlb: 1024,
  pagingStructure: 256,
  interruptEntry: 128,
};

export interface DeviceConfig {
  /** A device whose bus number a root port has as its secondary one is below it, any other is part of the root complex. */
  readonly kind: 'dsa' | 'qat' | 'nic' | 'plain' | 'root-port';
  /** Instance name: `dsa0`. */
  readonly name: string;
  /** `6a:01.0` */
  readonly bdf: string;
  /**
   * In a slot that the firmware calls external-facing, or the root port of one: people plug in what they like, so the kernel
   * trusts nothing there.
   */
  readonly isExternal?: boolean;
  /** Settings of the device model, checked by it. */
  readonly options?: Readonly<Record<string, unknown>>;
}

export interface VmConfig {
  readonly name: string;
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly viommu?: boolean;
}

export interface ProcessConfig {
  readonly name: string;
  readonly host?: string;
}
