/**
 * An open VFIO device (drivers/vfio/vfio_main.c, device_cdev.c): through its group, or through its character device, where
 * nothing works before BIND_IOMMUFD.
 */
import { VFIO_DEVICE_IOCTLS as D, VFIO_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import {
  ATTACH_MIN_BYTES,
  DETACH_MIN_BYTES,
  VfioDeviceAttachIommufdPt,
  VfioDeviceBindIommufd,
  VfioDeviceDetachIommufdPt,
} from '../../spec/vfio/vfio-structures.ts';
import type { PlainData } from '../../sim/index.ts';
import { OpenFile, type Caller, type IoctlArgument } from '../core/files.ts';
import { UserArgument } from '../core/user-argument.ts';
import { EBADF, EBADFD, EBUSY, EINVAL, EOPNOTSUPP, IS_ERR } from '../errno.ts';
import type { VmArea } from '../mm/mm.ts';
import type { VfioDevice } from './vfio-device.ts';

/** Attachment of devices to an open /dev/iommu. */
export interface IommufdPort {
  /** The context behind an open file, or undefined when it is no /dev/iommu. */
  contextOf(file: OpenFile): object | undefined;
  /** Id of the device in the context, or a negative error number. */
  bind(context: object, vdev: VfioDevice): number;
  unbind(vdev: VfioDevice): void;
  /** Id of the page table that is attached now, or a negative error number. */
  attach(vdev: VfioDevice, ptId: number): number;
  detach(vdev: VfioDevice): void;
  attachPasid(vdev: VfioDevice, pasid: number, ptId: number): number;
  detachPasid(vdev: VfioDevice, pasid: number): number;
}

export interface DeviceFilePorts {
  readonly iommufd: IommufdPort;
  /** First and last use of a device. */
  open(vdev: VfioDevice, caller: Caller): number;
  close(vdev: VfioDevice): void;
}

type DeviceFileState = 'unbound' | 'bound' | 'attached' | 'open';

export class VfioDeviceFile extends OpenFile {
  readonly vdev: VfioDevice;
  readonly #ports: DeviceFilePorts;
  readonly #isCdev: boolean;
  readonly #onRelease: () => void;
  #state: DeviceFileState;
  #hasAccess: boolean;

  constructor(
    ports: DeviceFilePorts,
    vdev: VfioDevice,
    options: { readonly isCdev: boolean; readonly onRelease: () => void },
  ) {
    super(vdev.core, `vfio device ${vdev.name}`);
    this.vdev = vdev;
    this.#ports = ports;
    this.#isCdev = options.isCdev;
    this.#onRelease = options.onRelease;
    this.#hasAccess = !options.isCdev;
    this.#state = options.isCdev ? 'unbound' : 'open';
  }

  override ioctl(command: number, argument: IoctlArgument, caller: Caller): number {
    if (command === D.VFIO_DEVICE_BIND_IOMMUFD) {
      return this.#bind(argument, caller);
    }
    if (!this.#hasAccess) {
      return -EINVAL;
    }
    if (this.#isCdev && command === D.VFIO_DEVICE_ATTACH_IOMMUFD_PT) {
      return this.#attach(argument);
    }
    if (this.#isCdev && command === D.VFIO_DEVICE_DETACH_IOMMUFD_PT) {
      return this.#detach(argument);
    }
    const { vdev } = this;
    return (
      vdev.call('ioctl', () => vdev.ops.ioctl?.(vdev, command, argument, caller) ?? -EINVAL) ??
      -EINVAL
    );
  }

  override read(into: Uint8Array, position: number): number {
    const { vdev } = this;
    if (!this.#hasAccess) {
      return -EINVAL;
    }
    const bytes = vdev.call('read', () => vdev.ops.read?.(vdev, into.length, position) ?? -EINVAL);
    if (bytes === undefined || typeof bytes === 'number') {
      return bytes ?? -EINVAL;
    }
    into.set(bytes.subarray(0, into.length));
    return Math.min(bytes.length, into.length);
  }

  override write(from: Uint8Array, position: number): number {
    const { vdev } = this;
    if (!this.#hasAccess) {
      return -EINVAL;
    }
    return vdev.call('write', () => vdev.ops.write?.(vdev, from, position) ?? -EINVAL) ?? -EINVAL;
  }

  override mmap(area: VmArea): number {
    const { vdev } = this;
    if (!this.#hasAccess) {
      return -EINVAL;
    }
    return vdev.call('mmap', () => vdev.ops.mmap?.(vdev, area) ?? -EINVAL) ?? -EINVAL;
  }

  override release(): void {
    if (this.#hasAccess) {
      this.#ports.close(this.vdev);
    }
    if (this.#isCdev && this.#hasAccess) {
      this.#ports.iommufd.unbind(this.vdev);
      this.vdev.isCdevOpen = false;
      if (this.vdev.group !== null) {
        this.vdev.group.cdev_users -= 1;
      }
    }
    this.vdev.publish();
    this.#onRelease();
  }

  override state(): PlainData {
    return { kind: 'device', device: this.vdev.name, state: this.#state };
  }

  #bind(argument: IoctlArgument, caller: Caller): number {
    const arg = UserArgument.vfio(VfioDeviceBindIommufd, argument, BIND_MIN_BYTES);
    if (IS_ERR(arg)) {
      return arg;
    }
    const { vdev } = this;
    const { flags, iommufd } = arg.values;
    const isNegative = iommufd > MAX_FD;
    if ((flags & ~F.VFIO_DEVICE_BIND_FLAG_TOKEN) !== 0 || isNegative || !this.#isCdev) {
      return -EINVAL;
    }
    if (vdev.isCdevOpen || this.#hasAccess) {
      return -EINVAL;
    }
    if (vdev.group?.isOpen === true || (vdev.group?.device_users ?? 0) > 0) {
      return -EBUSY;
    }
    const file = caller.files.get(iommufd);
    const context = file === undefined ? undefined : this.#ports.iommufd.contextOf(file);
    if (file === undefined || context === undefined) {
      return file === undefined ? -EBADF : -EBADFD;
    }
    const id = this.#bindTo(context, caller);
    if (id >= 0) {
      arg.put({ out_devid: id });
    }
    return Math.min(0, id);
  }

  /** Id of the device in the iommufd, or a negative error number with everything undone. */
  #bindTo(context: object, caller: Caller): number {
    const { vdev } = this;
    const id = this.#ports.iommufd.bind(context, vdev);
    if (id < 0) {
      return id;
    }
    const opened = this.#ports.open(vdev, caller);
    if (opened < 0) {
      this.#ports.iommufd.unbind(vdev);
      return opened;
    }
    vdev.isCdevOpen = true;
    if (vdev.group !== null) {
      vdev.group.cdev_users += 1;
    }
    this.#hasAccess = true;
    this.#setState('bound');
    return id;
  }

  #attach(argument: IoctlArgument): number {
    const arg = UserArgument.vfio(VfioDeviceAttachIommufdPt, argument, ATTACH_MIN_BYTES);
    if (IS_ERR(arg)) {
      return arg;
    }
    const { flags, pt_id, pasid, argsz } = arg.values;
    if ((flags & ~F.VFIO_DEVICE_ATTACH_PASID) !== 0) {
      return -EINVAL;
    }
    const hasPasid = (flags & F.VFIO_DEVICE_ATTACH_PASID) !== 0;
    if (hasPasid && argsz < VfioDeviceAttachIommufdPt.bytes) {
      return -EINVAL;
    }
    const { iommufd } = this.#ports;
    const { ops } = this.vdev;
    if (hasPasid && ops.pasid_attach_ioas === undefined) {
      return -EOPNOTSUPP;
    }
    const attached = hasPasid
      ? iommufd.attachPasid(this.vdev, pasid, pt_id)
      : iommufd.attach(this.vdev, pt_id);
    if (attached < 0) {
      return attached;
    }
    arg.put({ pt_id: attached });
    this.#setState('attached');
    return 0;
  }

  #detach(argument: IoctlArgument): number {
    const arg = UserArgument.vfio(VfioDeviceDetachIommufdPt, argument, DETACH_MIN_BYTES);
    if (IS_ERR(arg)) {
      return arg;
    }
    const { flags, pasid } = arg.values;
    if ((flags & ~F.VFIO_DEVICE_DETACH_PASID) !== 0) {
      return -EINVAL;
    }
    if ((flags & F.VFIO_DEVICE_DETACH_PASID) !== 0) {
      return this.vdev.ops.pasid_detach_ioas === undefined
        ? -EOPNOTSUPP
        : this.#ports.iommufd.detachPasid(this.vdev, pasid);
    }
    this.#ports.iommufd.detach(this.vdev);
    this.#setState('bound');
    return 0;
  }

  #setState(state: DeviceFileState): void {
    this.core.stateChanged(this.name, this.#state, state);
    this.#state = state;
    this.vdev.publish();
    this.touch();
  }
}

const MAX_FD = 0x7fff_ffff;
const BIND_MIN_BYTES = 16;
