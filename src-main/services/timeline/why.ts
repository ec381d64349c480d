/**
 * *Why?*: the chain of causes behind a record, back to the learner's line. Three kinds of link are followed: the cause that
 * every record names; for a walk that failed, the entries that were read and the write that last set the one where it
 * stopped; for work of a dedicated queue, what gave the queue its PASID.
 */
import type { WhyView } from '../../protocol/lab-api.ts';
import type { ObjectRefs } from '../../protocol/views.ts';
import { WQ_MODE } from '../../spec/dsa/wq-config.ts';
import { faultReasonsOf } from '../../spec/vtd/faults.ts';
import { readRecord, recordText, type Trace, type TraceRecord } from '../../sim/index.ts';
import { refsOf } from './trace-query.ts';

const MAX_LINKS = 40;
/** Records looked through for the walk of a fault and for the write behind an entry. */
const WALK_REACH = 200;
const WRITE_REACH = 200_000;

const ENQUEUED = 'dsa.descriptor.enqueued';
const WQ_ENABLED = 'dsa.wq.enabled';
const BLOCKED = 'iommu.request.blocked';
const RECORDED = 'iommu.fault.recorded';
const ENTRY_READ = 'iommu.entry.read';
/** What a fault record and the refusal behind it have in common. */
const SAME_REQUEST = ['rid', 'pasid', 'reason'] as const;
const STORES: ReadonlySet<string> = new Set([
  'memory.bytes.stored',
  'memory.bytes.written-by-device',
]);

type Link = WhyView['links'][number];

function linkOf(record: TraceRecord, text = recordText(record)): Link {
  return { event: record.seq, title: record.kind.title, text, refs: refsOf(record) };
}

/** The refusal behind a recorded fault. A page request may be refused for what an earlier request already met. */
function refusalOf(trace: Trace, fault: TraceRecord): TraceRecord | undefined {
  if (fault.kind.kind === BLOCKED) return fault;
  const isSame = (record: TraceRecord | undefined): record is TraceRecord =>
    record?.kind.kind === BLOCKED &&
    SAME_REQUEST.every((field) => record.values[field] === fault.values[field]);
  for (let distance = 1; distance < WALK_REACH; distance++) {
    const found = [-distance, distance]
      .map((step) => readRecord(trace, fault.seq + step))
      .find(isSame);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The entries that the walk of a refused request read, in their order; the last is where it stopped. */
function walkOf(trace: Trace, refusal: TraceRecord): readonly TraceRecord[] {
  const entries: TraceRecord[] = [];
  for (let seq = refusal.seq - 1; seq >= refusal.seq - WALK_REACH; seq--) {
    const record = readRecord(trace, seq);
    if (record?.kind.kind !== ENTRY_READ) break;
    entries.unshift(record);
  }
  return entries;
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

/** The walk, and the write that last set the entry where it stopped. */
function walkLinks(trace: Trace, fault: TraceRecord, links: Link[]): void {
  const refusal = refusalOf(trace, fault);
  const walk = refusal === undefined ? [] : walkOf(trace, refusal);
  const entry = walk.at(-1);
  if (entry === undefined) {
    return;
  }
  links.push(linkOf(entry, `The walk stopped here: ${recordText(entry)}`));
  for (const step of walk.slice(0, -1).reverse()) {
    links.push(linkOf(step, `It came by way of: ${recordText(step)}`));
  }
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

/** A dedicated queue puts its own PASID on requests: what enabled it with that PASID. */
function queueLinks(trace: Trace, fault: TraceRecord, links: Link[]): void {
  const submission = links
    .map((link) => readRecord(trace, link.event))
    .find((record) => record?.kind.kind === ENQUEUED);
  for (let seq = (submission?.seq ?? 0) - 1; submission !== undefined && seq >= trace.tail; seq--) {
    const record = readRecord(trace, seq);
    if (record?.kind.kind !== WQ_ENABLED || record.source !== submission.source) continue;
    if (record.values['wq'] !== submission.values['wq']) continue;
    const isDedicated = record.values['mode'] === WQ_MODE.dedicated;
    if (isDedicated && record.values['pasid'] === fault.values['pasid']) {
      links.push(linkOf(record, `The PASID is the queue's own: ${recordText(record)}`));
      causesOf(trace, record, links);
    }
    return;
  }
}

/** The innermost line of a script among some links. */
function lineOf(links: readonly Link[]): ObjectRefs['script'] {
  return links.find((link) => link.refs.script !== undefined)?.refs.script;
}

function summaryOf(record: TraceRecord, line: ObjectRefs['script']): string {
  const code = Number(record.values['reason'] ?? 0);
  const [reason] = faultReasonsOf(code);
  const where = line === undefined ? '' : ` It goes back to ${line.path}, line ${line.line}.`;
  return reason === undefined
    ? `${record.kind.meaning}${where}`
    : `${reason.explanation} ${reason.usualCause}${where}`;
}

export function why(trace: Trace, seq: number): WhyView | undefined {
  const record = readRecord(trace, seq);
  if (record === undefined) {
    return undefined;
  }
  const walk: Link[] = [linkOf(record)];
  if (record.kind.kind === BLOCKED || record.kind.kind === RECORDED) {
    walkLinks(trace, record, walk);
  }
  const links = [...walk];
  causesOf(trace, record, links);
  const causes = links.slice(walk.length);
  if (record.values['pasid'] !== undefined) {
    queueLinks(trace, record, links);
  }
  const queue = links.slice(walk.length + causes.length);
  // Who chose the PASID says more than who wrote the entry, and that more than who sent the request.
  const line = lineOf(queue) ?? lineOf(walk) ?? lineOf(causes);
  return { event: seq, summary: summaryOf(record, line), links };
}
