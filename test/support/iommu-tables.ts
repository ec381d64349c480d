/** Translation structures in memory, built as an operating system builds them; every entry can be found again and damaged. */
import type { PhysicalMemory } from '../../src-main/sim/memory/physical-memory.ts';
import { LegacyContextEntry, ScalableContextEntry } from '../../src-main/spec/vtd/context-entry.ts';
import {
  PasidDirectoryEntry,
  pasidDirectoryIndex,
  pasidTableIndex,
} from '../../src-main/spec/vtd/pasid-directory-entry.ts';
import { PasidTableEntry } from '../../src-main/spec/vtd/pasid-table-entry.ts';
import { RootEntry, ScalableRootEntry } from '../../src-main/spec/vtd/root-entry.ts';

const PAGE = 4096;
const PAGE_SIZE = 0x80n;
const ADDRESS = 0x000f_ffff_ffff_f000n;

export const FIRST_STAGE = { P: 1n, RW: 2n, US: 4n, A: 0x20n, D: 0x40n, EA: 0x400n } as const;
export const SECOND_STAGE = { R: 1n, W: 2n, A: 0x100n, D: 0x200n, SNP: 0x800n } as const;

/** P, R/W, U/S and A; the leaf D as well: no flag is left to set. */
export const FIRST_STAGE_TABLE = 0x27n;
export const FIRST_STAGE_LEAF = 0x67n;
export const SECOND_STAGE_RIGHTS = 0x3n;

type ScalableContext = Parameters<typeof ScalableContextEntry.encode>[0];
type LegacyContext = Parameters<typeof LegacyContextEntry.encode>[0];
type PasidEntry = Parameters<typeof PasidTableEntry.encode>[0];

export interface MapOptions {
  /** log2 of the page size: 12, 21 or 30. */
  readonly shift?: number;
  readonly leaf: bigint;
  readonly table: bigint;
  /** Nested first stage: tables have guest addresses, this far below where they are in memory. */
  readonly guestOffset?: number;
}

export class IommuTables {
  readonly #memory: PhysicalMemory;
  #next: number;
  readonly root: number;

  constructor(memory: PhysicalMemory, base = 0x10_0000) {
    this.#memory = memory;
    this.#next = base;
    this.root = this.page();
  }

  /** A page of zeros that nobody else has. */
  page(count = 1): number {
    const at = this.#next;
    this.#next += count * PAGE;
    return at;
  }

  /** Root and context entry of a function; gives the address of the context entry. */
  setContext(rid: number, values: ScalableContext): number {
    const rootAt = this.rootEntryOf(rid);
    const half = rootAt + ((rid & 0x80) === 0 ? 0 : 8);
    let table = Number(this.#memory.read64(half) & ADDRESS);
    if (table === 0) {
      table = this.page();
      const root = ScalableRootEntry.encode({ LP: 1, LCTP: BigInt(table) });
      this.#memory.write64(half, this.#qword(root, 0));
    }
    const at = table + (rid & 0x7f) * 32;
    this.#memory.writeWords(at, ScalableContextEntry.encode({ P: 1, ...values }));
    return at;
  }

  setLegacyContext(rid: number, values: LegacyContext): number {
    const rootAt = this.rootEntryOf(rid);
    let table = Number(this.#memory.read64(rootAt) & ADDRESS);
    if (table === 0) {
      table = this.page();
      this.#memory.writeWords(rootAt, RootEntry.encode({ P: 1, CTP: BigInt(table) }));
    }
    const at = table + (rid & 0xff) * 16;
    this.#memory.writeWords(at, LegacyContextEntry.encode({ P: 1, ...values }));
    return at;
  }

  rootEntryOf(rid: number): number {
    return this.root + (rid >>> 8) * 16;
  }

  /** Entry of a PASID in a directory; the table is made when there is none. Gives its address. */
  setPasidEntry(directory: number, pasid: number, values: PasidEntry): number {
    const slot = this.directoryEntryOf(directory, pasid);
    let table = Number(this.#memory.read64(slot) & ADDRESS);
    if (table === 0) {
      table = this.page();
      this.#memory.writeWords(slot, PasidDirectoryEntry.encode({ P: 1, SMPTBLPTR: BigInt(table) }));
    }
    const at = table + pasidTableIndex(pasid) * PasidTableEntry.bytes;
    this.#memory.writeWords(at, PasidTableEntry.encode({ P: 1, ...values }));
    return at;
  }

  pasidEntryOf(directory: number, pasid: number): number {
    const table = Number(this.#memory.read64(this.directoryEntryOf(directory, pasid)) & ADDRESS);
    return table + pasidTableIndex(pasid) * PasidTableEntry.bytes;
  }

  directoryEntryOf(directory: number, pasid: number): number {
    return directory + pasidDirectoryIndex(pasid) * PasidDirectoryEntry.bytes;
  }

  /** Maps one page of a stage whose first table is at `top`. */
  map(top: number, levels: number, input: bigint, output: bigint, options: MapOptions): void {
    const { shift = 12, leaf, table, guestOffset = 0 } = options;
    const lastLevel = (shift - 12) / 9 + 1;
    let at = top;
    for (let level = levels; level > lastLevel; level--) {
      const entryAt = entryAddress(at, input, level) + guestOffset;
      const entry = this.#memory.read64(entryAt);
      if ((entry & ADDRESS) === 0n) {
        at = this.page() - guestOffset;
        this.#memory.write64(entryAt, BigInt(at) | table);
      } else {
        at = Number(entry & ADDRESS);
      }
    }
    const size = lastLevel > 1 ? PAGE_SIZE : 0n;
    this.#memory.write64(entryAddress(at, input, lastLevel) + guestOffset, output | leaf | size);
  }

  /** Where the entry of `level` for this input is. */
  entryOf(top: number, levels: number, input: bigint, level: number, guestOffset = 0): number {
    let at = top;
    for (let l = levels; l > level; l--) {
      const entry = this.#memory.read64(entryAddress(at, input, l) + guestOffset);
      at = Number(entry & ADDRESS);
    }
    return entryAddress(at, input, level) + guestOffset;
  }

  /** Changes bits of a 64-bit word in memory. */
  patch(address: number, set: bigint, clear = 0n): void {
    this.#memory.write64(address, (this.#memory.read64(address) & ~clear) | set);
  }

  /** Lets a table entry name another address and keeps its other bits. */
  point(address: number, target: number): void {
    this.patch(address, BigInt(target), ADDRESS);
  }

  #qword(words: Uint32Array, index: number): bigint {
    return BigInt(words[index * 2] as number) | (BigInt(words[index * 2 + 1] as number) << 32n);
  }
}

function entryAddress(table: number, input: bigint, level: number): number {
  const index = (input >> BigInt(12 + (level - 1) * 9)) & 511n;
  return table + Number(index) * 8;
}
