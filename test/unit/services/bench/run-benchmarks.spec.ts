/** What `siov-lab bench` reports: every metric, with the numbers that its runs gave. */
import { describe, expect, it } from 'vitest';
import { METRIC_NAMES, withCompared } from '../../../../src-main/services/bench/metrics.ts';
import { runBenchmarks } from '../../../../src-main/services/bench/run-benchmarks.ts';
import { AppError } from '../../../../src-main/protocol/app-error.ts';
import { createStepHost, TINY_SIZES } from '../../../support/tiny-bench.ts';

const tiny = (names: readonly string[], host = createStepHost()) =>
  runBenchmarks(host, { names, sizes: TINY_SIZES });

describe('all metrics', () => {
  const reports = tiny([]);

  it('come in their order with unit, median between extremes and number of runs', () => {
    expect(Object.keys(reports)).toEqual([
      'walk.bare',
      'walk.second-stage',
      'walk.first-stage',
      'walk.nested',
      'walk.nested.bare',
      'iotlb.hit',
      'walk.pasids-1m',
      'walk.pasids-1m.cold',
      'pasids-1m.memory',
      'trace.on',
      'translate.heap',
      'descriptors.end-to-end',
      'descriptors.1024-adis',
      'script.calls',
      'seek.1m',
    ]);
    for (const { median, min, max, unit, runs } of Object.values(reports)) {
      expect(min).toBeLessThanOrEqual(median);
      expect(median).toBeLessThanOrEqual(max);
      expect(['ns', 'ms', '1/s', 'bytes']).toContain(unit);
      expect(runs).toBeGreaterThan(0);
    }
  });

  it('divide the time of a run by what was done in it', () => {
    // The clock of the step host says that every run took a microsecond.
    expect(reports['walk.second-stage']).toMatchObject({ median: 15.63, unit: 'ns', runs: 3 });
    expect(reports['descriptors.end-to-end']).toMatchObject({ median: 64_000_000, unit: '1/s' });
    expect(reports['script.calls']).toMatchObject({ median: 10_000_000, runs: 2 });
    expect(reports['seek.1m']).toMatchObject({ median: 0.001, unit: 'ms' });
  });

  it('compare with what they are to be compared with', () => {
    expect(reports['walk.second-stage']?.ratio).toEqual({ of: 'walk.bare', value: 1, atMost: 2 });
    expect(reports['walk.nested']?.ratio?.of).toBe('walk.nested.bare');
    expect(reports['descriptors.1024-adis']?.ratio).toEqual({
      of: 'descriptors.end-to-end',
      value: 1,
      atMost: 1.3,
    });
  });

  it('scale goals that are meant for a machine whose bare walk takes 40 ns', () => {
    expect(reports['walk.nested']?.goal).toEqual({ value: 160, atMost: 260 });
    expect(reports['descriptors.end-to-end']?.goal).toEqual({
      value: 25_000_000,
      atLeast: 300_000,
    });
    expect(reports['iotlb.hit']?.goal).toEqual({ value: 15.63, atMost: 45 });
  });
});

describe('some metrics', () => {
  it('bring those that they are compared with, and no others', () => {
    expect(Object.keys(tiny(['trace.on']))).toEqual(['walk.bare', 'walk.second-stage', 'trace.on']);
    expect(withCompared(['descriptors.1024-adis'])).toEqual([
      'walk.bare',
      'descriptors.end-to-end',
      'descriptors.1024-adis',
    ]);
    expect(withCompared(METRIC_NAMES)).toEqual(METRIC_NAMES);
  });

  it('are refused by name when unknown, with the nearest that exists', () => {
    const run = (): unknown => tiny(['walk.bear']);
    expect(run).toThrow(AppError);
    expect(run).toThrow('There is no metric walk.bear');
    try {
      run();
    } catch (error) {
      expect((error as AppError).hint).toContain('walk.bare');
    }
  });
});

describe('memory', () => {
  it('of PASIDs is what the process holds more afterwards', () => {
    const sizes = [1000, 5000, 2000, 9000];
    const host = createStepHost({ residentBytes: () => sizes.shift() ?? 0 });
    expect(tiny(['pasids-1m.memory'], host)['pasids-1m.memory']).toMatchObject({
      min: 4000,
      max: 7000,
      unit: 'bytes',
    });
  });

  it('of translations leaves out what looking at the heap costs', () => {
    let heap = 0;
    // Each look costs 100 bytes, and no translation any.
    const host = createStepHost({ heapBytes: () => (heap += 100) });
    expect(tiny(['translate.heap'], host)['translate.heap']?.median).toBe(0);
  });
});
