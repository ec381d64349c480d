/**
 * The event log of a machine: append-only records of (sequence number, simulated time, source, kind, cause, fields).
 *
 * Records are packed into Float64Array segments: `[kind * 65536 + source, time, cause, ...slots]`. Appending allocates
 * nothing but the occasional segment. The newest `capacity` records are kept; older segments are dropped whole. A full
 * segment goes into the hash at once, while the processor's caches still hold it. Writing a record:
 *
 *     trace.begin(REQUEST_TRANSLATED, source); trace.num(rid); trace.u64(high, low); trace.end();
 *
 * Callers on hot paths test `trace.isOn` first. A trace in counting mode gives the same sequence numbers and stores
 * nothing: replays use it.
 */
import { invariant } from '../../bits/invariant.ts';
import type { EventKind } from '../../spec/events/event.ts';
import { StateHash } from './hash.ts';
import { NumberHash } from './number-hash.ts';

/** Small enough that a segment is still in the second cache when it is full and gets hashed. */
const SEGMENT_RECORDS = 1_024;
const HEADER_SLOTS = 3;
export const NO_CAUSE = -1;

class Segment {
  readonly offsets = new Uint32Array(SEGMENT_RECORDS + 1);
  slots = new Float64Array(SEGMENT_RECORDS * 8);
  used = 0;
  records = 0;
  /** Slots that went into the hash already. */
  hashed = 0;

  clear(): void {
    this.used = 0;
    this.records = 0;
    this.hashed = 0;
  }

  /** Room for `count` more slots. */
  reserve(count: number): void {
    if (this.used + count > this.slots.length) {
      const grown = new Float64Array(Math.max(this.slots.length * 2, this.used + count));
      grown.set(this.slots);
      this.slots = grown;
    }
  }
}

/** One record read back. `slots` is a view: copy it to keep it. */
export interface RawRecord {
  readonly seq: number;
  readonly kind: number;
  readonly source: number;
  readonly timeNs: number;
  readonly cause: number;
  readonly slots: Float64Array;
}

export interface TraceOptions {
  readonly mode: 'off' | 'store' | 'count';
  /** Records kept at the least. */
  readonly capacity?: number;
}

export class Trace {
  isOn: boolean;
  /** Sequence number of the record that the current activity follows from. */
  cause = NO_CAUSE;
  /** Simulated time in nanoseconds, kept up to date by the event queue. */
  nowNs = 0;

  readonly #isStoring: boolean;
  readonly #maxSegments: number;
  #segments: Segment[] = [];
  #current: Segment | undefined;
  /** Where the next value of the open record goes. */
  #slots = new Float64Array(0);
  #at = 0;
  #firstSeq = 0;
  #nextSeq = 0;
  readonly #recordHash = new NumberHash();
  readonly #texts: string[] = [''];
  readonly #textIds = new Map<string, number>([['', 0]]);
  readonly #sources: string[] = [];
  readonly #sourceIds = new Map<string, number>();

  constructor(options: TraceOptions) {
    this.isOn = options.mode !== 'off';
    this.#isStoring = options.mode === 'store';
    this.#maxSegments = Math.ceil((options.capacity ?? 1_000_000) / SEGMENT_RECORDS) + 1;
  }

  /** Number of the next record: how many were appended so far. */
  get head(): number {
    return this.#nextSeq;
  }

  /** Number of the oldest record still kept. */
  get tail(): number {
    return this.#firstSeq;
  }

  /** Registers an instance (`dmar0`) and gives its number. */
  source(name: string): number {
    const known = this.#sourceIds.get(name);
    if (known !== undefined) {
      return known;
    }
    const id = this.#sources.length;
    this.#sources.push(name);
    this.#sourceIds.set(name, id);
    return id;
  }

  sourceName(id: number): string {
    return this.#sources[id] ?? '?';
  }

  textOf(id: number): string {
    return this.#texts[id] ?? '';
  }

  /** Starts a record; at most one value for each field follows, then `end`. */
  begin(kind: EventKind, source: number): void {
    if (!this.#isStoring) {
      return;
    }
    let segment = this.#current;
    if (segment === undefined || segment.records === SEGMENT_RECORDS) {
      segment = this.#open();
    }
    segment.reserve(HEADER_SLOTS + kind.fields.length * 2);
    const { slots, used } = segment;
    slots[used] = kind.id * 65_536 + source;
    slots[used + 1] = this.nowNs;
    slots[used + 2] = this.cause;
    this.#slots = slots;
    this.#at = used + HEADER_SLOTS;
  }

  num(value: number): void {
    if (this.#isStoring) {
      this.#slots[this.#at++] = value;
    }
  }

  u64(high: number, low: number): void {
    if (this.#isStoring) {
      const at = this.#at;
      this.#slots[at] = high >>> 0;
      this.#slots[at + 1] = low >>> 0;
      this.#at = at + 2;
    }
  }

  text(value: string): void {
    if (!this.#isStoring) {
      return;
    }
    let id = this.#textIds.get(value);
    if (id === undefined) {
      id = this.#texts.length;
      this.#texts.push(value);
      this.#textIds.set(value, id);
    }
    this.#slots[this.#at++] = id;
  }

  /** Completes the record and gives its sequence number. */
  end(): number {
    if (this.#isStoring) {
      const segment = this.#current as Segment;
      segment.used = this.#at;
      segment.records++;
      segment.offsets[segment.records] = this.#at;
    }
    return this.#nextSeq++;
  }

  /**
   * The same for paths that are not hot: values in the order of the declaration's fields. A `u64` field takes a bigint
   * or a Number below 2^53. Returns the sequence number, or `NO_CAUSE` when the trace is off.
   */
  record(
    kind: EventKind,
    source: number,
    ...values: readonly (number | bigint | string | boolean)[]
  ): number {
    if (!this.isOn) {
      return NO_CAUSE;
    }
    invariant(
      values.length === kind.fields.length,
      `${kind.kind} takes ${kind.fields.length} values, found ${values.length}`,
    );
    this.begin(kind, source);
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number | bigint | string | boolean;
      const type = kind.fields[i]?.type;
      if (typeof value === 'string') {
        this.text(value);
      } else if (type === 'u64') {
        const wide = BigInt(value);
        this.u64(Number((wide >> 32n) & 0xffff_ffffn), Number(wide & 0xffff_ffffn));
      } else {
        this.num(Number(value));
      }
    }
    return this.end();
  }

  /** Makes `seq` the cause of what follows; gives the former cause, to be put back into `cause`. */
  enter(seq: number): number {
    const saved = this.cause;
    this.cause = seq;
    return saved;
  }

  /** Record `seq`, or undefined when it was dropped or does not exist yet. */
  read(seq: number): RawRecord | undefined {
    if (seq < this.#firstSeq || seq >= this.#nextSeq || !this.#isStoring) {
      return undefined;
    }
    const index = seq - this.#firstSeq;
    const segment = this.#segments[Math.floor(index / SEGMENT_RECORDS)] as Segment;
    const at = index % SEGMENT_RECORDS;
    const start = segment.offsets[at] as number;
    const head = segment.slots[start] as number;
    return {
      seq,
      kind: Math.floor(head / 65_536),
      source: head % 65_536,
      timeNs: segment.slots[start + 1] as number,
      cause: segment.slots[start + 2] as number,
      slots: segment.slots.subarray(start + HEADER_SLOTS, segment.offsets[at + 1]),
    };
  }

  /**
   * Hash over every record ever appended, kept or not, and the texts and sources they name. Records are hashed once, so
   * asking again costs what came since.
   */
  hash(): string {
    if (this.#current !== undefined) this.#hashSegment(this.#current);
    const hash = new StateHash();
    this.#recordHash.addTo(hash);
    for (const text of this.#texts) {
      hash.text(text);
    }
    for (const name of this.#sources) {
      hash.text(name);
    }
    return hash.digest();
  }

  /** Starts a counting trace at a sequence number: replay from a keyframe. */
  resetTo(seq: number, cause: number, nowNs: number): void {
    invariant(!this.#isStoring, 'Only a counting trace can be moved');
    this.#nextSeq = seq;
    this.#firstSeq = seq;
    this.cause = cause;
    this.nowNs = nowNs;
  }

  #open(): Segment {
    if (this.#current !== undefined) this.#hashSegment(this.#current);
    if (this.#segments.length === this.#maxSegments) {
      return this.#reuse(this.#segments.shift() as Segment);
    }
    return this.#append(new Segment());
  }

  /** A full ring takes its oldest segment instead of fresh memory. */
  #reuse(oldest: Segment): Segment {
    this.#firstSeq += oldest.records;
    oldest.clear();
    return this.#append(oldest);
  }

  #append(segment: Segment): Segment {
    this.#segments.push(segment);
    this.#current = segment;
    return segment;
  }

  #hashSegment(segment: Segment): void {
    this.#recordHash.add(segment.slots, segment.hashed, segment.used);
    segment.hashed = segment.used;
  }
}
