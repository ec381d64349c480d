/** First stage against second stage: a nested walk with the second-stage reads that serve each first-stage step. */
import type { ViewModel } from '../../protocol/views.ts';
import { PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import type { Machine } from '../../sim/index.ts';
import { requestOf, walkChoices } from './page-walk-view.ts';
import { ridRef, textSection } from './sections.ts';
import { contextEntries, directoryEntries, pasidEntries, rootTable } from './translation-tables.ts';
import type { ViewContext } from './view-context.ts';
import { explainedWalk } from './walk-steps.ts';

/** The first PASID of a requester whose entry is nested. */
function firstNested(machine: Machine, rid: number): number | undefined {
  const root = rootTable(machine);
  const context =
    root === undefined ? undefined : contextEntries(machine, root).find((c) => c.rid === rid);
  if (context === undefined || root?.isScalable !== true) {
    return undefined;
  }
  return directoryEntries(machine, context.words)
    .flatMap((d) => pasidEntries(machine, d))
    .find((e) => PasidTableEntry.decode(e.words).PGTT === PGTT.nested)?.pasid;
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
  const request = requestOf(context);
  const nested = params.pasid ?? firstNested(machine, request.rid);
  if (nested === undefined) {
    return {
      view: 'nested-walk',
      title: 'Nested walk',
      sections: [],
      empty: `No PASID of ${ridRef(request.rid)} is nested. Binding a guest’s page table under a VM’s domain makes one.`,
    };
  }
  request.pasid = nested;
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
