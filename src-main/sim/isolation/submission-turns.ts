/**
 * Who submitted what: intervals of sequence numbers in which one principal executed submission instructions. A job names the
 * record of its submission as its cause, so the interval that holds the cause tells for whom the device works.
 */
import type { Snapshotable } from '../core/snapshot.ts';

/** from, to (exclusive), number of the principal */
const SLOTS = 3;

export interface SubmissionTurnsState {
  /** Grows only at its end, so snapshots are views of one buffer. */
  readonly slots: Float64Array;
  readonly names: readonly string[];
}

export class SubmissionTurns implements Snapshotable<SubmissionTurnsState> {
  #slots = new Float64Array(64 * SLOTS);
  #used = 0;
  #names: string[] = [];

  add(from: number, to: number, principal: string): void {
    if (this.#used + SLOTS > this.#slots.length) {
      const grown = new Float64Array(this.#slots.length * 2);
      grown.set(this.#slots);
      this.#slots = grown;
    }
    this.#slots[this.#used] = from;
    this.#slots[this.#used + 1] = to;
    this.#slots[this.#used + 2] = this.#numberOf(principal);
    this.#used += SLOTS;
  }

  /** The principal in whose turn the record was made. */
  principalOf(seq: number): string | undefined {
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
    return at >= 0 && seq < (slots[at + 1] as number)
      ? this.#names[slots[at + 2] as number]
      : undefined;
  }

  snapshot(): SubmissionTurnsState {
    return { slots: this.#slots.subarray(0, this.#used), names: this.#names.slice() };
  }

  restore({ slots, names }: SubmissionTurnsState): void {
    this.#used = slots.length;
    this.#slots = new Float64Array(Math.max(64 * SLOTS, slots.length * 2));
    this.#slots.set(slots);
    this.#names = names.slice();
  }

  #numberOf(principal: string): number {
    const known = this.#names.indexOf(principal);
    return known >= 0 ? known : this.#names.push(principal) - 1;
  }
}
