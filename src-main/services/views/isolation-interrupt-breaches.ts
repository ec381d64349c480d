/** Vectors that arrived at somebody by the doing of somebody else, as the isolation oracle recorded them. */
import type { TableRow, TableSection } from '../../protocol/views.ts';
import { INTERRUPT_PATH, ISOLATION_INTERRUPT_BREACHED } from '../../spec/events/isolation.ts';
import { formatField, type TraceRecord } from '../../sim/index.ts';
import { recentRecords } from './recent-records.ts';
import { formatDuration, formatRid, ridRef, textSection } from './sections.ts';
import type { ViewContext } from './view-context.ts';

const MAX_BREACHES = 64;

/** Newest first. */
export function interruptBreachesBefore({ trace, at }: ViewContext): readonly TraceRecord[] {
  return recentRecords(trace, at, [ISOLATION_INTERRUPT_BREACHED.kind], MAX_BREACHES);
}

/** Why no hardware stopped it. */
function reasonOf({ values }: TraceRecord): string {
  return Number(values['path']) === INTERRUPT_PATH.dma
    ? 'A write of one dword without PASID to FEEx_xxxxh is an interrupt, whoever makes it. Interrupt remapping takes no vector out of it, and a source check lets only the function itself use its entries.'
    : 'The message came from an interrupt table of the function, which names no owner. The remapping entry checks no source (SVT), or the entry of the table is open to the PASID of somebody else.';
}

function rowOf(breach: TraceRecord): TableRow {
  const { seq, timeNs, kind, values } = breach;
  const text = (name: string): string => {
    const field = kind.fields.find((f) => f.name === name);
    return field === undefined ? '' : formatField(field, values[name] ?? 0);
  };
  const rid = Number(values['rid']);
  return {
    id: `interrupt-breach-${seq}`,
    tone: 'fault',
    refs: { event: seq, rid: ridRef(rid) },
    cells: [
      `#${seq}`,
      formatDuration(timeNs),
      { text: String(values['principal']), tone: 'fault' },
      text('path'),
      text('vector'),
      { text: String(values['owner']), tone: 'fault' },
      text('arrival'),
      formatRid(rid),
    ],
    detail: [
      textSection(`why-interrupt-${seq}`, 'fault', reasonOf(breach), 'Why nothing stopped it'),
    ],
  };
}

export function interruptBreachesSection(
  { machine }: ViewContext,
  breaches: readonly TraceRecord[],
): TableSection {
  return {
    kind: 'table',
    id: 'interrupt-breaches',
    title: 'Interrupt breaches',
    columns: [
      { id: 'event', title: 'Event', align: 'right', isMono: true },
      { id: 'time', title: 'Time', align: 'right', isMono: true },
      { id: 'principal', title: 'On behalf of', help: 'Whose work the device did' },
      { id: 'path', title: 'Sent by' },
      { id: 'vector', title: 'Vector', align: 'right', isMono: true },
      {
        id: 'owner',
        title: 'Owner of the vector',
        grow: 1,
        help: 'At whom the vector arrived',
      },
      { id: 'arrival', title: 'Arrived at' },
      { id: 'rid', title: 'Requester', isMono: true },
    ],
    rows: breaches.map(rowOf),
    empty:
      machine.config.hasIsolationOracle === false
        ? 'This machine does not watch whose vectors arrive: its configuration switched the isolation oracle off.'
        : 'No vector has arrived at somebody by the doing of somebody else.',
  };
}
