/**
 * Devices of an iommufd and what is attached to them (drivers/iommu/iommufd/device.c, drivers/vfio/iommufd.c): by Requester
 * ID for functions, by a host PASID of the parent for VDEVs, in software for emulated devices.
 */
import type { Core } from '../core/core.ts';
import type { Device } from '../core/device.ts';
import { EINVAL, ENODEV, ENOENT, ENOSPC, EPERM, IS_ERR } from '../errno.ts';
import { PAGE_RESPONSE_CODE } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import type { FaultGroup } from '../iommu/fault-group.ts';
import { isPciDev } from '../pci/pci-dev.ts';
import { IOMMU_PASID_INVALID, type Iommu } from '../iommu/iommu.ts';
import type { Irqs } from '../irq/irq.ts';
import type { VfioDevice } from '../vfio/vfio-device.ts';
import type { DeviceObject, HwptObject, IoasObject, IommufdContext } from './objects.ts';

export interface AttachPorts {
  readonly core: Core;
  readonly iommu: Iommu;
  readonly irqs: Irqs;
  /** A page table that mirrors an IOAS for a device, made when there is none yet. */
  autoHwpt(context: IommufdContext, ioas: IoasObject): HwptObject | number;
  /** An automatic page table lost a user. */
  putAutoHwpt(context: IommufdContext, hwpt: HwptObject): void;
}

interface Binding {
  readonly context: IommufdContext;
  readonly device: DeviceObject;
}

function routeKey(rid: number, pasid: number): string {
  return `${rid}:${pasid}`;
}

export class IommufdAttach {
  readonly #ports: AttachPorts;
  readonly #bindings = new Map<VfioDevice, Binding>();
  /** Whom page faults of a (function, host PASID) belong to. */
  readonly #routes = new Map<
    string,
    { readonly device: DeviceObject; readonly guestPasid: number }
  >();

  constructor(ports: AttachPorts) {
    this.#ports = ports;
  }

  binding(vdev: VfioDevice): Binding | undefined {
    return this.#bindings.get(vdev);
  }

  /** Id of the device, or a negative error number. */
  bind(context: IommufdContext, vdev: VfioDevice): number {
    const { iommu, irqs, core } = this.#ports;
    const { backing } = vdev;
    if (backing.kind !== 'emulated' && !irqs.hasRemapping && !core.params.allow_unsafe_interrupts) {
      return -EPERM;
    }
    if (backing.kind === 'group') {
      const claimed = iommu.iommu_device_claim_dma_owner(vdev.dev, context);
      if (claimed < 0) {
        return claimed;
      }
    }
    const device = context.add<DeviceObject>({
      kind: 'device',
      id: context.nextId(),
      vdev,
      dma: backing.kind === 'group' ? vdev.dev : backing.kind === 'pasid' ? backing.parent : null,
      hwpt: null,
      pasid: 0,
      pasids: new Map(),
      ioas: null,
    });
    context.use(device);
    context.file.hold();
    this.#bindings.set(vdev, { context, device });
    return device.id;
  }

  unbind(vdev: VfioDevice): void {
    const binding = this.#bindings.get(vdev);
    if (binding === undefined) {
      return;
    }
    const { context, device } = binding;
    [...device.pasids.keys()].forEach((pasid) => this.detachPasid(vdev, pasid));
    this.detach(vdev);
    if (vdev.backing.kind === 'group') {
      this.#ports.iommu.iommu_device_release_dma_owner(vdev.dev);
    }
    this.#bindings.delete(vdev);
    context.unuse(device);
    context.remove(device);
    context.file.drop();
  }

  /** Id of the page table that is attached now (of the IOAS for emulated devices), or a negative error number. */
  attach(vdev: VfioDevice, ptId: number): number {
    const binding = this.#bindings.get(vdev);
    if (binding === undefined) {
      return -EINVAL;
    }
    const target = binding.context.get(ptId, 'ioas', 'hwpt');
    if (IS_ERR(target)) {
      return target;
    }
    if (binding.device.dma === null) {
      return target.kind === 'ioas' ? this.#attachEmulated(binding, target) : -EINVAL;
    }
    const hwpt = target.kind === 'ioas' ? this.#ports.autoHwpt(binding.context, target) : target;
    return IS_ERR(hwpt) ? hwpt : this.#attachHwpt(binding, hwpt);
  }

  detach(vdev: VfioDevice): void {
    const binding = this.#bindings.get(vdev);
    if (binding === undefined) {
      return;
    }
    const { context, device } = binding;
    if (device.ioas !== null) {
      this.#detachEmulated(binding, device.ioas);
    }
    const { hwpt } = device;
    if (hwpt === null || device.dma === null) {
      return;
    }
    this.#disconnect(device, device.dma, hwpt, device.pasid);
    if (device.pasid !== 0) {
      this.#ports.iommu.iommu_free_global_pasid(device.pasid);
      device.pasid = 0;
    }
    device.hwpt = null;
    context.publish(device);
    this.#putHwpt(binding, hwpt);
  }

  attachPasid(vdev: VfioDevice, pasid: number, ptId: number): number {
    const binding = this.#bindings.get(vdev);
    if (binding === undefined || binding.device.dma === null) {
      return -EINVAL;
    }
    const { device, context } = binding;
    const { dma } = binding.device;
    const target = context.get(ptId, 'ioas', 'hwpt');
    if (IS_ERR(target)) {
      return target;
    }
    const max = this.#ports.iommu.maxPasids(dma);
    const isCompatible = target.kind === 'hwpt' && target.isPasidCompatible;
    const isBaseCompatible = device.hwpt === null || device.hwpt.isPasidCompatible;
    if (pasid === 0 || pasid >= max || !isCompatible || !isBaseCompatible) {
      return -EINVAL;
    }
    const known = device.pasids.get(pasid);
    if (known !== undefined) {
      return this.#replacePasid(binding, dma, pasid, target);
    }
    const hostPasid = this.#hostPasid(vdev, dma, pasid);
    if (hostPasid < 0) {
      return hostPasid;
    }
    const result = this.#ports.iommu.iommu_attach_device_pasid(target.domain, dma, hostPasid);
    if (result < 0) {
      this.#freeHostPasid(vdev, hostPasid);
      return result;
    }
    device.pasids.set(pasid, { hwpt: target, hostPasid });
    this.#useHwpt(binding, target, { guest: pasid, host: hostPasid });
    return target.id;
  }

  detachPasid(vdev: VfioDevice, pasid: number): number {
    const binding = this.#bindings.get(vdev);
    const attachment = binding?.device.pasids.get(pasid);
    if (binding === undefined || attachment === undefined || binding.device.dma === null) {
      return 0;
    }
    const { device } = binding;
    this.#ports.iommu.iommu_detach_device_pasid(
      attachment.hwpt.domain,
      binding.device.dma,
      attachment.hostPasid,
    );
    attachment.hwpt.fault?.queue.release(device);
    this.#freeHostPasid(vdev, attachment.hostPasid);
    device.pasids.delete(pasid);
    this.#putHwpt(binding, attachment.hwpt);
    binding.context.publish(device);
    return 0;
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  #attachHwpt(binding: Binding, hwpt: HwptObject): number {
    const { device, context } = binding;
    const { dma } = device;
    if (dma === null) {
      return -ENODEV;
    }
    if (device.pasids.size > 0 && !hwpt.isPasidCompatible) {
      return -EINVAL;
    }
    const { ioas } = hwpt;
    const reserved = ioas?.ioas.reserve(device, this.#ports.iommu.reservedRanges()) ?? 0;
    if (reserved < 0) {
      this.#dropUnused(binding, hwpt);
      return reserved;
    }
    const old = device.hwpt;
    if (old === hwpt) {
      return hwpt.id;
    }
    const result =
      old === null ? this.#connect(device, dma, hwpt) : this.#reconnect(device, dma, old, hwpt);
    if (result < 0) {
      ioas?.ioas.unreserve(device);
      this.#dropUnused(binding, hwpt);
      return result;
    }
    device.hwpt = hwpt;
    this.#useHwpt(binding, hwpt, { guest: -1, host: device.pasid });
    if (old !== null) {
      old.fault?.queue.release(device);
      this.#putHwpt(binding, old);
    }
    context.publish(device);
    return hwpt.id;
  }

  #connect(device: DeviceObject, dma: Device, hwpt: HwptObject): number {
    const { iommu } = this.#ports;
    if (device.vdev.backing.kind === 'group') {
      const group = iommu.groupOf(dma);
      return group === undefined ? -ENODEV : iommu.setGroupDomain(group, hwpt.domain);
    }
    const pasid = iommu.iommu_alloc_global_pasid(dma);
    if (pasid === IOMMU_PASID_INVALID) {
      return -ENOSPC;
    }
    const result = iommu.iommu_attach_device_pasid(hwpt.domain, dma, pasid);
    if (result < 0) {
      iommu.iommu_free_global_pasid(pasid);
      return result;
    }
    device.pasid = pasid;
    return 0;
  }

  /** Another page table in place of the present one, with no blocked instant. */
  #reconnect(device: DeviceObject, dma: Device, _old: HwptObject, hwpt: HwptObject): number {
    const { iommu } = this.#ports;
    if (device.vdev.backing.kind === 'group') {
      const group = iommu.groupOf(dma);
      return group === undefined ? -ENODEV : iommu.setGroupDomain(group, hwpt.domain);
    }
    return iommu.iommu_replace_device_pasid(hwpt.domain, dma, device.pasid);
  }

  #disconnect(device: DeviceObject, dma: Device, hwpt: HwptObject, pasid: number): void {
    const { iommu } = this.#ports;
    const group = iommu.groupOf(dma);
    if (device.vdev.backing.kind === 'group') {
      if (group !== undefined) {
        iommu.setGroupDomain(group, null);
      }
    } else {
      iommu.iommu_detach_device_pasid(hwpt.domain, dma, pasid);
    }
    hwpt.fault?.queue.release(device);
    hwpt.ioas?.ioas.unreserve(device);
  }

  #replacePasid(binding: Binding, dma: Device, pasid: number, hwpt: HwptObject): number {
    const { device } = binding;
    const known = device.pasids.get(pasid);
    if (known === undefined) {
      return -ENOENT;
    }
    const result = this.#ports.iommu.iommu_replace_device_pasid(hwpt.domain, dma, known.hostPasid);
    if (result < 0) {
      return result;
    }
    const old = known.hwpt;
    device.pasids.set(pasid, { hwpt, hostPasid: known.hostPasid });
    this.#useHwpt(binding, hwpt, { guest: pasid, host: known.hostPasid });
    old.fault?.queue.release(device);
    this.#putHwpt(binding, old);
    return hwpt.id;
  }

  #useHwpt(
    { context, device }: Binding,
    hwpt: HwptObject,
    pasid: { readonly guest: number; readonly host: number },
  ): void {
    context.use(hwpt);
    context.publish(device);
    const { fault } = hwpt;
    if (fault === null || !isPciDev(device.dma)) {
      return;
    }
    this.#routes.set(routeKey(device.dma.rid, pasid.host), { device, guestPasid: pasid.guest });
    hwpt.domain.iopf_handler = (group: FaultGroup) => {
      const route = this.#routes.get(routeKey(group.last.rid, Math.max(0, group.last.pasid)));
      if (route === undefined) {
        group.respond(PAGE_RESPONSE_CODE.invalidRequest, 'the device was detached');
        return 0;
      }
      fault.queue.push(group, route.device.id, route.guestPasid, route.device);
      return 0;
    };
  }

  #putHwpt(binding: Binding, hwpt: HwptObject): void {
    binding.context.unuse(hwpt);
    this.#dropUnused(binding, hwpt);
  }

  #dropUnused({ context }: Binding, hwpt: HwptObject): void {
    if (hwpt.isAuto && context.usersOf(hwpt) === 0) {
      this.#ports.putAutoHwpt(context, hwpt);
    }
  }

  /** A VDEV's guest PASIDs live in the space of the parent, so each gets a host PASID of its own. */
  #hostPasid(vdev: VfioDevice, dma: Device, pasid: number): number {
    if (vdev.backing.kind === 'group') {
      return pasid;
    }
    const host = this.#ports.iommu.iommu_alloc_global_pasid(dma);
    return host === IOMMU_PASID_INVALID ? -ENOSPC : host;
  }

  #freeHostPasid(vdev: VfioDevice, hostPasid: number): void {
    if (vdev.backing.kind !== 'group') {
      this.#ports.iommu.iommu_free_global_pasid(hostPasid);
    }
  }

  #attachEmulated(binding: Binding, ioas: IoasObject): number {
    const { context, device } = binding;
    if (device.ioas !== null && device.ioas !== ioas) {
      this.#detachEmulated(binding, device.ioas);
    }
    if (device.ioas === null) {
      device.ioas = ioas;
      context.use(ioas);
      ioas.ioas.unmapCallbacks.add(this.#callbackOf(device));
      context.publish(device);
    }
    return ioas.id;
  }

  #detachEmulated({ context, device }: Binding, ioas: IoasObject): void {
    ioas.ioas.unmapCallbacks.delete(this.#callbackOf(device));
    device.ioas = null;
    context.unuse(ioas);
    context.publish(device);
  }

  readonly #callbacks = new Map<DeviceObject, (iova: number, bytes: number) => void>();

  #callbackOf(device: DeviceObject): (iova: number, bytes: number) => void {
    const known = this.#callbacks.get(device);
    if (known !== undefined) {
      return known;
    }
    const { vdev } = device;
    const callback = (iova: number, bytes: number): void => {
      vdev.call('dma_unmap', () => vdev.ops.dma_unmap?.(vdev, iova, bytes));
    };
    this.#callbacks.set(device, callback);
    return callback;
  }
}
