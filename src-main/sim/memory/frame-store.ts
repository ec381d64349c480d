/**
 * Storage of 4 KiB frames: one growing Uint32Array, 1,024 words a frame, shared by all physical memories of a run (the
 * live machine and the replicas that show its past), so that keyframes share what did not change.
 *
 * Slot 0 is the frame of zeros that stands for all RAM never written; it is read-only. Each slot remembers the epoch in
 * which it was made: a memory may write a slot only in its own current epoch, otherwise it copies it first.
 */
import { invariant } from '../../bits/invariant.ts';

export const FRAME_WORDS = 1024;
export const FRAME_BYTES = 4096;
export const ZERO_SLOT = 0;

export class FrameStore {
  /** Word i of slot s is `words[s * 1024 + i]`. Replaced when it grows: reload it after any write. */
  words: Uint32Array;
  #epochs: Int32Array;
  #used = 1;
  #free: number[] = [];
  #nextEpoch = 1;

  constructor(initialFrames = 256) {
    this.words = new Uint32Array(initialFrames * FRAME_WORDS);
    this.#epochs = new Int32Array(initialFrames);
  }

  /** Frames in use, the frame of zeros included. */
  get frames(): number {
    return this.#used - this.#free.length;
  }

  newEpoch(): number {
    return this.#nextEpoch++;
  }

  epochOf(slot: number): number {
    return this.#epochs[slot] as number;
  }

  /** A slot that holds a copy of `from`, writable in `epoch`. */
  copy(from: number, epoch: number): number {
    const slot = this.#free.pop() ?? this.#extend();
    this.words.copyWithin(slot * FRAME_WORDS, from * FRAME_WORDS, (from + 1) * FRAME_WORDS);
    this.#epochs[slot] = epoch;
    return slot;
  }

  /** Frees every slot that none of the given page maps uses. */
  collect(pageMaps: Iterable<readonly Int32Array[]>): void {
    const live = new Uint8Array(this.#used);
    live[ZERO_SLOT] = 1;
    const seen = new Set<Int32Array>();
    for (const leaves of pageMaps) {
      for (const leaf of leaves) {
        if (seen.has(leaf)) {
          continue;
        }
        seen.add(leaf);
        for (const slot of leaf) {
          if (slot > 0) {
            live[slot] = 1;
          }
        }
      }
    }
    this.#free = [];
    for (let slot = this.#used - 1; slot > 0; slot--) {
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
