/**
 * Translation of one request: the order of checks of VT-d 5.10 chapters 3, 4 and 7, for untranslated, translation and
 * translated requests in legacy, scalable and abort mode.
 *
 * The unit hands in what software latched (root pointer, mode, enable); the answer is left in `answer`. A request that
 * succeeds allocates nothing. Faults go to the fault sink when they are to be recorded.
 *
 * Not modelled: execute requests beyond their checks, memory types.
 */
import { LegacyContextEntry, TT } from '../../spec/vtd/context-entry.ts';
import { PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { TTM } from '../../spec/vtd/registers/global-command.ts';
import type { IommuCacheConfig } from '../machine-config.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { ADDRESS_TYPE, type CompletionStatus } from '../pcie/ports.ts';
import { ACCESS, type FirstStageWalk } from './first-stage-walk.ts';
import { HostPermissionWalk } from './host-permission-walk.ts';
import { IOTLB_FLAG, Iotlb, flagsWithPgtt } from './iotlb.ts';
import type { PagingStructureCache } from './paging-structure-cache.ts';
import { pieceMask, pieceOf } from './piece.ts';
import { PlainTranslation } from './plain-translation.ts';
import type { FaultSink } from './ports.ts';
import { RequestOutcome, isInterruptAddress, type TranslationCounters } from './request-outcome.ts';
import type { IommuAnswer, IommuRequest } from './request.ts';
import type { SecondStageWalk } from './second-stage-walk.ts';
import { StageTranslation } from './stage-translation.ts';
import { StructureWalk } from './structure-walk.ts';
import type { UnitFeatures, UnitLimits } from './unit-limits.ts';
import type { WalkRecorder } from './walk-recorder.ts';

const LEGACY_TT = pieceOf(LegacyContextEntry, 'TT');
const LEGACY_DID = pieceOf(LegacyContextEntry, 'DID');
const ENTRY_PGTT = pieceOf(PasidTableEntry, 'PGTT');
const PGTT_MASK = ENTRY_PGTT.mask;
const PGTT_SHIFT = ENTRY_PGTT.shift;
/** DID starts its word. */
const DID_MASK = pieceMask(PasidTableEntry, 'DID');
const PGSNP = pieceMask(PasidTableEntry, 'PGSNP');
const HPTSZ = pieceOf(PasidTableEntry, 'HPTSZ');
const ADDRESS_LOW = ~0xfff;
/** The smallest host permission table reaches 2^49: limit of the high half. */
const HOST_PERMISSION_REACH = 2 ** 17;
const SRE = pieceMask(PasidTableEntry, 'SRE');
const SECOND_STAGE = PGTT.secondStage;
const PASS_THROUGH = PGTT.passThrough;
const UNTRANSLATED = ADDRESS_TYPE.untranslated;
const TRANSLATED = ADDRESS_TYPE.translated;
const TRANSLATION_REQUEST = ADDRESS_TYPE.translationRequest;
const READ = ACCESS.read;
const LEGACY_MODE = TTM.legacy;
const SCALABLE_MODE = TTM.scalable;
const FLAG_PASS_THROUGH = IOTLB_FLAG.passThrough;
const FLAG_DIRTY = IOTLB_FLAG.dirty;
const FLAG_SUPERVISOR = IOTLB_FLAG.supervisor;
const FLAG_RID_PRIVILEGE = IOTLB_FLAG.ridPrivilege;
const FLAG_FAULT_DISABLE = IOTLB_FLAG.faultDisable;
const FLAG_SNOOP = IOTLB_FLAG.snoop;

/** Largest aligned region a pass-through completion reports. */
const PASS_THROUGH_SHIFT = 30;

export class Translation {
  readonly answer: IommuAnswer;
  readonly counters: TranslationCounters;
  readonly iotlb: Iotlb;
  readonly structures: StructureWalk;
  readonly firstStage: FirstStageWalk;
  readonly secondStage: SecondStageWalk;
  readonly firstStageCache: PagingStructureCache;
  readonly secondStageCache: PagingStructureCache;

  /** RTADDR_REG.TTM as latched by SRTP. */
  mode: number = LEGACY_MODE;
  /** RTADDR_REG.SSIRWE as latched by SRTP. */
  isIoRights = false;

  readonly #outcome: RequestOutcome;
  readonly #stages: StageTranslation;
  readonly #features: UnitFeatures;
  readonly #hostHighLimit: number;
  /** First PASID beyond ECAP_REG.PSS. */
  readonly #pasidLimit: number;
  readonly #hasIotlb: boolean;
  readonly #hostPermissions: HostPermissionWalk;
  /** The short way of common requests: whoever translates tries it first. */
  readonly plain: PlainTranslation;
  /** Nothing is cached and the unit has no features that `PlainTranslation` does not know. */
  readonly #mayBePlain: boolean;
  #isEnabled = false;
  #rootHigh = 0;
  #rootLow = 0;

  constructor(
    memory: PhysicalMemory,
    limits: UnitLimits,
    caches: IommuCacheConfig,
    faults: FaultSink,
  ) {
    this.#features = limits.features;
    this.#hostHighLimit = limits.hostHighLimit;
    this.#pasidLimit = limits.pasidLimit;
    this.iotlb = new Iotlb(caches.iotlb);
    this.#hasIotlb = this.iotlb.capacity !== 0;
    this.structures = new StructureWalk(memory, limits, caches.context, caches.pasid);
    this.#outcome = new RequestOutcome(limits, this.structures, this.iotlb, faults);
    this.answer = this.#outcome.answer;
    this.counters = this.#outcome.counters;
    this.#stages = new StageTranslation(
      memory,
      limits,
      this.structures,
      this.#outcome,
      caches.pagingStructure,
    );
    this.firstStage = this.#stages.firstStage;
    this.secondStage = this.#stages.secondStage;
    this.firstStageCache = this.#stages.firstStageCache;
    this.secondStageCache = this.#stages.secondStageCache;
    this.#hostPermissions = new HostPermissionWalk(memory, limits);
    this.plain = new PlainTranslation(memory, limits, this.answer, this.counters);
    const isUncached = caches.iotlb + caches.context + caches.pasid + caches.pagingStructure === 0;
    this.#mayBePlain = isUncached && limits.features.SMTS && limits.isPasidEntryTailReserved;
  }

  /** GSTS_REG.TES. */
  get isEnabled(): boolean {
    return this.#isEnabled;
  }

  set isEnabled(isEnabled: boolean) {
    this.#isEnabled = isEnabled;
    this.#preparePlain();
  }

  latchRoot(high: number, low: number, mode: number, isIoRights: boolean): void {
    this.mode = mode;
    this.isIoRights = isIoRights;
    this.#rootHigh = high;
    this.#rootLow = low;
    this.structures.setRoot(high, low);
    this.secondStage.setMode(mode === LEGACY_MODE, isIoRights);
    this.#preparePlain();
  }

  #preparePlain(): void {
    const isOn =
      this.#mayBePlain &&
      this.#isEnabled &&
      this.mode === SCALABLE_MODE &&
      !this.isIoRights &&
      !this.#outcome.isDryRun;
    this.plain.setState(isOn, this.#rootHigh, this.#rootLow);
  }

  /**
   * Runs a request on the tables as they are in memory, without touching caches, flags, counters, the fault log or
   * `answer`, and tells the recorder what it reads.
   */
  explain(request: IommuRequest, recorder: WalkRecorder): IommuAnswer {
    const savedAnswer = { ...this.answer };
    const savedCounters = { ...this.counters };
    this.#setRecorder(recorder);
    this.translate(request);
    this.#setRecorder(null);
    const explained = { ...this.answer };
    Object.assign(this.answer, savedAnswer);
    Object.assign(this.counters, savedCounters);
    return explained;
  }

  #setRecorder(recorder: WalkRecorder | null): void {
    const isDryRun = recorder !== null;
    this.#outcome.isDryRun = isDryRun;
    for (const walk of [this.structures, this.firstStage, this.secondStage]) {
      walk.recorder = recorder;
      walk.isDryRun = isDryRun;
    }
    this.#preparePlain();
  }

  /** Completion status of a request that `plain` has left; everything else is in `answer`. */
  translate(request: IommuRequest): CompletionStatus {
    this.counters.requests++;
    if (!this.#isEnabled) {
      return request.addressType === UNTRANSLATED
        ? this.#outcome.passUntranslated(request, PASS_THROUGH_SHIFT)
        : this.#outcome.refuse();
    }
    const isInterrupt = request.pasid < 0 && isInterruptAddress(request.high, request.low);
    if (request.addressType !== UNTRANSLATED || isInterrupt) {
      return this.#special(request, isInterrupt);
    }
    if (
      this.#hasIotlb &&
      !this.#outcome.isDryRun &&
      !request.isExecute &&
      this.mode <= SCALABLE_MODE
    ) {
      if (this.iotlb.lookup(request.rid, request.pasid, request.high, request.low)) {
        const status = this.#fromIotlb(request);
        if (status >= 0) {
          return status as CompletionStatus;
        }
      }
    }
    return this.#walk(request);
  }

  /** Translation and translated requests, and requests without PASID to the interrupt range (sections 3.14, 4.2). */
  #special(request: IommuRequest, isInterrupt: boolean): CompletionStatus {
    const { addressType } = request;
    if (addressType === UNTRANSLATED) {
      // Interrupts come by another way; zero-length reads complete without translation.
      return request.kind === READ && request.bytes === 0
        ? this.#outcome.passUntranslated(request, 12)
        : this.#outcome.fail(request, 0x29);
    }
    if (addressType === TRANSLATED) {
      const isForbidden = request.pasid >= 0 && !this.#features.PTRS;
      return isForbidden ? this.#outcome.refuse() : this.#walk(request);
    }
    // A translation request is a read, and address type 11b is reserved.
    if (addressType !== TRANSLATION_REQUEST || request.kind !== READ) {
      return this.#outcome.refuse();
    }
    // Device-TLB fills are rare and need the context's own checks: they always walk.
    return isInterrupt ? this.#outcome.passInterruptTranslation(request) : this.#walk(request);
  }

  #walk(request: IommuRequest): CompletionStatus {
    const features = this.#features;
    if (this.mode === SCALABLE_MODE && features.SMTS) {
      return request.isExecute && features.refusesExecute && request.pasid >= 0
        ? this.#outcome.fail(request, 0x34)
        : this.#scalable(request);
    }
    switch (this.mode) {
      case LEGACY_MODE:
        if (request.pasid >= 0) {
          return this.#outcome.fail(request, 0x31);
        }
        return this.isIoRights ? this.#outcome.fail(request, 0x30) : this.#legacy(request);
      case TTM.abortDma:
        return this.#outcome.fail(request, features.ADMS ? 0x33 : 0x30);
      default:
        return this.#outcome.fail(request, 0x30);
    }
  }

  // ---- legacy mode, section 3.9 and chapter 9.1, 9.3 -----------------------------------------------------------------

  #legacy(request: IommuRequest): CompletionStatus {
    const { structures } = this;
    const outcome = this.#outcome;
    const fault = structures.lookupLegacyContext(request.rid);
    if (fault !== 0) {
      return outcome.fail(request, fault);
    }
    if (structures.isContextHit) {
      this.counters.contextHits++;
    }
    const tt = (structures.context0 & LEGACY_TT.mask) >>> LEGACY_TT.shift;
    if (request.addressType !== UNTRANSLATED && tt !== TT.withDeviceTlb) {
      return outcome.fail(request, 0x0d);
    }
    if (request.addressType === TRANSLATED) {
      return this.#translated(request, 0x04, 0x0e);
    }
    if (tt !== TT.passThrough) {
      return this.#stages.legacy(request);
    }
    if (request.high >>> 0 >= this.#hostHighLimit) {
      return outcome.fail(request, 0x04);
    }
    const did = (structures.context2 & LEGACY_DID.mask) >>> LEGACY_DID.shift;
    const flags =
      FLAG_PASS_THROUGH | IOTLB_FLAG.legacy | (structures.isFaultDisabled ? FLAG_FAULT_DISABLE : 0);
    return outcome.pass(
      request,
      request.high,
      request.low,
      PASS_THROUGH_SHIFT,
      flags,
      did,
      0,
      false,
    );
  }

  // ---- scalable mode, sections 3.4 to 3.9 and 9.2 to 9.6 -------------------------------------------------------------

  #scalable(request: IommuRequest): CompletionStatus {
    const { structures } = this;
    let fault = structures.lookupContext(request.rid);
    if (fault !== 0) {
      return this.#outcome.fail(request, fault);
    }
    if (structures.isContextHit) {
      this.counters.contextHits++;
    }
    if (
      request.addressType !== UNTRANSLATED &&
      !structures.hasDeviceTlb &&
      this.#features.checksDeviceTlbEnable
    ) {
      return this.#outcome.fail(request, 0x44);
    }
    let { pasid, isPrivileged } = request;
    if (pasid >= 0) {
      fault = this.#checkPasid(request);
      if (fault !== 0) {
        return this.#outcome.fail(request, fault);
      }
    }
    if (request.addressType === TRANSLATED) {
      return this.#translated(request, 0x83, 0x87);
    }
    if (pasid < 0) {
      pasid = structures.ridPasid;
      isPrivileged = this.#features.RPRIVS && structures.ridPrivilege;
    }
    fault = structures.lookupPasidEntry(request.rid, pasid);
    if (fault !== 0) {
      return this.#outcome.fail(request, fault);
    }
    if (structures.isEntryHit) {
      this.counters.pasidHits++;
    }
    if (request.isExecute && request.pasid >= 0 && !this.#features.ERS) {
      return this.#outcome.fail(request, 0x5c);
    }
    if (isPrivileged && (structures.entry4 & SRE) === 0) {
      return this.#outcome.fail(request, 0x5d, request.pasid >= 0);
    }
    switch ((structures.entry0 & PGTT_MASK) >>> PGTT_SHIFT) {
      case SECOND_STAGE:
        return this.#stages.secondStageOnly(request, pasid, isPrivileged);
      case PASS_THROUGH:
        return this.#scalablePassThrough(request, pasid, isPrivileged);
      default:
        return this.#stages.firstStageOrNested(request, pasid, isPrivileged);
    }
  }

  /** SCT.6 to SCT.10 and SGN.10. */
  #checkPasid(request: IommuRequest): number {
    const { structures } = this;
    const { pasid } = request;
    if (request.addressType === TRANSLATED) {
      if (!structures.hasTranslatedPasid) {
        return 0x49;
      }
    } else if (!structures.hasPasid) {
      return 0x45;
    }
    if (pasid >>> structures.directoryPasidBits !== 0) {
      return 0x46;
    }
    if (pasid >= this.#pasidLimit) {
      return 0x89;
    }
    return this.#features.RPS && pasid === structures.ridPasid ? 0x48 : 0;
  }

  #scalablePassThrough(
    request: IommuRequest,
    pasid: number,
    isPrivileged: boolean,
  ): CompletionStatus {
    const { entry2, isFaultDisabled } = this.structures;
    if (request.high >>> 0 >= this.#hostHighLimit) {
      return this.#outcome.fail(request, 0x83);
    }
    const flags =
      flagsWithPgtt(FLAG_PASS_THROUGH, PASS_THROUGH) |
      ((entry2 & PGSNP) !== 0 ? FLAG_SNOOP : 0) |
      (isFaultDisabled ? FLAG_FAULT_DISABLE : 0);
    return this.#outcome.pass(
      request,
      request.high,
      request.low,
      PASS_THROUGH_SHIFT,
      flags,
      entry2 & DID_MASK,
      pasid,
      isPrivileged,
    );
  }

  /** Translated requests carry a host physical address already (section 4.2.3). */
  #translated(request: IommuRequest, rangeFault: number, interruptFault: number): CompletionStatus {
    if (request.high >>> 0 >= this.#hostHighLimit) {
      return this.#outcome.fail(request, rangeFault);
    }
    if (isInterruptAddress(request.high, request.low)) {
      return this.#outcome.fail(request, interruptFault);
    }
    const fault = this.#hostPermissionFault(request);
    return fault === 0
      ? this.#outcome.passUntranslated(request, PASS_THROUGH_SHIFT)
      : this.#outcome.fail(request, fault);
  }

  /** With HPTE, the table of the PASID entry says what a translated request may do (section 4.2.4). */
  #hostPermissionFault(request: IommuRequest): number {
    const { structures } = this;
    if (this.mode === LEGACY_MODE || !structures.hasHostPermissions) {
      return 0;
    }
    const pasid = request.pasid >= 0 ? request.pasid : structures.ridPasid;
    const fault = structures.lookupPasidEntry(request.rid, pasid);
    if (fault !== 0) {
      return fault;
    }
    const { entry8, entry9 } = structures;
    const size = (entry8 & HPTSZ.mask) >>> HPTSZ.shift;
    if (request.high >>> 0 >= HOST_PERMISSION_REACH * 2 ** size) {
      return 0x60;
    }
    const tableLow = entry8 & ADDRESS_LOW;
    return this.#hostPermissions.check(entry9, tableLow, request, request.kind, request.bytes);
  }

  // ---- IOTLB ---------------------------------------------------------------------------------------------------------

  /** A completion status, or -1 when the entry does not suffice and the request must walk. */
  #fromIotlb(request: IommuRequest): number {
    const { flags } = this.iotlb;
    const isPrivileged =
      request.pasid >= 0 ? request.isPrivileged : (flags & FLAG_RID_PRIVILEGE) !== 0;
    if (request.isPrivileged && (flags & FLAG_SUPERVISOR) === 0) {
      return -1;
    }
    if ((flags & FLAG_PASS_THROUGH) === 0) {
      if (request.kind !== READ && (flags & FLAG_DIRTY) === 0) {
        return -1;
      }
      const fault = this.#outcome.rightsFault(flags, request, isPrivileged);
      if (fault !== 0) {
        this.structures.isFaultDisabled = (flags & FLAG_FAULT_DISABLE) !== 0;
        return this.#outcome.fail(request, fault);
      }
    }
    return this.#outcome.hit(request, isPrivileged);
  }
}
