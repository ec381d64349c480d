/** A long trace made by rule: any record can be had without keeping the others. */
import type {
  TraceFilter,
  TracePage,
  TraceRecordView,
  TraceRow,
  WhyView,
} from '../../../src-main/protocol/lab-api.ts';
import { fakePasidEntry } from './structures.ts';

const PASIDS = [0x11, 0x12, 0x21] as const;

type Maker = (seq: number, pasid: number) => Pick<TraceRow, 'kind' | 'source' | 'text' | 'level'>;

const MAKERS: readonly Maker[] = [
  (_seq, pasid) => ({
    kind: 'device.descriptor.submitted',
    source: 'dsa0',
    level: 'info',
    text: `wq1 took a memmove descriptor of PASID 0x${pasid.toString(16)}`,
  }),
  (seq) => ({
    kind: 'pcie.request.sent',
    source: 'dsa0.adi0',
    level: 'debug',
    text: `Memory read 0x${(0x4000_0000 + (seq % 64) * 0x1000).toString(16)}, 64 bytes`,
  }),
  (_seq, pasid) => ({
    kind: 'iommu.iotlb.missed',
    source: 'dmar0',
    level: 'info',
    text: `No translation for PASID 0x${pasid.toString(16)}`,
  }),
  (_seq, pasid) => ({
    kind: 'iommu.pasid-entry.fetched',
    source: 'dmar0',
    level: 'info',
    text: `PASID table entry 0x${pasid.toString(16)} at 0x0000000001a02440: second-stage`,
  }),
  (seq) => ({
    kind: 'iommu.second-stage.walked',
    source: 'dmar0',
    level: 'info',
    text: `4 levels to 0x${(0x1_2345_6000 + (seq % 64) * 0x1000).toString(16)}, 4 KiB page`,
  }),
  () => ({
    kind: 'device.completion.written',
    source: 'dsa0',
    level: 'info',
    text: 'Completion record status 0x01 (success)',
  }),
  (seq) =>
    seq % 103 === 6
      ? {
          kind: 'iommu.fault.recorded',
          source: 'dmar0',
          level: 'guest-error',
          text: 'Fault 59h: PASID table entry is not present',
        }
      : {
          kind: 'cpu.enqcmd.executed',
          source: 'cpu0',
          level: 'info',
          text: 'ENQCMD accepted by dsa0 wq1',
        },
];

export function fakeRow(seq: number): TraceRow {
  const pasid = PASIDS[Math.floor(seq / MAKERS.length) % PASIDS.length] ?? PASIDS[0];
  const maker = MAKERS[seq % MAKERS.length] ?? MAKERS[0];
  const made = maker?.(seq, pasid);
  return {
    seq,
    timeNs: 1_000 + seq * 137,
    kind: made?.kind ?? '',
    source: made?.source ?? '',
    level: made?.level ?? 'info',
    text: made?.text ?? '',
    refs: { rid: '0x6a08', pasid, unit: made?.source.split('.')[0] ?? 'dmar0', event: seq },
    cause: seq === 0 ? null : seq - 1,
  };
}

function matches(row: TraceRow, filter: TraceFilter): boolean {
  if (filter.pasid !== undefined && row.refs.pasid !== filter.pasid) return false;
  if (filter.kinds !== undefined && !filter.kinds.includes(row.kind)) return false;
  if (filter.levels !== undefined && !filter.levels.includes(row.level)) return false;
  if (filter.rid !== undefined && Number(row.refs.rid) !== Number(filter.rid)) return false;
  const line = `${row.kind} ${row.source} ${row.text} ${row.level}`.toLowerCase();
  return (filter.text ?? '')
    .toLowerCase()
    .split(/\s+/)
    .every((word) => (word.startsWith('-') ? !line.includes(word.slice(1)) : line.includes(word)));
}

export function fakeTracePage(
  filter: TraceFilter,
  from: number,
  count: number,
  head: number,
): TracePage {
  if (Object.keys(filter).length === 0) {
    const last = Math.min(head, from + count);
    const rows = Array.from({ length: Math.max(0, last - from) }, (_, at) => fakeRow(from + at));
    return { total: head, rows };
  }
  const rows: TraceRow[] = [];
  let total = 0;
  for (let seq = 0; seq < Math.min(head, 20_000); seq += 1) {
    const row = fakeRow(seq);
    if (!matches(row, filter)) continue;
    if (total >= from && rows.length < count) rows.push(row);
    total += 1;
  }
  return { total, rows };
}

export function fakeLocate(filter: TraceFilter, event: number): number {
  if (Object.keys(filter).length === 0) return event;
  if (!matches(fakeRow(event), filter)) return -1;
  let index = 0;
  for (let seq = 0; seq < event; seq += 1) if (matches(fakeRow(seq), filter)) index += 1;
  return index;
}

export function fakeRecord(event: number): TraceRecordView {
  return {
    ...fakeRow(event),
    title: 'PASID table entry fetched',
    meaning: 'The IOMMU read the entry that decides how addresses of this PASID are translated.',
    sourceSection: 'VT-d 5.10, section 6.2.2.1',
    data: [
      { name: 'rid', value: '6a:01.0', title: 'Requester ID' },
      { name: 'address', value: '0x0000000001a02440', title: 'Host physical address of the entry' },
      { name: 'pgtt', value: 'second-stage', title: 'PASID granular translation type' },
      { name: 'did', value: '0x0021', title: 'Domain ID' },
    ],
  };
}

export function fakeWhy(event: number): WhyView {
  return {
    event,
    summary:
      'The request faulted because the PASID table entry was cleared before the queue was drained.',
    links: [
      {
        event,
        title: 'Fault recorded',
        text: 'Reason 59h: the PASID table entry is not present.',
        refs: { rid: '0x6a08', pasid: 0x11, event },
      },
      {
        event: Math.max(0, event - 3),
        title: 'PASID table entry read',
        text: 'The IOMMU read P = 0 at 0x0000000001a02440.',
        refs: { pasid: 0x11, address: '0x1a02440', event: Math.max(0, event - 3) },
        sections: [fakePasidEntry(0x11, true)],
      },
      {
        event: Math.max(0, event - 40),
        title: 'Entry cleared by software',
        text: 'iommu_detach_device_pasid() wrote zeros to the entry.',
        refs: { address: '0x1a02440', event: Math.max(0, event - 40) },
      },
      {
        event: Math.max(0, event - 41),
        title: 'Your script',
        text: 'driver.ts line 9 detached the domain.',
        refs: { script: { path: 'driver.ts', line: 9 }, event: Math.max(0, event - 41) },
      },
    ],
  };
}
