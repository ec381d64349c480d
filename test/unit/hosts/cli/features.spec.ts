import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFeatures } from '../../../../src-main/hosts/cli/commands/features.ts';
import { cli, type CliRun } from '../../../support/cli.ts';

interface FeaturesDocument {
  readonly rows: readonly {
    readonly row: number;
    readonly title: string;
    readonly tests: readonly string[];
    readonly status: string;
  }[];
  readonly proven: number;
  readonly total: number;
}

const checkout = path.resolve(import.meta.dirname, '../../../..');
const CONFIG = `export default { test: { projects: ['node', 'dom'].map((name) => ({
  test: { name, include: name === 'node' ? ['test/**/*.spec.ts'] : [] } })) } };`;
/** Joined, so that this file itself names no row. */
const named = (row: number): string => ['row', `${row}: holds`].join(' ');

let root = '';

function write(file: string, text: string): void {
  const target = path.join(root, file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
}

function features(...words: readonly string[]): Promise<CliRun> {
  return cli(['features', ...words], { commands: [createFeatures(() => root, 'ignore')] });
}

function documentOf({ out }: CliRun): FeaturesDocument {
  return JSON.parse(out) as FeaturesDocument;
}

function specOf(rows: readonly number[], condition = 'true'): string {
  const tests = rows.map(
    (row) => `it('${named(row)}', () => { expect(${condition}).toBe(true); });`,
  );
  return `import { expect, it } from 'vitest';\n${tests.join('\n')}\n`;
}

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'siov-features-'));
  symlinkSync(path.join(checkout, 'node_modules'), path.join(root, 'node_modules'), 'dir');
  cpSync(path.join(checkout, 'package.json'), path.join(root, 'package.json'));
  write('vitest.config.ts', CONFIG);
});

afterEach(() => rmSync(root, { recursive: true }));

// Test runners start here, and take their time.
describe('features', { timeout: 120_000 }, () => {
  it('runs the tests that name rows, and tells what each row has', async () => {
    write('test/a.spec.ts', specOf([1, 2]));
    write('test/b.spec.ts', specOf([2, 3], 'false'));
    write('test/c.spec.ts', `import './nowhere.ts';\n${specOf([4])}`);
    write('test/d.spec.ts', `throw new Error('names no row, so it is not run');`);
    const run = await features('--json');
    const { rows, proven, total } = documentOf(run);
    expect([run.code, proven, total]).toEqual([1, 1, 74]);
    expect(rows.slice(0, 5).map(({ status }) => status)).toEqual([
      'proven',
      'failing',
      'failing',
      'failing',
      'missing',
    ]);
    expect(rows[1]?.tests).toEqual([
      `test/a.spec.ts > ${named(2)}`,
      `test/b.spec.ts > ${named(2)}`,
    ]);
    expect(run.said).toContain('there is no report of a test run');
  });

  it('believes the last outcome until a test or a source changes', async () => {
    const all = Array.from({ length: 74 }, (_, i) => i + 1);
    write('test/a.spec.ts', specOf(all));
    expect((await features('--json')).code).toBe(0);
    const report = path.join(root, 'out/row-tests.json');
    const kept = readFileSync(report, 'utf8');
    // Told apart from a new run by what only the kept one says.
    writeFileSync(report, kept.replaceAll(': holds', ': is remembered'));
    const again = await features('--json');
    expect([again.code, again.said]).toEqual([0, '']);
    expect(documentOf(again).rows[6]?.tests[0]).toContain('is remembered');
    write('src-main/new.ts', 'export {};');
    const changed = await features();
    expect(changed.said).toContain('sources or tests changed');
    expect(changed.out).toContain('74 of 74 rows are proven');
    expect((await features('--run')).said).toContain('asked for');
  });

  it('is refused where there are no tests', async () => {
    const run = await features('--json');
    expect([run.code, run.out]).toEqual([2, '']);
    expect(run.said).toContain('this installation has no tests');
  });
});
