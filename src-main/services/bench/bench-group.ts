/** Benchmarks that share what they work on and take turns in being measured. */
import type { BenchHost } from './bench-host.ts';
import type { BenchSizes } from './bench-sizes.ts';
import type { MetricName } from './metrics.ts';
import type { Probe } from './probe.ts';

export interface BenchContext {
  readonly host: BenchHost;
  readonly sizes: BenchSizes;
}

/** Prepares a metric when it is asked for. */
export type BenchGroup = Readonly<Partial<Record<MetricName, () => Probe>>>;

/** The value is made at the first call. */
export function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
