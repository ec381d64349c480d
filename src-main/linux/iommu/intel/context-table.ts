/** Root and context tables of a unit, in scalable and in legacy mode (drivers/iommu/intel/iommu.c). */
import { RootEntry, ScalableRootEntry } from '../../../spec/vtd/root-entry.ts';
import { LegacyContextEntry, ScalableContextEntry } from '../../../spec/vtd/context-entry.ts';
import { CONTEXT_ENTRY_WRITTEN, ROOT_ENTRY_WRITTEN } from '../../../spec/events/linux.ts';
import type { Core } from '../../core/core.ts';
import { ENOMEM, IS_ERR } from '../../errno.ts';
import type { PageAllocator } from '../../mm/page-allocator.ts';
import { readWords, writeEntry } from './table-write.ts';

export type TableMode = 'scalable' | 'legacy';

/** First devfn whose context entry is behind the upper half of a scalable root entry. */
const UPPER_HALF = 0x80;

export class ContextTables {
  readonly root: number;
  readonly #core: Core;
  readonly #pages: PageAllocator;
  readonly #mode: TableMode;

  constructor(core: Core, pages: PageAllocator, mode: TableMode) {
    this.#core = core;
    this.#pages = pages;
    this.#mode = mode;
    this.root = pages.alloc(1, { owner: 'root table' });
  }

  get entryBytes(): number {
    return this.#mode === 'scalable' ? ScalableContextEntry.bytes : LegacyContextEntry.bytes;
  }

  /** Physical address of a function's context entry, the table made when missing; or -ENOMEM. */
  entryAddress(rid: number): number {
    const table = this.#mode === 'scalable' ? this.#scalableTable(rid) : this.#legacyTable(rid);
    const index = this.#mode === 'scalable' ? rid & (UPPER_HALF - 1) : rid & 0xff;
    return IS_ERR(table) ? table : table + index * this.entryBytes;
  }

  read(rid: number): Uint32Array {
    return readWords(this.#core, this.entryAddress(rid), this.entryBytes / 4);
  }

  write(rid: number, words: Uint32Array): number {
    const address = this.entryAddress(rid);
    if (IS_ERR(address)) {
      return address;
    }
    writeEntry(this.#core, address, words, {
      record: (word, at, old, value) =>
        this.#core.emit(CONTEXT_ENTRY_WRITTEN, rid, word, at, old, value),
      atomicWords: 2,
    });
    return 0;
  }

  clear(rid: number): void {
    this.write(rid, new Uint32Array(this.entryBytes / 4));
  }

  #scalableTable(rid: number): number {
    const at = this.root + (rid >>> 8) * ScalableRootEntry.bytes;
    const entry = ScalableRootEntry.decode(readWords(this.#core, at, 4));
    const isUpper = (rid & 0xff) >= UPPER_HALF;
    if (isUpper ? entry.UP === 1 : entry.LP === 1) {
      return Number(isUpper ? entry.UCTP : entry.LCTP);
    }
    const table = this.#newTable();
    if (IS_ERR(table)) {
      return table;
    }
    const next = isUpper
      ? ScalableRootEntry.encode({ ...entry, UP: 1, UCTP: BigInt(table) })
      : ScalableRootEntry.encode({ ...entry, LP: 1, LCTP: BigInt(table) });
    this.#writeRoot(rid, at, next);
    return table;
  }

  #legacyTable(rid: number): number {
    const at = this.root + (rid >>> 8) * RootEntry.bytes;
    const entry = RootEntry.decode(readWords(this.#core, at, 4));
    if (entry.P === 1) {
      return Number(entry.CTP);
    }
    const table = this.#newTable();
    if (!IS_ERR(table)) {
      this.#writeRoot(rid, at, RootEntry.encode({ P: 1, CTP: BigInt(table) }));
    }
    return table;
  }

  #newTable(): number {
    const page = this.#pages.alloc(1, { owner: 'context table' });
    return IS_ERR(page) ? -ENOMEM : page;
  }

  #writeRoot(rid: number, at: number, words: Uint32Array): void {
    writeEntry(this.#core, at, words, {
      record: (_word, address, old, value) =>
        this.#core.emit(ROOT_ENTRY_WRITTEN, rid >>> 8, address, old, value),
    });
  }
}
