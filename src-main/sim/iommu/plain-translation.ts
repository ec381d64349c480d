/**
 * The common case of a translation, in a straight line: scalable mode, an untranslated user request with PASID, all
 * translation caches off, four levels to a 4 KiB page that grants what is asked, no flag to set. VT-d 5.10 sections 3.4 to
 * 3.8.
 *
 * It reads what the general walkers read, in their order, and changes nothing but the answer. At the first thing that it
 * does not expect it gives up, and `Translation` decides from the start: no rule of the specification is found only here.
 * Entries are tested for all the bits that they must have (`needed`) and for bits that they must not (`surprise`); reading
 * on behind an entry that is unfit does no harm. Where there is no memory an entry reads as zero, and so as not present.
 */
import { TWO_32 } from '../../bits/u64.ts';
import { FirstStage4KLeaf } from '../../spec/paging/first-stage-entry.ts';
import { SecondStage4KLeaf } from '../../spec/paging/second-stage-entry.ts';
import { AW } from '../../spec/vtd/address-width.ts';
import { ScalableContextEntry } from '../../spec/vtd/context-entry.ts';
import { PGTT, PasidTableEntry } from '../../spec/vtd/pasid-table-entry.ts';
import { ADDRESS_TYPE, COMPLETION } from '../pcie/ports.ts';
import { locateMapped, type PhysicalMemory } from '../memory/physical-memory.ts';
import { ACCESS, type AccessKind } from './first-stage-walk.ts';
import { pieceMask, pieceOf } from './piece.ts';
import type { TranslationCounters } from './request-outcome.ts';
import type { IommuAnswer, IommuRequest } from './request.ts';
import { PlainNestedWalk } from './plain-nested-walk.ts';
import { ADDRESS_HIGH, ADDRESS_LOW, SS_READ, Surprise, WRITE } from './plain-surprise.ts';
import { MEMO_DATA, StructureMemo } from './structure-memo.ts';
import type { UnitLimits } from './unit-limits.ts';

const PRESENT = pieceMask(ScalableContextEntry, 'P');
const PASIDE = pieceMask(ScalableContextEntry, 'PASIDE');
const DTE = pieceMask(ScalableContextEntry, 'DTE');
const PRE = pieceMask(ScalableContextEntry, 'PRE');
const RID_PASID = pieceMask(ScalableContextEntry, 'RID_PASID');
const PDTS = pieceOf(ScalableContextEntry, 'PDTS');
const PDTS_MASK = PDTS.mask;
const PDTS_SHIFT = PDTS.shift;
const SMALLEST_PASID_BITS = 13;
/** A directory entry of 8 bytes stands for 64 PASIDs. */
const LOG2_PASIDS_PER_DIRECTORY_BYTE = 3;
const ENTRY_PGTT = pieceOf(PasidTableEntry, 'PGTT');
const PGTT_MASK = ENTRY_PGTT.mask;
const PGTT_FIRST_STAGE = PGTT.firstStage << ENTRY_PGTT.shift;
const PGTT_SECOND_STAGE = PGTT.secondStage << ENTRY_PGTT.shift;
const PGTT_NESTED = PGTT.nested << ENTRY_PGTT.shift;
const ENTRY_AW = pieceOf(PasidTableEntry, 'AW');
const AW_MASK = ENTRY_AW.mask;
const AW_48 = AW.bits48 << ENTRY_AW.shift;
const SSADE = pieceMask(PasidTableEntry, 'SSADE');
const DID = pieceMask(PasidTableEntry, 'DID');
const PGSNP = pieceMask(PasidTableEntry, 'PGSNP');
const FSPM_MASK = pieceMask(PasidTableEntry, 'FSPM');
const EAFE = pieceMask(PasidTableEntry, 'EAFE');
const FS_USED =
  pieceMask(FirstStage4KLeaf, 'P') |
  pieceMask(FirstStage4KLeaf, 'US') |
  pieceMask(FirstStage4KLeaf, 'A');
const FS_EXTENDED = pieceMask(FirstStage4KLeaf, 'EA');
const FS_DIRTY = pieceMask(FirstStage4KLeaf, 'D');
const SS_SNOOP = pieceMask(SecondStage4KLeaf, 'SNP');
const PAGE_OFFSET = 0xfff;
/** Byte offset of an entry in its table: nine index bits above three zeros. */
const ENTRY_OFFSET = 0xff8;
const UNTRANSLATED = ADDRESS_TYPE.untranslated;
const READ = ACCESS.read;
const SUCCESS = COMPLETION.success;
const INTERRUPT_RANGE = 0xfee;

/** Types of translation. */
const FIRST_STAGE = 1;
const SECOND_STAGE = 2;
const NESTED = 3;

/** Data words of the memo. */
const MEMO_TYPE = MEMO_DATA;
const MEMO_TABLE_LOW = MEMO_DATA + 1;
const MEMO_TABLE_HIGH = MEMO_DATA + 2;
const MEMO_ENTRY_2 = MEMO_DATA + 3;
const MEMO_FIRST_STAGE_USED = MEMO_DATA + 4;
const MEMO_NESTING_LOW = MEMO_DATA + 5;
const MEMO_NESTING_HIGH = MEMO_DATA + 6;

/** Neither a Requester ID nor a PASID, nor the -1 of requests without PASID. */
const NOBODY = -2;

export class PlainTranslation {
  readonly #memory: PhysicalMemory;
  readonly #answer: IommuAnswer;
  readonly #counters: TranslationCounters;
  readonly #firstStage: Surprise;
  readonly #secondStage: Surprise;
  readonly #nestedWalk: PlainNestedWalk;
  #stage: Surprise;
  readonly #contextReserved: Uint32Array;
  // Numbers start as numbers: the engine then keeps them untagged.
  readonly #mapStart: number = 0;
  readonly #beyondMap: number = 0;
  readonly #mapHighMask: number = 0;
  #isOn = 0;
  #rootHigh = 0;
  #rootLow = 0;
  readonly #memo = new StructureMemo();
  /** Generation of memory for which the memo and the fields below hold. */
  #generation = 0;
  /** Requester and PASID that the memo knows and the fields of the entry are about. */
  #rid = NOBODY;
  #pasid = NOBODY;
  /** Requester that the directory is of. */
  #contextRid = NOBODY;
  /** Word indexes of directory and table entry. */
  #slotAt = 0;
  #entryAt = 0;
  #directoryHigh = 0;
  #directoryLow = 0;
  #pasidEnd = 0;
  #ridPasid = NOBODY;
  #type = 0;
  #tableHigh = 0;
  #tableLow = 0;
  #firstStageUsed = 0;
  /** Word 2 of the entry: DID and PGSNP. */
  #entry2 = 0;
  readonly #rootReserved0: number = 0;
  readonly #rootReserved1: number = 0;
  readonly #directoryReserved0: number = 0;
  readonly #directoryReserved1: number = 0;
  readonly #entryReserved0: number = 0;
  readonly #entryReserved1: number = 0;
  readonly #entryReserved2: number = 0;
  readonly #entryReserved3: number = 0;
  readonly #entryReserved4: number = 0;
  readonly #entryReserved5: number = 0;
  readonly #pasidLimit: number = 0;
  /** RID_PASID is a PASID that requests may not name. */
  readonly #hasRidPasid: number = 0;
  /** What PGTT, AW and SSADE hold in supported entries; -1 when the unit has no such entries. */
  readonly #firstStageType: number = 0;
  readonly #secondStageType: number = 0;
  readonly #nestedType: number = 0;
  /** Limit of the high half of second-stage input addresses. */
  readonly #inputHighLimit: number = 0;

  constructor(
    memory: PhysicalMemory,
    limits: UnitLimits,
    answer: IommuAnswer,
    counters: TranslationCounters,
  ) {
    this.#memory = memory;
    this.#answer = answer;
    this.#counters = counters;
    // Tables where no memory can be are a surprise, so that no lookup has to ask.
    const beyondMap = ~memory.mapHighMask;
    this.#mapStart = memory.mapStart;
    this.#beyondMap = beyondMap;
    this.#mapHighMask = memory.mapHighMask;
    this.#firstStage = new Surprise(limits.firstStage, beyondMap);
    this.#secondStage = new Surprise(limits.secondStage[0], beyondMap);
    this.#stage = this.#secondStage;
    this.#firstStage.alwaysReadable = SS_READ;
    this.#secondStage.snoop = SS_SNOOP;
    const { scalableRoot, scalableContext, directoryEntry, pasidEntry, features } = limits;
    this.#rootReserved0 = (scalableRoot[0] as number) | 0;
    this.#rootReserved1 = (scalableRoot[1] as number) | beyondMap;
    this.#entryReserved0 = (pasidEntry[0] as number) | 0;
    this.#entryReserved1 = (pasidEntry[1] as number) | beyondMap;
    this.#entryReserved2 = (pasidEntry[2] as number) | 0;
    this.#entryReserved3 = (pasidEntry[3] as number) | 0;
    this.#entryReserved4 = (pasidEntry[4] as number) | 0;
    this.#entryReserved5 = (pasidEntry[5] as number) | 0;
    this.#contextReserved = scalableContext.map((mask, i) => (i === 1 ? mask | beyondMap : mask));
    this.#directoryReserved0 = (directoryEntry[0] as number) | 0;
    this.#directoryReserved1 = (directoryEntry[1] as number) | beyondMap;
    this.#pasidLimit = limits.pasidLimit;
    this.#hasRidPasid = features.RPS ? 1 : 0;
    const has48 = limits.levelsOfAw[AW.bits48] === 4;
    this.#firstStageType = features.FSTS ? PGTT_FIRST_STAGE : -1;
    this.#secondStageType = features.SSTS && has48 ? PGTT_SECOND_STAGE | AW_48 : -1;
    this.#nestedType = features.NEST && has48 ? PGTT_NESTED | AW_48 : -1;
    this.#inputHighLimit = (limits.highLimitOfAw[AW.bits48] as number) | 0;
    this.#nestedWalk = new PlainNestedWalk(memory, limits, this.#secondStage, this.#inputHighLimit);
  }

  /** `isOn`: the unit is in the state that this file is about. */
  setState(isOn: boolean, rootHigh: number, rootLow: number): void {
    this.#isOn = isOn && rootHigh <= this.#memory.mapHighMask ? 1 : 0;
    this.#rootHigh = rootHigh | 0;
    this.#rootLow = rootLow | 0;
    this.#forget();
  }

  /** True when the request has passed and the answer is complete. Otherwise nothing has happened. */
  translate(request: IommuRequest): boolean {
    const { rid, pasid } = request;
    const memory = this.#memory;
    if (
      this.#isOn === 0 ||
      request.addressType !== UNTRANSLATED ||
      request.isPrivileged ||
      request.isExecute
    ) {
      return false;
    }
    const isKnown =
      rid === this.#rid && pasid === this.#pasid && memory.generation === this.#generation;
    if (!isKnown && !this.#readStructures(rid, pasid)) {
      return false;
    }
    const { high, low } = request;
    const { kind } = request;
    // Second stage: read needs R, write W, atomic both, one more than the kind of access as bits.
    let needed = kind + 1;
    let leafNeeded = needed;
    if (this.#type === SECOND_STAGE) {
      if (high >>> 0 >= this.#inputHighLimit) {
        return false;
      }
    } else {
      const top = high >> 15;
      if (top !== 0 && top !== -1) {
        return false;
      }
      needed = kind === READ ? this.#firstStageUsed : this.#firstStageUsed | WRITE;
      leafNeeded = kind === READ ? needed : needed | FS_DIRTY;
      if (this.#type === NESTED) {
        return this.#nested(high, low, kind, needed, leafNeeded);
      }
    }
    return this.#flat(high, low, needed, leafNeeded);
  }

  /** One stage, from the table of the PASID entry. Written out, for a call costs as much as a level. */
  #flat(high: number, low: number, needed: number, leafNeeded: number): boolean {
    const stage = this.#stage;
    const { words } = this.#memory.store;
    const map = this.#mapStart;
    const inMap = this.#mapHighMask;
    let at = locateMapped(words, map, this.#tableHigh, this.#tableLow | indexOf4(high));
    let valueLow = (words[at] as number) | 0;
    let valueHigh = (words[at | 1] as number) | 0;
    let all = valueLow;
    let anyLow = valueLow;
    let anyHigh = valueHigh;
    at = locateMapped(
      words,
      map,
      valueHigh & inMap,
      (valueLow & ADDRESS_LOW) | indexOf3(high, low),
    );
    valueLow = (words[at] as number) | 0;
    valueHigh = (words[at | 1] as number) | 0;
    all &= valueLow;
    anyLow |= valueLow;
    anyHigh |= valueHigh;
    at = locateMapped(words, map, valueHigh & inMap, (valueLow & ADDRESS_LOW) | indexOf2(low));
    valueLow = (words[at] as number) | 0;
    valueHigh = (words[at | 1] as number) | 0;
    all &= valueLow;
    anyLow |= valueLow;
    anyHigh |= valueHigh;
    at = locateMapped(words, map, valueHigh & inMap, (valueLow & ADDRESS_LOW) | indexOf1(low));
    valueLow = (words[at] as number) | 0;
    valueHigh = (words[at | 1] as number) | 0;
    all &= valueLow;
    const surprise =
      (~all & needed) |
      (~valueLow & leafNeeded) |
      (anyLow & stage.tableLow) |
      (anyHigh & stage.tableHigh) |
      (valueLow & stage.leafLow) |
      (valueHigh & stage.leafHigh);
    // The first stage has no read right and no snoop bit.
    return (
      surprise === 0 &&
      this.#finish(valueHigh, valueLow, low, all | stage.alwaysReadable, stage.snoop)
    );
  }

  /** Finds out what root, context, directory and PASID table entries say. */
  #readStructures(rid: number, pasid: number): boolean {
    const memory = this.#memory;
    this.#pasid = NOBODY;
    if (pasid < 0) {
      return false;
    }
    if (memory.generation !== this.#generation) {
      this.#generation = memory.generation;
      this.#forget();
    }
    const memo = this.#memo;
    const slot = memo.slotOf(rid, pasid);
    if (memo.knows(slot, rid, pasid)) {
      this.#recall(slot);
    } else {
      if (
        (rid !== this.#contextRid && !this.#readContext(rid)) ||
        pasid >= this.#pasidEnd ||
        pasid === this.#ridPasid ||
        !this.#readEntry(pasid)
      ) {
        return false;
      }
      if (!memo.note(slot, rid, pasid)) {
        return true;
      }
      memory.watch(this.#slotAt);
      memory.watch(this.#entryAt);
      this.#learn(slot);
    }
    this.#rid = rid;
    this.#pasid = pasid;
    return true;
  }

  #forget(): void {
    this.#memo.forget();
    this.#nestedWalk.forget();
    this.#pasid = NOBODY;
    this.#contextRid = NOBODY;
  }

  #recall(slot: number): void {
    const { words } = this.#memo;
    const type = words[slot + MEMO_TYPE] as number;
    this.#type = type;
    this.#tableLow = words[slot + MEMO_TABLE_LOW] as number;
    this.#tableHigh = words[slot + MEMO_TABLE_HIGH] as number;
    this.#entry2 = words[slot + MEMO_ENTRY_2] as number;
    if (type === SECOND_STAGE) {
      this.#stage = this.#secondStage;
      return;
    }
    this.#stage = this.#firstStage;
    this.#firstStageUsed = words[slot + MEMO_FIRST_STAGE_USED] as number;
    this.#nestedWalk.secondStageLow = words[slot + MEMO_NESTING_LOW] as number;
    this.#nestedWalk.secondStageHigh = words[slot + MEMO_NESTING_HIGH] as number;
  }

  #learn(slot: number): void {
    const { words } = this.#memo;
    words[slot + MEMO_TYPE] = this.#type;
    words[slot + MEMO_TABLE_LOW] = this.#tableLow;
    words[slot + MEMO_TABLE_HIGH] = this.#tableHigh;
    words[slot + MEMO_ENTRY_2] = this.#entry2;
    words[slot + MEMO_FIRST_STAGE_USED] = this.#firstStageUsed;
    words[slot + MEMO_NESTING_LOW] = this.#nestedWalk.secondStageLow;
    words[slot + MEMO_NESTING_HIGH] = this.#nestedWalk.secondStageHigh;
    this.#memo.learn(slot);
  }

  #readContext(rid: number): boolean {
    this.#contextRid = NOBODY;
    const memory = this.#memory;
    const { words } = memory.store;
    const map = this.#mapStart;
    const rootLow = this.#rootLow | ((rid >>> 8) << 4) | ((rid >>> 4) & 8);
    const root = locateMapped(words, map, this.#rootHigh, rootLow);
    const root0 = words[root] as number;
    const root1 = words[root | 1] as number;
    if (
      (root0 & PRESENT) === 0 ||
      ((root0 & this.#rootReserved0) | (root1 & this.#rootReserved1)) !== 0
    ) {
      return false;
    }
    const at = locateMapped(words, map, root1, (root0 & ADDRESS_LOW) | ((rid & 0x7f) << 5));
    const context0 = (words[at] as number) | 0;
    const ridPasid = (words[at | 2] as number) & RID_PASID;
    const pasidBits = ((context0 & PDTS_MASK) >>> PDTS_SHIFT) + SMALLEST_PASID_BITS;
    const directoryLow = context0 & ADDRESS_LOW;
    const isPlain =
      (context0 & (PRESENT | PASIDE)) === (PRESENT | PASIDE) &&
      (context0 & (DTE | PRE)) !== PRE &&
      ridPasid >>> pasidBits === 0 &&
      (directoryLow >>> 0) + 2 ** (pasidBits - LOG2_PASIDS_PER_DIRECTORY_BYTE) <= TWO_32 &&
      this.#contextReserved.every((mask, i) => ((words[at | i] as number) & mask) === 0);
    if (!isPlain) {
      return false;
    }
    this.#directoryHigh = (words[at | 1] as number) | 0;
    this.#directoryLow = directoryLow;
    this.#pasidEnd = Math.min(2 ** pasidBits, this.#pasidLimit);
    this.#ridPasid = this.#hasRidPasid !== 0 ? ridPasid : NOBODY;
    this.#contextRid = rid;
    memory.watch(root);
    memory.watch(at);
    return true;
  }

  #readEntry(pasid: number): boolean {
    const { words } = this.#memory.store;
    const map = this.#mapStart;
    const slot = locateMapped(
      words,
      map,
      this.#directoryHigh,
      this.#directoryLow + ((pasid >>> 6) << 3),
    );
    const slot0 = (words[slot] as number) | 0;
    const slot1 = (words[slot | 1] as number) | 0;
    if (
      (slot0 & PRESENT) === 0 ||
      ((slot0 & this.#directoryReserved0) | (slot1 & this.#directoryReserved1)) !== 0
    ) {
      return false;
    }
    const at = locateMapped(words, map, slot1, (slot0 & ADDRESS_LOW) | ((pasid & 63) << 6));
    const entry0 = (words[at] as number) | 0;
    const reserved =
      (entry0 & this.#entryReserved0) |
      ((words[at | 1] as number) & this.#entryReserved1) |
      ((words[at | 2] as number) & this.#entryReserved2) |
      ((words[at | 3] as number) & this.#entryReserved3) |
      ((words[at | 4] as number) & this.#entryReserved4) |
      ((words[at | 5] as number) & this.#entryReserved5) |
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
    if ((entry0 & PRESENT) === 0 || reserved !== 0 || !this.#takeEntry(words, at)) {
      return false;
    }
    this.#slotAt = slot;
    this.#entryAt = at;
    return true;
  }

  /** False for an entry of a type, a width or a number of levels that is not plain. */
  #takeEntry(words: Uint32Array, at: number): boolean {
    const entry0 = (words[at] as number) | 0;
    const entry4 = (words[at | 4] as number) | 0;
    const entry5 = (words[at | 5] as number) | 0;
    this.#entry2 = (words[at | 2] as number) | 0;
    if ((entry0 & (PGTT_MASK | AW_MASK | SSADE)) === this.#secondStageType) {
      this.#type = SECOND_STAGE;
      this.#stage = this.#secondStage;
      this.#tableHigh = (words[at | 1] as number) | 0;
      this.#tableLow = entry0 & ADDRESS_LOW;
      return true;
    }
    this.#firstStageUsed = (entry4 & EAFE) === 0 ? FS_USED : FS_USED | FS_EXTENDED;
    this.#tableHigh = entry5;
    this.#tableLow = entry4 & ADDRESS_LOW;
    if ((entry4 & FSPM_MASK) !== 0) {
      return false;
    }
    if ((entry0 & PGTT_MASK) === this.#firstStageType) {
      this.#type = FIRST_STAGE;
      this.#stage = this.#firstStage;
      return (entry5 & this.#beyondMap) === 0;
    }
    this.#type = NESTED;
    this.#nestedWalk.secondStageHigh = (words[at | 1] as number) | 0;
    this.#nestedWalk.secondStageLow = entry0 & ADDRESS_LOW;
    return (entry0 & (PGTT_MASK | AW_MASK | SSADE)) === this.#nestedType;
  }

  #nested(
    high: number,
    low: number,
    kind: AccessKind,
    needed: number,
    leafNeeded: number,
  ): boolean {
    const walk = this.#nestedWalk;
    const leaf = walk.leafOf(this.#tableHigh, this.#tableLow, high, low, kind, needed, leafNeeded);
    if (leaf < 0) {
      return false;
    }
    const { words } = this.#memory.store;
    const leafHigh = (words[leaf | 1] as number) | 0;
    const leafLow = (words[leaf] as number) | 0;
    return this.#finish(leafHigh, leafLow, low, walk.rights, SS_SNOOP);
  }

  #finish(
    leafHigh: number,
    leafLow: number,
    low: number,
    rights: number,
    snoopBit: number,
  ): boolean {
    const outHigh = leafHigh & ADDRESS_HIGH;
    const outLow = (leafLow & ADDRESS_LOW) | (low & PAGE_OFFSET);
    if (outHigh === 0 && outLow >>> 20 === INTERRUPT_RANGE) {
      return false;
    }
    const answer = this.#answer;
    answer.status = SUCCESS;
    answer.reason = 0;
    answer.isRecorded = false;
    answer.high = outHigh;
    answer.low = outLow;
    answer.pageShift = 12;
    answer.canRead = (rights & SS_READ) !== 0;
    answer.canWrite = (rights & WRITE) !== 0;
    answer.isPrivileged = false;
    answer.isSnooped = ((this.#entry2 & PGSNP) | (leafLow & snoopBit)) !== 0;
    answer.isUntranslatedOnly = false;
    answer.isIotlbHit = false;
    answer.domainId = this.#entry2 & DID;
    const counters = this.#counters;
    counters.requests++;
    counters.walks++;
    return true;
  }
}

/** Byte offsets of entries in tables of the four levels. */
function indexOf4(high: number): number {
  return (high >>> 4) & ENTRY_OFFSET;
}

function indexOf3(high: number, low: number): number {
  return ((high << 5) | (low >>> 27)) & ENTRY_OFFSET;
}

function indexOf2(low: number): number {
  return (low >>> 18) & ENTRY_OFFSET;
}

function indexOf1(low: number): number {
  return (low >>> 9) & ENTRY_OFFSET;
}
