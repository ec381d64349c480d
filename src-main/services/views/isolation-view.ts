/**
 * Who can reach which memory, and by which bits: every present PASID entry with the physical pages its tables map. Pages that
 * more than one domain reaches are marked, and so are address spaces whose requests reached somebody else's page.
 */
import type { TableCell, TableRow, ViewModel } from '../../protocol/views.ts';
import { PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import type { Machine } from '../../sim/index.ts';
import { breachesBefore, breachesSection, type Breach } from './isolation-breaches.ts';
import {
  interruptBreachesBefore,
  interruptBreachesSection,
} from './isolation-interrupt-breaches.ts';
import { leavesOf, pagingEntries, type PagingEntry } from './paging-map.ts';
import { stagesOf } from './pasid-paging.ts';
import { pgttTitle } from './pasid-table-view.ts';
import { record, text } from './plain-data.ts';
import { formatAddress, formatBytes, formatPasid, formatRid, ridRef } from './sections.ts';
import { vdevs } from './software-objects.ts';
import { contextEntries, directoryEntries, pasidEntries, rootTable } from './translation-tables.ts';
import type { ViewContext } from './view-context.ts';

const MAX_RANGES = 32;

interface Range {
  readonly from: number;
  readonly to: number;
  readonly isWritable: boolean;
}

interface Reach {
  readonly rid: number;
  readonly pasid: number;
  readonly did: number;
  readonly pgtt: number;
  readonly owner: string;
  /** Names of the owner: a VM has that of its VMM process as well. */
  readonly holders: readonly string[];
  readonly ranges: readonly Range[];
  readonly table: string;
}

/** Runs of pages in order of physical address; neighbours with the same rights are joined. */
function rangesOf(leaves: readonly PagingEntry[]): readonly Range[] {
  const sorted = leaves
    .map((leaf) => ({
      from: leaf.target,
      to: leaf.target + leaf.pages * leaf.pageBytes,
      isWritable: leaf.rights.includes('W'),
    }))
    .toSorted((a, b) => a.from - b.from);
  const joined: Range[] = [];
  for (const range of sorted) {
    const last = joined.at(-1);
    if (last !== undefined && last.to === range.from && last.isWritable === range.isWritable) {
      joined[joined.length - 1] = { ...last, to: range.to };
    } else {
      joined.push(range);
    }
  }
  return joined;
}

/** VM, process or device that a PASID was given to, and its names. */
function ownerOf(machine: Machine, pasid: number, rid: number): Pick<Reach, 'owner' | 'holders'> {
  const vdev = vdevs(machine).find((fact) => {
    const pasids = fact.vdev?.['pasids'];
    return Array.isArray(pasids) && pasids.includes(pasid);
  });
  if (vdev !== undefined) {
    const { vm, process, label } = vdev;
    const holders = [vm, process].filter((name) => name !== undefined);
    return { owner: holders[0] ?? `VDEV ${label}`, holders };
  }
  const holder = record(machine.software.get(`pasid/${pasid}`));
  const owner = holder === undefined ? undefined : text(holder, 'owner');
  const device = machine.fabric.functions().get(rid)?.name ?? formatRid(rid);
  return owner === undefined || owner.includes(formatRid(rid))
    ? { owner: `kernel (${device})`, holders: [] }
    : { owner, holders: [owner] };
}

function reachOf(machine: Machine): readonly Reach[] {
  const root = rootTable(machine);
  if (root === undefined || !root.isScalable) return [];
  return contextEntries(machine, root).flatMap(({ rid, words }) =>
    directoryEntries(machine, words).flatMap((directory) =>
      pasidEntries(machine, directory).flatMap(({ pasid, words: bits }): Reach[] => {
        const entry = PasidTableEntry.decode(bits);
        if (entry.P === 0) return [];
        // What the last stage maps is what the requester can reach at most.
        const stage = stagesOf(machine, entry).at(-1);
        return [
          {
            rid,
            pasid,
            did: entry.DID,
            pgtt: entry.PGTT,
            ...ownerOf(machine, pasid, rid),
            ranges: stage === undefined ? [] : rangesOf(leavesOf(pagingEntries(machine, stage))),
            table: stage === undefined ? '' : formatAddress(stage.root),
          },
        ];
      }),
    ),
  );
}

function overlaps(a: Range, b: Range): boolean {
  return a.from < b.to && b.from < a.to;
}

/** Others, of another owner, that reach a page of the range. */
function sharers(range: Range, own: Reach, all: readonly Reach[]): readonly Reach[] {
  return all.filter(
    (other) => other.owner !== own.owner && other.ranges.some((r) => overlaps(range, r)),
  );
}

function nameOf(reach: Reach): string {
  return `${reach.owner} (PASID ${formatPasid(reach.pasid)})`;
}

function rangeRow(range: Range, own: Reach, all: readonly Reach[]): TableRow {
  const others = sharers(range, own, all);
  return {
    id: `range-${own.rid}-${own.pasid}-${range.from.toString(16)}`,
    ...(others.length > 0 ? { tone: 'warning' as const } : {}),
    cells: [
      formatAddress(range.from),
      formatBytes(range.to - range.from),
      range.isWritable ? 'RW' : 'R-',
      others.length === 0
        ? { text: 'nobody else', tone: 'good' as const }
        : { text: others.map(nameOf).join(', '), tone: 'warning' as const },
    ],
    link: {
      view: 'memory',
      params: { address: `0x${range.from.toString(16)}` },
      label: 'Show the memory',
    },
  };
}

function stateCell(isBreached: boolean, isShared: boolean, bytes: number): TableCell {
  if (isBreached) return { text: 'breached', tone: 'fault' };
  if (isShared) return { text: 'shared with others', tone: 'warning' };
  return bytes === 0 ? { text: 'nothing mapped', tone: 'muted' } : { text: 'alone', tone: 'good' };
}

/** A translated request names no PASID: it is of the address space of whom the work was done for, a VM or a part of it. */
function isOf({ rid, pasid, holders }: Reach, breach: Breach): boolean {
  if (breach.rid !== rid) return false;
  return breach.isTranslated && breach.pasid < 0
    ? holders.some(
        (name) => breach.principal === name || breach.principal.startsWith(`VM ${name} / `),
      )
    : Math.max(breach.pasid, 0) === pasid;
}

function reachRow(reach: Reach, all: readonly Reach[], breaches: readonly Breach[]): TableRow {
  const bytes = reach.ranges.reduce((sum, range) => sum + range.to - range.from, 0);
  const shared = reach.ranges.filter((range) => sharers(range, reach, all).length > 0).length;
  const isEverything = reach.pgtt === PGTT.passThrough;
  const isShared = isEverything || shared > 0;
  const isBreached = breaches.some((breach) => isOf(reach, breach));
  const tone = isBreached ? 'fault' : isShared ? 'warning' : undefined;
  return {
    id: `reach-${reach.rid}-${reach.pasid}`,
    refs: { rid: ridRef(reach.rid), pasid: reach.pasid },
    ...(tone === undefined ? {} : { tone }),
    cells: [
      reach.owner,
      formatRid(reach.rid),
      formatPasid(reach.pasid),
      `P=1, PGTT ${pgttTitle(reach.pgtt)}, DID ${reach.did}`,
      isEverything ? 'all memory' : formatBytes(bytes),
      stateCell(isBreached, isShared, bytes),
    ],
    ...(reach.ranges.length === 0
      ? {}
      : {
          detail: [
            {
              kind: 'table' as const,
              id: `ranges-${reach.rid}-${reach.pasid}`,
              title: 'Physical memory in reach',
              columns: [
                { id: 'from', title: 'From', isMono: true },
                { id: 'bytes', title: 'Size', align: 'right' as const },
                { id: 'rights', title: 'Rights', isMono: true },
                { id: 'others', title: 'Who else', grow: 1 },
              ],
              rows: reach.ranges.slice(0, MAX_RANGES).map((range) => rangeRow(range, reach, all)),
              ...(reach.ranges.length > MAX_RANGES
                ? { omittedRows: reach.ranges.length - MAX_RANGES }
                : {}),
              empty: '',
            },
          ],
        }),
  };
}

export function isolationView(context: ViewContext): ViewModel {
  const all = reachOf(context.machine);
  const breaches = breachesBefore(context);
  const interrupts = interruptBreachesBefore(context);
  const shared = all.filter((reach) => reach.ranges.some((r) => sharers(r, reach, all).length > 0));
  return {
    view: 'isolation',
    title: 'Isolation',
    subtitle: `${all.length} address spaces, ${shared.length} share memory with another owner, ${breaches.length + interrupts.length} breaches`,
    sections: [
      {
        kind: 'table',
        id: 'reach',
        columns: [
          {
            id: 'owner',
            title: 'Owner',
            help: 'VM, process or kernel that the PASID was given to',
          },
          { id: 'rid', title: 'Requester', isMono: true },
          { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
          { id: 'bits', title: 'By these bits', grow: 1, help: 'Fields of the PASID entry' },
          {
            id: 'reach',
            title: 'In reach',
            align: 'right',
            help: 'Memory that requests with the PASID can reach',
          },
          { id: 'shared', title: 'Isolation' },
        ],
        rows: all.map((reach) => reachRow(reach, all, breaches)),
        empty:
          'No address space is attached: every request ends with a fault. Attaching a domain by PASID adds one here.',
      },
      breachesSection(context, breaches),
      interruptBreachesSection(context, interrupts),
    ],
    notModelled:
      'Reach of the processes of one VM each for itself, vectors within one VM, and what translation caches still allow: the cache panes mark stale entries.',
  };
}
