import type { BenchHost } from '../../../services/bench/bench-host.ts';
import { FULL_SIZES, type BenchSizes } from '../../../services/bench/bench-sizes.ts';
import { METRIC_NAMES, metricOf } from '../../../services/bench/metrics.ts';
import {
  runBenchmarks,
  type MetricReport,
  type MetricReports,
} from '../../../services/bench/run-benchmarks.ts';
import {
  runSharing,
  type SharingCost,
  type SharingReport,
} from '../../../services/bench/sharing.ts';
import { benchMachine, createBenchHost, type BenchMachine } from '../bench-host.ts';
import {
  EXIT,
  JSON_OPTION,
  printJson,
  UsageError,
  type Command,
  type CommandIo,
} from '../command.ts';
import { textTable } from '../text-table.ts';

/** What tests replace by less. */
export interface BenchExtent {
  readonly sizes: BenchSizes;
  readonly createHost: () => BenchHost;
  readonly countSharing: () => SharingReport;
}

export const bench = createBenchCommand({
  sizes: FULL_SIZES,
  createHost: createBenchHost,
  countSharing: () => runSharing(),
});

export function createBenchCommand({ sizes, createHost, countSharing }: BenchExtent): Command {
  return {
    name: 'bench',
    operands: '[NAME]...',
    summary: 'Measure the engine, or count what sharing a device costs',
    details: [
      'Medians with the fastest and the slowest run. Runs in which the system took the processor away count again.',
      'A metric brings those that it is compared with. Ctrl-C ends it.',
      '',
      ...METRIC_NAMES.map((name) => `  ${name.padEnd(24)}${metricOf(name).title}`),
    ].join('\n'),
    options: {
      sharing: {
        type: 'boolean',
        help: 'count what SR-IOV and Scalable IOV take for 1 to 512 tenants',
      },
      runs: { type: 'string', value: 'N', help: 'runs of each metric' },
      json: JSON_OPTION,
    },
    minOperands: 0,
    maxOperands: METRIC_NAMES.length,
    run: (input, io) => {
      const isJson = input.isSet('json');
      if (input.isSet('sharing')) {
        if (input.operands.length > 0) {
          throw new UsageError('Expected --sharing or metrics, found both');
        }
        const report = countSharing();
        if (isJson) printJson(io, report);
        else printSharing(io, report);
        return EXIT.pass;
      }
      const runs = input.count('runs');
      if (runs === 0) throw new UsageError('Expected --runs of at least 1, found 0');
      const metrics = runBenchmarks(createHost(), {
        names: input.operands,
        sizes: runs === undefined ? sizes : { ...sizes, runs, longRuns: runs },
        onProgress: (names) => io.say(`Measuring ${names.join(', ')}`),
      });
      const machine = benchMachine();
      if (isJson) printJson(io, { machine, metrics });
      else printMetrics(io, machine, metrics);
      return EXIT.pass;
    },
  };
}

function printMetrics(
  io: CommandIo,
  { cpu, cores, node }: BenchMachine,
  metrics: MetricReports,
): void {
  io.out(`${cpu}, ${String(cores)} cores, node ${node}`);
  const rows = METRIC_NAMES.flatMap((name) => {
    const report = metrics[name];
    return report === undefined ? [] : [[name, ...cellsOf(report)]];
  });
  io.out(
    textTable([['metric', 'median', 'min', 'max', 'unit', 'runs', 'compared', 'goal'], ...rows]),
  );
}

function cellsOf({ median, min, max, unit, runs, ratio, goal }: MetricReport): readonly string[] {
  const numbers = [median, min, max].map((value) => value.toLocaleString('en'));
  const compared =
    ratio === undefined
      ? ''
      : `${ratio.value.toFixed(2)} x ${ratio.of}${ratio.atMost === undefined ? '' : ` (at most ${String(ratio.atMost)})`}`;
  return [...numbers, unit, String(runs), compared, goal === undefined ? '' : goalText(goal)];
}

function goalText({ value, atMost, atLeast }: NonNullable<MetricReport['goal']>): string {
  const bound =
    atMost === undefined
      ? `at least ${(atLeast ?? 0).toLocaleString('en')}`
      : `at most ${atMost.toLocaleString('en')}`;
  return `${value.toLocaleString('en')} (${bound})`;
}

const SHARED_ROWS: readonly (readonly [string, (cost: SharingCost) => number])[] = [
  ['functions', (cost) => cost.functions],
  ['config space bytes', (cost) => cost.configSpaceBytes],
  ['context entries', (cost) => cost.contextEntries],
  ['PASID entries', (cost) => cost.pasidEntries],
  ['PASID table bytes', (cost) => cost.pasidTableBytes],
  ['interrupt vectors', (cost) => cost.vectors],
  ['BAR bytes', (cost) => cost.barBytes],
  ['host accesses to set up', (cost) => sum(cost.hostSetup)],
  ['tenant accesses to set up', (cost) => sum(cost.tenantSetup)],
  ['disturbed by one more', (cost) => cost.disturbedByOneMore],
];

function sum(counts: object): number {
  return Object.values(counts as Record<string, number>).reduce((total, count) => total + count, 0);
}

/** One table for each technology: what a row costs for each number of tenants. */
function printSharing(io: CommandIo, { tenants, limits }: SharingReport): void {
  const titles = { sriov: 'SR-IOV', siov: 'Scalable IOV' } as const;
  for (const technology of ['sriov', 'siov'] as const) {
    const { maxTenants, stoppedBy } = limits[technology];
    io.out(
      `${titles[technology]}: at most ${String(maxTenants)} tenants, then there are no more ${stoppedBy}`,
    );
    const rows = SHARED_ROWS.map(([title, of]) => [
      title,
      ...tenants.map(({ [technology]: cost }) => (cost === null ? '-' : String(of(cost)))),
    ]);
    io.out(textTable([['tenants', ...tenants.map(({ n }) => String(n))], ...rows]));
  }
}
