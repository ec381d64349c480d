/**
 * Interrupt remapping: from a write to FEEx_xxxxh to a message for the CPUs, a posted interrupt, or a fault. VT-d 5.10
 * chapter 5; the steps below follow sections 5.1.4 and 5.2.3 in their order.
 *
 * The unit composes it: GCMD_REG handling calls `latchTable` (SIRTP), `setEnabled` (IRE) and `setCompatibilityFormat` (CFI)
 * and flushes by `invalidateAll` where ESIRTPS asks for it; the invalidation queue calls `invalidateAll` and
 * `invalidateIndex`; requests without PASID to the interrupt range that are one-dword writes come in through `remap`. Other
 * accesses to that range (fault 29h) never get here.
 *
 * Not modelled: end-of-interrupt broadcasts and trigger-mode checks of I/O APICs (the machine has none). With CM=1 entries
 * that are not present are still never cached, which the specification permits.
 */
import { bigOf, highOf, lowOf } from '../../bits/u64.ts';
import { fieldOf, isFieldSet } from '../../bits/word-field.ts';
import {
  COMPATIBILITY_FORMAT_SWITCHED,
  INTERRUPT_BLOCKED,
  INTERRUPT_ENTRY_FETCHED,
  INTERRUPT_PASSED,
  INTERRUPT_REMAPPED,
  INTERRUPT_REMAPPING_SWITCHED,
  INTERRUPT_REQUESTED,
  INTERRUPT_TABLE_LATCHED,
} from '../../spec/events/interrupt.ts';
import { FAULT_REASONS } from '../../spec/vtd/faults.ts';
import { SVT, interruptTableEntries } from '../../spec/vtd/interrupt-remap-entry.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { ADDRESS_TYPE, COMPLETION, type CompletionStatus } from '../pcie/ports.ts';
import { isQualifiedReason } from './fault-policy.ts';
import {
  IRTE,
  descriptorHigh,
  descriptorLow,
  entryMasks,
  hasReservedRequestBits,
  interruptIndexOf,
  isDeliveryModeReserved,
  isInBusRange,
  isRemappable,
  matchesSource,
  messageAddressHigh,
  messageAddressLow,
  messageData,
  type EntryMasks,
} from './interrupt-codec.ts';
import {
  ENTRY_WORDS,
  InterruptEntryCache,
  type InterruptEntryCacheCounters,
  type InterruptEntryCacheState,
} from './interrupt-entry-cache.ts';
import { InterruptPosting, POSTED, createPostRequest } from './posted-interrupt.ts';
import type { FaultReport, FaultSink, InterruptSink, InterruptWatch } from './ports.ts';
import type { UnitLimits } from './unit-limits.ts';

const FAULT = {
  requestReserved: FAULT_REASONS['IR.20'].code,
  indexTooLarge: FAULT_REASONS['IR.21'].code,
  notPresent: FAULT_REASONS['IR.22'].code,
  readError: FAULT_REASONS['IR.23'].code,
  entryReserved: FAULT_REASONS['IR.24'].code,
  compatibilityBlocked: FAULT_REASONS['IR.25'].code,
  wrongSource: FAULT_REASONS['IR.26'].code,
  extendedModeRequired: FAULT_REASONS['IR.2A'].code,
  remappingRequired: FAULT_REASONS['IR.2B'].code,
} as const;

const ENTRY_BYTES = ENTRY_WORDS * 4;
/** Faults that happen before an index exists record none. */
const NO_INDEX = 0;
const NONE = 0;

export interface InterruptRemappingOptions {
  readonly memory: PhysicalMemory;
  readonly limits: UnitLimits;
  readonly faults: FaultSink;
  readonly sink: InterruptSink;
  readonly trace: Trace;
  readonly source: number;
  /** Entries of the interrupt entry cache; 0 turns it off. */
  readonly cacheEntries: number;
  readonly watch?: InterruptWatch | undefined;
}

/** What SIRTP took over from IRTA_REG. */
export interface InterruptTable {
  readonly high: number;
  readonly low: number;
  readonly entries: number;
  /** EIME. */
  readonly isExtended: boolean;
}

export interface InterruptCounters {
  readonly requests: number;
  readonly remapped: number;
  readonly posted: number;
  readonly passed: number;
  readonly blocked: number;
  readonly notifications: number;
}

export interface InterruptRemappingState {
  readonly table: InterruptTable;
  readonly isEnabled: boolean;
  readonly isCompatibilityPassed: boolean;
  readonly cache: InterruptEntryCacheState;
  readonly counters: InterruptCounters;
}

/** A cached copy beside what memory holds now. */
export interface InterruptEntryView {
  readonly index: number;
  readonly cached: Uint32Array;
  /** Undefined when the entry is outside the table or memory. */
  readonly memory: Uint32Array | undefined;
  readonly isStale: boolean;
}

export class InterruptRemapping implements Snapshotable<InterruptRemappingState> {
  readonly #memory: PhysicalMemory;
  readonly #limits: UnitLimits;
  readonly #faults: FaultSink;
  readonly #sink: InterruptSink;
  readonly #watch: InterruptWatch | undefined;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #cache: InterruptEntryCache;
  readonly #posting: InterruptPosting;
  readonly #masks: EntryMasks;
  readonly #isRequired: boolean;
  readonly #needsExtended: boolean;
  readonly #post = createPostRequest();
  readonly #report: FaultReport = {
    reason: 0,
    rid: 0,
    pasid: -1,
    high: 0,
    low: 0,
    kind: 'interrupt',
    addressType: ADDRESS_TYPE.untranslated,
    isPrivileged: false,
    isExecute: false,
  };
  readonly #counters = { requests: 0, remapped: 0, posted: 0, passed: 0, blocked: 0 };
  #table: InterruptTable = { high: 0, low: 0, entries: 0, isExtended: false };
  #isEnabled = false;
  #isCompatibilityPassed = false;

  constructor(options: InterruptRemappingOptions) {
    const { memory, sink, trace, source } = options;
    const { capability } = options.limits;
    this.#memory = memory;
    this.#limits = options.limits;
    this.#faults = options.faults;
    this.#sink = sink;
    this.#watch = options.watch;
    this.#trace = trace;
    this.#source = source;
    this.#cache = new InterruptEntryCache(options.cacheEntries, trace, source);
    this.#posting = new InterruptPosting(memory, sink, trace, source);
    this.#masks = entryMasks(capability.context);
    this.#isRequired = capability.ecap.IRREQ === 1;
    this.#needsExtended = capability.ecap.EIMER === 1;
  }

  get table(): InterruptTable {
    return this.#table;
  }

  get isEnabled(): boolean {
    return this.#isEnabled;
  }

  get counters(): InterruptCounters {
    return { ...this.#counters, notifications: this.#posting.notifications };
  }

  get cacheCounters(): Readonly<InterruptEntryCacheCounters> {
    return this.#cache.counters;
  }

  /** SIRTP: IRTA_REG takes effect. */
  latchTable(high: number, low: number, sizeField: number, isExtended: boolean): void {
    const base = low >>> 0;
    const entries = interruptTableEntries(sizeField);
    this.#table = { high, low: base, entries, isExtended };
    this.#trace.record(
      INTERRUPT_TABLE_LATCHED,
      this.#source,
      bigOf(high, base),
      entries,
      isExtended,
    );
  }

  /** IRE. */
  setEnabled(isEnabled: boolean): void {
    this.#isEnabled = isEnabled;
    this.#trace.record(INTERRUPT_REMAPPING_SWITCHED, this.#source, isEnabled);
  }

  /** CFI: counts while remapping is enabled with EIME=0. */
  setCompatibilityFormat(isPassed: boolean): void {
    this.#isCompatibilityPassed = isPassed;
    this.#trace.record(COMPATIBILITY_FORMAT_SWITCHED, this.#source, isPassed);
  }

  invalidateAll(): number {
    return this.#cache.invalidateAll();
  }

  invalidateIndex(index: number, maskBits: number): number {
    return this.#cache.invalidateIndex(index, maskBits);
  }

  /** One dword written to the interrupt range. Everything that follows has the request's record as cause. */
  remap(rid: number, high: number, low: number, data: number): CompletionStatus {
    this.#counters.requests++;
    const saved = this.#trace.cause;
    if (this.#trace.isOn) {
      this.#trace.begin(INTERRUPT_REQUESTED, this.#source);
      this.#trace.num(rid);
      this.#trace.num(low >>> 0);
      this.#trace.num(data >>> 0);
      this.#trace.enter(this.#trace.end());
    }
    const status = this.#admit(rid, high, low, data);
    this.#trace.cause = saved;
    return status;
  }

  /** Cached copies beside memory: which ones are stale and would need an invalidation. */
  cachedEntries(): readonly InterruptEntryView[] {
    return this.#cache.entries().map(({ index, words }) => {
      const memory = this.peekEntry(index);
      const isStale = memory === undefined || words.some((word, i) => word !== memory[i]);
      return { index, cached: words, memory, isStale };
    });
  }

  /** An entry as memory holds it, without side effects. */
  peekEntry(index: number): Uint32Array | undefined {
    if (index >= this.#table.entries) {
      return undefined;
    }
    const offset = this.#table.low + index * ENTRY_BYTES;
    const at = this.#memory.locate(this.#table.high + highOf(offset), lowOf(offset));
    return at < 0 ? undefined : this.#memory.store.words.slice(at, at + ENTRY_WORDS);
  }

  snapshot(): InterruptRemappingState {
    return {
      table: { ...this.#table },
      isEnabled: this.#isEnabled,
      isCompatibilityPassed: this.#isCompatibilityPassed,
      cache: this.#cache.snapshot(),
      counters: this.counters,
    };
  }

  restore(state: InterruptRemappingState): void {
    this.#table = { ...state.table };
    this.#isEnabled = state.isEnabled;
    this.#isCompatibilityPassed = state.isCompatibilityPassed;
    this.#cache.restore(state.cache);
    const { notifications, ...counters } = state.counters;
    Object.assign(this.#counters, counters);
    this.#posting.restore(notifications);
  }

  /** Formats and modes: what happens before an entry is looked at. */
  #admit(rid: number, high: number, low: number, data: number): CompletionStatus {
    if (!this.#isEnabled) {
      return this.#isRequired
        ? this.#block(rid, FAULT.remappingRequired, NO_INDEX)
        : this.#pass(rid, high, low, data);
    }
    const { isExtended } = this.#table;
    if (this.#needsExtended && !isExtended) {
      return this.#block(rid, FAULT.extendedModeRequired, NO_INDEX);
    }
    if (!isRemappable(low)) {
      return isExtended || !this.#isCompatibilityPassed
        ? this.#block(rid, FAULT.compatibilityBlocked, NO_INDEX)
        : this.#pass(rid, high, low, data);
    }
    if (hasReservedRequestBits(high, low, data)) {
      return this.#block(rid, FAULT.requestReserved, NO_INDEX);
    }
    return this.#look(rid, interruptIndexOf(low, data));
  }

  /** Finds the entry in the cache or in memory. */
  #look(rid: number, index: number): CompletionStatus {
    const table = this.#table;
    const offset = table.low + index * ENTRY_BYTES;
    const entryHigh = table.high + highOf(offset);
    if (index >= table.entries || entryHigh >= this.#limits.hostHighLimit) {
      return this.#block(rid, FAULT.indexTooLarge, index);
    }
    let { words } = this.#cache;
    let at = this.#cache.lookup(index);
    const isHit = at >= 0;
    if (!isHit) {
      at = this.#memory.locate(entryHigh, lowOf(offset));
      if (at < 0) {
        return this.#block(rid, FAULT.readError, index);
      }
      ({ words } = this.#memory.store);
      this.#traceFetch(index, entryHigh, lowOf(offset), words, at);
    }
    // A cached entry was good once, but not for every requester nor after SIRTP changed EIME.
    const reason = this.#problemOf(rid, words, at);
    if (reason !== NONE) {
      return this.#block(rid, reason, index, words[at] as number);
    }
    if (!isHit) {
      this.#cache.fill(index, words, at);
    }
    return this.#act(rid, index, words, at);
  }

  /** Presence, source, then reserved bits and conditional fields; 0 when the entry is good for this requester. */
  #problemOf(rid: number, words: Uint32Array, at: number): number {
    const word0 = words[at] as number;
    const word2 = words[at + 2] as number;
    if (!isFieldSet(word0, IRTE.P)) {
      return FAULT.notPresent;
    }
    const svt = fieldOf(word2, IRTE.SVT);
    const sid = fieldOf(word2, IRTE.SID);
    const isWrongSource =
      (svt === SVT.sidAndSq && !matchesSource(rid, sid, fieldOf(word2, IRTE.SQ))) ||
      (svt === SVT.busRange && !isInBusRange(rid, sid));
    if (isWrongSource) {
      return FAULT.wrongSource;
    }
    const isPosted = isFieldSet(word0, IRTE.IM);
    const reserved = this.#reservedMask(isPosted);
    for (let i = 0; i < ENTRY_WORDS; i++) {
      if (((words[at + i] as number) & (reserved[i] as number)) !== 0) {
        return FAULT.entryReserved;
      }
    }
    const hasBadMode = !isPosted && isDeliveryModeReserved(fieldOf(word0, IRTE.DLM));
    return svt > SVT.busRange || hasBadMode ? FAULT.entryReserved : NONE;
  }

  #reservedMask(isPosted: boolean): Uint32Array {
    if (isPosted) {
      return this.#masks.posted;
    }
    return this.#table.isExtended ? this.#masks.remappedExtended : this.#masks.remappedXapic;
  }

  #act(rid: number, index: number, words: Uint32Array, at: number): CompletionStatus {
    const word0 = words[at] as number;
    const word1 = words[at + 1] as number;
    if (isFieldSet(word0, IRTE.IM)) {
      return this.#postTo(rid, index, word0, word1, words[at + 3] as number);
    }
    const destination = fieldOf(word1, this.#table.isExtended ? IRTE.DST : IRTE.DST_XAPIC);
    this.#deliver(rid, index, word0, destination);
    return COMPLETION.success;
  }

  #postTo(
    rid: number,
    index: number,
    word0: number,
    word1: number,
    word3: number,
  ): CompletionStatus {
    const post = this.#post;
    post.rid = rid;
    post.index = index;
    post.vector = fieldOf(word0, IRTE.VV);
    post.isUrgent = isFieldSet(word0, IRTE.URG);
    post.high = descriptorHigh(word3);
    post.low = descriptorLow(word1);
    post.isExtended = this.#table.isExtended;
    const reason = this.#posting.post(post);
    if (reason !== POSTED) {
      return this.#block(rid, reason, index, word0);
    }
    this.#counters.posted++;
    this.#watch?.posted(post.high, post.low, post.vector);
    return COMPLETION.success;
  }

  #deliver(rid: number, index: number, word0: number, destination: number): void {
    this.#counters.remapped++;
    const vector = fieldOf(word0, IRTE.V);
    const destinationMode = fieldOf(word0, IRTE.DM);
    const trigger = fieldOf(word0, IRTE.TM);
    if (this.#trace.isOn) {
      this.#trace.begin(INTERRUPT_REMAPPED, this.#source);
      this.#trace.num(rid);
      this.#trace.num(index);
      this.#trace.num(vector);
      this.#trace.num(destination);
      this.#trace.num(destinationMode);
      this.#trace.num(trigger);
      this.#trace.enter(this.#trace.end());
    }
    const high = messageAddressHigh(destination);
    const low = messageAddressLow(destination, fieldOf(word0, IRTE.RH), destinationMode);
    const data = messageData(vector, fieldOf(word0, IRTE.DLM), trigger);
    this.#watch?.delivered(high, low, data);
    this.#sink.deliver(high, low, data);
  }

  /** Compatibility format, or remapping disabled: the message goes on as it came. */
  #pass(rid: number, high: number, low: number, data: number): CompletionStatus {
    this.#counters.passed++;
    if (this.#trace.isOn) {
      this.#trace.begin(INTERRUPT_PASSED, this.#source);
      this.#trace.num(rid);
      this.#trace.num(low >>> 0);
      this.#trace.num(data >>> 0);
      this.#trace.enter(this.#trace.end());
    }
    this.#watch?.delivered(high, low, data);
    this.#sink.deliver(high, low, data);
    return COMPLETION.success;
  }

  /** Qualified faults are recorded only while FPD=0 in the entry; `word0` is the entry's first word where there is one. */
  #block(rid: number, reason: number, index: number, word0 = 0): CompletionStatus {
    this.#counters.blocked++;
    const isRecorded = !(isQualifiedReason(reason) && isFieldSet(word0, IRTE.FPD));
    if (this.#trace.isOn) {
      this.#trace.begin(INTERRUPT_BLOCKED, this.#source);
      this.#trace.num(rid);
      this.#trace.num(reason);
      this.#trace.num(index);
      this.#trace.num(isRecorded ? 1 : 0);
      this.#trace.enter(this.#trace.end());
    }
    if (isRecorded) {
      const report = this.#report;
      report.reason = reason;
      report.rid = rid;
      // Bits 63:48 of the fault information; a sum of handle and subhandle may have a bit more.
      report.high = ((index & 0xffff) << 16) >>> 0;
      report.low = 0;
      this.#faults.record(report);
    }
    return COMPLETION.unsupportedRequest;
  }

  #traceFetch(index: number, high: number, low: number, words: Uint32Array, at: number): void {
    if (!this.#trace.isOn) {
      return;
    }
    this.#trace.begin(INTERRUPT_ENTRY_FETCHED, this.#source);
    this.#trace.num(index);
    this.#trace.u64(high, low);
    this.#trace.u64(words[at + 1] as number, words[at] as number);
    this.#trace.u64(words[at + 3] as number, words[at + 2] as number);
    this.#trace.end();
  }
}
