/**
 * From Requester ID and PASID to the context entry and the PASID table entry, through the context cache and the PASID
 * cache. VT-d 5.10 sections 3.4, 6.2.2, 6.2.3, 9.1 to 9.6; fault reasons 01h-0Bh, 38h-43h, 50h-5Bh.
 *
 * After a successful lookup the words of the entry that translation needs are in public fields, as signed 32-bit numbers.
 * Faulting entries are not cached.
 *
 * Not modelled: caching of faulting entries, which CAP_REG.CM=1 would allow.
 */
import { numberOf } from '../../bits/u64.ts';
import { TT, LegacyContextEntry, ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { FSPM, PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import type { PhysicalMemory } from '../memory/physical-memory.ts';
import { EntryCache } from './entry-cache.ts';
import { pieceMask, pieceOf } from './piece.ts';
import type { UnitLimits } from './unit-limits.ts';
import type { WalkRecorder, WalkStage } from './walk-recorder.ts';

const PRESENT = pieceMask(ScalableContextEntry, 'P');
/** The same bit in context, directory and PASID entries. */
const FPD = pieceMask(ScalableContextEntry, 'FPD');
const DTE = pieceMask(ScalableContextEntry, 'DTE');
const PASIDE = pieceMask(ScalableContextEntry, 'PASIDE');
const PRE = pieceMask(ScalableContextEntry, 'PRE');
const HPTE = pieceMask(ScalableContextEntry, 'HPTE');
const EPTR = pieceMask(ScalableContextEntry, 'EPTR');
const PDTS = pieceOf(ScalableContextEntry, 'PDTS');
const PDTS_MASK = PDTS.mask;
const PDTS_SHIFT = PDTS.shift;
const RID_PASID_MASK = pieceOf(ScalableContextEntry, 'RID_PASID').mask;
const RID_PRIV = pieceMask(ScalableContextEntry, 'RID_PRIV');
const LEGACY_TT = pieceOf(LegacyContextEntry, 'TT');
const LEGACY_AW = pieceOf(LegacyContextEntry, 'AW');
const ENTRY_AW = pieceOf(PasidTableEntry, 'AW');
const AW_MASK = ENTRY_AW.mask;
const AW_SHIFT = ENTRY_AW.shift;
const ENTRY_PGTT = pieceOf(PasidTableEntry, 'PGTT');
const PGTT_MASK = ENTRY_PGTT.mask;
const PGTT_SHIFT = ENTRY_PGTT.shift;
const ENTRY_FSPM = pieceOf(PasidTableEntry, 'FSPM');
const FSPM_MASK = ENTRY_FSPM.mask;
const FSPM_SHIFT = ENTRY_FSPM.shift;
const FIRST_STAGE = PGTT.firstStage;
const SECOND_STAGE = PGTT.secondStage;
const NESTED = PGTT.nested;
const LEVELS_5 = FSPM.levels5;
const ADDRESS_LOW = ~0xfff;
/** PASIDs of the smallest directory, as bits. */
const SMALLEST_PASID_BITS = 13;

const LEGACY_CONTEXT_WORDS = 4;
const CONTEXT_WORDS = 8;
const PASID_ENTRY_WORDS = 16;

export class StructureWalk {
  /** Words 0 to 2 of the context entry. */
  context0 = 0;
  context1 = 0;
  context2 = 0;
  /** Words of the PASID table entry; word 3 (PAT) has no use here, words 8 and 9 (host permissions) only with HPTS. */
  entry0 = 0;
  entry1 = 0;
  entry2 = 0;
  entry4 = 0;
  entry5 = 0;
  entry8 = 0;
  entry9 = 0;
  isContextHit = false;
  isEntryHit = false;

  recorder: WalkRecorder | null = null;
  /** Explanations look at memory and leave caches alone. */
  isDryRun = false;

  readonly contextCache: EntryCache;
  readonly pasidCache: EntryCache;

  readonly #memory: PhysicalMemory;
  readonly #limits: UnitLimits;
  readonly #keepsContexts: boolean;
  readonly #keepsEntries: boolean;
  readonly #scalableRoot: Uint32Array;
  readonly #contextReserved0: number;
  readonly #contextReserved1: number;
  readonly #contextReserved2: number;
  readonly #directoryReserved0: number;
  readonly #directoryReserved1: number;
  readonly #isEntryTailReserved: boolean;
  /** 0 without RPS, where the field is reserved or, in older units, ignored. */
  readonly #ridPasidMask: number;
  /** Translation types that the unit supports: bit n for PGTT n. */
  readonly #supportedTypes: number;
  #faultDisable = 0;
  #rootHigh = 0;
  #rootLow = 0;

  constructor(
    memory: PhysicalMemory,
    limits: UnitLimits,
    contextEntries: number,
    pasidEntries: number,
  ) {
    this.#memory = memory;
    this.#limits = limits;
    this.contextCache = new EntryCache(contextEntries, CONTEXT_WORDS);
    this.pasidCache = new EntryCache(pasidEntries, PASID_ENTRY_WORDS);
    this.#keepsContexts = !this.contextCache.isOff;
    this.#keepsEntries = !this.pasidCache.isOff;
    const { scalableRoot, scalableContext, directoryEntry, features } = limits;
    this.#scalableRoot = scalableRoot;
    this.#contextReserved0 = (scalableContext[0] as number) | 0;
    this.#contextReserved1 = (scalableContext[1] as number) | 0;
    this.#contextReserved2 = (scalableContext[2] as number) | 0;
    this.#directoryReserved0 = (directoryEntry[0] as number) | 0;
    this.#directoryReserved1 = (directoryEntry[1] as number) | 0;
    this.#isEntryTailReserved = limits.isPasidEntryTailReserved;
    this.#ridPasidMask = features.RPS ? RID_PASID_MASK : 0;
    this.#supportedTypes =
      (features.FSTS ? 1 << PGTT.firstStage : 0) |
      (features.SSTS ? 1 << PGTT.secondStage : 0) |
      (features.NEST ? 1 << PGTT.nested : 0) |
      (features.PT ? 1 << PGTT.passThrough : 0);
  }

  /** A root table beyond the host address width is where no memory can be. */
  setRoot(high: number, low: number): void {
    this.#rootHigh = high;
    this.#rootLow = low;
  }

  /** OR of FPD over all structures met, also those with P=0 (section 7.1.1). */
  get isFaultDisabled(): boolean {
    return (this.#faultDisable & FPD) !== 0;
  }

  set isFaultDisabled(isDisabled: boolean) {
    this.#faultDisable = isDisabled ? FPD : 0;
  }

  /** Legacy mode: 0 or the fault reason. */
  lookupLegacyContext(rid: number): number {
    this.#faultDisable = 0;
    this.isContextHit = false;
    if (this.#keepsContexts && !this.isDryRun && this.#isContextCached(rid)) {
      return 0;
    }
    const { words } = this.#memory.store;
    const limits = this.#limits;
    const rootLow = this.#rootLow | ((rid >>> 8) << 4);
    const root = this.#memory.locate(this.#rootHigh, rootLow);
    if (this.recorder !== null) {
      this.#record('root', this.#rootHigh, rootLow, root, 4, rid >>> 8, 15, 8);
    }
    if (root < 0) {
      return 0x08;
    }
    const root0 = words[root] as number;
    if ((root0 & PRESENT) === 0) {
      return 0x01;
    }
    if (hasReserved(words, root, limits.legacyRoot, LEGACY_CONTEXT_WORDS)) {
      return 0x0a;
    }
    const contextHigh = words[root + 1] as number;
    const contextLow = (root0 & ADDRESS_LOW) | ((rid & 0xff) << 4);
    const at = this.#memory.locate(contextHigh, contextLow);
    if (this.recorder !== null) {
      this.#record('context', contextHigh, contextLow, at, LEGACY_CONTEXT_WORDS, rid & 0xff, 7, 0);
    }
    if (at < 0) {
      return 0x09;
    }
    this.#takeContext(words, at);
    if ((this.context0 & PRESENT) === 0) {
      return 0x02;
    }
    if (hasReserved(words, at, limits.legacyContext, LEGACY_CONTEXT_WORDS)) {
      return 0x0b;
    }
    const fault = this.#checkLegacyContext(this.context0, this.context2);
    if (fault === 0 && this.#keepsContexts && !this.isDryRun) {
      this.contextCache.fill(rid, 0, words, at, 0, LEGACY_CONTEXT_WORDS);
    }
    return fault;
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
    this.isContextHit = false;
    if (this.#keepsContexts && !this.isDryRun && this.#isContextCached(rid)) {
      return 0;
    }
    const memory = this.#memory;
    const { words } = memory.store;
    const rootHigh = this.#rootHigh;
    const rootLow = this.#rootLow | ((rid >>> 8) << 4);
    const root = memory.locate(rootHigh, rootLow);
    if (this.recorder !== null) {
      this.#record('root', rootHigh, rootLow, root, 4, rid >>> 8, 15, 8);
    }
    this.#faultDisable = 0;
    if (root < 0) {
      return 0x38;
    }
    const half = (rid & 0x80) === 0 ? 0 : 2;
    const root0 = words[root | half] as number;
    const root1 = words[root | half | 1] as number;
    if ((root0 & PRESENT) === 0) {
      return 0x39;
    }
    const masks = this.#scalableRoot;
    if (((root0 & (masks[half] as number)) | (root1 & (masks[half | 1] as number))) !== 0) {
      return 0x3a;
    }
    const contextLow = (root0 & ADDRESS_LOW) | ((rid & 0x7f) << 5);
    const at = memory.locate(root1, contextLow);
    if (this.recorder !== null) {
      this.#record('context', root1, contextLow, at, CONTEXT_WORDS, rid & 0x7f, 6, 0);
    }
    if (at < 0) {
      return 0x40;
    }
    const word0 = (words[at] as number) | 0;
    const word1 = (words[at | 1] as number) | 0;
    const word2 = (words[at | 2] as number) | 0;
    this.#faultDisable = word0;
    if ((word0 & PRESENT) === 0) {
      return 0x41;
    }
    // Bits from 85 up are always reserved.
    const reserved =
      (word0 & this.#contextReserved0) |
      (word1 & this.#contextReserved1) |
      (word2 & this.#contextReserved2) |
      (words[at | 3] as number) |
      (words[at | 4] as number) |
      (words[at | 5] as number) |
      (words[at | 6] as number) |
      (words[at | 7] as number);
    if (reserved !== 0) {
      return 0x42;
    }
    this.context0 = word0;
    this.context1 = word1;
    this.context2 = word2;
    // SCT.4.1 to SCT.4.3.
    if ((word0 & (DTE | PRE)) === PRE || (word0 & (PASIDE | EPTR)) === EPTR) {
      return 0x43;
    }
    const ridPasid = word2 & this.#ridPasidMask;
    if (ridPasid >>> (((word0 & PDTS_MASK) >>> PDTS_SHIFT) + SMALLEST_PASID_BITS) !== 0) {
      return 0x43;
    }
    if (this.#keepsContexts && !this.isDryRun) {
      this.contextCache.fill(rid, 0, words, at, 0);
    }
    return 0;
  }

  #isContextCached(rid: number): boolean {
    const hit = this.contextCache.lookup(rid, 0);
    if (hit < 0) {
      return false;
    }
    this.isContextHit = true;
    this.#takeContext(this.contextCache.words, hit);
    return true;
  }

  #takeContext(words: Uint32Array, at: number): void {
    this.context0 = (words[at] as number) | 0;
    this.context1 = (words[at + 1] as number) | 0;
    this.context2 = (words[at + 2] as number) | 0;
    this.#faultDisable = this.context0;
  }

  get hasDeviceTlb(): boolean {
    return (this.context0 & DTE) !== 0;
  }

  get hasPasid(): boolean {
    return (this.context0 & PASIDE) !== 0;
  }

  get hasHostPermissions(): boolean {
    return (this.context0 & HPTE) !== 0;
  }

  get hasPageRequests(): boolean {
    return (this.context0 & PRE) !== 0;
  }

  get hasTranslatedPasid(): boolean {
    return (this.context0 & EPTR) !== 0;
  }

  /** PASIDs are below 2^this. */
  get directoryPasidBits(): number {
    return ((this.context0 & PDTS_MASK) >>> PDTS_SHIFT) + SMALLEST_PASID_BITS;
  }

  /** PASID of requests without one: RID_PASID, or 0 in units that do not have the field (section 3.4.2). */
  get ridPasid(): number {
    return this.context2 & this.#ridPasidMask;
  }

  get ridPrivilege(): boolean {
    return (this.context2 & RID_PRIV) !== 0;
  }

  /** After `lookupContext`: the PASID table entry. 0 or the fault reason. */
  lookupPasidEntry(rid: number, pasid: number): number {
    this.isEntryHit = false;
    if (this.#keepsEntries && !this.isDryRun && this.#isEntryCached(rid, pasid)) {
      return 0;
    }
    const memory = this.#memory;
    const { words } = memory.store;
    // The directory has up to 32 pages, so the index may carry into the high half.
    const tableLow = this.context0 & ADDRESS_LOW;
    const directoryLow = (tableLow + ((pasid >>> 6) << 3)) | 0;
    const isCarried = directoryLow >>> 0 < tableLow >>> 0;
    const directoryHigh = isCarried ? this.context1 + 1 : this.context1;
    const slot = memory.locate(directoryHigh, directoryLow);
    if (this.recorder !== null) {
      this.#record('pasid-directory', directoryHigh, directoryLow, slot, 2, pasid >>> 6, 19, 6);
    }
    if (slot < 0) {
      return 0x50;
    }
    const slot0 = words[slot] as number;
    const slot1 = words[slot | 1] as number;
    this.#faultDisable |= slot0;
    if ((slot0 & PRESENT) === 0) {
      return 0x51;
    }
    if (((slot0 & this.#directoryReserved0) | (slot1 & this.#directoryReserved1)) !== 0) {
      return 0x52;
    }
    const entryLow = (slot0 & ADDRESS_LOW) | ((pasid & 63) << 6);
    const at = memory.locate(slot1, entryLow);
    if (this.recorder !== null) {
      this.#record('pasid-entry', slot1, entryLow, at, PASID_ENTRY_WORDS, pasid & 63, 5, 0);
    }
    if (at < 0) {
      return 0x58;
    }
    this.#takeEntry(words, at);
    if ((this.entry0 & PRESENT) === 0) {
      return 0x59;
    }
    if (this.#hasReservedEntry(words, at)) {
      return 0x5a;
    }
    const fault = this.#checkEntry();
    if (fault === 0 && this.#keepsEntries && !this.isDryRun) {
      this.pasidCache.fill(rid, pasid, words, at, (slot0 & FPD) !== 0 ? 1 : 0);
    }
    return fault;
  }

  #isEntryCached(rid: number, pasid: number): boolean {
    const hit = this.pasidCache.lookup(rid, pasid);
    if (hit < 0) {
      return false;
    }
    this.isEntryHit = true;
    this.#takeEntry(this.pasidCache.words, hit);
    if (this.pasidCache.flagsAt(hit) !== 0) {
      this.#faultDisable |= FPD;
    }
    return true;
  }

  #takeEntry(words: Uint32Array, at: number): void {
    this.entry0 = (words[at] as number) | 0;
    this.entry1 = (words[at + 1] as number) | 0;
    this.entry2 = (words[at + 2] as number) | 0;
    this.entry4 = (words[at + 4] as number) | 0;
    this.entry5 = (words[at + 5] as number) | 0;
    this.#faultDisable |= this.entry0;
    if (!this.#isEntryTailReserved) {
      this.entry8 = (words[at + 8] as number) | 0;
      this.entry9 = (words[at + 9] as number) | 0;
    }
  }

  /** SPT.3. Unrolled for units without host permission tables, whose entries end at bit 191. */
  #hasReservedEntry(words: Uint32Array, at: number): boolean {
    const masks = this.#limits.pasidEntry;
    if (!this.#isEntryTailReserved) {
      return hasReserved(words, at, masks, PASID_ENTRY_WORDS);
    }
    const head =
      (this.entry0 & (masks[0] as number)) |
      (this.entry1 & (masks[1] as number)) |
      (this.entry2 & (masks[2] as number)) |
      ((words[at | 3] as number) & (masks[3] as number)) |
      (this.entry4 & (masks[4] as number)) |
      (this.entry5 & (masks[5] as number));
    const tail =
      (words[at | 6] as number) |
      (words[at | 7] as number) |
      (words[at | 8] as number) |
      (words[at | 9] as number) |
      (words[at | 10] as number) |
      (words[at | 11] as number) |
      (words[at | 12] as number) |
      (words[at | 13] as number) |
      (words[at | 14] as number) |
      (words[at | 15] as number);
    return (head | tail) !== 0;
  }

  /** SPT.4.1 to SPT.4.4. */
  #checkEntry(): number {
    const { entry0 } = this;
    const pgtt = (entry0 & PGTT_MASK) >>> PGTT_SHIFT;
    if (((this.#supportedTypes >>> pgtt) & 1) === 0) {
      return 0x5b;
    }
    const aw = (entry0 & AW_MASK) >>> AW_SHIFT;
    if (pgtt === SECOND_STAGE || pgtt === NESTED) {
      if (this.#limits.levelsOfAw[aw] === 0) {
        return 0x5b;
      }
    }
    return pgtt === FIRST_STAGE || pgtt === NESTED ? this.#checkFirstStage(pgtt, aw) : 0;
  }

  #checkFirstStage(pgtt: number, aw: number): number {
    const { features, highLimitOfAw } = this.#limits;
    const fspm = (this.entry4 & FSPM_MASK) >>> FSPM_SHIFT;
    if (fspm > LEVELS_5 || (fspm === LEVELS_5 && !features.FS5LP)) {
      return 0x5b;
    }
    const isTableChecked = pgtt === NESTED && features.checksTableAddress;
    return isTableChecked && this.entry5 >>> 0 >= (highLimitOfAw[aw] as number) ? 0x5b : 0;
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
    this.recorder?.read({
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
