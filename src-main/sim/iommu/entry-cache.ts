/**
 * A small set-associative cache of raw table entries: the context cache (by Requester ID) and the PASID cache (by
 * Requester ID and PASID). Entries are kept as the words that were read, so that a view can compare them with memory.
 */
import type { Snapshotable } from '../core/snapshot.ts';

const WAYS = 4;
const HEADER = 4;
const VALID = 1;

export interface EntryCacheState {
  readonly words: Uint32Array;
  readonly clock: number;
}

export interface CachedEntry {
  readonly keyA: number;
  readonly keyB: number;
  readonly words: Uint32Array;
  /** FPD bits of the structures above the entry. */
  readonly flags: number;
}

export class EntryCache implements Snapshotable<EntryCacheState> {
  readonly words: Uint32Array;
  readonly #entryWords: number;
  readonly #stride: number;
  readonly #setMask: number;
  #clock = 0;

  constructor(capacity: number, entryWords: number) {
    const sets = capacity < WAYS ? 0 : 2 ** Math.floor(Math.log2(capacity / WAYS));
    this.#entryWords = entryWords;
    this.#stride = HEADER + entryWords;
    this.words = new Uint32Array(sets * WAYS * this.#stride);
    this.#setMask = sets - 1;
  }

  get isOff(): boolean {
    return this.words.length === 0;
  }

  get capacity(): number {
    return this.words.length / this.#stride;
  }

  /** Index of the entry's first word in `words`, -1 on a miss. */
  lookup(keyA: number, keyB: number): number {
    if (this.words.length === 0) {
      return -1;
    }
    const { words } = this;
    const stride = this.#stride;
    const first = this.#setOf(keyA, keyB);
    for (let at = first; at < first + WAYS * stride; at += stride) {
      if (
        ((words[at] as number) & VALID) !== 0 &&
        words[at + 1] === keyA &&
        words[at + 2] === keyB
      ) {
        words[at + 3] = ++this.#clock;
        return at + HEADER;
      }
    }
    return -1;
  }

  /** Flags stored with the entry whose first word is at `index`. */
  flagsAt(index: number): number {
    return (this.words[index - HEADER] as number) >>> 1;
  }

  /** Keeps the first `count` words of an entry; the rest reads as zero. */
  fill(
    keyA: number,
    keyB: number,
    from: Uint32Array,
    offset: number,
    flags: number,
    count = this.#entryWords,
  ): void {
    if (this.words.length === 0) {
      return;
    }
    const { words } = this;
    const stride = this.#stride;
    const first = this.#setOf(keyA, keyB);
    let best = first;
    let bestAge = Number.POSITIVE_INFINITY;
    for (let at = first; at < first + WAYS * stride; at += stride) {
      const isValid = ((words[at] as number) & VALID) !== 0;
      if (isValid && words[at + 1] === keyA && words[at + 2] === keyB) {
        best = at;
        break;
      }
      const age = isValid ? (words[at + 3] as number) : -1;
      if (age < bestAge) {
        bestAge = age;
        best = at;
      }
    }
    words[best] = VALID | (flags << 1);
    words[best + 1] = keyA;
    words[best + 2] = keyB;
    words[best + 3] = ++this.#clock;
    for (let i = 0; i < this.#entryWords; i++) {
      words[best + HEADER + i] = i < count ? (from[offset + i] as number) : 0;
    }
  }

  /** Drops entries that `matches` selects; `index` is the first word of the entry in `words`. Gives their number. */
  invalidate(matches: (keyA: number, keyB: number, index: number) => boolean): number {
    let dropped = 0;
    const { words } = this;
    for (let at = 0; at < words.length; at += this.#stride) {
      const isValid = ((words[at] as number) & VALID) !== 0;
      if (isValid && matches(words[at + 1] as number, words[at + 2] as number, at + HEADER)) {
        words[at] = 0;
        dropped++;
      }
    }
    return dropped;
  }

  clear(): void {
    this.words.fill(0);
  }

  entries(): readonly CachedEntry[] {
    const found: CachedEntry[] = [];
    for (let at = 0; at < this.words.length; at += this.#stride) {
      const head = this.words[at] as number;
      if ((head & VALID) !== 0) {
        found.push({
          keyA: this.words[at + 1] as number,
          keyB: this.words[at + 2] as number,
          words: this.words.slice(at + HEADER, at + this.#stride),
          flags: head >>> 1,
        });
      }
    }
    return found;
  }

  snapshot(): EntryCacheState {
    return { words: this.words.slice(), clock: this.#clock };
  }

  restore(state: EntryCacheState): void {
    this.words.set(state.words);
    this.#clock = state.clock;
  }

  #setOf(keyA: number, keyB: number): number {
    const hash = Math.imul(keyA, 0x85eb_ca6b) ^ Math.imul(keyB, 0x9e37_79b1);
    return ((hash ^ (hash >>> 15)) & this.#setMask) * (WAYS * this.#stride);
  }
}
