/**
 * Translation of one request: the order of checks of VT-d 5.10 chapters 3, 4 and 7, for untranslated, translation and
 * translated requests in legacy, scalable and abort mode.
 *
 * The unit hands in what software latched (root pointer, mode, enable); the answer is left in `answer`. A request that
 * succeeds allocates nothing. Faults go to the fault sink when they are to be recorded.
 *
 * Not modelled: host permission tables (HPTS), execute requests beyond their checks, memory types.
 */
import { LegacyContextEntry, TT } from '../../spec/vtd/context-entry.ts';
import { SecondStage4KLeaf } from '../../spec/paging/second-stage-entry.ts';
import { FSPM, PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { TTM } from '../../spec/vtd/registers/global-command.ts';
import type { IommuCacheConfig } from '../machine-config.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { ADDRESS_TYPE, COMPLETION, type CompletionStatus } from '../pcie/ports.ts';
import { REQUEST_CLASS, RESPONSE, isQualifiedReason, isRecordedReason, responseOf } from './fault-policy.ts';
import { ACCESS, FirstStageWalk, type FirstStageParameters } from './first-stage-walk.ts';
import { IOTLB_FLAG, Iotlb, flagsWithPgtt } from './iotlb.ts';
import { PagingStructureCache } from './paging-structure-cache.ts';
import { pieceMask, pieceOf } from './piece.ts';
import type { FaultReport, FaultSink } from './ports.ts';
import { createIommuAnswer, type IommuAnswer, type IommuRequest } from './request.ts';
import { legacySecondStageFault, secondStageFault } from './second-stage-fault.ts';
import { SecondStageWalk, WALK } from './second-stage-walk.ts';
import { StructureWalk } from './structure-walk.ts';
import type { UnitLimits } from './unit-limits.ts';
import type { WalkRecorder } from './walk-recorder.ts';

const LEGACY_TT = pieceOf(LegacyContextEntry, 'TT');
const LEGACY_AW = pieceOf(LegacyContextEntry, 'AW');
const LEGACY_DID = pieceOf(LegacyContextEntry, 'DID');
const ENTRY_PGTT = pieceOf(PasidTableEntry, 'PGTT');
const ENTRY_AW = pieceOf(PasidTableEntry, 'AW');
const ENTRY_SSADE = pieceMask(PasidTableEntry, 'SSADE');
const ENTRY_DID = pieceOf(PasidTableEntry, 'DID');
const ENTRY_PWSNP = pieceMask(PasidTableEntry, 'PWSNP');
const ENTRY_PGSNP = pieceMask(PasidTableEntry, 'PGSNP');
const ENTRY_SRE = pieceMask(PasidTableEntry, 'SRE');
const ENTRY_FSPM = pieceOf(PasidTableEntry, 'FSPM');
const ENTRY_WPE = pieceMask(PasidTableEntry, 'WPE');
const ENTRY_EAFE = pieceMask(PasidTableEntry, 'EAFE');
const SS_READ = pieceMask(SecondStage4KLeaf, 'R');
const SS_WRITE = pieceMask(SecondStage4KLeaf, 'W');
const ADDRESS_LOW = ~0xfff;

/** Upper twelve bits of the low half of an interrupt address: FEEx_xxxxh. */
const INTERRUPT_RANGE = 0xfee;

export function isInterruptAddress(high: number, low: number): boolean {
  return high === 0 && low >>> 20 === INTERRUPT_RANGE;
}

/** Largest aligned region a pass-through completion reports. */
const PASS_THROUGH_SHIFT = 30;

export interface TranslationCounters {
  requests: number;
  iotlbHits: number;
  contextHits: number;
  pasidHits: number;
  walks: number;
  faults: number;
}

export class Translation {
  readonly answer: IommuAnswer = createIommuAnswer();
  readonly iotlb: Iotlb;
  readonly structures: StructureWalk;
  readonly firstStage: FirstStageWalk;
  readonly secondStage: SecondStageWalk;
  readonly firstStageCache: PagingStructureCache;
  readonly secondStageCache: PagingStructureCache;
  readonly counters: TranslationCounters = {
    requests: 0,
    iotlbHits: 0,
    contextHits: 0,
    pasidHits: 0,
    walks: 0,
    faults: 0,
  };

  /** GSTS_REG.TES. */
  isEnabled = false;
  /** RTADDR_REG.TTM as latched by SRTP. */
  mode: number = TTM.legacy;
  /** RTADDR_REG.SSIRWE as latched by SRTP. */
  isIoRights = false;

  readonly #limits: UnitLimits;
  readonly #faults: FaultSink;
  readonly #parameters: FirstStageParameters = {
    tableHigh: 0,
    tableLow: 0,
    levels: 4,
    isNested: false,
    isExtendedAccessed: false,
    canUpdateFlags: true,
    ssHigh: 0,
    ssLow: 0,
    ssLevels: 4,
    ssHighLimit: 0,
    isSecondStageFlags: false,
  };
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
  #isDryRun = false;

  constructor(memory: PhysicalMemory, limits: UnitLimits, caches: IommuCacheConfig, faults: FaultSink) {
    this.#limits = limits;
    this.#faults = faults;
    this.structures = new StructureWalk(memory, limits, caches.context, caches.pasid);
    this.secondStage = new SecondStageWalk(memory, limits);
    this.firstStage = new FirstStageWalk(memory, limits, this.secondStage);
    this.iotlb = new Iotlb(caches.iotlb);
    this.firstStageCache = new PagingStructureCache(caches.pagingStructure);
    this.secondStageCache = new PagingStructureCache(caches.pagingStructure);
  }

  latchRoot(high: number, low: number, mode: number, isIoRights: boolean): void {
    this.mode = mode;
    this.isIoRights = isIoRights;
    this.structures.setRoot(high, low);
    this.secondStage.setMode(mode === TTM.legacy, isIoRights);
  }

  /** Runs a request without touching caches, flags or the fault log, and tells the recorder what it reads. */
  explain(request: IommuRequest, recorder: WalkRecorder): IommuAnswer {
    this.#isDryRun = true;
    this.#setRecorder(recorder);
    this.translate(request);
    this.#setRecorder(null);
    this.#isDryRun = false;
    return { ...this.answer };
  }

  #setRecorder(recorder: WalkRecorder | null): void {
    const isDryRun = recorder !== null;
    for (const walk of [this.structures, this.firstStage, this.secondStage]) {
      walk.recorder = recorder;
      walk.isDryRun = isDryRun;
    }
  }

  /** Completion status of the request; everything else is in `answer`. */
  translate(request: IommuRequest): CompletionStatus {
    const { answer } = this;
    answer.reason = 0;
    answer.isRecorded = false;
    answer.canRead = true;
    answer.canWrite = true;
    answer.isPrivileged = false;
    answer.isSnooped = false;
    answer.isUntranslatedOnly = false;
    answer.isIotlbHit = false;
    answer.domainId = 0;
    this.counters.requests++;
    const { addressType, pasid } = request;
    if (!this.isEnabled) {
      return addressType === ADDRESS_TYPE.untranslated ? this.#passThrough(request) : this.#refuse();
    }
    if (addressType === ADDRESS_TYPE.translated && pasid >= 0 && !this.#limits.features.PTRS) {
      return this.#refuse();
    }
    if (pasid < 0 && addressType !== ADDRESS_TYPE.translated && isInterruptAddress(request.high, request.low)) {
      return addressType === ADDRESS_TYPE.untranslated
        ? this.#fail(request, 0x29)
        : this.#interruptTranslation(request);
    }
    if (!this.#isDryRun && addressType !== ADDRESS_TYPE.translated && this.mode <= TTM.scalable) {
      if (this.iotlb.lookup(request.rid, pasid, request.high, request.low)) {
        const outcome = this.#fromIotlb(request);
        if (outcome >= 0) {
          return outcome as CompletionStatus;
        }
      }
    }
    return this.#walk(request);
  }

  #walk(request: IommuRequest): CompletionStatus {
    const { features } = this.#limits;
    switch (this.mode) {
      case TTM.legacy:
        if (this.isIoRights) {
          return this.#fail(request, 0x30);
        }
        return request.pasid >= 0 ? this.#fail(request, 0x31) : this.#legacy(request);
      case TTM.scalable:
        if (!features.SMTS) {
          return this.#fail(request, 0x30);
        }
        return this.#scalable(request);
      case TTM.abortDma:
        return this.#fail(request, features.ADMS ? 0x33 : 0x30);
      default:
        return this.#fail(request, 0x30);
    }
  }

  // ---- legacy mode, section 3.9 and chapter 9.1, 9.3 -----------------------------------------------------------------

  #legacy(request: IommuRequest): CompletionStatus {
    const { structures } = this;
    const fault = structures.lookupLegacyContext(request.rid);
    if (fault !== 0) {
      return this.#fail(request, fault);
    }
    this.counters.contextHits += structures.isContextHit ? 1 : 0;
    const words = structures.contextWords;
    const at = structures.contextAt;
    const tt = ((words[at] as number) & LEGACY_TT.mask) >>> LEGACY_TT.shift;
    if (request.addressType !== ADDRESS_TYPE.untranslated && tt !== TT.withDeviceTlb) {
      return this.#fail(request, 0x0d);
    }
    if (request.addressType === ADDRESS_TYPE.translated) {
      return this.#translated(request, 0x04, 0x0e);
    }
    const did = ((words[at + 2] as number) & LEGACY_DID.mask) >>> LEGACY_DID.shift;
    if (tt === TT.passThrough) {
      if (request.high >>> 0 >= this.#limits.hostHighLimit) {
        return this.#fail(request, 0x04);
      }
      const flags = IOTLB_FLAG.passThrough | IOTLB_FLAG.legacy | this.#faultDisableFlag();
      return this.#finish(request, request.high, request.low, PASS_THROUGH_SHIFT, flags, did, 0, 0x0e);
    }
    const aw = ((words[at + 2] as number) & LEGACY_AW.mask) >>> LEGACY_AW.shift;
    return this.#secondStageOnly(
      request,
      words[at + 1] as number,
      (words[at] as number) & ADDRESS_LOW,
      aw,
      flagsWithPgtt(IOTLB_FLAG.legacy, PGTT.secondStage),
      did,
      0,
      false,
      false,
    );
  }

  // ---- scalable mode, sections 3.4 to 3.9 and 9.2 to 9.6 -------------------------------------------------------------

  #scalable(request: IommuRequest): CompletionStatus {
    const { structures } = this;
    const { features } = this.#limits;
    const { addressType, rid } = request;
    let { pasid } = request;
    let fault = structures.lookupContext(rid);
    if (fault !== 0) {
      return this.#fail(request, fault);
    }
    this.counters.contextHits += structures.isContextHit ? 1 : 0;
    if (addressType !== ADDRESS_TYPE.untranslated && !structures.hasDeviceTlb) {
      return this.#fail(request, 0x44);
    }
    if (pasid >= 0) {
      fault = this.#checkPasid(request);
      if (fault !== 0) {
        return this.#fail(request, fault);
      }
    }
    if (addressType === ADDRESS_TYPE.translated) {
      return this.#translated(request, 0x83, 0x87);
    }
    let isPrivileged = request.isPrivileged && pasid >= 0;
    if (pasid < 0) {
      pasid = features.RPS ? structures.ridPasid : 0;
      isPrivileged = features.RPRIVS && structures.ridPrivilege;
    }
    fault = structures.lookupPasidEntry(rid, pasid);
    if (fault !== 0) {
      return this.#fail(request, fault);
    }
    this.counters.pasidHits += structures.isEntryHit ? 1 : 0;
    const words = structures.entryWords;
    const at = structures.entryAt;
    const word4 = words[at + 4] as number;
    if (request.isExecute && request.pasid >= 0 && !features.ERS) {
      return this.#fail(request, 0x5c);
    }
    if (isPrivileged && (word4 & ENTRY_SRE) === 0) {
      this.answer.isPrivileged = request.pasid >= 0;
      return this.#fail(request, 0x5d);
    }
    this.answer.isPrivileged = isPrivileged && request.pasid >= 0;
    const word0 = words[at] as number;
    const word2 = words[at + 2] as number;
    const did = (word2 & ENTRY_DID.mask) >>> ENTRY_DID.shift;
    const pgtt = (word0 & ENTRY_PGTT.mask) >>> ENTRY_PGTT.shift;
    // Without SMPWCS there is no choice to snoop; flags are then updated all the same (section 3.10).
    const canUpdate = !features.SMPWCS || (word2 & ENTRY_PWSNP) !== 0;
    const base =
      flagsWithPgtt(this.#faultDisableFlag(), pgtt) | ((word2 & ENTRY_PGSNP) !== 0 ? IOTLB_FLAG.snoop : 0);
    switch (pgtt) {
      case PGTT.passThrough:
        if (request.high >>> 0 >= this.#limits.hostHighLimit) {
          return this.#fail(request, 0x83);
        }
        return this.#finish(
          request,
          request.high,
          request.low,
          PASS_THROUGH_SHIFT,
          base | IOTLB_FLAG.passThrough,
          did,
          pasid,
          0x87,
        );
      case PGTT.secondStage:
        return this.#secondStageOnly(
          request,
          words[at + 1] as number,
          word0 & ADDRESS_LOW,
          (word0 & ENTRY_AW.mask) >>> ENTRY_AW.shift,
          base,
          did,
          pasid,
          (word0 & ENTRY_SSADE) !== 0,
          canUpdate,
        );
      default:
        return this.#firstStageOrNested(request, words, at, base, did, pasid, isPrivileged, canUpdate);
    }
  }

  /** SCT.6 to SCT.10 and SGN.10. */
  #checkPasid(request: IommuRequest): number {
    const { structures } = this;
    const { features, pasidWidth } = this.#limits;
    if (request.addressType === ADDRESS_TYPE.translated) {
      if (!structures.hasTranslatedPasid) {
        return 0x49;
      }
    } else if (!structures.hasPasid) {
      return 0x45;
    }
    if (request.pasid >>> structures.directoryPasidBits !== 0) {
      return 0x46;
    }
    if (features.checksPasidWidth && request.pasid >>> pasidWidth !== 0) {
      return 0x89;
    }
    if (features.RPS && request.pasid === structures.ridPasid) {
      return 0x48;
    }
    return 0;
  }

  /** Translated requests carry a host physical address already (section 4.2.3). */
  #translated(request: IommuRequest, rangeFault: number, interruptFault: number): CompletionStatus {
    if (request.high >>> 0 >= this.#limits.hostHighLimit) {
      return this.#fail(request, rangeFault);
    }
    if (isInterruptAddress(request.high, request.low)) {
      return this.#fail(request, interruptFault);
    }
    return this.#passThrough(request);
  }

  #secondStageOnly(
    request: IommuRequest,
    tableHigh: number,
    tableLow: number,
    aw: number,
    baseFlags: number,
    did: number,
    pasid: number,
    keepsFlags: boolean,
    canUpdate: boolean,
  ): CompletionStatus {
    const limits = this.#limits;
    const isLegacy = (baseFlags & IOTLB_FLAG.legacy) !== 0;
    if (request.high >>> 0 >= (limits.highLimitOfAw[aw] as number)) {
      return this.#fail(request, isLegacy ? 0x04 : 0x84);
    }
    const levels = limits.levelsOfAw[aw] as number;
    const ss = this.secondStage;
    this.counters.walks++;
    const cache = this.secondStageCache;
    const useCache = !cache.isOff && !this.#isDryRun;
    ss.isPathKept = useCache || keepsFlags;
    let fromLevel = levels;
    let fromRights = SS_READ | SS_WRITE;
    let outcome: number;
    if (useCache && cache.lookup(did, 0, levels, request.high, request.low)) {
      fromLevel = cache.level;
      fromRights = cache.rights;
      outcome = ss.walkFrom(
        cache.tableHigh,
        cache.tableLow,
        levels,
        fromLevel,
        fromRights,
        request.high,
        request.low,
      );
    } else {
      outcome = ss.walk(tableHigh, tableLow, levels, request.high, request.low);
    }
    const isTranslation = request.addressType === ADDRESS_TYPE.translationRequest;
    const isWrite = isTranslation ? this.#asksToWrite(request) : request.kind !== ACCESS.read;
    if (outcome !== WALK.ok) {
      return this.#fail(request, isLegacy ? legacySecondStageFault(outcome, isWrite) : secondStageFault(outcome));
    }
    let flags =
      baseFlags |
      (ss.canRead ? IOTLB_FLAG.read : 0) |
      (ss.canWrite ? IOTLB_FLAG.write : 0) |
      (ss.isSnooped ? IOTLB_FLAG.snoop : 0) |
      this.#faultDisableFlag();
    if (!ss.canRead && !ss.canWrite && !isLegacy) {
      return this.#fail(request, 0x79);
    }
    const fault = isTranslation ? 0 : this.#rightsFault(flags, request, false);
    if (fault !== 0) {
      return this.#fail(request, fault);
    }
    if (keepsFlags) {
      const flagOutcome = ss.updateFlags(fromLevel, isWrite && ss.canWrite, canUpdate);
      if (flagOutcome !== WALK.ok) {
        return this.#fail(request, secondStageFault(flagOutcome));
      }
    }
    if (!keepsFlags || ss.isDirty) {
      flags |= IOTLB_FLAG.dirty;
    }
    if (useCache) {
      this.#fillSecondStageCache(did, levels, fromLevel, request);
    }
    return this.#finish(request, ss.outHigh, ss.outLow, ss.shift, flags, did, pasid, isLegacy ? 0x0e : 0x87);
  }

  /** Keeps the tables that the walk just went through. The entry that named table n is that of level n+1. */
  #fillSecondStageCache(did: number, levels: number, fromLevel: number, request: IommuRequest): void {
    const ss = this.secondStage;
    for (let level = Math.min(fromLevel, levels); level > ss.level; level--) {
      this.secondStageCache.fill(
        level,
        did,
        0,
        request.high,
        request.low,
        ss.tableHighAt(level - 1),
        ss.tableLowAt(level - 1),
        ss.rightsThrough(level),
      );
    }
  }

  #firstStageOrNested(
    request: IommuRequest,
    words: Uint32Array,
    at: number,
    baseFlags: number,
    did: number,
    pasid: number,
    isPrivileged: boolean,
    canUpdate: boolean,
  ): CompletionStatus {
    const p = this.#parameters;
    const limits = this.#limits;
    const word0 = words[at] as number;
    const word4 = words[at + 4] as number;
    p.isNested = (word0 & ENTRY_PGTT.mask) >>> ENTRY_PGTT.shift === PGTT.nested;
    p.levels = (word4 & ENTRY_FSPM.mask) >>> ENTRY_FSPM.shift === FSPM.levels5 ? 5 : 4;
    p.tableHigh = words[at + 5] as number;
    p.tableLow = word4 & ADDRESS_LOW;
    p.isExtendedAccessed = (word4 & ENTRY_EAFE) !== 0;
    p.canUpdateFlags = canUpdate;
    if (p.isNested) {
      const aw = (word0 & ENTRY_AW.mask) >>> ENTRY_AW.shift;
      p.ssHigh = words[at + 1] as number;
      p.ssLow = word0 & ADDRESS_LOW;
      p.ssLevels = limits.levelsOfAw[aw] as number;
      p.ssHighLimit = limits.highLimitOfAw[aw] as number;
      p.isSecondStageFlags = (word0 & ENTRY_SSADE) !== 0;
    }
    if (!isCanonical(request.high, p.levels)) {
      return this.#fail(request, 0x80);
    }
    this.counters.walks++;
    const walk = this.firstStage;
    const cache = this.firstStageCache;
    const useCache = !cache.isOff && !this.#isDryRun;
    let fromLevel = p.levels;
    let fromRights = -1;
    let fault: number;
    if (useCache && cache.lookup(did, pasid, p.levels, request.high, request.low)) {
      fromLevel = cache.level;
      fromRights = cache.rights;
      fault = walk.walkFrom(p, cache.tableHigh, cache.tableLow, fromLevel, fromRights, request.high, request.low);
    } else {
      fault = walk.walk(p, request.high, request.low);
    }
    if (fault !== 0) {
      return this.#fail(request, fault);
    }
    let flags =
      baseFlags |
      IOTLB_FLAG.firstStage |
      IOTLB_FLAG.read |
      IOTLB_FLAG.write |
      (walk.isUser ? IOTLB_FLAG.user : 0) |
      (walk.isWritable ? IOTLB_FLAG.firstStageWrite : 0) |
      ((word4 & ENTRY_WPE) !== 0 ? IOTLB_FLAG.writeProtect : 0) |
      ((word4 & ENTRY_SRE) !== 0 ? IOTLB_FLAG.supervisor : 0) |
      this.#faultDisableFlag();
    const isTranslation = request.addressType === ADDRESS_TYPE.translationRequest;
    fault = this.#rightsFault(flags, request, isPrivileged);
    if (fault !== 0) {
      return this.#fail(request, fault);
    }
    const canWrite = isPrivileged ? (word4 & ENTRY_WPE) === 0 || walk.isWritable : walk.isWritable;
    const isWrite = isTranslation ? this.#asksToWrite(request) && canWrite : request.kind !== ACCESS.read;
    fault = walk.updateFlags(p, fromLevel, isWrite);
    if (fault !== 0) {
      return this.#fail(request, fault);
    }
    if (p.isNested) {
      fault = walk.translateOutput(p, isWrite);
      if (fault !== 0) {
        return this.#fail(request, fault);
      }
      flags =
        (flags & ~(IOTLB_FLAG.read | IOTLB_FLAG.write)) |
        (walk.ssRead ? IOTLB_FLAG.read : 0) |
        (walk.ssWrite ? IOTLB_FLAG.write : 0) |
        (walk.ssSnooped ? IOTLB_FLAG.snoop : 0);
      if (!isTranslation) {
        fault = this.#rightsFault(flags, request, isPrivileged);
        if (fault !== 0) {
          return this.#fail(request, fault);
        }
      }
    }
    if (walk.isDirty) {
      flags |= IOTLB_FLAG.dirty;
    }
    if (useCache) {
      this.#fillFirstStageCache(p, did, pasid, fromLevel, fromRights, request);
    }
    return this.#finish(request, walk.outHigh, walk.outLow, walk.shift, flags, did, pasid, 0x87);
  }

  #fillFirstStageCache(
    p: FirstStageParameters,
    did: number,
    pasid: number,
    fromLevel: number,
    fromRights: number,
    request: IommuRequest,
  ): void {
    const walk = this.firstStage;
    for (let level = fromLevel; level > walk.level; level--) {
      this.firstStageCache.fill(
        level,
        did,
        pasid,
        request.high,
        request.low,
        walk.tableHighAt(level - 1, p.isNested),
        walk.tableLowAt(level - 1, p.isNested),
        walk.rightsAbove(fromLevel, level - 1, fromRights),
      );
    }
  }

  // ---- rights --------------------------------------------------------------------------------------------------------

  /** NW is honoured only with NWFS (section 4.2.2). */
  #asksToWrite(request: IommuRequest): boolean {
    return !(request.isNoWrite && this.#limits.features.NWFS);
  }

  /**
   * 0 when the rights in `flags` allow the request, else the fault. A translation request faults only for U/S: missing
   * read or write rights are reported in its completion (sections 3.6.1, 3.7.1, 3.8.1, 4.2.2).
   */
  #rightsFault(flags: number, request: IommuRequest, isPrivileged: boolean): number {
    const isTranslation = request.addressType === ADDRESS_TYPE.translationRequest;
    const needsWrite = request.kind !== ACCESS.read;
    if ((flags & IOTLB_FLAG.firstStage) !== 0) {
      if (!isPrivileged && (flags & IOTLB_FLAG.user) === 0) {
        return 0x81;
      }
      const isProtected = !isPrivileged || (flags & IOTLB_FLAG.writeProtect) !== 0;
      if (needsWrite && !isTranslation && isProtected && (flags & IOTLB_FLAG.firstStageWrite) === 0) {
        return 0x85;
      }
    }
    if (isTranslation) {
      return 0;
    }
    const isLegacy = (flags & IOTLB_FLAG.legacy) !== 0;
    if (needsWrite && (flags & IOTLB_FLAG.write) === 0) {
      return isLegacy ? 0x05 : 0x85;
    }
    const needsRead = request.kind !== ACCESS.write;
    if (needsRead && (flags & IOTLB_FLAG.read) === 0) {
      const isZeroLength = request.bytes === 0 && this.#limits.features.ZLR;
      if (!(isZeroLength && (flags & IOTLB_FLAG.write) !== 0)) {
        return isLegacy ? 0x06 : 0x86;
      }
    }
    return 0;
  }

  /** Effective rights for the completion of a translation request. */
  #grant(flags: number, request: IommuRequest, isPrivileged: boolean): void {
    const { answer } = this;
    if ((flags & IOTLB_FLAG.passThrough) !== 0) {
      return;
    }
    let canWrite = (flags & IOTLB_FLAG.write) !== 0;
    if ((flags & IOTLB_FLAG.firstStage) !== 0) {
      const isProtected = !isPrivileged || (flags & IOTLB_FLAG.writeProtect) !== 0;
      canWrite &&= !isProtected || (flags & IOTLB_FLAG.firstStageWrite) !== 0;
    }
    answer.canRead = (flags & IOTLB_FLAG.read) !== 0;
    answer.canWrite = canWrite;
    if (request.addressType === ADDRESS_TYPE.translationRequest && !this.#asksToWrite(request)) {
      answer.canWrite = false;
    }
  }

  // ---- ends ----------------------------------------------------------------------------------------------------------

  /** A completion status, or -1 when the entry does not suffice and the request must walk. */
  #fromIotlb(request: IommuRequest): number {
    const { iotlb } = this;
    const { flags } = iotlb;
    const isPassThrough = (flags & IOTLB_FLAG.passThrough) !== 0;
    const isTranslation = request.addressType === ADDRESS_TYPE.translationRequest;
    if (isTranslation || (request.isPrivileged && (flags & IOTLB_FLAG.supervisor) === 0) || request.isExecute) {
      // Device TLB fills are rare and need the context's own checks.
      return -1;
    }
    const writes = request.kind !== ACCESS.read;
    if (writes && !isPassThrough && (flags & IOTLB_FLAG.dirty) === 0) {
      return -1;
    }
    const isPrivileged = this.#isPrivilegedHit(request);
    if (!isPassThrough) {
      const fault = this.#rightsFault(flags, request, isPrivileged);
      if (fault !== 0) {
        this.structures.isFaultDisabled = (flags & IOTLB_FLAG.faultDisable) !== 0;
        return this.#fail(request, fault);
      }
    }
    const { answer } = this;
    this.counters.iotlbHits++;
    answer.isIotlbHit = true;
    answer.high = iotlb.outHigh;
    answer.low = iotlb.outLow;
    answer.pageShift = iotlb.shift;
    answer.isSnooped = (flags & IOTLB_FLAG.snoop) !== 0;
    answer.domainId = iotlb.domainId;
    answer.status = COMPLETION.success;
    if (isPassThrough && isInterruptAddress(answer.high, answer.low)) {
      return this.#fail(request, (flags & IOTLB_FLAG.legacy) !== 0 ? 0x0e : 0x87);
    }
    this.#grant(flags, request, isPrivileged);
    return COMPLETION.success;
  }

  /** Requests without PASID take their privilege from the context entry, which filled the entry's supervisor flag. */
  #isPrivilegedHit(request: IommuRequest): boolean {
    return request.pasid >= 0 ? request.isPrivileged : (this.iotlb.flags & IOTLB_FLAG.ridPrivilege) !== 0;
  }

  #finish(
    request: IommuRequest,
    high: number,
    low: number,
    shift: number,
    flags: number,
    did: number,
    pasid: number,
    interruptFault: number,
  ): CompletionStatus {
    const { answer } = this;
    const isTranslation = request.addressType === ADDRESS_TYPE.translationRequest;
    const isPassThrough = (flags & IOTLB_FLAG.passThrough) !== 0;
    if (isTranslation ? !isPassThrough && overlapsInterruptRange(high, low, shift) : isInterruptAddress(high, low)) {
      return this.#fail(request, interruptFault);
    }
    answer.high = high;
    answer.low = low;
    answer.pageShift = shift;
    answer.isSnooped = (flags & IOTLB_FLAG.snoop) !== 0;
    answer.domainId = did;
    answer.status = COMPLETION.success;
    const isRidPrivileged = request.pasid < 0 && this.mode === TTM.scalable && this.#isRidPrivileged();
    this.#grant(flags, request, request.pasid >= 0 ? request.isPrivileged : isRidPrivileged);
    if (!this.#isDryRun && this.iotlb.capacity !== 0) {
      this.iotlb.fill(
        request.rid,
        request.pasid,
        request.high,
        request.low,
        shift,
        high,
        low,
        isRidPrivileged ? flags | IOTLB_FLAG.ridPrivilege : flags,
        did,
        pasid,
      );
    }
    return COMPLETION.success;
  }

  #isRidPrivileged(): boolean {
    return this.#limits.features.RPRIVS && this.structures.ridPrivilege;
  }

  #passThrough(request: IommuRequest): CompletionStatus {
    const { answer } = this;
    answer.high = request.high;
    answer.low = request.low;
    answer.pageShift = PASS_THROUGH_SHIFT;
    answer.status = COMPLETION.success;
    return COMPLETION.success;
  }

  /** Unsupported Request without a fault record. */
  #refuse(): CompletionStatus {
    this.answer.status = COMPLETION.unsupportedRequest;
    this.answer.canRead = false;
    this.answer.canWrite = false;
    return COMPLETION.unsupportedRequest;
  }

  /** Translation request for FEEx_xxxxh without PASID: write-only, untranslated use (section 4.2.2). */
  #interruptTranslation(request: IommuRequest): CompletionStatus {
    const { answer } = this;
    const isGranted = this.#asksToWrite(request);
    answer.canRead = false;
    answer.canWrite = isGranted;
    answer.isUntranslatedOnly = isGranted;
    answer.high = request.high;
    answer.low = request.low;
    answer.pageShift = 12;
    answer.status = COMPLETION.success;
    return COMPLETION.success;
  }

  #faultDisableFlag(): number {
    return this.structures.isFaultDisabled ? IOTLB_FLAG.faultDisable : 0;
  }

  #fail(request: IommuRequest, reason: number): CompletionStatus {
    const { answer } = this;
    const requestClass = classOf(request);
    const response = responseOf(requestClass, reason);
    const isSilenced = isQualifiedReason(reason) && this.structures.isFaultDisabled;
    answer.reason = reason;
    answer.canRead = false;
    answer.canWrite = false;
    answer.isRecorded = (isRecordedReason(requestClass, reason) || reason === 0x29) && !isSilenced;
    answer.status =
      response === RESPONSE.S0 || response === RESPONSE.Seff
        ? COMPLETION.success
        : response === RESPONSE.CA
          ? COMPLETION.completerAbort
          : COMPLETION.unsupportedRequest;
    if (this.#isDryRun) {
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
      report.kind = request.kind === ACCESS.read ? 'read' : request.kind === ACCESS.write ? 'write' : 'atomic';
      report.addressType = request.addressType;
      report.isPrivileged = request.isPrivileged;
      report.isExecute = request.isExecute;
      this.#faults.record(report);
    }
    return answer.status;
  }
}

function classOf(request: IommuRequest): number {
  const withPasid = request.pasid >= 0 ? 1 : 0;
  switch (request.addressType) {
    case ADDRESS_TYPE.translationRequest:
      return REQUEST_CLASS.translation + withPasid;
    case ADDRESS_TYPE.translated:
      return REQUEST_CLASS.translated + withPasid;
    default:
      return REQUEST_CLASS.untranslated + withPasid;
  }
}

/** Bits above the width repeat its top bit: 48 bits for four levels, 57 for five (section 3.6). */
function isCanonical(high: number, levels: number): boolean {
  const shift = levels === 5 ? 24 : 15;
  const top = high >> shift;
  return top === 0 || top === -1;
}

function overlapsInterruptRange(high: number, low: number, shift: number): boolean {
  if (high !== 0) {
    return false;
  }
  const first = shift >= 20 ? INTERRUPT_RANGE >>> (shift - 20) : 0;
  return shift >= 20 ? low >>> shift === first : low >>> 20 === INTERRUPT_RANGE;
}

