/** Fault recording registers as they are now, and what was recorded earlier in the run. */
import { toHex } from '../../bits/hex.ts';
import type { TableColumn, TableRow, ViewModel } from '../../protocol/views.ts';
import { faultCodeTitle, faultReasonsOf } from '../../spec/vtd/faults.ts';
import { FRCD_REG, FSTS_REG } from '../../spec/vtd/registers/fault.ts';
import type { Trace } from '../../sim/index.ts';
import { recentRecords } from './recent-records.ts';
import {
  formatAddress,
  formatPasid,
  formatRid,
  registerSection,
  ridRef,
  textSection,
} from './sections.ts';
import { layoutContextOf, type ViewContext } from './view-context.ts';

const REQUEST_TYPES = ['write', 'page request', 'read', 'atomic'] as const;

const MAX_EARLIER = 64;

const COLUMNS: readonly TableColumn[] = [
  { id: 'reason', title: 'Reason', isMono: true },
  { id: 'title', title: 'Meaning', grow: 2 },
  { id: 'rid', title: 'Requester', isMono: true },
  { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
  { id: 'type', title: 'Request' },
  { id: 'address', title: 'Address', isMono: true },
];

/** Records that the trace has of faults; the registers themselves are cleared by the fault handler. */
function earlierFaults(trace: Trace, at: number): readonly TableRow[] {
  return recentRecords(trace, at, ['iommu.fault.recorded'], MAX_EARLIER).map((record) => {
    const { values } = record;
    const code = Number(values['reason']);
    const pasid = Number(values['pasid']);
    const rid = Number(values['rid']);
    const access = Number(values['access']) === 1 ? 'write' : 'read';
    const address = BigInt(values['address'] ?? 0);
    const [reason] = faultReasonsOf(code);
    return {
      id: `fault-${record.seq}`,
      refs: { event: record.seq, rid: ridRef(rid), ...(pasid < 0 ? {} : { pasid }) },
      cells: [
        `#${record.seq}`,
        {
          text: `${code.toString(16).padStart(2, '0')}h`,
          tone: 'fault',
          help: reason?.explanation ?? '',
          link: {
            view: 'page-walk',
            params: {
              rid: ridRef(rid),
              ...(pasid < 0 ? {} : { pasid }),
              address: toHex(address),
              access,
            },
            label: 'Walk the faulting address',
          },
        },
        faultCodeTitle(code) ?? '',
        formatRid(rid),
        formatPasid(pasid),
        access,
        formatAddress(address),
      ],
    };
  });
}

export function faultRecordsView({ machine, trace, at }: ViewContext): ViewModel {
  const { registers, limits } = machine.unit;
  const { faultRecordCount, faultRecordOffset } = limits.capability;
  const status = registers.wordsOf(registers.register('FSTS_REG'));
  const rows: TableRow[] = [];
  for (let i = 0; i < faultRecordCount; i++) {
    const words = Uint32Array.from({ length: 4 }, (_, w) =>
      registers.peek32(faultRecordOffset + i * 16 + w * 4),
    );
    const record = FRCD_REG.decode(words);
    if (record.F === 0) {
      continue;
    }
    const [reason] = faultReasonsOf(record.FR);
    rows.push({
      id: `frcd-${i}`,
      tone: 'fault',
      refs: { rid: ridRef(record.SID), ...(record.PP === 1 ? { pasid: record.PV } : {}) },
      cells: [
        String(i),
        {
          text: `${record.FR.toString(16).padStart(2, '0')}h`,
          tone: 'fault',
          help: reason?.explanation ?? '',
        },
        faultCodeTitle(record.FR) ?? '',
        formatRid(record.SID),
        record.PP === 1 ? String(record.PV) : 'none',
        REQUEST_TYPES[record.T1 * 2 + record.T2] ?? '',
        formatAddress(record.FI),
      ],
      link: {
        view: 'page-walk',
        params: {
          rid: ridRef(record.SID),
          ...(record.PP === 1 ? { pasid: record.PV } : {}),
          address: toHex(record.FI),
          access: record.T1 === 0 ? 'write' : 'read',
        },
        label: 'Walk the faulting address',
      },
      detail: [
        ...(reason === undefined
          ? []
          : [
              textSection(
                `why-${i}`,
                'fault',
                `${reason.explanation}\n\n${reason.usualCause}`,
                reason.title,
              ),
            ]),
        registerSection(registers.register(`FRCD_REG_${i}`), {
          id: `record-${i}`,
          words,
          context: layoutContextOf(machine),
        }),
      ],
    });
  }
  const earlier = earlierFaults(trace, at);
  return {
    view: 'fault-records',
    title: 'Fault records',
    subtitle: `${rows.length} of ${faultRecordCount} in use, ${earlier.length} recorded so far`,
    sections: [
      {
        kind: 'table',
        id: 'records',
        columns: [{ id: 'index', title: '#', align: 'right' }, ...COLUMNS],
        rows,
        empty:
          'No fault is on record. A request that the unit refuses leaves one here, unless FPD silences it.',
      },
      {
        kind: 'table',
        id: 'earlier',
        title: 'Recorded so far',
        columns: [{ id: 'event', title: 'Event', align: 'right', isMono: true }, ...COLUMNS],
        rows: earlier,
        empty: 'The unit has recorded no fault in this run.',
      },
      registerSection(FSTS_REG, { id: 'fsts', words: status, context: layoutContextOf(machine) }),
    ],
  };
}
