/**
 * PASID translation in VMX non-root operation: guest PASID -> directory -> table -> host PASID, all in memory. Intel SDM
 * volume 3, "PASID translation".
 *
 * The walk is the project's reading of public descriptions (see `spec/cpu/pasid-translation.ts`). Not modelled: caching of
 * translations; the tables are read for every enqueue, so a cleared entry takes effect at once.
 */
import { numberOf } from '../../bits/u64.ts';
import { fieldOf, isFieldSet, wordField } from '../../bits/word-field.ts';
import {
  PasidTranslationDirectoryEntry,
  PasidTranslationTableEntry,
  isHighPasidDirectory,
  pasidTranslationDirectoryIndex,
  pasidTranslationTableIndex,
} from '../../spec/cpu/pasid-translation.ts';
import {
  PASID_MISS_CAUSE,
  PASID_NOT_TRANSLATED,
  PASID_TRANSLATED,
  type PasidMissCause,
} from '../../spec/events/vmx.ts';
import type { Trace } from '../core/trace.ts';
import type { CpuMemory } from './ports.ts';
import type { Vmcs } from './vmcs.ts';

const DIRECTORY_P = wordField(PasidTranslationDirectoryEntry, 'P');
const TABLE_V = wordField(PasidTranslationTableEntry, 'V');
const HPASID = wordField(PasidTranslationTableEntry, 'HPASID');
const PAGE_HIGH_MASK = 0x000f_ffff;
const PAGE_LOW_MASK = 0xffff_f000;

export const NO_TRANSLATION = -1;

export class VmxPasidTranslation {
  readonly #memory: CpuMemory;
  readonly #trace: Trace;
  readonly #directoryReserved: Uint32Array;
  readonly #tableReserved: number;

  constructor(memory: CpuMemory, physicalAddressBits: number, trace: Trace) {
    this.#memory = memory;
    this.#trace = trace;
    const context = { has: () => true, width: () => physicalAddressBits };
    this.#directoryReserved = PasidTranslationDirectoryEntry.reservedMask(context);
    this.#tableReserved = PasidTranslationTableEntry.reservedMask(context)[0] as number;
  }

  /** Host PASID, or `NO_TRANSLATION`: the enqueue exits. */
  translate(vmcs: Vmcs, guestPasid: number, source: number): number {
    const directory = vmcs.address(
      isHighPasidDirectory(guestPasid) ? 'highPasidDirectoryAddress' : 'lowPasidDirectoryAddress',
    );
    const entry =
      directory + pasidTranslationDirectoryIndex(guestPasid) * PasidTranslationDirectoryEntry.bytes;
    const low = this.#memory.read32(entry) >>> 0;
    const high = this.#memory.read32(entry + 4) >>> 0;
    if (!isFieldSet(low, DIRECTORY_P)) {
      return this.#miss(guestPasid, PASID_MISS_CAUSE.directoryNotPresent, entry, source);
    }
    const reserved = this.#directoryReserved;
    if ((low & (reserved[0] as number)) !== 0 || (high & (reserved[1] as number)) !== 0) {
      return this.#miss(guestPasid, PASID_MISS_CAUSE.directoryReserved, entry, source);
    }
    const table = numberOf(high & PAGE_HIGH_MASK, low & PAGE_LOW_MASK);
    const slot = table + pasidTranslationTableIndex(guestPasid) * PasidTranslationTableEntry.bytes;
    const word = this.#memory.read32(slot) >>> 0;
    if (!isFieldSet(word, TABLE_V)) {
      return this.#miss(guestPasid, PASID_MISS_CAUSE.tableNotValid, slot, source);
    }
    if ((word & this.#tableReserved) !== 0) {
      return this.#miss(guestPasid, PASID_MISS_CAUSE.tableReserved, slot, source);
    }
    const hostPasid = fieldOf(word, HPASID);
    this.#trace.record(PASID_TRANSLATED, source, guestPasid, hostPasid, entry, slot);
    return hostPasid;
  }

  #miss(guestPasid: number, cause: PasidMissCause, address: number, source: number): number {
    this.#trace.record(PASID_NOT_TRANSLATED, source, guestPasid, cause, address);
    return NO_TRANSLATION;
  }
}
