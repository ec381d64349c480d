/** Runs that others disturb do not count; compared benchmarks take turns. */
import { describe, expect, it } from 'vitest';
import { takeSamples, timed } from '../../../../src-main/services/bench/probe.ts';
import { createStepHost } from '../../../support/tiny-bench.ts';

describe('timed', () => {
  it('takes the first run that was left alone', () => {
    const seen = [0, 1, 1, 2, 2, 2];
    let runs = 0;
    let now = 0;
    const host = createStepHost({
      nowNs: () => now,
      interruptions: () => seen.shift() ?? 2,
    });
    const took = timed(host, () => {
      runs++;
      now += runs * 10;
    });
    expect([runs, took]).toEqual([3, 30]);
  });

  it('takes what it gets where nothing is ever left alone', () => {
    let count = 0;
    let runs = 0;
    const host = createStepHost({ interruptions: () => count++ });
    expect(timed(host, () => runs++)).toBe(1000);
    expect(runs).toBe(4);
  });
});

describe('takeSamples', () => {
  it('alternates, and keeps no value of the warm-up', () => {
    const order: string[] = [];
    const probe = (metric: 'walk.bare' | 'trace.on', warmUps: number, runs: number) => ({
      metric,
      warmUps,
      runs,
      sample: (round: number) => {
        order.push(`${metric} ${round}`);
        return round;
      },
    });
    expect(takeSamples([probe('walk.bare', 1, 2), probe('trace.on', 0, 2)])).toEqual([
      { metric: 'walk.bare', values: [1, 2] },
      { metric: 'trace.on', values: [0, 1] },
    ]);
    expect(order).toEqual([
      'walk.bare 0',
      'trace.on 0',
      'walk.bare 1',
      'trace.on 1',
      'walk.bare 2',
    ]);
  });
});
