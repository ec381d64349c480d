/** Mediated devices, their types and their parents (drivers/vfio/mdev). */
import type { Core } from '../core/core.ts';
import { Device } from '../core/device.ts';
import type { Caller, IoctlArgument } from '../core/files.ts';
import type { Sysfs } from '../core/sysfs.ts';
import type { VmArea } from '../mm/mm.ts';

/** Later kernels: `struct mdev_driver`. */
export interface MdevDriver {
  readonly name: string;
  /** `vfio-pci` and the like; without it registration is -EINVAL. */
  readonly device_api?: string;
  /** Instances of one parent, all types together; absent: the driver keeps count itself. */
  readonly max_instances?: number;
  probe(mdev: MdevDevice): number;
  remove(mdev: MdevDevice): void;
  get_available?(type: MdevType): number;
  show_description?(type: MdevType): string;
}

/** Later kernels: `struct mdev_type`, as the driver gives it. */
export interface MdevTypeSpec {
  readonly sysfs_name: string;
  readonly pretty_name?: string;
  /** For the driver's own use. */
  readonly data?: unknown;
}

/** 2019: `struct mdev_parent_ops`. Each operation gets the mediated device. */
export interface MdevParentOps {
  readonly name: string;
  readonly supported_type_groups?: readonly MdevTypeGroup[];
  create?(mdev: MdevDevice): number;
  remove?(mdev: MdevDevice): number;
  open?(mdev: MdevDevice): number;
  release?(mdev: MdevDevice): void;
  read?(mdev: MdevDevice, count: number, position: number): Uint8Array | number;
  write?(mdev: MdevDevice, bytes: Uint8Array, position: number): number;
  ioctl?(mdev: MdevDevice, command: number, argument: IoctlArgument, caller: Caller): number;
  mmap?(mdev: MdevDevice, area: VmArea): number;
  request?(mdev: MdevDevice, count: number): void;
}

/** 2019: a type is a group of attributes that the vendor driver shows itself. */
export interface MdevTypeGroup {
  readonly name: string;
  readonly attributes: Readonly<Record<string, () => string>>;
  /** The attributes run a learner's code. */
  readonly isLazy?: boolean;
}

export interface MdevType {
  readonly parent: MdevParent;
  /** Directory below mdev_supported_types. */
  readonly id: string;
  readonly name: string;
  readonly pretty_name: string;
  readonly data: unknown;
}

/** One registered parent; the era decides which of driver and ops is there. */
export interface MdevParent {
  readonly dev: Device;
  readonly driver: MdevDriver | null;
  readonly ops: MdevParentOps | null;
  readonly types: MdevType[];
  readonly mdevs: Set<MdevDevice>;
  /** Core accounting, -1 when the driver keeps count. */
  available_instances: number;
  isUnregistering: boolean;
}

export type MdevState = 'creating' | 'active' | 'removing' | 'gone';

export class MdevDevice extends Device {
  readonly uuid: string;
  readonly type: MdevType;
  state: MdevState = 'creating';
  /** 2019: the device whose IOMMU carries the DMA (mdev_set_iommu_device). */
  iommu_device: Device | null = null;

  constructor(core: Core, sysfs: Sysfs, uuid: string, type: MdevType) {
    super({ core, sysfs, name: uuid, parent: type.parent.dev, bus: 'mdev' });
    this.uuid = uuid;
    this.type = type;
  }

  setState(state: MdevState): void {
    this.core.stateChanged(`mdev ${this.uuid}`, this.state, state);
    this.state = state;
    this.publish();
  }

  publish(): void {
    this.core.publish(
      `mdev/${this.uuid}`,
      this.state === 'gone'
        ? undefined
        : {
            parent: this.type.parent.dev.name,
            type: this.type.id,
            state: this.state,
            references: this.refs.count,
            iommuDevice: this.iommu_device?.name ?? null,
            driver: this.driver?.name ?? null,
          },
    );
  }
}
