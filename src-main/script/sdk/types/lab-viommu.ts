/** What the editor shows of `lab/viommu`. */
export const VIOMMU_TYPES = `import type { vm } from 'lab/vm';

/**
 * A command of the guest's invalidation queue. What is undefined is not limited: every domain, every PASID, every device,
 * the whole address space.
 */
export interface viommu_command {
  readonly type:
    | 'context-cache'
    | 'pasid-cache'
    | 'iotlb'
    | 'pasid-iotlb'
    | 'device-tlb'
    | 'pasid-device-tlb'
    | 'interrupt-entry-cache'
    | 'wait';
  /** Domain identifier in the guest's own numbers. */
  readonly did: number | undefined;
  /** The guest's number; 0 for requests without a PASID. */
  readonly pasid: number | undefined;
  /** Place on the guest's bus. */
  readonly device: string | undefined;
  /** First address of the pages that are meant. */
  readonly address: number | undefined;
  readonly bytes: number | undefined;
}

/** What the guest's PASID table says about one PASID of one device. */
export interface viommu_entry {
  /** Place on the guest's bus. */
  readonly device: string;
  /** The guest's number; 0 for requests without a PASID. */
  readonly pasid: number;
  /** Domain identifier in the guest's own numbers. */
  readonly did: number;
  /** Top of its first-stage table: a guest-physical address. */
  readonly root: number;
}

/** Pages of the guest's address space. */
export interface viommu_range {
  readonly address: number | undefined;
  readonly bytes: number | undefined;
}

/** Work of the VMM that a script takes over. What is absent is not done at all. */
export interface viommu_ops {
  /** Any entry may have changed: the guest turned translation on or off, or a device came. */
  replay?(): void;
  /**
   * The guest moved the tail of its queue: all commands of this time, in the order of the queue. Waits are yours to complete.
   * Answers to page requests stay with the VMM.
   */
  commands?(commands: readonly viommu_command[]): void;
}

/**
 * Takes over what the VMM does for the IOMMU of a guest; null gives it back. All names here are this simulator's.
 *
 * \`\`\`ts
 * viommu_set_ops(vm, {
 *   replay: () => {},
 *   commands: (commands) => commands.filter((c) => c.type === 'wait').forEach((c) => viommu_complete_wait(vm, c)),
 * });
 * \`\`\`
 */
export declare function viommu_set_ops(vm: vm, ops: viommu_ops | null): void;
/** Places of the VM's devices on the guest's bus. */
export declare function viommu_devices(vm: vm): string[];
/**
 * Reads the guest's table in guest memory.
 * @returns null when there is no first-stage table: not present, pass-through, or translation is off
 */
export declare function viommu_guest_entry(vm: vm, device: string, pasid: number): viommu_entry | null;
/** Entries that the host has nested, in the order in which they came. */
export declare function viommu_bound(vm: vm): viommu_entry[];
/**
 * Nests the first-stage table of an entry on the VM's second stage, also in place of another one: IOMMU_HWPT_ALLOC and
 * VFIO_DEVICE_ATTACH_IOMMUFD_PT, or VFIO_IOMMU_NESTING_OP in 2019.
 * @returns 0 or a negative error number
 */
export declare function viommu_bind(vm: vm, entry: viommu_entry): number;
/**
 * Undoes viommu_bind(). Nothing happens when nothing is bound there. While the guest's unit translates, a device without a
 * valid entry for requests without a PASID reaches nothing: the VMM sees to that whatever a script does.
 */
export declare function viommu_unbind(vm: vm, entry: viommu_entry): void;
/**
 * Drops what the host's IOTLB and device TLBs hold of an entry that is bound: IOMMU_HWPT_INVALIDATE, or the cache
 * invalidation of VFIO_IOMMU_NESTING_OP in 2019. Without a range, the whole address space.
 */
export declare function viommu_flush(vm: vm, entry: viommu_entry, range?: viommu_range): void;
/** Writes the status of a wait descriptor into guest memory: everything before it is done, the guest goes on. */
export declare function viommu_complete_wait(vm: vm, command: viommu_command): void;

/** Page faults of a device that are answered together. */
export interface viommu_fault_group {
  /** The guest's number; 0 for requests without a PASID. */
  readonly pasid: number;
  /** Page request group index, as the device chose it. Another group may have the same. */
  readonly group: number;
  readonly addresses: readonly number[];
  /** Names the group on the host. */
  readonly cookie: number;
}
/** A page group response of the guest. */
export interface viommu_response {
  /** Place on the guest's bus. */
  readonly device: string;
  readonly pasid: number;
  readonly group: number;
  /** 0 Success, 1 Invalid Request, 15 Response Failure. */
  readonly code: number;
}
/** What a script does with page faults in place of the VMM. What is absent is not done at all. */
export interface viommu_fault_ops {
  /** The host has page faults for the guest. */
  request?(group: viommu_fault_group): void;
  /** The guest has answered a group. */
  response?(response: viommu_response): void;
}
/** Takes over page faults of a guest and their answers; null gives them back. Nobody answers in the guest's place meanwhile. */
export declare function viommu_set_fault_ops(vm: vm, ops: viommu_fault_ops | null): void;
/** Queues a group in the guest's page request queue and raises its event. @returns false when there is no room: PRO is set */
export declare function viommu_page_request(vm: vm, group: viommu_fault_group): boolean;
/** Answers a group on the host. @returns 0; -EINVAL for a cookie that nobody waits for, or a code that is neither 0 nor 1 */
export declare function viommu_page_response(vm: vm, cookie: number, code: number): number;
`;
