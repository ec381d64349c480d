/**
 * Page requests with their way through the layers: the device asks, the unit queues, the kernel decides, the unit answers,
 * the device goes on; what misses pages of a guest's process goes through its VMM and its kernel first. Built from the
 * trace, so it also tells of requests that are over.
 */
import type { TableRow, ViewModel } from '../../protocol/views.ts';
import { recordText, type TraceRecord } from '../../sim/index.ts';
import { recentRecords } from './recent-records.ts';
import { formatAddress, formatDuration, formatPasid, formatRid, ridRef } from './sections.ts';
import type { ViewContext } from './view-context.ts';

const SENT = 'dsa.page-request.sent';
const QUEUED = 'iommu.page-request.queued';
const BY_UNIT = 'iommu.page-request.answered-by-unit';
const BY_KERNEL = 'linux.page-request.answered';
const TO_GUEST = 'vmm.viommu.page-request';
const BY_VMM = 'vmm.viommu.page-response';
const RESPONSE = 'iommu.page-group-response.sent';
const RECEIVED = 'dsa.page-response.received';
const KINDS = [SENT, QUEUED, BY_UNIT, BY_KERNEL, TO_GUEST, BY_VMM, RESPONSE, RECEIVED] as const;
/** Source of the records of the host's kernel; those of guests have the names of their VMs. */
const HOST = 'linux';
const MAX_RECORDS = 600;
const MAX_ROWS = 64;

const LAYERS: Readonly<Record<string, string>> = {
  [SENT]: 'Device',
  [QUEUED]: 'IOMMU',
  [BY_UNIT]: 'IOMMU',
  [BY_KERNEL]: 'Kernel',
  [TO_GUEST]: 'VMM',
  [BY_VMM]: 'VMM',
  [RESPONSE]: 'IOMMU',
  [RECEIVED]: 'Device',
};

interface Journey {
  readonly rid: number;
  readonly pasid: number;
  readonly group: number;
  readonly address: bigint;
  readonly records: TraceRecord[];
}

function groupOf(record: TraceRecord): number {
  return Number(record.values['group'] ?? record.values['prgi'] ?? -1);
}

function isEnd(record: TraceRecord): boolean {
  return record.kind.kind === RECEIVED || record.kind.kind === BY_UNIT;
}

/** The unit's record may stand before that of the device whose request it is: both are of the same nanosecond. */
function inOrder(records: readonly TraceRecord[]): TraceRecord[] {
  const rank = (record: TraceRecord): number => (record.kind.kind === SENT ? 0 : 1);
  return records.toSorted((a, b) => a.timeNs - b.timeNs || rank(a) - rank(b));
}

function isInGuest(record: TraceRecord): boolean {
  const { kind } = record.kind;
  return kind === TO_GUEST || kind === BY_VMM || (kind === BY_KERNEL && record.source !== HOST);
}

function layerOf(record: TraceRecord): string {
  return record.kind.kind === BY_KERNEL && isInGuest(record)
    ? 'Guest kernel'
    : (LAYERS[record.kind.kind] ?? '');
}

/** The request that a VMM passes on: of the same page, and if it can be of the same group; the oldest that no guest has yet. */
function passedOn(record: TraceRecord, open: Iterable<Journey>): Journey | undefined {
  const address = BigInt(record.values['address'] ?? 0);
  const candidates = [...open].filter(
    (journey) => journey.address === address && !journey.records.some(isInGuest),
  );
  return candidates.find(({ group }) => group === groupOf(record)) ?? candidates[0];
}

/** Oldest first. A device uses a group index again only after the answer. */
function journeys(records: readonly TraceRecord[]): readonly Journey[] {
  const open = new Map<string, Journey>();
  /** By VM, guest PASID and group. */
  const inGuests = new Map<string, Journey>();
  const all: Journey[] = [];
  for (const record of records) {
    const key = `${Number(record.values['pasid'])}/${groupOf(record)}`;
    if (isInGuest(record)) {
      const guestKey = `${record.source}/${key}`;
      if (record.kind.kind === TO_GUEST) {
        const journey = passedOn(record, open.values());
        if (journey !== undefined) inGuests.set(guestKey, journey);
      }
      inGuests.get(guestKey)?.records.push(record);
      continue;
    }
    const known = open.get(key);
    if (known === undefined) {
      const started: Journey = {
        rid: Number(record.values['rid'] ?? -1),
        pasid: Number(record.values['pasid']),
        group: groupOf(record),
        address: BigInt(record.values['address'] ?? 0),
        records: [record],
      };
      open.set(key, started);
      all.push(started);
    } else {
      known.records.push(record);
    }
    if (isEnd(record)) open.delete(key);
  }
  return all.map((journey) => ({ ...journey, records: inOrder(journey.records) }));
}

function outcome(journey: Journey): {
  readonly text: string;
  readonly tone: 'good' | 'fault' | 'accent';
} {
  const answer = journey.records.findLast(
    (r) => r.kind.kind === BY_UNIT || (r.kind.kind === BY_KERNEL && !isInGuest(r)),
  );
  if (answer === undefined) {
    const asked = journey.records.findLast(isInGuest)?.kind.kind;
    const text = asked === TO_GUEST ? 'waiting for the guest' : 'waiting for the kernel';
    return { text, tone: 'accent' };
  }
  const code = Number(answer.values['code'] ?? answer.values['response']);
  const why = answer.values['why'];
  const reason = typeof why === 'string' && why !== '' ? `: ${why}` : '';
  return code === 0
    ? { text: `success${reason}`, tone: 'good' }
    : { text: `${code === 1 ? 'invalid request' : 'failure'}${reason}`, tone: 'fault' };
}

function row(journey: Journey): TableRow {
  const { records, pasid, group, address } = journey;
  const [first] = records;
  const last = records.at(-1);
  const rid = records.find((r) => r.values['rid'] !== undefined)?.values['rid'];
  const took = (last?.timeNs ?? 0) - (first?.timeNs ?? 0);
  return {
    id: `journey-${first?.seq ?? 0}`,
    refs: {
      ...(rid === undefined ? {} : { rid: ridRef(Number(rid)) }),
      ...(pasid < 0 ? {} : { pasid }),
      ...(first === undefined ? {} : { event: first.seq }),
    },
    cells: [
      rid === undefined ? (first?.source ?? '') : formatRid(Number(rid)),
      formatPasid(pasid),
      formatAddress(address),
      String(group),
      outcome(journey),
      formatDuration(took),
    ],
    detail: [
      {
        kind: 'table',
        id: `steps-${first?.seq ?? 0}`,
        title: 'Way through the layers',
        columns: [
          { id: 'layer', title: 'Layer' },
          { id: 'after', title: 'After', align: 'right', help: 'Time since the device asked' },
          { id: 'what', title: 'What happened', grow: 1 },
        ],
        rows: records.map((record) => ({
          id: `step-${record.seq}`,
          refs: { event: record.seq },
          cells: [
            layerOf(record),
            formatDuration(record.timeNs - (first?.timeNs ?? 0)),
            recordText(record),
          ],
        })),
        empty: '',
      },
    ],
  };
}

export function pageRequestsView({ trace, at }: ViewContext): ViewModel {
  const records = [...recentRecords(trace, at, KINDS, MAX_RECORDS)].reverse();
  const all = [...journeys(records)].reverse();
  const waiting = all.filter((j) => !j.records.some(isEnd)).length;
  return {
    view: 'page-requests',
    title: 'Page requests',
    subtitle: `${all.length} so far, ${waiting} on their way`,
    sections: [
      {
        kind: 'table',
        id: 'journeys',
        columns: [
          { id: 'rid', title: 'Device', isMono: true },
          { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
          { id: 'page', title: 'Page', isMono: true },
          { id: 'group', title: 'Group', align: 'right', help: 'Page request group index (PRGI)' },
          { id: 'answer', title: 'Answer', grow: 1 },
          { id: 'took', title: 'Took', align: 'right' },
        ],
        rows: all.slice(0, MAX_ROWS).map(row),
        ...(all.length > MAX_ROWS ? { omittedRows: all.length - MAX_ROWS } : {}),
        empty:
          'No device has asked for a page yet. With shared virtual addressing, a device that meets a page which is not present asks the kernel to bring it in.',
      },
    ],
  };
}
