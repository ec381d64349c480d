/**
 * The yardstick: walkers that do nothing but what a walk cannot do without. They load the 64-bit entries of four levels from
 * the memory that the unit reads, and test that each is present. No rights, no reserved bits, no PASID, no answer.
 */
import type { PhysicalMemory } from '../../sim/index.ts';

/** R and W of the second stage; P and R/W of the first. */
const PRESENT = 0b11;
const ADDRESS_HIGH = 0xf_ffff;
const ADDRESS_LOW = ~0xfff;
const ENTRY_OFFSET = 0xff8;

/** Word index of the lowest entry, or -1. The table is given by halves of its address. */
export function bareWalk(
  memory: PhysicalMemory,
  tableHigh: number,
  tableLow: number,
  high: number,
  low: number,
): number {
  const { words } = memory.store;
  let at = memory.locate(tableHigh, tableLow | ((high >>> 4) & ENTRY_OFFSET));
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

/** Halves of the addresses of both top tables. */
export interface NestedTables {
  readonly firstHigh: number;
  readonly firstLow: number;
  readonly secondHigh: number;
  readonly secondLow: number;
}

/** The same for first-stage tables whose addresses, and whose pages, go through second-stage tables. */
export function bareNestedWalk(
  memory: PhysicalMemory,
  { firstHigh, firstLow, secondHigh, secondLow }: NestedTables,
  high: number,
  low: number,
): number {
  const { words } = memory.store;
  let guestHigh = firstHigh;
  let guestLow = firstLow;
  for (let level = 4; level > 0; level--) {
    const leaf = bareWalk(memory, secondHigh, secondLow, guestHigh, guestLow);
    if (leaf < 0) {
      return -1;
    }
    const offset = entryOffset(level, high, low);
    const at = memory.locate(
      (words[leaf + 1] as number) & ADDRESS_HIGH,
      ((words[leaf] as number) & ADDRESS_LOW) | offset,
    );
    const valueLow = words[at] as number;
    if ((valueLow & PRESENT) === 0) {
      return -1;
    }
    guestHigh = (words[at + 1] as number) & ADDRESS_HIGH;
    guestLow = valueLow & ADDRESS_LOW;
  }
  return bareWalk(memory, secondHigh, secondLow, guestHigh, guestLow);
}

function entryOffset(level: number, high: number, low: number): number {
  switch (level) {
    case 4:
      return (high >>> 4) & ENTRY_OFFSET;
    case 3:
      return ((high << 5) | (low >>> 27)) & ENTRY_OFFSET;
    case 2:
      return (low >>> 18) & ENTRY_OFFSET;
    default:
      return (low >>> 9) & ENTRY_OFFSET;
  }
}
