/** Lookups through the unit and through bare walkers, in loops that differ in nothing else. */
import { highOf, lowOf } from '../../bits/u64.ts';
import { COMPLETION, createIommuRequest, type PhysicalMemory } from '../../sim/index.ts';
import { bareNestedWalk, bareWalk, type NestedTables } from './bare-walk.ts';
import type { Lookups, Span } from './lookups.ts';
import { RID, type WalkScene } from './walk-scene.ts';

const PAGE_MASK = ~0xfff;

/** One request each, all with one PASID. Gives a checksum of the pages found, or -1 when a request was refused. */
export function translateAll(
  { unit }: WalkScene,
  lookups: Lookups,
  { from, to }: Span,
  pasid: number,
): number {
  const request = createIommuRequest();
  const { answer } = unit;
  const { high, low } = lookups;
  request.rid = RID;
  request.pasid = pasid;
  let sum = 0;
  for (let i = from; i < to; i++) {
    request.high = high[i] as number;
    request.low = low[i] as number;
    if (unit.translate(request) !== COMPLETION.success) {
      return -1;
    }
    sum = (sum + (answer.low & PAGE_MASK)) | 0;
  }
  return sum;
}

/** The same with the PASID that comes with each lookup. */
export function translateForMany(
  { unit }: WalkScene,
  lookups: Lookups,
  { from, to }: Span,
): number {
  const request = createIommuRequest();
  const { answer } = unit;
  const { high, low, pasid } = lookups;
  request.rid = RID;
  let sum = 0;
  for (let i = from; i < to; i++) {
    request.pasid = pasid[i] as number;
    request.high = high[i] as number;
    request.low = low[i] as number;
    if (unit.translate(request) !== COMPLETION.success) {
      return -1;
    }
    sum = (sum + (answer.low & PAGE_MASK)) | 0;
  }
  return sum;
}

export function walkAll(
  memory: PhysicalMemory,
  table: number,
  lookups: Lookups,
  { from, to }: Span,
): number {
  const { words } = memory.store;
  const { high, low } = lookups;
  const tableHigh = highOf(table);
  const tableLow = lowOf(table);
  let sum = 0;
  for (let i = from; i < to; i++) {
    const at = bareWalk(memory, tableHigh, tableLow, high[i] as number, low[i] as number);
    if (at < 0) {
      return -1;
    }
    sum = (sum + ((words[at] as number) & PAGE_MASK)) | 0;
  }
  return sum;
}

export function walkAllNested(
  memory: PhysicalMemory,
  roots: { readonly firstStage: number; readonly secondStage: number },
  lookups: Lookups,
  { from, to }: Span,
): number {
  const { words } = memory.store;
  const { high, low } = lookups;
  const tables: NestedTables = {
    firstHigh: highOf(roots.firstStage),
    firstLow: lowOf(roots.firstStage),
    secondHigh: highOf(roots.secondStage),
    secondLow: lowOf(roots.secondStage),
  };
  let sum = 0;
  for (let i = from; i < to; i++) {
    const at = bareNestedWalk(memory, tables, high[i] as number, low[i] as number);
    if (at < 0) {
      return -1;
    }
    sum = (sum + ((words[at] as number) & PAGE_MASK)) | 0;
  }
  return sum;
}
