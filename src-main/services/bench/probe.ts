/** Taking samples: runs that were disturbed do not count, and benchmarks that are compared take turns. */
import type { BenchHost } from './bench-host.ts';
import type { MetricName } from './metrics.ts';

/** One metric, ready to be measured. */
export interface Probe {
  readonly metric: MetricName;
  readonly warmUps: number;
  readonly runs: number;
  /** One value, in the unit of the metric. Rounds count from 0, warm-up included. */
  sample(round: number): number;
}

export interface Samples {
  readonly metric: MetricName;
  readonly values: readonly number[];
}

/** A busy machine disturbs every run; after so many attempts the last one counts as it is. */
const ATTEMPTS = 4;

/** Nanoseconds that `body` takes when nothing else has the processor. */
export function timed(host: BenchHost, body: () => void): number {
  for (let attempt = 1; ; attempt++) {
    const before = host.interruptions();
    const start = host.nowNs();
    body();
    const took = host.nowNs() - start;
    if (attempt === ATTEMPTS || host.interruptions() === before) {
      return took;
    }
  }
}

/** Takes a sample of each in turn, so that all meet the same state of the machine. */
export function takeSamples(probes: readonly Probe[]): readonly Samples[] {
  const values = probes.map((): number[] => []);
  const rounds = Math.max(0, ...probes.map(({ warmUps, runs }) => warmUps + runs));
  for (let round = 0; round < rounds; round++) {
    probes.forEach((probe, i) => {
      if (round >= probe.warmUps + probe.runs) return;
      const value = probe.sample(round);
      if (round >= probe.warmUps) values[i]?.push(value);
    });
  }
  return probes.map(({ metric }, i) => ({ metric, values: values[i] ?? [] }));
}
