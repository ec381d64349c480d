import { describe, expect, it } from 'vitest';
import { FEATURE_ROWS } from '../../../../src-main/services/features/feature-rows.ts';
import {
  featureTable,
  rowOf,
  type RowTest,
} from '../../../../src-main/services/features/feature-table.ts';
import { rowNamesIn, rowTestsOf } from '../../../../src-main/services/features/row-tests.ts';

// Joined, so that this file itself names no row.
const named = (row: number | string, rest = 'works'): string =>
  ['row', `${row}: ${rest}`].join(' ');

function test(row: number, outcome: RowTest['outcome'], name = named(row)): RowTest {
  return { file: 'test/a.spec.ts', name, row, outcome };
}

describe('the checklist', () => {
  it('has 74 rows with titles of their own', () => {
    expect(FEATURE_ROWS.map(({ row }) => row)).toEqual(Array.from({ length: 74 }, (_, i) => i + 1));
    expect(new Set(FEATURE_ROWS.map(({ title }) => title)).size).toBe(74);
  });

  it('calls a row proven with a passed test, failing with one failed test, missing without either', () => {
    const table = featureTable([
      test(1, 'passed'),
      test(2, 'passed', named(2, 'a')),
      test(2, 'failed', named(2, 'b')),
      test(3, 'other'),
      test(74, 'passed'),
      test(74, 'other'),
    ]);
    const status = (row: number): string => table.rows[row - 1]?.status ?? '';
    expect([1, 2, 3, 4, 74].map(status)).toEqual([
      'proven',
      'failing',
      'missing',
      'missing',
      'proven',
    ]);
    expect(table).toMatchObject({ proven: 2, total: 74 });
    expect(table.rows[1]?.tests).toEqual([
      `test/a.spec.ts > ${named(2, 'a')}`,
      `test/a.spec.ts > ${named(2, 'b')}`,
    ]);
  });

  it('takes a row from the start of a name only, and only rows that exist', () => {
    expect(['7', '07', '74'].map((row) => rowOf(named(row)))).toEqual([7, 7, 74]);
    const none = [named(0), named(75), `the ${named(7)}`, 'row 7 works', 'rows 7 and 8: work'];
    expect(none.map(rowOf)).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });
});

describe('a report of the test runner', () => {
  const sources = {
    relative: (file: string) => file.replace('/root/', ''),
    textOf: () => `describe('${named(9)}', () => {}); it("${named(12, 'also')}"); it('other')`,
  };
  const result = (ancestorTitles: readonly string[], title: string, status: string) => ({
    ancestorTitles,
    title,
    status,
  });

  it('names tests by their own name or by that of a group', () => {
    const tests = rowTestsOf(
      {
        testResults: [
          {
            name: '/root/test/a.spec.ts',
            status: 'passed',
            assertionResults: [
              result([named(5, 'things')], 'move', 'passed'),
              result(['things'], named(6), 'failed'),
              result([], named(7), 'pending'),
              result(['things'], 'move', 'passed'),
            ],
          },
        ],
      },
      sources,
    );
    expect(tests).toEqual([
      {
        file: 'test/a.spec.ts',
        name: `${named(5, 'things')} > move`,
        row: 5,
        outcome: 'passed',
      },
      { file: 'test/a.spec.ts', name: `things > ${named(6)}`, row: 6, outcome: 'failed' },
      { file: 'test/a.spec.ts', name: named(7), row: 7, outcome: 'other' },
    ]);
  });

  it('fails the rows that a file names when the file does not load', () => {
    const file = { name: '/root/test/b.spec.ts', status: 'failed', assertionResults: [] };
    const tests = rowTestsOf({ testResults: [file] }, sources);
    expect(tests.map(({ row, outcome }) => [row, outcome])).toEqual([
      [9, 'failed'],
      [12, 'failed'],
    ]);
    expect(rowNamesIn(sources.textOf())).toEqual([named(9), named(12, 'also')]);
  });
});
