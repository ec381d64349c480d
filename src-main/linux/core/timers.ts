/** Kernel timers: functions that are due at an instant of simulated time. */

interface Timer {
  readonly id: number;
  readonly dueNs: number;
  readonly run: () => void;
}

export class Timers {
  #timers: Timer[] = [];
  #nextId = 1;

  /** Time of the next timer, Infinity when there is none. */
  get nextDueNs(): number {
    return this.#timers[0]?.dueNs ?? Number.POSITIVE_INFINITY;
  }

  /** Gives a number for `cancel`. Timers due at the same time run in the order in which they were set. */
  schedule(dueNs: number, run: () => void): number {
    const timer = { id: this.#nextId++, dueNs, run };
    const at = this.#timers.findIndex((t) => t.dueNs > dueNs);
    this.#timers.splice(at < 0 ? this.#timers.length : at, 0, timer);
    return timer.id;
  }

  cancel(id: number): void {
    this.#timers = this.#timers.filter((t) => t.id !== id);
  }

  runDue(nowNs: number): void {
    for (;;) {
      const first = this.#timers[0];
      if (first === undefined || first.dueNs > nowNs) {
        return;
      }
      this.#timers.shift();
      first.run();
    }
  }
}
