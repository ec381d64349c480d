/**
 * Ends of a request: rights, the answer, and what a fault leads to. VT-d 5.10 sections 3.6.1, 3.7.1, 3.8.1, 4.2 and 7.1.
 *
 * Rights travel as IOTLB flags, so that a walk and a cached translation are judged by the same code.
 */
import { ADDRESS_TYPE, COMPLETION, type CompletionStatus } from '../pcie/ports.ts';
import {
  REQUEST_CLASS,
  RESPONSE,
  isQualifiedReason,
  isRecordedReason,
  responseOf,
} from './fault-policy.ts';
import { ACCESS } from './first-stage-walk.ts';
import { IOTLB_FLAG, type Iotlb } from './iotlb.ts';
import type { FaultReport, FaultSink } from './ports.ts';
import { createIommuAnswer, type IommuAnswer, type IommuRequest } from './request.ts';
import type { StructureWalk } from './structure-walk.ts';
import type { UnitLimits } from './unit-limits.ts';

const SUCCESS = COMPLETION.success;
const TRANSLATION_REQUEST = ADDRESS_TYPE.translationRequest;
const TRANSLATED = ADDRESS_TYPE.translated;
const READ_ACCESS = ACCESS.read;
const WRITE_ACCESS = ACCESS.write;
const READ = IOTLB_FLAG.read;
const WRITE = IOTLB_FLAG.write;
const USER = IOTLB_FLAG.user;
const FIRST_STAGE = IOTLB_FLAG.firstStage;
const FIRST_STAGE_WRITE = IOTLB_FLAG.firstStageWrite;
const WRITE_PROTECT = IOTLB_FLAG.writeProtect;
const PASS_THROUGH = IOTLB_FLAG.passThrough;
const LEGACY = IOTLB_FLAG.legacy;
const SNOOP = IOTLB_FLAG.snoop;
const RID_PRIVILEGE = IOTLB_FLAG.ridPrivilege;
const FAULT_DISABLE = IOTLB_FLAG.faultDisable;

/** Upper twelve bits of the low half of an interrupt address: FEEx_xxxxh. */
const INTERRUPT_RANGE = 0xfee;
/** A request other than a write of one dword without PASID to the interrupt range. */
const NOT_AN_INTERRUPT = 0x29;

export function isInterruptAddress(high: number, low: number): boolean {
  return high === 0 && low >>> 20 === INTERRUPT_RANGE;
}

export interface TranslationCounters {
  requests: number;
  iotlbHits: number;
  contextHits: number;
  pasidHits: number;
  walks: number;
  faults: number;
}

export class RequestOutcome {
  readonly answer: IommuAnswer = createIommuAnswer();
  readonly counters: TranslationCounters = {
    requests: 0,
    iotlbHits: 0,
    contextHits: 0,
    pasidHits: 0,
    walks: 0,
    faults: 0,
  };
  /** An explanation runs: nothing may be cached, counted or recorded. */
  isDryRun = false;

  readonly #faults: FaultSink;
  readonly #structures: StructureWalk;
  readonly #iotlb: Iotlb;
  readonly #keepsTranslations: boolean;
  readonly #honoursNoWrite: boolean;
  readonly #allowsZeroLengthReads: boolean;
  readonly #report: FaultReport = {
    reason: 0,
    rid: 0,
    pasid: -1,
    high: 0,
    low: 0,
    kind: 'read',
    addressType: ADDRESS_TYPE.untranslated,
    isPrivileged: false,
    isExecute: false,
  };

  constructor(limits: UnitLimits, structures: StructureWalk, iotlb: Iotlb, faults: FaultSink) {
    this.#faults = faults;
    this.#structures = structures;
    this.#iotlb = iotlb;
    this.#keepsTranslations = iotlb.capacity !== 0;
    this.#honoursNoWrite = limits.features.NWFS;
    this.#allowsZeroLengthReads = limits.features.ZLR;
  }

  /** What a translation request asks for beyond reading: NW is honoured only with NWFS (section 4.2.2). */
  asksToWrite(request: IommuRequest): boolean {
    return !(request.isNoWrite && this.#honoursNoWrite);
  }

  /** Whether the request, if it passes, is a write that must leave its page dirty (section 3.10). */
  isWrite(request: IommuRequest): boolean {
    return request.addressType === TRANSLATION_REQUEST
      ? this.asksToWrite(request)
      : request.kind !== READ_ACCESS;
  }

  /**
   * 0 when the rights in `flags` allow the request, else the fault. A translation request faults only for U/S: missing
   * read or write rights are reported in its completion.
   */
  rightsFault(flags: number, request: IommuRequest, isPrivileged: boolean): number {
    const isTranslation = request.addressType === TRANSLATION_REQUEST;
    const needsWrite = request.kind !== READ_ACCESS;
    if ((flags & FIRST_STAGE) !== 0) {
      if (!isPrivileged && (flags & USER) === 0) {
        return 0x81;
      }
      if (needsWrite && !isTranslation && !isFirstStageWritable(flags, isPrivileged)) {
        return 0x85;
      }
    }
    if (isTranslation) {
      return 0;
    }
    if (needsWrite && (flags & WRITE) === 0) {
      return (flags & LEGACY) !== 0 ? 0x05 : 0x85;
    }
    const needsRead = request.kind !== WRITE_ACCESS;
    if (needsRead && (flags & READ) === 0) {
      const isZeroLength = request.bytes === 0 && this.#allowsZeroLengthReads;
      if (!(isZeroLength && (flags & WRITE) !== 0)) {
        return (flags & LEGACY) !== 0 ? 0x06 : 0x86;
      }
    }
    return 0;
  }

  /** The translation would let a device reach the interrupt range as if it were memory (section 3.15). */
  isInterruptOutput(
    request: IommuRequest,
    high: number,
    low: number,
    shift: number,
    flags: number,
  ): boolean {
    if (request.addressType === TRANSLATION_REQUEST) {
      return (flags & PASS_THROUGH) === 0 && overlapsInterruptRange(high, low, shift);
    }
    return isInterruptAddress(high, low);
  }

  /** The request passes to `high:low`, unless that is in the interrupt range. */
  pass(
    request: IommuRequest,
    high: number,
    low: number,
    shift: number,
    flags: number,
    did: number,
    pasid: number,
    isPrivileged: boolean,
  ): CompletionStatus {
    if (this.isInterruptOutput(request, high, low, shift, flags)) {
      return this.fail(request, (flags & LEGACY) !== 0 ? 0x0e : 0x87);
    }
    if (
      this.#keepsTranslations &&
      !this.isDryRun &&
      (flags & (READ | WRITE | PASS_THROUGH)) !== 0
    ) {
      const isRidPrivileged = isPrivileged && request.pasid < 0;
      this.#iotlb.fill(
        request.rid,
        request.pasid,
        request.high,
        request.low,
        shift,
        high,
        low,
        isRidPrivileged ? flags | RID_PRIVILEGE : flags,
        did,
        pasid,
      );
    }
    this.#grant(request, high, low, shift, flags, did, isPrivileged);
    this.answer.isIotlbHit = false;
    return SUCCESS;
  }

  /** The request is answered by the translation that `iotlb` has just found, whose rights suffice. */
  hit(request: IommuRequest, isPrivileged: boolean): CompletionStatus {
    const { outHigh, outLow, shift, flags, domainId } = this.#iotlb;
    this.counters.iotlbHits++;
    // A cached large page may reach into the range although the request that filled the entry did not.
    if (isInterruptAddress(outHigh, outLow)) {
      this.#structures.isFaultDisabled = (flags & FAULT_DISABLE) !== 0;
      return this.fail(request, (flags & LEGACY) !== 0 ? 0x0e : 0x87);
    }
    this.#grant(request, outHigh, outLow, shift, flags, domainId, isPrivileged);
    this.answer.isIotlbHit = true;
    return SUCCESS;
  }

  /** Success with the rights in `flags`. */
  #grant(
    request: IommuRequest,
    high: number,
    low: number,
    shift: number,
    flags: number,
    did: number,
    isPrivileged: boolean,
  ): void {
    const { answer } = this;
    answer.status = SUCCESS;
    answer.reason = 0;
    answer.isRecorded = false;
    answer.high = high;
    answer.low = low;
    answer.pageShift = shift;
    answer.isPrivileged = isPrivileged && request.pasid >= 0;
    answer.isSnooped = (flags & SNOOP) !== 0;
    answer.isUntranslatedOnly = false;
    answer.domainId = did;
    answer.canRead = (flags & (READ | PASS_THROUGH)) !== 0;
    answer.canWrite =
      (flags & (WRITE | PASS_THROUGH)) !== 0 &&
      ((flags & FIRST_STAGE) === 0 || isFirstStageWritable(flags, isPrivileged)) &&
      (request.addressType !== TRANSLATION_REQUEST || this.asksToWrite(request));
  }

  /** The request passes with its own address. */
  passUntranslated(request: IommuRequest, shift: number): CompletionStatus {
    const { answer } = this;
    this.#clear(SUCCESS);
    answer.high = request.high;
    answer.low = request.low;
    answer.pageShift = shift;
    answer.canRead = true;
    answer.canWrite = true;
    return SUCCESS;
  }

  /** Translation request for FEEx_xxxxh without PASID: write-only, untranslated use (section 4.2.2). */
  passInterruptTranslation(request: IommuRequest): CompletionStatus {
    const { answer } = this;
    const isGranted = this.asksToWrite(request);
    this.#clear(SUCCESS);
    answer.high = request.high;
    answer.low = request.low;
    answer.canWrite = isGranted;
    answer.isUntranslatedOnly = isGranted;
    return SUCCESS;
  }

  /** Unsupported Request without a fault record. */
  refuse(): CompletionStatus {
    this.#clear(COMPLETION.unsupportedRequest);
    return COMPLETION.unsupportedRequest;
  }

  /** `showsPrivilege`: the completion says that the rights, none, are those of supervisor requests. */
  fail(request: IommuRequest, reason: number, showsPrivilege = false): CompletionStatus {
    const { answer } = this;
    const requestClass = classOf(request);
    const isSilenced = isQualifiedReason(reason) && this.#structures.isFaultDisabled;
    this.#clear(statusOf(responseOf(requestClass, reason)));
    answer.reason = reason;
    answer.isPrivileged = showsPrivilege;
    answer.isRecorded =
      (isRecordedReason(requestClass, reason) || reason === NOT_AN_INTERRUPT) && !isSilenced;
    if (this.isDryRun) {
      return answer.status;
    }
    this.counters.faults++;
    if (answer.isRecorded) {
      const report = this.#report;
      report.reason = reason;
      report.rid = request.rid;
      report.pasid = request.pasid;
      report.high = request.high;
      report.low = request.low;
      report.kind =
        request.kind === READ_ACCESS ? 'read' : request.kind === WRITE_ACCESS ? 'write' : 'atomic';
      report.addressType = request.addressType;
      report.isPrivileged = request.isPrivileged;
      report.isExecute = request.isExecute;
      this.#faults.record(report);
    }
    return answer.status;
  }

  /** No address, no rights. */
  #clear(status: CompletionStatus): void {
    const { answer } = this;
    answer.status = status;
    answer.reason = 0;
    answer.isRecorded = false;
    answer.high = 0;
    answer.low = 0;
    answer.pageShift = 12;
    answer.canRead = false;
    answer.canWrite = false;
    answer.isPrivileged = false;
    answer.isSnooped = false;
    answer.isUntranslatedOnly = false;
    answer.isIotlbHit = false;
    answer.domainId = 0;
  }
}

/** R/W counts for user requests, and for supervisor requests with WPE (section 3.6.1). */
function isFirstStageWritable(flags: number, isPrivileged: boolean): boolean {
  const isProtected = !isPrivileged || (flags & WRITE_PROTECT) !== 0;
  return !isProtected || (flags & FIRST_STAGE_WRITE) !== 0;
}

function statusOf(response: number): CompletionStatus {
  switch (response) {
    case RESPONSE.S0:
    case RESPONSE.Seff:
      return SUCCESS;
    case RESPONSE.CA:
      return COMPLETION.completerAbort;
    default:
      return COMPLETION.unsupportedRequest;
  }
}

function classOf(request: IommuRequest): number {
  const withPasid = request.pasid >= 0 ? 1 : 0;
  switch (request.addressType) {
    case TRANSLATION_REQUEST:
      return REQUEST_CLASS.translation + withPasid;
    case TRANSLATED:
      return REQUEST_CLASS.translated + withPasid;
    default:
      return REQUEST_CLASS.untranslated + withPasid;
  }
}

function overlapsInterruptRange(high: number, low: number, shift: number): boolean {
  if (high !== 0) {
    return false;
  }
  const first = shift >= 20 ? INTERRUPT_RANGE >>> (shift - 20) : 0;
  return shift >= 20 ? low >>> shift === first : low >>> 20 === INTERRUPT_RANGE;
}
