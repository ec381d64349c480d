/**
 * Simulated time and what is due when. Time is whole nanoseconds since the start of the run.
 *
 * An entry is plain data (target number, operation, two operands), so that the queue can be saved and restored; targets
 * register once, in a fixed order, when the machine is built. Entries due at the same time run in the order in which they
 * were scheduled. The binary heap lives in typed arrays: scheduling allocates nothing once it has grown.
 */
import { invariant } from '../../bits/invariant.ts';
import type { Snapshotable } from './snapshot.ts';
import type { Trace } from './trace.ts';

/** A unit that wants to be called later. */
export interface EventTarget {
  onDue(operation: number, a: number, b: number): void;
}

export interface EventQueueState {
  readonly nowNs: number;
  readonly order: number;
  readonly slots: Float64Array;
}

/** due, order, target, operation, a, b, cause */
const SLOTS = 7;

export class EventQueue implements Snapshotable<EventQueueState> {
  #nowNs = 0;
  #order = 0;
  #size = 0;
  #heap = new Float64Array(64 * SLOTS);
  readonly #targets: EventTarget[] = [];
  readonly #trace: Trace;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  get nowNs(): number {
    return this.#nowNs;
  }

  get size(): number {
    return this.#size;
  }

  /** Time of the next entry, Infinity when there is none. */
  get nextDueNs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#heap[0] as number);
  }

  /** Gives the number by which entries name the target. Order of registration is part of the machine's construction. */
  register(target: EventTarget): number {
    this.#targets.push(target);
    return this.#targets.length - 1;
  }

  schedule(delayNs: number, target: number, operation: number, a = 0, b = 0): void {
    if (!(delayNs >= 0)) {
      // Apart, so that the text is not built for every entry.
      invariant(false, `Delay ${delayNs} ns is negative`);
    }
    if ((this.#size + 1) * SLOTS > this.#heap.length) {
      const grown = new Float64Array(this.#heap.length * 2);
      grown.set(this.#heap);
      this.#heap = grown;
    }
    let index = this.#size++;
    const due = this.#nowNs + Math.round(delayNs);
    const order = this.#order++;
    const heap = this.#heap;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const p = parent * SLOTS;
      const parentDue = heap[p] as number;
      if (parentDue < due || (parentDue === due && (heap[p + 1] as number) < order)) {
        break;
      }
      moveEntry(heap, p, index * SLOTS);
      index = parent;
    }
    const at = index * SLOTS;
    heap[at] = due;
    heap[at + 1] = order;
    heap[at + 2] = target;
    heap[at + 3] = operation;
    heap[at + 4] = a;
    heap[at + 5] = b;
    heap[at + 6] = this.#trace.cause;
  }

  /** Runs the next entry if it is due at or before `limitNs`. False when there was none. */
  runNext(limitNs: number): boolean {
    if (this.#size === 0 || (this.#heap[0] as number) > limitNs) {
      return false;
    }
    const heap = this.#heap;
    this.#nowNs = heap[0] as number;
    const target = heap[2] as number;
    const operation = heap[3] as number;
    const a = heap[4] as number;
    const b = heap[5] as number;
    const cause = heap[6] as number;
    this.#removeFirst();
    this.#trace.nowNs = this.#nowNs;
    const saved = this.#trace.enter(cause);
    (this.#targets[target] as EventTarget).onDue(operation, a, b);
    this.#trace.cause = saved;
    return true;
  }

  /** Moves time forward without running anything. */
  advanceTo(timeNs: number): void {
    invariant(
      timeNs >= this.#nowNs && timeNs <= this.nextDueNs,
      `Time ${timeNs} ns would jump over an event or back`,
    );
    this.#nowNs = timeNs;
    this.#trace.nowNs = timeNs;
  }

  /** Removes every entry of a target whose operation and operand match (`a` undefined: any). */
  cancel(target: number, operation: number, a?: number): void {
    const kept: number[] = [];
    for (let i = 0; i < this.#size; i++) {
      const at = i * SLOTS;
      const heap = this.#heap;
      const matches =
        heap[at + 2] === target &&
        heap[at + 3] === operation &&
        (a === undefined || heap[at + 4] === a);
      if (!matches) {
        kept.push(i);
      }
    }
    if (kept.length === this.#size) {
      return;
    }
    const entries = kept.map((i) => this.#heap.slice(i * SLOTS, (i + 1) * SLOTS));
    entries.sort(
      (x, y) => (x[0] as number) - (y[0] as number) || (x[1] as number) - (y[1] as number),
    );
    entries.forEach((entry, i) => this.#heap.set(entry, i * SLOTS));
    this.#size = entries.length;
  }

  snapshot(): EventQueueState {
    return {
      nowNs: this.#nowNs,
      order: this.#order,
      slots: this.#heap.slice(0, this.#size * SLOTS),
    };
  }

  restore(state: EventQueueState): void {
    this.#nowNs = state.nowNs;
    this.#order = state.order;
    this.#size = state.slots.length / SLOTS;
    if (this.#heap.length < state.slots.length) {
      this.#heap = new Float64Array(state.slots.length * 2);
    }
    this.#heap.set(state.slots);
    this.#trace.nowNs = state.nowNs;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = --this.#size * SLOTS;
    if (last === 0) {
      return;
    }
    const due = heap[last] as number;
    const order = heap[last + 1] as number;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= this.#size) {
        break;
      }
      const right = child + 1;
      if (right < this.#size && this.#isBefore(right, child)) {
        child = right;
      }
      const c = child * SLOTS;
      const childDue = heap[c] as number;
      if (due < childDue || (due === childDue && order < (heap[c + 1] as number))) {
        break;
      }
      moveEntry(heap, c, index * SLOTS);
      index = child;
    }
    moveEntry(heap, last, index * SLOTS);
  }

  #isBefore(x: number, y: number): boolean {
    const heap = this.#heap;
    const dx = heap[x * SLOTS] as number;
    const dy = heap[y * SLOTS] as number;
    return (
      dx < dy || (dx === dy && (heap[x * SLOTS + 1] as number) < (heap[y * SLOTS + 1] as number))
    );
  }
}

/** A plain loop: `copyWithin` costs more than the seven numbers it moves. */
function moveEntry(heap: Float64Array, from: number, to: number): void {
  for (let i = 0; i < SLOTS; i++) {
    heap[to + i] = heap[from + i] as number;
  }
}
