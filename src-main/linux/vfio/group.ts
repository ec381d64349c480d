/** `struct vfio_group`: the legacy unit of assignment, with the container it is in. */
import type { Core } from '../core/core.ts';
import type { IommuGroup } from '../iommu/group.ts';
import type { VfioDevice } from './vfio-device.ts';

/** What a group is put into: a type1 container, or an iommufd that plays one. */
export interface VfioIommuOwner {
  readonly name: string;
  /** An IOMMU type was set: devices may be opened. */
  readonly isReady: boolean;
  /** It claims DMA ownership of each device itself. */
  readonly claimsDevices: boolean;
  attachGroup(group: VfioGroup): number;
  detachGroup(group: VfioGroup): void;
}

export type GroupState = 'CLOSED' | 'OPEN' | 'CONTAINED' | 'IN_USE';

export class VfioGroup {
  readonly id: number;
  readonly name: string;
  readonly iommu_group: IommuGroup;
  readonly devices: VfioDevice[] = [];
  /** Path of the node. */
  readonly path: string;
  isOpen = false;
  container: VfioIommuOwner | null = null;
  /** Open device files. */
  device_users = 0;
  /** Devices open through their character device. */
  cdev_users = 0;
  kvm: object | null = null;
  readonly #core: Core;
  #state: GroupState = 'CLOSED';

  constructor(core: Core, iommuGroup: IommuGroup) {
    this.#core = core;
    this.iommu_group = iommuGroup;
    this.id = iommuGroup.id;
    this.name = `vfio group ${this.id}`;
    this.path = `/dev/vfio/${this.id}`;
  }

  /** True when the group's own IOMMU domain carries the DMA. */
  get isIommuBacked(): boolean {
    return this.devices.some((d) => d.backing.kind === 'group');
  }

  get isEmulated(): boolean {
    return this.devices.every((d) => d.backing.kind === 'emulated');
  }

  get state(): GroupState {
    return this.#state;
  }

  /** Works the state out again and publishes it. */
  update(): void {
    const next = this.#currentState();
    this.#core.stateChanged(this.name, this.#state, next);
    this.#state = next;
    this.#core.publish(`vfio/group/${this.id}`, {
      state: next,
      devices: this.devices.map((d) => d.name),
      container: this.container?.name ?? null,
      deviceUsers: this.device_users,
      isIommuBacked: this.isIommuBacked,
    });
  }

  unpublish(): void {
    this.#core.publish(`vfio/group/${this.id}`, undefined);
  }

  #currentState(): GroupState {
    if (!this.isOpen && this.device_users === 0) {
      return 'CLOSED';
    }
    if (this.container === null) {
      return 'OPEN';
    }
    return this.device_users > 0 ? 'IN_USE' : 'CONTAINED';
  }
}
