/** Pages in random order, prepared before the clock starts. */
import { highOf, lowOf } from '../../bits/u64.ts';
import { SeededRandom } from '../../sim/index.ts';
import { PAGE } from './paging-tables.ts';

const GIB = 2 ** 30;
const PAGES_PER_TABLE = 32;
const TABLES_PER_GIB = 4;
/** Distance of the regions that lowest tables map. */
const TABLE_SPAN = 2 ** 21;
/** Distance of the regions that third-level tables map. */
const TOP_SPAN = 2 ** 39;
const TOP_REGIONS = 128;
/** Runs repeat after so many, so that no processor learns the order by heart. */
const LOOKUP_RUNS = 8;

/** Lookups of one run: from the `from`th up to before the `to`th. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * `count` addresses scattered as those of a busy device: 32 pages in each lowest table, four lowest tables in each gigabyte,
 * the gigabytes far apart. 16,384 pages take 769 tables.
 */
export function scatteredPages(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => {
    const table = Math.floor(i / PAGES_PER_TABLE);
    const region = Math.floor(table / TABLES_PER_GIB);
    return (
      (region % TOP_REGIONS) * TOP_SPAN +
      Math.floor(region / TOP_REGIONS) * GIB +
      (table % TABLES_PER_GIB) * TABLE_SPAN +
      (i % PAGES_PER_TABLE) * 3 * PAGE
    );
  });
}

/** PASIDs 1 to `bound`, of which each run names `busy`, others each run. */
export interface PasidChoice {
  readonly bound: number;
  readonly busy: number;
}

const ONE_PASID: PasidChoice = { bound: 1, busy: 1 };

/** Some of the pages at random, and random places in them. */
export class Lookups {
  readonly high: Int32Array;
  readonly low: Int32Array;
  /** For requests that name another PASID each time. */
  readonly pasid: Int32Array;
  readonly #perRun: number;

  constructor(pages: readonly number[], perRun: number, { bound, busy }: PasidChoice = ONE_PASID) {
    const random = new SeededRandom(1);
    const count = perRun * LOOKUP_RUNS;
    this.#perRun = perRun;
    this.high = new Int32Array(count);
    this.low = new Int32Array(count);
    this.pasid = new Int32Array(count);
    const names = Array.from({ length: busy * LOOKUP_RUNS }, () => 1 + random.below(bound));
    for (let i = 0; i < count; i++) {
      const address = (pages[random.below(pages.length)] ?? 0) + random.below(PAGE / 8) * 8;
      this.high[i] = highOf(address);
      this.low[i] = lowOf(address);
      this.pasid[i] = names[Math.floor(i / perRun) * busy + random.below(busy)] ?? 1;
    }
  }

  get all(): Span {
    return { from: 0, to: this.high.length };
  }

  ofRun(round: number): Span {
    const from = (round % LOOKUP_RUNS) * this.#perRun;
    return { from, to: from + this.#perRun };
  }
}
