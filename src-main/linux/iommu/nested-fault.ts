/**
 * Whose fault a missing translation of a nested domain is. The guest can bring in pages of its own first stage. What the second
 * stage does not give, under a table or under the page, no page of the guest can mend, so it must never become a page
 * request of the guest: the guest would answer Success, and the device ask again (VT-d 5.10 section 7.1.3 completes the
 * translation request of SFS.5, SSS.2 and missing rights with Success). vSVA series for Linux and QEMU, 2020.
 */
import {
  ENTRIES_PER_TABLE,
  ENTRY_BYTES,
  HIGHEST_LEAF_LEVEL,
  INDEX_BITS,
  PAGE_SHIFT,
} from '../../spec/paging/levels.ts';
import { FirstStageTableEntry } from '../../spec/paging/first-stage-entry.ts';
import { SecondStage4KLeaf } from '../../spec/paging/second-stage-entry.ts';
import { highOfBig, lowOfBig } from '../../bits/u64.ts';
import type { Core } from '../core/core.ts';
import type { IommuDomain } from './domain.ts';
import type { PageFault } from './fault-group.ts';

const LEVELS_OF_57_BITS = 5;
const LEVELS_OF_48_BITS = 4;

/** Why the host must answer; undefined where the guest can. */
export function secondStageProblem(
  core: Core,
  nested: IommuDomain,
  { address, isWrite }: Pick<PageFault, 'address' | 'isWrite'>,
): string | undefined {
  const { stage1, parent } = nested;
  if (parent === null || stage1 === null) {
    return undefined;
  }
  let table = stage1.pgtbl_addr;
  const top = stage1.addr_width === 57 ? LEVELS_OF_57_BITS : LEVELS_OF_48_BITS;
  for (let level = top; level >= 1; level--) {
    const region = 2 ** (PAGE_SHIFT + (level - 1) * INDEX_BITS);
    const index = Math.floor(address / region) % ENTRIES_PER_TABLE;
    const place = through(parent, table + index * ENTRY_BYTES, false);
    if (typeof place === 'string') {
      return place;
    }
    const entry = FirstStageTableEntry.decode(wordsOf(core.hw.memoryRead64(place)));
    if (entry.P === 0) {
      return undefined;
    }
    table = Number(entry.ADDR);
    if (level === 1 || (level <= HIGHEST_LEAF_LEVEL && entry.PS === 1)) {
      const page = through(parent, table - (table % region) + (address % region), isWrite);
      return typeof page === 'string' ? page : undefined;
    }
  }
  return undefined;
}

/** Host-physical address, or what is in the way. */
function through({ aperture, table }: IommuDomain, gpa: number, isWrite: boolean): number | string {
  if (gpa > aperture.end) {
    return 'the guest’s table leads beyond the second stage';
  }
  const leaf = table?.lookup(gpa);
  if (leaf === undefined) {
    return 'the second stage has a hole';
  }
  const { W } = SecondStage4KLeaf.decode(wordsOf(leaf.entry));
  return isWrite && W === 0 ? 'the second stage is read-only' : leaf.address + (gpa - leaf.input);
}

function wordsOf(value: bigint): readonly [low: number, high: number] {
  return [lowOfBig(value), highOfBig(value)];
}
