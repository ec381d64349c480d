/**
 * Paging-structure cache of one stage: non-leaf entries by domain, PASID and address prefix, giving the next table and the
 * rights accumulated on the way. VT-d 5.10 section 6.2.5.
 *
 * First-stage entries (also of nested walks) are tagged with domain and PASID, second-stage entries with the domain only
 * (PASID tag 0). Lookups start at the lowest level, so the walk starts as near to the leaf as the cache allows.
 */
import type { Snapshotable } from '../core/snapshot.ts';

const WAYS = 4;
const STRIDE = 9;
const VALID = 0x100;

const KEY = 0;
const DOMAIN = 1;
const PASID = 2;
const PREFIX_LOW = 3;
const PREFIX_HIGH = 4;
const TABLE_LOW = 5;
const TABLE_HIGH = 6;
const RIGHTS = 7;
const STAMP = 8;

export interface PagingStructureEntry {
  readonly level: number;
  readonly domainId: number;
  readonly pasid: number;
  readonly prefixHigh: number;
  readonly prefixLow: number;
  readonly tableHigh: number;
  readonly tableLow: number;
  readonly rights: number;
}

export interface PagingStructureCacheState {
  readonly words: Uint32Array;
  readonly clock: number;
}

export class PagingStructureCache implements Snapshotable<PagingStructureCacheState> {
  /** Of the last hit: the table to go on with, its level, and the rights so far. */
  tableHigh = 0;
  tableLow = 0;
  level = 0;
  rights = 0;

  readonly #words: Uint32Array;
  readonly #setMask: number;
  #clock = 0;
  readonly #population = new Int32Array(6);

  constructor(capacity: number) {
    const sets = capacity < WAYS ? 0 : 2 ** Math.floor(Math.log2(capacity / WAYS));
    this.#words = new Uint32Array(sets * WAYS * STRIDE);
    this.#setMask = sets - 1;
  }

  get isOff(): boolean {
    return this.#words.length === 0;
  }

  /** True when a table below `topLevel` is known; it is then in the public fields. */
  lookup(domainId: number, pasid: number, topLevel: number, high: number, low: number): boolean {
    if (this.#words.length === 0) {
      return false;
    }
    for (let level = 2; level <= topLevel; level++) {
      if (this.#population[level] !== 0 && this.#probe(level, domainId, pasid, high, low)) {
        return true;
      }
    }
    return false;
  }

  #probe(level: number, domainId: number, pasid: number, high: number, low: number): boolean {
    const words = this.#words;
    const shift = 12 + (level - 1) * 9;
    const prefixLow = prefixLowOf(high, low, shift);
    const prefixHigh = shift >= 32 ? 0 : high >>> shift;
    const first = this.#setOf(level, domainId, pasid, prefixLow);
    for (let at = first; at < first + WAYS * STRIDE; at += STRIDE) {
      if (
        words[at] === (VALID | level) &&
        words[at + PREFIX_LOW] === prefixLow &&
        words[at + DOMAIN] === domainId &&
        words[at + PASID] === pasid &&
        words[at + PREFIX_HIGH] === prefixHigh
      ) {
        words[at + STAMP] = ++this.#clock;
        this.tableHigh = words[at + TABLE_HIGH] as number;
        this.tableLow = words[at + TABLE_LOW] as number;
        this.rights = words[at + RIGHTS] as number;
        this.level = level - 1;
        return true;
      }
    }
    return false;
  }

  /** Keeps the non-leaf entry of `level` for this input. */
  fill(
    level: number,
    domainId: number,
    pasid: number,
    high: number,
    low: number,
    tableHigh: number,
    tableLow: number,
    rights: number,
  ): void {
    if (this.#words.length === 0) {
      return;
    }
    const words = this.#words;
    const shift = 12 + (level - 1) * 9;
    const prefixLow = prefixLowOf(high, low, shift);
    const prefixHigh = shift >= 32 ? 0 : high >>> shift;
    const first = this.#setOf(level, domainId, pasid, prefixLow);
    let best = first;
    let bestAge = Number.POSITIVE_INFINITY;
    for (let at = first; at < first + WAYS * STRIDE; at += STRIDE) {
      const isSame =
        words[at] === (VALID | level) &&
        words[at + PREFIX_LOW] === prefixLow &&
        words[at + DOMAIN] === domainId &&
        words[at + PASID] === pasid &&
        words[at + PREFIX_HIGH] === prefixHigh;
      if (isSame) {
        best = at;
        break;
      }
      const age = words[at] === 0 ? -1 : (words[at + STAMP] as number);
      if (age < bestAge) {
        bestAge = age;
        best = at;
      }
    }
    this.#drop(best);
    words[best] = VALID | level;
    words[best + DOMAIN] = domainId;
    words[best + PASID] = pasid;
    words[best + PREFIX_LOW] = prefixLow;
    words[best + PREFIX_HIGH] = prefixHigh;
    words[best + TABLE_LOW] = tableLow;
    words[best + TABLE_HIGH] = tableHigh;
    words[best + RIGHTS] = rights;
    words[best + STAMP] = ++this.#clock;
    this.#population[level] = (this.#population[level] as number) + 1;
  }

  clear(): void {
    this.#words.fill(0);
    this.#population.fill(0);
  }

  /** Drops entries of a domain (any when undefined) and PASID (any when undefined). */
  invalidate(domainId: number | undefined, pasid: number | undefined): number {
    return this.#sweep((at) => this.#isOf(at, domainId, pasid));
  }

  /**
   * The same for entries whose span overlaps the aligned region of 2^`sizeShift` bytes at `high:low`, as far as the bits in
   * `highMask` tell.
   */
  invalidateRange(
    domainId: number,
    pasid: number | undefined,
    high: number,
    low: number,
    sizeShift: number,
    highMask: number,
  ): number {
    return this.#sweep((at) => {
      if (!this.#isOf(at, domainId, pasid)) {
        return false;
      }
      const words = this.#words;
      const shift = 12 + (((words[at] as number) & 0xff) - 1) * 9;
      const reach = Math.max(shift, sizeShift);
      if (reach >= 64) {
        return true;
      }
      const input = inputOfPrefix(
        words[at + PREFIX_HIGH] as number,
        words[at + PREFIX_LOW] as number,
        shift,
      );
      const differsHigh = (input.high ^ high) & highMask;
      if (reach >= 32) {
        return differsHigh >>> (reach - 32) === 0;
      }
      return differsHigh === 0 && (input.low ^ low) >>> reach === 0;
    });
  }

  entries(): readonly PagingStructureEntry[] {
    const found: PagingStructureEntry[] = [];
    const words = this.#words;
    for (let at = 0; at < words.length; at += STRIDE) {
      const key = words[at + KEY] as number;
      if (key === 0) {
        continue;
      }
      const level = key & 0xff;
      const input = inputOfPrefix(
        words[at + PREFIX_HIGH] as number,
        words[at + PREFIX_LOW] as number,
        12 + (level - 1) * 9,
      );
      found.push({
        level,
        domainId: words[at + DOMAIN] as number,
        pasid: words[at + PASID] as number,
        prefixHigh: input.high,
        prefixLow: input.low,
        tableHigh: words[at + TABLE_HIGH] as number,
        tableLow: words[at + TABLE_LOW] as number,
        rights: words[at + RIGHTS] as number,
      });
    }
    return found;
  }

  snapshot(): PagingStructureCacheState {
    return { words: this.#words.slice(), clock: this.#clock };
  }

  restore(state: PagingStructureCacheState): void {
    this.#words.set(state.words);
    this.#clock = state.clock;
    this.#population.fill(0);
    for (let at = 0; at < this.#words.length; at += STRIDE) {
      const level = (this.#words[at] as number) & 0xff;
      this.#population[level] = (this.#population[level] as number) + 1;
    }
  }

  #isOf(at: number, domainId: number | undefined, pasid: number | undefined): boolean {
    return (
      (domainId === undefined || this.#words[at + DOMAIN] === domainId) &&
      (pasid === undefined || this.#words[at + PASID] === pasid)
    );
  }

  #setOf(level: number, domainId: number, pasid: number, prefixLow: number): number {
    const hash =
      prefixLow ^ Math.imul(domainId + level, 0x85eb_ca6b) ^ Math.imul(pasid, 0x9e37_79b1);
    return ((hash ^ (hash >>> 15)) & this.#setMask) * (WAYS * STRIDE);
  }

  #drop(at: number): void {
    const key = this.#words[at] as number;
    if (key !== 0) {
      const level = key & 0xff;
      this.#population[level] = (this.#population[level] as number) - 1;
      this.#words[at] = 0;
    }
  }

  #sweep(matches: (at: number) => boolean): number {
    let dropped = 0;
    for (let at = 0; at < this.#words.length; at += STRIDE) {
      if (this.#words[at] !== 0 && matches(at)) {
        this.#drop(at);
        dropped++;
      }
    }
    return dropped;
  }
}

function prefixLowOf(high: number, low: number, shift: number): number {
  return shift >= 32 ? high >>> (shift - 32) : ((low >>> shift) | (high << (32 - shift))) >>> 0;
}

function inputOfPrefix(
  prefixHigh: number,
  prefixLow: number,
  shift: number,
): { readonly high: number; readonly low: number } {
  if (shift >= 32) {
    return { high: (prefixLow << (shift - 32)) >>> 0, low: 0 };
  }
  return {
    high: ((prefixHigh << shift) | (prefixLow >>> (32 - shift))) >>> 0,
    low: (prefixLow << shift) >>> 0,
  };
}
