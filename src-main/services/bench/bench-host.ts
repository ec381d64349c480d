/** What benchmarks ask of their host: services have no clock and do not see the memory of the process. */
import type { LoadWasm } from '../../script/script-runner.ts';

export interface BenchHost {
  nowNs(): number;
  /**
   * How often the system has taken the processor away from this process: a run during which that happened says nothing. A
   * host that cannot know gives the same number always.
   */
  interruptions(): number;
  /** Bytes of script objects, garbage included. */
  heapBytes(): number;
  /** Bytes of the process that are in memory. */
  residentBytes(): number;
  /** Collects all garbage and gives its memory back. */
  collectGarbage(): void;
  readonly loadSandbox: LoadWasm;
}
