/** What the editor shows of `linux/sva`. */
export const SVA_TYPES = `import type { device } from 'linux/mdev';
import type { iommu_domain } from 'linux/iommu';
import type { process } from 'lab/process';

/** One device bound to one address space (\`struct iommu_sva\`). */
export interface iommu_sva {
  readonly name: string;
  readonly dev: device;
  /** Domain whose first-stage tables are the program's. */
  readonly domain: iommu_domain;
  /** Times it was bound. */
  readonly users: number;
}

/**
 * Gives a device the address space of a program: a PASID whose first-stage tables are the program's own. Binding the same
 * pair again counts up. Linux takes the address space (\`struct mm_struct\`); here it is the program that has it.
 * @returns the handle; -ENODEV when the function, the IOMMU or their settings cannot do it; -EINVAL for a program that has
 * ended; -EOVERFLOW when its PASID is too large for the device; -ENOSPC without PASIDs
 */
export declare function iommu_sva_bind_device(dev: device, mm: process): iommu_sva | number;
/** PASID that the device must put on its requests. */
export declare function iommu_sva_get_pasid(handle: iommu_sva): number;
/** Takes one binding back; with the last one the PASID entry goes. The device must not use the PASID any more. */
export declare function iommu_sva_unbind_device(handle: iommu_sva): void;

/** One page request of a device. */
export interface iopf_fault {
  /** Requester ID. */
  readonly rid: number;
  /** -1 for a request without one. */
  readonly pasid: number;
  readonly address: number;
  readonly is_read: boolean;
  readonly is_write: boolean;
}

/** Page requests that are answered together (\`struct iopf_group\`). */
export interface iopf_group {
  readonly faults: readonly iopf_fault[];
  /** PASID of all of them. */
  readonly pasid: number;
}

/**
 * Who handles page requests of a domain (\`domain->iopf_handler\`); null for nobody, and devices get Invalid Request. The
 * handler answers by iopf_group_response(), now or later.
 * @param handler returns 0, or a negative error number, upon which the kernel answers Response Failure
 */
export declare function iommu_domain_set_iopf_handler(domain: iommu_domain, handler: ((group: iopf_group) => number) | null): void;
/** Answers a group: IOMMU_PAGE_RESP_SUCCESS when every page is there, else IOMMU_PAGE_RESP_INVALID. Only the first answer counts. */
export declare function iopf_group_response(group: iopf_group, code: number): void;
/** Makes a page of a program present, as its own access would. @returns 0, or a negative error number without such memory */
export declare function handle_mm_fault(mm: process, address: number, is_write: boolean): number;

/** What a device driver hears of an address space (\`struct mmu_notifier_ops\`). */
export interface mmu_notifier_ops {
  /** Entries of the range were cleared: nothing may use cached copies when this returns. */
  invalidate_range?(start: number, end: number): void;
  /** The address space goes away: the device must not use it when this returns. */
  release?(): void;
}
/** A registration of mmu_notifier_register(). */
export interface mmu_notifier {
  readonly name: string;
}
/** Hears of changes of a program's address space. */
export declare function mmu_notifier_register(mm: process, ops: mmu_notifier_ops): mmu_notifier;
/** Hears of them no more. */
export declare function mmu_notifier_unregister(notifier: mmu_notifier): void;

/** Every page of the group is there: the device asks again. */
export declare const IOMMU_PAGE_RESP_SUCCESS: 0;
/** There is no such page: the device fails the operation. */
export declare const IOMMU_PAGE_RESP_INVALID: 1;
`;
