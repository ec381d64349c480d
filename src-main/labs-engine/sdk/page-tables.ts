/**
 * Follows paging tables in memory for checks: where an input address leads, with which rights. First-stage, second-stage,
 * nested and pass-through; four or five levels, 4 KB, 2 MB and 1 GB pages. It answers for tables that software built in
 * good order; what the unit does about reserved bits and faults, the trace tells.
 */
import type { Values } from '../../bits/layout.ts';
import type { Structure } from '../../bits/structure.ts';
import type { PhysicalMemory } from '../../sim/index.ts';
import { FirstStageTableEntry } from '../../spec/paging/first-stage-entry.ts';
import { HIGHEST_LEAF_LEVEL, INDEX_BITS, PAGE_SHIFT } from '../../spec/paging/levels.ts';
import { SecondStageTableEntry } from '../../spec/paging/second-stage-entry.ts';
import { FSPM, PGTT, type PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';

export interface Translation {
  /** Host physical address. */
  readonly hpa: number;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  readonly pageBytes: number;
}

type EntryValues = typeof PasidTableEntry extends Structure<infer F> ? Values<F> : never;

/** Finds the host address of a table that the tables of this stage name. */
type TableAddress = (address: number) => number | undefined;

interface Stage {
  readonly root: number;
  readonly levels: number;
  readonly isFirst: boolean;
  readonly tableAt: TableAddress;
}

export function translateIova(
  memory: PhysicalMemory,
  entry: EntryValues,
  iova: number,
): Translation | undefined {
  const second: Stage = {
    root: Number(entry.SSPTPTR),
    levels: entry.AW + 2,
    isFirst: false,
    tableAt: (address) => address,
  };
  const toHost: TableAddress = (address) => walk(memory, second, address)?.hpa;
  switch (entry.PGTT) {
    case PGTT.passThrough:
      return { hpa: iova, isReadable: true, isWritable: true, pageBytes: 1 << PAGE_SHIFT };
    case PGTT.secondStage:
      return walk(memory, second, iova);
    case PGTT.firstStage:
      return walk(
        memory,
        firstStage(entry, (address) => address),
        iova,
      );
    case PGTT.nested: {
      const guest = walk(memory, firstStage(entry, toHost), iova);
      const host = guest === undefined ? undefined : walk(memory, second, guest.hpa);
      if (guest === undefined || host === undefined) return undefined;
      return {
        hpa: host.hpa,
        isReadable: guest.isReadable && host.isReadable,
        isWritable: guest.isWritable && host.isWritable,
        pageBytes: Math.min(guest.pageBytes, host.pageBytes),
      };
    }
    default:
      return undefined;
  }
}

/** Follows the page tables of a program: four levels from a root in host memory. */
export function translateFirstStage(
  memory: PhysicalMemory,
  root: number,
  address: number,
): Translation | undefined {
  const levels = 4;
  return walk(memory, { root, levels, isFirst: true, tableAt: (at) => at }, address);
}

function firstStage(entry: EntryValues, tableAt: TableAddress): Stage {
  const levels = entry.FSPM === FSPM.levels5 ? 5 : 4;
  return { root: Number(entry.FSPTPTR), levels, isFirst: true, tableAt };
}

function walk(memory: PhysicalMemory, stage: Stage, input: number): Translation | undefined {
  let table = stage.tableAt(stage.root);
  let isReadable = true;
  let isWritable = true;
  for (let level = stage.levels; level >= 1 && table !== undefined; level--) {
    const span = 2 ** (PAGE_SHIFT + (level - 1) * INDEX_BITS);
    const index = Math.floor(input / span) % 2 ** INDEX_BITS;
    const rights = readEntry(memory, stage, table + index * 8);
    if (rights === undefined) return undefined;
    isReadable &&= rights.isReadable;
    isWritable &&= rights.isWritable;
    if (level === 1 || (level <= HIGHEST_LEAF_LEVEL && rights.isLarge)) {
      const base = rights.address - (rights.address % span);
      return { hpa: base + (input % span), isReadable, isWritable, pageBytes: span };
    }
    table = stage.tableAt(rights.address);
  }
  return undefined;
}

interface EntryRights {
  readonly address: number;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  /** Bit 7, which above the last level says that the entry maps a page. */
  readonly isLarge: boolean;
}

/** Undefined when the entry grants nothing. All kinds of entries have these bits in the same places. */
function readEntry(memory: PhysicalMemory, stage: Stage, at: number): EntryRights | undefined {
  const words = new Uint32Array(2);
  memory.readWords(at, words);
  if (stage.isFirst) {
    const { P, RW, PS, ADDR } = FirstStageTableEntry.decode(words);
    if (P !== 1) return undefined;
    return { address: Number(ADDR), isReadable: true, isWritable: RW === 1, isLarge: PS === 1 };
  }
  const { R, W, PS, ADDR } = SecondStageTableEntry.decode(words);
  if (R === 0 && W === 0) return undefined;
  return { address: Number(ADDR), isReadable: R === 1, isWritable: W === 1, isLarge: PS === 1 };
}
