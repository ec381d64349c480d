/**
 * A virtual device composition module as VFIO and the mdev core see it, in both eras: registration of types, creation, and
 * the operations on an open device. What a device is made of is the model's: `VdcmModel`. Linux drivers/vfio/mdev; Intel's idxd VDCM, 2020.
 */
import { VDEV_ACCESSED } from '../../spec/events/linux.ts';
import { VFIO_DEVICE_IOCTLS as D, VFIO_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import type { Core } from '../core/core.ts';
import type { Caller, IoctlArgument } from '../core/files.ts';
import type { Device } from '../core/device.ts';
import { EBUSY, EFAULT, EINVAL, ENODEV, ENOTTY, IS_ERR } from '../errno.ts';
import type {
  MdevDevice,
  MdevDriver,
  MdevParentOps,
  MdevType,
  MdevTypeGroup,
} from '../mdev/mdev-device.ts';
import type { Mdev } from '../mdev/mdev.ts';
import type { VmArea } from '../mm/mm.ts';
import {
  getDeviceInfo,
  getIrqInfo,
  getRegionInfo,
  regionOf,
  type IrqSpec,
} from '../vfio/device-requests.ts';
import { applyIrqSet, parseIrqSet, type IrqSetTarget } from '../vfio/irq-set.ts';
import type { VfioDeviceOps } from '../vfio/vfio-device.ts';
import type { Vfio } from '../vfio/vfio.ts';
import { piecesOf, putValue, valueOf } from './access-pieces.ts';
import { VdcmHooks } from './vdcm-ops.ts';
import { CONFIG_BYTES } from './virtual-config.ts';
import type { RegisterRegion, VdevRegion, VirtualDevice } from './virtual-device.ts';

export interface VdcmParts {
  readonly core: Core;
  readonly mdev: Mdev;
  readonly vfio: Vfio;
}

/** A type of mediated device. Its name is a promise to guests: the composition behind one never changes. */
export interface VdevType {
  readonly name: string;
  readonly title: string;
}

/** What one kind of hardware brings. */
export interface VdcmModel<V extends VirtualDevice> {
  /** Of the driver, for records: `idxd`. */
  readonly name: string;
  readonly types: readonly VdevType[];
  /** Devices of a type that could be made now. */
  available(parent: Device, type: string): number;
  /** A device with hardware of its own, or a negative error number. */
  compose(mdev: MdevDevice, hooks: VdcmHooks<V>): V | number;
  /** The hardware goes back, clean. */
  decompose(vdev: V): void;
}

const RW = F.VFIO_REGION_INFO_FLAG_READ | F.VFIO_REGION_INFO_FLAG_WRITE;
const MSIX_FLAGS = F.VFIO_IRQ_INFO_EVENTFD | F.VFIO_IRQ_INFO_NORESIZE;
const CONFIG_REGION = F.VFIO_PCI_CONFIG_REGION_INDEX;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const RELEASE = 'please release the device';

export class Vdcm<V extends VirtualDevice> {
  /** Operations that code of a learner may replace. */
  readonly hooks: VdcmHooks<V>;
  readonly #parts: VdcmParts;
  readonly #model: VdcmModel<V>;
  readonly #vdevs = new Map<MdevDevice, V>();
  readonly #driver: MdevDriver;

  constructor(parts: VdcmParts, model: VdcmModel<V>) {
    this.#parts = parts;
    this.#model = model;
    this.hooks = new VdcmHooks(parts.core, `${model.name}_vdcm_hooks`, {
      cfg_read: (vdev, offset, bytes) => vdev.config.read(offset, bytes),
      cfg_write: (vdev, offset, bytes, value) => vdev.config.write(offset, bytes, value),
      get_region_info: (vdev, index) => regionAt(vdev, index)?.spec,
      mmap: (vdev, index, offset, area) => vdev.regions.get(index)?.mmap?.(area, offset) ?? -EINVAL,
      wq_enable: (vdev) => vdev.enableQueue(),
      set_irqs: (vdev, request) => applyIrqSet(targetsOf(vdev), request),
      reset: (vdev, isFull) => vdev.reset(isFull),
      submit: (vdev, words) => vdev.submit(words),
      migration_set_state: ({ migration }, state) =>
        migration === null ? -ENOTTY : migration.setState(state),
    });
    this.#driver = {
      name: `${model.name}_mdev`,
      device_api: 'vfio-pci',
      probe: (mdev) => this.#probe(mdev),
      remove: (mdev) => this.#unregister(mdev),
      get_available: (type) => this.available(type),
      show_description: (type) => model.types.find((t) => t.name === type.name)?.title ?? '',
    };
  }

  get vdevs(): readonly V[] {
    return [...this.#vdevs.values()];
  }

  find(uuid: string): V | undefined {
    return this.vdevs.find((v) => v.uuid === uuid.toLowerCase());
  }

  load(): void {
    if (this.#isLater) {
      this.#parts.mdev.mdev_register_driver(this.#driver);
    }
  }

  unload(): void {
    if (this.#isLater) {
      this.#parts.mdev.mdev_unregister_driver(this.#driver);
    }
  }

  addParent(dev: Device): void {
    const { mdev } = this.#parts;
    if (this.#isLater) {
      const types = this.#model.types.map(({ name }) => ({ sysfs_name: name, pretty_name: name }));
      mdev.mdev_register_parent(dev, this.#driver, types);
    } else {
      mdev.mdev_register_device(dev, this.#parentOps(dev));
    }
  }

  removeParent(dev: Device): void {
    const { mdev } = this.#parts;
    if (this.#isLater) {
      mdev.mdev_unregister_parent(dev);
    } else {
      mdev.mdev_unregister_device(dev);
    }
  }

  available(type: MdevType): number {
    return this.#model.available(type.parent.dev, type.name);
  }

  get #isLater(): boolean {
    return this.#parts.core.profile === 'iommufd';
  }

  // ---- creation ------------------------------------------------------------------------------------------------------

  #compose(mdev: MdevDevice): V | number {
    const made = this.#model.compose(mdev, this.hooks);
    if (!IS_ERR(made)) {
      this.#vdevs.set(mdev, made);
      made.publish();
    }
    return made;
  }

  #decompose(mdev: MdevDevice): void {
    const vdev = this.#vdevs.get(mdev);
    if (vdev === undefined) {
      return;
    }
    this.#vdevs.delete(mdev);
    vdev.unpublish();
    this.#model.decompose(vdev);
    this.#parts.mdev.touch(mdev.type.parent.dev);
  }

  // ---- the later era -------------------------------------------------------------------------------------------------

  #probe(mdev: MdevDevice): number {
    const { vfio } = this.#parts;
    const vdev = vfio.vfio_alloc_device(mdev, this.#deviceOps(mdev));
    if (IS_ERR(vdev)) {
      return vdev;
    }
    const result = vfio.vfio_register_siov_dev(vdev, mdev.type.parent.dev);
    if (result < 0) {
      vfio.vfio_put_device(vdev);
    }
    return result;
  }

  #unregister(mdev: MdevDevice): void {
    const { vfio } = this.#parts;
    const vdev = vfio.deviceOf(mdev);
    if (vdev !== undefined) {
      vfio.vfio_unregister_group_dev(vdev);
      vfio.vfio_put_device(vdev);
    }
  }

  #deviceOps(mdev: MdevDevice): VfioDeviceOps {
    const { vfio } = this.#parts;
    const own = (): V | undefined => this.#vdevs.get(mdev);
    return {
      name: `${this.#model.name}_vdev_ops`,
      init: (vdev) => {
        const made = this.#compose(mdev);
        if (IS_ERR(made)) {
          return made;
        }
        made.vfioDevice = vdev;
        return 0;
      },
      release: () => this.#decompose(mdev),
      open_device: () => this.#open(own()),
      close_device: () => own()?.close(),
      attach_ioas: (vdev, ptId) => {
        const attached = vfio.attachIoas(vdev, ptId);
        if (attached >= 0) {
          own()?.didAttach();
        }
        return attached;
      },
      detach_ioas: (vdev) => {
        own()?.willDetach();
        vfio.detachIoas(vdev);
        own()?.publish();
      },
      pasid_attach_ioas: (vdev, pasid, ptId) => {
        const attached = vfio.attachPasid(vdev, pasid, ptId);
        own()?.publish();
        return attached;
      },
      pasid_detach_ioas: (vdev, pasid) => {
        own()?.willDetachPasid(pasid);
        vfio.detachPasid(vdev, pasid);
        own()?.publish();
      },
      read: (_vdev, count, position) => this.#read(own(), count, position),
      write: (_vdev, bytes, position) => this.#write(own(), bytes, position),
      ioctl: (_vdev, command, argument, caller) => this.#ioctl(own(), command, argument, caller),
      mmap: (_vdev, area) => this.#mmap(own(), area),
      request: () => own()?.interrupts.request.signal(0, RELEASE),
    };
  }

  // ---- 2019 ----------------------------------------------------------------------------------------------------------

  #parentOps(parent: Device): MdevParentOps {
    const { mdev: core, vfio } = this.#parts;
    const own = (mdev: MdevDevice): V | undefined => this.#vdevs.get(mdev);
    return {
      name: `${this.#model.name}_vdcm_ops`,
      supported_type_groups: this.#model.types.map((type) => this.#typeGroup(parent, type)),
      create: (mdev) => {
        const made = this.#compose(mdev);
        if (IS_ERR(made)) {
          return made;
        }
        core.mdev_set_iommu_device(mdev, parent);
        return 0;
      },
      remove: (mdev) => {
        this.#decompose(mdev);
        return 0;
      },
      open: (mdev) => {
        const vdev = own(mdev);
        if (vdev !== undefined) {
          vdev.vfioDevice = vfio.deviceOf(mdev) ?? null;
        }
        return this.#open(vdev);
      },
      release: (mdev) => own(mdev)?.close(),
      read: (mdev, count, position) => this.#read(own(mdev), count, position),
      write: (mdev, bytes, position) => this.#write(own(mdev), bytes, position),
      ioctl: (mdev, command, argument, caller) => this.#ioctl(own(mdev), command, argument, caller),
      mmap: (mdev, area) => this.#mmap(own(mdev), area),
      request: (mdev) => own(mdev)?.interrupts.request.signal(0, RELEASE),
    };
  }

  #typeGroup(parent: Device, type: VdevType): MdevTypeGroup {
    return {
      name: type.name,
      attributes: {
        name: () => type.name,
        device_api: () => 'vfio-pci',
        available_instances: () => String(this.#model.available(parent, type.name)),
      },
    };
  }

  // ---- operations ----------------------------------------------------------------------------------------------------

  /** One opener: the state belongs to one guest. */
  #open(vdev: V | undefined): number {
    if (vdev === undefined) {
      return -ENODEV;
    }
    if (vdev.isOpen) {
      return -EBUSY;
    }
    vdev.isOpen = true;
    vdev.didAttach();
    return 0;
  }

  #ioctl(vdev: V | undefined, command: number, argument: IoctlArgument, caller: Caller): number {
    if (vdev === undefined) {
      return -EINVAL;
    }
    switch (command) {
      case D.VFIO_DEVICE_GET_INFO:
        return getDeviceInfo(argument, F.VFIO_DEVICE_FLAGS_PCI | F.VFIO_DEVICE_FLAGS_RESET);
      case D.VFIO_DEVICE_GET_REGION_INFO:
        return getRegionInfo(argument, (index) => this.hooks.run('get_region_info', vdev, index));
      case D.VFIO_DEVICE_GET_IRQ_INFO:
        return getIrqInfo(argument, irqsOf(vdev));
      case D.VFIO_DEVICE_SET_IRQS: {
        const request = parseIrqSet(argument, targetsOf(vdev), caller);
        const result = IS_ERR(request) ? request : this.hooks.run('set_irqs', vdev, request);
        vdev.publish();
        return result;
      }
      case D.VFIO_DEVICE_RESET:
        this.hooks.run('reset', vdev, true);
        vdev.migration?.reset();
        return 0;
      case D.VFIO_DEVICE_FEATURE:
        return (
          vdev.migration?.feature(argument, caller, (state) =>
            this.hooks.run('migration_set_state', vdev, state),
          ) ?? -ENOTTY
        );
      default:
        return -EINVAL;
    }
  }

  #mmap(vdev: V | undefined, area: VmArea): number {
    const { index, offset } = regionOf(area.offset);
    return vdev === undefined || !vdev.regions.has(index)
      ? -EINVAL
      : this.hooks.run('mmap', vdev, index, offset, area);
  }

  /** Portal reads give all ones. Whatever else goes wrong is -EFAULT to user space. */
  #read(vdev: V | undefined, count: number, position: number): Uint8Array | number {
    const { index, offset } = regionOf(position);
    const region = vdev === undefined ? undefined : this.#regionAt(vdev, index);
    if (vdev === undefined || region === undefined || offset + count > region.spec.size) {
      return -EINVAL;
    }
    const out = new Uint8Array(count);
    if (region.kind === 'portals') {
      this.#trapped(vdev, region, 'read', offset, count, ALL_ONES);
      return out.fill(0xff);
    }
    for (const { at, size } of piecesOf(offset, count, region.largestRead)) {
      const value = region.read(at, size);
      if (typeof value === 'number') {
        return -EFAULT;
      }
      this.#trapped(vdev, region, 'read', at, size, value);
      putValue(out, at - offset, size, value);
    }
    return out;
  }

  #write(vdev: V | undefined, bytes: Uint8Array, position: number): number {
    const { index, offset } = regionOf(position);
    const region = vdev === undefined ? undefined : this.#regionAt(vdev, index);
    if (vdev === undefined || region === undefined || offset + bytes.length > region.spec.size) {
      return -EINVAL;
    }
    const value = valueOf(bytes.subarray(0, 8));
    this.#trapped(vdev, region, 'write', offset, bytes.length, value);
    if (region.kind === 'portals') {
      const taken = region.write(offset, bytes);
      vdev.publish();
      return taken;
    }
    // One access of the guest is one call here; it is not cut into legal pieces.
    const result = region.write(offset, bytes.length, value);
    vdev.publish();
    return result < 0 ? -EFAULT : bytes.length;
  }

  #regionAt(vdev: V, index: number): VdevRegion | undefined {
    return index === CONFIG_REGION ? this.#configRegion(vdev) : vdev.regions.get(index);
  }

  #configRegion(vdev: V): RegisterRegion {
    return {
      kind: 'registers',
      name: 'configuration space',
      spec: CONFIG_SPEC,
      largestRead: 4,
      read: (offset, bytes) => {
        const value = this.hooks.run('cfg_read', vdev, offset, bytes);
        if (typeof value === 'bigint' && this.hooks.isReplaced('cfg_read')) {
          vdev.didReadConfig(offset, bytes, value);
        }
        return value;
      },
      write: (offset, bytes, value) => this.hooks.run('cfg_write', vdev, offset, bytes, value),
    };
  }

  #trapped(
    vdev: V,
    region: VdevRegion,
    access: string,
    offset: number,
    bytes: number,
    value: bigint,
  ): void {
    vdev.accesses += 1;
    this.#parts.core.emit(VDEV_ACCESSED, vdev.uuid, region.name, access, offset, bytes, value);
  }
}

const CONFIG_SPEC = { size: CONFIG_BYTES, flags: RW } as const;

function regionAt(
  vdev: VirtualDevice,
  index: number,
): { readonly spec: VdevRegion['spec'] } | undefined {
  return index === CONFIG_REGION ? { spec: CONFIG_SPEC } : vdev.regions.get(index);
}

function irqsOf(vdev: VirtualDevice): ReadonlyMap<number, IrqSpec> {
  return new Map([
    [F.VFIO_PCI_MSIX_IRQ_INDEX, { count: vdev.interrupts.count, flags: MSIX_FLAGS }],
    [F.VFIO_PCI_REQ_IRQ_INDEX, { count: 1, flags: F.VFIO_IRQ_INFO_EVENTFD }],
  ]);
}

function targetsOf(vdev: VirtualDevice): ReadonlyMap<number, IrqSetTarget> {
  return new Map<number, IrqSetTarget>([
    [F.VFIO_PCI_MSIX_IRQ_INDEX, vdev.interrupts],
    [F.VFIO_PCI_REQ_IRQ_INDEX, vdev.interrupts.request],
  ]);
}
