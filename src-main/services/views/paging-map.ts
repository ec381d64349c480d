/**
 * What a set of paging tables maps, read from memory table by table. Neighbouring pages with the same rights whose targets
 * follow each other are one run.
 */
import type { Machine } from '../../sim/index.ts';
import { readWords } from './translation-tables.ts';

export type Stage = 'first-stage' | 'second-stage';

const PAGE = 4096;
const ENTRIES = 512;
const PAGE_SIZE_BIT = 0x80;
const ADDRESS_HIGH_MASK = 0x000f_ffff;
/** Levels 2 and 3 may map a page themselves. */
const HIGHEST_LEAF = 3;
/** A malformed table may point at itself. */
const MAX_TABLES = 512;

export interface PagingEntry {
  readonly level: number;
  readonly index: number;
  /** Where the entry lies. */
  readonly address: number;
  readonly words: Uint32Array;
  /** First input address that it is about. */
  readonly input: number;
  /** Address of the next table or of the page. */
  readonly target: number;
  readonly isLeaf: boolean;
  readonly rights: string;
  /** Pages of a run of leaves, 1 for a table. */
  readonly pages: number;
  readonly pageBytes: number;
  readonly children: readonly PagingEntry[];
}

export interface PagingTable {
  readonly stage: Stage;
  readonly root: number;
  readonly levels: number;
  /** Host address of a table that this stage names; undefined where nothing is mapped. */
  readonly locate?: (address: number) => number | undefined;
}

function sizeAt(level: number): number {
  return PAGE * ENTRIES ** (level - 1);
}

function rightsOf(stage: Stage, low: number): string {
  if (stage === 'second-stage') {
    return `${(low & 1) === 1 ? 'R' : '-'}${(low & 2) === 2 ? 'W' : '-'}`;
  }
  return `${(low & 2) === 2 ? 'RW' : 'R-'} ${(low & 4) === 4 ? 'user' : 'supervisor'}`;
}

function isPresent(stage: Stage, low: number): boolean {
  return stage === 'second-stage' ? (low & 3) !== 0 : (low & 1) === 1;
}

class Reader {
  readonly #machine: Machine;
  readonly #table: PagingTable;
  #read = 0;

  constructor(machine: Machine, table: PagingTable) {
    this.#machine = machine;
    this.#table = table;
  }

  entriesOf(table: number, level: number, base: number): readonly PagingEntry[] {
    const host = this.#table.locate === undefined ? table : this.#table.locate(table);
    if (
      host === undefined ||
      this.#read >= MAX_TABLES ||
      !this.#machine.memory.isMemory(host, PAGE)
    ) {
      return [];
    }
    this.#read++;
    const words = readWords(this.#machine, host, PAGE);
    const found: PagingEntry[] = [];
    for (let index = 0; index < ENTRIES; index++) {
      const low = words[index * 2] ?? 0;
      if (!isPresent(this.#table.stage, low)) continue;
      const entry = this.#entry(words.slice(index * 2, index * 2 + 2), {
        level,
        index,
        address: host + index * 8,
        input: base + index * sizeAt(level),
      });
      const last = found.at(-1);
      if (last !== undefined && continues(last, entry)) {
        found[found.length - 1] = { ...last, pages: last.pages + 1 };
      } else {
        found.push(entry);
      }
    }
    return found;
  }

  #entry(
    words: Uint32Array,
    place: Pick<PagingEntry, 'level' | 'index' | 'address' | 'input'>,
  ): PagingEntry {
    const [low = 0, high = 0] = words;
    const { level } = place;
    const isLeaf = level === 1 || (level <= HIGHEST_LEAF && (low & PAGE_SIZE_BIT) !== 0);
    const pageBytes = sizeAt(level);
    const pointer = (high & ADDRESS_HIGH_MASK) * 2 ** 32 + ((low & ~0xfff) >>> 0);
    const target = isLeaf ? pointer - (pointer % pageBytes) : pointer;
    return {
      ...place,
      words,
      target,
      isLeaf,
      rights: rightsOf(this.#table.stage, low),
      pages: 1,
      pageBytes,
      children: isLeaf ? [] : this.entriesOf(target, level - 1, place.input),
    };
  }
}

function continues(run: PagingEntry, next: PagingEntry): boolean {
  return (
    run.isLeaf &&
    next.isLeaf &&
    run.rights === next.rights &&
    run.input + run.pages * run.pageBytes === next.input &&
    run.target + run.pages * run.pageBytes === next.target
  );
}

/** Present entries of the top table, each with what is below it. */
export function pagingEntries(machine: Machine, table: PagingTable): readonly PagingEntry[] {
  return table.root === 0 ? [] : new Reader(machine, table).entriesOf(table.root, table.levels, 0);
}

/** All runs of leaves, in order of input address. */
export function leavesOf(entries: readonly PagingEntry[]): readonly PagingEntry[] {
  return entries.flatMap((entry) => (entry.isLeaf ? [entry] : leavesOf(entry.children)));
}

/** Translates one address through runs that were read before. */
export function targetOf(leaves: readonly PagingEntry[], input: number): number | undefined {
  const run = leaves.find((leaf) => {
    const offset = input - leaf.input;
    return offset >= 0 && offset < leaf.pages * leaf.pageBytes;
  });
  return run === undefined ? undefined : run.target + (input - run.input);
}
