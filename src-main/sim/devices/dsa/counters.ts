/**
 * Statistics of the device, of each work queue, engine and PASID. Counting a thing is one addition; a PASID gets its row
 * when it first appears.
 */
import { invariant } from '../../../bits/invariant.ts';
import { DSA_COUNTERS, type DsaCounter } from '../../../spec/dsa/counters.ts';
import { OPERATIONS } from '../../../spec/dsa/operations.ts';
import type { Snapshotable } from '../../core/snapshot.ts';

export type CounterRow = Readonly<Record<DsaCounter, number>>;

const COLUMNS = DSA_COUNTERS.length;
const OPERATION_CODES = 256;
const NO_PASID = -1;

/** Column numbers, for hot paths: a literal, which the compiler can fold. */
export const COUNTER = {
  swqAcceptLimited: 0,
  swqRetryLimited: 1,
  swqAcceptUnlimited: 2,
  swqRetryUnlimited: 3,
  dwqAccept: 4,
  dwqFull: 5,
  ignored: 6,
  dispatched: 7,
  batchMembers: 8,
  completed: 9,
  failed: 10,
  dropped: 11,
  bytesRead: 12,
  bytesWritten: 13,
  atcHits: 14,
  translations: 15,
  translationFaults: 16,
  pageRequests: 17,
  pageRequestsInvalid: 18,
  pageRequestsGranted: 19,
  records: 20,
  interrupts: 21,
} as const satisfies Readonly<Record<DsaCounter, number>>;
invariant(
  DSA_COUNTERS.every(([name], column) => COUNTER[name] === column),
  'Counter columns follow their declaration',
);

/** Somebody who wants to know of everything that is counted. */
export interface CounterObserver {
  /** `engine` is -1 where none takes part. */
  onCount(counter: number, wq: number, pasidRow: number, engine: number, amount: number): void;
  onOperation(code: number, wq: number, engine: number): void;
}

/** Row of requests without PASID. */
export const NO_PASID_ROW = 0;
const NO_ENGINE = -1;

export interface CountersState {
  readonly wqs: Float64Array;
  readonly engines: Float64Array;
  readonly pasids: Float64Array;
  readonly pasidRows: readonly number[];
  readonly operations: Float64Array;
}

function rowOf(values: Float64Array, row: number): CounterRow {
  return Object.fromEntries(
    DSA_COUNTERS.map(([name], i) => [name, values[row * COLUMNS + i] ?? 0]),
  ) as CounterRow;
}

export class DsaCounters implements Snapshotable<CountersState> {
  /** Set while a performance counter is enabled. */
  observer: CounterObserver | undefined;
  readonly #wqs: Float64Array;
  readonly #engines: Float64Array;
  #pasids = new Float64Array(COLUMNS * 16);
  #pasidRows: number[] = [];
  readonly #rowByPasid = new Map<number, number>();
  readonly #operations = new Float64Array(OPERATION_CODES);

  constructor(wqs: number, engines: number) {
    this.#wqs = new Float64Array(wqs * COLUMNS);
    this.#engines = new Float64Array(engines * COLUMNS);
    this.pasidRow(NO_PASID);
  }

  /** Row number of a PASID (-1: requests without), for `add`. */
  pasidRow(pasid: number): number {
    const known = this.#rowByPasid.get(pasid);
    if (known !== undefined) {
      return known;
    }
    const row = this.#pasidRows.length;
    this.#pasidRows.push(pasid);
    this.#rowByPasid.set(pasid, row);
    if ((row + 1) * COLUMNS > this.#pasids.length) {
      const grown = new Float64Array(this.#pasids.length * 2);
      grown.set(this.#pasids);
      this.#pasids = grown;
    }
    return row;
  }

  add(counter: number, wq: number, pasidRow: number, amount = 1): void {
    (this.#wqs[wq * COLUMNS + counter] as number) += amount;
    (this.#pasids[pasidRow * COLUMNS + counter] as number) += amount;
    this.observer?.onCount(counter, wq, pasidRow, NO_ENGINE, amount);
  }

  addWithEngine(counter: number, wq: number, pasidRow: number, engine: number, amount = 1): void {
    (this.#wqs[wq * COLUMNS + counter] as number) += amount;
    (this.#pasids[pasidRow * COLUMNS + counter] as number) += amount;
    (this.#engines[engine * COLUMNS + counter] as number) += amount;
    this.observer?.onCount(counter, wq, pasidRow, engine, amount);
  }

  addWq(counter: number, wq: number): void {
    (this.#wqs[wq * COLUMNS + counter] as number) += 1;
  }

  addOperation(code: number, wq: number, engine: number): void {
    (this.#operations[code] as number) += 1;
    this.observer?.onOperation(code, wq, engine);
  }

  /** Part of resetting an assignable device interface: the next owner starts at zero. */
  clearWq(wq: number): void {
    this.#wqs.fill(0, wq * COLUMNS, (wq + 1) * COLUMNS);
  }

  clear(): void {
    this.#wqs.fill(0);
    this.#engines.fill(0);
    this.#pasids.fill(0);
    this.#operations.fill(0);
    this.#pasidRows = [];
    this.#rowByPasid.clear();
    // Always the first row: the device's own requests know it by heart.
    this.pasidRow(NO_PASID);
  }

  ofWq(wq: number): CounterRow {
    return rowOf(this.#wqs, wq);
  }

  ofEngine(engine: number): CounterRow {
    return rowOf(this.#engines, engine);
  }

  ofPasids(): readonly { readonly pasid: number; readonly counters: CounterRow }[] {
    return this.#pasidRows.map((pasid, row) => ({ pasid, counters: rowOf(this.#pasids, row) }));
  }

  /** Descriptors executed, by operation code; only codes that occurred. */
  ofOperations(): readonly {
    readonly code: number;
    readonly title: string;
    readonly count: number;
  }[] {
    return OPERATIONS.map(({ code, title }) => ({
      code,
      title,
      count: this.#operations[code] ?? 0,
    })).filter((o) => o.count > 0);
  }

  snapshot(): CountersState {
    return {
      wqs: this.#wqs.slice(),
      engines: this.#engines.slice(),
      pasids: this.#pasids.slice(0, this.#pasidRows.length * COLUMNS),
      pasidRows: [...this.#pasidRows],
      operations: this.#operations.slice(),
    };
  }

  restore(state: CountersState): void {
    this.clear();
    this.#wqs.set(state.wqs);
    this.#engines.set(state.engines);
    this.#operations.set(state.operations);
    for (const pasid of state.pasidRows) {
      this.pasidRow(pasid);
    }
    this.#pasids.set(state.pasids);
  }
}
