/**
 * The PASID translation tables of one VM: two directories and tables on demand, in memory, where the CPU reads them for
 * every ENQCMD of the guest. Intel SDM volume 3, "PASID translation"; see `spec/cpu/pasid-translation.ts`.
 */
import { bigOf } from '../../bits/u64.ts';
import {
  PasidTranslationDirectoryEntry,
  PasidTranslationTableEntry,
  isHighPasidDirectory,
  pasidTranslationDirectoryIndex,
  pasidTranslationTableIndex,
} from '../../spec/cpu/pasid-translation.ts';
import { PASID_ENTRY_SET } from '../../spec/events/vmm.ts';
import type { Core } from '../../linux/core/core.ts';
import { EINVAL, ENOMEM, IS_ERR } from '../../linux/errno.ts';
import type { PageAllocator } from '../../linux/mm/page-allocator.ts';

const MAX_PASID = 0xf_ffff;

export class PasidTables {
  readonly low: number;
  readonly high: number;
  readonly #core: Core;
  readonly #pages: PageAllocator;
  readonly #vm: string;
  readonly #tables: number[] = [];

  constructor(core: Core, pages: PageAllocator, vm: string) {
    this.#core = core;
    this.#pages = pages;
    this.#vm = vm;
    this.low = this.#newPage();
    this.high = this.#newPage();
  }

  /** Lets the guest's number stand for a host PASID. 0, -EINVAL or -ENOMEM. */
  set(guestPasid: number, hostPasid: number): number {
    const isValid = [guestPasid, hostPasid].every(
      (p) => Number.isInteger(p) && p >= 0 && p <= MAX_PASID,
    );
    if (!isValid) {
      return -EINVAL;
    }
    const table = this.#tableOf(guestPasid) ?? this.#addTable(guestPasid);
    if (IS_ERR(table)) {
      return -ENOMEM;
    }
    const [word = 0] = PasidTranslationTableEntry.encode({ HPASID: hostPasid, V: 1 });
    this.#write(table, guestPasid, word, hostPasid);
    return 0;
  }

  /** Takes the number away: the next enqueue with it exits. */
  clear(guestPasid: number): void {
    const table = this.#tableOf(guestPasid);
    if (table !== undefined) {
      this.#write(table, guestPasid, 0, -1);
    }
  }

  /** Host PASID behind a guest's, as the tables say; undefined without. */
  lookup(guestPasid: number): number | undefined {
    const table = this.#tableOf(guestPasid);
    if (table === undefined) {
      return undefined;
    }
    const bytes = this.#core.hw.memoryRead(table + pasidTranslationTableIndex(guestPasid) * 4, 4);
    const word = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const entry = PasidTranslationTableEntry.decode([word]);
    return entry.V === 1 ? entry.HPASID : undefined;
  }

  destroy(): void {
    this.#tables.forEach((page) => this.#pages.free(page));
    this.#tables.length = 0;
  }

  #directoryEntry(guestPasid: number): number {
    const directory = isHighPasidDirectory(guestPasid) ? this.high : this.low;
    const { bytes } = PasidTranslationDirectoryEntry;
    return directory + pasidTranslationDirectoryIndex(guestPasid) * bytes;
  }

  #tableOf(guestPasid: number): number | undefined {
    const value = this.#core.hw.memoryRead64(this.#directoryEntry(guestPasid));
    const words = [Number(value & 0xffff_ffffn), Number(value >> 32n)];
    const entry = PasidTranslationDirectoryEntry.decode(words);
    return entry.P === 1 ? Number(entry.TABLE) : undefined;
  }

  #addTable(guestPasid: number): number {
    const table = this.#newPage();
    if (IS_ERR(table)) {
      return table;
    }
    const words = PasidTranslationDirectoryEntry.encode({ P: 1, TABLE: BigInt(table) });
    this.#core.hw.memoryWrite64(
      this.#directoryEntry(guestPasid),
      bigOf(words[1] ?? 0, words[0] ?? 0),
    );
    return table;
  }

  #write(table: number, guestPasid: number, word: number, hostPasid: number): void {
    const address =
      table + pasidTranslationTableIndex(guestPasid) * PasidTranslationTableEntry.bytes;
    const bytes = new Uint8Array(PasidTranslationTableEntry.bytes);
    new DataView(bytes.buffer).setUint32(0, word, true);
    const { hw } = this.#core;
    const seq = hw.emit(PASID_ENTRY_SET, this.#vm, guestPasid, hostPasid, address);
    hw.within(seq, () => hw.memoryWrite(address, bytes));
  }

  #newPage(): number {
    const page = this.#pages.alloc(1, { owner: `PASID translation of ${this.#vm}` });
    if (!IS_ERR(page)) {
      this.#tables.push(page);
    }
    return page;
  }
}
