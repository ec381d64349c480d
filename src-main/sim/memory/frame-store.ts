/**
 * Storage of 4 KiB frames: one growing Uint32Array, 1,024 words a frame, shared by all physical memories of a run (the
 * live machine and the replicas that show its past), so that keyframes share what did not change.
 *
 * A slot holds a frame of memory or part of a page map: 1,024 slot numbers, `NO_SLOT` where there is no memory. Slot 0
 * is the frame of zeros that stands for all RAM never written, and at the same time the leaf that maps 1,024 times that
 * frame; slot 1 is the leaf of a region without memory. Both are read-only. Each slot remembers the epoch in which it was
 * made: a memory may write a slot only in its own current epoch, otherwise it copies it first.
 */
import { invariant } from '../../bits/invariant.ts';

export const FRAME_WORDS = 1024;
export const FRAME_BYTES = 4096;
export const ZERO_SLOT = 0;
export const HOLE_SLOT = 1;
/** Entry of a leaf where there is no memory: negative as a signed word, and slot 0 but for its sign. */
export const NO_SLOT = 0x8000_0000;
const FIRST_FREE_SLOT = 2;
/** Epoch of frames that nobody may write. */
export const READ_ONLY_EPOCH = 0;

export class FrameStore {
  /** Word i of slot s is `words[s * 1024 + i]`. Replaced when it grows: reload it after any write. */
  words: Uint32Array;
  #epochs: Int32Array;
  #used = FIRST_FREE_SLOT;
  #free: number[] = [];
  readonly #pinned: number[] = [];
  #nextEpoch = 1;

  constructor(initialFrames = 256) {
    const frames = Math.max(initialFrames, FIRST_FREE_SLOT);
    this.words = new Uint32Array(frames * FRAME_WORDS);
    this.words.fill(NO_SLOT, HOLE_SLOT * FRAME_WORDS, (HOLE_SLOT + 1) * FRAME_WORDS);
    this.#epochs = new Int32Array(frames);
  }

  /** Slots in use: frames and leaves, the two fixed ones included. */
  get frames(): number {
    return this.#used - this.#free.length;
  }

  newEpoch(): number {
    return this.#nextEpoch++;
  }

  epochOf(slot: number): number {
    return this.#epochs[slot] as number;
  }

  setEpoch(slot: number, epoch: number): void {
    this.#epochs[slot] = epoch;
  }

  /** A slot that holds a copy of `from`, writable in `epoch`. */
  copy(from: number, epoch: number): number {
    const slot = this.#free.pop() ?? this.#extend();
    this.words.copyWithin(slot * FRAME_WORDS, from * FRAME_WORDS, (from + 1) * FRAME_WORDS);
    this.#epochs[slot] = epoch;
    return slot;
  }

  /**
   * `count` adjacent slots that are never freed, for the upper level of a page map. The first is a multiple of the next power
   * of two, so that offsets into the run can be ORed.
   */
  reserveRun(count: number): number {
    const alignment = 2 ** Math.ceil(Math.log2(count));
    while (this.#used % alignment !== 0) {
      this.#free.push(this.#extend());
    }
    const first = this.#used;
    for (let i = 0; i < count; i++) {
      this.#pinned.push(this.#extend());
    }
    return first;
  }

  /** Frees every slot that none of the given page maps (lists of leaf slots) uses. */
  collect(pageMaps: Iterable<Uint32Array>): void {
    const live = new Uint8Array(this.#used);
    live.fill(1, 0, FIRST_FREE_SLOT);
    for (const slot of this.#pinned) {
      live[slot] = 1;
    }
    for (const leaves of pageMaps) {
      for (const leaf of leaves) {
        if (live[leaf] === 1) {
          continue;
        }
        live[leaf] = 1;
        for (let i = leaf * FRAME_WORDS; i < (leaf + 1) * FRAME_WORDS; i++) {
          const slot = this.words[i] as number;
          if (slot !== NO_SLOT) {
            live[slot] = 1;
          }
        }
      }
    }
    this.#free = [];
    for (let slot = this.#used - 1; slot >= FIRST_FREE_SLOT; slot--) {
      if (live[slot] === 0) {
        this.#free.push(slot);
      }
    }
  }

  #extend(): number {
    if (this.#used * FRAME_WORDS === this.words.length) {
      // Growing by half keeps the cost per frame constant and wastes less than doubling for large tables.
      const frames = Math.ceil(this.#used * 1.5);
      invariant(frames < 2 ** 21, 'Simulated memory in use exceeds 8 GiB');
      const words = new Uint32Array(frames * FRAME_WORDS);
      words.set(this.words);
      this.words = words;
      const epochs = new Int32Array(frames);
      epochs.set(this.#epochs);
      this.#epochs = epochs;
    }
    return this.#used++;
  }
}
