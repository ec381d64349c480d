/**
 * `struct iommu_group`: the smallest set of functions that translation can keep apart from the rest, with its default domain,
 * the domain in use, and who owns its DMA.
 */
import type { Core } from '../core/core.ts';
import type { Device } from '../core/device.ts';
import type { Sysfs } from '../core/sysfs.ts';
import type { IommuDomain } from './domain.ts';

/** What is attached at a PASID, with the caller's cookie (`struct iommu_attach_handle`). */
export interface PasidAttachment {
  domain: IommuDomain;
  handle: unknown;
}

export class IommuGroup {
  readonly id: number;
  readonly name: string;
  readonly devices: Device[] = [];
  /** In use by drivers of the kernel; null for a group of devices without translation of their own. */
  default_domain: IommuDomain | null = null;
  /** What requests without PASID use; null: blocked. */
  domain: IommuDomain | null = null;
  readonly pasids = new Map<number, PasidAttachment>();
  /** User-space owner of all DMA of the group. */
  owner: object | null = null;
  /** Drivers bound to members, or claims of the owner. */
  owner_cnt = 0;
  readonly #core: Core;
  readonly #sysfs: Sysfs;

  constructor(core: Core, sysfs: Sysfs) {
    this.#core = core;
    this.#sysfs = sysfs;
    this.id = core.nextId('iommu-group', 0);
    this.name = `group${this.id}`;
    sysfs.mkdir(this.path);
    sysfs.mkdir(`${this.path}/devices`);
    this.publish();
  }

  get path(): string {
    return `kernel/iommu_groups/${this.id}`;
  }

  add(device: Device): void {
    this.devices.push(device);
    this.#sysfs.link(`${this.path}/devices/${device.name}`, device.path);
    this.#sysfs.link(`${device.path}/iommu_group`, this.path);
    this.publish();
  }

  /** True when the group is empty now and gone. */
  remove(device: Device): boolean {
    const at = this.devices.indexOf(device);
    if (at >= 0) {
      this.devices.splice(at, 1);
      this.#sysfs.remove(`${this.path}/devices/${device.name}`);
      this.#sysfs.remove(`${device.path}/iommu_group`);
    }
    if (this.devices.length > 0) {
      this.publish();
      return false;
    }
    this.#sysfs.remove(this.path);
    this.#core.publish(`iommu/group/${this.id}`, undefined);
    return true;
  }

  publish(): void {
    const { owner } = this;
    this.#core.publish(`iommu/group/${this.id}`, {
      devices: this.devices.map((d) => d.name),
      defaultDomain: this.default_domain?.name ?? null,
      domain: this.domain?.name ?? null,
      owner: owner === null ? null : 'name' in owner ? String(owner.name) : 'user space',
      ownerCount: this.owner_cnt,
      pasids: [...this.pasids].map(([pasid, a]) => ({ pasid, domain: a.domain.name })),
    });
  }
}
