/**
 * Shared virtual addressing (drivers/iommu/iommu-sva.c, drivers/iommu/intel/svm.c): a PASID that stands for the address space
 * of a process, with the process's own page tables as first stage.
 *
 * One PASID for all devices and threads of a process. The number stays with the address space after the last unbind; it
 * goes back to the pool when the address space is gone.
 */
import { defined } from '../../bits/invariant.ts';
import { PAGE_RESPONSE_CODE } from '../../spec/vtd/descriptors/page-request-descriptors.ts';
import type { Core } from '../core/core.ts';
import type { Device } from '../core/device.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import { EINVAL, ENODEV, ENOSPC, EOVERFLOW, IS_ERR } from '../errno.ts';
import type { Mm, MmuNotifier } from '../mm/mm.ts';
import { isPciDev, type PciDev } from '../pci/pci-dev.ts';
import type { IommuDomain } from './domain.ts';
import type { FaultGroup } from './fault-group.ts';
import type { Iommu } from './iommu.ts';
import type { PasidPool } from './pasid-pool.ts';

/** `struct iommu_sva`: one device bound to one address space. */
export interface SvaHandle {
  readonly name: string;
  readonly dev: PciDev;
  readonly mm: Mm;
  readonly domain: IommuDomain;
  users: number;
  /** The address space went away under the device: the entry is blocked and silent. */
  isReleased: boolean;
}

export class Sva {
  readonly #iommu: Iommu;
  readonly #pasids: PasidPool;
  readonly #handles = new Set<SvaHandle>();
  readonly #domains = new Map<
    Mm,
    { readonly domain: IommuDomain; readonly notifier: MmuNotifier }
  >();

  constructor(core: Core, iommu: Iommu, pasids: PasidPool) {
    this.#iommu = iommu;
    this.#pasids = pasids;
    exportSymbols<Sva>(core, this, {
      calls: ['iommu_sva_bind_device', 'iommu_sva_unbind_device'],
      queries: ['iommu_sva_get_pasid'],
    });
  }

  /** A handle, or ERR_PTR: -EOVERFLOW when the process's PASID is too large for the device, -ENOSPC without PASIDs. */
  iommu_sva_bind_device(dev: Device, mm: Mm): SvaHandle | number {
    const { driver } = this.#iommu;
    if (driver === null || !isPciDev(dev)) {
      return -ENODEV;
    }
    const info = driver.info(dev);
    const hasPagingModes = driver.unit.has('FSTS') && driver.unit.has('SMPWCS');
    if (info === undefined || !hasPagingModes || !dev.pasid.isEnabled || !dev.ats.isEnabled) {
      return -ENODEV;
    }
    if (mm.isDead) {
      return -EINVAL;
    }
    const known = [...this.#handles].find((h) => h.dev === dev && h.mm === mm);
    if (known !== undefined) {
      known.users += 1;
      return known;
    }
    const pasid = this.#pasidOf(mm, info.maxPasids);
    if (pasid < 0) {
      return pasid;
    }
    const domain = this.#domainOf(mm);
    const result = this.#iommu.attachPasid(domain, dev, pasid, domain);
    if (IS_ERR(result)) {
      this.#dropDomain(domain, mm);
      return result;
    }
    const handle: SvaHandle = {
      name: `sva ${mm.name} on ${dev.name}`,
      dev,
      mm,
      domain,
      users: 1,
      isReleased: false,
    };
    this.#handles.add(handle);
    return handle;
  }

  iommu_sva_get_pasid(handle: SvaHandle): number {
    return handle.mm.pasid ?? -EINVAL;
  }

  /** The device must not use the PASID any more. */
  iommu_sva_unbind_device(handle: SvaHandle): void {
    handle.users -= 1;
    if (handle.users > 0 || !this.#handles.delete(handle)) {
      return;
    }
    const { domain, dev, mm } = handle;
    this.#iommu.detachPasid(domain, dev, mm.pasid ?? 0);
    this.#dropDomain(domain, mm);
    this.#dropPasid(mm);
  }

  /** One number for the address space, from the pool all devices share. */
  #pasidOf(mm: Mm, max: number): number {
    if (mm.pasid !== null) {
      return mm.pasid >= max ? -EOVERFLOW : mm.pasid;
    }
    const pasid = this.#pasids.alloc(mm.name, max - 1);
    if (IS_ERR(pasid)) {
      return -ENOSPC;
    }
    mm.pasid = pasid;
    mm.dropPasid = () => this.#dropPasid(mm);
    return pasid;
  }

  /** mm_pasid_drop: when neither process nor device holds the address space. */
  #dropPasid(mm: Mm): void {
    const isBound = [...this.#handles].some((h) => h.mm === mm);
    if (mm.isDead && !isBound && mm.pasid !== null) {
      this.#pasids.free(mm.pasid);
      mm.pasid = null;
    }
  }

  #domainOf(mm: Mm): IommuDomain {
    const known = this.#domains.get(mm);
    if (known !== undefined) {
      return known.domain;
    }
    const { driver } = this.#iommu;
    const domain = defined(driver, 'IOMMU driver').allocDomain({
      type: 'sva',
      format: 'first-stage',
      mm,
    });
    domain.iopf_handler = (group) => this.#handleFaults(mm, group);
    const notifier: MmuNotifier = {
      invalidateRange: (start, end) => driver?.flush.range(domain, start, end - start, false),
      release: () => this.#released(mm, domain),
    };
    mm.notifiers.add(notifier);
    this.#domains.set(mm, { domain, notifier });
    return domain;
  }

  /** intel_mm_release: late accesses are blocked and not reported; page requests are drained by the unbind. */
  #released(mm: Mm, domain: IommuDomain): void {
    for (const handle of this.#handles) {
      if (handle.mm === mm && mm.pasid !== null) {
        handle.isReleased = true;
        const info = this.#iommu.driver?.info(handle.dev);
        if (info !== undefined) {
          this.#iommu.driver?.entries.tearDown(info, mm.pasid, { keepsSilent: true });
        }
      }
    }
    domain.iopf_handler = null;
  }

  #dropDomain(domain: IommuDomain, mm: Mm): void {
    const known = this.#domains.get(mm);
    if (domain.attachments.length === 0 && known !== undefined) {
      mm.notifiers.delete(known.notifier);
      this.#domains.delete(mm);
      domain.refs.put();
    }
  }

  /** iommu_sva_iopf_handler: each fault in order, stopping at the first that cannot be repaired. */
  #handleFaults(mm: Mm, group: FaultGroup): number {
    for (const fault of group.faults) {
      const result = mm.isDead ? -EINVAL : mm.handleFault(fault.address, fault.isWrite);
      if (result < 0) {
        const why = mm.isDead ? 'the address space is gone' : 'no area allows the access';
        group.respond(PAGE_RESPONSE_CODE.invalidRequest, why);
        return 0;
      }
    }
    group.respond(PAGE_RESPONSE_CODE.success, 'the page is present now');
    return 0;
  }
}
