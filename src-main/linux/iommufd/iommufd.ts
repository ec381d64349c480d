/**
 * /dev/iommu (drivers/iommu/iommufd): requests on an open file, devices that VFIO binds to it, and the role of a container
 * for group files that are given its descriptor.
 */
import {
  IOMMUFD_IOCTLS as I,
  VFIO_CONTAINER_IOCTLS,
  VFIO_EXTENSIONS,
  VFIO_FLAGS,
} from '../../spec/vfio/ioctl-numbers.ts';
import { IommuDestroy } from '../../spec/vfio/iommufd-structures.ts';
import type { PlainData } from '../../sim/index.ts';
import type { Core } from '../core/core.ts';
import { OpenFile, type Caller, type DeviceNodes, type IoctlArgument } from '../core/files.ts';
import { UserArgument } from '../core/user-argument.ts';
import { EBUSY, EINVAL, ENOTTY, EOPNOTSUPP, IS_ERR } from '../errno.ts';
import type { Iommu } from '../iommu/iommu.ts';
import type { Irqs } from '../irq/irq.ts';
import { PAGE_BYTES } from '../mm/page-allocator.ts';
import type { PciConfig } from '../pci/pci-config.ts';
import type { VfioGroup, VfioIommuOwner } from '../vfio/group.ts';
import type { VfioDevice } from '../vfio/vfio-device.ts';
import type { VfioIommufd } from '../vfio/vfio.ts';
import { IommufdAttach } from './attach.ts';
import {
  dropHwpt,
  faultAlloc,
  getDirtyBitmap,
  getHwInfo,
  hwptAlloc,
  hwptInvalidate,
  newPagingHwpt,
  setDirtyTracking,
  type HwptPorts,
} from './hwpt-requests.ts';
import {
  ioasAlloc,
  ioasAllowIovas,
  ioasCopy,
  ioasIovaRanges,
  ioasMap,
  ioasUnmap,
  newIoas,
  option,
  vfioIoas,
} from './ioas-requests.ts';
import { IommufdContext, type HwptObject, type IoasObject } from './objects.ts';

export interface IommufdParts {
  readonly core: Core;
  readonly nodes: DeviceNodes;
  readonly iommu: Iommu;
  readonly irqs: Irqs;
  readonly config: PciConfig;
}

export class IommufdFile extends OpenFile {
  readonly context: IommufdContext;
  readonly #ports: HwptPorts;

  constructor(ports: HwptPorts) {
    super(ports.core, `iommufd ${ports.core.nextId('iommufd', 1)}`);
    this.context = new IommufdContext(ports.core, this);
    this.#ports = ports;
  }

  override ioctl(command: number, argument: IoctlArgument, caller: Caller): number {
    const { context } = this;
    const ports = this.#ports;
    const { core, iommu } = ports;
    switch (command) {
      case I.IOMMU_DESTROY:
        return this.#destroy(argument);
      case I.IOMMU_IOAS_ALLOC:
        return ioasAlloc(core, iommu, context, argument);
      case I.IOMMU_IOAS_ALLOW_IOVAS:
        return ioasAllowIovas(context, argument, caller);
      case I.IOMMU_IOAS_COPY:
        return ioasCopy(context, argument);
      case I.IOMMU_IOAS_IOVA_RANGES:
        return ioasIovaRanges(context, argument, caller);
      case I.IOMMU_IOAS_MAP:
        return ioasMap(context, argument, caller);
      case I.IOMMU_IOAS_UNMAP:
        return ioasUnmap(context, argument);
      case I.IOMMU_OPTION:
        return option(context, argument, caller);
      case I.IOMMU_VFIO_IOAS:
        return vfioIoas(context, argument);
      case I.IOMMU_HWPT_ALLOC:
        return hwptAlloc(ports, context, argument, caller);
      case I.IOMMU_GET_HW_INFO:
        return getHwInfo(ports, context, argument, caller);
      case I.IOMMU_HWPT_SET_DIRTY_TRACKING:
        return setDirtyTracking(ports, context, argument);
      case I.IOMMU_HWPT_GET_DIRTY_BITMAP:
        return getDirtyBitmap(ports, context, argument, caller);
      case I.IOMMU_HWPT_INVALIDATE:
        return hwptInvalidate(ports, context, argument, caller);
      case I.IOMMU_FAULT_QUEUE_ALLOC:
        return faultAlloc(core, context, argument, caller);
      // VT-d has no vIOMMU types (iommufd.h), and memory files are not modelled.
      case I.IOMMU_IOAS_MAP_FILE:
      case I.IOMMU_VIOMMU_ALLOC:
      case I.IOMMU_VDEVICE_ALLOC:
      case I.IOMMU_IOAS_CHANGE_PROCESS:
      case I.IOMMU_VEVENTQ_ALLOC:
      case I.IOMMU_HW_QUEUE_ALLOC:
        return -EOPNOTSUPP;
      case VFIO_CONTAINER_IOCTLS.VFIO_GET_API_VERSION:
        return VFIO_FLAGS.VFIO_API_VERSION;
      case VFIO_CONTAINER_IOCTLS.VFIO_CHECK_EXTENSION:
        return Number(isCompatExtension(Number(argument)));
      case VFIO_CONTAINER_IOCTLS.VFIO_SET_IOMMU:
        return isCompatExtension(Number(argument)) ? 0 : -EINVAL;
      default:
        return -ENOTTY;
    }
  }

  /** Everything that is left goes, users first. */
  override release(): void {
    const { context } = this;
    for (let left = -1; left !== context.objects.length;) {
      left = context.objects.length;
      for (const object of [...context.objects].reverse()) {
        this.#remove(object.id);
      }
    }
  }

  override state(): PlainData {
    return { kind: 'iommufd', objects: this.context.objects.length };
  }

  #destroy(argument: IoctlArgument): number {
    const arg = UserArgument.iommufd(IommuDestroy, argument);
    return IS_ERR(arg) ? arg : this.#remove(arg.values.id);
  }

  #remove(id: number): number {
    const { context } = this;
    const object = context.get(id, 'ioas', 'hwpt', 'fault', 'device');
    if (IS_ERR(object)) {
      return object;
    }
    if (context.usersOf(object) > 0) {
      return -EBUSY;
    }
    switch (object.kind) {
      case 'hwpt':
        return dropHwpt(this.#ports, context, object);
      case 'ioas':
        object.ioas.destroy();
        return context.remove(object);
      case 'fault':
        object.queue.release();
        return context.remove(object);
      case 'device':
        return -EBUSY;
    }
  }
}

function isCompatExtension(extension: number): boolean {
  return (
    extension === VFIO_EXTENSIONS.VFIO_TYPE1_IOMMU ||
    extension === VFIO_EXTENSIONS.VFIO_TYPE1v2_IOMMU ||
    extension === VFIO_EXTENSIONS.VFIO_UNMAP_ALL
  );
}

export class Iommufd implements VfioIommufd {
  readonly attachments: IommufdAttach;
  readonly #ports: HwptPorts;
  readonly #owners = new Map<IommufdFile, VfioIommuOwner>();

  constructor(parts: IommufdParts) {
    const { core, iommu, config, irqs } = parts;
    this.#ports = { core, iommu, config };
    this.attachments = new IommufdAttach({
      core,
      iommu,
      irqs,
      autoHwpt: (context, ioas) => this.#autoHwpt(context, ioas),
      putAutoHwpt: (context, hwpt) => dropHwpt(this.#ports, context, hwpt),
    });
    if (core.profile === 'iommufd') {
      parts.nodes.add('/dev/iommu', () => new IommufdFile(this.#ports));
    }
  }

  contextOf(file: OpenFile): object | undefined {
    return file instanceof IommufdFile ? file.context : undefined;
  }

  bind(context: object, vdev: VfioDevice): number {
    if (!(context instanceof IommufdContext)) {
      return -EINVAL;
    }
    const id = this.attachments.bind(context, vdev);
    if (id < 0) {
      return id;
    }
    const result = vdev.call('bind_iommufd', () => vdev.ops.bind_iommufd?.(vdev, context) ?? 0);
    if (result !== undefined && result < 0) {
      this.attachments.unbind(vdev);
      return result;
    }
    return id;
  }

  unbind(vdev: VfioDevice): void {
    vdev.call('unbind_iommufd', () => vdev.ops.unbind_iommufd?.(vdev));
    this.attachments.unbind(vdev);
  }

  /** The driver's own operation decides, or the framework does it in the way of the device's backing. */
  attach(vdev: VfioDevice, ptId: number): number {
    return (
      vdev.call('attach_ioas', () => vdev.ops.attach_ioas?.(vdev, ptId) ?? -EINVAL) ??
      this.attachments.attach(vdev, ptId)
    );
  }

  detach(vdev: VfioDevice): void {
    if (vdev.ops.detach_ioas === undefined) {
      this.attachments.detach(vdev);
      return;
    }
    vdev.call('detach_ioas', () => vdev.ops.detach_ioas?.(vdev));
  }

  attachPasid(vdev: VfioDevice, pasid: number, ptId: number): number {
    return (
      vdev.call(
        'pasid_attach_ioas',
        () => vdev.ops.pasid_attach_ioas?.(vdev, pasid, ptId) ?? -EINVAL,
      ) ?? -EOPNOTSUPP
    );
  }

  detachPasid(vdev: VfioDevice, pasid: number): number {
    vdev.call('pasid_detach_ioas', () => vdev.ops.pasid_detach_ioas?.(vdev, pasid));
    return 0;
  }

  /** Host PASID that stands for requests of a VDEV without a guest PASID, -EINVAL when it has none. */
  defaultPasid(vdev: VfioDevice): number {
    const pasid = this.attachments.binding(vdev)?.device.pasid ?? 0;
    return pasid > 0 ? pasid : -EINVAL;
  }

  /** Host PASID behind a guest PASID of a VDEV, -EINVAL when it is not attached. */
  hostPasid(vdev: VfioDevice, guestPasid: number): number {
    return this.attachments.binding(vdev)?.device.pasids.get(guestPasid)?.hostPasid ?? -EINVAL;
  }

  hostPasids(vdev: VfioDevice): readonly { readonly guest: number; readonly host: number }[] {
    const pasids = this.attachments.binding(vdev)?.device.pasids ?? new Map();
    return [...pasids].map(([guest, { hostPasid }]) => ({ guest, host: hostPasid }));
  }

  // ---- pages for drivers ---------------------------------------------------------------------------------------------

  pinPages(
    vdev: VfioDevice,
    iova: number,
    count: number,
    prot: number,
  ): readonly number[] | number {
    const ioas = this.attachments.binding(vdev)?.device.ioas?.ioas;
    if (ioas === undefined || count <= 0 || iova % PAGE_BYTES !== 0) {
      return -EINVAL;
    }
    const pinned: number[] = [];
    for (let i = 0; i < count; i++) {
      const physical = ioas.pinPage(iova + i * PAGE_BYTES, prot);
      if (physical < 0) {
        this.unpinPages(vdev, iova, i);
        return physical;
      }
      pinned.push(physical);
    }
    return pinned;
  }

  unpinPages(vdev: VfioDevice, iova: number, count: number): void {
    const ioas = this.attachments.binding(vdev)?.device.ioas?.ioas;
    for (let i = 0; i < count; i++) {
      ioas?.unpinPage(iova + i * PAGE_BYTES);
    }
  }

  copy(vdev: VfioDevice, iova: number, bytes: Uint8Array, isWrite: boolean): number {
    return this.attachments.binding(vdev)?.device.ioas?.ioas.copy(iova, bytes, isWrite) ?? -EINVAL;
  }

  // ---- compatibility with group files --------------------------------------------------------------------------------

  compatOwner(file: OpenFile): VfioIommuOwner | undefined {
    if (!(file instanceof IommufdFile)) {
      return undefined;
    }
    const known = this.#owners.get(file);
    if (known !== undefined) {
      return known;
    }
    const owner = this.#newOwner(file);
    this.#owners.set(file, owner);
    return owner;
  }

  /** Group files attach their devices to one automatic IOAS. */
  #newOwner(file: IommufdFile): VfioIommuOwner {
    const { core, iommu } = this.#ports;
    return {
      name: file.name,
      isReady: true,
      claimsDevices: true,
      attachGroup: (group: VfioGroup) => {
        file.context.compatIoas ??= newIoas(core, iommu, file.context);
        const { compatIoas } = file.context;
        for (const vdev of group.devices) {
          const id = this.attachments.bind(file.context, vdev);
          const result = id < 0 ? id : this.attachments.attach(vdev, compatIoas.id);
          if (result < 0) {
            group.devices.forEach((d) => this.attachments.unbind(d));
            return result;
          }
        }
        file.hold();
        return 0;
      },
      detachGroup: (group: VfioGroup) => {
        group.devices.forEach((d) => this.attachments.unbind(d));
        file.drop();
      },
    };
  }

  #autoHwpt(context: IommufdContext, ioas: IoasObject): HwptObject | number {
    const existing = context.objects.find(
      (o): o is HwptObject => o.kind === 'hwpt' && o.ioas === ioas && o.isAuto,
    );
    return existing ?? newPagingHwpt(this.#ports, context, ioas, 0, { fault: null, isAuto: true });
  }
}
