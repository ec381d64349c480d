/** `struct vfio_device` and its operations: what a driver gives, what the VFIO core keeps. */
import type { Core } from '../core/core.ts';
import type { Device } from '../core/device.ts';
import type { Caller, IoctlArgument } from '../core/files.ts';
import { Refcount } from '../core/refcount.ts';
import type { VmArea } from '../mm/mm.ts';

/** How DMA of a device is translated. */
export type VfioBacking =
  /** By the device's own IOMMU group. */
  | { readonly kind: 'group' }
  /** In software: pages are pinned when the driver asks for them. */
  | { readonly kind: 'emulated' }
  /** By a PASID of another device: Scalable IOV. */
  | { readonly kind: 'pasid'; readonly parent: Device };

/**
 * Operations of a driver. Where Linux copies to or from user memory, bytes are passed: `read` gives them, `write` gets
 * them. Everything is optional; what is absent gives the error that Linux gives.
 */
export interface VfioDeviceOps {
  readonly name: string;
  /** Names that the era gives to operations, for records. */
  readonly aliases?: Readonly<Partial<Record<string, string>>>;
  init?(vdev: VfioDevice): number;
  release?(vdev: VfioDevice): void;
  bind_iommufd?(vdev: VfioDevice, context: unknown): number;
  unbind_iommufd?(vdev: VfioDevice): void;
  /** Returns the id of the page table that was attached. */
  attach_ioas?(vdev: VfioDevice, ptId: number): number;
  detach_ioas?(vdev: VfioDevice): void;
  pasid_attach_ioas?(vdev: VfioDevice, pasid: number, ptId: number): number;
  pasid_detach_ioas?(vdev: VfioDevice, pasid: number): void;
  open_device?(vdev: VfioDevice): number;
  close_device?(vdev: VfioDevice): void;
  read?(vdev: VfioDevice, count: number, position: number): Uint8Array | number;
  write?(vdev: VfioDevice, bytes: Uint8Array, position: number): number;
  ioctl?(vdev: VfioDevice, command: number, argument: IoctlArgument, caller: Caller): number;
  mmap?(vdev: VfioDevice, area: VmArea): number;
  request?(vdev: VfioDevice, count: number): void;
  dma_unmap?(vdev: VfioDevice, iova: number, bytes: number): void;
}

/** What a device knows of the group it is in. The whole of it is `VfioGroup`, which knows its devices. */
export interface VfioDeviceGroup {
  readonly id: number;
  readonly name: string;
  /** Path of the group's node. */
  readonly path: string;
  readonly isOpen: boolean;
  readonly device_users: number;
  cdev_users: number;
}

export class VfioDevice {
  readonly name: string;
  readonly dev: Device;
  readonly ops: VfioDeviceOps;
  readonly core: Core;
  readonly refs: Refcount;
  /** Number of the character device: `/dev/vfio/devices/vfioN`. */
  index = -1;
  group: VfioDeviceGroup | null = null;
  backing: VfioBacking = { kind: 'emulated' };
  /** For the driver's own use. */
  driver_data: unknown = null;
  /** Files that have it open with access granted. */
  open_count = 0;
  /** Open through the character device: the group path is closed meanwhile, and the reverse. */
  isCdevOpen = false;
  isRegistered = false;
  /** Process that opened it, null while it is closed. */
  user: Caller | null = null;
  /** The VM behind the user, once KVM and VFIO know each other. */
  kvm: object | null = null;
  /** Runs when the last user closed after the driver gave the device up. */
  whenUnused: (() => void)[] = [];
  /** Removal waits for the user: number of requests so far, timer of the next one. */
  removal: { count: number; timer: number } | null = null;

  constructor(core: Core, dev: Device, ops: VfioDeviceOps) {
    this.core = core;
    this.dev = dev;
    this.name = dev.name;
    this.ops = ops;
    this.refs = new Refcount(core, `vfio device ${dev.name}`, () => {
      this.call('release', () => ops.release?.(this));
      this.core.publish(`vfio/device/${this.name}`, undefined);
    });
  }

  /** Calls an operation of the driver, recorded when the driver has it. */
  call<T>(name: keyof VfioDeviceOps, body: () => T): T | undefined {
    const { ops } = this;
    return ops[name] === undefined
      ? undefined
      : this.core.callback(ops.name, ops.aliases?.[name] ?? name, this.name, body);
  }

  publish(): void {
    this.core.publish(`vfio/device/${this.name}`, {
      index: this.index,
      ops: this.ops.name,
      group: this.group?.name ?? null,
      backing:
        this.backing.kind === 'pasid' ? `PASID of ${this.backing.parent.name}` : this.backing.kind,
      openCount: this.open_count,
      isCdevOpen: this.isCdevOpen,
      isRegistered: this.isRegistered,
      isRemoving: this.removal !== null,
      references: this.refs.count,
    });
  }
}
