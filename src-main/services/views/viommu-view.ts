/**
 * Virtual IOMMUs: the guest's unit as its kernel programmed it, with queues and fault log, the guest's PASID entries beside
 * those of the host that stand for them, and what the VMM carried from one to the other. `params.unit` chooses the VM.
 */
import type {
  KeyValueSection,
  TableCell,
  TableRow,
  TableSection,
  ViewModel,
} from '../../protocol/views.ts';
import { faultCodeTitle, faultReasonsOf } from '../../spec/vtd/faults.ts';
import { PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { TTM } from '../../spec/vtd/registers/global-command.ts';
import { recordText, walkEpt, type Machine } from '../../sim/index.ts';
import { pgttTitle } from './pasid-table-view.ts';
import { inline, record, text, type PlainRecord } from './plain-data.ts';
import { recentRecords } from './recent-records.ts';
import { formatAddress, formatPasid, formatRid, ridRef } from './sections.ts';
import { listOf, numberOf, published } from './software-objects.ts';
import {
  contextEntries,
  directoryEntries,
  findPasidEntry,
  pasidEntries,
  type TableMemory,
} from './translation-tables.ts';
import type { ViewContext } from './view-context.ts';

const PAGE = 4096;
const KINDS = [
  'vmm.viommu.descriptor-trapped',
  'vmm.viommu.pasid-changed',
  'vmm.viommu.function-blocked',
  'vmm.viommu.page-request',
  'vmm.viommu.page-response',
  'vmm.viommu.fault-recorded',
  'vmm.viommu.fault-lost',
] as const;
const REQUEST_TYPES = ['write', 'page request', 'read', 'atomic'] as const;
/** Status bits that say that something waits or went wrong, with their names. */
const STATUS_BITS = {
  PPF: 'faults wait',
  PFO: 'a fault was lost',
  IQE: 'the invalidation queue stopped',
  PPR: 'page requests wait',
  PRO: 'a page request was lost',
} as const;
const MAX_EVENTS = 32;
const TABLE_MODES: Readonly<Record<number, string>> = {
  [TTM.legacy]: 'legacy',
  [TTM.scalable]: 'scalable',
  [TTM.abortDma]: 'abort-DMA',
};

interface GuestUnit {
  readonly vm: string;
  /** As the guest's kernel tells. */
  readonly state: PlainRecord;
  /** As the VMM has it. */
  readonly own: PlainRecord;
  readonly memory: TableMemory;
}

/** Memory of a guest as its CPUs reach it; zero where the VM has none. */
function guestMemory(machine: Machine, vm: PlainRecord): TableMemory {
  const eptPointer = BigInt(text(vm, 'eptPointer') ?? '0x0');
  const view = {
    memory: machine.memory,
    eptPointer,
    physicalAddressBits: machine.unit.limits.capability.haw,
  };
  return {
    memory: {
      readWords(gpa, into) {
        for (let done = 0; done < into.length;) {
          const at = gpa + done * 4;
          const count = Math.min(into.length - done, (PAGE - (at % PAGE)) / 4);
          const walk = walkEpt(view, at, 'read');
          if (walk.kind === 'mapped') {
            machine.memory.readWords(walk.address, into.subarray(done, done + count));
          }
          done += count;
        }
      },
    },
  };
}

function unitsOf(machine: Machine): readonly GuestUnit[] {
  return published(machine, 'vm/').flatMap(({ name, state: vm }): GuestUnit[] => {
    const state = record(machine.software.get(`guest/${name}/iommu/unit/dmar0`));
    const own = record(machine.software.get(`vm/${name}/viommu`));
    return own === undefined
      ? []
      : [{ vm: name, state: state ?? {}, own, memory: guestMemory(machine, vm) }];
  });
}

function queueText(queue: PlainRecord, isOn: boolean): string {
  const [base, head, tail] = (['base', 'head', 'tail'] as const).map((key) => numberOf(queue, key));
  return isOn ? `${formatAddress(base ?? 0)}, head ${head ?? 0}, tail ${tail ?? 0}` : '—';
}

function unitSection({ state, own }: GuestUnit): KeyValueSection {
  const status = record(own['status']) ?? {};
  const set = Object.entries(STATUS_BITS).filter(([bit]) => status[bit] === 1);
  const requests = record(own['pageRequests']) ?? {};
  const isOn = own['isTranslating'] === true;
  const root = numberOf(own, 'root');
  return {
    kind: 'keyvalue',
    id: 'unit',
    title: 'Unit of the guest',
    rows: [
      {
        key: 'Translation',
        value: isOn ? `on, ${TABLE_MODES[numberOf(own, 'mode')] ?? ''} mode` : 'off',
      },
      {
        key: 'Root table',
        value: root < 0 ? '—' : formatAddress(root),
        help: 'Guest-physical: the VMM reads it there',
      },
      {
        key: 'Invalidation queue',
        value: queueText(record(own['queue']) ?? {}, own['hasQueue'] === true),
        help: 'Guest-physical: each write of its tail traps',
      },
      {
        key: 'Page request queue',
        value: queueText(requests, numberOf(requests, 'base') > 0),
        help: 'Guest-physical: the VMM writes requests there',
      },
      {
        key: 'Fault status',
        value: set.length === 0 ? 'nothing waits' : set.map(([, what]) => what).join(', '),
        ...(set.length === 0 ? {} : { tone: 'fault' as const }),
        help: 'Status registers of faults and page requests',
      },
      { key: 'Version', value: inline(state['version'] ?? '—') },
    ],
  };
}

/** What requests without a PASID reach. */
const REACH: Readonly<Record<string, TableCell>> = {
  'first-stage': { text: 'first stage of the guest', tone: 'good' },
  'guest-physical': { text: 'guest-physical memory', tone: 'muted' },
  nothing: { text: 'nothing: blocked', tone: 'fault' },
  'other-table': { text: 'table of another function', tone: 'warning' },
};

function functionsTable({ own }: GuestUnit): TableSection {
  return {
    kind: 'table',
    id: 'functions',
    title: 'Requests without a PASID',
    columns: [
      { id: 'rid', title: 'Guest function', isMono: true },
      { id: 'reach', title: 'Reach', help: 'What the host lets them reach now' },
      {
        id: 'fault',
        title: 'Fault',
        grow: 1,
        help: 'With which the guest’s own tables refuse them',
      },
    ],
    rows: listOf(own, 'functions').map((found) => ({
      id: `function-${numberOf(found, 'rid')}`,
      refs: {},
      cells: [
        formatRid(numberOf(found, 'rid')),
        REACH[text(found, 'reach') ?? ''] ?? '',
        faultCell(numberOf(found, 'reason')),
      ],
    })),
    empty: 'The VM has no device behind its unit.',
  };
}

/** 0 is no fault. */
function faultCell(reason: number): TableCell {
  const [row] = faultReasonsOf(reason);
  return reason === 0
    ? { text: '—' }
    : {
        text: `${reason.toString(16).padStart(2, '0')}h ${faultCodeTitle(reason) ?? ''}`,
        tone: 'fault',
        help: row?.explanation ?? '',
      };
}

function requesterText(rid: number, pasid: number): string {
  return pasid < 0 ? formatRid(rid) : `${formatRid(rid)} PASID ${formatPasid(pasid)}`;
}

function faultsTable({ own }: GuestUnit): TableSection {
  return {
    kind: 'table',
    id: 'faults',
    title: 'Fault records of the guest’s unit',
    columns: [
      { id: 'requester', title: 'Requester', help: 'On the guest’s bus' },
      { id: 'request', title: 'Request', grow: 1 },
      { id: 'fault', title: 'Fault', grow: 1 },
    ],
    rows: listOf(own, 'faults').map((found) => ({
      id: `record-${numberOf(found, 'index')}`,
      refs: {},
      cells: [
        requesterText(numberOf(found, 'rid'), numberOf(found, 'pasid')),
        `${REQUEST_TYPES[numberOf(found, 'type')] ?? ''}, ${formatAddress(numberOf(found, 'address'))}`,
        { ...faultCell(numberOf(found, 'reason')), tone: 'neutral' },
      ],
    })),
    empty: 'No record waits for the guest’s driver, which clears what it has read.',
  };
}

interface HostSide {
  readonly uuid: string;
  readonly rid: number;
  /** -1 while nothing is bound. */
  readonly pasid: number;
}

/** The VDEV at a place of the guest's bus, and the host PASID behind a PASID of the guest. */
function hostSide(machine: Machine, vm: string, rid: number, pasid: number): HostSide | undefined {
  const place = machine.software
    .entries(`vm/${vm}/device/`)
    .find(([, value]) => record(value)?.['rid'] === rid);
  if (place === undefined) return undefined;
  const uuid = place[0].split('/').at(-1) ?? '';
  const parent = text(record(machine.software.get(`mdev/${uuid}`)) ?? {}, 'parent') ?? '';
  const device = [...machine.fabric.functions()].find(([r]) => parent.includes(formatRid(r)));
  return { uuid, rid: device?.[0] ?? -1, pasid: hostPasid(machine, { vm, uuid }, pasid) };
}

function hostPasid(
  machine: Machine,
  { vm, uuid }: { readonly vm: string; readonly uuid: string },
  guestPasid: number,
): number {
  if (guestPasid === 0) {
    return numberOf(record(machine.software.get(`vdev/${uuid}`)) ?? {}, 'defaultPasid') || -1;
  }
  const bound = machine.software
    .entries('iommufd/')
    .map(([, value]) => record(value))
    .find((object) => object?.['kind'] === 'device' && object['device'] === uuid);
  const found = listOf(bound ?? {}, 'pasids').find((p) => p['pasid'] === guestPasid);
  if (found !== undefined) return numberOf(found, 'hostPasid');
  const process = record(machine.software.get(`vm/${vm}`))?.['process'];
  const spid = published(machine, 'ioasid/').find(({ state }) => {
    const set = record(machine.software.get(`ioasid/set/${inline(state['set'])}`));
    return state['spid'] === guestPasid && set?.['owner'] === process;
  });
  return spid === undefined ? -1 : Number(spid.name);
}

function entryRow(
  machine: Machine,
  unit: GuestUnit,
  guest: { readonly rid: number; readonly pasid: number; readonly words: Uint32Array },
): TableRow {
  const entry = PasidTableEntry.decode(guest.words);
  const host = hostSide(machine, unit.vm, guest.rid, guest.pasid);
  const found =
    host === undefined || host.pasid < 0
      ? undefined
      : findPasidEntry(machine, host.rid, host.pasid);
  const shadow = found === undefined ? undefined : PasidTableEntry.decode(found.words);
  const isFollowed =
    entry.PGTT === PGTT.passThrough
      ? shadow?.PGTT === PGTT.secondStage
      : shadow?.P === 1 && shadow.FSPTPTR === entry.FSPTPTR;
  return {
    id: `guest-${guest.rid}-${guest.pasid}`,
    refs: host === undefined || host.pasid < 0 ? {} : { rid: ridRef(host.rid), pasid: host.pasid },
    cells: [
      formatRid(guest.rid),
      formatPasid(guest.pasid),
      pgttTitle(entry.PGTT),
      formatAddress(entry.FSPTPTR),
      host === undefined || host.pasid < 0 ? '—' : formatPasid(host.pasid),
      shadow === undefined ? '—' : pgttTitle(shadow.PGTT),
      shadow === undefined ? '—' : formatAddress(shadow.FSPTPTR),
      isFollowed ? { text: 'followed', tone: 'good' } : { text: 'not bound', tone: 'muted' },
    ],
    ...(host === undefined || host.pasid < 0
      ? {}
      : {
          link: {
            view: 'nested-walk' as const,
            params: { rid: ridRef(host.rid), pasid: host.pasid },
            label: 'Walk both stages',
          },
        }),
  };
}

function entriesTable(machine: Machine, unit: GuestUnit): TableSection {
  const root = {
    address: Math.max(0, numberOf(unit.own, 'root')),
    mode: 1,
    isScalable: numberOf(unit.own, 'mode') === TTM.scalable,
    isEnabled: true,
  };
  const entries =
    root.address === 0 || !root.isScalable
      ? []
      : contextEntries(unit.memory, root).flatMap(({ rid, words }) =>
          directoryEntries(unit.memory, words).flatMap((directory) =>
            pasidEntries(unit.memory, directory)
              .filter((e) => PasidTableEntry.decode(e.words).P === 1)
              .map((e) => ({ rid, pasid: e.pasid, words: e.words })),
          ),
        );
  return {
    kind: 'table',
    id: 'entries',
    title: 'PASID entries of guest and host',
    columns: [
      { id: 'rid', title: 'Guest function', isMono: true },
      { id: 'pasid', title: 'Guest PASID', align: 'right', isMono: true },
      { id: 'pgtt', title: 'In the guest' },
      { id: 'root', title: 'First-stage table', isMono: true, help: 'A guest-physical address' },
      { id: 'host', title: 'Host PASID', align: 'right', isMono: true },
      { id: 'shadow', title: 'On the host' },
      { id: 'same', title: 'Its first-stage table', isMono: true },
      {
        id: 'state',
        title: 'State',
        grow: 1,
        help: 'Followed: the host’s entry uses the very table of the guest, nested on the VM’s second stage',
      },
    ],
    rows: entries.map((entry) => entryRow(machine, unit, entry)),
    empty: 'The guest has no PASID entry. Binding a process in the guest writes one.',
  };
}

function eventsTable(context: ViewContext): TableSection {
  const records = recentRecords(context.trace, context.at, KINDS, MAX_EVENTS);
  return {
    kind: 'table',
    id: 'events',
    title: 'What the VMM carried over',
    columns: [
      { id: 'event', title: 'Event', align: 'right', isMono: true },
      { id: 'what', title: 'What happened', grow: 1 },
    ],
    rows: records.map((found) => ({
      id: `event-${found.seq}`,
      refs: { event: found.seq },
      cells: [`#${found.seq}`, recordText(found)],
    })),
    empty: 'The guest has not used its unit yet.',
  };
}

export function viommuView(context: ViewContext): ViewModel {
  const { machine, params } = context;
  const units = unitsOf(machine);
  const unit = units.find(({ vm }) => vm === params.unit) ?? units[0];
  if (unit === undefined) {
    return {
      view: 'viommu',
      title: 'vIOMMU',
      sections: [],
      empty:
        'No VM of this machine has a vIOMMU. With one, the guest’s own tables and queues are shown here.',
    };
  }
  return {
    view: 'viommu',
    title: 'vIOMMU',
    subtitle: unit.vm,
    choices: [
      {
        param: 'unit',
        title: 'VM',
        value: unit.vm,
        options: units.map(({ vm }) => ({ value: vm, title: vm })),
      },
    ],
    sections: [
      unitSection(unit),
      functionsTable(unit),
      entriesTable(machine, unit),
      faultsTable(unit),
      eventsTable(context),
    ],
    notModelled:
      'Interrupt remapping by the guest, second-stage tables of the guest. Under iommufd, faults that are no page requests stay in the host’s log.',
  };
}
