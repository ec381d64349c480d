/**
 * The yardstick: walkers that do nothing but what a walk cannot do without. They take a request and leave an address, as the
 * unit does; in between they load the 64-bit entries of four levels from the memory that the unit reads, and test that each
 * is present. No rights, no reserved bits, no PASID.
 */
import { highOf, lowOf } from '../../bits/u64.ts';
import type { IommuAnswer, IommuRequest, PhysicalMemory } from '../../sim/index.ts';

/** R and W of the second stage; P and R/W of the first. */
const PRESENT = 0b11;
const ADDRESS_HIGH = 0xf_ffff;
const ADDRESS_LOW = ~0xfff;
const ENTRY_OFFSET = 0xff8;
const PAGE_OFFSET = 0xfff;

type Address = Pick<IommuAnswer, 'high' | 'low'>;
type Input = Pick<IommuRequest, 'high' | 'low'>;

/** Four levels from one table. */
export class BareWalker {
  readonly answer: Address = { high: 0, low: 0 };
  readonly #memory: PhysicalMemory;
  readonly #tableHigh: number;
  readonly #tableLow: number;

  constructor(memory: PhysicalMemory, table: number) {
    this.#memory = memory;
    this.#tableHigh = highOf(table) | 0;
    this.#tableLow = lowOf(table) | 0;
  }

  /** False when an entry is not present; else the address is in `answer`. */
  walk(request: Input): boolean {
    const { low } = request;
    const leaf = this.leafOf(request.high, low);
    if (leaf < 0) {
      return false;
    }
    const { words } = this.#memory.store;
    this.answer.high = (words[leaf + 1] as number) & ADDRESS_HIGH;
    this.answer.low = ((words[leaf] as number) & ADDRESS_LOW) | (low & PAGE_OFFSET);
    return true;
  }

  /** Word index of the lowest entry, or -1. */
  leafOf(high: number, low: number): number {
    const memory = this.#memory;
    const { words } = memory.store;
    let at = memory.locate(this.#tableHigh, this.#tableLow | ((high >>> 4) & ENTRY_OFFSET));
    let valueLow = words[at] as number;
    let valueHigh = words[at + 1] as number;
    if ((valueLow & PRESENT) === 0) {
      return -1;
    }
    at = memory.locate(
      valueHigh & ADDRESS_HIGH,
      (valueLow & ADDRESS_LOW) | (((high << 5) | (low >>> 27)) & ENTRY_OFFSET),
    );
    valueLow = words[at] as number;
    valueHigh = words[at + 1] as number;
    if ((valueLow & PRESENT) === 0) {
      return -1;
    }
    at = memory.locate(
      valueHigh & ADDRESS_HIGH,
      (valueLow & ADDRESS_LOW) | ((low >>> 18) & ENTRY_OFFSET),
    );
    valueLow = words[at] as number;
    valueHigh = words[at + 1] as number;
    if ((valueLow & PRESENT) === 0) {
      return -1;
    }
    at = memory.locate(
      valueHigh & ADDRESS_HIGH,
      (valueLow & ADDRESS_LOW) | ((low >>> 9) & ENTRY_OFFSET),
    );
    return ((words[at] as number) & PRESENT) === 0 ? -1 : at;
  }
}

/** First-stage tables whose addresses, and whose pages, go through second-stage tables. */
export class BareNestedWalker {
  readonly answer: Address = { high: 0, low: 0 };
  readonly #memory: PhysicalMemory;
  readonly #secondStage: BareWalker;
  readonly #tableHigh: number;
  readonly #tableLow: number;

  constructor(memory: PhysicalMemory, firstStage: number, secondStage: number) {
    this.#memory = memory;
    this.#secondStage = new BareWalker(memory, secondStage);
    this.#tableHigh = highOf(firstStage) | 0;
    this.#tableLow = lowOf(firstStage) | 0;
  }

  walk({ high, low }: Input): boolean {
    const memory = this.#memory;
    const { words } = memory.store;
    let guestHigh = this.#tableHigh;
    let guestLow = this.#tableLow;
    // The index bits of the next level always stand at the same place.
    let indexes = high;
    let rest = low;
    for (let level = 4; level > 0; level--) {
      const table = this.#secondStage.leafOf(guestHigh, guestLow);
      if (table < 0) {
        return false;
      }
      const at = memory.locate(
        (words[table + 1] as number) & ADDRESS_HIGH,
        ((words[table] as number) & ADDRESS_LOW) | ((indexes >>> 4) & ENTRY_OFFSET),
      );
      const valueLow = words[at] as number;
      if ((valueLow & PRESENT) === 0) {
        return false;
      }
      guestHigh = (words[at + 1] as number) & ADDRESS_HIGH;
      guestLow = valueLow & ADDRESS_LOW;
      indexes = (indexes << 9) | (rest >>> 23);
      rest <<= 9;
    }
    const leaf = this.#secondStage.leafOf(guestHigh, guestLow);
    if (leaf < 0) {
      return false;
    }
    this.answer.high = (words[leaf + 1] as number) & ADDRESS_HIGH;
    this.answer.low = ((words[leaf] as number) & ADDRESS_LOW) | (low & PAGE_OFFSET);
    return true;
  }
}
