/**
 * PASID directory and tables of one function (drivers/iommu/intel/pasid.c): the directory is sized for the function's PASID
 * width, tables come on demand.
 */
import { PASID_DIRECTORY_ENTRY_WRITTEN, PASID_ENTRY_WRITTEN } from '../../../spec/events/linux.ts';
import {
  PASID_TABLE_ENTRIES,
  PasidDirectoryEntry,
  pasidDirectoryIndex,
  pasidTableIndex,
} from '../../../spec/vtd/pasid-directory-entry.ts';
import { PasidTableEntry } from '../../../spec/vtd/pasid-table-entry.ts';
import type { Core } from '../../core/core.ts';
import { EINVAL, ENOMEM, IS_ERR } from '../../errno.ts';
import { PAGE_BYTES, type PageAllocator } from '../../mm/page-allocator.ts';
import { readWords, writeEntry } from './table-write.ts';

const ENTRY_WORDS = PasidTableEntry.bytes / 4;
/** DID, translation type and second-stage pointer change by one 16-byte write (VT-d 5.10 section 6.2.3.1). */
const ATOMIC_WORDS = 2;
const SMALLEST_DIRECTORY_BITS = 7;

export type PasidEntryValues = Parameters<typeof PasidTableEntry.encode>[0];

export class PasidTable {
  readonly directory: number;
  /** Field PDTS of the context entry. */
  readonly pdts: number;
  readonly maxPasid: number;
  readonly #core: Core;
  readonly #pages: PageAllocator;
  readonly #rid: number;
  readonly #tables: number[] = [];

  /** `pasids`: how many the function can use; a directory takes at least one page. */
  constructor(core: Core, pages: PageAllocator, rid: number, pasids: number) {
    this.#core = core;
    this.#pages = pages;
    this.#rid = rid;
    const bytes = (pasids / PASID_TABLE_ENTRIES) * PasidDirectoryEntry.bytes;
    const pageCount = Math.max(1, bytes / PAGE_BYTES);
    this.directory = pages.alloc(pageCount, {
      owner: 'PASID directory',
      alignment: pageCount * PAGE_BYTES,
    });
    const entries = (pageCount * PAGE_BYTES) / PasidDirectoryEntry.bytes;
    this.pdts = Math.log2(entries) - SMALLEST_DIRECTORY_BITS;
    this.maxPasid = entries * PASID_TABLE_ENTRIES;
  }

  /** Decoded entry; all zero when its table does not exist. */
  read(pasid: number): ReturnType<typeof PasidTableEntry.decode> {
    return PasidTableEntry.decode(this.readWords(pasid));
  }

  readWords(pasid: number): Uint32Array {
    const address = this.#find(pasid);
    return address === undefined
      ? new Uint32Array(ENTRY_WORDS)
      : readWords(this.#core, address, ENTRY_WORDS);
  }

  /** Physical address of an entry, its table made when missing; or a negative error number. */
  entryAddress(pasid: number): number {
    if (pasid < 0 || pasid >= this.maxPasid) {
      return -EINVAL;
    }
    return this.#find(pasid) ?? this.#make(pasid);
  }

  write(pasid: number, values: PasidEntryValues): number {
    return this.writeWords(pasid, PasidTableEntry.encode(values));
  }

  writeWords(pasid: number, words: Uint32Array): number {
    const address = this.entryAddress(pasid);
    if (IS_ERR(address)) {
      return address;
    }
    writeEntry(this.#core, address, words, {
      record: (word, at, old, value) =>
        this.#core.emit(PASID_ENTRY_WRITTEN, this.#rid, pasid, word, at, old, value),
      atomicWords: ATOMIC_WORDS,
    });
    return 0;
  }

  /** Frees directory and tables. The context entry must not point here any more. */
  destroy(): void {
    this.#tables.forEach((table) => this.#pages.free(table));
    this.#pages.free(this.directory);
  }

  #directoryEntry(pasid: number): number {
    return this.directory + pasidDirectoryIndex(pasid) * PasidDirectoryEntry.bytes;
  }

  #find(pasid: number): number | undefined {
    const entry = PasidDirectoryEntry.decode(
      readWords(this.#core, this.#directoryEntry(pasid), PasidDirectoryEntry.bytes / 4),
    );
    return entry.P === 0
      ? undefined
      : Number(entry.SMPTBLPTR) + pasidTableIndex(pasid) * PasidTableEntry.bytes;
  }

  #make(pasid: number): number {
    const table = this.#pages.alloc(1, { owner: 'PASID table' });
    if (IS_ERR(table)) {
      return -ENOMEM;
    }
    this.#tables.push(table);
    const first = pasidDirectoryIndex(pasid) * PASID_TABLE_ENTRIES;
    const words = PasidDirectoryEntry.encode({ P: 1, SMPTBLPTR: BigInt(table) });
    writeEntry(this.#core, this.#directoryEntry(pasid), words, {
      record: (_word, at, old, value) =>
        this.#core.emit(PASID_DIRECTORY_ENTRY_WRITTEN, this.#rid, first, at, old, value),
    });
    return table + pasidTableIndex(pasid) * PasidTableEntry.bytes;
  }
}
