/** First stage against second stage: a nested walk with the second-stage reads that serve each first-stage step. */
import type { ViewModel } from '../../protocol/views.ts';
import { PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import type { Machine } from '../../sim/index.ts';
import { requestOf, walkChoices } from './page-walk-view.ts';
import { ridRef, textSection } from './sections.ts';
import { contextEntries, directoryEntries, pasidEntries, rootTable } from './translation-tables.ts';
import type { ViewContext } from './view-context.ts';
import { explainedWalk } from './walk-steps.ts';

interface NestedPasid {
  readonly rid: number;
  readonly pasid: number;
}

/** Requesters and PASIDs whose entry is nested. */
function nestedPasids(machine: Machine): readonly NestedPasid[] {
  const root = rootTable(machine);
  if (root?.isScalable !== true) return [];
  return contextEntries(machine, root).flatMap(({ rid, words }) =>
    directoryEntries(machine, words)
      .flatMap((d) => pasidEntries(machine, d))
      .filter((e) => PasidTableEntry.decode(e.words).PGTT === PGTT.nested)
      .map(({ pasid }) => ({ rid, pasid })),
  );
}

export function nestedWalkView(context: ViewContext): ViewModel {
  const { machine, params } = context;
  if (rootTable(machine) === undefined) {
    return {
      view: 'nested-walk',
      title: 'Nested walk',
      sections: [],
      empty: 'There are no translation tables yet.',
    };
  }
  const nested = nestedPasids(machine);
  const wanted =
    nested.find(
      ({ rid, pasid }) =>
        (params.rid === undefined || Number(params.rid) === rid) &&
        (params.pasid === undefined || params.pasid === pasid),
    ) ?? nested[0];
  if (wanted === undefined && params.pasid === undefined) {
    return {
      view: 'nested-walk',
      title: 'Nested walk',
      sections: [],
      empty:
        'No PASID is nested. Binding a guest’s page table under a VM’s domain makes one (IOMMU_HWPT_ALLOC with a nest parent, or bind_gpasid in 2019).',
    };
  }
  const request = requestOf({
    ...context,
    params: {
      ...params,
      rid: params.rid ?? ridRef(wanted?.rid ?? 0),
      ...(params.pasid === undefined && wanted !== undefined ? { pasid: wanted.pasid } : {}),
    },
  });
  const walk = explainedWalk(machine, request);
  const reads = walk.steps.reduce(
    (n, step) => n + (step.stage === 'output' ? 0 : 1) + (step.nested?.length ?? 0),
    0,
  );
  return {
    view: 'nested-walk',
    title: 'Nested walk',
    subtitle: `${reads} table entries read`,
    choices: walkChoices(machine, request),
    sections: [
      textSection(
        'about',
        'muted',
        'Each first-stage table lies at a guest physical address, so the unit walks the second stage before it can read it, and once more for the output.',
      ),
      walk,
    ],
  };
}
