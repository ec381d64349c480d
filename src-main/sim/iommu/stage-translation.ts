/**
 * First-stage, second-stage and nested translation of a request whose context and PASID entries are known: range checks,
 * walks and structure caches, rights, flags. VT-d 5.10 sections 3.6 to 3.10 and 6.2.5.
 */
import { FirstStage4KLeaf } from '../../spec/paging/first-stage-entry.ts';
import { SecondStage4KLeaf } from '../../spec/paging/second-stage-entry.ts';
import { LegacyContextEntry } from '../../spec/vtd/context-entry.ts';
import { FSPM, PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import type { CompletionStatus } from '../pcie/ports.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { FirstStageWalk, type FirstStageParameters } from './first-stage-walk.ts';
import { IOTLB_FLAG, flagsWithPgtt } from './iotlb.ts';
import { PagingStructureCache } from './paging-structure-cache.ts';
import { pieceMask, pieceOf } from './piece.ts';
import type { RequestOutcome } from './request-outcome.ts';
import type { IommuRequest } from './request.ts';
import { legacySecondStageFault, secondStageFault } from './second-stage-fault.ts';
import { SecondStageWalk, WALK } from './second-stage-walk.ts';
import type { StructureWalk } from './structure-walk.ts';
import type { UnitLimits } from './unit-limits.ts';

const LEGACY_AW = pieceOf(LegacyContextEntry, 'AW');
const LEGACY_DID = pieceOf(LegacyContextEntry, 'DID');
const ENTRY_AW = pieceOf(PasidTableEntry, 'AW');
const AW_MASK = ENTRY_AW.mask;
const AW_SHIFT = ENTRY_AW.shift;
const ENTRY_PGTT = pieceOf(PasidTableEntry, 'PGTT');
const PGTT_MASK = ENTRY_PGTT.mask;
const PGTT_SHIFT = ENTRY_PGTT.shift;
/** DID starts its word. */
const DID_MASK = pieceMask(PasidTableEntry, 'DID');
const SSADE = pieceMask(PasidTableEntry, 'SSADE');
const PWSNP = pieceMask(PasidTableEntry, 'PWSNP');
const PGSNP = pieceMask(PasidTableEntry, 'PGSNP');
const SRE = pieceMask(PasidTableEntry, 'SRE');
const WPE = pieceMask(PasidTableEntry, 'WPE');
const EAFE = pieceMask(PasidTableEntry, 'EAFE');
const ENTRY_FSPM = pieceOf(PasidTableEntry, 'FSPM');
const FSPM_MASK = ENTRY_FSPM.mask;
const FSPM_SHIFT = ENTRY_FSPM.shift;
const LEVELS_5 = FSPM.levels5;
const NESTED = PGTT.nested;
const FS_WRITE = pieceMask(FirstStage4KLeaf, 'RW');
const FS_USER = pieceMask(FirstStage4KLeaf, 'US');
const SS_RIGHTS = pieceMask(SecondStage4KLeaf, 'R') | pieceMask(SecondStage4KLeaf, 'W');
const ADDRESS_LOW = ~0xfff;

const FLAG_READ = IOTLB_FLAG.read;
const FLAG_WRITE = IOTLB_FLAG.write;
const FLAG_USER = IOTLB_FLAG.user;
const FLAG_FIRST_STAGE = IOTLB_FLAG.firstStage;
const FLAG_FIRST_STAGE_WRITE = IOTLB_FLAG.firstStageWrite;
const FLAG_WRITE_PROTECT = IOTLB_FLAG.writeProtect;
const FLAG_SUPERVISOR = IOTLB_FLAG.supervisor;
const FLAG_SNOOP = IOTLB_FLAG.snoop;
const FLAG_DIRTY = IOTLB_FLAG.dirty;
const FLAG_FAULT_DISABLE = IOTLB_FLAG.faultDisable;
const FLAG_FIVE_LEVELS = IOTLB_FLAG.fiveLevels;
const LEGACY_FLAGS = flagsWithPgtt(IOTLB_FLAG.legacy, PGTT.secondStage);

/** Where a second-stage walk starts and what becomes of its flags. */
interface SecondStageRoot {
  tableHigh: number;
  tableLow: number;
  levels: number;
  did: number;
  /** PASID of the PASID entry, RID_PASID included; 0 in legacy mode. */
  pasid: number;
  isLegacy: boolean;
  keepsFlags: boolean;
  canUpdateFlags: boolean;
  isPrivileged: boolean;
}

export class StageTranslation {
  readonly firstStage: FirstStageWalk;
  readonly secondStage: SecondStageWalk;
  readonly firstStageCache: PagingStructureCache;
  readonly secondStageCache: PagingStructureCache;

  readonly #structures: StructureWalk;
  readonly #outcome: RequestOutcome;
  readonly #hasStructureCaches: boolean;
  readonly #hasSnoopControl: boolean;
  /** Without SMPWCS walks do not snoop; units of older revisions update flags all the same. */
  readonly #updatesWithoutSnoop: boolean;
  readonly #levelsOfAw: Uint8Array;
  readonly #highLimitOfAw: Float64Array;
  readonly #root: SecondStageRoot = {
    tableHigh: 0,
    tableLow: 0,
    levels: 4,
    did: 0,
    pasid: 0,
    isLegacy: false,
    keepsFlags: false,
    canUpdateFlags: true,
    isPrivileged: false,
  };
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

  constructor(
    memory: PhysicalMemory,
    limits: UnitLimits,
    structures: StructureWalk,
    outcome: RequestOutcome,
    cacheEntries: number,
  ) {
    this.#structures = structures;
    this.#outcome = outcome;
    this.secondStage = new SecondStageWalk(memory, limits);
    this.firstStage = new FirstStageWalk(memory, limits, this.secondStage);
    this.firstStageCache = new PagingStructureCache(cacheEntries);
    this.secondStageCache = new PagingStructureCache(cacheEntries);
    this.#hasStructureCaches = !this.secondStageCache.isOff;
    this.#updatesWithoutSnoop = limits.features.updatesFlagsWithoutSnoop;
    this.#hasSnoopControl = limits.capability.ecap.SC === 1;
    this.#levelsOfAw = limits.levelsOfAw;
    this.#highLimitOfAw = limits.highLimitOfAw;
  }

  // ---- second stage alone --------------------------------------------------------------------------------------------

  /** PGTT=010b. */
  secondStageOnly(request: IommuRequest, pasid: number, isPrivileged: boolean): CompletionStatus {
    const { entry0, entry1, entry2 } = this.#structures;
    const aw = (entry0 & AW_MASK) >>> AW_SHIFT;
    if (request.high >>> 0 >= (this.#highLimitOfAw[aw] as number)) {
      return this.#outcome.fail(request, 0x84);
    }
    this.#outcome.counters.walks++;
    const root = this.#root;
    root.tableHigh = entry1;
    root.tableLow = entry0 & ADDRESS_LOW;
    root.levels = this.#levelsOfAw[aw] as number;
    root.did = entry2 & DID_MASK;
    root.pasid = pasid;
    root.isLegacy = false;
    root.keepsFlags = (entry0 & SSADE) !== 0;
    root.canUpdateFlags = this.#canUpdateFlags(entry2);
    root.isPrivileged = isPrivileged;
    return this.#throughSecondStage(request, this.#baseFlags());
  }

  /** Legacy mode, TT=00b and 01b. */
  legacy(request: IommuRequest): CompletionStatus {
    const { context0, context1, context2, isFaultDisabled } = this.#structures;
    const aw = (context2 & LEGACY_AW.mask) >>> LEGACY_AW.shift;
    if (request.high >>> 0 >= (this.#highLimitOfAw[aw] as number)) {
      return this.#outcome.fail(request, 0x04);
    }
    this.#outcome.counters.walks++;
    const root = this.#root;
    root.tableHigh = context1;
    root.tableLow = context0 & ADDRESS_LOW;
    root.levels = this.#levelsOfAw[aw] as number;
    root.did = (context2 & LEGACY_DID.mask) >>> LEGACY_DID.shift;
    root.pasid = 0;
    root.isLegacy = true;
    root.keepsFlags = false;
    root.canUpdateFlags = false;
    root.isPrivileged = false;
    return this.#throughSecondStage(
      request,
      isFaultDisabled ? LEGACY_FLAGS | FLAG_FAULT_DISABLE : LEGACY_FLAGS,
    );
  }

  #throughSecondStage(request: IommuRequest, baseFlags: number): CompletionStatus {
    const root = this.#root;
    const ss = this.secondStage;
    const outcome = this.#outcome;
    const useCache = this.#hasStructureCaches && !outcome.isDryRun;
    const cache = this.secondStageCache;
    ss.isPathKept = useCache || root.keepsFlags;
    let fromLevel = root.levels;
    let walked: number;
    if (useCache && cache.lookup(root.did, 0, root.levels, request.high, request.low)) {
      fromLevel = cache.level;
      walked = ss.walkFrom(
        cache.tableHigh,
        cache.tableLow,
        root.levels,
        fromLevel,
        cache.rights,
        request.high,
        request.low,
      );
    } else {
      walked = ss.walk(root.tableHigh, root.tableLow, root.levels, request.high, request.low);
    }
    if (walked !== WALK.ok) {
      const isWrite = outcome.isWrite(request);
      return outcome.fail(
        request,
        root.isLegacy ? legacySecondStageFault(walked, isWrite) : secondStageFault(walked),
      );
    }
    if (ss.rights === 0 && !root.isLegacy) {
      return outcome.fail(request, 0x79);
    }
    let flags = baseFlags | ss.rights | (this.#isSnooped ? FLAG_SNOOP : 0);
    const fault = outcome.rightsFault(flags, request, root.isPrivileged);
    if (fault !== 0) {
      return outcome.fail(request, fault);
    }
    if (root.keepsFlags) {
      const isBlocked = outcome.isInterruptOutput(request, ss.outHigh, ss.outLow, ss.shift, flags);
      const isWrite = outcome.isWrite(request) && ss.canWrite && !isBlocked;
      const updated = ss.updateFlags(fromLevel, isWrite, root.canUpdateFlags);
      if (updated !== WALK.ok) {
        return outcome.fail(request, secondStageFault(updated));
      }
    }
    if (!root.keepsFlags || ss.isDirty) {
      flags |= FLAG_DIRTY;
    }
    if (useCache) {
      this.#fillSecondStageCache(fromLevel, request);
    }
    return outcome.pass(
      request,
      ss.outHigh,
      ss.outLow,
      ss.shift,
      flags,
      root.did,
      root.pasid,
      root.isPrivileged,
    );
  }

  /** Keeps the tables that the walk just went through. The entry that named table n is that of level n+1. */
  #fillSecondStageCache(fromLevel: number, request: IommuRequest): void {
    const ss = this.secondStage;
    for (let level = fromLevel; level > ss.level; level--) {
      this.secondStageCache.fill(
        level,
        this.#root.did,
        0,
        request.high,
        request.low,
        ss.tableHighAt(level - 1),
        ss.tableLowAt(level - 1),
        ss.rightsThrough(level) & SS_RIGHTS,
      );
    }
  }

  // ---- first stage and nested ----------------------------------------------------------------------------------------

  /** PGTT=001b and 011b. */
  firstStageOrNested(
    request: IommuRequest,
    pasid: number,
    isPrivileged: boolean,
  ): CompletionStatus {
    const { entry0, entry2, entry4, entry5 } = this.#structures;
    const isNested = (entry0 & PGTT_MASK) >>> PGTT_SHIFT === NESTED;
    const levels = (entry4 & FSPM_MASK) >>> FSPM_SHIFT === LEVELS_5 ? 5 : 4;
    if (!isCanonical(request.high, levels)) {
      return this.#outcome.fail(request, 0x80);
    }
    this.#outcome.counters.walks++;
    const p = this.#parameters;
    p.isNested = isNested;
    p.levels = levels;
    p.tableHigh = entry5;
    p.tableLow = entry4 & ADDRESS_LOW;
    p.isExtendedAccessed = (entry4 & EAFE) !== 0;
    p.canUpdateFlags = this.#canUpdateFlags(entry2);
    if (isNested) {
      this.#setNestedParameters();
    }
    return this.#throughFirstStage(request, pasid, isPrivileged);
  }

  #setNestedParameters(): void {
    const { entry0, entry1 } = this.#structures;
    const p = this.#parameters;
    const aw = (entry0 & AW_MASK) >>> AW_SHIFT;
    p.ssHigh = entry1;
    p.ssLow = entry0 & ADDRESS_LOW;
    p.ssLevels = this.#levelsOfAw[aw] as number;
    p.ssHighLimit = this.#highLimitOfAw[aw] as number;
    p.isSecondStageFlags = (entry0 & SSADE) !== 0;
  }

  #throughFirstStage(
    request: IommuRequest,
    pasid: number,
    isPrivileged: boolean,
  ): CompletionStatus {
    const p = this.#parameters;
    const outcome = this.#outcome;
    const walk = this.firstStage;
    const cache = this.firstStageCache;
    const did = this.#structures.entry2 & DID_MASK;
    const useCache = this.#hasStructureCaches && !outcome.isDryRun;
    let fromLevel = p.levels;
    let fromRights = -1;
    let fault: number;
    if (useCache && cache.lookup(did, pasid, p.levels, request.high, request.low)) {
      fromLevel = cache.level;
      fromRights = cache.rights;
      fault = walk.walkFrom(
        p,
        cache.tableHigh,
        cache.tableLow,
        fromLevel,
        fromRights,
        request.high,
        request.low,
      );
    } else {
      fault = walk.walk(p, request.high, request.low);
    }
    if (fault !== 0) {
      return outcome.fail(request, fault);
    }
    const firstStageFlags = this.#firstStageFlags();
    fault = outcome.rightsFault(firstStageFlags | FLAG_READ | FLAG_WRITE, request, isPrivileged);
    if (fault !== 0) {
      return outcome.fail(request, fault);
    }
    const canWrite = walk.isWritable || (isPrivileged && (this.#structures.entry4 & WPE) === 0);
    const isWrite = outcome.isWrite(request) && canWrite;
    const flags = p.isNested
      ? this.#finishNested(request, fromLevel, firstStageFlags, isWrite, isPrivileged)
      : this.#finishFirstStage(request, fromLevel, firstStageFlags, isWrite);
    if (flags < 0) {
      return outcome.fail(request, -flags);
    }
    if (useCache) {
      this.#fillFirstStageCache(did, pasid, fromLevel, fromRights, request);
    }
    return outcome.pass(
      request,
      walk.outHigh,
      walk.outLow,
      walk.shift,
      flags,
      did,
      pasid,
      isPrivileged,
    );
  }

  /** Flags of the path. Gives the flags of the translation, or the fault as a negative number. */
  #finishFirstStage(
    request: IommuRequest,
    fromLevel: number,
    firstStageFlags: number,
    isWrite: boolean,
  ): number {
    const walk = this.firstStage;
    const flags = firstStageFlags | FLAG_READ | FLAG_WRITE;
    const isBlocked = this.#outcome.isInterruptOutput(
      request,
      walk.outHigh,
      walk.outLow,
      walk.shift,
      flags,
    );
    const fault = walk.updateFlags(this.#parameters, fromLevel, isWrite && !isBlocked);
    if (fault !== 0) {
      return -fault;
    }
    return walk.isDirty ? flags | FLAG_DIRTY : flags;
  }

  /** As above for nested translation: first-stage A, the second stage of the output with its rights, and D at the end. */
  #finishNested(
    request: IommuRequest,
    fromLevel: number,
    firstStageFlags: number,
    isWrite: boolean,
    isPrivileged: boolean,
  ): number {
    const p = this.#parameters;
    const outcome = this.#outcome;
    const walk = this.firstStage;
    const ss = this.secondStage;
    let fault = walk.updateFlags(p, fromLevel, isWrite);
    if (fault === 0) {
      fault = walk.translateOutput(p);
    }
    if (fault !== 0) {
      return -fault;
    }
    let flags = firstStageFlags | ss.rights | (this.#isSnooped ? FLAG_SNOOP : 0);
    fault = outcome.rightsFault(flags, request, isPrivileged);
    if (fault !== 0) {
      return -fault;
    }
    const isBlocked = outcome.isInterruptOutput(
      request,
      walk.outHigh,
      walk.outLow,
      walk.shift,
      flags,
    );
    const isWritten = isWrite && ss.canWrite && !isBlocked;
    if (p.isSecondStageFlags) {
      fault = walk.updateOutputFlags(p, isWritten);
      if (fault !== 0) {
        return -fault;
      }
    }
    const isOutputDirty = !p.isSecondStageFlags || ss.isDirty;
    if (isWritten) {
      fault = walk.commitDirty(p);
      if (fault !== 0) {
        return -fault;
      }
    }
    if (walk.isDirty && isOutputDirty) {
      flags |= FLAG_DIRTY;
    }
    return flags;
  }

  #fillFirstStageCache(
    did: number,
    pasid: number,
    fromLevel: number,
    fromRights: number,
    request: IommuRequest,
  ): void {
    const walk = this.firstStage;
    const { isNested } = this.#parameters;
    for (let level = fromLevel; level > walk.level; level--) {
      this.firstStageCache.fill(
        level,
        did,
        pasid,
        request.high,
        request.low,
        walk.tableHighAt(level - 1, isNested),
        walk.tableLowAt(level - 1, isNested),
        walk.rightsAbove(fromLevel, level - 1, fromRights),
      );
    }
  }

  /** SNP of the second-stage leaf: without SC it has no effect where it is not reserved. */
  get #isSnooped(): boolean {
    return this.#hasSnoopControl && this.secondStage.isSnooped;
  }

  // ---- flags ---------------------------------------------------------------------------------------------------------

  #canUpdateFlags(entry2: number): boolean {
    return this.#updatesWithoutSnoop || (entry2 & PWSNP) !== 0;
  }

  /** Translation type, snooping and FPD of the PASID entry. */
  #baseFlags(): number {
    const { entry0, entry2, isFaultDisabled } = this.#structures;
    return (
      flagsWithPgtt(isFaultDisabled ? FLAG_FAULT_DISABLE : 0, (entry0 & PGTT_MASK) >>> PGTT_SHIFT) |
      ((entry2 & PGSNP) !== 0 ? FLAG_SNOOP : 0)
    );
  }

  /** The same with what the first-stage walk found. */
  #firstStageFlags(): number {
    const { entry4 } = this.#structures;
    const { rights } = this.firstStage;
    return (
      this.#baseFlags() |
      FLAG_FIRST_STAGE |
      ((rights & FS_USER) !== 0 ? FLAG_USER : 0) |
      ((rights & FS_WRITE) !== 0 ? FLAG_FIRST_STAGE_WRITE : 0) |
      ((entry4 & WPE) !== 0 ? FLAG_WRITE_PROTECT : 0) |
      ((entry4 & SRE) !== 0 ? FLAG_SUPERVISOR : 0) |
      (this.#parameters.levels === 5 ? FLAG_FIVE_LEVELS : 0)
    );
  }
}

/** Bits above the width repeat its top bit: 48 bits for four levels, 57 for five (section 3.6). */
function isCanonical(high: number, levels: number): boolean {
  const shift = levels === 5 ? 24 : 15;
  const top = high >> shift;
  return top === 0 || top === -1;
}
