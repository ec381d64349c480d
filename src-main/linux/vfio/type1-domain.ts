/** A domain of a type1 container and the groups attached to it, in the words of either era. */
import { EINVAL, ENODEV, ENOSPC, IS_ERR } from '../errno.ts';
import type { AuxDomains } from '../iommu/aux-domain.ts';
import type { IommuDomain } from '../iommu/domain.ts';
import { IOMMU_PASID_INVALID, type Iommu } from '../iommu/iommu.ts';
import type { Core } from '../core/core.ts';
import type { Device } from '../core/device.ts';
import { isPciDev } from '../pci/pci-dev.ts';
import type { VfioGroup } from './group.ts';

export interface Type1Ports {
  readonly core: Core;
  readonly iommu: Iommu;
  readonly aux: AuxDomains;
}

/** Device whose PASIDs carry a group's DMA; undefined when the group has a domain of its own. */
export function pasidParentOf(group: VfioGroup): Device | undefined {
  const backings = group.devices.map((d) => d.backing);
  return backings.find((b) => b.kind === 'pasid')?.parent;
}

/** All members must name the same parent. */
export function hasOneParent(group: VfioGroup): boolean {
  const parents = group.devices.flatMap((d) =>
    d.backing.kind === 'pasid' ? [d.backing.parent] : [],
  );
  return new Set(parents).size <= 1;
}

export class Type1Domain {
  readonly domain: IommuDomain;
  readonly groups: VfioGroup[] = [];
  readonly #ports: Type1Ports;
  /** Later era: PASID of each group that hangs on a parent. */
  readonly #pasids = new Map<VfioGroup, number>();

  constructor(ports: Type1Ports, domain: IommuDomain) {
    this.#ports = ports;
    this.domain = domain;
  }

  /** Whether the platform can make every access of a group's devices snoop. */
  static isCoherent(ports: Type1Ports, group: VfioGroup): boolean {
    const hasSnoopControl = ports.iommu.driver?.unit.has('SC') === true;
    const members = pasidParentOf(group)?.name ?? group.iommu_group.devices[0]?.name ?? '';
    return hasSnoopControl && !ports.core.params.noncoherent_devices.includes(members);
  }

  attach(group: VfioGroup): number {
    const parent = pasidParentOf(group);
    const result =
      parent === undefined
        ? this.#ports.iommu.setGroupDomain(group.iommu_group, this.domain)
        : this.#attachPasid(group, parent);
    if (result === 0) {
      this.groups.push(group);
    }
    return result;
  }

  detach(group: VfioGroup): void {
    const parent = pasidParentOf(group);
    this.groups.splice(this.groups.indexOf(group), 1);
    if (parent === undefined) {
      this.#ports.iommu.setGroupDomain(group.iommu_group, null);
      return;
    }
    if (this.#ports.core.profile === 'kvmforum2019') {
      this.#ports.aux.iommu_aux_detach_device(this.domain, parent);
      return;
    }
    const pasid = this.#pasids.get(group) ?? 0;
    this.#pasids.delete(group);
    if ([...this.#pasids.values()].includes(pasid)) {
      return;
    }
    this.#ports.iommu.iommu_detach_device_pasid(this.domain, parent, pasid);
    this.#ports.iommu.iommu_free_global_pasid(pasid);
    this.domain.default_pasid = 0;
    this.domain.publish();
  }

  /** PASID that requests of a group's devices carry, -EINVAL when the group has its own domain. */
  pasidOf(group: VfioGroup): number {
    const parent = pasidParentOf(group);
    if (parent === undefined || !this.groups.includes(group)) {
      return -EINVAL;
    }
    return this.#ports.core.profile === 'kvmforum2019'
      ? this.#ports.aux.iommu_aux_get_pasid(this.domain, parent)
      : (this.#pasids.get(group) ?? -EINVAL);
  }

  #attachPasid(group: VfioGroup, parent: Device): number {
    if (!hasOneParent(group)) {
      return -EINVAL;
    }
    if (!isPciDev(parent)) {
      return -ENODEV;
    }
    if (this.#ports.core.profile === 'kvmforum2019') {
      return this.#ports.aux.iommu_aux_attach_device(this.domain, parent);
    }
    // One domain and one parent share one PASID, however many groups hang on it.
    const sibling = this.groups.find((g) => pasidParentOf(g) === parent);
    const shared = sibling === undefined ? undefined : this.#pasids.get(sibling);
    if (shared !== undefined) {
      this.#pasids.set(group, shared);
      return 0;
    }
    const pasid = this.#ports.iommu.iommu_alloc_global_pasid(parent);
    if (pasid === IOMMU_PASID_INVALID) {
      return -ENOSPC;
    }
    const result = this.#ports.iommu.iommu_attach_device_pasid(this.domain, parent, pasid);
    if (IS_ERR(result)) {
      this.#ports.iommu.iommu_free_global_pasid(pasid);
      return result;
    }
    this.#pasids.set(group, pasid);
    this.domain.default_pasid = pasid;
    this.domain.publish();
    return 0;
  }
}
