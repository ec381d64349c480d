/**
 * Paging tables in physical memory: maps ranges with the largest pages that fit, unmaps, looks up. The format (first- or
 * second-stage entries, levels, page sizes) is a parameter; the bytes are the truth, only the number of used entries of
 * each table page is kept beside them.
 *
 * A table page that became empty is unlinked at once and handed to the caller, who frees it after the caches that may
 * still point to it were invalidated (VT-d 5.10 section 6.2.5).
 */
import { invariant } from '../../bits/invariant.ts';
import { PAGING_ENTRY_WRITTEN } from '../../spec/events/linux.ts';
import { INDEX_BITS, PAGE_SHIFT } from '../../spec/paging/levels.ts';
import type { Core } from '../core/core.ts';
import { EADDRINUSE, ENOENT, ENOMEM, IS_ERR } from '../errno.ts';
import type { PageAllocator, PageZone } from './page-allocator.ts';
import type { PageRights, TableFormat } from './table-format.ts';

const ENTRY_BYTES = 8;
const ENTRIES = 2 ** INDEX_BITS;

export interface RadixTableOptions {
  readonly core: Core;
  readonly pages: PageAllocator;
  readonly format: TableFormat;
  readonly levels: number;
  /** Shown in records and used as owner of the table pages. */
  readonly name: string;
  readonly zone?: PageZone;
}

export interface LeafEntry {
  readonly level: number;
  /** Physical address of the entry. */
  readonly entryAddress: number;
  readonly entry: bigint;
  /** First input address behind the entry. */
  readonly input: number;
  /** Physical address of the page. */
  readonly address: number;
  readonly bytes: number;
}

export interface Unmapped {
  readonly bytes: number;
  /** Table pages that nothing points to any more. */
  readonly freed: readonly number[];
}

/** Bytes behind one entry of a level. */
export function bytesOfLevel(level: number): number {
  return 2 ** (PAGE_SHIFT + (level - 1) * INDEX_BITS);
}

export class RadixTable {
  readonly name: string;
  readonly levels: number;
  readonly root: number;
  readonly #core: Core;
  readonly #pages: PageAllocator;
  readonly #format: TableFormat;
  readonly #zone: PageZone;
  /** Used entries of each table page. */
  readonly #used = new Map<number, number>();

  constructor(options: RadixTableOptions) {
    this.#core = options.core;
    this.#pages = options.pages;
    this.#format = options.format;
    this.#zone = options.zone ?? 'kernel';
    this.levels = options.levels;
    this.name = options.name;
    this.root = this.#newTable();
    invariant(!IS_ERR(this.root), `${this.name}: no memory for the top table`);
  }

  /** Largest input address plus one. */
  get limit(): number {
    return bytesOfLevel(this.levels) * ENTRIES;
  }

  /** Maps a page-aligned range. Nothing of it may be mapped: -EADDRINUSE. */
  map(input: number, address: number, bytes: number, rights: PageRights): number {
    for (let done = 0; done < bytes;) {
      const level = this.#levelFor(input + done, address + done, bytes - done);
      const result = this.#mapOne(input + done, address + done, level, rights);
      if (result < 0) {
        this.unmap(input, done).freed.forEach((page) => this.#pages.free(page));
        return result;
      }
      done += bytesOfLevel(level);
    }
    return 0;
  }

  /** Clears the leaves in a range. A leaf that reaches beyond the range goes whole, as in `iommu_unmap`. */
  unmap(input: number, bytes: number): Unmapped {
    const freed: number[] = [];
    let unmapped = 0;
    for (let at = input; at < input + bytes;) {
      const path = this.#path(at);
      const last = path.at(-1);
      if (last === undefined || !this.#isLeaf(last)) {
        at = nextBoundary(at, last?.level ?? this.levels);
        continue;
      }
      this.#write(last.entryAddress, last.input, last.level, 0n);
      this.#release(path, freed);
      unmapped += last.bytes;
      at = last.input + last.bytes;
    }
    return { bytes: unmapped, freed };
  }

  /** The leaf that maps an address. */
  lookup(input: number): LeafEntry | undefined {
    const last = this.#path(input).at(-1);
    return last !== undefined && this.#isLeaf(last) ? last : undefined;
  }

  translate(input: number): number | undefined {
    const leaf = this.lookup(input);
    return leaf === undefined ? undefined : leaf.address + (input - leaf.input);
  }

  /** Replaces the entry of a mapped page (rights, flags). */
  setLeaf(leaf: LeafEntry, entry: bigint): void {
    this.#write(leaf.entryAddress, leaf.input, leaf.level, entry);
  }

  /** Rights of an existing leaf change; its address stays. */
  protect(input: number, rights: PageRights): number {
    const leaf = this.lookup(input);
    if (leaf === undefined) {
      return -ENOENT;
    }
    this.setLeaf(leaf, this.#format.leafEntry(leaf.address, leaf.level, rights));
    return 0;
  }

  /** Every leaf in input order. */
  leaves(): readonly LeafEntry[] {
    const found: LeafEntry[] = [];
    this.#collect(this.root, this.levels, 0, found);
    return found;
  }

  /** Frees all table pages. Nothing may use the table any more. */
  destroy(): void {
    for (const table of this.#used.keys()) {
      this.#pages.free(table);
    }
    this.#used.clear();
  }

  #newTable(): number {
    const page = this.#pages.alloc(1, { owner: `tables of ${this.name}`, zone: this.#zone });
    if (!IS_ERR(page)) {
      this.#used.set(page, 0);
    }
    return page;
  }

  #isLeaf(entry: LeafEntry): boolean {
    return this.#format.isPresent(entry.entry) && this.#format.isLeaf(entry.entry, entry.level);
  }

  #levelFor(input: number, address: number, bytes: number): number {
    for (let level = this.#format.largestLeafLevel; level > 1; level--) {
      const size = bytesOfLevel(level);
      if (bytes >= size && input % size === 0 && address % size === 0) {
        return level;
      }
    }
    return 1;
  }

  #entryAt(table: number, level: number, input: number): LeafEntry {
    const size = bytesOfLevel(level);
    const index = Math.floor(input / size) % ENTRIES;
    const entryAddress = table + index * ENTRY_BYTES;
    const entry = this.#core.hw.memoryRead64(entryAddress);
    return {
      level,
      entryAddress,
      entry,
      input: Math.floor(input / size) * size,
      address: this.#format.addressOf(entry, level),
      bytes: size,
    };
  }

  /** Entries from the top down to the leaf or to the first that is not present. */
  #path(input: number): LeafEntry[] {
    const path: LeafEntry[] = [];
    let table = this.root;
    for (let level = this.levels; level >= 1; level--) {
      const entry = this.#entryAt(table, level, input);
      path.push(entry);
      if (!this.#format.isPresent(entry.entry) || this.#format.isLeaf(entry.entry, level)) {
        break;
      }
      table = entry.address;
    }
    return path;
  }

  #mapOne(input: number, address: number, level: number, rights: PageRights): number {
    let table = this.root;
    for (let at = this.levels; at > level; at--) {
      const entry = this.#entryAt(table, at, input);
      if (!this.#format.isPresent(entry.entry)) {
        const lower = this.#newTable();
        if (IS_ERR(lower)) {
          return -ENOMEM;
        }
        this.#write(entry.entryAddress, entry.input, at, this.#format.tableEntry(lower));
        this.#count(table, 1);
        table = lower;
      } else if (this.#format.isLeaf(entry.entry, at)) {
        return -EADDRINUSE;
      } else {
        table = entry.address;
      }
    }
    const leaf = this.#entryAt(table, level, input);
    if (this.#format.isPresent(leaf.entry)) {
      return -EADDRINUSE;
    }
    this.#write(leaf.entryAddress, input, level, this.#format.leafEntry(address, level, rights));
    this.#count(table, 1);
    return 0;
  }

  /** Unlinks tables that the removal of the last entry of `path` left empty. */
  #release(path: readonly LeafEntry[], freed: number[]): void {
    for (let i = path.length - 1; i >= 0; i--) {
      const entry = path[i] as LeafEntry;
      const table = entry.entryAddress - (entry.entryAddress % (ENTRIES * ENTRY_BYTES));
      if (this.#count(table, -1) > 0 || table === this.root) {
        return;
      }
      const above = path[i - 1] as LeafEntry;
      this.#write(above.entryAddress, above.input, above.level, 0n);
      this.#used.delete(table);
      freed.push(table);
    }
  }

  #count(table: number, change: number): number {
    const count = (this.#used.get(table) ?? 0) + change;
    this.#used.set(table, count);
    return count;
  }

  #write(entryAddress: number, input: number, level: number, value: bigint): void {
    const old = this.#core.hw.memoryRead64(entryAddress);
    const seq = this.#core.emit(
      PAGING_ENTRY_WRITTEN,
      this.name,
      input,
      level,
      entryAddress,
      old,
      value,
    );
    this.#core.hw.within(seq, () => this.#core.hw.memoryWrite64(entryAddress, value));
  }

  #collect(table: number, level: number, base: number, found: LeafEntry[]): void {
    for (let index = 0; index < ENTRIES; index++) {
      const entry = this.#entryAt(table, level, base + index * bytesOfLevel(level));
      if (!this.#format.isPresent(entry.entry)) {
        continue;
      }
      if (this.#format.isLeaf(entry.entry, level)) {
        found.push(entry);
      } else {
        this.#collect(entry.address, level - 1, entry.input, found);
      }
    }
  }
}

/** First address behind the entry of `level` that covers `at`. */
function nextBoundary(at: number, level: number): number {
  const size = bytesOfLevel(level);
  return (Math.floor(at / size) + 1) * size;
}
