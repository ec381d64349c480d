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

export interface AtcState {
  readonly tags: Int32Array;
  readonly keys: Uint32Array;
  readonly values: Uint32Array;
  readonly flags: Uint8Array;
  readonly shifts: Uint8Array;
  readonly stamps: Float64Array;
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
  readonly #tags: Int32Array;
  readonly #keys: Uint32Array;
  readonly #values: Uint32Array;
  readonly #flags: Uint8Array;
  readonly #shifts: Uint8Array;
  readonly #stamps: Float64Array;
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
    this.#tags = new Int32Array(entries);
    this.#keys = new Uint32Array(entries * 2);
    this.#values = new Uint32Array(entries * 2);
    this.#flags = new Uint8Array(entries);
    this.#shifts = new Uint8Array(entries);
    this.#stamps = new Float64Array(entries);
  }

  get capacity(): number {
    return this.#flags.length;
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
    const index = this.#placeFor(tag, high, low, shift);
    this.#drop(index);
    this.#tags[index] = tag;
    this.#keys[index * 2] = high;
    this.#keys[index * 2 + 1] = alignDown(low, shift);
    const highMask = pageShift > 32 ? 2 ** (pageShift - 32) - 1 : 0;
    const lowMask = pageShift >= 32 ? 0xffff_ffff : 2 ** pageShift - 1;
    this.#values[index * 2] = (answer.high & ~highMask) | (high & highMask);
    this.#values[index * 2 + 1] = alignDown((answer.low & ~lowMask) | (low & lowMask), shift);
    this.#shifts[index] = shift;
    this.#flags[index] =
      VALID |
      (answer.isReadable ? READ : 0) |
      (answer.isWritable ? WRITE : 0) |
      (answer.isUntranslatedOnly ? UNTRANSLATED_ONLY : 0);
    this.#stamps[index] = ++this.#clock;
    this.#countLarge(shift, 1);
  }

  /** Drops what an invalidation names; gives the number of entries dropped. `isGlobal` covers all PASIDs. */
  invalidate(request: InvalidateRequest): number {
    let dropped = 0;
    for (let index = 0; index < this.#flags.length; index++) {
      const pasid = (this.#tags[index] as number) >> 1;
      const isAddressed = request.isGlobal || pasid === request.pasid;
      if (
        (this.#flags[index] as number) !== 0 &&
        isAddressed &&
        isSameRegion(
          request.high,
          request.low,
          this.#keys[index * 2] as number,
          this.#keys[index * 2 + 1] as number,
          Math.max(request.sizeShift, this.#shifts[index] as number),
        )
      ) {
        this.#drop(index);
        dropped++;
      }
    }
    this.#epoch++;
    return dropped;
  }

  clear(): void {
    for (let index = 0; index < this.#flags.length; index++) {
      this.#drop(index);
    }
    this.#epoch++;
  }

  entries(): readonly AtcEntry[] {
    const found: AtcEntry[] = [];
    for (let i = 0; i < this.#flags.length; i++) {
      const flags = this.#flags[i] as number;
      if (flags !== 0) {
        const tag = this.#tags[i] as number;
        found.push({
          pasid: tag >> 1,
          isPrivileged: (tag & 1) !== 0,
          high: this.#keys[i * 2] as number,
          low: this.#keys[i * 2 + 1] as number,
          pageShift: this.#shifts[i] as number,
          isReadable: (flags & READ) !== 0,
          isWritable: (flags & WRITE) !== 0,
          isUntranslatedOnly: (flags & UNTRANSLATED_ONLY) !== 0,
          translatedHigh: this.#values[i * 2] as number,
          translatedLow: this.#values[i * 2 + 1] as number,
        });
      }
    }
    return found;
  }

  snapshot(): AtcState {
    return {
      tags: this.#tags.slice(),
      keys: this.#keys.slice(),
      values: this.#values.slice(),
      flags: this.#flags.slice(),
      shifts: this.#shifts.slice(),
      stamps: this.#stamps.slice(),
      clock: this.#clock,
      epoch: this.#epoch,
    };
  }

  restore(state: AtcState): void {
    this.#tags.set(state.tags);
    this.#keys.set(state.keys);
    this.#values.set(state.values);
    this.#flags.set(state.flags);
    this.#shifts.set(state.shifts);
    this.#stamps.set(state.stamps);
    this.#clock = state.clock;
    this.#epoch = state.epoch;
    this.#large2M = state.shifts.filter(
      (shift, i) => shift === SHIFT_2M && state.flags[i] !== 0,
    ).length;
    this.#large1G = state.shifts.filter(
      (shift, i) => shift === SHIFT_1G && state.flags[i] !== 0,
    ).length;
  }

  #probe(tag: number, high: number, low: number, isWrite: boolean, shift: number): boolean {
    const key = alignDown(low, shift);
    const first = this.#setOf(tag, high, low, shift) * WAYS;
    const needed = isWrite ? WRITE : READ;
    for (let index = first; index < first + WAYS; index++) {
      if (
        this.#tags[index] === tag &&
        this.#keys[index * 2 + 1] === key &&
        this.#keys[index * 2] === high &&
        this.#shifts[index] === shift &&
        ((this.#flags[index] as number) & needed) !== 0
      ) {
        this.#stamps[index] = ++this.#clock;
        this.high = this.#values[index * 2] as number;
        this.low = ((this.#values[index * 2 + 1] as number) | (low - key)) >>> 0;
        this.isUntranslatedOnly = ((this.#flags[index] as number) & UNTRANSLATED_ONLY) !== 0;
        return true;
      }
    }
    return false;
  }

  #setOf(tag: number, high: number, low: number, shift: number): number {
    const page = (low >>> shift) ^ Math.imul(high, 0x9e37_79b1) ^ Math.imul(tag, 0x85eb_ca6b);
    return (page ^ (page >>> 15)) & (this.#sets - 1);
  }

  /** The entry of the same region, else a free one, else the least recently used of the set. */
  #placeFor(tag: number, high: number, low: number, shift: number): number {
    const key = alignDown(low, shift);
    const first = this.#setOf(tag, high, low, shift) * WAYS;
    let place = first;
    let oldest = Number.POSITIVE_INFINITY;
    for (let index = first; index < first + WAYS; index++) {
      const isSame =
        this.#tags[index] === tag &&
        this.#keys[index * 2 + 1] === key &&
        this.#keys[index * 2] === high &&
        this.#shifts[index] === shift;
      const age = this.#flags[index] === 0 ? -1 : (this.#stamps[index] as number);
      if (isSame && this.#flags[index] !== 0) {
        return index;
      }
      if (age < oldest) {
        oldest = age;
        place = index;
      }
    }
    return place;
  }

  #drop(index: number): void {
    if (this.#flags[index] !== 0) {
      this.#flags[index] = 0;
      this.#countLarge(this.#shifts[index] as number, -1);
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
  return pasid * 2 + (isPrivileged ? 1 : 0);
}

function alignDown(low: number, shift: number): number {
  return ((low >>> shift) << shift) >>> 0;
}
