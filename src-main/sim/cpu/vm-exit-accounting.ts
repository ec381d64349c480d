/**
 * How often and why a virtual CPU left guest mode, and what that cost: labs grade fast paths on it.
 */
import { EXIT_REASONS, type ExitReason } from '../../spec/cpu/vm-exit.ts';
import { CPU_TIMING } from '../../spec/cpu/timing.ts';
import type { Snapshotable } from '../core/snapshot.ts';

const REASONS = 1 + Math.max(...EXIT_REASONS.map((r) => r.code));

export interface ExitCount {
  readonly reason: ExitReason;
  readonly count: number;
}

export interface VmExitAccountingState {
  readonly counts: Float64Array;
  readonly costNs: number;
}

export class VmExitAccounting implements Snapshotable<VmExitAccountingState> {
  readonly #counts = new Float64Array(REASONS);
  #costNs = 0;

  record(reason: ExitReason, costNs: number = CPU_TIMING.vmExit): void {
    this.#counts[reason] = (this.#counts[reason] as number) + 1;
    this.#costNs += costNs;
  }

  count(reason: ExitReason): number {
    return this.#counts[reason] as number;
  }

  get total(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** Simulated time spent in exits. */
  get costNs(): number {
    return this.#costNs;
  }

  /** Reasons that occurred, in the order of their numbers. */
  counts(): readonly ExitCount[] {
    return EXIT_REASONS.map(({ code }) => ({ reason: code, count: this.count(code) })).filter(
      ({ count }) => count > 0,
    );
  }

  snapshot(): VmExitAccountingState {
    return { counts: this.#counts.slice(), costNs: this.#costNs };
  }

  restore(state: VmExitAccountingState): void {
    this.#counts.set(state.counts);
    this.#costNs = state.costNs;
  }
}
