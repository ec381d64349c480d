/** A request as the unit sees it, and its answer. Both are mutable objects, reused so that translation allocates nothing. */
import {
  ADDRESS_TYPE,
  COMPLETION,
  type AddressType,
  type CompletionStatus,
} from '../pcie/ports.ts';
import { ACCESS, type AccessKind } from './first-stage-walk.ts';

export interface IommuRequest {
  rid: number;
  /** -1: without PASID. */
  pasid: number;
  high: number;
  low: number;
  /** 0 for a zero-length read. */
  bytes: number;
  kind: AccessKind;
  addressType: AddressType;
  isPrivileged: boolean;
  isExecute: boolean;
  /** NW of a translation request. */
  isNoWrite: boolean;
}

export function createIommuRequest(): IommuRequest {
  return {
    rid: 0,
    pasid: -1,
    high: 0,
    low: 0,
    bytes: 4,
    kind: ACCESS.read,
    addressType: ADDRESS_TYPE.untranslated,
    isPrivileged: false,
    isExecute: false,
    isNoWrite: false,
  };
}

export interface IommuAnswer {
  status: CompletionStatus;
  /** Fault reason, 0 for none. */
  reason: number;
  /** The fault went to the fault log (or was lost there because it was full). */
  isRecorded: boolean;
  /** Host physical address. */
  high: number;
  low: number;
  pageShift: number;
  canRead: boolean;
  canWrite: boolean;
  isPrivileged: boolean;
  isSnooped: boolean;
  isUntranslatedOnly: boolean;
  isIotlbHit: boolean;
  domainId: number;
}

export function createIommuAnswer(): IommuAnswer {
  return {
    status: COMPLETION.success,
    reason: 0,
    isRecorded: false,
    high: 0,
    low: 0,
    pageShift: 12,
    canRead: false,
    canWrite: false,
    isPrivileged: false,
    isSnooped: false,
    isUntranslatedOnly: false,
    isIotlbHit: false,
    domainId: 0,
  };
}
