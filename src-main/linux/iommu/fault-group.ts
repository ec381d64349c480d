/** Page requests as they travel from the hardware queue to whoever handles them. */
import type { PAGE_RESPONSE_CODE } from '../../spec/vtd/descriptors/page-request-descriptors.ts';

export interface PageFault {
  readonly rid: number;
  /** -1: request without PASID. */
  readonly pasid: number;
  readonly address: number;
  readonly isRead: boolean;
  readonly isWrite: boolean;
  readonly isLast: boolean;
  readonly group: number;
}

export type PageResponseCode = (typeof PAGE_RESPONSE_CODE)[keyof typeof PAGE_RESPONSE_CODE];

export interface FaultGroup {
  /** In the order of arrival; the last one closes the group. */
  readonly faults: readonly PageFault[];
  readonly last: PageFault;
  /** Answers the group; further calls do nothing. */
  respond(code: PageResponseCode, why: string): void;
}
