/**
 * The VFIO core: devices of drivers, their groups and nodes, opening and closing, and what drivers may ask of the container
 * (drivers/vfio/vfio_main.c, group.c, container.c).
 */
import type { Core } from '../core/core.ts';
import type { Device } from '../core/device.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import type { Caller, DeviceNodes, OpenFile } from '../core/files.ts';
import type { Sysfs } from '../core/sysfs.ts';
import { EINVAL, ENODEV, IS_ERR } from '../errno.ts';
import type { AuxDomains } from '../iommu/aux-domain.ts';
import type { Iommu } from '../iommu/iommu.ts';
import type { Irqs } from '../irq/irq.ts';
import { ContainerFile } from './container-file.ts';
import { VfioDeviceFile, type IommufdPort } from './device-file.ts';
import { openGroup, type GroupFilePorts } from './group-file.ts';
import { VfioGroup, type VfioIommuOwner } from './group.ts';
import type { Type1 } from './type1.ts';
import { VfioDevice, type VfioBacking, type VfioDeviceOps } from './vfio-device.ts';

export interface VfioParts {
  readonly core: Core;
  readonly sysfs: Sysfs;
  readonly nodes: DeviceNodes;
  readonly iommu: Iommu;
  readonly aux: AuxDomains;
  readonly irqs: Irqs;
}

/** What drivers reach through whoever owns the DMA of a device: a type1 container or an iommufd. */
export interface DmaAccess {
  pinPages(vdev: VfioDevice, iova: number, count: number, prot: number): readonly number[] | number;
  unpinPages(vdev: VfioDevice, iova: number, count: number): void;
  copy(vdev: VfioDevice, iova: number, bytes: Uint8Array, isWrite: boolean): number;
}

export interface VfioIommufd extends IommufdPort, DmaAccess {
  /** What a driver's own attach operations come down to, in the way of the device's backing. */
  readonly attachments: {
    attach(vdev: VfioDevice, ptId: number): number;
    detach(vdev: VfioDevice): void;
    attachPasid(vdev: VfioDevice, pasid: number, ptId: number): number;
    detachPasid(vdev: VfioDevice, pasid: number): number;
  };
  defaultPasid(vdev: VfioDevice): number;
  hostPasid(vdev: VfioDevice, guestPasid: number): number;
  hostPasids(vdev: VfioDevice): readonly { readonly guest: number; readonly host: number }[];
  /** A descriptor of /dev/iommu given to SET_CONTAINER. */
  compatOwner(file: OpenFile): VfioIommuOwner | undefined;
}

export class Vfio {
  readonly #parts: VfioParts;
  readonly #core: Core;
  readonly #devices = new Map<Device, VfioDevice>();
  readonly #groups = new Map<number, VfioGroup>();
  #iommufd: VfioIommufd | null = null;

  constructor(parts: VfioParts) {
    this.#parts = parts;
    this.#core = parts.core;
    const { core, iommu, aux, irqs } = parts;
    parts.nodes.add('/dev/vfio/vfio', () => new ContainerFile({ core, iommu, aux, irqs }));
    exportSymbols<Vfio>(core, this, {
      calls: [
        'vfio_alloc_device',
        'vfio_put_device',
        'vfio_register_group_dev',
        'vfio_register_emulated_iommu_dev',
        'vfio_register_siov_dev',
        'vfio_unregister_group_dev',
        'vfio_pin_pages',
        'vfio_unpin_pages',
        'vfio_dma_rw',
      ],
    });
  }

  useIommufd(iommufd: VfioIommufd): void {
    this.#iommufd = iommufd;
  }

  deviceOf(dev: Device): VfioDevice | undefined {
    return this.#devices.get(dev);
  }

  get devices(): readonly VfioDevice[] {
    return [...this.#devices.values()];
  }

  groupOf(id: number): VfioGroup | undefined {
    return this.#groups.get(id);
  }

  // ---- registration --------------------------------------------------------------------------------------------------

  /** A device with its init done, or ERR_PTR. */
  vfio_alloc_device(dev: Device, ops: VfioDeviceOps): VfioDevice | number {
    const vdev = new VfioDevice(this.#core, dev, ops);
    const result = vdev.call('init', () => ops.init?.(vdev) ?? 0) ?? 0;
    return result < 0 ? result : vdev;
  }

  vfio_put_device(vdev: VfioDevice): void {
    vdev.refs.put();
  }

  /** For devices whose own IOMMU group carries the DMA. -EINVAL without one. */
  vfio_register_group_dev(vdev: VfioDevice): number {
    const group = this.#parts.iommu.groupOf(vdev.dev);
    return group === undefined ? -EINVAL : this.#register(vdev, { kind: 'group' });
  }

  /** For devices whose driver moves the data or pins pages by itself. */
  vfio_register_emulated_iommu_dev(vdev: VfioDevice): number {
    return this.#register(vdev, { kind: 'emulated' });
  }

  /** For a VDEV whose DMA leaves as requests of `parent` with a PASID. Simulator's name; Linux has none yet. */
  vfio_register_siov_dev(vdev: VfioDevice, parent: Device): number {
    return this.#register(vdev, { kind: 'pasid', parent });
  }

  /**
   * Takes the device from user space. While somebody has it open the driver's request operation is called at once and then
   * every ten seconds, and the rest happens when the last user closes.
   */
  vfio_unregister_group_dev(vdev: VfioDevice): void {
    if (!vdev.isRegistered) {
      return;
    }
    vdev.isRegistered = false;
    this.#parts.nodes.remove(this.#cdevPath(vdev));
    this.#parts.sysfs.remove(`${vdev.dev.path}/vfio-dev`);
    if (vdev.open_count === 0) {
      this.#finishUnregister(vdev);
      return;
    }
    vdev.removal = { count: 0, timer: 0 };
    vdev.refs.get();
    this.#requestRelease(vdev);
  }

  /** Runs `then` once nobody uses the VFIO device of `dev` any more, maybe at once. */
  whenUnused(dev: Device, then: () => void): void {
    const vdev = [...this.#devices.values()].find((v) => v.dev === dev);
    if (vdev?.removal === undefined || vdev.removal === null) {
      then();
      return;
    }
    vdev.whenUnused.push(then);
  }

  // ---- for drivers ---------------------------------------------------------------------------------------------------

  /** Physical addresses of pinned pages, or a negative error number. */
  vfio_pin_pages(
    vdev: VfioDevice,
    iova: number,
    count: number,
    prot: number,
  ): readonly number[] | number {
    if (vdev.open_count === 0 || vdev.ops.dma_unmap === undefined) {
      return -EINVAL;
    }
    const type1 = this.type1Of(vdev);
    return (
      type1?.pinPages(vdev, iova, count, prot) ??
      this.#iommufd?.pinPages(vdev, iova, count, prot) ??
      -EINVAL
    );
  }

  vfio_unpin_pages(vdev: VfioDevice, iova: number, count: number): void {
    const type1 = this.type1Of(vdev);
    if (type1 === undefined) {
      this.#iommufd?.unpinPages(vdev, iova, count);
      return;
    }
    type1.unpinPages(iova, count);
  }

  /** Copies between a driver's buffer and user memory behind an IOVA: 0 or a negative error number. */
  vfio_dma_rw(vdev: VfioDevice, iova: number, bytes: Uint8Array, isWrite: boolean): number {
    const type1 = this.type1Of(vdev);
    return (
      type1?.copy(iova, bytes, isWrite) ??
      this.#iommufd?.copy(vdev, iova, bytes, isWrite) ??
      -EINVAL
    );
  }

  /** Host PASID that stands for a VDEV's requests without a guest PASID, -EINVAL when there is none. */
  defaultPasid(vdev: VfioDevice): number {
    const type1 = this.type1Of(vdev);
    const group = this.#groupOf(vdev);
    if (type1 === undefined || group === undefined) {
      return this.#iommufd?.defaultPasid(vdev) ?? -EINVAL;
    }
    return type1.domainOf(group)?.pasidOf(group) ?? -EINVAL;
  }

  /** Host PASID behind a guest PASID that was attached to a VDEV, -EINVAL when it was not. */
  hostPasid(vdev: VfioDevice, guestPasid: number): number {
    return this.#iommufd?.hostPasid(vdev, guestPasid) ?? -EINVAL;
  }

  /** Every guest PASID that was attached to a VDEV, with its host PASID. */
  hostPasids(vdev: VfioDevice): readonly { readonly guest: number; readonly host: number }[] {
    return this.#iommufd?.hostPasids(vdev) ?? [];
  }

  /** For drivers: attaches a page table to a PASID (vfio_iommufd_physical_pasid_attach_ioas). */
  attachPasid(vdev: VfioDevice, pasid: number, ptId: number): number {
    return this.#iommufd?.attachments.attachPasid(vdev, pasid, ptId) ?? -EINVAL;
  }

  detachPasid(vdev: VfioDevice, pasid: number): void {
    this.#iommufd?.attachments.detachPasid(vdev, pasid);
  }

  /** For drivers: vfio_iommufd_physical_attach_ioas and its counterparts. */
  attachIoas(vdev: VfioDevice, ptId: number): number {
    return this.#iommufd?.attachments.attach(vdev, ptId) ?? -EINVAL;
  }

  detachIoas(vdev: VfioDevice): void {
    this.#iommufd?.attachments.detach(vdev);
  }

  /** vfio_group_iommu_domain and what belongs to it. */
  type1Of(vdev: VfioDevice): Type1 | undefined {
    const container = this.#groupOf(vdev)?.container;
    return container instanceof ContainerFile ? (container.type1 ?? undefined) : undefined;
  }

  /** KVM_DEV_VFIO_FILE_ADD: the VM behind the user of a group or device. */
  setKvm(file: OpenFile, kvm: object | null): number {
    if (file instanceof VfioDeviceFile) {
      file.vdev.kvm = kvm;
      return 0;
    }
    const group = [...this.#groups.values()].find((g) => g.name === file.name);
    if (group === undefined) {
      return -EINVAL;
    }
    group.kvm = kvm;
    group.devices.forEach((d) => {
      d.kvm = kvm;
    });
    return 0;
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  #register(vdev: VfioDevice, backing: VfioBacking): number {
    const { iommu, nodes, sysfs } = this.#parts;
    vdev.backing = backing;
    const iommuGroup = iommu.groupOf(vdev.dev) ?? iommu.createGroup(vdev.dev);
    const group = this.#groups.get(iommuGroup.id) ?? this.#newGroup(iommuGroup.id, vdev.dev);
    if (group === undefined) {
      return -ENODEV;
    }
    group.devices.push(vdev);
    vdev.group = group;
    vdev.index = this.#core.nextId('vfio-device', 0);
    vdev.isRegistered = true;
    this.#devices.set(vdev.dev, vdev);
    if (this.#core.profile === 'iommufd') {
      nodes.add(this.#cdevPath(vdev), () => this.#openCdev(vdev));
      sysfs.mkdir(`${vdev.dev.path}/vfio-dev/vfio${vdev.index}`);
    }
    group.update();
    vdev.publish();
    return 0;
  }

  #newGroup(id: number, dev: Device): VfioGroup | undefined {
    const iommuGroup = this.#parts.iommu.groupOf(dev);
    if (iommuGroup === undefined) {
      return undefined;
    }
    const group = new VfioGroup(this.#core, iommuGroup);
    this.#groups.set(id, group);
    const ports: GroupFilePorts = {
      core: this.#core,
      iommu: this.#parts.iommu,
      containerOf: (file) =>
        file instanceof ContainerFile ? file : this.#iommufd?.compatOwner(file),
      openDevice: (vdev, owner, caller) => this.#openInGroup(vdev, owner, caller),
    };
    this.#parts.nodes.add(group.path, () => openGroup(ports, group));
    return group;
  }

  #cdevPath(vdev: VfioDevice): string {
    return `/dev/vfio/devices/vfio${vdev.index}`;
  }

  #openInGroup(vdev: VfioDevice, group: VfioGroup, caller: Caller): OpenFile | number {
    vdev.kvm = group.kvm;
    const opened = this.#open(vdev, caller);
    if (opened < 0) {
      return opened;
    }
    group.device_users += 1;
    group.update();
    return new VfioDeviceFile(this.#filePorts(), vdev, {
      isCdev: false,
      onRelease: () => {
        group.device_users -= 1;
        this.#leaveContainer(group);
        group.update();
      },
    });
  }

  /** The group's file is gone already: the last device takes the container with it. */
  #leaveContainer(group: VfioGroup): void {
    if (group.isOpen || group.device_users > 0 || group.container === null) {
      return;
    }
    const { container } = group;
    group.container = null;
    container.detachGroup(group);
    if (group.isIommuBacked && !container.claimsDevices) {
      this.#parts.iommu.iommu_group_release_dma_owner(group.iommu_group);
    }
  }

  #openCdev(vdev: VfioDevice): OpenFile | number {
    if (!vdev.isRegistered || this.#iommufd === null) {
      return -ENODEV;
    }
    return new VfioDeviceFile(this.#filePorts(), vdev, { isCdev: true, onRelease: () => {} });
  }

  #filePorts(): ConstructorParameters<typeof VfioDeviceFile>[0] {
    return {
      iommufd: this.#iommufd ?? NO_IOMMUFD,
      open: (vdev, caller) => this.#open(vdev, caller),
      close: (vdev) => this.#close(vdev),
    };
  }

  /** open_device runs for the first user only; a failure leaves nothing behind. */
  #open(vdev: VfioDevice, caller: Caller): number {
    if (vdev.open_count === 0) {
      vdev.user = caller;
      const result = vdev.call('open_device', () => vdev.ops.open_device?.(vdev) ?? 0) ?? 0;
      if (IS_ERR(result)) {
        vdev.user = null;
        return result;
      }
    }
    vdev.open_count += 1;
    vdev.publish();
    return 0;
  }

  #close(vdev: VfioDevice): void {
    vdev.open_count -= 1;
    if (vdev.open_count > 0) {
      return;
    }
    vdev.call('close_device', () => vdev.ops.close_device?.(vdev));
    vdev.kvm = null;
    vdev.user = null;
    vdev.publish();
    if (vdev.removal !== null) {
      this.#core.timers.cancel(vdev.removal.timer);
      vdev.removal = null;
      this.#finishUnregister(vdev);
      const waiting = vdev.whenUnused.splice(0);
      vdev.refs.put();
      waiting.forEach((then) => then());
    }
  }

  #requestRelease(vdev: VfioDevice): void {
    const { removal } = vdev;
    if (removal === null) {
      return;
    }
    const { count } = removal;
    if (vdev.ops.request === undefined) {
      this.#core.warn(`${vdev.name}: Device is currently in use, removal waits for its user`);
    }
    vdev.removal = {
      count: count + 1,
      timer: this.#core.timers.schedule(
        this.#core.nowNs + this.#core.params.remove_interval_ns,
        () => this.#requestRelease(vdev),
      ),
    };
    vdev.publish();
    vdev.call('request', () => vdev.ops.request?.(vdev, count));
  }

  #groupOf(vdev: VfioDevice): VfioGroup | undefined {
    return vdev.group === null ? undefined : this.#groups.get(vdev.group.id);
  }

  #finishUnregister(vdev: VfioDevice): void {
    const group = this.#groupOf(vdev);
    this.#devices.delete(vdev.dev);
    if (group === undefined) {
      return;
    }
    group.devices.splice(group.devices.indexOf(vdev), 1);
    vdev.group = null;
    if (group.devices.length === 0) {
      this.#parts.nodes.remove(group.path);
      this.#groups.delete(group.id);
      group.unpublish();
    } else {
      group.update();
    }
    if (vdev.backing.kind !== 'group') {
      this.#parts.iommu.leaveGroup(vdev.dev);
    }
    vdev.publish();
  }
}

const NO_IOMMUFD: IommufdPort = {
  contextOf: () => undefined,
  bind: () => -EINVAL,
  unbind: () => {},
  attach: () => -EINVAL,
  detach: () => {},
  attachPasid: () => -EINVAL,
  detachPasid: () => -EINVAL,
};
