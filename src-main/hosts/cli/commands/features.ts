import process from 'node:process';
import { featureTable, type FeatureTable } from '../../../services/features/feature-table.ts';
import type { RowTest } from '../../../services/features/feature-table.ts';
import {
  EXIT,
  JSON_OPTION,
  printJson,
  UsageError,
  type Command,
  type CommandIo,
} from '../command.ts';
import { appPaths } from '../lab-tools.ts';
import { canRunTests, loadRowReport, runRowTests, type RunnerTalk } from '../row-report.ts';
import { textTable } from '../text-table.ts';

export const features = createFeatures(() => appPaths().root);

/** `rootOf`: the checkout whose tests prove the rows. What the test runner prints is talk. */
export function createFeatures(rootOf: () => string, talk: RunnerTalk = process.stderr): Command {
  return {
    name: 'features',
    operands: '',
    summary: 'The feature checklist, and the tests that prove each row',
    details:
      'Uses the outcome of the last test run while sources and tests are unchanged, and runs the tests of the checklist otherwise. Exit code 0: every row is proven.',
    options: {
      run: { type: 'boolean', help: 'run the tests whatever the last run said' },
      json: JSON_OPTION,
    },
    minOperands: 0,
    maxOperands: 0,
    run: (input, io) => {
      const root = rootOf();
      if (!canRunTests(root)) {
        throw new UsageError(
          'Rows are proven by tests, and this installation has no tests',
          'Use a checkout of the sources, with its packages installed',
        );
      }
      const table = featureTable(testsOf(root, { mustRun: input.isSet('run'), talk, io }));
      if (input.isSet('json')) printJson(io, table);
      else printTable(io, table);
      return table.proven === table.total ? EXIT.pass : EXIT.fail;
    },
  };
}

function testsOf(
  root: string,
  options: { readonly mustRun: boolean; readonly talk: RunnerTalk; readonly io: CommandIo },
): readonly RowTest[] {
  const { mustRun, talk, io } = options;
  const last = loadRowReport(root);
  if ('tests' in last && !mustRun) return last.tests;
  const why = 'why' in last ? last.why : 'asked for';
  io.say(`Running the tests of the checklist (${why}); this takes a while`);
  return runRowTests(root, talk);
}

function printTable(io: CommandIo, { rows, proven, total }: FeatureTable): void {
  io.out(
    textTable(
      rows.map(({ row, title, status, tests }) => [
        String(row).padStart(3),
        status,
        `${String(tests.length)} tests`,
        title,
      ]),
    ),
  );
  for (const { row, tests } of rows.filter(({ status }) => status === 'failing')) {
    io.out(`row ${String(row)} fails; its tests:\n  ${tests.join('\n  ')}`);
  }
  io.out(`${String(proven)} of ${String(total)} rows are proven`);
}
