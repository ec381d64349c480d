/**
 * Questions about the event log of a run, by kind and field. Kinds and fields are those of the catalogue; a name that does
 * not exist does not compile.
 *
 * ```ts
 * trace.first(events.iommu.FAULT_RECORDED, { reason: 0x59, pasid: 1 });
 * trace.after(attached).count(events.dsa.DESCRIPTOR_COMPLETED);
 * ```
 */
import type { EventFields, EventKind, EventValues } from '../../spec/events/event.ts';
import { MEMORY_STORED } from '../../spec/events/platform.ts';
import { SCRIPT_CALLED } from '../../spec/events/script.ts';
import { readRecord, recordText, type Trace, type TraceRecord } from '../../sim/index.ts';

/** A record whose kind, and so whose values, are known. */
export interface RecordOf<F extends EventFields> extends Omit<TraceRecord, 'values'> {
  readonly values: EventValues<F>;
}

/** Any record. */
export type AnyRecord = Omit<TraceRecord, 'values'> & { readonly values: object };

/** A value for a field, or a question about it. Flags may be asked for as true and false. */
type Wanted<V> = V | (V extends number ? boolean : never) | ((value: V) => boolean);
export type Where<F extends EventFields> = {
  readonly [K in keyof F]?: Wanted<EventValues<F>[K]>;
};

export interface ScriptLine {
  readonly path: string;
  readonly line: number;
}

type KindIndex = ReadonlyMap<number, readonly number[]>;

function indexKinds(trace: Trace): KindIndex {
  const index = new Map<number, number[]>();
  for (let seq = trace.tail; seq < trace.head; seq++) {
    const raw = trace.read(seq);
    if (raw === undefined) continue;
    const list = index.get(raw.kind);
    if (list === undefined) index.set(raw.kind, [seq]);
    else list.push(seq);
  }
  return index;
}

/** Records of a stretch of the run; the whole run at first. */
export class TraceQuery {
  readonly #trace: Trace;
  readonly #index: KindIndex;
  readonly #from: number;
  readonly #to: number;

  constructor(
    trace: Trace,
    index: KindIndex = indexKinds(trace),
    from = trace.tail,
    to = trace.head,
  ) {
    this.#trace = trace;
    this.#index = index;
    this.#from = from;
    this.#to = to;
  }

  /** Number of records in all, dropped ones included. */
  get length(): number {
    return this.#trace.head;
  }

  all<F extends EventFields>(kind: EventKind<F>, where?: Where<F>): readonly RecordOf<F>[] {
    return [...this.#matches(kind, where)];
  }

  count<F extends EventFields>(kind: EventKind<F>, where?: Where<F>): number {
    return this.all(kind, where).length;
  }

  first<F extends EventFields>(kind: EventKind<F>, where?: Where<F>): RecordOf<F> | undefined {
    for (const record of this.#matches(kind, where)) return record;
    return undefined;
  }

  last<F extends EventFields>(kind: EventKind<F>, where?: Where<F>): RecordOf<F> | undefined {
    return this.all(kind, where).at(-1);
  }

  /** The stretch behind a record. */
  after(record: AnyRecord): TraceQuery {
    return this.#part(record.seq + 1, this.#to);
  }

  /** The stretch in front of a record. */
  before(record: AnyRecord): TraceQuery {
    return this.#part(this.#from, record.seq);
  }

  record(seq: number): TraceRecord | undefined {
    return seq < 0 ? undefined : readRecord(this.#trace, seq);
  }

  /** One readable line. */
  text(record: AnyRecord): string {
    const found = this.record(record.seq);
    return found === undefined ? '' : recordText(found);
  }

  /** What led to a record: its cause, the cause of that, and so on. */
  causes(record: AnyRecord): readonly TraceRecord[] {
    const chain: TraceRecord[] = [];
    for (let at = this.record(record.cause); at !== undefined; at = this.record(at.cause)) {
      chain.push(at);
    }
    return chain;
  }

  /** The first record of a kind among what led to a record. */
  causeOf<F extends EventFields>(record: AnyRecord, kind: EventKind<F>): RecordOf<F> | undefined {
    const found = this.causes(record).find(
      (cause) => cause.kind === (kind as unknown as EventKind),
    );
    return found as RecordOf<F> | undefined;
  }

  /** Records of a kind that follow from a record. */
  effects<F extends EventFields>(
    record: AnyRecord,
    kind: EventKind<F>,
    where?: Where<F>,
  ): readonly RecordOf<F>[] {
    return this.after(record)
      .all(kind, where)
      .filter((effect) => this.causes(effect).some((cause) => cause.seq === record.seq));
  }

  /** The line of a script that set a record off, innermost first. */
  scriptLine(record: AnyRecord): ScriptLine | undefined {
    const own = this.record(record.seq);
    const isCall = own !== undefined && own.kind === (SCRIPT_CALLED as unknown as EventKind);
    const call = isCall ? own : this.causeOf(record, SCRIPT_CALLED);
    if (call === undefined) return undefined;
    const { path, line } = call.values as EventValues<
      NonNullable<(typeof SCRIPT_CALLED)['fieldTypes']>
    >;
    return { path, line };
  }

  /** The newest record that wrote into these bytes of memory: an entry of a table, or a plain store. */
  lastWrite(address: number, bytes: number): TraceRecord | undefined {
    const end = address + bytes;
    const stores = this.all(MEMORY_STORED, { address: (at) => Number(at) < end });
    const hit = stores.filter((r) => Number(r.values.address) + r.values.bytes > address).at(-1);
    return hit === undefined ? undefined : this.#tellingRecord(hit.seq, address, bytes);
  }

  /** Beside the plain store there often is a record that says which entry it was. */
  #tellingRecord(seq: number, address: number, bytes: number): TraceRecord | undefined {
    for (const at of [seq + 1, seq - 1]) {
      const record = this.record(at);
      const place = Number(record?.values['address'] ?? -1);
      const isEntry = record !== undefined && 'new' in record.values && 'old' in record.values;
      if (isEntry && place >= address - 7 && place < address + bytes) return record;
    }
    return this.record(seq);
  }

  #part(from: number, to: number): TraceQuery {
    return new TraceQuery(this.#trace, this.#index, from, to);
  }

  *#matches<F extends EventFields>(kind: EventKind<F>, where?: Where<F>): Generator<RecordOf<F>> {
    const tests = Object.entries(where ?? {}) as [string, unknown][];
    for (const seq of this.#index.get(kind.id) ?? []) {
      if (seq < this.#from || seq >= this.#to) continue;
      const record = this.record(seq);
      if (record === undefined) continue;
      if (tests.every(([name, wanted]) => isWanted(record.values[name], wanted))) {
        yield record as unknown as RecordOf<F>;
      }
    }
  }
}

function isWanted(value: unknown, wanted: unknown): boolean {
  if (typeof wanted === 'function') return (wanted as (value: unknown) => unknown)(value) === true;
  if (typeof wanted === 'boolean') return (value !== 0) === wanted;
  return value === wanted;
}
