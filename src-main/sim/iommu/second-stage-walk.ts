/**
 * Second-stage walk: guest or I/O virtual address to host physical address. VT-d 5.10 sections 3.7, 3.8 and 9.8.
 *
 * Rights are combined over all levels and judged by the caller at the end, so that a later entry that is not present or
 * has reserved bits set decides first. Results are left in public fields: a walk allocates nothing.
 *
 * Not modelled: memory types (EMT, IPAT are carried as bits only), fetches that race with writes of software.
 */
import { numberOf } from '../../bits/u64.ts';
import { SecondStage4KLeaf } from '../../spec/paging/second-stage-entry.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { pieceMask } from './piece.ts';
import type { EntryMasks, UnitLimits } from './unit-limits.ts';
import type { WalkRecorder } from './walk-recorder.ts';

const READ = pieceMask(SecondStage4KLeaf, 'R');
const WRITE = pieceMask(SecondStage4KLeaf, 'W');
const ACCESSED = pieceMask(SecondStage4KLeaf, 'A');
const DIRTY = pieceMask(SecondStage4KLeaf, 'D');
const SNOOP = pieceMask(SecondStage4KLeaf, 'SNP');
const IO_READ = pieceMask(SecondStage4KLeaf, 'IR');
const IO_WRITE = pieceMask(SecondStage4KLeaf, 'IW');
/** Bit 7 of a PDPE or PDE: it maps a page. */
const PAGE_SIZE = 1 << 7;
/** Address bits of an entry, by half. */
const ADDRESS_HIGH = 0xf_ffff;
const ADDRESS_LOW = ~0xfff;

/** How a walk ended. Which fault reason that is depends on the mode: the caller knows. */
export const WALK = {
  ok: 0,
  /** No memory behind the first table. */
  rootReadError: 1,
  readError: 2,
  notPresent: 3,
  reservedBits: 4,
  /** A flag must be set and page walks do not snoop. */
  flagNoSnoop: 5,
  /** A flag could not be written. */
  flagFailed: 6,
} as const;

export class SecondStageWalk {
  /** Physical address of the input's page base, offset included. */
  outHigh = 0;
  outLow = 0;
  /** log2 of the page size. */
  shift = 12;
  /** READ and WRITE as all levels together grant them: bits 0 and 1, also when the entries hold them in bits 61 and 62. */
  rights = 0;
  /** Low half of the entry that maps the page. */
  leafLow = 0;
  /** Level at which the walk ended. */
  level = 0;

  /** Keep what was read at each level, for `updateFlags` and structure caches. Costs time on every level. */
  isPathKept = true;

  recorder: WalkRecorder | null = null;
  recorderDepth = 0;
  /** Explanations must not set flags. */
  isDryRun = false;

  readonly #memory: PhysicalMemory;
  readonly #limits: UnitLimits;
  #masks: EntryMasks;
  #isIoRights = false;
  readonly #entryHigh = new Int32Array(6);
  readonly #entryLow = new Int32Array(6);
  readonly #valueLow = new Int32Array(6);
  readonly #rightsAt = new Int32Array(6);

  constructor(memory: PhysicalMemory, limits: UnitLimits) {
    this.#memory = memory;
    this.#limits = limits;
    this.#masks = limits.secondStage[0];
  }

  /** Mode and SSIRWE of RTADDR_REG as latched; with SSIRWE, rights are in bits 62:61 instead of 1:0. */
  setMode(isLegacy: boolean, isIoRights: boolean): void {
    this.#isIoRights = isIoRights && !isLegacy;
    this.#masks = isLegacy
      ? this.#limits.legacySecondStage
      : this.#limits.secondStage[isIoRights ? 1 : 0];
  }

  /**
   * Walks from a table at `level` with rights accumulated so far. `high:low` is the input address, already checked
   * against the address width.
   */
  walk(tableHigh: number, tableLow: number, topLevel: number, high: number, low: number): number {
    return this.walkFrom(tableHigh, tableLow, topLevel, topLevel, READ | WRITE, high, low);
  }

  walkFrom(
    tableHigh: number,
    tableLow: number,
    topLevel: number,
    fromLevel: number,
    fromRights: number,
    high: number,
    low: number,
  ): number {
    const memory = this.#memory;
    const { low: lowMasks, high: highMasks } = this.#masks;
    const isIoRights = this.#isIoRights;
    const isPathKept = this.isPathKept || this.recorder !== null;
    const { words } = memory.store;
    let rights = fromRights;
    let baseHigh = tableHigh;
    let baseLow = tableLow;
    for (let level = fromLevel; ; level--) {
      const entryLow = baseLow | (indexAt(level, high, low) << 3);
      const at = memory.locate(baseHigh, entryLow);
      if (at < 0) {
        this.level = level;
        this.#record(level, baseHigh, entryLow, false, 0, 0, high, low);
        return level === topLevel ? WALK.rootReadError : WALK.readError;
      }
      const valueLow = words[at] as number;
      const valueHigh = words[at + 1] as number;
      if (isPathKept) {
        this.#entryHigh[level] = baseHigh;
        this.#entryLow[level] = entryLow;
        this.#valueLow[level] = valueLow;
        this.#record(level, baseHigh, entryLow, true, valueHigh, valueLow, high, low);
      }
      const granted = isIoRights ? ioRights(valueHigh) : valueLow & (READ | WRITE);
      if (granted === 0) {
        this.level = level;
        return WALK.notPresent;
      }
      const isLeaf = level === 1 || (level <= 3 && (valueLow & PAGE_SIZE) !== 0);
      const kind = level * 2 + (isLeaf ? 1 : 0);
      if (
        ((valueLow & (lowMasks[kind] as number)) | (valueHigh & (highMasks[kind] as number))) !==
        0
      ) {
        this.level = level;
        return WALK.reservedBits;
      }
      rights &= granted;
      if (isPathKept) {
        this.#rightsAt[level] = rights;
      }
      if (isLeaf) {
        const shift = 12 + (level - 1) * 9;
        const offset = shift === 12 ? 0xfff : shift === 21 ? 0x1f_ffff : 0x3fff_ffff;
        this.level = level;
        this.shift = shift;
        this.outHigh = valueHigh & ADDRESS_HIGH;
        this.outLow = (valueLow & ~offset) | (low & offset);
        this.rights = rights;
        this.leafLow = valueLow | 0;
        return WALK.ok;
      }
      baseHigh = valueHigh & ADDRESS_HIGH;
      baseLow = valueLow & ADDRESS_LOW;
    }
  }

  get canRead(): boolean {
    return (this.rights & READ) !== 0;
  }

  get canWrite(): boolean {
    return (this.rights & WRITE) !== 0;
  }

  get isSnooped(): boolean {
    return (this.leafLow & SNOOP) !== 0;
  }

  /** D of the leaf, as found or as set by `updateFlags`. */
  get isDirty(): boolean {
    return (this.leafLow & DIRTY) !== 0;
  }

  /** Rights of the last walk down to, and the table found in, the entry at `level`: what a structure cache keeps. */
  tableHighAt(level: number): number {
    return this.#entryHigh[level] as number;
  }

  tableLowAt(level: number): number {
    return (this.#entryLow[level] as number) & ~0xfff;
  }

  /** Rights accumulated down to and including the entry of `level` of the last walk. */
  rightsThrough(level: number): number {
    return this.#rightsAt[level] as number;
  }

  /**
   * Sets A in the entries of the last walk and D in its leaf for a write (SSADE=1). Entries above `fromLevel` came from a
   * cache and have A set already.
   */
  updateFlags(fromLevel: number, isWrite: boolean, canUpdate: boolean): number {
    for (let level = fromLevel; level >= this.level; level--) {
      const wanted = ACCESSED | (isWrite && level === this.level ? DIRTY : 0);
      if (((this.#valueLow[level] as number) & wanted) === wanted) {
        continue;
      }
      if (!canUpdate) {
        return WALK.flagNoSnoop;
      }
      if (this.isDryRun) {
        continue;
      }
      const at = this.#memory.locateForWrite(
        this.#entryHigh[level] as number,
        this.#entryLow[level] as number,
      );
      if (at < 0) {
        return WALK.flagFailed;
      }
      this.#memory.store.words[at] = (this.#memory.store.words[at] as number) | wanted;
    }
    if (isWrite) {
      this.leafLow |= DIRTY;
    }
    return WALK.ok;
  }

  #record(
    level: number,
    entryHigh: number,
    entryLow: number,
    isRead: boolean,
    valueHigh: number,
    valueLow: number,
    high: number,
    low: number,
  ): void {
    this.recorder?.read({
      stage: 'second-stage',
      level,
      address: numberOf(entryHigh, entryLow),
      words: isRead ? [valueLow >>> 0, valueHigh >>> 0] : [],
      index: indexAt(level, high, low),
      indexHigh: 20 + (level - 1) * 9,
      indexLow: 12 + (level - 1) * 9,
      depth: this.recorderDepth,
    });
  }
}

function ioRights(valueHigh: number): number {
  return ((valueHigh & IO_READ) !== 0 ? READ : 0) | ((valueHigh & IO_WRITE) !== 0 ? WRITE : 0);
}

/** Nine index bits of a 57-bit address for a level: section 3.6, table 5. */
export function indexAt(level: number, high: number, low: number): number {
  switch (level) {
    case 1:
      return (low >>> 12) & 511;
    case 2:
      return (low >>> 21) & 511;
    case 3:
      return ((high << 2) & 508) | (low >>> 30);
    case 4:
      return (high >>> 7) & 511;
    default:
      return (high >>> 16) & 511;
  }
}
