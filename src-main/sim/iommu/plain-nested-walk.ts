/**
 * The nested walk of `PlainTranslation`: first-stage tables in guest memory; each entry's address, and the output, go through
 * the second stage. VT-d 5.10 section 3.8.
 */
import { locateMapped, type PhysicalMemory } from '../memory/physical-memory.ts';
import { GuestTableMemo } from './guest-table-memo.ts';
import { ADDRESS_HIGH, ADDRESS_LOW, SS_READ, Surprise, WRITE } from './plain-surprise.ts';
import type { AccessKind } from './first-stage-walk.ts';
import { indexAt } from './second-stage-walk.ts';
import type { UnitLimits } from './unit-limits.ts';

/** Byte offset of an entry in its table: nine index bits above three zeros. */
const ENTRY_OFFSET = 0xff8;

export class PlainNestedWalk {
  /** Second-stage table of the PASID table entry. */
  secondStageHigh = 0;
  secondStageLow = 0;
  /** AND of the rights of the last walk: R and W of the second stage. */
  rights = 0;
  readonly #memory: PhysicalMemory;
  readonly #firstStage: Surprise;
  readonly #secondStage: Surprise;
  readonly #guestTables = new GuestTableMemo();
  /** Limit of the high half of second-stage input addresses. */
  readonly #inputHighLimit: number = 0;

  constructor(
    memory: PhysicalMemory,
    limits: UnitLimits,
    secondStage: Surprise,
    inputHighLimit: number,
  ) {
    this.#memory = memory;
    // Guest addresses have the width of the second stage, not that of memory.
    this.#firstStage = new Surprise(limits.firstStage, 0);
    this.#secondStage = secondStage;
    this.#inputHighLimit = inputHighLimit;
  }

  forget(): void {
    this.#guestTables.forget();
  }

  /**
   * Word index of the second-stage leaf of the output page, or -1. `tableHigh`, `tableLow`: guest address of the first-stage
   * table; `needed`, `leafNeeded`: bits that first-stage entries must have.
   */
  leafOf(
    tableHigh: number,
    tableLow: number,
    high: number,
    low: number,
    kind: AccessKind,
    needed: number,
    leafNeeded: number,
  ): number {
    const { words } = this.#memory.store;
    const memo = this.#guestTables;
    const surprise = this.#firstStage;
    const ssHigh = this.secondStageHigh;
    const ssLow = this.secondStageLow;
    let guestHigh = tableHigh;
    let guestLow = tableLow;
    let rights = WRITE;
    for (let level = 4; level > 0; level--) {
      if (guestHigh >>> 0 >= this.#inputHighLimit) {
        return -1;
      }
      const slot = memo.slotOf(ssLow, guestHigh, guestLow);
      let frame = memo.find(slot, ssHigh, ssLow, guestHigh, guestLow);
      if (frame < 0) {
        frame = this.#readTable(slot, guestHigh, guestLow);
        if (frame < 0) {
          return -1;
        }
      }
      const at = frame | (indexAt(level, high, low) << 1);
      const valueLow = (words[at] as number) | 0;
      const valueHigh = (words[at | 1] as number) | 0;
      const wanted = level === 1 ? leafNeeded : needed;
      const surpriseLow = level === 1 ? surprise.leafLow : surprise.tableLow;
      const surpriseHigh = level === 1 ? surprise.leafHigh : surprise.tableHigh;
      if (isUnfit(valueLow, valueHigh, wanted, surpriseLow, surpriseHigh)) {
        return -1;
      }
      rights &= valueLow;
      guestHigh = valueHigh & ADDRESS_HIGH;
      guestLow = valueLow & ADDRESS_LOW;
    }
    // Second stage: read needs R, write W, atomic both, one more than the kind of access as bits.
    const leaf = guestHigh >= this.#inputHighLimit ? -1 : this.#walk(guestHigh, guestLow, kind + 1);
    this.rights &= rights | SS_READ;
    return leaf;
  }

  /** Word index of the frame of a guest page with first-stage entries, or -1. */
  #readTable(slot: number, guestHigh: number, guestLow: number): number {
    const leaf = this.#walk(guestHigh, guestLow, SS_READ);
    if (leaf < 0) {
      return -1;
    }
    const { words } = this.#memory.store;
    const high = (words[leaf | 1] as number) & ADDRESS_HIGH;
    const frame = this.#memory.locate(high, (words[leaf] as number) & ADDRESS_LOW);
    const memo = this.#guestTables;
    const ssHigh = this.secondStageHigh;
    const ssLow = this.secondStageLow;
    if (frame >= 0 && memo.note(slot, ssHigh, ssLow, guestHigh, guestLow)) {
      this.#watch(guestHigh, guestLow);
      memo.learn(slot, frame);
    }
    return frame;
  }

  /** Watches the second-stage entries that lead to a guest page. */
  #watch(high: number, low: number): void {
    const memory = this.#memory;
    const { words } = memory.store;
    let tableHigh = this.secondStageHigh;
    let tableLow = this.secondStageLow;
    for (let level = 4; level > 0; level--) {
      const at = memory.locate(tableHigh, tableLow | (indexAt(level, high, low) << 3));
      memory.watch(at);
      tableHigh = (words[at | 1] as number) & ADDRESS_HIGH;
      tableLow = (words[at] as number) & ADDRESS_LOW;
    }
  }

  /**
   * Four levels of the second stage. Gives the word index of the leaf, or -1; leaves the rights of the path in `rights`.
   * Written out: `indexAt` would choose by the level again.
   */
  #walk(high: number, low: number, needed: number): number {
    const memory = this.#memory;
    const { words } = memory.store;
    const map = memory.mapStart;
    const surprise = this.#secondStage;
    const tableHigh = this.secondStageHigh;
    const tableLow = this.secondStageLow;
    const { tableLow: surpriseLow, tableHigh: surpriseHigh } = surprise;
    let at = locateMapped(words, map, tableHigh, tableLow | ((high >>> 4) & ENTRY_OFFSET));
    let valueLow = (words[at] as number) | 0;
    let valueHigh = (words[at | 1] as number) | 0;
    if (isUnfit(valueLow, valueHigh, needed, surpriseLow, surpriseHigh)) {
      return -1;
    }
    let rights = valueLow;
    at = locateMapped(
      words,
      map,
      valueHigh & ADDRESS_HIGH,
      (valueLow & ADDRESS_LOW) | (((high << 5) | (low >>> 27)) & ENTRY_OFFSET),
    );
    valueLow = (words[at] as number) | 0;
    valueHigh = (words[at | 1] as number) | 0;
    if (isUnfit(valueLow, valueHigh, needed, surpriseLow, surpriseHigh)) {
      return -1;
    }
    rights &= valueLow;
    at = locateMapped(
      words,
      map,
      valueHigh & ADDRESS_HIGH,
      (valueLow & ADDRESS_LOW) | ((low >>> 18) & ENTRY_OFFSET),
    );
    valueLow = (words[at] as number) | 0;
    valueHigh = (words[at | 1] as number) | 0;
    if (isUnfit(valueLow, valueHigh, needed, surpriseLow, surpriseHigh)) {
      return -1;
    }
    rights &= valueLow;
    at = locateMapped(
      words,
      map,
      valueHigh & ADDRESS_HIGH,
      (valueLow & ADDRESS_LOW) | ((low >>> 9) & ENTRY_OFFSET),
    );
    valueLow = (words[at] as number) | 0;
    valueHigh = (words[at | 1] as number) | 0;
    if (isUnfit(valueLow, valueHigh, needed, surprise.leafLow, surprise.leafHigh)) {
      return -1;
    }
    this.rights = rights & valueLow;
    return at;
  }
}

function isUnfit(
  valueLow: number,
  valueHigh: number,
  needed: number,
  low: number,
  high: number,
): boolean {
  return (valueLow & needed) !== needed || ((valueLow & low) | (valueHigh & high)) !== 0;
}
