/**
 * Interrupt entry cache: copies of interrupt remapping entries, by index. VT-d 5.10 sections 6.2.1 and 6.5.2.8.
 *
 * Only entries that passed every check are cached. A copy is used until it is invalidated or evicted, whatever happens to
 * memory meanwhile. Four ways, least recently used goes first; a capacity below four turns the cache off.
 */
import {
  INTERRUPT_ENTRIES_INVALIDATED,
  INTERRUPT_ENTRY_CACHED,
  INTERRUPT_ENTRY_HIT,
} from '../../spec/events/interrupt.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import { EntryCache, type EntryCacheState } from './entry-cache.ts';

export const ENTRY_WORDS = 4;
const MISS = -1;

export interface InterruptEntryCacheCounters {
  hits: number;
  misses: number;
  fills: number;
  invalidated: number;
}

export interface CachedInterruptEntry {
  readonly index: number;
  readonly words: Uint32Array;
}

export interface InterruptEntryCacheState {
  readonly entries: EntryCacheState;
  readonly counters: Readonly<InterruptEntryCacheCounters>;
}

export class InterruptEntryCache implements Snapshotable<InterruptEntryCacheState> {
  readonly #cache: EntryCache;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #counters: InterruptEntryCacheCounters = {
    hits: 0,
    misses: 0,
    fills: 0,
    invalidated: 0,
  };

  constructor(capacity: number, trace: Trace, source: number) {
    this.#cache = new EntryCache(capacity, ENTRY_WORDS);
    this.#trace = trace;
    this.#source = source;
  }

  get capacity(): number {
    return this.#cache.capacity;
  }

  get counters(): Readonly<InterruptEntryCacheCounters> {
    return this.#counters;
  }

  /** Storage of the copies: `lookup` gives the place of the first word in it. */
  get words(): Uint32Array {
    return this.#cache.words;
  }

  /** Place of the copy in `words`, -1 on a miss. */
  lookup(index: number): number {
    if (this.#cache.isOff) {
      return MISS;
    }
    const at = this.#cache.lookup(index, 0);
    if (at === MISS) {
      this.#counters.misses++;
      return MISS;
    }
    this.#counters.hits++;
    if (this.#trace.isOn) {
      this.#trace.begin(INTERRUPT_ENTRY_HIT, this.#source);
      this.#trace.num(index);
      this.#trace.end();
    }
    return at;
  }

  fill(index: number, from: Uint32Array, offset: number): void {
    if (this.#cache.isOff) {
      return;
    }
    this.#cache.fill(index, 0, from, offset, 0);
    this.#counters.fills++;
    if (this.#trace.isOn) {
      this.#trace.begin(INTERRUPT_ENTRY_CACHED, this.#source);
      this.#trace.num(index);
      this.#trace.end();
    }
  }

  /** Gives the number of copies dropped. */
  invalidateAll(): number {
    const dropped = this.#cache.invalidate(() => true);
    return this.#invalidated(true, 0, 0, dropped);
  }

  /** Drops copies whose index equals `index` but for its low `maskBits` bits. */
  invalidateIndex(index: number, maskBits: number): number {
    const wanted = index >>> maskBits;
    const dropped = this.#cache.invalidate((key) => key >>> maskBits === wanted);
    return this.#invalidated(false, index, maskBits, dropped);
  }

  entries(): readonly CachedInterruptEntry[] {
    return this.#cache
      .entries()
      .map(({ keyA, words }) => ({ index: keyA, words }))
      .sort((a, b) => a.index - b.index);
  }

  snapshot(): InterruptEntryCacheState {
    return { entries: this.#cache.snapshot(), counters: { ...this.#counters } };
  }

  restore(state: InterruptEntryCacheState): void {
    this.#cache.restore(state.entries);
    Object.assign(this.#counters, state.counters);
  }

  #invalidated(isGlobal: boolean, index: number, maskBits: number, dropped: number): number {
    this.#counters.invalidated += dropped;
    this.#trace.record(
      INTERRUPT_ENTRIES_INVALIDATED,
      this.#source,
      isGlobal,
      index,
      maskBits,
      dropped,
    );
    return dropped;
  }
}
