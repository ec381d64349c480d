/** `siov-lab bench`: names, JSON in the agreed shape, refusals. */
import { cpus } from 'node:os';
import { describe, expect, it } from 'vitest';
import { createBenchHost } from '../../../../src-main/hosts/cli/bench-host.ts';
import { createBenchCommand } from '../../../../src-main/hosts/cli/commands/bench.ts';
import { METRIC_NAMES } from '../../../../src-main/services/bench/metrics.ts';
import { runSharing } from '../../../../src-main/services/bench/sharing.ts';
import { DEFAULT_SHARING } from '../../../../src-main/services/bench/sharing-machine.ts';
import { cli, type CliRun } from '../../../support/cli.ts';
import { createStepHost, TINY_SIZES } from '../../../support/tiny-bench.ts';

const command = createBenchCommand({
  sizes: TINY_SIZES,
  createHost: createStepHost,
  countSharing: () =>
    runSharing([1, 3], { ...DEFAULT_SHARING, queuePairs: 8, totalVfs: 2, memoryBytes: 2 ** 27 }),
});
const run = (...words: readonly string[]): Promise<CliRun> =>
  cli(['bench', ...words], { commands: [command] });

describe('bench', () => {
  it('prints machine and every metric as one JSON document', async () => {
    const { code, out } = await run('--json');
    const { machine, metrics } = JSON.parse(out) as {
      machine: object;
      metrics: Record<string, object>;
    };
    expect(code).toBe(0);
    expect(machine).toEqual({
      cpu: expect.any(String) as string,
      cores: cpus().length,
      node: process.version,
    });
    expect(Object.keys(metrics)).toEqual(METRIC_NAMES);
    for (const report of Object.values(metrics)) {
      expect(report).toMatchObject({
        median: expect.any(Number) as number,
        min: expect.any(Number) as number,
        max: expect.any(Number) as number,
        unit: expect.any(String) as string,
        runs: expect.any(Number) as number,
      });
    }
  });

  it('prints a table with what each number is compared with, and talks on stderr', async () => {
    const { code, out, said } = await run('walk.second-stage', '--runs', '2');
    const [machine = '', head = '', ...rows] = out.split('\n');
    expect(code).toBe(0);
    expect(machine).toContain(process.version);
    expect(head).toMatch(/^metric +median +min +max +unit +runs +compared +goal$/);
    expect(rows.map((row) => row.split(/ +/)[0])).toEqual(['walk.bare', 'walk.second-stage']);
    expect(rows[1]).toMatch(/ ns +2 +[\d.]+ x walk\.bare \(at most 2\)$/);
    expect(said).toBe('Measuring walk.bare, walk.second-stage');
  });

  it.each([
    [['walk.bear'], 'There is no metric walk.bear'],
    [['--runs', '0'], 'Expected --runs of at least 1, found 0'],
    [['--sharing', 'walk.bare'], 'Expected --sharing or metrics, found both'],
  ])('refuses %j', async (words, message) => {
    const { code, out, said } = await run(...words);
    expect([code, out]).toEqual([2, '']);
    expect(said).toContain(message);
  });

  it('names every metric in its help', async () => {
    const { out } = await run('--help');
    METRIC_NAMES.forEach((name) => expect(out).toContain(name));
  });
});

describe('bench --sharing', () => {
  it('prints what tenants cost either way, and where each way ends', async () => {
    const { code, out } = await run('--sharing', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      tenants: [
        {
          n: 1,
          sriov: { functions: 1, contextEntries: 1 },
          siov: { functions: 0, pasidEntries: 1 },
        },
        { n: 3, sriov: null, siov: { functions: 0, pasidEntries: 3 } },
      ],
      limits: {
        sriov: { maxTenants: 2, stoppedBy: 'TotalVFs' },
        siov: { maxTenants: 8, stoppedBy: 'queue pairs' },
      },
    });
  });

  it('prints tables with a dash where there cannot be so many', async () => {
    const { out } = await run('--sharing');
    expect(out).toContain('SR-IOV: at most 2 tenants, then there are no more TotalVFs');
    expect(out).toMatch(/^functions +1 +-$/m);
    expect(out).toMatch(/^functions +0 +0$/m);
  });
});

describe('the host of benchmarks', () => {
  const host = createBenchHost();

  it('has a clock that goes forward, and sees the memory of the process', () => {
    const before = host.nowNs();
    expect(host.nowNs()).toBeGreaterThanOrEqual(before);
    expect(host.heapBytes()).toBeGreaterThan(0);
    expect(host.residentBytes()).toBeGreaterThan(host.heapBytes() / 2);
    expect(host.interruptions()).toBeGreaterThanOrEqual(0);
  });

  it('collects garbage when told to', () => {
    const fill = (): number => Array.from({ length: 200_000 }, (_, i) => ({ i })).length;
    host.collectGarbage();
    const clean = host.heapBytes();
    fill();
    const littered = host.heapBytes();
    host.collectGarbage();
    expect(host.heapBytes() - clean).toBeLessThan((littered - clean) / 2);
  });
});
