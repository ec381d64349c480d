/** /dev/vfio/N: a group (drivers/vfio/group.c). */
import { VFIO_FLAGS as F, VFIO_GROUP_IOCTLS as G } from '../../spec/vfio/ioctl-numbers.ts';
import { VfioGroupStatus } from '../../spec/vfio/vfio-structures.ts';
import type { PlainData } from '../../sim/index.ts';
import type { Core } from '../core/core.ts';
import { OpenFile, type Caller, type IoctlArgument } from '../core/files.ts';
import { UserArgument } from '../core/user-argument.ts';
import { EBADF, EBADFD, EBUSY, EINVAL, ENODEV, ENOTTY, IS_ERR } from '../errno.ts';
import type { Iommu } from '../iommu/iommu.ts';
import type { VfioGroup, VfioIommuOwner } from './group.ts';
import type { VfioDevice } from './vfio-device.ts';

export interface GroupFilePorts {
  readonly core: Core;
  readonly iommu: Iommu;
  /** What a descriptor given to SET_CONTAINER stands for, or undefined when it is something else. */
  containerOf(file: OpenFile): VfioIommuOwner | undefined;
  /** Opens a device for a group: the file, or a negative error number. */
  openDevice(vdev: VfioDevice, group: VfioGroup, caller: Caller): OpenFile | number;
}

export class GroupFile extends OpenFile {
  readonly group: VfioGroup;
  readonly #ports: GroupFilePorts;

  constructor(ports: GroupFilePorts, group: VfioGroup) {
    super(ports.core, group.name);
    this.group = group;
    this.#ports = ports;
    group.isOpen = true;
    group.update();
  }

  override ioctl(command: number, argument: IoctlArgument, caller: Caller): number {
    switch (command) {
      case G.VFIO_GROUP_GET_STATUS:
        return this.#getStatus(argument);
      case G.VFIO_GROUP_SET_CONTAINER:
        return this.#setContainer(Number(argument), caller);
      case G.VFIO_GROUP_UNSET_CONTAINER:
        return this.#unsetContainer();
      case G.VFIO_GROUP_GET_DEVICE_FD:
        return this.#getDeviceFd(String(argument), caller);
      default:
        return -ENOTTY;
    }
  }

  override release(): void {
    const { group } = this;
    group.isOpen = false;
    if (group.container !== null && group.device_users === 0) {
      this.#detach();
    }
    group.update();
  }

  override state(): PlainData {
    return { kind: 'group', state: this.group.state, id: this.group.id };
  }

  #getStatus(argument: IoctlArgument): number {
    const arg = UserArgument.vfio(VfioGroupStatus, argument);
    if (IS_ERR(arg)) {
      return arg;
    }
    const { container } = this.group;
    const isViable = this.#isViable();
    arg.put({
      flags:
        (isViable ? F.VFIO_GROUP_FLAGS_VIABLE : 0) |
        (container === null ? 0 : F.VFIO_GROUP_FLAGS_CONTAINER_SET),
    });
    return 0;
  }

  #setContainer(fd: number, caller: Caller): number {
    const { group } = this;
    if (group.container !== null) {
      return -EINVAL;
    }
    const file = caller.files.get(fd);
    if (file === undefined) {
      return -EBADF;
    }
    const container = this.#ports.containerOf(file);
    if (container === undefined) {
      return this.core.profile === 'kvmforum2019' ? -EINVAL : -EBADFD;
    }
    const claimed = this.#claim(container);
    if (claimed < 0) {
      return claimed;
    }
    const result = container.attachGroup(group);
    if (result < 0) {
      this.#releaseClaim(container);
      return result;
    }
    group.container = container;
    this.#changed();
    return 0;
  }

  #unsetContainer(): number {
    const { group } = this;
    if (group.container === null) {
      return -EINVAL;
    }
    if (group.device_users > 0) {
      return -EBUSY;
    }
    this.#detach();
    this.#changed();
    return 0;
  }

  #getDeviceFd(name: string, caller: Caller): number {
    const { group } = this;
    if (group.container?.isReady !== true || !this.#isViable()) {
      return -EINVAL;
    }
    const vdev = group.devices.find((d) => d.name === name && d.isRegistered);
    if (vdev === undefined) {
      return -ENODEV;
    }
    const file = this.#ports.openDevice(vdev, group, caller);
    if (IS_ERR(file)) {
      return file;
    }
    const fd = caller.files.install(file);
    this.touch();
    return fd;
  }

  /** 2019: nobody of the group may be bound to a driver of the kernel. Later the claim says so. */
  #isViable(): boolean {
    const { group } = this;
    const { owner, owner_cnt } = group.iommu_group;
    return !group.isIommuBacked || owner !== null || owner_cnt === 0;
  }

  /** Takes DMA away from the kernel, for groups whose own domain carries it. */
  #claim(container: VfioIommuOwner): number {
    const { group } = this;
    if (!group.isIommuBacked || container.claimsDevices) {
      return 0;
    }
    return this.#ports.iommu.iommu_group_claim_dma_owner(group.iommu_group, group);
  }

  #releaseClaim(container: VfioIommuOwner): void {
    if (this.group.isIommuBacked && !container.claimsDevices) {
      this.#ports.iommu.iommu_group_release_dma_owner(this.group.iommu_group);
    }
  }

  #detach(): void {
    const { group } = this;
    const { container } = group;
    if (container === null) {
      return;
    }
    group.container = null;
    container.detachGroup(group);
    this.#releaseClaim(container);
  }

  #changed(): void {
    this.group.update();
    this.touch();
  }
}

/** Opening the node: one file at a time, and not while a member is open through its character device. */
export function openGroup(ports: GroupFilePorts, group: VfioGroup): OpenFile | number {
  return group.isOpen || group.cdev_users > 0 ? -EBUSY : new GroupFile(ports, group);
}
