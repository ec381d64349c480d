/** Page tables for benchmarks: four levels, 4 KiB pages, written entry by entry in the declared layouts. */
import { FirstStage4KLeaf, FirstStageTableEntry } from '../../spec/paging/first-stage-entry.ts';
import { SecondStage4KLeaf, SecondStageTableEntry } from '../../spec/paging/second-stage-entry.ts';
import type { PhysicalMemory } from '../../sim/index.ts';
import { bigOf } from '../../bits/u64.ts';

export const PAGE = 4096;
const LEVELS = 4;
const ENTRIES = 512;

/** Where tables are put, and how their entries are stored. */
export interface TableSpace {
  /** Address of a new page of zeros, as entries name it. */
  allocate(): number;
  read(address: number): bigint;
  write(address: number, entry: bigint): void;
}

export interface EntryFormat {
  table(address: number): bigint;
  leaf(address: number): bigint;
}

function entry(words: Uint32Array): bigint {
  return bigOf(words[1] ?? 0, words[0] ?? 0);
}

/** As hardware leaves the entries after the first use: accessed. */
export const FIRST_STAGE: EntryFormat = {
  table: (address) =>
    entry(FirstStageTableEntry.encode({ P: 1, RW: 1, US: 1, A: 1, ADDR: BigInt(address) })),
  leaf: (address) =>
    entry(FirstStage4KLeaf.encode({ P: 1, RW: 1, US: 1, A: 1, D: 1, ADDR: BigInt(address) })),
};

export const SECOND_STAGE: EntryFormat = {
  table: (address) => entry(SecondStageTableEntry.encode({ R: 1, W: 1, ADDR: BigInt(address) })),
  leaf: (address) => entry(SecondStage4KLeaf.encode({ R: 1, W: 1, ADDR: BigInt(address) })),
};

/** Host memory from an address up. */
export class HostSpace implements TableSpace {
  readonly memory: PhysicalMemory;
  #next: number;

  constructor(memory: PhysicalMemory, first: number) {
    this.memory = memory;
    this.#next = first;
  }

  allocate(pages = 1): number {
    const address = this.#next;
    this.#next += pages * PAGE;
    return address;
  }

  read(address: number): bigint {
    return this.memory.read64(address);
  }

  write(address: number, value: bigint): void {
    this.memory.write64(address, value);
  }
}

export class PagingTables {
  readonly root: number;
  readonly #space: TableSpace;
  readonly #format: EntryFormat;

  constructor(space: TableSpace, format: EntryFormat) {
    this.#space = space;
    this.#format = format;
    this.root = space.allocate();
  }

  /** `input` is below 2^48. */
  map(input: number, output: number): void {
    let table = this.root;
    for (let level = LEVELS; level > 1; level--) {
      const at = table + indexAt(input, level) * 8;
      table = addressIn(this.#space.read(at)) || this.#addTable(at);
    }
    this.#space.write(table + indexAt(input, 1) * 8, this.#format.leaf(output));
  }

  #addTable(at: number): number {
    const table = this.#space.allocate();
    this.#space.write(at, this.#format.table(table));
    return table;
  }
}

/** Guest memory behind second-stage tables: each guest page has a host page of its own. */
export class GuestSpace implements TableSpace {
  readonly #host: HostSpace;
  readonly #secondStage: PagingTables;
  readonly #hostPages = new Map<number, number>();
  #next: number;

  constructor(host: HostSpace, secondStage: PagingTables, first: number) {
    this.#host = host;
    this.#secondStage = secondStage;
    this.#next = first;
  }

  allocate(): number {
    const guest = this.#next;
    const host = this.#host.allocate();
    this.#next += PAGE;
    this.#hostPages.set(guest, host);
    this.#secondStage.map(guest, host);
    return guest;
  }

  read(address: number): bigint {
    return this.#host.read(this.#hostAddress(address));
  }

  write(address: number, value: bigint): void {
    this.#host.write(this.#hostAddress(address), value);
  }

  #hostAddress(guest: number): number {
    const inPage = guest % PAGE;
    return (this.#hostPages.get(guest - inPage) ?? 0) + inPage;
  }
}

function indexAt(input: number, level: number): number {
  return Math.floor(input / (PAGE * ENTRIES ** (level - 1))) % ENTRIES;
}

/** 0 for an entry that is not present: no table lies at address 0. */
function addressIn(value: bigint): number {
  return Number(value & 0xf_ffff_ffff_f000n);
}
