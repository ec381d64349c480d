/** Tests of the checklist in a report of the test runner (Jest's format, which Vitest writes). */
import { rowOf, type RowTest, type TestOutcome } from './feature-table.ts';

export interface RunnerReport {
  readonly testResults: readonly RunnerFile[];
}

interface RunnerFile {
  /** Whole path. */
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly {
    readonly ancestorTitles: readonly string[];
    readonly title: string;
    readonly status: string;
  }[];
}

export interface RowTestSources {
  /** Path of a file from the repository root, with slashes. */
  relative(file: string): string;
  /** Its text, for files that the runner could not load. */
  textOf(file: string): string;
}

const NAMED_IN_SOURCE = /['"`](row \d+: ?[^'"`]*)['"`]/g;
const OUTCOMES: Readonly<Record<string, TestOutcome>> = { passed: 'passed', failed: 'failed' };

export function rowTestsOf(report: RunnerReport, sources: RowTestSources): readonly RowTest[] {
  return report.testResults.flatMap((file) =>
    file.status === 'failed' && file.assertionResults.length === 0
      ? unloaded(file, sources)
      : loaded(file, sources),
  );
}

/** Names of tests and groups in a source that start with a row's number. */
export function rowNamesIn(text: string): readonly string[] {
  return [...text.matchAll(NAMED_IN_SOURCE)]
    .map(([, name]) => name ?? '')
    .filter((name) => rowOf(name) !== undefined);
}

function loaded(file: RunnerFile, sources: RowTestSources): readonly RowTest[] {
  return file.assertionResults.flatMap(({ ancestorTitles, title, status }) => {
    const names = [...ancestorTitles, title];
    const name = names.join(' > ');
    const rows = new Set(names.map(rowOf).filter((row) => row !== undefined));
    return [...rows].map((row) => ({
      file: sources.relative(file.name),
      name,
      row,
      outcome: OUTCOMES[status] ?? 'other',
    }));
  });
}

/** A file that does not load fails every row it names. */
function unloaded(file: RunnerFile, sources: RowTestSources): readonly RowTest[] {
  return rowNamesIn(sources.textOf(file.name)).flatMap((name): RowTest[] => {
    const row = rowOf(name);
    return row === undefined
      ? []
      : [
          {
            file: sources.relative(file.name),
            name: `${name.trimEnd()} (the file did not load)`,
            row,
            outcome: 'failed',
          },
        ];
  });
}
