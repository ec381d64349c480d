/**
 * Physical memory of a machine: sparse, copy-on-write 4 KiB frames behind a two-level radix map.
 *
 * Addresses are two 32-bit halves on hot paths (`locate`) and Numbers below 2^53 elsewhere. Bits 53:22 select a leaf of
 * the map, bits 21:12 a frame in it, bits 11:2 a word. Both levels of the map are slots of the `FrameStore` like the frames
 * themselves, so that a lookup touches one typed array. Multi-byte values are little-endian.
 *
 * Not modelled: caches, memory types, ECC, NUMA distance. Access widths are unrestricted.
 */
import { invariant } from '../../bits/invariant.ts';
import { toHex } from '../../bits/hex.ts';
import { TWO_32, bigOf, highOf, highOfBig, lowOf, lowOfBig } from '../../bits/u64.ts';
import type { StateHash } from '../core/hash.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import {
  FRAME_BYTES,
  FRAME_WORDS,
  HOLE_SLOT,
  NO_SLOT,
  READ_ONLY_EPOCH,
  ZERO_SLOT,
  type FrameStore,
} from './frame-store.ts';

export interface MemoryRegion {
  readonly base: number;
  readonly bytes: number;
  readonly kind: 'ram' | 'rom';
}

/** Result of `locateForWrite` where there is memory that cannot be written. */
export const READ_ONLY = -2;
/** Result of `locate` and `locateForWrite` where there is no memory. */
export const NO_MEMORY = -1;

const LEAF_FRAMES = FRAME_WORDS;
const LEAF_BYTES = LEAF_FRAMES * FRAME_BYTES;
/** Leaves that one value of the high address half selects among. */
const LEAVES_PER_HIGH = TWO_32 / LEAF_BYTES;

/** A page map frozen at one instant. Shares leaves and frames with its memory and with other snapshots. */
export interface MemorySnapshot {
  /** Slot of each leaf, by address. */
  readonly leaves: Uint32Array;
}

export class PhysicalMemory implements Snapshotable<MemorySnapshot> {
  readonly store: FrameStore;
  readonly regions: readonly MemoryRegion[];
  /** Word index of the slot of the first leaf; those of the others follow. See `locateMapped`. */
  readonly mapStart: number = 0;
  /** High halves that the map covers: 0 to this, all ones. */
  readonly mapHighMask: number = 0;
  /** Changes whenever a watched frame is about to change. See `watch`. */
  generation = 0;
  readonly #leafCount: number = 0;
  #epoch = 0;
  readonly #rom: readonly MemoryRegion[];

  constructor(store: FrameStore, regions: readonly MemoryRegion[]) {
    this.store = store;
    this.regions = regions;
    this.#rom = regions.filter((r) => r.kind === 'rom');
    this.#epoch = store.newEpoch();
    const end = Math.max(1, ...regions.map((r) => r.base + r.bytes));
    const highs = 2 ** Math.ceil(Math.log2(highOf(end - 1) + 1));
    this.mapHighMask = highs - 1;
    this.#leafCount = highs * LEAVES_PER_HIGH;
    this.mapStart = store.reserveRun(this.#leafCount / FRAME_WORDS) * FRAME_WORDS;
    for (let i = 0; i < this.#leafCount; i++) {
      const leaf = this.#initialLeaf(i * LEAF_BYTES);
      store.words[this.mapStart + i] = leaf;
    }
  }

  #initialLeaf(base: number): number {
    const touching = this.regions.filter(
      (r) => r.base < base + LEAF_BYTES && r.base + r.bytes > base,
    );
    if (touching.length === 0) {
      return HOLE_SLOT;
    }
    if (touching.some((r) => r.base <= base && r.base + r.bytes >= base + LEAF_BYTES)) {
      return ZERO_SLOT;
    }
    const leaf = this.store.copy(HOLE_SLOT, this.#epoch);
    for (const region of touching) {
      invariant(
        region.base % FRAME_BYTES === 0 && region.bytes % FRAME_BYTES === 0,
        `Memory region at ${toHex(region.base)} is not a whole number of 4 KiB frames`,
      );
      const first = Math.max(0, (region.base - base) / FRAME_BYTES);
      const last = Math.min(LEAF_FRAMES, (region.base + region.bytes - base) / FRAME_BYTES);
      this.store.words.fill(ZERO_SLOT, leaf * FRAME_WORDS + first, leaf * FRAME_WORDS + last);
    }
    return leaf;
  }

  /** Index into `store.words` of the word at the address, or `NO_MEMORY`. */
  locate(high: number, low: number): number {
    if (high >>> 0 > this.mapHighMask) {
      return -1;
    }
    const { words } = this.store;
    const leaf = words[this.mapStart | (high << 10) | (low >>> 22)] as number;
    const slot = (words[(leaf << 10) | ((low >>> 12) & 1023)] as number) | 0;
    return slot < 0 ? -1 : (slot << 10) | ((low >>> 2) & 1023);
  }

  /** As `locate`, after making the frame writable; `READ_ONLY` for ROM. Invalidates earlier word indexes of the frame. */
  locateForWrite(high: number, low: number): number {
    if (high >>> 0 > this.mapHighMask) {
      return NO_MEMORY;
    }
    const { words } = this.store;
    const leaf = words[this.mapStart | (high << 10) | (low >>> 22)] as number;
    const slot = (words[(leaf << 10) | ((low >>> 12) & 1023)] as number) | 0;
    if (slot < 0) {
      return NO_MEMORY;
    }
    if (this.store.epochOf(slot) === this.#epoch) {
      return (slot << 10) | ((low >>> 2) & 1023);
    }
    return this.#claim(high, low, slot);
  }

  #claim(high: number, low: number, slot: number): number {
    this.generation++;
    if (this.store.epochOf(slot) === ~this.#epoch) {
      this.store.setEpoch(slot, this.#epoch);
      return (slot << 10) | ((low >>> 2) & 1023);
    }
    const at = high * TWO_32 + (low >>> 0);
    if (this.#rom.some((r) => at >= r.base && at < r.base + r.bytes)) {
      return READ_ONLY;
    }
    const copy = this.store.copy(slot, this.#epoch);
    this.#mapFrame((high << 10) | (low >>> 22), (low >>> 12) & 1023, copy);
    return (copy << 10) | ((low >>> 2) & 1023);
  }

  /**
   * Makes `generation` change before the next write to the frame of a word index that `locate` gave: what was worked out from
   * the frame's contents holds as long as `generation` does. A watched frame is one that its owner must claim again.
   */
  watch(wordIndex: number): void {
    const slot = wordIndex >>> 10;
    if (this.store.epochOf(slot) === this.#epoch) {
      this.store.setEpoch(slot, ~this.#epoch);
    }
  }

  #mapFrame(top: number, frame: number, slot: number): void {
    let leaf = this.store.words[this.mapStart + top] as number;
    if (this.store.epochOf(leaf) !== this.#epoch) {
      leaf = this.store.copy(leaf, this.#epoch);
      this.store.words[this.mapStart + top] = leaf;
    }
    this.store.words[leaf * FRAME_WORDS + frame] = slot;
  }

  isMemory(address: number, bytes = 1): boolean {
    for (let at = address - (address % FRAME_BYTES); at < address + bytes; at += FRAME_BYTES) {
      if (this.locate(highOf(at), lowOf(at)) < 0) {
        return false;
      }
    }
    return true;
  }

  /** 32-bit read; all ones where there is no memory. The address is aligned down to 4. */
  read32(address: number): number {
    const index = this.locate(highOf(address), lowOf(address));
    return index < 0 ? 0xffff_ffff : (this.store.words[index] as number);
  }

  /** False where there is no writable memory. */
  write32(address: number, value: number): boolean {
    const index = this.locateForWrite(highOf(address), lowOf(address));
    if (index < 0) {
      return false;
    }
    this.store.words[index] = value;
    return true;
  }

  /** 64-bit read of an 8-byte aligned address. */
  read64(address: number): bigint {
    return bigOf(this.read32(address + 4), this.read32(address));
  }

  write64(address: number, value: bigint): boolean {
    return this.write32(address, lowOfBig(value)) && this.write32(address + 4, highOfBig(value));
  }

  /** Copies 32-bit words out of memory; the address is 4-byte aligned. */
  readWords(address: number, into: Uint32Array, count = into.length): void {
    for (let i = 0; i < count; i++) {
      into[i] = this.read32(address + i * 4);
    }
  }

  writeWords(address: number, from: ArrayLike<number>, count = from.length): boolean {
    let isStored = true;
    for (let i = 0; i < count; i++) {
      isStored = this.write32(address + i * 4, from[i] as number) && isStored;
    }
    return isStored;
  }

  readBytes(address: number, bytes: number): Uint8Array {
    const out = new Uint8Array(bytes);
    this.readInto(address, out, 0, bytes);
    return out;
  }

  /** Reads into `out[offset...]`. Bytes without memory behind them read as FFh. */
  readInto(address: number, out: Uint8Array, offset: number, bytes: number): void {
    let at = address;
    let to = offset;
    let left = bytes;
    while (left > 0) {
      const inFrame = at - Math.floor(at / FRAME_BYTES) * FRAME_BYTES;
      const run = Math.min(left, FRAME_BYTES - inFrame);
      const base = this.locate(highOf(at - inFrame), lowOf(at - inFrame));
      if (base < 0) {
        out.fill(0xff, to, to + run);
      } else {
        const frame = new Uint8Array(this.store.words.buffer, base * 4 + inFrame, run);
        out.set(frame, to);
      }
      at += run;
      to += run;
      left -= run;
    }
  }

  /** Writes `bytes.length` bytes; false when some of them had no writable memory (the others are stored). */
  writeBytes(address: number, bytes: Uint8Array): boolean {
    return this.writeFrom(address, bytes, 0, bytes.length);
  }

  /** Writes `count` bytes from `bytes[offset...]`. */
  writeFrom(address: number, bytes: Uint8Array, offset: number, count: number): boolean {
    let at = address;
    let from = offset;
    const end = offset + count;
    let isStored = true;
    while (from < end) {
      const inFrame = at - Math.floor(at / FRAME_BYTES) * FRAME_BYTES;
      const run = Math.min(end - from, FRAME_BYTES - inFrame);
      const base = this.locateForWrite(highOf(at - inFrame), lowOf(at - inFrame));
      if (base < 0) {
        isStored = false;
      } else {
        new Uint8Array(this.store.words.buffer, base * 4 + inFrame, run).set(
          bytes.subarray(from, from + run),
        );
      }
      at += run;
      from += run;
    }
    return isStored;
  }

  /** Fills ROM when the machine is built. */
  loadRom(address: number, bytes: Uint8Array): void {
    this.generation++;
    invariant(address % FRAME_BYTES === 0, 'ROM is loaded by whole frames');
    for (let from = 0; from < bytes.length; from += FRAME_BYTES) {
      const at = address + from;
      const slot = this.store.copy(ZERO_SLOT, READ_ONLY_EPOCH);
      const chunk = bytes.subarray(from, from + FRAME_BYTES);
      new Uint8Array(this.store.words.buffer, slot * FRAME_BYTES, chunk.length).set(chunk);
      this.#mapFrame(Math.floor(at / LEAF_BYTES), (at % LEAF_BYTES) / FRAME_BYTES, slot);
    }
  }

  /** Freezes the present contents. From now on every first write to a frame copies it. */
  snapshot(): MemorySnapshot {
    this.#epoch = this.store.newEpoch();
    return { leaves: this.store.words.slice(this.mapStart, this.mapStart + this.#leafCount) };
  }

  /** Takes over frozen contents, also of another memory of the same store and regions. */
  restore(state: MemorySnapshot): void {
    this.generation++;
    this.store.words.set(state.leaves, this.mapStart);
    this.#epoch = this.store.newEpoch();
  }

  /** Adds every frame that differs from zero to the hash, in address order. */
  hashInto(hash: StateHash): void {
    const { words } = this.store;
    for (let top = 0; top < this.#leafCount; top++) {
      const leaf = words[this.mapStart + top] as number;
      if (leaf === ZERO_SLOT || leaf === HOLE_SLOT) {
        continue;
      }
      for (let frame = 0; frame < LEAF_FRAMES; frame++) {
        const slot = words[leaf * FRAME_WORDS + frame] as number;
        if (slot === ZERO_SLOT || slot === NO_SLOT) {
          continue;
        }
        const start = slot * FRAME_WORDS;
        let isZero = true;
        for (let i = start; i < start + FRAME_WORDS && isZero; i++) {
          isZero = words[i] === 0;
        }
        if (!isZero) {
          hash.word(top);
          hash.word(frame);
          hash.words(words, start, start + FRAME_WORDS);
        }
      }
    }
  }
}

/**
 * `PhysicalMemory.locate` for loops that hold `words` and `mapStart` already, and an address without bits above
 * `mapHighMask`. Where there is no memory it gives a word that is zero.
 */
export function locateMapped(
  words: Uint32Array,
  mapStart: number,
  high: number,
  low: number,
): number {
  const leaf = words[mapStart | (high << 10) | (low >>> 22)] as number;
  // The shift drops the sign of an entry without memory, which leaves the frame of zeros.
  const slot = words[(leaf << 10) | ((low >>> 12) & 1023)] as number;
  return (slot << 10) | ((low >>> 2) & 1023);
}
