/**
 * PASIDs of guests on the host (Linux 5.10 drivers/iommu/intel/svm.c intel_svm_bind_gpasid, include/uapi/linux/iommu.h): an
 * entry that nests the guest's own first-stage table on the VM's second stage, the guest's invalidations carried out for
 * the host PASID, page faults handed to the VMM.
 *
 * Everything hangs on the VM's domain (GPA to HPA), which is attached to the parent as auxiliary domain. What the guest
 * programs for requests without PASID is bound to the default PASID of that domain, in place of its second-stage entry.
 * vSVA series for Linux and QEMU, 2020.
 */
import { PAGE_RESPONSE_CODE } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import type { Core } from '../core/core.ts';
import type { Device } from '../core/device.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import { EINVAL, ENODEV, EOPNOTSUPP, IS_ERR } from '../errno.ts';
import { isPciDev } from '../pci/pci-dev.ts';
import type { IommuDomain } from './domain.ts';
import type { FaultGroup } from './fault-group.ts';
import { coveringRegion, WHOLE_SPACE } from './intel/invalidations.ts';
import { IOASID_PRIO, type IoasidNotifier, type Ioasids, type IoasidSet } from './ioasid.ts';
import type { Iommu } from './iommu.ts';
import type { UnrecoverableRequest } from './unrecoverable.ts';

/** `struct iommu_gpasid_bind_data`, format Intel VT-d. */
export interface GpasidBindData {
  /** Address space of the VMM, which must own the host PASID. */
  readonly mm: object;
  readonly hpasid: number;
  /** 0: requests without PASID. */
  readonly gpasid: number;
  /** Guest-physical address of the guest's top table. */
  readonly gpgd: number;
  readonly addr_width: number;
  readonly isSupervisorAllowed: boolean;
  readonly hasExtendedAccessed: boolean;
  readonly isWriteProtected: boolean;
}

export type CacheKind = 'iotlb' | 'dev-iotlb' | 'pasid';

/** `struct iommu_cache_invalidate_info`. */
export interface CacheInvalidateInfo {
  readonly caches: readonly CacheKind[];
  readonly granularity: 'domain' | 'pasid' | 'addr';
  /** Host PASID; with granularity `domain` it is not looked at. */
  readonly pasid: number;
  readonly addr?: number;
  readonly bytes?: number;
  readonly isLeafOnly?: boolean;
}

/** Who gets page faults of a VM. A negative number refuses one. */
export type GuestFaultHandler = (group: FaultGroup, gpasid: number) => number;

interface RefusalHandler {
  /** Function whose PASIDs these are. */
  readonly dev: Device;
  /** Owner of the VM's PASIDs. */
  readonly mm: object;
  tell(fault: UnrecoverableRequest, gpasid: number): void;
}

interface Binding {
  readonly domain: IommuDomain;
  readonly dev: Device;
  readonly nested: IommuDomain;
  readonly gpasid: number;
  readonly hpasid: number;
  /** Null for the default PASID, which no set owns. */
  readonly set: IoasidSet | null;
  readonly unanswered: Set<FaultGroup>;
}

export class GuestPasids {
  readonly #iommu: Iommu;
  readonly #ioasids: Ioasids;
  readonly #bindings: Binding[] = [];
  readonly #handlers = new Map<IommuDomain, GuestFaultHandler>();
  readonly #refusalHandlers = new Map<IommuDomain, RefusalHandler>();
  readonly #notified = new Map<IoasidSet, IoasidNotifier>();

  constructor(core: Core, parts: { readonly iommu: Iommu; readonly ioasids: Ioasids }) {
    this.#iommu = parts.iommu;
    this.#ioasids = parts.ioasids;
    parts.iommu.driver?.onRefused((rid, hpasid, fault) => this.#refused(rid, hpasid, fault));
    exportSymbols<GuestPasids>(core, this, {
      calls: [
        'iommu_uapi_sva_bind_gpasid',
        'iommu_uapi_sva_unbind_gpasid',
        'iommu_uapi_cache_invalidate',
        'iommu_page_response',
      ],
    });
  }

  /** Who hears of page faults in this VM's PASIDs; null: nobody, they are answered Invalid. */
  iommu_register_device_fault_handler(
    domain: IommuDomain,
    handler: GuestFaultHandler | null,
  ): void {
    if (handler === null) {
      this.#handlers.delete(domain);
    } else {
      this.#handlers.set(domain, handler);
    }
  }

  /** IOMMU_FAULT_DMA_UNRECOV: who hears of requests in this VM's PASIDs, bound or not, that the unit refused for good. */
  onUnrecoverable(
    domain: IommuDomain,
    owner: Pick<RefusalHandler, 'dev' | 'mm'>,
    tell: RefusalHandler['tell'],
  ): void {
    this.#refusalHandlers.set(domain, { ...owner, tell });
  }

  /**
   * -EBUSY when the PASID has an entry already, -EINVAL for a table that does not fit or a PASID that the VM does not own,
   * -EOPNOTSUPP without nested translation.
   */
  iommu_uapi_sva_bind_gpasid(domain: IommuDomain, dev: Device, data: GpasidBindData): number {
    const { driver } = this.#iommu;
    if (driver === null || !isPciDev(dev)) {
      return -ENODEV;
    }
    if (!driver.unit.has('NEST')) {
      return -EOPNOTSUPP;
    }
    const isDefault = data.hpasid === domain.default_pasid;
    const set = isDefault ? null : this.#ioasids.setOf(data.hpasid);
    const isOwn = isDefault || (set !== undefined && set?.token === data.mm);
    if (!this.#fits(domain, data) || set === undefined || !isOwn) {
      return -EINVAL;
    }
    const nested = driver.allocDomain({
      type: 'nested',
      format: 'first-stage',
      parent: domain,
      stage1: {
        pgtbl_addr: data.gpgd,
        addr_width: data.addr_width,
        isSupervisorAllowed: data.isSupervisorAllowed,
        hasExtendedAccessed: data.hasExtendedAccessed,
        isWriteProtected: data.isWriteProtected,
      },
    });
    nested.isCoherencyEnforced = domain.isCoherencyEnforced;
    const result = isDefault
      ? this.#iommu.iommu_replace_device_pasid(nested, dev, data.hpasid)
      : this.#iommu.iommu_attach_device_pasid(nested, dev, data.hpasid);
    if (IS_ERR(result)) {
      nested.refs.put();
      return result;
    }
    const binding: Binding = {
      domain,
      dev,
      nested,
      gpasid: data.gpasid,
      hpasid: data.hpasid,
      set,
      unanswered: new Set(),
    };
    nested.iopf_handler = (group) => this.#fault(binding, group);
    this.#bindings.push(binding);
    if (set !== null) {
      this.#ioasids.ioasid_get(set, data.hpasid);
      this.#follow(set);
      this.#ioasids.ioasid_notify(data.hpasid, 'BIND');
    }
    return 0;
  }

  /** Users hear first, in the order CPU, device; then the entry goes, with what is on its way. */
  iommu_uapi_sva_unbind_gpasid(domain: IommuDomain, dev: Device, hpasid: number): number {
    const binding = this.#find(domain, dev, hpasid);
    if (binding === undefined) {
      return -EINVAL;
    }
    if (binding.set !== null) {
      this.#ioasids.ioasid_notify(hpasid, 'UNBIND');
    }
    this.#unbind(binding);
    return 0;
  }

  /** -EINVAL for combinations that mean nothing and for a PASID that is not bound. */
  iommu_uapi_cache_invalidate(domain: IommuDomain, dev: Device, info: CacheInvalidateInfo): number {
    const isMeaningless =
      (info.granularity === 'addr' && info.caches.includes('pasid')) ||
      (info.granularity === 'domain' && info.caches.includes('dev-iotlb')) ||
      (info.granularity === 'addr' && (info.addr === undefined || info.bytes === undefined));
    if (isMeaningless) {
      return -EINVAL;
    }
    if (info.granularity === 'domain') {
      this.#of(domain, dev).forEach((b) => this.#iommu.driver?.flush.all(b.nested));
      return 0;
    }
    const binding = this.#find(domain, dev, info.pasid);
    if (binding === undefined) {
      return -EINVAL;
    }
    // The guest may rely on IOTLB commands alone: the device TLB always goes with the IOTLB.
    if (info.caches.includes('iotlb')) {
      this.#flush(binding.nested, info);
    } else if (info.caches.includes('dev-iotlb')) {
      this.#flushDevice(binding, info);
    }
    return 0;
  }

  /** -EINVAL for a group that nobody waits for, or a code that a VMM may not give. */
  iommu_page_response(domain: IommuDomain, hpasid: number, group: number, code: number): number {
    const isKnown =
      code === PAGE_RESPONSE_CODE.success || code === PAGE_RESPONSE_CODE.invalidRequest;
    for (const { domain: of, unanswered } of this.#bindings) {
      const found = [...unanswered].find((g) => g.last.group === group && g.last.pasid === hpasid);
      if (of === domain && found !== undefined && isKnown) {
        unanswered.delete(found);
        found.respond(code, 'answered by the VMM');
        return 0;
      }
    }
    return -EINVAL;
  }

  /** The VM's domain leaves the device: nothing may stay nested on it. */
  release(domain: IommuDomain, dev: Device): void {
    this.#of(domain, dev).forEach((b) => this.iommu_uapi_sva_unbind_gpasid(domain, dev, b.hpasid));
    this.#handlers.delete(domain);
    this.#refusalHandlers.delete(domain);
  }

  #refused(rid: number, hpasid: number, fault: UnrecoverableRequest): void {
    const binding = this.#bindings.find(
      (b) => b.hpasid === hpasid && isPciDev(b.dev) && b.dev.rid === rid,
    );
    if (binding !== undefined) {
      this.#refusalHandlers.get(binding.domain)?.tell(fault, binding.gpasid);
      return;
    }
    const set = this.#ioasids.setOf(hpasid) ?? undefined;
    const handler = [...this.#refusalHandlers.values()].find(
      ({ dev, mm }) => set?.token === mm && isPciDev(dev) && dev.rid === rid,
    );
    const pairs = set === undefined ? [] : this.#ioasids.pairsOf(set);
    const pair = pairs.find((p) => p.host === hpasid);
    if (handler !== undefined && pair !== undefined) {
      handler.tell(fault, pair.guest);
    }
  }

  #fits(domain: IommuDomain, { gpgd, addr_width }: GpasidBindData): boolean {
    const has5 = this.#iommu.driver?.unit.has('FS5LP') === true;
    const isWidthOk = addr_width === 48 || (addr_width === 57 && has5);
    return isWidthOk && gpgd % 4096 === 0 && gpgd >= 0 && gpgd <= domain.aperture.end;
  }

  #unbind(binding: Binding): void {
    const { domain, dev, nested, hpasid, set } = binding;
    this.#bindings.splice(this.#bindings.indexOf(binding), 1);
    nested.iopf_handler = null;
    for (const group of binding.unanswered) {
      group.respond(PAGE_RESPONSE_CODE.invalidRequest, 'the guest unbound the PASID');
    }
    binding.unanswered.clear();
    if (hpasid === domain.default_pasid) {
      this.#iommu.iommu_replace_device_pasid(domain, dev, hpasid);
    } else {
      this.#iommu.iommu_detach_device_pasid(nested, dev, hpasid);
    }
    nested.refs.put();
    if (set !== null) {
      this.#ioasids.ioasid_put(set, hpasid);
    }
  }

  #flush(nested: IommuDomain, info: CacheInvalidateInfo): void {
    const flush = this.#iommu.driver?.flush;
    if (info.granularity === 'addr') {
      flush?.range(nested, info.addr ?? 0, info.bytes ?? 0, info.isLeafOnly === true);
    } else {
      flush?.all(nested);
    }
  }

  #flushDevice({ dev, hpasid }: Binding, info: CacheInvalidateInfo): void {
    const { driver } = this.#iommu;
    if (driver === null || !isPciDev(dev)) {
      return;
    }
    const region =
      info.granularity === 'addr' ? coveringRegion(info.addr ?? 0, info.bytes ?? 0) : WHOLE_SPACE;
    const commands = driver.flush.deviceTlbCommands(driver.info(dev), hpasid, region);
    if (commands.length > 0) {
      driver.unit.queue.submit(commands);
    }
  }

  #fault(binding: Binding, group: FaultGroup): number {
    const handler = this.#handlers.get(binding.domain);
    binding.unanswered.add(group);
    if (handler === undefined || handler(group, binding.gpasid) < 0) {
      binding.unanswered.delete(group);
      group.respond(PAGE_RESPONSE_CODE.invalidRequest, 'the VMM cannot take the fault');
    }
    return 0;
  }

  /** An id that is freed loses its entry after CPU and devices let it go. */
  #follow(set: IoasidSet): void {
    if (this.#notified.has(set)) {
      return;
    }
    const notifier: IoasidNotifier = {
      name: 'iommu',
      priority: IOASID_PRIO.IOMMU,
      call: (event, id) => {
        if (event === 'FREE') {
          this.#bindings
            .filter((b) => b.set === set && b.hpasid === id)
            .forEach((b) => this.#unbind(b));
        }
      },
    };
    this.#ioasids.ioasid_register_notifier(set, notifier);
    this.#notified.set(set, notifier);
  }

  #of(domain: IommuDomain, dev: Device): readonly Binding[] {
    return this.#bindings.filter((b) => b.domain === domain && b.dev === dev);
  }

  #find(domain: IommuDomain, dev: Device, hpasid: number): Binding | undefined {
    return this.#of(domain, dev).find((b) => b.hpasid === hpasid);
  }
}
