/**
 * Address translation cache of a function (device TLB): what translation requests were answered with, until the
 * IOMMU takes it back. PCIe ATS; DSA 3.0 section 3.13; VT-d 5.10 section 4.3.
 *
 * Four-way set associative, least recently used goes first. Entries are tagged with PASID and privilege, so one function
 * can hold translations of many address spaces. Regions larger than 4 KiB are kept as 2 MiB or 1 GiB entries.
 *
 * `epoch` counts invalidations: a translation taken before the last of them must be looked up again.
 */
import { invariant } from '../../bits/invariant.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { InvalidateRequest, TranslationCompletion } from './ports.ts';

const WAYS = 4;
export const SHIFT_4K = 12;
export const SHIFT_2M = 21;
export const SHIFT_1G = 30;

const VALID = 1;
const READ = 2;
const WRITE = 4;
const UNTRANSLATED_ONLY = 8;

/** Words of an entry, side by side so that a lookup stays within one line of the processor's cache. */
const STRIDE = 8;
const FLAGS = 0;
const TAG = 1;
const KEY_LOW = 2;
const KEY_HIGH = 3;
const SHIFT = 4;
const VALUE_LOW = 5;
const VALUE_HIGH = 6;
const STAMP = 7;
/** Bit of a tag above one more than the PASID, which has 20 bits and is -1 where there is none. */
const PRIVILEGED = 2 ** 21;

export interface AtcState {
  readonly words: Int32Array;
  readonly clock: number;
  readonly epoch: number;
}

/** One entry for people. */
export interface AtcEntry {
  readonly pasid: number;
  readonly isPrivileged: boolean;
  readonly high: number;
  readonly low: number;
  readonly pageShift: number;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  readonly isUntranslatedOnly: boolean;
  readonly translatedHigh: number;
  readonly translatedLow: number;
}

/** Whether two naturally aligned regions of 2^shift bytes around two addresses are the same. */
export function isSameRegion(
  aHigh: number,
  aLow: number,
  bHigh: number,
  bLow: number,
  shift: number,
): boolean {
  if (shift >= 64) {
    return true;
  }
  if (shift >= 32) {
    return aHigh >>> (shift - 32) === bHigh >>> (shift - 32);
  }
  return aHigh >>> 0 === bHigh >>> 0 && aLow >>> shift === bLow >>> shift;
}

export class AddressTranslationCache implements Snapshotable<AtcState> {
  /** Answer of the last lookup that hit. */
  high = 0;
  low = 0;
  isUntranslatedOnly = false;

  readonly #sets: number;
  readonly #words: Int32Array;
  #clock = 0;
  #epoch = 0;
  #large2M = 0;
  #large1G = 0;

  constructor(entries: number) {
    invariant(
      entries >= WAYS && Number.isInteger(Math.log2(entries)),
      `Device TLB of ${entries} entries`,
    );
    this.#sets = entries / WAYS;
    this.#words = new Int32Array(entries * STRIDE);
  }

  get capacity(): number {
    return this.#words.length / STRIDE;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** True when the cache holds a translation with the right asked for; `high` and `low` are then the address. */
  lookup(
    pasid: number,
    isPrivileged: boolean,
    high: number,
    low: number,
    isWrite: boolean,
  ): boolean {
    const tag = tagOf(pasid, isPrivileged);
    return (
      this.#probe(tag, high, low, isWrite, SHIFT_4K) ||
      (this.#large2M > 0 && this.#probe(tag, high, low, isWrite, SHIFT_2M)) ||
      (this.#large1G > 0 && this.#probe(tag, high, low, isWrite, SHIFT_1G))
    );
  }

  /** Keeps the translation of an address. Regions of other sizes are cut down to one that the cache has. */
  insert(
    pasid: number,
    isPrivileged: boolean,
    high: number,
    low: number,
    answer: TranslationCompletion,
  ): void {
    const { pageShift } = answer;
    const shift = pageShift >= SHIFT_1G ? SHIFT_1G : pageShift >= SHIFT_2M ? SHIFT_2M : SHIFT_4K;
    const tag = tagOf(pasid, isPrivileged);
    const words = this.#words;
    const at = this.#placeFor(tag, high, low, shift);
    this.#drop(at);
    const highMask = pageShift > 32 ? 2 ** (pageShift - 32) - 1 : 0;
    const lowMask = pageShift >= 32 ? 0xffff_ffff : 2 ** pageShift - 1;
    words[at + TAG] = tag;
    words[at + KEY_HIGH] = high;
    words[at + KEY_LOW] = alignDown(low, shift);
    words[at + VALUE_HIGH] = (answer.high & ~highMask) | (high & highMask);
    words[at + VALUE_LOW] = alignDown((answer.low & ~lowMask) | (low & lowMask), shift);
    words[at + SHIFT] = shift;
    words[at + FLAGS] =
      VALID |
      (answer.isReadable ? READ : 0) |
      (answer.isWritable ? WRITE : 0) |
      (answer.isUntranslatedOnly ? UNTRANSLATED_ONLY : 0);
    words[at + STAMP] = ++this.#clock;
    this.#countLarge(shift, 1);
  }

  /** Drops what an invalidation names; gives the number of entries dropped. `isGlobal` covers all PASIDs. */
  invalidate(request: InvalidateRequest): number {
    let dropped = 0;
    const words = this.#words;
    for (let at = 0; at < words.length; at += STRIDE) {
      const pasid = pasidOf(words[at + TAG] as number);
      const isAddressed = request.isGlobal || pasid === request.pasid;
      if (
        words[at + FLAGS] !== 0 &&
        isAddressed &&
        isSameRegion(
          request.high,
          request.low,
          words[at + KEY_HIGH] as number,
          words[at + KEY_LOW] as number,
          Math.max(request.sizeShift, words[at + SHIFT] as number),
        )
      ) {
        this.#drop(at);
        dropped++;
      }
    }
    this.#epoch++;
    return dropped;
  }

  clear(): void {
    for (let at = 0; at < this.#words.length; at += STRIDE) {
      this.#drop(at);
    }
    this.#epoch++;
  }

  entries(): readonly AtcEntry[] {
    const found: AtcEntry[] = [];
    const words = this.#words;
    for (let at = 0; at < words.length; at += STRIDE) {
      const flags = words[at + FLAGS] as number;
      if (flags !== 0) {
        const tag = words[at + TAG] as number;
        found.push({
          pasid: pasidOf(tag),
          isPrivileged: (tag & PRIVILEGED) !== 0,
          high: (words[at + KEY_HIGH] as number) >>> 0,
          low: (words[at + KEY_LOW] as number) >>> 0,
          pageShift: words[at + SHIFT] as number,
          isReadable: (flags & READ) !== 0,
          isWritable: (flags & WRITE) !== 0,
          isUntranslatedOnly: (flags & UNTRANSLATED_ONLY) !== 0,
          translatedHigh: (words[at + VALUE_HIGH] as number) >>> 0,
          translatedLow: (words[at + VALUE_LOW] as number) >>> 0,
        });
      }
    }
    return found;
  }

  snapshot(): AtcState {
    return { words: this.#words.slice(), clock: this.#clock, epoch: this.#epoch };
  }

  restore(state: AtcState): void {
    this.#words.set(state.words);
    this.#clock = state.clock;
    this.#epoch = state.epoch;
    this.#large2M = this.#countOf(SHIFT_2M);
    this.#large1G = this.#countOf(SHIFT_1G);
  }

  #countOf(shift: number): number {
    const words = this.#words;
    let count = 0;
    for (let at = 0; at < words.length; at += STRIDE) {
      if (words[at + FLAGS] !== 0 && words[at + SHIFT] === shift) {
        count++;
      }
    }
    return count;
  }

  #probe(tag: number, high: number, low: number, isWrite: boolean, shift: number): boolean {
    const words = this.#words;
    const keyLow = (low >>> shift) << shift;
    const keyHigh = high | 0;
    const first = this.#setOf(tag, high, low, shift);
    const needed = isWrite ? WRITE : READ;
    for (let at = first; at < first + WAYS * STRIDE; at += STRIDE) {
      if (
        words[at + KEY_LOW] === keyLow &&
        words[at + TAG] === tag &&
        words[at + KEY_HIGH] === keyHigh &&
        words[at + SHIFT] === shift &&
        ((words[at + FLAGS] as number) & needed) !== 0
      ) {
        words[at + STAMP] = ++this.#clock;
        this.high = (words[at + VALUE_HIGH] as number) >>> 0;
        this.low = ((words[at + VALUE_LOW] as number) | (low - keyLow)) >>> 0;
        this.isUntranslatedOnly = ((words[at + FLAGS] as number) & UNTRANSLATED_ONLY) !== 0;
        return true;
      }
    }
    return false;
  }

  /** Neighbouring pages of one space get different sets, and so do neighbouring PASIDs with one page number. */
  #setOf(tag: number, high: number, low: number, shift: number): number {
    const page = (low >>> shift) ^ Math.imul(high, 0x9e37_79b1);
    const set = page ^ (page >>> 15) ^ Math.imul(tag, 0x85eb_ca6b);
    return (set & (this.#sets - 1)) * (WAYS * STRIDE);
  }

  /** The entry of the same region, else a free one, else the least recently used of the set. */
  #placeFor(tag: number, high: number, low: number, shift: number): number {
    const words = this.#words;
    const keyLow = alignDown(low, shift) | 0;
    const first = this.#setOf(tag, high, low, shift);
    let place = first;
    let oldest = Number.POSITIVE_INFINITY;
    for (let at = first; at < first + WAYS * STRIDE; at += STRIDE) {
      const isValid = words[at + FLAGS] !== 0;
      const isSame =
        words[at + TAG] === tag &&
        words[at + KEY_LOW] === keyLow &&
        words[at + KEY_HIGH] === (high | 0) &&
        words[at + SHIFT] === shift;
      if (isSame && isValid) {
        return at;
      }
      const age = isValid ? (words[at + STAMP] as number) >>> 0 : -1;
      if (age < oldest) {
        oldest = age;
        place = at;
      }
    }
    return place;
  }

  #drop(at: number): void {
    if (this.#words[at + FLAGS] !== 0) {
      this.#words[at + FLAGS] = 0;
      this.#countLarge(this.#words[at + SHIFT] as number, -1);
    }
  }

  #countLarge(shift: number, by: number): void {
    if (shift === SHIFT_2M) {
      this.#large2M += by;
    } else if (shift === SHIFT_1G) {
      this.#large1G += by;
    }
  }
}

function tagOf(pasid: number, isPrivileged: boolean): number {
  return (pasid + 1) | (isPrivileged ? PRIVILEGED : 0);
}

function pasidOf(tag: number): number {
  return (tag & ~PRIVILEGED) - 1;
}

function alignDown(low: number, shift: number): number {
  return ((low >>> shift) << shift) >>> 0;
}
