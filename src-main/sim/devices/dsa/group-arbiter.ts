/**
 * Arbiter of each group: round robin over the queues that have work, weighted by priority. DSA 3.0 section 3.4.
 *
 * Each queue holds a counter loaded with its priority and spends one for each descriptor. Queues with work are in one of
 * two rings, with credit or without; when only those without are left, all counters reload. Taking a queue costs the same
 * however many queues the group has: reloading swaps the rings and starts a new epoch.
 *
 * A queue whose oldest descriptor is a batch, when no engine can take one, is parked and does not hold up the others.
 */
import { invariant } from '../../../bits/invariant.ts';
import type { Snapshotable } from '../../core/snapshot.ts';

const NONE = -1;
/** Rings of a group: two that take turns in holding the queues with credit, and the parked ones. */
const PARKED = 2;
const RINGS = 3;
const ABSENT = 255;

export interface GroupArbiterState {
  readonly heads: Int32Array;
  readonly tails: Int32Array;
  readonly next: Int32Array;
  readonly ring: Uint8Array;
  readonly credit: Uint8Array;
  readonly creditEpoch: Uint32Array;
  readonly epoch: Uint32Array;
  readonly creditRing: Uint8Array;
}

export class GroupArbiter implements Snapshotable<GroupArbiterState> {
  readonly #groups: number;
  readonly #heads: Int32Array;
  readonly #tails: Int32Array;
  readonly #next: Int32Array;
  readonly #ring: Uint8Array;
  readonly #credit: Uint8Array;
  readonly #creditEpoch: Uint32Array;
  readonly #epoch: Uint32Array;
  /** Which of its two rings holds the queues with credit. */
  readonly #creditRing: Uint8Array;
  readonly #group: Int32Array;
  readonly #priority: Uint8Array;

  /** `group` and `priority` of each queue are read when needed. */
  constructor(groups: number, group: Int32Array, priority: Uint8Array) {
    this.#groups = groups;
    this.#group = group;
    this.#priority = priority;
    this.#heads = new Int32Array(groups * RINGS).fill(NONE);
    this.#tails = new Int32Array(groups * RINGS).fill(NONE);
    this.#next = new Int32Array(group.length).fill(NONE);
    this.#ring = new Uint8Array(group.length).fill(ABSENT);
    this.#credit = new Uint8Array(group.length);
    this.#creditEpoch = new Uint32Array(group.length);
    this.#epoch = new Uint32Array(groups).fill(1);
    this.#creditRing = new Uint8Array(groups);
  }

  /** A queue has work. Nothing happens when the arbiter knows. */
  add(wq: number): void {
    if (this.#ring[wq] === ABSENT) {
      const withCredit = this.#creditRing[this.#group[wq] as number] as number;
      this.#append(wq, this.#creditOf(wq) > 0 ? withCredit : 1 - withCredit);
    }
  }

  hasWork(group: number): boolean {
    return this.#heads[group * RINGS] !== NONE || this.#heads[group * RINGS + 1] !== NONE;
  }

  /** The queue whose turn it is, taken out of its ring; -1 when there is none. Follow with `spend`, `park` or nothing. */
  take(group: number): number {
    let ring = this.#creditRing[group] as number;
    if (this.#heads[group * RINGS + ring] === NONE && this.hasWork(group)) {
      // Every queue with work has spent its credit: all counters reload.
      ring = 1 - ring;
      this.#creditRing[group] = ring;
      (this.#epoch[group] as number)++;
    }
    return this.#removeFirst(group * RINGS + ring);
  }

  /** The queue taken gave one descriptor; it takes its next place when it has more. */
  spend(wq: number, hasMore: boolean): void {
    this.#credit[wq] = Math.max(0, this.#creditOf(wq) - 1);
    this.#creditEpoch[wq] = this.#epoch[this.#group[wq] as number] as number;
    if (hasMore) {
      this.add(wq);
    }
  }

  /** The queue taken has a batch in front and nobody can take one now. */
  park(wq: number): void {
    this.#append(wq, PARKED);
  }

  /** A batch can be taken again. True when queues came back. */
  unpark(group: number): boolean {
    let isAny = false;
    for (;;) {
      const wq = this.#removeFirst(group * RINGS + PARKED);
      if (wq === NONE) {
        return isAny;
      }
      isAny = true;
      this.add(wq);
    }
  }

  /** Takes a queue out, wherever it is: it was emptied, paused or reset. */
  remove(wq: number): void {
    const ring = this.#ring[wq] as number;
    if (ring === ABSENT) {
      return;
    }
    const list = (this.#group[wq] as number) * RINGS + ring;
    let before = NONE;
    for (let at = this.#heads[list] as number; at !== wq; at = this.#next[at] as number) {
      invariant(at !== NONE, `Queue ${wq} is not in its ring`);
      before = at;
    }
    const after = this.#next[wq] as number;
    if (before === NONE) {
      this.#heads[list] = after;
    } else {
      this.#next[before] = after;
    }
    if (this.#tails[list] === wq) {
      this.#tails[list] = before;
    }
    this.#ring[wq] = ABSENT;
  }

  /** A queue of a new owner starts with a full counter. */
  forget(wq: number): void {
    this.remove(wq);
    this.#credit[wq] = 0;
    this.#creditEpoch[wq] = 0;
  }

  clear(): void {
    this.#heads.fill(NONE);
    this.#tails.fill(NONE);
    this.#next.fill(NONE);
    this.#ring.fill(ABSENT);
    this.#credit.fill(0);
    this.#creditEpoch.fill(0);
    this.#epoch.fill(1);
    this.#creditRing.fill(0);
  }

  /** Credit left of a queue, for people. */
  credit(wq: number): number {
    return this.#creditOf(wq);
  }

  snapshot(): GroupArbiterState {
    return {
      heads: this.#heads.slice(),
      tails: this.#tails.slice(),
      next: this.#next.slice(),
      ring: this.#ring.slice(),
      credit: this.#credit.slice(),
      creditEpoch: this.#creditEpoch.slice(),
      epoch: this.#epoch.slice(),
      creditRing: this.#creditRing.slice(),
    };
  }

  restore(state: GroupArbiterState): void {
    this.#heads.set(state.heads);
    this.#tails.set(state.tails);
    this.#next.set(state.next);
    this.#ring.set(state.ring);
    this.#credit.set(state.credit);
    this.#creditEpoch.set(state.creditEpoch);
    this.#epoch.set(state.epoch);
    this.#creditRing.set(state.creditRing);
  }

  #creditOf(wq: number): number {
    const group = this.#group[wq] as number;
    const isCurrent =
      group >= 0 && group < this.#groups && this.#creditEpoch[wq] === this.#epoch[group];
    return isCurrent ? (this.#credit[wq] as number) : (this.#priority[wq] as number);
  }

  #append(wq: number, ring: number): void {
    const list = (this.#group[wq] as number) * RINGS + ring;
    const tail = this.#tails[list] as number;
    if (tail === NONE) {
      this.#heads[list] = wq;
    } else {
      this.#next[tail] = wq;
    }
    this.#tails[list] = wq;
    this.#next[wq] = NONE;
    this.#ring[wq] = ring;
  }

  #removeFirst(list: number): number {
    const wq = this.#heads[list] as number;
    if (wq === NONE) {
      return NONE;
    }
    const next = this.#next[wq] as number;
    this.#heads[list] = next;
    if (next === NONE) {
      this.#tails[list] = NONE;
    }
    this.#ring[wq] = ABSENT;
    return wq;
  }
}
