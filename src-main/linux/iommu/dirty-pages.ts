/** Dirty flags of second-stage leaves as a bitmap (VT-d 5.10 section 3.7.2), for migration. */
import { SecondStage4KLeaf } from '../../spec/paging/second-stage-entry.ts';
import type { Core } from '../core/core.ts';
import type { IommuDomain } from './domain.ts';

export interface DirtyRange {
  readonly iova: number;
  readonly bytes: number;
  readonly pageBytes: number;
}

/** All leaf formats have D at the same place. */
const DIRTY = 1n << BigInt(SecondStage4KLeaf.field('D').low);

/** One bit for each page, lowest first. `clears`: the flags go, and the caller invalidates the range. */
export function readDirtyPages(
  core: Core,
  domain: IommuDomain,
  range: DirtyRange,
  clears: boolean,
): Uint8Array {
  const pages = range.bytes / range.pageBytes;
  const bitmap = new Uint8Array(Math.ceil(pages / 8));
  let at = range.iova;
  while (at < range.iova + range.bytes) {
    const leaf = domain.table?.lookup(at);
    if (leaf === undefined) {
      at += range.pageBytes;
      continue;
    }
    const entry = core.hw.memoryRead64(leaf.entryAddress);
    if ((entry & DIRTY) !== 0n) {
      markDirty(bitmap, range, Math.max(leaf.input, range.iova), leaf.input + leaf.bytes);
      if (clears) {
        domain.table?.setLeaf(leaf, entry & ~DIRTY);
      }
    }
    at = leaf.input + leaf.bytes;
  }
  return bitmap;
}

function markDirty(bitmap: Uint8Array, range: DirtyRange, from: number, to: number): void {
  const end = Math.min(to, range.iova + range.bytes);
  for (let page = from; page < end; page += range.pageBytes) {
    const bit = Math.floor((page - range.iova) / range.pageBytes);
    bitmap[bit >>> 3] = (bitmap[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }
}
