/**
 * The translation structures of a guest, read from its memory: root, context, PASID directory and entry. What is missing or
 * lies outside guest memory reads as not present. VT-d 5.10 chapter 9.
 */
import { ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import {
  PASID_TABLE_ENTRIES,
  PasidDirectoryEntry,
  largestPasid,
  pasidDirectoryEntries,
  pasidDirectoryIndex,
  pasidTableIndex,
} from '../../spec/vtd/pasid-directory-entry.ts';
import { FSPM, PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { ScalableRootEntry } from '../../spec/vtd/root-entry.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { GuestStage1 } from './nesting-backend.ts';

type PasidEntry = ReturnType<typeof PasidTableEntry.decode>;
type ContextEntry = ReturnType<typeof ScalableContextEntry.decode>;

const PAGE_BYTES = 4096;
/** Functions whose entries are in the lower of the two tables of a bus. */
const LOWER_FUNCTIONS = 128;

export class GuestTables {
  readonly #memory: GuestMemory;
  /** Root table as latched by SRTP, -1 before. */
  root = -1;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** Undefined when it is not present, or the PASID does not fit it. */
  entry(rid: number, pasid: number): PasidEntry | undefined {
    const context = this.#context(rid);
    if (context === undefined || pasid > largestPasid(context.PDTS)) {
      return undefined;
    }
    if (pasid !== 0 && context.PASIDE === 0) {
      return undefined;
    }
    const table = this.#table(context, pasidDirectoryIndex(pasid));
    return table === undefined
      ? undefined
      : this.#entryAt(table + pasidTableIndex(pasid) * PasidTableEntry.bytes);
  }

  /** PASIDs of a function that have an entry. */
  presentPasids(rid: number): readonly number[] {
    const context = this.#context(rid);
    if (context === undefined) {
      return [];
    }
    return this.#tablesOf(context).flatMap(({ index, table }) =>
      this.#presentSlots(table)
        .map((slot) => index * PASID_TABLE_ENTRIES + slot)
        .filter((pasid) => pasid === 0 || context.PASIDE === 1),
    );
  }

  /** Tables of a directory, a page of which is read at a time: nearly all of it is empty. */
  #tablesOf(context: ContextEntry): { readonly index: number; readonly table: number }[] {
    const found: { readonly index: number; readonly table: number }[] = [];
    const { bytes, words: size } = PasidDirectoryEntry;
    const total = pasidDirectoryEntries(context.PDTS) * bytes;
    for (let at = 0; at < total; at += PAGE_BYTES) {
      const count = Math.min(PAGE_BYTES, total - at) / 4;
      const words = this.#memory.readWords(Number(context.PASIDDIRPTR) + at, count);
      for (let i = 0; words !== undefined && i < count; i += size) {
        if (words[i] !== 0) {
          const entry = PasidDirectoryEntry.decode(words, i);
          const table = { index: at / bytes + i / size, table: Number(entry.SMPTBLPTR) };
          found.push(...(entry.P === 1 ? [table] : []));
        }
      }
    }
    return found;
  }

  #presentSlots(table: number): readonly number[] {
    const size = PasidTableEntry.words;
    const words = this.#memory.readWords(table, PASID_TABLE_ENTRIES * size);
    const slots = Array.from({ length: PASID_TABLE_ENTRIES }, (_, slot) => slot);
    return words === undefined
      ? []
      : slots.filter((slot) => PasidTableEntry.decode(words, slot * size).P === 1);
  }

  #context(rid: number): ContextEntry | undefined {
    const words =
      this.root < 0 ? undefined : this.#memory.readWords(this.root + (rid >>> 8) * 16, 4);
    if (words === undefined) {
      return undefined;
    }
    const root = ScalableRootEntry.decode(words);
    const devfn = rid & 0xff;
    const isLower = devfn < LOWER_FUNCTIONS;
    if ((isLower ? root.LP : root.UP) === 0) {
      return undefined;
    }
    const at = Number(isLower ? root.LCTP : root.UCTP) + (devfn % LOWER_FUNCTIONS) * 32;
    const entry = this.#memory.readWords(at, ScalableContextEntry.words);
    const context = entry === undefined ? undefined : ScalableContextEntry.decode(entry);
    return context?.P === 1 ? context : undefined;
  }

  #table(context: ContextEntry, index: number): number | undefined {
    const at = Number(context.PASIDDIRPTR) + index * PasidDirectoryEntry.bytes;
    const words = this.#memory.readWords(at, PasidDirectoryEntry.words);
    const entry = words === undefined ? undefined : PasidDirectoryEntry.decode(words);
    return entry?.P === 1 ? Number(entry.SMPTBLPTR) : undefined;
  }

  #entryAt(at: number): PasidEntry | undefined {
    const words = this.#memory.readWords(at, PasidTableEntry.words);
    const entry = words === undefined ? undefined : PasidTableEntry.decode(words);
    return entry?.P === 1 ? entry : undefined;
  }
}

/**
 * The first-stage table of an entry; undefined for pass-through, whose guest-physical addresses need no first stage.
 *
 * A request without PASID asks for no privilege. Where it reaches the host with a PASID in its stead it may, because a
 * kernel made it: the host allows it.
 */
export function stage1Of(entry: PasidEntry, pasid: number): GuestStage1 | undefined {
  if (entry.PGTT !== PGTT.firstStage) {
    return undefined;
  }
  const root = Number(entry.FSPTPTR);
  return {
    root: root - (root % PAGE_BYTES),
    width: entry.FSPM === FSPM.levels5 ? 57 : 48,
    isSupervisorAllowed: pasid === 0 || entry.SRE === 1,
    hasExtendedAccessed: entry.EAFE === 1,
    isWriteProtected: entry.WPE === 1,
  };
}
