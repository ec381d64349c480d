/**
 * IOTLB: results of page walks, four-way set associative, least recently used goes first. VT-d 5.10 sections 6.2.1 and
 * 6.2.4, tags of table 17.
 *
 * An entry is found by requester, PASID (or "no PASID") and input page, and dropped by domain, translation type, effective
 * PASID and input page. Entries hold 4 KiB, 2 MiB or 1 GiB pages as walked. Rights are kept raw, so that one entry serves
 * requests of either privilege. A cached entry keeps translating until it is invalidated, whatever memory says by then.
 *
 * Not modelled: fractured large pages, sharing between requests with and without PASID (both optional in the specification).
 */
import type { Snapshotable } from '../core/snapshot.ts';

const WAYS = 4;
const STRIDE = 10;
const VALID = 0x8000_0000 | 0;

/** Word of an entry. */
const KEY = 0;
const PASID_TAG = 1;
const PAGE_LOW = 2;
const PAGE_HIGH = 3;
const OUT_LOW = 4;
const OUT_HIGH = 5;
const FLAGS = 6;
const DID = 7;
const EFFECTIVE_PASID = 8;
const STAMP = 9;

export const IOTLB_FLAG = {
  read: 1 << 0,
  write: 1 << 1,
  user: 1 << 2,
  firstStageWrite: 1 << 3,
  /** First-stage or nested: privilege decides. */
  firstStage: 1 << 4,
  writeProtect: 1 << 5,
  supervisor: 1 << 6,
  snoop: 1 << 7,
  /** The leaf is known to be dirty, or no dirty flag is kept. */
  dirty: 1 << 8,
  passThrough: 1 << 9,
  faultDisable: 1 << 10,
  /** Filled by a request without PASID of a function with RID_PRIV=1. */
  ridPrivilege: 1 << 16,
  legacy: 1 << 11,
  /** The first stage has five levels. */
  fiveLevels: 1 << 17,
} as const;
const PGTT_SHIFT = 12;

export function flagsWithPgtt(flags: number, pgtt: number): number {
  return flags | (pgtt << PGTT_SHIFT);
}

export function pgttOfFlags(flags: number): number {
  return (flags >>> PGTT_SHIFT) & 7;
}

export interface IotlbEntry {
  readonly rid: number;
  /** -1: request without PASID. */
  readonly pasid: number;
  readonly pageShift: number;
  readonly inputHigh: number;
  readonly inputLow: number;
  readonly outputHigh: number;
  readonly outputLow: number;
  readonly flags: number;
  readonly domainId: number;
  readonly effectivePasid: number;
}

export interface IotlbState {
  readonly words: Int32Array;
  readonly clock: number;
}

const SHIFTS = [12, 21, 30] as const;
/** Places in that list. */
const SIZE_4K = 0;
const SIZE_2M = 1;
const SIZE_1G = 2;

export class Iotlb implements Snapshotable<IotlbState> {
  /** Of the last hit. */
  outHigh = 0;
  outLow = 0;
  flags = 0;
  shift = 12;
  domainId = 0;

  readonly #words: Int32Array;
  readonly #setMask: number;
  #clock = 0;
  /** Valid entries of each page size, so that lookups probe only sizes that exist. */
  readonly #population = new Int32Array(3);

  /** `capacity` entries, rounded down to a power of two of at least 4; 0 turns the cache off. */
  constructor(capacity: number) {
    const sets = capacity < WAYS ? 0 : 2 ** Math.floor(Math.log2(capacity / WAYS));
    this.#words = new Int32Array(sets * WAYS * STRIDE);
    this.#setMask = sets - 1;
  }

  get capacity(): number {
    return this.#words.length / STRIDE;
  }

  /** True on a hit; the translation is then in the public fields, offset included. */
  lookup(rid: number, pasid: number, high: number, low: number): boolean {
    const population = this.#population;
    const tag = pasid + 1;
    return (
      (population[SIZE_4K] !== 0 &&
        this.#probe(SIZE_4K, rid, tag, high >>> 12, (high << 20) | (low >>> 12), low & 0xfff)) ||
      (population[SIZE_2M] !== 0 &&
        this.#probe(
          SIZE_2M,
          rid,
          tag,
          high >>> 21,
          (high << 11) | (low >>> 21),
          low & 0x1f_ffff,
        )) ||
      (population[SIZE_1G] !== 0 &&
        this.#probe(SIZE_1G, rid, tag, high >>> 30, (high << 2) | (low >>> 30), low & 0x3fff_ffff))
    );
  }

  /** `pageHigh:pageLow` is the number of the page, of the given size, and `offset` the place in it. */
  #probe(
    size: number,
    rid: number,
    tag: number,
    pageHigh: number,
    pageLow: number,
    offset: number,
  ): boolean {
    const words = this.#words;
    const key = VALID | (size << 16) | rid;
    const first = this.#setOf(pageLow, tag, rid);
    for (let at = first; at < first + WAYS * STRIDE; at += STRIDE) {
      if (
        words[at + PAGE_LOW] === pageLow &&
        words[at] === key &&
        words[at + PASID_TAG] === tag &&
        words[at + PAGE_HIGH] === pageHigh
      ) {
        words[at + STAMP] = ++this.#clock;
        this.outHigh = words[at + OUT_HIGH] as number;
        this.outLow = (words[at + OUT_LOW] as number) | offset;
        this.flags = words[at + FLAGS] as number;
        this.domainId = words[at + DID] as number;
        this.shift = SHIFTS[size] as number;
        return true;
      }
    }
    return false;
  }

  fill(
    rid: number,
    pasid: number,
    high: number,
    low: number,
    shift: number,
    outHigh: number,
    outLow: number,
    flags: number,
    domainId: number,
    effectivePasid: number,
  ): void {
    if (this.#words.length === 0) {
      return;
    }
    const words = this.#words;
    const size = shift === 12 ? 0 : shift === 21 ? 1 : 2;
    const pageLow = (low >>> shift) | (high << (32 - shift));
    const pageHigh = high >>> shift;
    const key = VALID | (size << 16) | rid;
    const tag = pasid + 1;
    const at = this.#victim(this.#setOf(pageLow, tag, rid), key, tag, pageLow, pageHigh);
    this.#drop(at);
    words[at] = key;
    words[at + PASID_TAG] = tag;
    words[at + PAGE_LOW] = pageLow;
    words[at + PAGE_HIGH] = pageHigh;
    words[at + OUT_LOW] =
      outLow & (shift === 12 ? ~0xfff : shift === 21 ? ~0x1f_ffff : ~0x3fff_ffff);
    words[at + OUT_HIGH] = outHigh;
    words[at + FLAGS] = flags;
    words[at + DID] = domainId;
    words[at + EFFECTIVE_PASID] = effectivePasid;
    words[at + STAMP] = ++this.#clock;
    this.#population[size] = (this.#population[size] as number) + 1;
  }

  clear(): void {
    this.#words.fill(0);
    this.#population.fill(0);
  }

  /** Drops entries that `matches` selects; gives their number. */
  invalidate(
    matches: (flags: number, domainId: number, effectivePasid: number) => boolean,
  ): number {
    return this.#sweep((at) => {
      const words = this.#words;
      return matches(
        words[at + FLAGS] as number,
        words[at + DID] as number,
        words[at + EFFECTIVE_PASID] as number,
      );
    });
  }

  /**
   * The same for those whose pages overlap the aligned region of 2^`sizeShift` bytes that contains `high:low`. Large pages
   * that contain the region match too. `highMaskOf` tells which bits of the high address half are part of the tag.
   */
  invalidateRange(
    high: number,
    low: number,
    sizeShift: number,
    matches: (flags: number, domainId: number, effectivePasid: number) => boolean,
    highMaskOf: (flags: number) => number,
  ): number {
    return this.#sweep((at) => {
      const words = this.#words;
      const flags = words[at + FLAGS] as number;
      if (!matches(flags, words[at + DID] as number, words[at + EFFECTIVE_PASID] as number)) {
        return false;
      }
      const shift = SHIFTS[((words[at + KEY] as number) >>> 16) & 3] as number;
      const reach = Math.max(shift, sizeShift);
      const inputLow = (words[at + PAGE_LOW] as number) << shift;
      const inputHigh =
        ((words[at + PAGE_HIGH] as number) << shift) |
        ((words[at + PAGE_LOW] as number) >>> (32 - shift));
      if (reach >= 64) {
        return true;
      }
      const differsHigh = (inputHigh ^ high) & highMaskOf(flags);
      if (reach >= 32) {
        return differsHigh >>> (reach - 32) === 0;
      }
      return differsHigh === 0 && (inputLow ^ low) >>> reach === 0;
    });
  }

  entries(): readonly IotlbEntry[] {
    const found: IotlbEntry[] = [];
    const words = this.#words;
    for (let at = 0; at < words.length; at += STRIDE) {
      const key = words[at] as number;
      if ((key & VALID) === 0) {
        continue;
      }
      const shift = SHIFTS[(key >>> 16) & 3] as number;
      const pageLow = words[at + PAGE_LOW] as number;
      found.push({
        rid: key & 0xffff,
        pasid: (words[at + PASID_TAG] as number) - 1,
        pageShift: shift,
        inputHigh:
          (((words[at + PAGE_HIGH] as number) << shift) | (pageLow >>> (32 - shift))) >>> 0,
        inputLow: (pageLow << shift) >>> 0,
        outputHigh: (words[at + OUT_HIGH] as number) >>> 0,
        outputLow: (words[at + OUT_LOW] as number) >>> 0,
        flags: words[at + FLAGS] as number,
        domainId: words[at + DID] as number,
        effectivePasid: words[at + EFFECTIVE_PASID] as number,
      });
    }
    return found;
  }

  snapshot(): IotlbState {
    return { words: this.#words.slice(), clock: this.#clock };
  }

  restore(state: IotlbState): void {
    this.#words.set(state.words);
    this.#clock = state.clock;
    this.#population.fill(0);
    for (let at = 0; at < this.#words.length; at += STRIDE) {
      const key = this.#words[at] as number;
      if ((key & VALID) !== 0) {
        const size = (key >>> 16) & 3;
        this.#population[size] = (this.#population[size] as number) + 1;
      }
    }
  }

  #setOf(pageLow: number, tag: number, rid: number): number {
    const hash = pageLow ^ Math.imul(tag, 0x9e37_79b1) ^ Math.imul(rid, 0x85eb_ca6b);
    return ((hash ^ (hash >>> 15)) & this.#setMask) * (WAYS * STRIDE);
  }

  #victim(first: number, key: number, tag: number, pageLow: number, pageHigh: number): number {
    const words = this.#words;
    let best = first;
    let bestAge = Number.POSITIVE_INFINITY;
    for (let at = first; at < first + WAYS * STRIDE; at += STRIDE) {
      const isSame =
        words[at] === key &&
        words[at + PASID_TAG] === tag &&
        words[at + PAGE_LOW] === pageLow &&
        words[at + PAGE_HIGH] === pageHigh;
      if (isSame) {
        return at;
      }
      const age = ((words[at] as number) & VALID) === 0 ? -1 : (words[at + STAMP] as number) >>> 0;
      if (age < bestAge) {
        bestAge = age;
        best = at;
      }
    }
    return best;
  }

  #drop(at: number): void {
    const key = this.#words[at] as number;
    if ((key & VALID) !== 0) {
      const size = (key >>> 16) & 3;
      this.#population[size] = (this.#population[size] as number) - 1;
      this.#words[at] = 0;
    }
  }

  #sweep(matches: (at: number) => boolean): number {
    let dropped = 0;
    const words = this.#words;
    for (let at = 0; at < words.length; at += STRIDE) {
      if (((words[at] as number) & VALID) !== 0 && matches(at)) {
        this.#drop(at);
        dropped++;
      }
    }
    return dropped;
  }
}
