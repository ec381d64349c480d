/** Pages that a kernel lent to domains of its own drivers, one mapping at a time: a page may be lent twice. */
import type { Snapshotable } from '../core/snapshot.ts';

export interface LentRange {
  readonly address: number;
  readonly bytes: number;
}

export type LentPagesState = readonly (readonly [domain: string, ranges: readonly LentRange[]])[];

export class LentPages implements Snapshotable<LentPagesState> {
  #domains = new Map<string, LentRange[]>();

  lend(domain: string, address: number, bytes: number): void {
    const ranges = this.#domains.get(domain);
    if (ranges === undefined) {
      this.#domains.set(domain, [{ address, bytes }]);
    } else {
      ranges.push({ address, bytes });
    }
  }

  takeBack(domain: string, address: number, bytes: number): void {
    const ranges = this.#domains.get(domain) ?? [];
    const at = ranges.findIndex((r) => r.address === address && r.bytes === bytes);
    if (at >= 0) {
      ranges.splice(at, 1);
    }
    if (ranges.length === 0) {
      this.#domains.delete(domain);
    }
  }

  isLentTo(domain: string, address: number): boolean {
    const ranges = this.#domains.get(domain);
    return ranges?.some((r) => covers(r, address)) === true;
  }

  /** Whether some domain that `accepts` likes has the page. */
  isLent(address: number, accepts: (domain: string) => boolean): boolean {
    for (const [domain, ranges] of this.#domains) {
      if (accepts(domain) && ranges.some((r) => covers(r, address))) {
        return true;
      }
    }
    return false;
  }

  snapshot(): LentPagesState {
    return [...this.#domains].map(([domain, ranges]) => [domain, ranges.slice()]);
  }

  restore(state: LentPagesState): void {
    this.#domains = new Map(state.map(([domain, ranges]) => [domain, ranges.slice()]));
  }
}

function covers({ address: start, bytes }: LentRange, address: number): boolean {
  return address >= start && address < start + bytes;
}
