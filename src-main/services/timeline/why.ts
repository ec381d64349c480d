/**
 * *Why?*: the chain of causes behind a record, back to the learner's line. Two kinds of link are followed: the cause that
 * every record names, and, for a walk that failed, the write that last set the entry where it stopped.
 */
import type { WhyView } from '../../protocol/lab-api.ts';
import { faultReasonsOf } from '../../spec/vtd/faults.ts';
import { readRecord, recordText, type Trace, type TraceRecord } from '../../sim/index.ts';
import { refsOf } from './trace-query.ts';

const MAX_LINKS = 40;
/** Records looked through for the walk of a fault and for the write behind an entry. */
const WALK_REACH = 200;
const WRITE_REACH = 200_000;

const BLOCKED = 'iommu.request.blocked';
const RECORDED = 'iommu.fault.recorded';
const ENTRY_READ = 'iommu.entry.read';
const STORES: ReadonlySet<string> = new Set([
  'memory.bytes.stored',
  'memory.bytes.written-by-device',
]);

type Link = WhyView['links'][number];

function linkOf(record: TraceRecord, text = recordText(record)): Link {
  return { event: record.seq, title: record.kind.title, text, refs: refsOf(record) };
}

/** The last entry that the walk of a refused request read: where it stopped. */
function failingEntry(trace: Trace, fault: TraceRecord): TraceRecord | undefined {
  const isRecorded = fault.kind.kind === RECORDED;
  for (let i = 1; i < WALK_REACH; i++) {
    // The record of the fault comes before the entries are listed, the blocked request after them.
    const seq = isRecorded ? fault.seq + i : fault.seq - i;
    const record = readRecord(trace, seq);
    if (record === undefined) {
      return undefined;
    }
    if (isRecorded && record.kind.kind === BLOCKED) {
      return failingEntry(trace, record);
    }
    if (!isRecorded && record.kind.kind === ENTRY_READ) {
      return record;
    }
    if (!isRecorded && record.kind.kind === BLOCKED) {
      return undefined;
    }
  }
  return undefined;
}

/** The store that last touched the eight bytes at `address` before `seq`. */
function lastWrite(trace: Trace, address: bigint, seq: number): TraceRecord | undefined {
  for (let at = seq - 1; at >= Math.max(trace.tail, seq - WRITE_REACH); at--) {
    const record = readRecord(trace, at);
    if (record === undefined || !STORES.has(record.kind.kind)) {
      continue;
    }
    const start = BigInt(record.values['address'] ?? 0);
    const end = start + BigInt(record.values['bytes'] ?? 0);
    if (start < address + 8n && end > address) {
      return record;
    }
  }
  return undefined;
}

function causesOf(trace: Trace, record: TraceRecord, links: Link[]): void {
  let cause = record.cause;
  while (cause >= 0 && links.length < MAX_LINKS) {
    const found = readRecord(trace, cause);
    if (found === undefined || links.some((l) => l.event === found.seq)) {
      return;
    }
    links.push(linkOf(found));
    cause = found.cause;
  }
}

function entryLinks(trace: Trace, fault: TraceRecord, links: Link[]): void {
  const entry = failingEntry(trace, fault);
  if (entry === undefined) {
    return;
  }
  links.push(linkOf(entry, `The walk stopped here: ${recordText(entry)}`));
  const write = lastWrite(trace, BigInt(entry.values['address'] ?? 0), entry.seq);
  if (write === undefined) {
    links.push({
      event: entry.seq,
      title: 'Never written',
      text: 'No software has written this entry: it is as memory was at power-on.',
      refs: refsOf(entry),
    });
    return;
  }
  links.push(linkOf(write, `The entry was last written here: ${recordText(write)}`));
  causesOf(trace, write, links);
}

function summaryOf(record: TraceRecord, links: readonly Link[]): string {
  const code = Number(record.values['reason'] ?? 0);
  const [reason] = faultReasonsOf(code);
  const script = [...links].reverse().find((l) => l.refs.script !== undefined)?.refs.script;
  const where = script === undefined ? '' : ` It goes back to ${script.path}, line ${script.line}.`;
  return reason === undefined
    ? `${record.kind.meaning}${where}`
    : `${reason.explanation} ${reason.usualCause}${where}`;
}

export function why(trace: Trace, seq: number): WhyView | undefined {
  const record = readRecord(trace, seq);
  if (record === undefined) {
    return undefined;
  }
  const links: Link[] = [linkOf(record)];
  if (record.kind.kind === BLOCKED || record.kind.kind === RECORDED) {
    entryLinks(trace, record, links);
  }
  causesOf(trace, record, links);
  return { event: seq, summary: summaryOf(record, links), links };
}
