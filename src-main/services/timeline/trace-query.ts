/**
 * Filtered pages over the trace. Matching is by kind, level, requester, PASID and words of the text; the positions of the
 * matches are kept, so that a scrolled list asks in constant time and a growing trace is looked at once.
 */
import type { ObjectRefs } from '../../protocol/views.ts';
import type { TraceFilter, TracePage, TraceRecordView, TraceRow } from '../../protocol/lab-api.ts';
import { formatSource } from '../../bits/field.ts';
import { toHex } from '../../bits/hex.ts';
import {
  formatField,
  readRecord,
  recordText,
  type Trace,
  type TraceRecord,
} from '../../sim/index.ts';

/** What a record is about, for selection across panes. */
export function refsOf(record: TraceRecord): ObjectRefs {
  const refs: { -readonly [K in keyof ObjectRefs]: ObjectRefs[K] } = {
    event: record.seq,
    unit: record.source,
  };
  for (const field of record.kind.fields) {
    const value = record.values[field.name];
    if (field.type === 'rid') {
      refs.rid = toHex(Number(value), 4);
    } else if (field.type === 'pasid' && Number(value) >= 0) {
      refs.pasid = Number(value);
    }
  }
  const path = record.values['path'];
  const line = record.values['line'];
  if (typeof path === 'string' && path !== '' && typeof line === 'number' && line > 0) {
    refs.script = { path, line };
  }
  return refs;
}

export function rowOf(record: TraceRecord): TraceRow {
  return {
    seq: record.seq,
    timeNs: record.timeNs,
    source: record.source,
    kind: record.kind.kind,
    level: record.kind.level,
    text: recordText(record),
    refs: refsOf(record),
    cause: record.cause < 0 ? null : record.cause,
  };
}

export function recordViewOf(record: TraceRecord): TraceRecordView {
  return {
    ...rowOf(record),
    title: record.kind.title,
    meaning: record.kind.meaning,
    sourceSection: formatSource(record.kind.source),
    data: record.kind.fields.map((field) => ({
      name: field.name,
      title: field.title,
      value: formatField(field, record.values[field.name] ?? 0),
    })),
  };
}

interface Matcher {
  readonly words: readonly string[];
  readonly excluded: readonly string[];
  readonly kinds: ReadonlySet<string> | undefined;
  readonly levels: ReadonlySet<string> | undefined;
  readonly pasid: number | undefined;
  readonly rid: number | undefined;
}

function matcherOf(filter: TraceFilter): Matcher {
  const words = (filter.text ?? '')
    .toLowerCase()
    .split(/\s+/)
    .filter((w) => w !== '');
  return {
    words: words.filter((w) => !w.startsWith('-')),
    excluded: words.filter((w) => w.startsWith('-') && w.length > 1).map((w) => w.slice(1)),
    kinds: filter.kinds === undefined ? undefined : new Set(filter.kinds),
    levels: filter.levels === undefined ? undefined : new Set(filter.levels),
    pasid: filter.pasid,
    rid: filter.rid === undefined ? undefined : Number(filter.rid),
  };
}

function hasValue(record: TraceRecord, type: 'pasid' | 'rid', wanted: number): boolean {
  return record.kind.fields.some(
    (f) => f.type === type && Number(record.values[f.name]) === wanted,
  );
}

function matches(record: TraceRecord, m: Matcher): boolean {
  if (m.kinds !== undefined && !m.kinds.has(record.kind.kind)) {
    return false;
  }
  if (m.levels !== undefined && !m.levels.has(record.kind.level)) {
    return false;
  }
  if (m.pasid !== undefined && !hasValue(record, 'pasid', m.pasid)) {
    return false;
  }
  if (m.rid !== undefined && !hasValue(record, 'rid', m.rid)) {
    return false;
  }
  if (m.words.length === 0 && m.excluded.length === 0) {
    return true;
  }
  const text = `${record.kind.kind} ${record.source} ${recordText(record)}`.toLowerCase();
  return m.words.every((w) => text.includes(w)) && !m.excluded.some((w) => text.includes(w));
}

export class TraceQuery {
  readonly #trace: Trace;
  #key = '';
  #matcher: Matcher = matcherOf({});
  #found: number[] = [];
  #lookedAt = 0;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  page(filter: TraceFilter, from: number, count: number): TracePage {
    const found = this.#matching(filter);
    const rows = found.slice(from, from + count).flatMap((seq) => {
      const record = readRecord(this.#trace, seq);
      return record === undefined ? [] : [rowOf(record)];
    });
    return { total: found.length, rows };
  }

  /** Position of a record among the matches, -1 when it is none. */
  locate(filter: TraceFilter, seq: number): number {
    const found = this.#matching(filter);
    let low = 0;
    let high = found.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const at = found[middle] as number;
      if (at === seq) {
        return middle;
      }
      if (at < seq) {
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return -1;
  }

  #matching(filter: TraceFilter): readonly number[] {
    const key = JSON.stringify(filter);
    if (key !== this.#key) {
      this.#key = key;
      this.#matcher = matcherOf(filter);
      this.#found = [];
      this.#lookedAt = this.#trace.tail;
    }
    for (let seq = Math.max(this.#lookedAt, this.#trace.tail); seq < this.#trace.head; seq++) {
      const record = readRecord(this.#trace, seq);
      if (record !== undefined && matches(record, this.#matcher)) {
        this.#found.push(seq);
      }
    }
    this.#lookedAt = this.#trace.head;
    return this.#found;
  }
}
