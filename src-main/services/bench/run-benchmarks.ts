/** `siov-lab bench`: the metrics asked for, with those that they are compared with. */
import { AppError } from '../../protocol/app-error.ts';
import { didYouMean } from '../../labs-engine/closest.ts';
import type { BenchContext, BenchGroup } from './bench-group.ts';
import type { BenchHost } from './bench-host.ts';
import { FULL_SIZES, type BenchSizes } from './bench-sizes.ts';
import { descriptorBenchmarks } from './device-benchmarks.ts';
import { pasidMemoryBenchmark, translateHeapBenchmark } from './memory-benchmarks.ts';
import {
  METRIC_NAMES,
  metricOf,
  REFERENCE_WALK_NS,
  withCompared,
  type Metric,
  type MetricName,
  type Unit,
} from './metrics.ts';
import { takeSamples, type Samples } from './probe.ts';
import { scriptBenchmark } from './script-benchmark.ts';
import { seekBenchmark } from './seek-benchmark.ts';
import { walkBenchmarks } from './walk-benchmarks.ts';

export interface MetricReport {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly unit: Unit;
  readonly runs: number;
  /** How many times the other the cost is. */
  readonly ratio?: { readonly of: MetricName; readonly value: number; readonly atMost?: number };
  /** `value` is the median, scaled to a machine whose bare walk takes 40 ns where the goal is meant for one. */
  readonly goal?: { readonly value: number; readonly atMost?: number; readonly atLeast?: number };
}

export type MetricReports = Readonly<Partial<Record<MetricName, MetricReport>>>;

export interface BenchRequest {
  readonly names: readonly string[];
  readonly sizes?: BenchSizes;
  /** Called before each group of metrics. */
  readonly onProgress?: (names: readonly MetricName[]) => void;
}

type Medians = ReadonlyMap<MetricName, number>;

/** Metrics of one group take turns; the groups follow each other. */
const GROUPS: readonly ((context: BenchContext) => BenchGroup)[] = [
  walkBenchmarks,
  translateHeapBenchmark,
  pasidMemoryBenchmark,
  descriptorBenchmarks,
  scriptBenchmark,
  seekBenchmark,
];

export function runBenchmarks(host: BenchHost, request: BenchRequest): MetricReports {
  const { sizes = FULL_SIZES, onProgress } = request;
  const names = withCompared(metricNamesOf(request.names));
  const samples = GROUPS.flatMap((group) => {
    const makers = group({ host, sizes });
    const wanted = names.filter((name) => makers[name] !== undefined);
    if (wanted.length === 0) return [];
    onProgress?.(wanted);
    const taken = takeSamples(wanted.flatMap((name) => makers[name]?.() ?? []));
    host.collectGarbage();
    return taken;
  });
  const medians: Medians = new Map(
    samples.map(({ metric, values }) => [metric, medianOf(values)] as const),
  );
  const reports = names.flatMap((name) =>
    samples
      .filter(({ metric }) => metric === name)
      .map((s) => [name, reportOf(s, medians)] as const),
  );
  return Object.fromEntries(reports);
}

/** All when none is named. */
function metricNamesOf(names: readonly string[]): readonly MetricName[] {
  if (names.length === 0) return METRIC_NAMES;
  return names.map((name) => {
    const found = METRIC_NAMES.find((known) => known === name);
    if (found !== undefined) return found;
    const hint = didYouMean(name, METRIC_NAMES) ?? `Known: ${METRIC_NAMES.join(', ')}`;
    throw new AppError('ERR_METRIC', `There is no metric ${name}`, { hint });
  });
}

function reportOf({ metric: name, values }: Samples, medians: Medians): MetricReport {
  const metric = metricOf(name);
  const median = medianOf(values);
  const ratio = ratioOf(metric, median, medians);
  const goal = goalOf(metric, median, medians);
  return {
    median: rounded(median),
    min: rounded(Math.min(...values)),
    max: rounded(Math.max(...values)),
    unit: metric.unit,
    runs: values.length,
    ...(ratio === undefined ? {} : { ratio }),
    ...(goal === undefined ? {} : { goal }),
  };
}

function ratioOf(
  { compared, unit }: Metric,
  median: number,
  medians: Medians,
): MetricReport['ratio'] {
  const other = compared === undefined ? undefined : medians.get(compared.of);
  if (compared === undefined || other === undefined) return undefined;
  const { of, atMost } = compared;
  const value = rounded(isRate(unit) ? other / median : median / other);
  return { of, value, ...(atMost === undefined ? {} : { atMost }) };
}

function goalOf(
  { goal, isGoalScaled = false, unit }: Metric,
  median: number,
  medians: Medians,
): MetricReport['goal'] {
  if (goal === undefined) return undefined;
  const slowness = REFERENCE_WALK_NS / (medians.get('walk.bare') ?? REFERENCE_WALK_NS);
  const scaled = isRate(unit) ? median / slowness : median * slowness;
  return { value: rounded(isGoalScaled ? scaled : median), ...goal };
}

function isRate(unit: Unit): boolean {
  return unit === '1/s';
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** Four significant digits for small numbers, whole ones above. */
function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4));
}
