/** Records of some kinds before an instant, newest first. The search goes back a bounded way, so a long run costs no more. */
import { findEventKind } from '../../spec/events/event.ts';
import { decodeRecord, type Trace, type TraceRecord } from '../../sim/index.ts';

const REACH = 50_000;

export function recentRecords(
  trace: Trace,
  at: number,
  kinds: readonly string[],
  limit: number,
): readonly TraceRecord[] {
  const wanted = new Set(kinds.map((kind) => findEventKind(kind)?.id));
  const found: TraceRecord[] = [];
  const last = Math.max(trace.tail, at - REACH);
  for (let seq = at - 1; seq >= last && found.length < limit; seq--) {
    const raw = trace.read(seq);
    if (raw !== undefined && wanted.has(raw.kind)) found.push(decodeRecord(trace, raw));
  }
  return found;
}
