/** Who owns which physical pages: ranges that do not overlap, sorted by address. */
import type { Snapshotable } from '../core/snapshot.ts';

export interface OwnedRange {
  readonly start: number;
  readonly end: number;
  readonly owner: string;
}

export class PageOwners implements Snapshotable<readonly OwnedRange[]> {
  #ranges: OwnedRange[] = [];
  /** Range of the last answer: accesses come in runs. */
  #last: OwnedRange | undefined;
  /** The last snapshot holds the array: the next change copies it. */
  #isShared = false;

  add(range: OwnedRange): void {
    const ranges = this.#writable();
    ranges.splice(this.#indexAfter(range.start), 0, range);
  }

  removeAt(start: number): void {
    const at = this.#indexAfter(start) - 1;
    if (this.#ranges[at]?.start === start) {
      this.#writable().splice(at, 1);
    }
  }

  ownerOf(address: number): string | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.start && address < last.end) {
      return last.owner;
    }
    const range = this.#ranges[this.#indexAfter(address) - 1];
    if (range === undefined || address >= range.end) {
      return undefined;
    }
    this.#last = range;
    return range.owner;
  }

  snapshot(): readonly OwnedRange[] {
    this.#isShared = true;
    return this.#ranges;
  }

  restore(state: readonly OwnedRange[]): void {
    this.#ranges = state as OwnedRange[];
    this.#isShared = true;
    this.#last = undefined;
  }

  #writable(): OwnedRange[] {
    this.#last = undefined;
    if (this.#isShared) {
      this.#ranges = this.#ranges.slice();
      this.#isShared = false;
    }
    return this.#ranges;
  }

  /** Index of the first range that begins behind the address. */
  #indexAfter(address: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as OwnedRange).start <= address) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
