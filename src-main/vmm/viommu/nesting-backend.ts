/**
 * What a virtual IOMMU wants of the host: nest a first-stage table of the guest on the VM's second stage, carry out the
 * guest's invalidations, hand over page faults and take the answers. Each kernel profile has its own way (vSVA series for Linux and QEMU, 2020); both end in the same PASID entries.
 *
 * Devices go by their VFIO names, PASIDs by the guest's numbers. 0 stands for requests without a PASID.
 */
import type { UnrecoverableRequest } from '../../linux/iommu/unrecoverable.ts';

/** The fields of a guest's PASID entry that the host takes over. */
export interface GuestStage1 {
  /** Guest-physical address of the top table. */
  readonly root: number;
  readonly width: 48 | 57;
  readonly isSupervisorAllowed: boolean;
  readonly hasExtendedAccessed: boolean;
  readonly isWriteProtected: boolean;
}

/** A page fault of a device, as it goes into the guest's queue. */
export interface GuestFault {
  readonly address: number;
  readonly isRead: boolean;
  readonly isWrite: boolean;
  readonly isLast: boolean;
  readonly group: number;
}

/** A request that the host's unit refused for good; numbers of the guest, the reason as the hardware has it. */
export interface UnrecoverableFault extends UnrecoverableRequest {
  readonly device: string;
  /** 0 for a request without. */
  readonly pasid: number;
}

/** Faults that are answered together. */
export interface GuestFaultGroup {
  readonly device: string;
  /** The guest's number; 0 for requests without. */
  readonly pasid: number;
  readonly faults: readonly GuestFault[];
  /** Names the group to `respond`. */
  readonly cookie: number;
}

export interface GuestRange {
  readonly address: number;
  readonly bytes: number;
  readonly isLeafOnly: boolean;
}

/** PASIDs that the host gives out, where guests cannot choose them. */
export interface GuestPasidSource {
  /** The guest's number, or a negative error number. */
  alloc(): number;
  /** -EINVAL for a number that the guest does not own. */
  free(pasid: number): number;
}

/** What requests of a function without a PASID reach. `other-table`: that of another function of the VM. */
export type Reach = 'first-stage' | 'guest-physical' | 'nothing' | 'other-table';

export interface NestingBackend {
  /** Null where the guest allocates from its own space. */
  readonly pasids: GuestPasidSource | null;
  /** Makes a table effective, also in place of another one. */
  bind(device: string, pasid: number, stage1: GuestStage1): number;
  /** PASID 0 reaches guest-physical memory then, any other PASID nothing. */
  unbind(device: string, pasid: number): void;
  /** The device leaves the VM, and wants nothing any more. */
  forget(device: string): void;
  /** What requests without a PASID reach, where it is not what was bound for the device; else undefined. */
  sharedReach(device: string): Reach | undefined;
  /** Null: the whole address space. `device-tlb` leaves the unit's own caches alone. */
  invalidate(
    device: string,
    pasid: number,
    range: GuestRange | null,
    what: 'iotlb' | 'device-tlb',
  ): void;
  /** Called for every group of page faults. */
  onFaults: (group: GuestFaultGroup) => void;
  /** Called for every refused request that the host tells of; iommufd of VT-d has no queue for them. */
  onUnrecoverable: (fault: UnrecoverableFault) => void;
  /** -EINVAL for a group that nobody waits for. */
  respond(cookie: number, code: number): number;
}
