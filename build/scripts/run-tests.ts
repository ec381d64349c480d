/**
 * `npm test`: installs the browser for the end-to-end tests when it may, builds, checks, runs every
 * test, and ends with one line, `N passed, N failed`. Arguments go to Vitest and choose tests; then
 * only those run.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { saveRowReport } from '../../src-main/hosts/cli/row-report.ts';
import { findChromium } from '../../src-main/hosts/web/find-browser.ts';
import type { RunnerReport } from '../../src-main/services/features/row-tests.ts';
import { isBuilt } from './build-stamp.ts';
import { packCheck, runChecks, sourceChecks } from './checks.ts';
import { unproducedKinds } from './event-kinds.ts';
import type { Counts } from './test-counts.ts';
import { addCounts, readCounts } from './test-counts.ts';

const root = path.resolve(import.meta.dirname, '../..');
const DEBIAN_PACKAGES = [
  'chromium',
  'fonts-dejavu-core',
  'fonts-noto-core',
  'fonts-noto-mono',
  'fonts-noto-cjk',
];

function heading(text: string): void {
  console.log(`\n== ${text}`);
}

/** True when a Chromium is there in the end. */
function ensureChromium(): boolean {
  if (findChromium() !== null) return true;
  const isRoot = process.getuid?.() === 0;
  const hasApt = spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
  if (!isRoot || !hasApt) {
    console.error(
      'Expected Chromium or Chrome for the end-to-end tests, found none. Install it ' +
        `(Debian: apt-get install ${DEBIAN_PACKAGES.join(' ')}) or set SIOV_LAB_CHROMIUM to its path.`,
    );
    return false;
  }
  heading('Installing Chromium and fonts for the end-to-end tests');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { stdio: ['ignore', 'ignore', 'inherit'] as const, env };
  spawnSync('apt-get', ['update', '-q'], { ...options, stdio: [...options.stdio] });
  const install = ['install', '-y', '-q', '--no-install-recommends', ...DEBIAN_PACKAGES];
  spawnSync('apt-get', install, { ...options, stdio: [...options.stdio] });
  if (findChromium() !== null) return true;
  console.error(
    `Expected apt-get to install ${DEBIAN_PACKAGES.join(' ')}; its messages say why not`,
  );
  return false;
}

function build(): Counts {
  if (isBuilt(root)) return { passed: 0, failed: 0 };
  heading('Building');
  const { status } = spawnSync(process.execPath, ['build/scripts/build.ts'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status === 0) return { passed: 0, failed: 0 };
  console.error('FAILED build');
  return { passed: 0, failed: 1 };
}

/** `onReport` gets the runner's report, when it wrote one. */
function vitest(
  args: readonly string[],
  onReport?: (report: RunnerReport) => void,
  environment: Readonly<Record<string, string>> = {},
): Counts {
  const folder = mkdtempSync(path.join(tmpdir(), 'siov-lab-test-'));
  const report = path.join(folder, 'report.json');
  try {
    const { status } = spawnSync(
      process.execPath,
      [
        path.join(root, 'node_modules/vitest/vitest.mjs'),
        'run',
        ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
        ...args,
      ],
      { cwd: root, stdio: 'inherit', env: { ...process.env, ...environment } },
    );
    const counts = readCounts(report, status ?? 1);
    if (counts.passed > 0) onReport?.(JSON.parse(readFileSync(report, 'utf8')) as RunnerReport);
    return counts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All tests but those in a browser; together they produce every kind of trace record. */
async function allTests(): Promise<Counts> {
  const folder = mkdtempSync(path.join(tmpdir(), 'siov-lab-kinds-'));
  try {
    // `siov-lab features` believes this until something changes.
    const keepRows = (report: RunnerReport): void => void saveRowReport(root, report);
    const projects = ['node', 'hosts', 'dom'].flatMap((name) => ['--project', name]);
    const counts = vitest(projects, keepRows, { SIOV_LAB_EVENT_KINDS: folder });
    const kinds = await unproducedKinds(root, folder);
    if (kinds.length === 0) return addCounts([counts, { passed: 1, failed: 0 }]);
    console.error(`FAILED No test produces a trace record of kind ${kinds.join(', ')}`);
    return addCounts([counts, { passed: 0, failed: 1 }]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function checks(list: Parameters<typeof runChecks>[1]): Promise<Counts> {
  const outcomes = await runChecks(root, list);
  const passed = outcomes.filter((outcome) => outcome.isPassed).length;
  return { passed, failed: outcomes.length - passed };
}

async function everything(): Promise<Counts[]> {
  const counts = [build()];
  heading('Checks');
  counts.push(await checks([...sourceChecks(root), packCheck]));
  heading('Tests');
  counts.push(await allTests());
  if (globSync('test/e2e/**/*.e2e.ts', { cwd: root }).length > 0) {
    heading('End-to-end tests');
    counts.push(ensureChromium() ? vitest(['--project', 'e2e']) : { passed: 0, failed: 1 });
  }
  return counts;
}

/** Tests chosen by arguments. Only the end-to-end tests need a build and a browser. */
function some(chosen: readonly string[]): Counts[] {
  const namesFiles = chosen.some((argument) => argument.startsWith('test/'));
  const namesEndToEnd = chosen.some((argument) => argument.includes('e2e'));
  const counts: Counts[] = [];
  if (namesEndToEnd || !namesFiles) {
    counts.push(build());
    if (!ensureChromium()) counts.push({ passed: 0, failed: 1 });
  }
  return [...counts, vitest(['--passWithNoTests', ...chosen])];
}

const chosen = process.argv.slice(2);
const total = addCounts(chosen.length === 0 ? await everything() : some(chosen));
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
