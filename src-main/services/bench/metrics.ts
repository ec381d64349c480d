/** What `siov-lab bench` measures: names, units, and what each number is compared with. */

export type Unit = 'ns' | 'ms' | '1/s' | 'bytes';

/** Absolute goals hold on a machine whose bare walk takes so long. */
export const REFERENCE_WALK_NS = 40;

export interface Comparison {
  readonly of: MetricName;
  /** The goal, where there is one. */
  readonly atMost?: number;
}

export interface Metric {
  readonly unit: Unit;
  readonly title: string;
  readonly compared?: Comparison;
  /** Goal for the value itself. */
  readonly goal?: { readonly atMost: number } | { readonly atLeast: number };
  /** The goal is for a machine whose bare walk takes `REFERENCE_WALK_NS`. */
  readonly isGoalScaled?: boolean;
}

/** In the order in which they are printed. */
export const METRICS = {
  'walk.bare': {
    unit: 'ns',
    title: 'Loads of a 4-level walk, nothing else',
  },
  'walk.second-stage': {
    unit: 'ns',
    title: 'Request with PASID, second stage, no caches',
    compared: { of: 'walk.bare', atMost: 2 },
  },
  'walk.first-stage': {
    unit: 'ns',
    title: 'Request with PASID, first stage, no caches',
    compared: { of: 'walk.bare' },
  },
  'walk.nested': {
    unit: 'ns',
    title: 'Request with PASID, 4 levels in 4, no caches',
    compared: { of: 'walk.nested.bare', atMost: 2 },
    goal: { atMost: 260 },
    isGoalScaled: true,
  },
  'walk.nested.bare': {
    unit: 'ns',
    title: 'Loads of a nested walk, nothing else',
    compared: { of: 'walk.bare' },
  },
  'iotlb.hit': {
    unit: 'ns',
    title: 'Request answered by the IOTLB',
    compared: { of: 'walk.bare' },
    goal: { atMost: 45 },
  },
  'walk.pasids-1m': {
    unit: 'ns',
    title: 'Second stage, a million PASIDs bound, 64 of them busy',
    compared: { of: 'walk.second-stage', atMost: 1.5 },
  },
  'walk.pasids-1m.cold': {
    unit: 'ns',
    title: 'The same, all of them busy',
    compared: { of: 'walk.second-stage' },
  },
  'pasids-1m.memory': {
    unit: 'bytes',
    title: 'Memory that a million bound PASIDs take',
    goal: { atMost: 1.3 * 64 * 2 ** 20 },
  },
  'trace.on': {
    unit: 'ns',
    title: 'Second stage, each request recorded',
    compared: { of: 'walk.second-stage', atMost: 3 },
  },
  'translate.heap': {
    unit: 'bytes',
    title: 'Heap growth in a million translations',
  },
  'descriptors.end-to-end': {
    unit: '1/s',
    title: 'Portal write to completion record, 64-byte moves',
    goal: { atLeast: 300_000 },
    isGoalScaled: true,
  },
  'descriptors.1024-adis': {
    unit: '1/s',
    title: 'The same, another of 1,024 ADIs each time',
    compared: { of: 'descriptors.end-to-end', atMost: 1.3 },
  },
  'script.calls': {
    unit: '1/s',
    title: 'Register reads by a script',
  },
  'seek.1m': {
    unit: 'ms',
    title: 'Worst of 20 seeks in a run of a million events',
    goal: { atMost: 50 },
  },
} as const satisfies Record<string, MetricSpec>;

interface MetricSpec extends Omit<Metric, 'compared'> {
  readonly compared?: { readonly of: string; readonly atMost?: number };
}

export type MetricName = keyof typeof METRICS;
export const METRIC_NAMES = Object.keys(METRICS) as readonly MetricName[];

export function metricOf(name: MetricName): Metric {
  return METRICS[name];
}

/** The given metrics with those that they are compared with, in the usual order. */
export function withCompared(names: readonly MetricName[]): readonly MetricName[] {
  const wanted = new Set<MetricName>();
  const add = (name: MetricName): void => {
    wanted.add(name);
    const { compared, isGoalScaled = false } = metricOf(name);
    const needed = [
      ...(compared === undefined ? [] : [compared.of]),
      ...(isGoalScaled ? (['walk.bare'] as const) : []),
    ];
    needed.filter((other) => !wanted.has(other)).forEach(add);
  };
  names.forEach(add);
  return METRIC_NAMES.filter((name) => wanted.has(name));
}
