/**
 * Which row of the checklist is proven by which tests. A test proves a row when its own name, or that of a group around it,
 * starts with `row NN:`; a row is proven when at least one of its tests passed and none of them failed.
 */
import { FEATURE_ROWS, type FeatureRow } from './feature-rows.ts';

export type TestOutcome = 'passed' | 'failed' | 'other';

export interface RowTest {
  /** From the repository root, with slashes. */
  readonly file: string;
  readonly name: string;
  readonly row: number;
  /** `other`: skipped, or not run. */
  readonly outcome: TestOutcome;
}

export interface FeatureStatus extends FeatureRow {
  /** `file > name` */
  readonly tests: readonly string[];
  readonly status: 'proven' | 'missing' | 'failing';
}

export interface FeatureTable {
  readonly rows: readonly FeatureStatus[];
  readonly proven: number;
  readonly total: number;
}

const ROW_NAME = /^row (\d+):/;

/** Row that a test name claims, undefined when it claims none. */
export function rowOf(name: string): number | undefined {
  const digits = ROW_NAME.exec(name)?.[1];
  const row = digits === undefined ? 0 : Number(digits);
  return row >= 1 && row <= FEATURE_ROWS.length ? row : undefined;
}

export function featureTable(tests: readonly RowTest[]): FeatureTable {
  const rows = FEATURE_ROWS.map(({ row, title }): FeatureStatus => {
    const own = tests.filter((test) => test.row === row);
    return {
      row,
      title,
      tests: own.map(({ file, name }) => `${file} > ${name}`),
      status: statusOf(own),
    };
  });
  return {
    rows,
    proven: rows.filter(({ status }) => status === 'proven').length,
    total: rows.length,
  };
}

function statusOf(tests: readonly RowTest[]): FeatureStatus['status'] {
  if (tests.some(({ outcome }) => outcome === 'failed')) return 'failing';
  return tests.some(({ outcome }) => outcome === 'passed') ? 'proven' : 'missing';
}
