/**
 * From Requester ID and PASID to the context entry and the PASID table entry, through the context cache and the PASID
 * cache. VT-d 5.10 sections 3.4, 6.2.2, 6.2.3, 9.1 to 9.6; fault reasons 01h-0Bh, 38h-43h, 50h-5Bh.
 *
 * Entries are looked at where they are: in physical memory or in a cache. `contextWords[contextAt]` and
 * `entryWords[entryAt]` are the first words after a successful lookup. Faulting entries are not cached.
 *
 * Not modelled: caching of faulting entries, which CAP_REG.CM=1 would allow; host permission tables.
 */
import { numberOf } from '../../bits/u64.ts';
import { TT, LegacyContextEntry, ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { PasidDirectoryEntry } from '../../spec/vtd/pasid-directory-entry.ts';
import { FSPM, PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { NO_MEMORY, type PhysicalMemory } from '../memory/physical-memory.ts';
import { EntryCache } from './entry-cache.ts';
import { pieceMask, pieceOf } from './piece.ts';
import type { UnitLimits } from './unit-limits.ts';
import type { WalkRecorder, WalkStage } from './walk-recorder.ts';

const PRESENT = pieceMask(ScalableContextEntry, 'P');
const FPD = pieceMask(ScalableContextEntry, 'FPD');
const DTE = pieceMask(ScalableContextEntry, 'DTE');
const PASIDE = pieceMask(ScalableContextEntry, 'PASIDE');
const PRE = pieceMask(ScalableContextEntry, 'PRE');
const EPTR = pieceMask(ScalableContextEntry, 'EPTR');
const PDTS = pieceOf(ScalableContextEntry, 'PDTS');
const RID_PASID = pieceOf(ScalableContextEntry, 'RID_PASID');
const RID_PRIV = pieceMask(ScalableContextEntry, 'RID_PRIV');
const LEGACY_TT = pieceOf(LegacyContextEntry, 'TT');
const LEGACY_AW = pieceOf(LegacyContextEntry, 'AW');
const DIRECTORY_FPD = pieceMask(PasidDirectoryEntry, 'FPD');
const ENTRY_FPD = pieceMask(PasidTableEntry, 'FPD');
const ENTRY_AW = pieceOf(PasidTableEntry, 'AW');
const ENTRY_PGTT = pieceOf(PasidTableEntry, 'PGTT');
const ENTRY_FSPM = pieceOf(PasidTableEntry, 'FSPM');
const ADDRESS_LOW = ~0xfff;

export const CONTEXT_WORDS = 8;
export const PASID_ENTRY_WORDS = 16;

export class StructureWalk {
  /** OR of FPD over all structures met, also those with P=0 (section 7.1.1). */
  isFaultDisabled = false;

  contextWords: Uint32Array;
  contextAt = 0;
  entryWords: Uint32Array;
  entryAt = 0;
  isContextHit = false;
  isEntryHit = false;

  recorder: WalkRecorder | null = null;
  /** Explanations look at memory and leave caches alone. */
  isDryRun = false;

  readonly contextCache: EntryCache;
  readonly pasidCache: EntryCache;

  readonly #memory: PhysicalMemory;
  readonly #limits: UnitLimits;
  #rootHigh = 0;
  #rootLow = 0;

  constructor(memory: PhysicalMemory, limits: UnitLimits, contextEntries: number, pasidEntries: number) {
    this.#memory = memory;
    this.#limits = limits;
    this.contextWords = memory.store.words;
    this.entryWords = memory.store.words;
    this.contextCache = new EntryCache(contextEntries, CONTEXT_WORDS);
    this.pasidCache = new EntryCache(pasidEntries, PASID_ENTRY_WORDS);
  }

  setRoot(high: number, low: number): void {
    this.#rootHigh = high;
    this.#rootLow = low;
  }

  /** Legacy mode: 0 or the fault reason. */
  lookupLegacyContext(rid: number): number {
    this.isFaultDisabled = false;
    this.isContextHit = false;
    const hit = this.isDryRun ? -1 : this.contextCache.lookup(rid, 0);
    if (hit >= 0) {
      this.isContextHit = true;
      this.contextWords = this.contextCache.words;
      this.contextAt = hit;
      this.isFaultDisabled = ((this.contextWords[hit] as number) & FPD) !== 0;
      return 0;
    }
    const { words } = this.#memory.store;
    const limits = this.#limits;
    const rootLow = this.#rootLow | ((rid >>> 8) << 4);
    const root = this.#memory.locate(this.#rootHigh, rootLow);
    this.#record('root', this.#rootHigh, rootLow, root, 4, rid >>> 8, 15, 8);
    if (root === NO_MEMORY) {
      return 0x08;
    }
    const root0 = words[root] as number;
    if ((root0 & PRESENT) === 0) {
      return 0x01;
    }
    if (hasReserved(words, root, limits.legacyRoot, 4)) {
      return 0x0a;
    }
    const contextLow = (root0 & ADDRESS_LOW) | ((rid & 0xff) << 4);
    const at = this.#memory.locate(words[root + 1] as number, contextLow);
    this.#record('context', words[root + 1] as number, contextLow, at, 4, rid & 0xff, 7, 0);
    if (at === NO_MEMORY) {
      return 0x09;
    }
    const context0 = words[at] as number;
    this.isFaultDisabled = (context0 & FPD) !== 0;
    if ((context0 & PRESENT) === 0) {
      return 0x02;
    }
    if (hasReserved(words, at, limits.legacyContext, 4)) {
      return 0x0b;
    }
    const fault = this.#checkLegacyContext(context0, words[at + 2] as number);
    if (fault !== 0) {
      return fault;
    }
    this.contextWords = words;
    this.contextAt = at;
    if (!this.isDryRun) {
      this.contextCache.fill(rid, 0, words, at, 0);
    }
    return 0;
  }

  #checkLegacyContext(word0: number, word2: number): number {
    const { features, levelsOfAw } = this.#limits;
    const tt = (word0 & LEGACY_TT.mask) >>> LEGACY_TT.shift;
    if (
      tt === 3 ||
      (tt === TT.withDeviceTlb && !features.DT) ||
      (tt === TT.passThrough && !features.PT)
    ) {
      return 0x03;
    }
    const aw = (word2 & LEGACY_AW.mask) >>> LEGACY_AW.shift;
    return levelsOfAw[aw] === 0 ? 0x03 : 0;
  }

  /** Scalable mode: 0 or the fault reason. */
  lookupContext(rid: number): number {
    this.isFaultDisabled = false;
    this.isContextHit = false;
    const hit = this.isDryRun ? -1 : this.contextCache.lookup(rid, 0);
    if (hit >= 0) {
      this.isContextHit = true;
      this.contextWords = this.contextCache.words;
      this.contextAt = hit;
      this.isFaultDisabled = ((this.contextWords[hit] as number) & FPD) !== 0;
      return 0;
    }
    const { words } = this.#memory.store;
    const limits = this.#limits;
    const rootLow = this.#rootLow | ((rid >>> 8) << 4);
    const root = this.#memory.locate(this.#rootHigh, rootLow);
    this.#record('root', this.#rootHigh, rootLow, root, 4, rid >>> 8, 15, 8);
    if (root === NO_MEMORY) {
      return 0x38;
    }
    const half = (rid & 0x80) === 0 ? 0 : 2;
    const root0 = words[root + half] as number;
    const root1 = words[root + half + 1] as number;
    if ((root0 & PRESENT) === 0) {
      return 0x39;
    }
    const masks = limits.scalableRoot;
    if (((root0 & (masks[half] as number)) | (root1 & (masks[half + 1] as number))) !== 0) {
      return 0x3a;
    }
    const contextLow = (root0 & ADDRESS_LOW) | ((rid & 0x7f) << 5);
    const at = this.#memory.locate(root1, contextLow);
    this.#record('context', root1, contextLow, at, CONTEXT_WORDS, rid & 0x7f, 6, 0);
    if (at === NO_MEMORY) {
      return 0x40;
    }
    const context0 = words[at] as number;
    this.isFaultDisabled = (context0 & FPD) !== 0;
    if ((context0 & PRESENT) === 0) {
      return 0x41;
    }
    if (hasReservedContext(words, at, limits.scalableContext)) {
      return 0x42;
    }
    const fault = this.#checkContext(context0, words[at + 2] as number);
    if (fault !== 0) {
      return fault;
    }
    this.contextWords = words;
    this.contextAt = at;
    if (!this.isDryRun) {
      this.contextCache.fill(rid, 0, words, at, 0);
    }
    return 0;
  }

  /** SCT.4.1 to SCT.4.3. */
  #checkContext(word0: number, word2: number): number {
    if ((word0 & (DTE | PRE)) === PRE || (word0 & (PASIDE | EPTR)) === EPTR) {
      return 0x43;
    }
    const ridPasid = word2 & RID_PASID.mask;
    return ridPasid >>> (((word0 & PDTS.mask) >>> PDTS.shift) + 13) === 0 ? 0 : 0x43;
  }

  get hasDeviceTlb(): boolean {
    return ((this.contextWords[this.contextAt] as number) & DTE) !== 0;
  }

  get hasPasid(): boolean {
    return ((this.contextWords[this.contextAt] as number) & PASIDE) !== 0;
  }

  get hasPageRequests(): boolean {
    return ((this.contextWords[this.contextAt] as number) & PRE) !== 0;
  }

  get hasTranslatedPasid(): boolean {
    return ((this.contextWords[this.contextAt] as number) & EPTR) !== 0;
  }

  /** PASIDs are below 2^this. */
  get directoryPasidBits(): number {
    return (((this.contextWords[this.contextAt] as number) & PDTS.mask) >>> PDTS.shift) + 13;
  }

  /** Value of RID_PASID; reserved and so 0 without RPS. */
  get ridPasid(): number {
    return (this.contextWords[this.contextAt + 2] as number) & RID_PASID.mask;
  }

  get ridPrivilege(): boolean {
    return ((this.contextWords[this.contextAt + 2] as number) & RID_PRIV) !== 0;
  }

  /** After `lookupContext`: the PASID table entry. 0 or the fault reason. */
  lookupPasidEntry(rid: number, pasid: number): number {
    this.isEntryHit = false;
    const hit = this.isDryRun ? -1 : this.pasidCache.lookup(rid, pasid);
    if (hit >= 0) {
      this.isEntryHit = true;
      this.entryWords = this.pasidCache.words;
      this.entryAt = hit;
      this.isFaultDisabled ||=
        this.pasidCache.flagsAt(hit) !== 0 || ((this.entryWords[hit] as number) & ENTRY_FPD) !== 0;
      return 0;
    }
    const memory = this.#memory;
    const { words } = memory.store;
    const limits = this.#limits;
    const index = pasid >>> 6;
    // The directory has up to 32 pages, so the index may carry into the high half.
    const sum = (((this.contextWords[this.contextAt] as number) & ADDRESS_LOW) >>> 0) + index * 8;
    const directoryHigh = (this.contextWords[this.contextAt + 1] as number) + (sum > 0xffff_ffff ? 1 : 0);
    const directoryLow = sum >>> 0;
    const slot = memory.locate(directoryHigh, directoryLow);
    this.#record('pasid-directory', directoryHigh, directoryLow, slot, 2, index, 19, 6);
    if (slot === NO_MEMORY) {
      return 0x50;
    }
    const slot0 = words[slot] as number;
    const slot1 = words[slot + 1] as number;
    const isDirectoryFaultDisabled = (slot0 & DIRECTORY_FPD) !== 0;
    this.isFaultDisabled ||= isDirectoryFaultDisabled;
    if ((slot0 & PRESENT) === 0) {
      return 0x51;
    }
    const masks = limits.directoryEntry;
    if (((slot0 & (masks[0] as number)) | (slot1 & (masks[1] as number))) !== 0) {
      return 0x52;
    }
    const entryLow = (slot0 & ADDRESS_LOW) | ((pasid & 63) << 6);
    const at = memory.locate(slot1, entryLow);
    this.#record('pasid-entry', slot1, entryLow, at, PASID_ENTRY_WORDS, pasid & 63, 5, 0);
    if (at === NO_MEMORY) {
      return 0x58;
    }
    const entry0 = words[at] as number;
    this.isFaultDisabled ||= (entry0 & ENTRY_FPD) !== 0;
    if ((entry0 & PRESENT) === 0) {
      return 0x59;
    }
    if (hasReservedEntry(words, at, limits)) {
      return 0x5a;
    }
    const fault = this.#checkEntry(words, at);
    if (fault !== 0) {
      return fault;
    }
    this.entryWords = words;
    this.entryAt = at;
    if (!this.isDryRun) {
      this.pasidCache.fill(rid, pasid, words, at, isDirectoryFaultDisabled ? 1 : 0);
    }
    return 0;
  }

  /** SPT.4.1 to SPT.4.4. */
  #checkEntry(words: Uint32Array, at: number): number {
    const { features, levelsOfAw, highLimitOfAw } = this.#limits;
    const entry0 = words[at] as number;
    const pgtt = (entry0 & ENTRY_PGTT.mask) >>> ENTRY_PGTT.shift;
    const isSupported =
      (pgtt === PGTT.firstStage && features.FSTS) ||
      (pgtt === PGTT.secondStage && features.SSTS) ||
      (pgtt === PGTT.nested && features.NEST) ||
      (pgtt === PGTT.passThrough && features.PT);
    if (!isSupported) {
      return 0x5b;
    }
    const aw = (entry0 & ENTRY_AW.mask) >>> ENTRY_AW.shift;
    if ((pgtt === PGTT.secondStage || pgtt === PGTT.nested) && levelsOfAw[aw] === 0) {
      return 0x5b;
    }
    if (pgtt === PGTT.firstStage || pgtt === PGTT.nested) {
      const fspm = ((words[at + 4] as number) & ENTRY_FSPM.mask) >>> ENTRY_FSPM.shift;
      if (fspm > FSPM.levels5 || (fspm === FSPM.levels5 && !features.FS5LP)) {
        return 0x5b;
      }
      const isTableChecked = pgtt === PGTT.nested && features.checksTableAddress;
      if (isTableChecked && (words[at + 5] as number) >= (highLimitOfAw[aw] as number)) {
        return 0x5b;
      }
    }
    return 0;
  }

  #record(
    stage: WalkStage,
    high: number,
    low: number,
    at: number,
    count: number,
    index: number,
    indexHigh: number,
    indexLow: number,
  ): void {
    if (this.recorder === null) {
      return;
    }
    this.recorder.read({
      stage,
      level: 0,
      address: numberOf(high, low),
      words: at < 0 ? [] : Array.from(this.#memory.store.words.subarray(at, at + count)),
      index,
      indexHigh,
      indexLow,
      depth: 0,
    });
  }
}

function hasReserved(words: Uint32Array, at: number, masks: Uint32Array, count: number): boolean {
  let bits = 0;
  for (let i = 0; i < count; i++) {
    bits |= (words[at + i] as number) & (masks[i] as number);
  }
  return bits !== 0;
}

/** Unrolled: this runs for every request that misses the context cache. Bits from 85 up are always reserved. */
function hasReservedContext(words: Uint32Array, at: number, masks: Uint32Array): boolean {
  return (
    (((words[at] as number) & (masks[0] as number)) |
      ((words[at + 1] as number) & (masks[1] as number)) |
      ((words[at + 2] as number) & (masks[2] as number)) |
      (words[at + 3] as number) |
      (words[at + 4] as number) |
      (words[at + 5] as number) |
      (words[at + 6] as number) |
      (words[at + 7] as number)) !==
    0
  );
}

/** Unrolled for units without host permission tables, whose entries end at bit 191. */
function hasReservedEntry(words: Uint32Array, at: number, limits: UnitLimits): boolean {
  const masks = limits.pasidEntry;
  if (!limits.isPasidEntryTailReserved) {
    return hasReserved(words, at, masks, PASID_ENTRY_WORDS);
  }
  return (
    (((words[at] as number) & (masks[0] as number)) |
      ((words[at + 1] as number) & (masks[1] as number)) |
      ((words[at + 2] as number) & (masks[2] as number)) |
      ((words[at + 3] as number) & (masks[3] as number)) |
      ((words[at + 4] as number) & (masks[4] as number)) |
      ((words[at + 5] as number) & (masks[5] as number)) |
      (words[at + 6] as number) |
      (words[at + 7] as number) |
      (words[at + 8] as number) |
      (words[at + 9] as number) |
      (words[at + 10] as number) |
      (words[at + 11] as number) |
      (words[at + 12] as number) |
      (words[at + 13] as number) |
      (words[at + 14] as number) |
      (words[at + 15] as number)) !==
    0
  );
}
