/** Records read back: fields by name, values formatted for people, the line of text, one JSON Lines document. */
import { toHex } from '../../bits/hex.ts';
import { defined } from '../../bits/invariant.ts';
import { eventKindOf, type EventField, type EventKind } from '../../spec/events/event.ts';
import { formatBdf } from '../../spec/pcie/requester-id.ts';
import type { RawRecord, Trace } from './trace.ts';

/** Numbers, texts, and bigints for `u64` fields. */
export type RecordValue = number | bigint | string;

export interface TraceRecord {
  readonly seq: number;
  readonly timeNs: number;
  readonly source: string;
  readonly kind: EventKind;
  /** -1 when nothing caused it. */
  readonly cause: number;
  readonly values: Readonly<Record<string, RecordValue>>;
}

export function kindOf(raw: RawRecord): EventKind {
  return defined(eventKindOf(raw.kind), `Event kind ${raw.kind}`);
}

export function decodeRecord(trace: Trace, raw: RawRecord): TraceRecord {
  const kind = kindOf(raw);
  const values: Record<string, RecordValue> = {};
  let slot = 0;
  for (const field of kind.fields) {
    if (field.type === 'u64') {
      values[field.name] = (BigInt(raw.slots[slot] ?? 0) << 32n) | BigInt(raw.slots[slot + 1] ?? 0);
      slot += 2;
    } else {
      const value = raw.slots[slot++] ?? 0;
      values[field.name] = field.type === 'text' ? trace.textOf(value) : value;
    }
  }
  return {
    seq: raw.seq,
    timeNs: raw.timeNs,
    source: trace.sourceName(raw.source),
    kind,
    cause: raw.cause,
    values,
  };
}

/** Undefined when the record was dropped or does not exist. */
export function readRecord(trace: Trace, seq: number): TraceRecord | undefined {
  const raw = trace.read(seq);
  return raw === undefined ? undefined : decodeRecord(trace, raw);
}

export function formatField(field: EventField, value: RecordValue): string {
  if (typeof value === 'string') {
    return value;
  }
  if (typeof field.type === 'object') {
    return field.type.names[Number(value)] ?? String(value);
  }
  switch (field.type) {
    case 'u64':
    case 'hex':
      return toHex(typeof value === 'bigint' ? value : value >>> 0);
    case 'rid':
      return formatBdf(Number(value));
    case 'pasid':
      return value === -1 ? 'none' : String(value);
    case 'flag':
      return value === 0 ? 'no' : 'yes';
    default:
      return String(value);
  }
}

/** The record as one line. */
export function recordText(record: TraceRecord): string {
  return record.kind.template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const field = record.kind.fields.find((f) => f.name === name);
    const value = record.values[name];
    return field === undefined || value === undefined ? '' : formatField(field, value);
  });
}

/** Stable keys, hexadecimal strings for 64-bit values: one line of a trace file. */
export function recordJson(record: TraceRecord): string {
  const data = Object.fromEntries(
    Object.entries(record.values).map(([name, value]) => [
      name,
      typeof value === 'bigint' ? toHex(value) : value,
    ]),
  );
  return JSON.stringify({
    seq: record.seq,
    timeNs: record.timeNs,
    source: record.source,
    kind: record.kind.kind,
    ...(record.cause < 0 ? {} : { cause: record.cause }),
    data,
  });
}
