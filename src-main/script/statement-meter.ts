/**
 * Counts executed statements exactly although most of them never call the host.
 *
 * Each function of a script has a counter in the guest, filled with a grant. Only when it has run out does the guest ask
 * (`enter`), and only then is the grant known to be spent. All grants together never pass the limit, so the limit is met to
 * the statement.
 */

/**
 * Statements a function may run before it asks again. Few, because asking is also when a stop request is seen, and one
 * statement may be a native scan of many milliseconds that polls no interrupt.
 */
export const GRANT_SIZE = 16;

export interface MeterOptions {
  readonly functionCount: number;
  /** Sets every counter in the guest to zero and answers their sum. */
  readonly collect: () => number;
}

export class StatementMeter {
  readonly #grants: Uint32Array;
  readonly #collect: () => number;
  #executed = 0;
  #outstanding = 0;

  constructor({ functionCount, collect }: MeterOptions) {
    this.#grants = new Uint32Array(functionCount);
    this.#collect = collect;
  }

  /** Statements begun. Exact after `settle`, a lower bound otherwise. */
  get executed(): number {
    return this.#executed;
  }

  /** A function's counter has run out and its next statement begins. */
  enter(functionIndex: number): void {
    const spent = this.#grants[functionIndex] ?? 0;
    this.#grants[functionIndex] = 0;
    this.#outstanding -= spent;
    this.#executed += spent + 1;
  }

  /** Takes all grants back, so that `executed` is exact and every function asks at its next statement. */
  settle(): void {
    if (this.#outstanding === 0) return;
    this.#executed += this.#outstanding - this.#collect();
    this.#outstanding = 0;
    this.#grants.fill(0);
  }

  /** Whether the statement just entered is one more than `limit`. */
  isBeyond(limit: number): boolean {
    if (this.#executed + this.#outstanding <= limit) return false;
    this.settle();
    return this.#executed > limit;
  }

  /** How many statements the function may run unasked, so that not more than `limit` run in all. */
  grant(functionIndex: number, limit: number): number {
    let room = limit - this.#executed - this.#outstanding;
    if (room <= 0 && this.#outstanding > 0) {
      this.settle();
      room = limit - this.#executed;
    }
    const size = Math.max(0, Math.min(GRANT_SIZE, room));
    this.#grants[functionIndex] = size;
    this.#outstanding += size;
    return size;
  }
}
