/** Clock and memory of this process, for benchmarks. */
import { cpus } from 'node:os';
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { BenchHost } from '../../services/bench/bench-host.ts';
import { loadSandbox } from './lab-tools.ts';

export interface BenchMachine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
}

export function benchMachine(): BenchMachine {
  const all = cpus();
  return { cpu: all[0]?.model.trim() ?? 'unknown', cores: all.length, node: process.version };
}

export function createBenchHost(): BenchHost {
  // The collector is a global of contexts made after the flag is set, so nobody has to start node with it.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  return {
    nowNs: () => performance.now() * 1e6,
    interruptions: () => process.resourceUsage().involuntaryContextSwitches,
    heapBytes: () => process.memoryUsage().heapUsed,
    residentBytes: () => process.memoryUsage.rss(),
    collectGarbage: () => {
      // The second finds what the first one's finalizers let go.
      collect();
      collect();
    },
    loadSandbox,
  };
}
