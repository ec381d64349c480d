/**
 * Whose fault a missing translation of a nested domain is. The guest can bring in pages of its own first stage; a hole in the
 * second stage, under a table or under the page, is the host's and must never become a page request of the guest.
 * vSVA series for Linux and QEMU, 2020.
 */
import {
  ENTRIES_PER_TABLE,
  ENTRY_BYTES,
  HIGHEST_LEAF_LEVEL,
  INDEX_BITS,
  PAGE_SHIFT,
} from '../../spec/paging/levels.ts';
import { FirstStageTableEntry } from '../../spec/paging/first-stage-entry.ts';
import { highOfBig, lowOfBig } from '../../bits/u64.ts';
import type { Core } from '../core/core.ts';
import type { IommuDomain } from './domain.ts';

const LEVELS_OF_57_BITS = 5;
const LEVELS_OF_48_BITS = 4;

export function isSecondStageMiss(core: Core, nested: IommuDomain, address: number): boolean {
  const below = nested.parent?.table ?? null;
  const { stage1 } = nested;
  if (below === null || stage1 === null) {
    return false;
  }
  let table = stage1.pgtbl_addr;
  const top = stage1.addr_width === 57 ? LEVELS_OF_57_BITS : LEVELS_OF_48_BITS;
  for (let level = top; level >= 1; level--) {
    const region = 2 ** (PAGE_SHIFT + (level - 1) * INDEX_BITS);
    const index = Math.floor(address / region) % ENTRIES_PER_TABLE;
    const at = below.translate(table + index * ENTRY_BYTES);
    if (at === undefined) {
      return true;
    }
    const value = core.hw.memoryRead64(at);
    const entry = FirstStageTableEntry.decode([lowOfBig(value), highOfBig(value)]);
    if (entry.P === 0) {
      return false;
    }
    table = Number(entry.ADDR);
    if (level === 1 || (level <= HIGHEST_LEAF_LEVEL && entry.PS === 1)) {
      return below.translate(table - (table % region) + (address % region)) === undefined;
    }
  }
  return false;
}
