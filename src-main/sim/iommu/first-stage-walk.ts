/**
 * First-stage walk, alone or nested in the second stage. VT-d 5.10 sections 3.6, 3.8, 3.10 and 9.7.
 *
 * Nested, every table address is guest physical and goes through the second stage before the entry can be read, and so
 * does the output. Results are left in public fields; the return value is 0 or the fault reason (section 7.1.3).
 *
 * Order at one level: read, present, reserved bits, address range of the entry (nested). At the leaf: user right, write
 * right, accessed and dirty flags of the path, second stage of the output. The specification lets hardware set A even
 * when the request is refused later; this model sets flags only for requests that pass the first-stage checks. D is set
 * last, when nothing can refuse the write any more (section 3.6.2).
 */
import { numberOf } from '../../bits/u64.ts';
import { FirstStage4KLeaf } from '../../spec/paging/first-stage-entry.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { pieceMask } from './piece.ts';
import { secondStageFault } from './second-stage-fault.ts';
import { WALK, indexAt, type SecondStageWalk } from './second-stage-walk.ts';
import type { UnitLimits } from './unit-limits.ts';
import type { WalkRecorder } from './walk-recorder.ts';

const PRESENT = pieceMask(FirstStage4KLeaf, 'P');
const WRITE = pieceMask(FirstStage4KLeaf, 'RW');
const USER = pieceMask(FirstStage4KLeaf, 'US');
const ACCESSED = pieceMask(FirstStage4KLeaf, 'A');
const DIRTY = pieceMask(FirstStage4KLeaf, 'D');
const EXTENDED_ACCESSED = pieceMask(FirstStage4KLeaf, 'EA');
const PAGE_SIZE = 1 << 7;
const RIGHTS = WRITE | USER;
/** Address bits of an entry, by half. */
const ADDRESS_HIGH = 0xf_ffff;
const ADDRESS_LOW = ~0xfff;

/** Fault reasons of the first stage, section 7.1.3 (SFS.1 to SFS.10, SGN.2, SGN.6). */
const FAULT = {
  readError: 0x70,
  notPresent: 0x71,
  reservedBits: 0x72,
  rootReadError: 0x73,
  addressRange: 0x74,
  noReadOfRoot: 0x75,
  noReadOfTable: 0x76,
  noWriteOfTable: 0x77,
  user: 0x81,
  noWrite: 0x85,
  noRead: 0x86,
  flagNoSnoop: 0x90,
  flagFailed: 0x91,
} as const;

/** What a first-stage walk needs to know of the PASID entry. Mutable: one object a unit, filled for each request. */
export interface FirstStageParameters {
  tableHigh: number;
  tableLow: number;
  /** 4 or 5. */
  levels: number;
  isNested: boolean;
  isExtendedAccessed: boolean;
  /** Page walks snoop, so flags may be updated. */
  canUpdateFlags: boolean;
  /** Second stage of a nested entry. */
  ssHigh: number;
  ssLow: number;
  ssLevels: number;
  ssHighLimit: number;
  isSecondStageFlags: boolean;
}

export const ACCESS = { read: 0, write: 1, atomic: 2 } as const;
export type AccessKind = (typeof ACCESS)[keyof typeof ACCESS];

export class FirstStageWalk {
  outHigh = 0;
  outLow = 0;
  shift = 12;
  /** R/W and U/S that all levels of the first stage grant, at their places in an entry. */
  rights = 0;
  /** Low half of the first-stage entry that maps the page. */
  leafLow = 0;
  /** Level at which the walk ended. */
  level = 0;

  recorder: WalkRecorder | null = null;
  isDryRun = false;

  readonly #memory: PhysicalMemory;
  readonly #limits: UnitLimits;
  readonly #secondStage: SecondStageWalk;
  readonly #entryHigh = new Int32Array(6);
  readonly #entryLow = new Int32Array(6);
  readonly #valueLow = new Int32Array(6);
  /** Nested: guest physical address of each entry, for flag updates through the second stage. */
  readonly #guestHigh = new Int32Array(6);
  readonly #guestLow = new Int32Array(6);

  constructor(memory: PhysicalMemory, limits: UnitLimits, secondStage: SecondStageWalk) {
    this.#memory = memory;
    this.#limits = limits;
    this.#secondStage = secondStage;
  }

  get isUser(): boolean {
    return (this.rights & USER) !== 0;
  }

  get isWritable(): boolean {
    return (this.rights & WRITE) !== 0;
  }

  /** D of the first-stage leaf, as found or as set by `updateFlags` or `commitDirty`. */
  get isDirty(): boolean {
    return (this.leafLow & DIRTY) !== 0;
  }

  /** Reads the path down to the leaf. The input is canonical. */
  walk(p: FirstStageParameters, high: number, low: number): number {
    if (p.isNested && p.tableHigh >>> 0 >= p.ssHighLimit) {
      return FAULT.addressRange;
    }
    return this.walkFrom(p, p.tableHigh, p.tableLow, p.levels, WRITE | USER, high, low);
  }

  /** The same from a cached table at `fromLevel` with the rights accumulated above it. */
  walkFrom(
    p: FirstStageParameters,
    tableHigh: number,
    tableLow: number,
    fromLevel: number,
    fromRights: number,
    high: number,
    low: number,
  ): number {
    const memory = this.#memory;
    const { low: lowMasks, high: highMasks } = this.#limits.firstStage;
    const { isNested } = p;
    let rights = fromRights;
    let baseHigh = tableHigh;
    let baseLow = tableLow;
    for (let level = fromLevel; ; level--) {
      this.level = level;
      let entryHigh = baseHigh;
      let entryLow = baseLow | (indexAt(level, high, low) << 3);
      if (isNested) {
        const fault = this.#translateTable(p, level, entryHigh, entryLow);
        if (fault !== 0) {
          return fault;
        }
        this.#guestHigh[level] = entryHigh;
        this.#guestLow[level] = entryLow;
        entryHigh = this.#secondStage.outHigh;
        entryLow = this.#secondStage.outLow;
      }
      const at = memory.locate(entryHigh, entryLow);
      if (at < 0) {
        this.#record(p, level, entryHigh, entryLow, high, low, false);
        return level === p.levels ? FAULT.rootReadError : FAULT.readError;
      }
      const { words } = memory.store;
      const valueLow = words[at] as number;
      const valueHigh = words[at + 1] as number;
      if (this.recorder !== null) {
        this.#record(p, level, entryHigh, entryLow, high, low, true, valueLow, valueHigh);
      }
      if ((valueLow & PRESENT) === 0) {
        return FAULT.notPresent;
      }
      const isLeaf = level === 1 || (level <= 3 && (valueLow & PAGE_SIZE) !== 0);
      const kind = level * 2 + (isLeaf ? 1 : 0);
      if (
        ((valueLow & (lowMasks[kind] as number)) | (valueHigh & (highMasks[kind] as number))) !==
        0
      ) {
        return FAULT.reservedBits;
      }
      baseHigh = valueHigh & ADDRESS_HIGH;
      if (isNested && baseHigh >= p.ssHighLimit) {
        return FAULT.addressRange;
      }
      rights &= valueLow;
      this.#entryHigh[level] = entryHigh;
      this.#entryLow[level] = entryLow;
      this.#valueLow[level] = valueLow;
      if (isLeaf) {
        const shift = 12 + (level - 1) * 9;
        const offset = shift === 12 ? 0xfff : shift === 21 ? 0x1f_ffff : 0x3fff_ffff;
        this.shift = shift;
        this.outHigh = baseHigh;
        this.outLow = (valueLow & ~offset) | (low & offset);
        this.rights = rights & RIGHTS;
        this.leafLow = valueLow | 0;
        return 0;
      }
      baseLow = valueLow & ADDRESS_LOW;
    }
  }

  /** Table that the last walk read its entry of `level` from: host physical, or guest physical when nested. */
  tableHighAt(level: number, isNested: boolean): number {
    return (isNested ? this.#guestHigh[level] : this.#entryHigh[level]) as number;
  }

  tableLowAt(level: number, isNested: boolean): number {
    return ((isNested ? this.#guestLow[level] : this.#entryLow[level]) as number) & ~0xfff;
  }

  /** Rights of the entries above `level` of the last walk, for a structure cache. */
  rightsAbove(topLevel: number, level: number, fromRights: number): number {
    let rights = fromRights;
    for (let l = topLevel; l > level; l--) {
      rights &= this.#valueLow[l] as number;
    }
    return rights & RIGHTS;
  }

  /**
   * Sets A (and EA) in the entries used and D in the leaf for a write; entries above `fromLevel` have A set already.
   * Nested, D is only prepared: the entry must be writable through the second stage, and `commitDirty` sets it.
   */
  updateFlags(p: FirstStageParameters, fromLevel: number, isWrite: boolean): number {
    const accessed = ACCESSED | (p.isExtendedAccessed ? EXTENDED_ACCESSED : 0);
    for (let level = fromLevel; level >= this.level; level--) {
      const wanted = isWrite && level === this.level ? accessed | DIRTY : accessed;
      const missing = wanted & ~(this.#valueLow[level] as number);
      if (missing === 0) {
        continue;
      }
      if (!p.canUpdateFlags) {
        return FAULT.flagNoSnoop;
      }
      const now = p.isNested ? missing & accessed : missing;
      const fault = p.isNested ? this.#claimTable(p, level, now !== 0) : 0;
      if (fault !== 0) {
        return fault;
      }
      if (!this.isDryRun && !this.#setFlags(level, now)) {
        return FAULT.flagFailed;
      }
    }
    if (isWrite && !p.isNested) {
      this.leafLow |= DIRTY;
    }
    return 0;
  }

  /** Nested: sets the dirty flag that `updateFlags` has prepared. The second-stage results are void afterwards. */
  commitDirty(p: FirstStageParameters): number {
    if (this.isDirty || this.isDryRun) {
      return 0;
    }
    const fault = this.#claimTable(p, this.level, true);
    if (fault !== 0) {
      return fault;
    }
    this.leafLow |= DIRTY;
    return this.#setFlags(this.level, DIRTY) ? 0 : FAULT.flagFailed;
  }

  #setFlags(level: number, flags: number): boolean {
    const at = this.#memory.locateForWrite(
      this.#entryHigh[level] as number,
      this.#entryLow[level] as number,
    );
    if (at < 0) {
      return false;
    }
    this.#memory.store.words[at] = (this.#memory.store.words[at] as number) | flags;
    return true;
  }

  /**
   * Nested: takes the output of the first stage through the second, leaving the host address in `out` and rights, snoop
   * and dirty flag in the second-stage walk.
   */
  translateOutput(p: FirstStageParameters): number {
    const ss = this.#secondStage;
    ss.isPathKept = p.isSecondStageFlags;
    ss.recorderDepth = 1;
    const outcome = ss.walk(p.ssHigh, p.ssLow, p.ssLevels, this.outHigh, this.outLow);
    ss.recorderDepth = 0;
    if (outcome !== WALK.ok) {
      return secondStageFault(outcome);
    }
    if (ss.rights === 0) {
      return secondStageFault(WALK.notPresent);
    }
    this.outHigh = ss.outHigh;
    this.outLow = ss.outLow;
    this.shift = Math.min(this.shift, ss.shift);
    return 0;
  }

  /** Nested with SSADE: A and, for a write, D in the second-stage path of the output. */
  updateOutputFlags(p: FirstStageParameters, isWrite: boolean): number {
    const outcome = this.#secondStage.updateFlags(p.ssLevels, isWrite, p.canUpdateFlags);
    return outcome === WALK.ok ? 0 : secondStageFault(outcome);
  }

  /** Second stage of the address of a first-stage entry, with the right to read it. */
  #translateTable(p: FirstStageParameters, level: number, high: number, low: number): number {
    const ss = this.#secondStage;
    ss.isPathKept = p.isSecondStageFlags;
    ss.recorderDepth = 1;
    const outcome = ss.walk(p.ssHigh, p.ssLow, p.ssLevels, high, low);
    ss.recorderDepth = 0;
    if (outcome !== WALK.ok) {
      return secondStageFault(outcome);
    }
    if (ss.rights === 0) {
      return secondStageFault(WALK.notPresent);
    }
    if (!ss.canRead) {
      return level === p.levels ? FAULT.noReadOfRoot : FAULT.noReadOfTable;
    }
    if (!p.isSecondStageFlags) {
      return 0;
    }
    if (!ss.canWrite) {
      return FAULT.noWriteOfTable;
    }
    const flags = ss.updateFlags(p.ssLevels, false, p.canUpdateFlags);
    return flags === WALK.ok ? 0 : secondStageFault(flags);
  }

  /** The right to write a first-stage entry through the second stage, and its dirty flag if the write happens now. */
  #claimTable(p: FirstStageParameters, level: number, isWritten: boolean): number {
    const ss = this.#secondStage;
    ss.isPathKept = p.isSecondStageFlags;
    ss.recorderDepth = 1;
    const outcome = ss.walk(
      p.ssHigh,
      p.ssLow,
      p.ssLevels,
      this.#guestHigh[level] as number,
      this.#guestLow[level] as number,
    );
    ss.recorderDepth = 0;
    if (outcome !== WALK.ok) {
      return secondStageFault(outcome);
    }
    if (ss.rights === 0) {
      return secondStageFault(WALK.notPresent);
    }
    if (!ss.canRead || !ss.canWrite) {
      return FAULT.noWriteOfTable;
    }
    if (!p.isSecondStageFlags) {
      return 0;
    }
    const flags = ss.updateFlags(p.ssLevels, isWritten, p.canUpdateFlags);
    return flags === WALK.ok ? 0 : secondStageFault(flags);
  }

  #record(
    p: FirstStageParameters,
    level: number,
    entryHigh: number,
    entryLow: number,
    high: number,
    low: number,
    isRead: boolean,
    valueLow = 0,
    valueHigh = 0,
  ): void {
    this.recorder?.read({
      stage: 'first-stage',
      level,
      address: numberOf(entryHigh, entryLow),
      ...(p.isNested
        ? {
            guestAddress: numberOf(
              this.#guestHigh[level] as number,
              this.#guestLow[level] as number,
            ),
          }
        : {}),
      words: isRead ? [valueLow >>> 0, valueHigh >>> 0] : [],
      index: indexAt(level, high, low),
      indexHigh: 20 + (level - 1) * 9,
      indexLow: 12 + (level - 1) * 9,
      depth: 0,
    });
  }
}
