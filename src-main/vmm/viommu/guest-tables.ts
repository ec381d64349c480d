/**
 * The translation structures of a guest, read from its memory as its unit would: root, context, PASID directory and entry, with
 * the checks of each and the fault reason where one fails. What lies outside guest memory is a read error. VT-d 5.10
 * sections 4.1, 7.1.3 and chapter 9.
 *
 * Not modelled: caching of entries; the guest's table counts when the guest says that it changed.
 */
import type { LayoutContext } from '../../bits/layout.ts';
import type { IommuCapability } from '../../spec/vtd/capability-profile.ts';
import { ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { faultReason, type FaultMnemonic } from '../../spec/vtd/faults.ts';
import {
  PASID_TABLE_ENTRIES,
  PasidDirectoryEntry,
  largestPasid,
  pasidDirectoryEntries,
  pasidDirectoryIndex,
  pasidTableIndex,
} from '../../spec/vtd/pasid-directory-entry.ts';
import { FSPM, PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { TTM } from '../../spec/vtd/registers/global-command.ts';
import { ScalableRootEntry } from '../../spec/vtd/root-entry.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { GuestStage1 } from './nesting-backend.ts';

type PasidEntry = ReturnType<typeof PasidTableEntry.decode>;
type ContextEntry = ReturnType<typeof ScalableContextEntry.decode>;

/** Why the guest's unit would refuse a request. */
export interface GuestRefusal {
  readonly reason: number;
  /** An entry on the way has FPD=1: nothing is recorded. */
  readonly isSilent: boolean;
}

export interface GuestEntry {
  readonly entry: PasidEntry;
  readonly isSilent: boolean;
}

interface Present<T> {
  readonly found: T;
}

const PAGE_BYTES = 4096;
/** Functions whose entries are in the lower of the two tables of a bus. */
const LOWER_FUNCTIONS = 128;
const HALF_ROOT_WORDS = 2;

export class GuestTables {
  readonly #memory: GuestMemory;
  readonly #capability: IommuCapability;
  /** Root table as latched by SRTP, -1 before. */
  root = -1;
  /** RTADDR_REG.TTM, latched with it. */
  mode: number = TTM.legacy;

  constructor(memory: GuestMemory, capability: IommuCapability) {
    this.#memory = memory;
    this.#capability = capability;
  }

  /** What a request with this PASID would meet, 0 for one without: its entry, or the fault. Scalable mode and abort-DMA mode. */
  lookup(rid: number, pasid: number): GuestEntry | GuestRefusal {
    const context = this.#context(rid);
    return 'reason' in context ? context : this.#entryOf(context.found, pasid);
  }

  /** As `lookup` for a page request, which looks at no page table (section 7.4.1). Undefined: it is queued. */
  pageRequestRefusal(rid: number, pasid: number): GuestRefusal | undefined {
    const context = this.#context(rid);
    if ('reason' in context) {
      return context;
    }
    if (context.found.PRE === 0) {
      return refusal('SCT.8', context.found);
    }
    const entry = this.#entryOf(context.found, pasid);
    return 'reason' in entry ? entry : undefined;
  }

  /** PASIDs of a function that have an entry, whatever is in it. */
  presentPasids(rid: number): readonly number[] {
    const context = this.#context(rid);
    if ('reason' in context) {
      return [];
    }
    const { found } = context;
    return this.#tablesOf(found).flatMap(({ index, table }) =>
      this.#presentSlots(table)
        .map((slot) => index * PASID_TABLE_ENTRIES + slot)
        .filter((pasid) => pasid === 0 || found.PASIDE === 1),
    );
  }

  /** The top table of an entry can be read. */
  hasTable({ root }: GuestStage1): boolean {
    return this.#memory.readWords(root, 1) !== undefined;
  }

  #entryOf(context: ContextEntry, pasid: number): GuestEntry | GuestRefusal {
    const problem = pasid === 0 ? undefined : this.#pasidProblem(context, pasid);
    if (problem !== undefined) {
      return refusal(problem, context);
    }
    const slot =
      Number(context.PASIDDIRPTR) + pasidDirectoryIndex(pasid) * PasidDirectoryEntry.bytes;
    const directoryWords = this.#memory.readWords(slot, PasidDirectoryEntry.words);
    if (directoryWords === undefined) {
      return refusal('SPD.1', context);
    }
    const directory = PasidDirectoryEntry.decode(directoryWords);
    if (directory.P === 0) {
      return refusal('SPD.2', context, directory);
    }
    if (this.#hasReserved(PasidDirectoryEntry, directoryWords)) {
      return refusal('SPD.3', context, directory);
    }
    const at = Number(directory.SMPTBLPTR) + pasidTableIndex(pasid) * PasidTableEntry.bytes;
    const words = this.#memory.readWords(at, PasidTableEntry.words);
    if (words === undefined) {
      return refusal('SPT.1', context, directory);
    }
    const entry = PasidTableEntry.decode(words);
    const met = [context, directory, entry];
    const wrong = entry.P === 0 ? 'SPT.2' : this.#entryProblem(entry, words);
    return wrong === undefined ? { entry, isSilent: isSilent(met) } : refusal(wrong, ...met);
  }

  #pasidProblem(context: ContextEntry, pasid: number): FaultMnemonic | undefined {
    const { pasidWidth, followsRevision4 } = this.#capability;
    if (context.PASIDE === 0) {
      return 'SCT.6';
    }
    if (pasid > largestPasid(context.PDTS)) {
      return 'SCT.7';
    }
    return followsRevision4 && pasid >= 2 ** pasidWidth ? 'SGN.10' : undefined;
  }

  #entryProblem(entry: PasidEntry, words: Uint32Array): FaultMnemonic | undefined {
    const { cap, ecap } = this.#capability;
    if (this.#hasReserved(PasidTableEntry, words)) {
      return 'SPT.3';
    }
    const isSupported =
      (entry.PGTT === PGTT.firstStage && ecap.FSTS === 1) ||
      (entry.PGTT === PGTT.passThrough && ecap.PT === 1);
    if (!isSupported) {
      return 'SPT.4.2';
    }
    const isPagingModeBad =
      entry.FSPM > FSPM.levels5 || (entry.FSPM === FSPM.levels5 && cap.FS5LP === 0);
    return entry.PGTT === PGTT.firstStage && isPagingModeBad ? 'SPT.4.3' : undefined;
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

  #context(rid: number): Present<ContextEntry> | GuestRefusal {
    const blocked = this.#modeProblem();
    if (blocked !== undefined) {
      return refusal(blocked);
    }
    const words = this.#memory.readWords(this.root + (rid >>> 8) * ScalableRootEntry.bytes, 4);
    if (words === undefined) {
      return refusal('SRT.1');
    }
    const root = ScalableRootEntry.decode(words);
    const devfn = rid & 0xff;
    const isLower = devfn < LOWER_FUNCTIONS;
    if ((isLower ? root.LP : root.UP) === 0) {
      return refusal('SRT.2');
    }
    if (
      this.#hasReserved(ScalableRootEntry, words, isLower ? 0 : HALF_ROOT_WORDS, HALF_ROOT_WORDS)
    ) {
      return refusal('SRT.3');
    }
    const table = Number(isLower ? root.LCTP : root.UCTP);
    const at = table + (devfn % LOWER_FUNCTIONS) * ScalableContextEntry.bytes;
    const entry = this.#memory.readWords(at, ScalableContextEntry.words);
    if (entry === undefined) {
      return refusal('SCT.1');
    }
    const found = ScalableContextEntry.decode(entry);
    const problem = found.P === 0 ? 'SCT.2' : this.#contextProblem(found, entry);
    return problem === undefined ? { found } : refusal(problem, found);
  }

  #contextProblem(context: ContextEntry, words: Uint32Array): FaultMnemonic | undefined {
    if (this.#hasReserved(ScalableContextEntry, words)) {
      return 'SCT.3';
    }
    if (context.PRE === 1 && context.DTE === 0) {
      return 'SCT.4.1';
    }
    return context.EPTR === 1 && context.PASIDE === 0 ? 'SCT.4.3' : undefined;
  }

  #modeProblem(): FaultMnemonic | undefined {
    if (this.mode === TTM.abortDma) {
      return this.#capability.ecap.ADMS === 1 ? 'RTA.4' : 'RTA.1.1';
    }
    return this.mode === TTM.reserved ? 'RTA.1.2' : undefined;
  }

  #hasReserved(
    structure: { reservedMask(context: LayoutContext): Uint32Array },
    words: Uint32Array,
    first = 0,
    count = words.length,
  ): boolean {
    const mask = structure.reservedMask(this.#capability.context);
    return words
      .subarray(first, first + count)
      .some((word, i) => (word & (mask[first + i] ?? 0)) !== 0);
  }
}

/** FPD counts in every entry that was met, present or not (section 7.1.1). */
function isSilent(met: readonly { readonly FPD: number }[]): boolean {
  return met.some(({ FPD }) => FPD === 1);
}

function refusal(
  mnemonic: FaultMnemonic,
  ...met: readonly { readonly FPD: number }[]
): GuestRefusal {
  const { code, isQualified } = faultReason(mnemonic);
  return { reason: code, isSilent: isQualified && isSilent(met) };
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
