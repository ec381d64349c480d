/** Trace records as plain objects, for assertions. */
import { eventKindOf, type EventKind } from '../../src-main/spec/events/event.ts';
import { bigOf } from '../../src-main/bits/u64.ts';
import { defined } from '../../src-main/bits/invariant.ts';
import type { Trace } from '../../src-main/sim/core/trace.ts';

export interface PlainRecord {
  readonly seq: number;
  readonly kind: string;
  readonly source: string;
  readonly cause: number;
  /** By field name: numbers, bigints for u64 fields, texts. */
  readonly values: Readonly<Record<string, number | bigint | string>>;
}

function valuesOf(trace: Trace, kind: EventKind, slots: Float64Array): PlainRecord['values'] {
  const values: Record<string, number | bigint | string> = {};
  let at = 0;
  for (const field of kind.fields) {
    const first = defined(slots[at++], `Slot of ${field.name} in ${kind.kind}`);
    if (field.type === 'u64') {
      values[field.name] = bigOf(first, defined(slots[at++], `Low half of ${field.name}`));
    } else {
      values[field.name] = field.type === 'text' ? trace.textOf(first) : first;
    }
  }
  if (at !== slots.length) {
    throw new Error(`${kind.kind} has ${slots.length} slots, its declaration ${at}`);
  }
  return values;
}

export function recordsOf(trace: Trace, from = 0): readonly PlainRecord[] {
  const found: PlainRecord[] = [];
  for (let seq = Math.max(from, trace.tail); seq < trace.head; seq++) {
    const raw = defined(trace.read(seq), `Record ${seq}`);
    const kind = defined(eventKindOf(raw.kind), `Event kind ${raw.kind}`);
    found.push({
      seq,
      kind: kind.kind,
      source: trace.sourceName(raw.source),
      cause: raw.cause,
      values: valuesOf(trace, kind, raw.slots),
    });
  }
  return found;
}

/** Kinds in order, for whole-story assertions. */
export function kindsOf(trace: Trace, from = 0): readonly string[] {
  return recordsOf(trace, from).map((r) => r.kind);
}

/** The newest record of a kind. */
export function lastOf(trace: Trace, kind: EventKind): PlainRecord {
  return defined(
    recordsOf(trace).findLast((r) => r.kind === kind.kind),
    `Record ${kind.kind}`,
  );
}
