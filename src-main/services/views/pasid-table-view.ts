/** The tables of the IOMMU as a drill-down: root, context, PASID directory, PASID entry. */
import type { TreeNode, ViewModel } from '../../protocol/views.ts';
import { LegacyContextEntry, ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { PasidDirectoryEntry } from '../../spec/vtd/pasid-directory-entry.ts';
import { PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { RootEntry, ScalableRootEntry } from '../../spec/vtd/root-entry.ts';
import type { Machine } from '../../sim/index.ts';
import { pagingNodes } from './pasid-paging.ts';
import { formatAddress, formatRid, ridRef, structureSection } from './sections.ts';
import {
  contextEntries,
  directoryEntries,
  pasidEntries,
  rootTable,
  type FoundContext,
  type FoundDirectory,
  type FoundPasidEntry,
  type RootTable,
} from './translation-tables.ts';
import { layoutContextOf, type ViewContext } from './view-context.ts';

const PGTT_TITLES: Readonly<Record<number, string>> = {
  [PGTT.firstStage]: 'first-stage',
  [PGTT.secondStage]: 'second-stage',
  [PGTT.nested]: 'nested',
  [PGTT.passThrough]: 'pass-through',
};

export function pgttTitle(pgtt: number): string {
  return PGTT_TITLES[pgtt] ?? `reserved PGTT ${pgtt}`;
}

export function pasidTableView({ machine, params }: ViewContext): ViewModel {
  const root = rootTable(machine);
  if (root === undefined) {
    return {
      view: 'pasid-table',
      title: 'PASID tables',
      sections: [],
      empty:
        'The IOMMU has no root table yet. Run a script that boots the kernel: the driver writes RTADDR_REG and sets SRTP, and the tables appear here.',
    };
  }
  const contexts = contextEntries(machine, root).filter(
    (c) => params.rid === undefined || ridRef(c.rid) === params.rid,
  );
  return {
    view: 'pasid-table',
    title: 'PASID tables',
    subtitle: `root table at ${formatAddress(root.address)}, ${root.isScalable ? 'scalable' : 'legacy'} mode, remapping ${root.isEnabled ? 'on' : 'off'}`,
    sections: [
      {
        kind: 'tree',
        id: 'tables',
        nodes: busNodes(machine, root, contexts),
        empty:
          'No context entry is set: every request ends with a fault. Attaching a device to a domain creates one.',
      },
    ],
    notModelled: 'Host permission tables',
  };
}

function busNodes(
  machine: Machine,
  root: RootTable,
  contexts: readonly FoundContext[],
): readonly TreeNode[] {
  const buses = new Map<number, FoundContext[]>();
  for (const context of contexts) {
    const bus = Math.floor(context.rid / 256);
    buses.set(bus, [...(buses.get(bus) ?? []), context]);
  }
  return [...buses.entries()].map(([bus, entries]) => {
    const first = entries[0] as FoundContext;
    return {
      id: `root-${bus}`,
      title: `Root entry, bus ${bus.toString(16).padStart(2, '0')}`,
      subtitle: formatAddress(first.rootAddress),
      refs: { address: formatAddress(first.rootAddress) },
      detail: [
        structureSection(root.isScalable ? ScalableRootEntry : (RootEntry as never), {
          id: `root-entry-${bus}`,
          words: first.rootWords,
          address: first.rootAddress,
          context: layoutContextOf(machine),
        }),
      ],
      children: entries.map((c) =>
        root.isScalable ? scalableContextNode(machine, c) : legacyContextNode(machine, c),
      ),
    };
  });
}

function legacyContextNode(machine: Machine, found: FoundContext): TreeNode {
  return {
    id: `context-${found.rid}`,
    title: `Context entry ${formatRid(found.rid)}`,
    subtitle: formatAddress(found.address),
    refs: { rid: ridRef(found.rid) },
    detail: [
      structureSection(LegacyContextEntry, {
        id: `context-entry-${found.rid}`,
        words: found.words,
        address: found.address,
        context: layoutContextOf(machine),
      }),
    ],
  };
}

function scalableContextNode(machine: Machine, found: FoundContext): TreeNode {
  const entry = ScalableContextEntry.decode(found.words);
  const switches = [
    entry.DTE === 1 ? 'ATS' : '',
    entry.PASIDE === 1 ? 'PASID' : '',
    entry.PRE === 1 ? 'PRI' : '',
  ]
    .filter((s) => s !== '')
    .join(', ');
  return {
    id: `context-${found.rid}`,
    title: `Context entry ${formatRid(found.rid)}`,
    subtitle:
      entry.P === 1
        ? `present; ${switches === '' ? 'no PASID requests' : switches} enabled`
        : 'not present',
    tone: entry.P === 1 ? 'neutral' : 'muted',
    refs: { rid: ridRef(found.rid), address: formatAddress(found.address) },
    detail: [
      structureSection(ScalableContextEntry, {
        id: `context-entry-${found.rid}`,
        words: found.words,
        address: found.address,
        context: layoutContextOf(machine),
        refs: { rid: ridRef(found.rid) },
      }),
    ],
    children:
      entry.P === 1
        ? directoryEntries(machine, found.words).map((d) =>
            directoryNode(machine, { rid: found.rid, ridPasid: entry.RID_PASID }, d),
          )
        : [],
  };
}

interface Requester {
  readonly rid: number;
  /** PASID that stands for requests without one. */
  readonly ridPasid: number;
}

function directoryNode(machine: Machine, requester: Requester, found: FoundDirectory): TreeNode {
  const { rid } = requester;
  const first = found.index * 64;
  return {
    id: `directory-${rid}-${found.index}`,
    title: `PASID directory entry ${found.index}`,
    subtitle: `PASIDs ${first} to ${first + 63}, table at ${formatAddress(found.tableAddress)}`,
    refs: { rid: ridRef(rid), address: formatAddress(found.address) },
    detail: [
      structureSection(PasidDirectoryEntry, {
        id: `directory-entry-${rid}-${found.index}`,
        words: found.words,
        address: found.address,
        context: layoutContextOf(machine),
      }),
    ],
    children: pasidEntries(machine, found).map((e) => pasidNode(machine, requester, e)),
  };
}

function pasidNode(
  machine: Machine,
  { rid, ridPasid }: Requester,
  found: FoundPasidEntry,
): TreeNode {
  const id = `pasid-${rid}-${found.pasid}`;
  const entry = PasidTableEntry.decode(found.words);
  const table = entry.PGTT === PGTT.firstStage ? entry.FSPTPTR : entry.SSPTPTR;
  const refs = { rid: ridRef(rid), pasid: found.pasid, address: formatAddress(found.address) };
  const children = entry.P === 1 ? pagingNodes(machine, entry, id) : [];
  return {
    id,
    title: `PASID ${found.pasid}${found.pasid === ridPasid ? ' (requests without PASID)' : ''}`,
    subtitle:
      entry.P === 1
        ? `${pgttTitle(entry.PGTT)}, domain ${entry.DID}${entry.PGTT === PGTT.passThrough ? '' : `, tables at ${formatAddress(table)}`}`
        : 'not present',
    tone: entry.P === 1 ? 'good' : 'muted',
    refs,
    link: {
      view: 'page-walk',
      params: { rid: ridRef(rid), pasid: found.pasid },
      label: 'Walk an address with this PASID',
    },
    detail: [
      structureSection(PasidTableEntry, {
        id: `pasid-entry-${rid}-${found.pasid}`,
        words: found.words,
        address: found.address,
        context: layoutContextOf(machine),
        refs,
      }),
    ],
    ...(children.length === 0 ? {} : { children }),
  };
}
