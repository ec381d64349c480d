/**
 * Replays recorded experiments: every claim of the specification's column is met, in every profile, without caches and with
 * the default ones. `cases.jsonl` in this folder is always there; `../shared/conformance` beside the checkout is replayed
 * as well where it exists.
 */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CaseMachine } from '../../src-main/services/iommu-case/case-machine.ts';
import { disagreement } from '../../src-main/services/iommu-case/judge.ts';
import { ReplayRun } from '../../src-main/services/iommu-case/replay.ts';
import { DEFAULT_IOMMU_CACHES } from '../../src-main/sim/machine-config.ts';
import {
  KEPT_FILE,
  casesOf,
  linesOf,
  recordingFiles,
  sharedIndex,
  type RecordedCase,
} from '../support/iommu-recordings.ts';

const FILES = recordingFiles().map((file) => ({ name: path.basename(file), file }));

describe.each(FILES)('$name', ({ name, file }) => {
  it('agrees with every claim', { timeout: 120_000 }, () => {
    const run = new ReplayRun();
    linesOf(file).forEach((line, i) => run.line(name, i + 1, line));
    const { profiles, firstDifferences, problems } = run.report();
    expect(problems).toEqual([]);
    expect(firstDifferences.slice(0, 3)).toEqual([]);
    const counts = Object.values(profiles);
    expect(counts.reduce((n, c) => n + c.agree, 0)).toBe(linesOf(file).length);
    const expected = sharedIndex()?.files[name];
    if (file !== KEPT_FILE && expected !== undefined) {
      expect(linesOf(file)).toHaveLength(expected);
    }
  });

  it('agrees with caches on, where software invalidates as it must', { timeout: 120_000 }, () => {
    const different = casesOf(file).filter((recorded) => !agreesWithCaches(recorded));
    expect(different.filter((recorded) => !needsMoreInvalidation(recorded))).toEqual([]);
  });
});

function agreesWithCaches({ case: experiment }: RecordedCase): boolean {
  const machine = new CaseMachine(experiment, DEFAULT_IOMMU_CACHES);
  return experiment.steps.every((step, i) => {
    const result = machine.run(step);
    const claim = experiment.spec?.[i] ?? null;
    return claim === null || disagreement(step, claim, result) === undefined;
  });
}

/**
 * Experiments of units that cache nothing but translations: a new table pointer in a PASID entry without an invalidation of
 * the PASID cache (section 6.5.3.3), and register-based invalidation outside legacy mode (section 6.5.1).
 */
function needsMoreInvalidation({ case: experiment, json }: RecordedCase): boolean {
  return experiment.family === 'reg-inval' || (json.tags ?? []).includes('pe-switch');
}

describe('the kept cases', () => {
  const cases = casesOf(KEPT_FILE).map((recorded) => recorded.case);

  it('touch every kind of step and claim', () => {
    const ops = new Set(cases.flatMap((c) => c.steps.map((s) => s.op)));
    expect([...ops].sort()).toEqual(['ats', 'dma', 'mem', 'peek', 'pri', 'reg', 'regs']);
  });

  it('are noticed when the unit behaves otherwise', () => {
    const run = new ReplayRun();
    linesOf(KEPT_FILE).forEach((line, i) => run.line('x', i + 1, spoilt(line)));
    const { firstDifferences } = run.report();
    expect(firstDifferences).toHaveLength(cases.length);
    for (const { explain } of firstDifferences) {
      expect(explain).toMatch(/expected: .+/);
      expect(explain.split('\n').length).toBeGreaterThan(1);
    }
  });
});

/** The same experiment with every claim turned into its contrary. */
function spoilt(line: string): string {
  const json = JSON.parse(line) as { spec: (Record<string, unknown> | null)[] };
  json.spec = json.spec.map((claim) => (claim === null ? null : contrary(claim)));
  return JSON.stringify(json);
}

function contrary(claim: Record<string, unknown>): Record<string, unknown> {
  if (Array.isArray(claim['any'])) {
    return { any: claim['any'].map((c) => contrary(c as Record<string, unknown>)) };
  }
  if (claim['ok'] === true) {
    return { ok: true, pa: '0xdead0000' };
  }
  if (claim['ok'] === false) {
    return { ok: true, pa: '0x0' };
  }
  if ('hex' in claim) {
    return { hex: String(claim['hex']).replace(/^./, (digit) => (digit === 'f' ? '0' : 'f')) };
  }
  if ('r' in claim) {
    return { ...claim, r: claim['r'] === 1 ? 0 : 1 };
  }
  return Object.fromEntries(Object.keys(claim).map((key) => [key, '0xfff0']));
}
