/** How much each benchmark works on. Tests run the same code on less. */

export interface BenchSizes {
  /** Runs that count. */
  readonly runs: number;
  /** Runs before them, for the compiler. */
  readonly warmUps: number;
  /** Runs of benchmarks that take long. */
  readonly longRuns: number;
  readonly pages: number;
  readonly nestedPages: number;
  readonly hotPages: number;
  /** Lookups of one run; there are `LOOKUP_RUNS` different runs. */
  readonly lookups: number;
  /** Bound PASIDs, and how many of them are busy at a time. */
  readonly pasids: number;
  readonly busyPasids: number;
  readonly traceRecords: number;
  /** Translations over which heap growth is taken. */
  readonly heapTranslations: number;
  readonly adis: number;
  readonly descriptors: number;
  readonly scriptCalls: number;
  readonly events: number;
  readonly seeks: number;
}

export const FULL_SIZES: BenchSizes = {
  runs: 101,
  warmUps: 30,
  longRuns: 7,
  pages: 16_384,
  nestedPages: 1024,
  hotPages: 64,
  lookups: 32_768,
  pasids: 2 ** 20,
  busyPasids: 64,
  traceRecords: 1_000_000,
  heapTranslations: 1_000_000,
  adis: 1024,
  descriptors: 1024,
  scriptCalls: 20_000,
  events: 1_000_000,
  seeks: 20,
};
