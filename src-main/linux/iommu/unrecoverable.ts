/** `struct iommu_fault_unrecoverable` (include/uapi/linux/iommu.h, Linux 5.10), with the reason as the unit recorded it. */
export interface UnrecoverableRequest {
  readonly reason: number;
  readonly address: bigint;
  /** As T1 and T2 of a fault record spell it. */
  readonly type: number;
  readonly addressType: number;
  readonly isPrivileged: boolean;
  readonly isExecute: boolean;
}
