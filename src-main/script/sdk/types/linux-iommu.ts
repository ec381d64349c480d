/** What the editor shows of `linux/iommu`. */
export const IOMMU_TYPES = `import type { device } from 'linux/pci';

/** An address space for devices (\`struct iommu_domain\`). */
export interface iommu_domain {
  readonly name: string;
  /** \`unmanaged\`, \`dma\`, \`identity\`, \`blocked\`, \`sva\`, \`nested\` */
  readonly type: string;
  /** Domain identifier that tags cached translations; 0 while nothing is attached. */
  readonly did: number;
  /** 2019: PASID of its auxiliary attachment, 0 when there is none. */
  readonly default_pasid: number;
}

/** The smallest set of functions that translation can keep apart (\`struct iommu_group\`). */
export interface iommu_group {
  readonly name: string;
  readonly id: number;
}

/** Collects ranges for one invalidation (\`struct iommu_iotlb_gather\`). */
export interface iommu_iotlb_gather {
  readonly __brand: 'iommu_iotlb_gather';
}

/** Addresses and sizes: a number or a BigInt below 2^53, in bytes. */
export type address = number | bigint;

/**
 * Format of the tables: \`second-stage\` (the default; GPA or IOVA to HPA) or \`first-stage\` (the format of the CPU).
 */
export type domain_format = 'second-stage' | 'first-stage';

/** The device may read. */
export declare const IOMMU_READ: 1;
/** The device may write. */
export declare const IOMMU_WRITE: 2;
/** Accesses snoop CPU caches. */
export declare const IOMMU_CACHE: 4;
/** What iommu_alloc_global_pasid() gives when there is none. */
export declare const IOMMU_PASID_INVALID: 4294967295;
/** 2019: auxiliary domains, the feature behind IOMMU-backed mediated devices. */
export declare const IOMMU_DEV_FEAT_AUX: 0;
/** Shared virtual addressing. */
export declare const IOMMU_DEV_FEAT_SVA: 1;
/** I/O page faults. */
export declare const IOMMU_DEV_FEAT_IOPF: 2;
/** What dma_map_single() gives on failure. */
export declare const DMA_MAPPING_ERROR: -1;

/**
 * A paging domain that nothing is attached to. Until 6.11; later kernels name the device, see iommu_paging_domain_alloc().
 * @returns the domain, or null
 */
export declare function iommu_domain_alloc(format?: domain_format): iommu_domain | null;
/** A paging domain for this device (since 6.11). @returns the domain, or ERR_PTR: check with IS_ERR() */
export declare function iommu_paging_domain_alloc(dev: device, format?: domain_format): iommu_domain | number;
/** Frees a domain; nothing may be attached to it. */
export declare function iommu_domain_free(domain: iommu_domain): void;
/**
 * Maps \`size\` bytes at \`iova\` to the physical address \`paddr\`.
 * @param prot IOMMU_READ, IOMMU_WRITE
 * @returns 0; -EINVAL when something is not a multiple of 4 KB, no right is given, or the range is beyond the aperture;
 * -EADDRINUSE when part of it is mapped; -ENOMEM
 */
export declare function iommu_map(domain: iommu_domain, iova: address, paddr: address, size: address, prot: number): number;
/** Unmaps and invalidates: when it returns, no device uses the range. @returns bytes unmapped, 0 when there was nothing */
export declare function iommu_unmap(domain: iommu_domain, iova: address, size: address): number;
/** An empty collection for iommu_unmap_fast(). */
export declare function iommu_iotlb_gather_init(): iommu_iotlb_gather;
/** Unmaps without invalidating; caches hold the range until iommu_iotlb_sync(). @returns bytes unmapped */
export declare function iommu_unmap_fast(domain: iommu_domain, iova: address, size: address, iotlb_gather: iommu_iotlb_gather): number;
/** Invalidates what iommu_unmap_fast() collected: IOTLB, then device TLBs, then waits. */
export declare function iommu_iotlb_sync(domain: iommu_domain, iotlb_gather: iommu_iotlb_gather): void;
/** Invalidates everything cached of the domain. */
export declare function iommu_flush_iotlb_all(domain: iommu_domain): void;
/** Physical address behind an IOVA, 0 when nothing is mapped. Reads the tables in memory. */
export declare function iommu_iova_to_phys(domain: iommu_domain, iova: address): number;
/** Domain that requests of the device without a PASID use, or null when they are blocked. */
export declare function iommu_get_domain_for_dev(dev: device): iommu_domain | null;
/** Group of the device, or null without an IOMMU. */
export declare function iommu_group_get(dev: device): iommu_group | null;

/**
 * Requests of the device without a PASID use this domain from now on.
 * @returns 0; -EBUSY when the group has another domain than its default one; -EINVAL when it has several members
 */
export declare function iommu_attach_device(domain: iommu_domain, dev: device): number;
/** Back to the default domain. */
export declare function iommu_detach_device(domain: iommu_domain, dev: device): void;
/**
 * Requests of the device with this PASID use the domain from now on: writes the PASID table entry.
 * @returns 0; -EINVAL for PASID 0 or one beyond what the device can send; -EBUSY when the PASID is taken;
 * -EOPNOTSUPP without PASIDs; -ENODEV without an IOMMU
 */
export declare function iommu_attach_device_pasid(domain: iommu_domain, dev: device, pasid: number): number;
/** Changes the domain of a PASID with no instant at which it is blocked (since 6.15). @returns 0, -EINVAL when it has none */
export declare function iommu_replace_device_pasid(domain: iommu_domain, dev: device, pasid: number): number;
/** Blocks the PASID: clears the entry, invalidates, drains page requests. */
export declare function iommu_detach_device_pasid(domain: iommu_domain, dev: device, pasid: number): void;
/** The lowest free PASID that the device can use (since 6.6), or IOMMU_PASID_INVALID. 2019: ioasid_alloc(). */
export declare function iommu_alloc_global_pasid(dev: device): number;
/** Gives a PASID back; nothing may use it any more. */
export declare function iommu_free_global_pasid(pasid: number): void;
/** Takes all DMA of a group away from kernel drivers and blocks it. @returns 0, -EPERM when it has an owner, -EBUSY */
export declare function iommu_group_claim_dma_owner(group: iommu_group): number;
/** Gives the group back to the kernel. */
export declare function iommu_group_release_dma_owner(group: iommu_group): void;

/** 2019: whether device and platform have a feature. Auxiliary domains need PASID and the Scalable IOV DVSEC. */
export declare function iommu_dev_has_feature(dev: device, feat: number): boolean;
/** 2019: turns a feature on. @returns 0, -EINVAL without a suitable IOMMU, -ENODEV when the device lacks it */
export declare function iommu_dev_enable_feature(dev: device, feat: number): number;
/** 2019: turns a feature off. @returns 0, -EBUSY while auxiliary domains are attached, -EINVAL when it is off */
export declare function iommu_dev_disable_feature(dev: device, feat: number): number;
/** 2019: whether a feature is on. */
export declare function iommu_dev_feature_enabled(dev: device, feat: number): boolean;
/**
 * 2019: attaches a domain to the device next to its primary one, at a PASID that the core allocates.
 * @returns 0; -EINVAL when the feature is off; -EPERM when the domain is the primary one; -ENODEV when PASIDs are used up
 */
export declare function iommu_aux_attach_device(domain: iommu_domain, dev: device): number;
/** 2019: undoes iommu_aux_attach_device(). */
export declare function iommu_aux_detach_device(domain: iommu_domain, dev: device): void;
/** 2019: PASID of an auxiliary domain of the device, or -EINVAL. The number to write into the work queue. */
export declare function iommu_aux_get_pasid(domain: iommu_domain, dev: device): number;

/** A buffer for a kernel driver. */
export interface coherent_buffer {
  /** Physical address, for hw.read64() and friends. */
  readonly cpu: number;
  /** Address the device uses. */
  readonly dma: number;
  readonly bytes: number;
}
/** Zeroed pages mapped in the device's default domain, or null. */
export declare function dma_alloc_coherent(dev: device, size: address): coherent_buffer | null;
/** Gives a buffer back. */
export declare function dma_free_coherent(dev: device, buffer: coherent_buffer): void;
/** Maps memory in the device's default domain. @returns the address for the device, or DMA_MAPPING_ERROR */
export declare function dma_map_single(dev: device, address: address, size: address): number;
/** Unmaps what dma_map_single() mapped. */
export declare function dma_unmap_single(dev: device, dma_address: address): void;
`;
