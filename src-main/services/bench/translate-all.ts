/** Lookups through the unit and through bare walkers, in loops that differ in nothing else. */
import { COMPLETION, createIommuRequest } from '../../sim/index.ts';
import type { BareNestedWalker, BareWalker } from './bare-walk.ts';
import type { Lookups, Span } from './lookups.ts';
import { RID, type WalkScene } from './walk-scene.ts';

const PAGE_MASK = ~0xfff;

/** One request each, all with one PASID. Gives a checksum of the pages found, or -1 when a request was refused. */
export function translateAll(
  { unit }: WalkScene,
  { high, low }: Lookups,
  { from, to }: Span,
  pasid: number,
): number {
  const request = createIommuRequest();
  const { answer } = unit;
  const success: number = COMPLETION.success;
  request.rid = RID;
  request.pasid = pasid;
  let sum = 0;
  for (let i = from; i < to; i++) {
    request.high = high[i] as number;
    request.low = low[i] as number;
    if (unit.translate(request) !== success) {
      return -1;
    }
    sum = (sum + (answer.low & PAGE_MASK)) | 0;
  }
  return sum;
}

/** The same with the PASID that comes with each lookup. */
export function translateForMany(
  { unit }: WalkScene,
  { high, low, pasid }: Lookups,
  { from, to }: Span,
): number {
  const request = createIommuRequest();
  const { answer } = unit;
  const success: number = COMPLETION.success;
  request.rid = RID;
  let sum = 0;
  for (let i = from; i < to; i++) {
    request.pasid = pasid[i] as number;
    request.high = high[i] as number;
    request.low = low[i] as number;
    if (unit.translate(request) !== success) {
      return -1;
    }
    sum = (sum + (answer.low & PAGE_MASK)) | 0;
  }
  return sum;
}

export function walkAll(walker: BareWalker, { high, low }: Lookups, { from, to }: Span): number {
  const request = createIommuRequest();
  const { answer } = walker;
  let sum = 0;
  for (let i = from; i < to; i++) {
    request.high = high[i] as number;
    request.low = low[i] as number;
    if (!walker.walk(request)) {
      return -1;
    }
    sum = (sum + (answer.low & PAGE_MASK)) | 0;
  }
  return sum;
}

/** A loop of its own: the compiler then knows its walker as well as it knows that of `walkAll`. */
export function walkAllNested(
  walker: BareNestedWalker,
  { high, low }: Lookups,
  { from, to }: Span,
): number {
  const request = createIommuRequest();
  const { answer } = walker;
  let sum = 0;
  for (let i = from; i < to; i++) {
    request.high = high[i] as number;
    request.low = low[i] as number;
    if (!walker.walk(request)) {
      return -1;
    }
    sum = (sum + (answer.low & PAGE_MASK)) | 0;
  }
  return sum;
}
