/**
 * The last known outcome of the checklist's tests, in `out/row-tests.json`: written by `npm test` and by `siov-lab features`,
 * and only believed while sources and tests are what they were when it was written.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { RowTest } from '../../services/features/feature-table.ts';
import { rowNamesIn, rowTestsOf, type RunnerReport } from '../../services/features/row-tests.ts';

interface RowReport {
  readonly inputs: string;
  readonly tests: readonly RowTest[];
}

const REPORT = 'out/row-tests.json';
const RUNNER = 'node_modules/vitest/vitest.mjs';
const INPUTS = ['src-main/**/*.ts', 'src-renderer/**/*.{ts,vue}', 'test/**/*', 'labs/**/*'];
const SPECS = 'test/**/*.spec.ts';

/** A checkout with its test runner; a package has neither. */
export function canRunTests(root: string): boolean {
  return existsSync(path.join(root, 'test')) && existsSync(path.join(root, RUNNER));
}

/** Hash over names and contents of all that the outcome depends on. */
function inputsOf(root: string): string {
  const hash = createHash('sha256');
  const names = globSync(INPUTS, { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .toSorted();
  for (const name of names) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(path.join(root, name)))
      .update('\0');
  }
  return hash.digest('hex');
}

/** Keeps what a report of the runner says about rows. */
export function saveRowReport(root: string, report: RunnerReport): readonly RowTest[] {
  const tests = rowTestsOf(report, {
    relative: (file) => path.relative(root, file).split(path.sep).join('/'),
    textOf: (file) => readFileSync(file, 'utf8'),
  });
  const kept: RowReport = { inputs: inputsOf(root), tests };
  mkdirSync(path.join(root, path.dirname(REPORT)), { recursive: true });
  writeFileSync(path.join(root, REPORT), `${JSON.stringify(kept, null, 2)}\n`);
  return tests;
}

/** The tests of the last report, or why it cannot be used. */
export function loadRowReport(
  root: string,
): { readonly tests: readonly RowTest[] } | { readonly why: string } {
  let kept: RowReport;
  try {
    kept = JSON.parse(readFileSync(path.join(root, REPORT), 'utf8')) as RowReport;
  } catch {
    return { why: 'there is no report of a test run' };
  }
  return kept.inputs === inputsOf(root)
    ? { tests: kept.tests }
    : { why: 'sources or tests changed since the last report' };
}

/** Where what the runner prints goes. */
export type RunnerTalk = NodeJS.WriteStream | 'ignore';

/** Runs the tests that name rows, and no others. */
export function runRowTests(root: string, talk: RunnerTalk): readonly RowTest[] {
  const files = globSync(SPECS, { cwd: root })
    .filter((file) => rowNamesIn(readFileSync(path.join(root, file), 'utf8')).length > 0)
    .toSorted();
  const folder = mkdtempSync(path.join(tmpdir(), 'siov-rows-'));
  const output = path.join(folder, 'report.json');
  try {
    spawnSync(
      process.execPath,
      [
        path.join(root, RUNNER),
        'run',
        ...[
          '--project',
          'node',
          '--project',
          'hosts',
          '--project',
          'dom',
          '-t',
          String.raw`row \d+:`,
        ],
        ...['--reporter=default', '--reporter=json', `--outputFile.json=${output}`],
        ...files,
      ],
      { cwd: root, stdio: ['ignore', talk, talk] },
    );
    return saveRowReport(root, JSON.parse(readFileSync(output, 'utf8')) as RunnerReport);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
