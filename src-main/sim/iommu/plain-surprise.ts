/** Bits that end the straight line of `PlainTranslation` at entries of one stage. */
import { FirstStage4KLeaf } from '../../spec/paging/first-stage-entry.ts';
import { SecondStage4KLeaf } from '../../spec/paging/second-stage-entry.ts';
import { pieceMask } from './piece.ts';
import type { EntryMasks } from './unit-limits.ts';

/** Bit 7 above the last level: page size, or reserved. */
const BIT_7 = 1 << 7;
export const ADDRESS_HIGH = 0xf_ffff;
export const ADDRESS_LOW = ~0xfff;
/** Entry kind of a 4 KiB leaf (`unit-limits.ts`). */
const LEAF_4K = 3;
export const SS_READ = pieceMask(SecondStage4KLeaf, 'R');
/** R/W of the first and W of the second stage are the same bit. */
export const WRITE = pieceMask(FirstStage4KLeaf, 'RW');

export class Surprise {
  tableLow = 0;
  tableHigh = 0;
  leafLow = 0;
  leafHigh = 0;
  /** R where entries have none. */
  alwaysReadable = 0;
  snoop = 0;

  /** `beyondMap`: bits of high halves of addresses where no memory can be. */
  constructor({ low, high }: EntryMasks, beyondMap: number) {
    this.tableLow = (low[4] as number) | (low[6] as number) | (low[8] as number) | BIT_7;
    this.tableHigh =
      (high[4] as number) | (high[6] as number) | (high[8] as number) | (beyondMap & ADDRESS_HIGH);
    this.leafLow = (low[LEAF_4K] as number) | 0;
    this.leafHigh = (high[LEAF_4K] as number) | 0;
  }
}
