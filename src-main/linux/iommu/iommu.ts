/**
 * The IOMMU core as drivers use it (drivers/iommu/iommu.c): domains, mapping, attachment of functions and PASIDs, groups.
 *
 * Mapping and attachment change tables in memory and queue the invalidations themselves; `iommu_unmap_fast` leaves the
 * invalidation to `iommu_iotlb_sync`.
 */
import type { Core } from '../core/core.ts';
import type { Device } from '../core/device.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import type { Sysfs } from '../core/sysfs.ts';
import { EADDRINUSE, EBUSY, EINVAL, ENODEV, EOPNOTSUPP, IS_ERR } from '../errno.ts';
import {
  DOMAIN_ATTACHED,
  DOMAIN_DETACHED,
  DOMAIN_MAPPED,
  DOMAIN_UNMAPPED,
} from '../../spec/events/linux.ts';
import { INTERRUPT_RANGE } from '../../spec/vtd/interrupt-message.ts';
import type { PageAllocator } from '../mm/page-allocator.ts';
import { enableAcs, isIsolatedFunction, isIsolatingPort } from '../pci/acs.ts';
import { isPciDev, type PciDev } from '../pci/pci-dev.ts';
import type { Pci } from '../pci/pci.ts';
import { DmaOwnership } from './dma-owner.ts';
import type { IommuDomain } from './domain.ts';
import { IOMMU_NO_PASID, type DomainFormat } from './domain.ts';
import { IommuGroup } from './group.ts';
import type { IntelIommu, PagingRequest } from './intel/intel-iommu.ts';
import type { PasidPool } from './pasid-pool.ts';

export const IOMMU_READ = 1;
export const IOMMU_WRITE = 2;
/** Accesses snoop CPU caches. */
export const IOMMU_CACHE = 4;

/** What iommu_alloc_global_pasid() gives when there is none. */
export const IOMMU_PASID_INVALID = 0xffff_ffff;

const PAGE_BYTES = 4096;

/** Ranges that were unmapped but may still be cached (`struct iommu_iotlb_gather`). */
export interface IotlbGather {
  start: number;
  end: number;
  /** Table pages to free after the invalidation. */
  readonly freelist: number[];
}

export function createGather(): IotlbGather {
  return { start: Number.POSITIVE_INFINITY, end: 0, freelist: [] };
}

export interface IommuParts {
  readonly core: Core;
  readonly sysfs: Sysfs;
  readonly pages: PageAllocator;
  readonly pci: Pci;
  readonly pasids: PasidPool;
  /** Null without a unit, or with intel_iommu=off. */
  readonly driver: IntelIommu | null;
}

export class Iommu {
  readonly driver: IntelIommu | null;
  readonly #core: Core;
  readonly #parts: IommuParts;
  readonly #groups = new Map<Device, IommuGroup>();
  readonly owners = new DmaOwnership(this);
  /** Functions in the middle of a reset: nothing is attached to them meanwhile. */
  readonly #resetting = new Set<Device>();

  constructor(parts: IommuParts) {
    this.#core = parts.core;
    this.#parts = parts;
    this.driver = parts.driver;
    parts.pci.observe({
      added: (dev) => this.#probe(dev),
      removed: (dev) => this.#release(dev),
      willBind: (dev, driver) =>
        driver.driver_managed_dma === true ? 0 : this.owners.useDefaultDomain(dev),
      didUnbind: (dev) => this.owners.unuseDefaultDomain(dev),
      willReset: (dev) => void this.#resetting.add(dev),
      didReset: (dev) => void this.#resetting.delete(dev),
    });
    exportSymbols<Iommu>(parts.core, this, {
      calls: [
        'iommu_domain_alloc',
        'iommu_paging_domain_alloc',
        'iommu_paging_domain_alloc_flags',
        'iommu_domain_free',
        'iommu_map',
        'iommu_unmap',
        'iommu_unmap_fast',
        'iommu_iotlb_sync',
        'iommu_flush_iotlb_all',
        'iommu_attach_device',
        'iommu_detach_device',
        'iommu_attach_device_pasid',
        'iommu_replace_device_pasid',
        'iommu_detach_device_pasid',
        'iommu_alloc_global_pasid',
        'iommu_free_global_pasid',
        'iommu_group_claim_dma_owner',
        'iommu_group_release_dma_owner',
        'iommu_device_claim_dma_owner',
        'iommu_device_release_dma_owner',
      ],
      queries: ['iommu_iova_to_phys', 'iommu_get_domain_for_dev', 'iommu_group_get'],
    });
  }

  /** Devices are there: translation may begin. */
  start(): number {
    return this.driver?.unit.enableTranslation() ?? 0;
  }

  groupOf(device: Device): IommuGroup | undefined {
    return this.#groups.get(device);
  }

  get groups(): readonly IommuGroup[] {
    return [...new Set(this.#groups.values())];
  }

  /** A group for devices that translate nothing themselves, such as emulated mediated devices. */
  createGroup(device: Device): IommuGroup {
    const group = new IommuGroup(this.#core, this.#parts.sysfs);
    this.joinGroup(device, group);
    return group;
  }

  joinGroup(device: Device, group: IommuGroup): void {
    this.#groups.set(device, group);
    group.add(device);
  }

  leaveGroup(device: Device): void {
    this.#groups.get(device)?.remove(device);
    this.#groups.delete(device);
  }

  // ---- domains -------------------------------------------------------------------------------------------------------

  /** An unmanaged paging domain, or NULL. Era 2019; later kernels name the device: iommu_paging_domain_alloc(). */
  iommu_domain_alloc(format?: DomainFormat): IommuDomain | null {
    const domain = this.allocPaging({
      type: 'unmanaged',
      ...(format === undefined ? {} : { format }),
    });
    return IS_ERR(domain) ? null : domain;
  }

  /** A paging domain for this device, or ERR_PTR. */
  iommu_paging_domain_alloc(dev: Device, format?: DomainFormat): IommuDomain | number {
    return this.iommu_paging_domain_alloc_flags(dev, format === undefined ? {} : { format });
  }

  iommu_paging_domain_alloc_flags(
    dev: Device,
    flags: Omit<PagingRequest, 'type'>,
  ): IommuDomain | number {
    return this.#groups.has(dev) ? this.allocPaging({ type: 'unmanaged', ...flags }) : -ENODEV;
  }

  allocPaging(request: PagingRequest): IommuDomain | number {
    return this.driver?.allocPaging(request) ?? -ENODEV;
  }

  iommu_domain_free(domain: IommuDomain): void {
    if (domain.attachments.length > 0) {
      this.#core.warn(`${domain.name} is freed while it is attached`);
      return;
    }
    domain.refs.put();
  }

  iommu_map(domain: IommuDomain, iova: number, paddr: number, size: number, prot: number): number {
    if (!domain.isPaging || domain.table === null) {
      return -EINVAL;
    }
    const isAligned = [iova, paddr, size].every((v) => v >= 0 && v % PAGE_BYTES === 0);
    if (!isAligned || size === 0 || (prot & (IOMMU_READ | IOMMU_WRITE)) === 0) {
      return -EINVAL;
    }
    if (iova + size - 1 > domain.aperture.end) {
      return -EINVAL;
    }
    const rights = {
      read: (prot & IOMMU_READ) !== 0,
      write: (prot & IOMMU_WRITE) !== 0,
      isPreset: false,
      user: true,
      snoop: domain.isCoherencyEnforced && this.driver?.unit.mode === 'legacy',
    };
    const result = domain.table.map(iova, paddr, size, rights);
    if (result < 0) {
      return result === -EADDRINUSE ? -EADDRINUSE : result;
    }
    domain.noteMapped({
      iova,
      address: paddr,
      bytes: size,
      isReadable: rights.read,
      isWritable: rights.write,
    });
    this.#core.emit(
      DOMAIN_MAPPED,
      domain.name,
      iova,
      paddr,
      size,
      `${rights.read ? 'R' : '-'}${rights.write ? 'W' : '-'}`,
    );
    if (this.driver?.unit.capability.cap.CM === 1 && domain.format === 'second-stage') {
      this.driver.flush.range(domain, iova, size, true);
    }
    return 0;
  }

  /** Bytes unmapped; caches are clean when it returns. */
  iommu_unmap(domain: IommuDomain, iova: number, size: number): number {
    const gather = createGather();
    const unmapped = this.#unmap(domain, iova, size, gather);
    this.#sync(domain, gather);
    return unmapped;
  }

  /** Bytes unmapped; the caller owes an iommu_iotlb_sync(). */
  iommu_unmap_fast(domain: IommuDomain, iova: number, size: number, gather: IotlbGather): number {
    return this.#unmap(domain, iova, size, gather);
  }

  iommu_iotlb_sync(domain: IommuDomain, gather: IotlbGather): void {
    this.#sync(domain, gather);
  }

  iommu_flush_iotlb_all(domain: IommuDomain): void {
    this.driver?.flush.all(domain);
  }

  /** Physical address, 0 when nothing is mapped. */
  iommu_iova_to_phys(domain: IommuDomain, iova: number): number {
    return domain.type === 'identity' ? iova : (domain.table?.translate(iova) ?? 0);
  }

  iommu_get_domain_for_dev(dev: Device): IommuDomain | null {
    return this.#groups.get(dev)?.domain ?? null;
  }

  iommu_group_get(dev: Device): IommuGroup | null {
    return this.#groups.get(dev) ?? null;
  }

  /** Ranges that no mapping may touch: the interrupt window. */
  reservedRanges(): readonly { readonly start: number; readonly end: number }[] {
    return [{ start: INTERRUPT_RANGE.first, end: INTERRUPT_RANGE.last }];
  }

  // ---- attachment of functions ---------------------------------------------------------------------------------------

  iommu_attach_device(domain: IommuDomain, dev: Device): number {
    const group = this.#groups.get(dev);
    if (group === undefined) {
      return -ENODEV;
    }
    if (group.devices.length !== 1) {
      return -EINVAL;
    }
    const isTaken = group.domain !== group.default_domain && group.domain !== null;
    return isTaken || this.#resetting.has(dev) ? -EBUSY : this.setGroupDomain(group, domain);
  }

  iommu_detach_device(domain: IommuDomain, dev: Device): void {
    const group = this.#groups.get(dev);
    if (group === undefined || group.domain !== domain || group.devices.length !== 1) {
      this.#core.warn(`${domain.name} is not attached to ${dev.name}`);
      return;
    }
    this.setGroupDomain(group, group.owner === null ? group.default_domain : null);
  }

  /** Requests without PASID of all members use `domain` from now on; null blocks them. */
  setGroupDomain(group: IommuGroup, domain: IommuDomain | null): number {
    const { driver } = this;
    const old = group.domain;
    if (driver === null || old === domain) {
      return driver === null ? -ENODEV : 0;
    }
    for (const dev of group.devices.filter(isPciDev)) {
      const result = this.#change(dev, IOMMU_NO_PASID, old, domain);
      if (result < 0) {
        return result;
      }
    }
    group.domain = domain;
    group.publish();
    return 0;
  }

  // ---- attachment of PASIDs ------------------------------------------------------------------------------------------

  iommu_attach_device_pasid(
    domain: IommuDomain,
    dev: Device,
    pasid: number,
    handle: unknown = null,
  ): number {
    return this.attachPasid(domain, dev, pasid, handle);
  }

  /** What both eras' calls come down to. */
  attachPasid(domain: IommuDomain, dev: Device, pasid: number, handle: unknown): number {
    const group = this.#groups.get(dev);
    const usable = this.#checkPasid(group, dev, pasid);
    if (usable < 0 || group === undefined) {
      return usable;
    }
    if (group.pasids.has(pasid)) {
      return -EBUSY;
    }
    if (domain.type === 'blocked') {
      return -EINVAL;
    }
    const result = this.#changeMembers(group, pasid, null, domain);
    if (result === 0) {
      group.pasids.set(pasid, { domain, handle });
      group.publish();
    }
    return result;
  }

  /** The PASID must have a domain: -EINVAL otherwise. No request is blocked in between. */
  iommu_replace_device_pasid(
    domain: IommuDomain,
    dev: Device,
    pasid: number,
    handle: unknown = null,
  ): number {
    const group = this.#groups.get(dev);
    const usable = this.#checkPasid(group, dev, pasid);
    if (usable < 0 || group === undefined) {
      return usable;
    }
    const current = group.pasids.get(pasid);
    if (current === undefined) {
      return -EINVAL;
    }
    if (current.domain === domain) {
      current.handle = handle;
      return 0;
    }
    const result = this.#changeMembers(group, pasid, current.domain, domain);
    if (result === 0) {
      group.pasids.set(pasid, { domain, handle });
      group.publish();
    }
    return result;
  }

  iommu_detach_device_pasid(domain: IommuDomain, dev: Device, pasid: number): void {
    this.detachPasid(domain, dev, pasid);
  }

  detachPasid(domain: IommuDomain, dev: Device, pasid: number): void {
    const group = this.#groups.get(dev);
    if (group?.pasids.get(pasid)?.domain !== domain) {
      this.#core.warn(`${domain.name} is not attached to PASID ${pasid} of ${dev.name}`);
      return;
    }
    this.#changeMembers(group, pasid, domain, null);
    group.pasids.delete(pasid);
    group.publish();
  }

  /** A PASID of the global pool that the device can use, or IOMMU_PASID_INVALID. */
  iommu_alloc_global_pasid(dev: Device): number {
    const max = this.maxPasids(dev);
    if (max === 0) {
      return IOMMU_PASID_INVALID;
    }
    const pasid = this.#parts.pasids.alloc(dev.name, max - 1);
    return IS_ERR(pasid) ? IOMMU_PASID_INVALID : pasid;
  }

  iommu_free_global_pasid(pasid: number): void {
    this.#parts.pasids.free(pasid);
  }

  /** PASIDs that function and unit can use; 0 without. */
  maxPasids(dev: Device): number {
    return isPciDev(dev) ? (this.driver?.info(dev)?.maxPasids ?? 0) : 0;
  }

  // ---- ownership -----------------------------------------------------------------------------------------------------

  iommu_group_claim_dma_owner(group: IommuGroup, owner: object): number {
    return this.owners.claimGroup(group, owner);
  }

  iommu_group_release_dma_owner(group: IommuGroup): void {
    this.owners.releaseGroup(group);
  }

  /** As the group call, but the same owner may claim several members. */
  iommu_device_claim_dma_owner(dev: Device, owner: object): number {
    return this.owners.claimDevice(dev, owner);
  }

  iommu_device_release_dma_owner(dev: Device): void {
    this.owners.releaseDevice(dev);
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  #unmap(domain: IommuDomain, iova: number, size: number, gather: IotlbGather): number {
    if (
      !domain.isPaging ||
      domain.table === null ||
      iova % PAGE_BYTES !== 0 ||
      size % PAGE_BYTES !== 0
    ) {
      return 0;
    }
    const { bytes, freed } = domain.table.unmap(iova, size);
    if (bytes > 0) {
      gather.start = Math.min(gather.start, iova);
      gather.end = Math.max(gather.end, iova + Math.max(bytes, size));
      domain.noteUnmapped(iova, bytes);
      this.#core.emit(DOMAIN_UNMAPPED, domain.name, iova, bytes);
    }
    gather.freelist.push(...freed);
    return bytes;
  }

  #sync(domain: IommuDomain, gather: IotlbGather): void {
    if (gather.end > gather.start) {
      const isLeafOnly = gather.freelist.length === 0;
      this.driver?.flush.range(domain, gather.start, gather.end - gather.start, isLeafOnly);
    }
    gather.freelist.forEach((page) => this.#parts.pages.free(page));
    gather.freelist.length = 0;
    gather.start = Number.POSITIVE_INFINITY;
    gather.end = 0;
  }

  #checkPasid(group: IommuGroup | undefined, dev: Device, pasid: number): number {
    if (group === undefined || this.driver === null) {
      return -ENODEV;
    }
    if (!this.driver.unit.hasPasids) {
      return -EOPNOTSUPP;
    }
    if (pasid === IOMMU_NO_PASID || pasid >= this.maxPasids(dev)) {
      return -EINVAL;
    }
    return this.#resetting.has(dev) ? -EBUSY : 0;
  }

  #changeMembers(
    group: IommuGroup,
    pasid: number,
    old: IommuDomain | null,
    next: IommuDomain | null,
  ): number {
    for (const dev of group.devices.filter(isPciDev)) {
      const result = this.#change(dev, pasid, old, next);
      if (result < 0) {
        return result;
      }
    }
    return 0;
  }

  /** One function and PASID from one domain to another; null is blocked. */
  #change(dev: PciDev, pasid: number, old: IommuDomain | null, next: IommuDomain | null): number {
    const { driver } = this;
    if (driver === null) {
      return -ENODEV;
    }
    if (next === null) {
      if (old !== null) {
        driver.detach(old, dev, pasid);
        this.#core.emit(DOMAIN_DETACHED, old.name, dev.rid, pasid);
      }
      return 0;
    }
    const result =
      old === null ? driver.attach(next, dev, pasid) : driver.replace(next, old, dev, pasid);
    if (result === 0) {
      this.#core.emit(DOMAIN_ATTACHED, next.name, dev.rid, pasid);
    }
    return result;
  }

  #probe(dev: PciDev): void {
    const { driver } = this;
    if (driver === null) {
      return;
    }
    driver.probeDevice(dev);
    enableAcs(this.#core, this.#parts.pci.config, dev);
    const group = this.#groupFor(dev);
    this.joinGroup(dev, group);
    group.default_domain ??= this.#defaultDomain();
    const { default_domain } = group;
    if (default_domain !== null) {
      this.#change(dev, IOMMU_NO_PASID, null, default_domain);
      group.domain = default_domain;
    }
    group.publish();
  }

  #release(dev: PciDev): void {
    const group = this.#groups.get(dev);
    if (this.driver === null || group === undefined) {
      return;
    }
    for (const [pasid, { domain }] of [...group.pasids]) {
      this.#change(dev, pasid, domain, null);
    }
    if (group.domain !== null) {
      this.#change(dev, IOMMU_NO_PASID, group.domain, null);
    }
    this.driver.releaseDevice(dev);
    this.leaveGroup(dev);
    if (group.devices.length === 0) {
      group.default_domain?.refs.put();
    }
  }

  /**
   * Functions of one device without ACS between them share a group, and a device shares that of a port above it that lets it
   * reach others (pci_device_group).
   */
  #groupFor(dev: PciDev): IommuGroup {
    const { config } = this.#parts.pci;
    const { bridge } = dev;
    const above = bridge === undefined ? undefined : this.#groups.get(bridge);
    if (
      bridge !== undefined &&
      above !== undefined &&
      !isIsolatingPort(this.#core, config, bridge)
    ) {
      return above;
    }
    if (!isIsolatedFunction(this.#core, config, dev)) {
      const sibling = this.#parts.pci.devices.find(
        (d) =>
          d !== dev &&
          d.rid >>> 3 === dev.rid >>> 3 &&
          !isIsolatedFunction(this.#core, config, d) &&
          this.#groups.has(d),
      );
      const group = sibling === undefined ? undefined : this.#groups.get(sibling);
      if (group !== undefined) {
        return group;
      }
    }
    return new IommuGroup(this.#core, this.#parts.sysfs);
  }

  #defaultDomain(): IommuDomain | null {
    const { driver } = this;
    if (driver === null) {
      return null;
    }
    if (this.#core.params.passthrough && driver.unit.has('PT')) {
      return driver.allocDomain({ type: 'identity', format: null });
    }
    const domain = driver.allocPaging({ type: 'dma' });
    return IS_ERR(domain) ? null : domain;
  }
}
