/** Context cache, PASID cache and IOTLB. An entry that memory no longer supports is marked stale. */
import { bigOf } from '../../bits/u64.ts';
import type { TableRow, TableSection, ViewModel, ViewId } from '../../protocol/views.ts';
import { LegacyContextEntry, ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { IOTLB_FLAG, pgttOfFlags, type IotlbEntry, type Machine } from '../../sim/index.ts';
import { pgttTitle } from './pasid-table-view.ts';
import {
  formatAddress,
  formatBytes,
  formatPasid,
  formatRid,
  ridRef,
  structureSection,
} from './sections.ts';
import { isStaleTranslation, stateCell } from './staleness.ts';
import { contextEntries, findPasidEntry, rootTable } from './translation-tables.ts';
import { layoutContextOf, type ViewContext } from './view-context.ts';

function cacheModel(view: ViewId, title: string, subtitle: string, table: TableSection): ViewModel {
  return { view, title, subtitle, sections: [table] };
}

function differs(a: ArrayLike<number>, b: ArrayLike<number>, count: number): boolean {
  for (let i = 0; i < count; i++) {
    if ((a[i] ?? 0) !== (b[i] ?? 0)) {
      return true;
    }
  }
  return false;
}

export function contextCacheView({ machine }: ViewContext): ViewModel {
  const { structures, mode } = machine.unit.translation;
  const isScalable = mode === 1;
  const root = rootTable(machine);
  const inMemory = root === undefined ? [] : contextEntries(machine, root);
  const rows = structures.contextCache.entries().map((entry): TableRow => {
    const words = isScalable ? ScalableContextEntry.words : LegacyContextEntry.words;
    const found = inMemory.find((c) => c.rid === entry.keyA);
    const isStale = found === undefined || differs(found.words, entry.words, words);
    return {
      id: `context-${entry.keyA}`,
      refs: { rid: ridRef(entry.keyA) },
      cells: [formatRid(entry.keyA), isScalable ? 'scalable' : 'legacy', stateCell(isStale)],
      ...(isStale ? { tone: 'stale' as const } : {}),
      detail: [
        structureSection(isScalable ? ScalableContextEntry : (LegacyContextEntry as never), {
          id: `cached-context-${entry.keyA}`,
          words: entry.words,
          context: layoutContextOf(machine),
          note: 'The entry as it was when the unit read it.',
        }),
      ],
    };
  });
  return cacheModel(
    'context-cache',
    'Context cache',
    `${rows.length} of ${structures.contextCache.capacity} entries`,
    {
      kind: 'table',
      id: 'context-cache',
      columns: [
        { id: 'rid', title: 'Requester', isMono: true },
        { id: 'kind', title: 'Entry' },
        { id: 'state', title: 'State', help: 'Whether memory still holds what is cached' },
      ],
      rows,
      empty:
        'Nothing cached. The first translated request of a device puts its context entry here.',
    },
  );
}

export function pasidCacheView({ machine }: ViewContext): ViewModel {
  const { pasidCache } = machine.unit.translation.structures;
  const rows = pasidCache.entries().map((entry): TableRow => {
    const found = findPasidEntry(machine, entry.keyA, entry.keyB);
    const isStale = found === undefined || differs(found.words, entry.words, PasidTableEntry.words);
    const decoded = PasidTableEntry.decode(entry.words);
    return {
      id: `pasid-${entry.keyA}-${entry.keyB}`,
      refs: { rid: ridRef(entry.keyA), pasid: entry.keyB },
      cells: [
        formatRid(entry.keyA),
        String(entry.keyB),
        pgttTitle(decoded.PGTT),
        String(decoded.DID),
        stateCell(isStale),
      ],
      ...(isStale ? { tone: 'stale' as const } : {}),
      detail: [
        structureSection(PasidTableEntry, {
          id: `cached-pasid-${entry.keyA}-${entry.keyB}`,
          words: entry.words,
          context: layoutContextOf(machine),
          note: 'The entry as it was when the unit read it.',
        }),
      ],
    };
  });
  return cacheModel(
    'pasid-cache',
    'PASID cache',
    `${rows.length} of ${pasidCache.capacity} entries`,
    {
      kind: 'table',
      id: 'pasid-cache',
      columns: [
        { id: 'rid', title: 'Requester', isMono: true },
        { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
        { id: 'pgtt', title: 'Translation', help: 'PASID granular translation type (PGTT)' },
        {
          id: 'did',
          title: 'Domain',
          align: 'right',
          isMono: true,
          help: 'Domain identifier: invalidations select by it',
        },
        { id: 'state', title: 'State', help: 'Whether memory still holds what is cached' },
      ],
      rows,
      empty: 'Nothing cached. The first request with a PASID puts its PASID entry here.',
    },
  );
}

function rightsOf(flags: number): string {
  if ((flags & IOTLB_FLAG.passThrough) !== 0) {
    return 'RW';
  }
  const isFirst = (flags & IOTLB_FLAG.firstStage) !== 0;
  const canRead = (flags & IOTLB_FLAG.read) !== 0;
  const canWrite =
    (flags & IOTLB_FLAG.write) !== 0 && (!isFirst || (flags & IOTLB_FLAG.firstStageWrite) !== 0);
  const user = isFirst ? ((flags & IOTLB_FLAG.user) !== 0 ? ' user' : ' supervisor') : '';
  return `${canRead ? 'R' : '-'}${canWrite ? 'W' : '-'}${user}`;
}

function isStale(machine: Machine, entry: IotlbEntry): boolean {
  const isFirst = (entry.flags & IOTLB_FLAG.firstStage) !== 0;
  return isStaleTranslation(machine, {
    ...entry,
    canWrite: rightsOf(entry.flags).includes('W'),
    isPrivileged: isFirst && (entry.flags & IOTLB_FLAG.user) === 0,
  });
}

export function iotlbView({ machine, params }: ViewContext): ViewModel {
  const { iotlb } = machine.unit.translation;
  const all = iotlb
    .entries()
    .filter((e) => params.pasid === undefined || e.effectivePasid === params.pasid);
  const rows = all.map((entry): TableRow => {
    const stale = isStale(machine, entry);
    const input = bigOf(entry.inputHigh, entry.inputLow);
    return {
      id: `iotlb-${entry.rid}-${entry.pasid}-${input.toString(16)}-${entry.pageShift}`,
      refs: { rid: ridRef(entry.rid), pasid: entry.effectivePasid },
      cells: [
        formatRid(entry.rid),
        formatPasid(entry.pasid),
        formatAddress(input),
        formatAddress(bigOf(entry.outputHigh, entry.outputLow)),
        formatBytes(2 ** entry.pageShift),
        rightsOf(entry.flags),
        pgttTitle(pgttOfFlags(entry.flags)),
        String(entry.domainId),
        stateCell(stale),
      ],
      ...(stale ? { tone: 'stale' as const } : {}),
      link: {
        view: 'page-walk',
        params: {
          rid: ridRef(entry.rid),
          ...(entry.pasid < 0 ? {} : { pasid: entry.pasid }),
          address: `0x${input.toString(16)}`,
        },
        label: 'Walk this address',
      },
    };
  });
  return cacheModel('iotlb', 'IOTLB', `${rows.length} of ${iotlb.capacity} entries`, {
    kind: 'table',
    id: 'iotlb',
    columns: [
      { id: 'rid', title: 'Requester', isMono: true },
      { id: 'pasid', title: 'PASID', align: 'right', isMono: true },
      { id: 'input', title: 'Input page', isMono: true },
      { id: 'output', title: 'Host page', isMono: true },
      { id: 'size', title: 'Size', align: 'right' },
      { id: 'rights', title: 'Rights', isMono: true },
      { id: 'pgtt', title: 'Translation' },
      { id: 'did', title: 'Domain', align: 'right', isMono: true },
      {
        id: 'state',
        title: 'State',
        help: 'Whether a walk through memory would give the same today',
      },
    ],
    rows,
    empty: 'Nothing cached. Every translated request leaves its result here.',
  });
}
