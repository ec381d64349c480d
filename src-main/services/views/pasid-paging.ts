/** The paging tables behind a PASID entry: which stages it uses, and what each maps. */
import type { TreeNode } from '../../protocol/views.ts';
import { firstStageEntryAt } from '../../spec/paging/first-stage-entry.ts';
import { PAGING_LEVELS } from '../../spec/paging/levels.ts';
import { secondStageEntryAt } from '../../spec/paging/second-stage-entry.ts';
import type { PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { PGTT } from '../../spec/vtd/pasid-table-entry.ts';
import type { Machine } from '../../sim/index.ts';
import {
  leavesOf,
  pagingEntries,
  targetOf,
  type PagingEntry,
  type PagingTable,
  type Stage,
} from './paging-map.ts';
import { formatAddress, formatBytes, structureSection } from './sections.ts';
import { layoutContextOf } from './view-context.ts';

const MAX_ROWS = 64;
const BIT_7 = 0x80;

type Entry = ReturnType<typeof PasidTableEntry.decode>;

function secondStage(entry: Entry): PagingTable {
  return { stage: 'second-stage', root: Number(entry.SSPTPTR), levels: entry.AW + 2 };
}

/** Tables of each stage that the entry uses; in a nested entry the first stage lies at guest-physical addresses. */
export function stagesOf(machine: Machine, entry: Entry): readonly PagingTable[] {
  const first = {
    stage: 'first-stage' as const,
    root: Number(entry.FSPTPTR),
    levels: entry.FSPM === 1 ? 5 : 4,
  };
  switch (entry.PGTT) {
    case PGTT.firstStage:
      return [first];
    case PGTT.secondStage:
      return [secondStage(entry)];
    case PGTT.nested: {
      const second = secondStage(entry);
      const leaves = leavesOf(pagingEntries(machine, second));
      return [{ ...first, locate: (address) => targetOf(leaves, address) }, second];
    }
    default:
      return [];
  }
}

function titleOf(stage: Stage, level: number): string {
  const names = PAGING_LEVELS[level - 1];
  return (stage === 'first-stage' ? names?.firstStageName : names?.secondStageName) ?? '';
}

function runText(entry: PagingEntry): string {
  const count = entry.pages === 1 ? '' : `${entry.pages} pages of `;
  return `→ ${formatAddress(entry.target)}, ${entry.rights}, ${count}${formatBytes(entry.pageBytes)}`;
}

interface Place {
  readonly id: string;
  readonly stage: Stage;
}

function entryNode(machine: Machine, entry: PagingEntry, place: Place): TreeNode {
  const id = `${place.id}-${entry.level}-${entry.address.toString(16)}`;
  const hasBit7 = ((entry.words[0] ?? 0) & BIT_7) !== 0;
  const structure =
    place.stage === 'first-stage'
      ? firstStageEntryAt(entry.level, hasBit7)
      : secondStageEntryAt(entry.level, hasBit7);
  const name = titleOf(place.stage, entry.level);
  const children = nodesOf(machine, entry.children, { ...place, id });
  return {
    id,
    title: entry.isLeaf
      ? formatAddress(entry.input)
      : `${name} ${entry.index}, from ${formatAddress(entry.input)}`,
    subtitle: entry.isLeaf ? runText(entry) : `table at ${formatAddress(entry.target)}`,
    refs: { address: formatAddress(entry.address) },
    detail: [
      structureSection(structure, {
        id: `${id}-entry`,
        words: entry.words,
        address: entry.address,
        context: layoutContextOf(machine),
      }),
    ],
    ...(children.length === 0 ? {} : { children }),
  };
}

function nodesOf(
  machine: Machine,
  entries: readonly PagingEntry[],
  place: Place,
): readonly TreeNode[] {
  const nodes = entries.slice(0, MAX_ROWS).map((entry) => entryNode(machine, entry, place));
  return entries.length <= MAX_ROWS
    ? nodes
    : [
        ...nodes,
        {
          id: `${place.id}-more`,
          title: `${entries.length - MAX_ROWS} more entries`,
          subtitle: 'the page walk shows any address',
          tone: 'muted',
        },
      ];
}

const STAGE_TITLES: Readonly<Record<Stage, string>> = {
  'first-stage': 'First-stage tables',
  'second-stage': 'Second-stage tables',
};

/** One branch for each stage; a single stage needs no branch of its own. */
export function pagingNodes(machine: Machine, entry: Entry, id: string): readonly TreeNode[] {
  const stages = stagesOf(machine, entry);
  const branches = stages.map((table) => ({
    table,
    nodes: nodesOf(machine, pagingEntries(machine, table), {
      id: `${id}-${table.stage}`,
      stage: table.stage,
    }),
  }));
  const [only] = branches;
  if (branches.length === 1 && only !== undefined) return only.nodes;
  return branches.map(({ table, nodes }) => ({
    id: `${id}-${table.stage}`,
    title: STAGE_TITLES[table.stage],
    subtitle: `${table.levels} levels from ${formatAddress(table.root)}${table.locate === undefined ? '' : ', guest-physical'}`,
    children: nodes,
  }));
}
