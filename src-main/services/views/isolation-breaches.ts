/** Accesses that left the memory of whom they were done for, as the isolation oracle recorded them. */
import { toHex } from '../../bits/hex.ts';
import type { TableRow, TableSection } from '../../protocol/views.ts';
import { ISOLATION_ACCESS, ISOLATION_BREACHED } from '../../spec/events/isolation.ts';
import { formatField, type TraceRecord } from '../../sim/index.ts';
import { recentRecords } from './recent-records.ts';
import {
  formatAddress,
  formatDuration,
  formatPasid,
  formatRid,
  ridRef,
  textSection,
} from './sections.ts';
import type { ViewContext } from './view-context.ts';

const MAX_BREACHES = 64;

export interface Breach {
  readonly seq: number;
  readonly timeNs: number;
  readonly principal: string;
  readonly owner: string;
  readonly address: bigint;
  /** `read`, `write`, `peer access`. */
  readonly access: string;
  readonly isPeer: boolean;
  readonly rid: number;
  readonly pasid: number;
  readonly isTranslated: boolean;
}

function breachOf({ seq, timeNs, kind, values }: TraceRecord): Breach {
  const access = Number(values['access']);
  const field = kind.fields.find(({ name }) => name === 'access');
  return {
    seq,
    timeNs,
    principal: String(values['principal']),
    owner: String(values['owner']),
    address: BigInt(values['address'] ?? 0),
    access: field === undefined ? '' : formatField(field, access),
    isPeer: access === ISOLATION_ACCESS.peer,
    rid: Number(values['rid']),
    pasid: Number(values['pasid']),
    isTranslated: Number(values['translated']) === 1,
  };
}

/** Newest first. */
export function breachesBefore({ trace, at }: ViewContext): readonly Breach[] {
  return recentRecords(trace, at, [ISOLATION_BREACHED.kind], MAX_BREACHES).map(breachOf);
}

/** Why no hardware stopped it. */
function reasonOf({ isPeer, isTranslated }: Breach): string {
  if (isPeer) {
    return 'Another function answered the request before it came to the remapping unit: nothing on the way redirects requests upstream (ACS).';
  }
  return isTranslated
    ? 'The request said that its address was translated already, so the unit walked no table. Either the device TLB kept a translation that software had taken back, or the device made the address up.'
    : 'The tables or a cache of the unit allowed it: the PASID is not of whom the work is done for, or a translation outlived the mapping it came from.';
}

function breachRow(breach: Breach): TableRow {
  const { seq, pasid, rid } = breach;
  const address = toHex(breach.address);
  return {
    id: `breach-${seq}`,
    tone: 'fault',
    refs: { event: seq, rid: ridRef(rid), address, ...(pasid < 0 ? {} : { pasid }) },
    cells: [
      `#${seq}`,
      formatDuration(breach.timeNs),
      { text: breach.principal, tone: 'fault' },
      breach.access,
      formatAddress(breach.address),
      { text: breach.owner, tone: 'fault' },
      formatRid(rid),
      formatPasid(pasid),
    ],
    link: { view: 'memory', params: { address }, label: 'Show the memory' },
    detail: [textSection(`why-${seq}`, 'fault', reasonOf(breach), 'Why nothing stopped it')],
  };
}

export function breachesSection(
  { machine }: ViewContext,
  breaches: readonly Breach[],
): TableSection {
  return {
    kind: 'table',
    id: 'breaches',
    title: 'Breaches',
    columns: [
      { id: 'event', title: 'Event', align: 'right', isMono: true },
      { id: 'time', title: 'Time', align: 'right', isMono: true },
      { id: 'principal', title: 'On behalf of', help: 'Whose work the device did' },
      { id: 'access', title: 'Access' },
      { id: 'address', title: 'Host address', isMono: true },
      {
        id: 'owner',
        title: 'Owner of the page',
        grow: 1,
        help: 'Who had the page at the instant of the access',
      },
      { id: 'rid', title: 'Requester', isMono: true },
      { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
    ],
    rows: breaches.map(breachRow),
    empty:
      machine.config.hasIsolationOracle === false
        ? 'This machine does not watch whose pages devices reach: its configuration switched the isolation oracle off.'
        : 'No device has left the memory of whom it works for. To see a breach, take a defence away in the configuration of the machine and run an attack.',
  };
}
