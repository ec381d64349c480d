/** Records of some kinds before an instant, newest first. The search goes back a bounded way, so a long run costs no more. */
import { eventCatalogue } from '../../spec/events/event.ts';
import { decodeRecord, type Trace, type TraceRecord } from '../../sim/index.ts';

const REACH = 50_000;

export function recentRecords(
  trace: Trace,
  at: number,
  kinds: readonly string[],
  limit: number,
): readonly TraceRecord[] {
  const catalogue = eventCatalogue();
  const wanted = new Set(
    catalogue.flatMap((kind, index) => (kinds.includes(kind.kind) ? [index] : [])),
  );
  const found: TraceRecord[] = [];
  const last = Math.max(trace.tail, at - REACH);
  for (let seq = at - 1; seq >= last && found.length < limit; seq--) {
    const raw = trace.read(seq);
    if (raw !== undefined && wanted.has(raw.kind)) found.push(decodeRecord(trace, raw));
  }
  return found;
}
