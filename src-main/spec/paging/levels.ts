/**
 * Levels of first- and second-stage page walks and the input address bits that index each. VT-d 5.10 sections 3.6 and 3.7;
 * the CPU's own 4- and 5-level paging uses the same split.
 */
export interface PagingLevel {
  readonly level: number;
  readonly firstStageName: string;
  readonly secondStageName: string;
  /** Input address bits `indexHigh:indexLow` select the entry. */
  readonly indexHigh: number;
  readonly indexLow: number;
}

export const PAGE_SHIFT = 12;
export const INDEX_BITS = 9;
export const ENTRIES_PER_TABLE = 2 ** INDEX_BITS;
export const ENTRY_BYTES = 8;
export const PAGE_SHIFT_2M = PAGE_SHIFT + INDEX_BITS;
export const PAGE_SHIFT_1G = PAGE_SHIFT + 2 * INDEX_BITS;

function levelOf(level: number, name: string): PagingLevel {
  const indexLow = PAGE_SHIFT + (level - 1) * INDEX_BITS;
  return {
    level,
    firstStageName: name,
    secondStageName: `SS-${name}`,
    indexHigh: indexLow + INDEX_BITS - 1,
    indexLow,
  };
}

/** From the leaf up: `PAGING_LEVELS[0]` is level 1. */
export const PAGING_LEVELS: readonly PagingLevel[] = [
  levelOf(1, 'PTE'),
  levelOf(2, 'PDE'),
  levelOf(3, 'PDPE'),
  levelOf(4, 'PML4E'),
  levelOf(5, 'PML5E'),
];

/** Highest level whose entries can map a page (1 GB). */
export const HIGHEST_LEAF_LEVEL = 3;
