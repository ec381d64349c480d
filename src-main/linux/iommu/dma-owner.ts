/**
 * Who may set up DMA of a group: kernel drivers, which share the default domain, or one owner in user space
 * (drivers/iommu/iommu.c, iommu_group_claim_dma_owner). Between claim and attachment the group's DMA is blocked.
 */
import type { Device } from '../core/device.ts';
import { EBUSY, ENODEV, EPERM } from '../errno.ts';
import type { IommuDomain } from './domain.ts';
import type { IommuGroup } from './group.ts';

export interface DmaOwnershipParts {
  groupOf(device: Device): IommuGroup | undefined;
  /** null blocks the group's requests without PASID. */
  setGroupDomain(group: IommuGroup, domain: IommuDomain | null): number;
}

export class DmaOwnership {
  readonly #parts: DmaOwnershipParts;

  constructor(parts: DmaOwnershipParts) {
    this.#parts = parts;
  }

  claimGroup(group: IommuGroup, owner: object): number {
    return group.owner_cnt > 0 ? -EPERM : this.#claim(group, owner);
  }

  /** The same owner may claim several members. */
  claimDevice(dev: Device, owner: object): number {
    const group = this.#parts.groupOf(dev);
    if (group === undefined) {
      return -ENODEV;
    }
    if (group.owner_cnt === 0) {
      return this.#claim(group, owner);
    }
    if (group.owner !== owner) {
      return -EPERM;
    }
    this.#count(group, 1);
    return 0;
  }

  releaseGroup(group: IommuGroup): void {
    group.owner = null;
    group.owner_cnt = 0;
    this.#parts.setGroupDomain(group, group.default_domain);
    group.publish();
  }

  releaseDevice(dev: Device): void {
    const group = this.#parts.groupOf(dev);
    if (group === undefined) {
      return;
    }
    if (group.owner_cnt > 1) {
      this.#count(group, -1);
    } else {
      this.releaseGroup(group);
    }
  }

  /** A kernel driver binds: it needs the default domain, so nobody in user space may own the group. */
  useDefaultDomain(dev: Device): number {
    const group = this.#parts.groupOf(dev);
    if (group === undefined) {
      return 0;
    }
    if (group.owner !== null || group.domain !== group.default_domain) {
      return -EBUSY;
    }
    this.#count(group, 1);
    return 0;
  }

  unuseDefaultDomain(dev: Device): void {
    const group = this.#parts.groupOf(dev);
    if (group !== undefined && group.owner === null && group.owner_cnt > 0) {
      this.#count(group, -1);
    }
  }

  #claim(group: IommuGroup, owner: object): number {
    if (group.domain !== group.default_domain) {
      return -EBUSY;
    }
    group.owner = owner;
    group.owner_cnt = 1;
    this.#parts.setGroupDomain(group, null);
    group.publish();
    return 0;
  }

  #count(group: IommuGroup, change: 1 | -1): void {
    group.owner_cnt += change;
    group.publish();
  }
}
