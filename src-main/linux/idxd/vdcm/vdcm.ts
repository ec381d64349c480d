/**
 * The virtual device composition module of the idxd driver: types of mediated devices, which queue each gets, and the
 * operations that VFIO calls, in both eras. siov-stack.md 2.6, 2.11 and chapter 3.
 *
 * A dedicated queue goes to one VDEV at a time. A shared one goes to any number, each new one to the queue with the fewest.
 */
import { VDEV_ACCESSED } from '../../../spec/events/linux.ts';
import { VFIO_DEVICE_IOCTLS as D, VFIO_FLAGS as F } from '../../../spec/vfio/ioctl-numbers.ts';
import type { Caller, IoctlArgument } from '../../core/files.ts';
import type { Device } from '../../core/device.ts';
import { EBUSY, EFAULT, EINVAL, ENODEV, IS_ERR } from '../../errno.ts';
import type {
  MdevDevice,
  MdevDriver,
  MdevParentOps,
  MdevType,
  MdevTypeGroup,
  MdevTypeSpec,
} from '../../mdev/mdev-device.ts';
import type { Mdev } from '../../mdev/mdev.ts';
import type { VmArea } from '../../mm/mm.ts';
import {
  getDeviceInfo,
  getIrqInfo,
  getRegionInfo,
  regionOf,
  type IrqSpec,
  type RegionSpec,
} from '../../vfio/device-requests.ts';
import { setIrqs, type IrqSetTarget } from '../../vfio/irq-set.ts';
import type { VfioDeviceOps } from '../../vfio/vfio-device.ts';
import type { IdxdDevice } from '../idxd-device.ts';
import type { IdxdWq } from '../wq.ts';
import { VDEV } from './places.ts';
import { IdxdVdev, type VdevParts } from './vdev.ts';

export interface VdcmParts extends VdevParts {
  readonly mdev: Mdev;
  deviceOf(dev: Device): IdxdDevice | undefined;
}

interface VdevType {
  readonly name: string;
  readonly title: string;
  readonly isDedicated: boolean;
  /** Analytics hardware: the type is listed, but no accelerator of this kind has it. */
  readonly isAnalytics: boolean;
}

/** The suffix is a promise to guests: the composition of a version never changes. */
const TYPES: readonly VdevType[] = [
  { name: 'dsa-1dwq-v1', title: 'one dedicated queue', isDedicated: true, isAnalytics: false },
  { name: 'dsa-1swq-v1', title: 'one shared queue', isDedicated: false, isAnalytics: false },
  { name: 'iax-1dwq-v1', title: 'one dedicated queue', isDedicated: true, isAnalytics: true },
  { name: 'iax-1swq-v1', title: 'one shared queue', isDedicated: false, isAnalytics: true },
];

const RW = F.VFIO_REGION_INFO_FLAG_READ | F.VFIO_REGION_INFO_FLAG_WRITE;
const EVENTFD = F.VFIO_IRQ_INFO_EVENTFD | F.VFIO_IRQ_INFO_NORESIZE;
const CONFIG_BYTES = 4096;
const BAR0 = 0;
const BAR2 = 2;
const SIZES = [8, 4, 2, 1] as const;

const IRQS: ReadonlyMap<number, IrqSpec> = new Map([
  [F.VFIO_PCI_MSIX_IRQ_INDEX, { count: VDEV.vectors, flags: EVENTFD }],
  [F.VFIO_PCI_REQ_IRQ_INDEX, { count: 1, flags: F.VFIO_IRQ_INFO_EVENTFD }],
]);

export class Vdcm {
  readonly #parts: VdcmParts;
  readonly #vdevs = new Map<MdevDevice, IdxdVdev>();
  readonly #driver: MdevDriver;

  constructor(parts: VdcmParts) {
    this.#parts = parts;
    this.#driver = {
      name: 'idxd_mdev',
      device_api: 'vfio-pci',
      probe: (mdev) => this.#probe(mdev),
      remove: (mdev) => this.#unregister(mdev),
      get_available: (type) => this.available(type),
      show_description: (type) => typeOf(type)?.title ?? '',
    };
  }

  get vdevs(): readonly IdxdVdev[] {
    return [...this.#vdevs.values()];
  }

  find(uuid: string): IdxdVdev | undefined {
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

  addParent(idxd: IdxdDevice): void {
    const { mdev } = this.#parts;
    if (this.#isLater) {
      const types = TYPES.map((t): MdevTypeSpec => ({
        sysfs_name: t.name,
        pretty_name: t.name,
        data: t,
      }));
      mdev.mdev_register_parent(idxd.dev, this.#driver, types);
    } else {
      mdev.mdev_register_device(idxd.dev, this.#parentOps(idxd));
    }
    idxd.onError.add((error) => {
      for (const vdev of this.vdevs.filter((v) => v.idxd === idxd && v.wq.id === error.wq)) {
        vdev.relayError(error);
      }
    });
  }

  removeParent(idxd: IdxdDevice): void {
    const { mdev } = this.#parts;
    if (this.#isLater) {
      mdev.mdev_unregister_parent(idxd.dev);
    } else {
      mdev.mdev_unregister_device(idxd.dev);
    }
    idxd.onError.clear();
  }

  /** Dedicated: queues that nobody has. Shared: queues that could take one more, which each of them always can. */
  available(type: MdevType): number {
    const idxd = this.#parts.deviceOf(type.parent.dev);
    return idxd === undefined ? 0 : this.#candidates(idxd, typeOf(type)).length;
  }

  get #isLater(): boolean {
    return this.#parts.core.profile === 'iommufd';
  }

  // ---- allocation ----------------------------------------------------------------------------------------------------

  #candidates(idxd: IdxdDevice, type: VdevType | undefined): readonly IdxdWq[] {
    if (type === undefined || type.isAnalytics || idxd.state !== 'enabled') {
      return [];
    }
    return idxd.wqs.filter(
      (wq) =>
        wq.isBound &&
        wq.config.type === 'mdev' &&
        wq.isDedicated === type.isDedicated &&
        (!wq.isDedicated || wq.clients === 0),
    );
  }

  /** A VDEV with a queue, or -ENODEV when there is none. */
  #compose(mdev: MdevDevice): IdxdVdev | number {
    const idxd = this.#parts.deviceOf(mdev.type.parent.dev);
    const type = typeOf(mdev.type);
    if (idxd === undefined) {
      return -ENODEV;
    }
    const [wq] = [...this.#candidates(idxd, type)].sort((a, b) => a.clients - b.clients);
    if (wq === undefined) {
      return -ENODEV;
    }
    wq.addClient();
    if (wq.isDedicated) {
      wq.disable();
      wq.isLocked = true;
    }
    wq.publish();
    const vdev = new IdxdVdev(this.#parts, mdev, idxd, wq);
    this.#vdevs.set(mdev, vdev);
    vdev.publish();
    return vdev;
  }

  /** The queue goes back to the pool, clean. */
  #decompose(mdev: MdevDevice): void {
    const vdev = this.#vdevs.get(mdev);
    if (vdev === undefined) {
      return;
    }
    const { wq, idxd } = vdev;
    this.#vdevs.delete(mdev);
    vdev.unpublish();
    if (wq.isDedicated) {
      wq.disable();
      wq.setPasid(null);
      wq.isLocked = false;
      if (wq.isBound && idxd.state === 'enabled') {
        wq.enableHardware();
      }
    }
    wq.removeClient();
    this.#parts.mdev.touch(idxd.dev);
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
    const own = (): IdxdVdev | undefined => this.#vdevs.get(mdev);
    return {
      name: 'idxd_vdev_ops',
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
      request: () => own()?.interrupts.request.signal(0, 'please release the device'),
    };
  }

  // ---- 2019 ----------------------------------------------------------------------------------------------------------

  #parentOps(idxd: IdxdDevice): MdevParentOps {
    const { mdev: core, vfio } = this.#parts;
    const own = (mdev: MdevDevice): IdxdVdev | undefined => this.#vdevs.get(mdev);
    return {
      name: 'idxd_vdcm_ops',
      supported_type_groups: TYPES.map((type) => this.#typeGroup(idxd, type)),
      create: (mdev) => {
        const made = this.#compose(mdev);
        if (IS_ERR(made)) {
          return made;
        }
        core.mdev_set_iommu_device(mdev, idxd.dev);
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
      request: (mdev) => own(mdev)?.interrupts.request.signal(0, 'please release the device'),
    };
  }

  #typeGroup(idxd: IdxdDevice, type: VdevType): MdevTypeGroup {
    return {
      name: type.name,
      attributes: {
        name: () => type.name,
        device_api: () => 'vfio-pci',
        available_instances: () => String(this.#candidates(idxd, type).length),
      },
    };
  }

  // ---- operations ----------------------------------------------------------------------------------------------------

  /** One opener: the state belongs to one guest. */
  #open(vdev: IdxdVdev | undefined): number {
    if (vdev === undefined) {
      return -ENODEV;
    }
    if (vdev.isOpen) {
      return -EBUSY;
    }
    vdev.isOpen = true;
    vdev.publish();
    return 0;
  }

  #ioctl(
    vdev: IdxdVdev | undefined,
    command: number,
    argument: IoctlArgument,
    caller: Caller,
  ): number {
    if (vdev === undefined) {
      return -EINVAL;
    }
    switch (command) {
      case D.VFIO_DEVICE_GET_INFO:
        return getDeviceInfo(argument, F.VFIO_DEVICE_FLAGS_PCI | F.VFIO_DEVICE_FLAGS_RESET);
      case D.VFIO_DEVICE_GET_REGION_INFO:
        return getRegionInfo(argument, regionsOf(vdev));
      case D.VFIO_DEVICE_GET_IRQ_INFO:
        return getIrqInfo(argument, IRQS);
      case D.VFIO_DEVICE_SET_IRQS: {
        const result = setIrqs(argument, targetsOf(vdev), caller);
        vdev.publish();
        return result;
      }
      case D.VFIO_DEVICE_RESET:
        vdev.reset(true);
        return 0;
      default:
        return -EINVAL;
    }
  }

  #mmap(vdev: IdxdVdev | undefined, area: VmArea): number {
    const { index, offset } = regionOf(area.offset);
    return vdev === undefined || index !== BAR2 ? -EINVAL : vdev.portal.mmap(area, offset);
  }

  /** Portal reads give all ones. Whatever else goes wrong is -EFAULT to user space. */
  #read(vdev: IdxdVdev | undefined, count: number, position: number): Uint8Array | number {
    const { index, offset } = regionOf(position);
    const region = vdev === undefined ? undefined : regionsOf(vdev).get(index);
    if (vdev === undefined || region === undefined || offset + count > region.size) {
      return -EINVAL;
    }
    const out = new Uint8Array(count);
    if (index === BAR2) {
      this.#trapped(vdev, 'BAR2', 'read', offset, count, 0xffff_ffff_ffff_ffffn);
      return out.fill(0xff);
    }
    for (const { at, size } of piecesOf(offset, count, index === BAR0 ? 8 : 4)) {
      const value = index === BAR0 ? vdev.bar0.read(at, size) : vdev.config.read(at, size);
      if (typeof value === 'number') {
        return -EFAULT;
      }
      this.#trapped(vdev, regionName(index), 'read', at, size, value);
      putValue(out, at - offset, size, value);
    }
    return out;
  }

  #write(vdev: IdxdVdev | undefined, bytes: Uint8Array, position: number): number {
    const { index, offset } = regionOf(position);
    const region = vdev === undefined ? undefined : regionsOf(vdev).get(index);
    if (vdev === undefined || region === undefined || offset + bytes.length > region.size) {
      return -EINVAL;
    }
    if (index === BAR2) {
      this.#trapped(vdev, 'BAR2', 'write', offset, bytes.length, valueOf(bytes.subarray(0, 8)));
      const result = vdev.portal.write(offset, bytes);
      vdev.publish();
      return result;
    }
    // One access of the guest is one call here; it is not cut into legal pieces.
    const value = valueOf(bytes.subarray(0, 8));
    this.#trapped(vdev, regionName(index), 'write', offset, bytes.length, value);
    const result =
      index === BAR0
        ? vdev.bar0.write(offset, bytes.length, value)
        : vdev.config.write(offset, bytes.length, value);
    vdev.publish();
    return result < 0 ? -EFAULT : bytes.length;
  }

  #trapped(
    vdev: IdxdVdev,
    region: string,
    access: string,
    offset: number,
    bytes: number,
    value: bigint,
  ): void {
    vdev.accesses += 1;
    this.#parts.core.emit(VDEV_ACCESSED, vdev.uuid, region, access, offset, bytes, value);
  }
}

function typeOf(type: MdevType): VdevType | undefined {
  return TYPES.find((t) => t.name === type.name);
}

function regionsOf(vdev: IdxdVdev): ReadonlyMap<number, RegionSpec> {
  return new Map<number, RegionSpec>([
    [BAR0, { size: VDEV.bar0Bytes, flags: RW }],
    [
      BAR2,
      {
        size: VDEV.bar2Bytes,
        flags: RW | F.VFIO_REGION_INFO_FLAG_MMAP,
        mmapAreas: vdev.portal.areas,
      },
    ],
    [F.VFIO_PCI_CONFIG_REGION_INDEX, { size: CONFIG_BYTES, flags: RW }],
  ]);
}

function targetsOf(vdev: IdxdVdev): ReadonlyMap<number, IrqSetTarget> {
  return new Map<number, IrqSetTarget>([
    [F.VFIO_PCI_MSIX_IRQ_INDEX, vdev.interrupts],
    [F.VFIO_PCI_REQ_IRQ_INDEX, vdev.interrupts.request],
  ]);
}

function regionName(index: number): string {
  return index === BAR0 ? 'BAR0' : 'configuration space';
}

/** A read of any length in aligned accesses. */
function piecesOf(
  offset: number,
  bytes: number,
  largest: 4 | 8,
): readonly { readonly at: number; readonly size: 1 | 2 | 4 | 8 }[] {
  const pieces: { at: number; size: 1 | 2 | 4 | 8 }[] = [];
  for (let done = 0; done < bytes;) {
    const at = offset + done;
    const fits = SIZES.find((s) => s <= largest && at % s === 0 && s <= bytes - done) ?? 1;
    pieces.push({ at, size: fits });
    done += fits;
  }
  return pieces;
}

function putValue(out: Uint8Array, at: number, size: number, value: bigint): void {
  for (let i = 0; i < size; i++) {
    out[at + i] = Number((value >> BigInt(i * 8)) & 0xffn);
  }
}

function valueOf(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
