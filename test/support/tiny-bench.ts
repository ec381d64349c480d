/** Benchmarks on so little that they say nothing about speed, for tests of the benchmarks. */
import type { BenchHost } from '../../src-main/services/bench/bench-host.ts';
import type { BenchSizes } from '../../src-main/services/bench/bench-sizes.ts';
import { loadWasmFromPackage } from '../../src-main/script/wasm-node.ts';

export const TINY_SIZES: BenchSizes = {
  runs: 3,
  warmUps: 1,
  longRuns: 2,
  pages: 128,
  nestedPages: 64,
  hotPages: 8,
  lookups: 64,
  pasids: 256,
  busyPasids: 16,
  traceRecords: 100,
  heapTranslations: 1000,
  adis: 4,
  descriptors: 64,
  scriptCalls: 10,
  events: 2000,
  seeks: 3,
};

/** A host on which every reading of the clock costs one microsecond, and nothing else takes time or memory. */
export function createStepHost(overrides: Partial<BenchHost> = {}): BenchHost {
  let now = 0;
  return {
    nowNs: () => (now += 1000),
    interruptions: () => 0,
    heapBytes: () => 0,
    residentBytes: () => 0,
    collectGarbage: () => undefined,
    loadSandbox: loadWasmFromPackage,
    ...overrides,
  };
}
