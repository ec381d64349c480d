/**
 * Who submitted what: intervals of sequence numbers in which one actor executed submission instructions. A job names the
 * record of its submission as its cause, so the interval that holds the cause tells for whom the device works.
 */
import type { Snapshotable } from '../core/snapshot.ts';
import type { Actor } from './isolation-port.ts';

/** from, to (exclusive), number of the actor */
const SLOTS = 3;
/** No actor has this number. */
export const NO_ACTOR = -1;

export interface SubmissionTurnsState {
  /** Grows only at its end, so snapshots are views of one buffer. */
  readonly slots: Float64Array;
  readonly actors: readonly Actor[];
}

export class SubmissionTurns implements Snapshotable<SubmissionTurnsState> {
  #slots = new Float64Array(64 * SLOTS);
  #used = 0;
  #actors: Actor[] = [];
  /** The interval of the last answer, or an empty one: accesses come in runs. */
  #last = { from: 0, to: 0, actor: NO_ACTOR };

  add(from: number, to: number, actor: number): void {
    if (this.#used + SLOTS > this.#slots.length) {
      const grown = new Float64Array(this.#slots.length * 2);
      grown.set(this.#slots);
      this.#slots = grown;
    }
    this.#slots[this.#used] = from;
    this.#slots[this.#used + 1] = to;
    this.#slots[this.#used + 2] = actor;
    this.#used += SLOTS;
  }

  actor(number: number): Actor | undefined {
    return this.#actors[number];
  }

  numberOf({ principal, process }: Actor): number {
    const known = this.#actors.findIndex((a) => a.principal === principal && a.process === process);
    return known >= 0
      ? known
      : this.#actors.push(process === undefined ? { principal } : { principal, process }) - 1;
  }

  /** Number of the actor in whose turn the record was made, or `NO_ACTOR`. */
  actorOf(seq: number): number {
    if (seq >= this.#last.from && seq < this.#last.to) {
      return this.#last.actor;
    }
    const slots = this.#slots;
    let low = 0;
    let high = this.#used / SLOTS;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((slots[middle * SLOTS] as number) <= seq) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const at = (low - 1) * SLOTS;
    if (at < 0 || seq >= (slots[at + 1] as number)) {
      return NO_ACTOR;
    }
    const last = this.#last;
    last.from = slots[at] as number;
    last.to = slots[at + 1] as number;
    last.actor = slots[at + 2] as number;
    return last.actor;
  }

  snapshot(): SubmissionTurnsState {
    return { slots: this.#slots.subarray(0, this.#used), actors: this.#actors.slice() };
  }

  restore({ slots, actors }: SubmissionTurnsState): void {
    this.#used = slots.length;
    this.#slots = new Float64Array(Math.max(64 * SLOTS, slots.length * 2));
    this.#slots.set(slots);
    this.#actors = actors.slice();
    this.#last = { from: 0, to: 0, actor: NO_ACTOR };
  }
}
