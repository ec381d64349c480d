/**
 * Translation in scalable mode written straight from chapters 3, 4 and 7 of the specification: BigInt, one 64-bit read at a
 * time, no caches, no tricks. It is slow and plain on purpose; the engine must answer like it.
 */
import type { PhysicalMemory } from '../../src-main/sim/memory/physical-memory.ts';
import type { IommuCapability } from '../../src-main/spec/vtd/capability-profile.ts';

export interface NaiveRequest {
  readonly rid: number;
  /** -1: without PASID. */
  readonly pasid: number;
  readonly address: bigint;
  readonly kind: 'read' | 'write' | 'atomic';
  readonly isTranslation: boolean;
  readonly isPrivileged: boolean;
  readonly isNoWrite: boolean;
  readonly isZeroLength: boolean;
}

export interface NaiveOutcome {
  /** 0 when the request passes. */
  readonly reason: number;
  /** FPD of a structure met. */
  readonly isSilent: boolean;
  readonly hpa: bigint;
  readonly shift: number;
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly isSnooped: boolean;
}

class Fault extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`fault ${code.toString(16)}h`);
    this.code = code;
  }
}

interface Stage {
  /** Host or guest address of the page. */
  readonly output: bigint;
  readonly shift: number;
  readonly entries: readonly { readonly at: bigint; readonly value: bigint }[];
}

interface FirstStageResult extends Stage {
  readonly isWritable: boolean;
  readonly isUser: boolean;
  /** Guest addresses of the entries when nested. */
  readonly guests: readonly bigint[];
}

interface SecondStageResult extends Stage {
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly isSnooped: boolean;
}

const bit = (value: bigint, n: number): boolean => ((value >> BigInt(n)) & 1n) === 1n;
const field = (value: bigint, high: number, low: number): bigint =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const ones = (high: number, low: number): bigint =>
  ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);

/** PASID table entry as eight 64-bit words. */
type Entry = readonly bigint[];

export class NaiveWalker {
  readonly #memory: PhysicalMemory;
  readonly #cap: IommuCapability;
  readonly #root: bigint;
  #isSilent = false;

  constructor(memory: PhysicalMemory, capability: IommuCapability, root: number) {
    this.#memory = memory;
    this.#cap = capability;
    this.#root = BigInt(root);
  }

  translate(request: NaiveRequest): NaiveOutcome {
    this.#isSilent = false;
    const none = { hpa: 0n, shift: 12, canRead: false, canWrite: false, isSnooped: false };
    try {
      return { ...this.#walk(request), reason: 0, isSilent: this.#isSilent };
    } catch (error) {
      if (!(error instanceof Fault)) {
        throw error;
      }
      return { ...none, reason: error.code, isSilent: this.#isSilent };
    }
  }

  #walk(request: NaiveRequest): Omit<NaiveOutcome, 'reason' | 'isSilent'> {
    const isInterrupt = field(request.address, 63, 20) === 0xfeen;
    if (request.pasid < 0 && isInterrupt && !request.isTranslation) {
      throw new Fault(0x29);
    }
    const context = this.#context(request.rid);
    if (request.isTranslation && !bit(context[0] as bigint, 2)) {
      throw new Fault(0x44);
    }
    const pdtsLimit = 1n << (field(context[0] as bigint, 11, 9) + 13n);
    const ridPasid = field(context[1] as bigint, 19, 0);
    if (request.pasid >= 0) {
      if (!bit(context[0] as bigint, 3)) {
        throw new Fault(0x45);
      }
      if (BigInt(request.pasid) >= pdtsLimit) {
        throw new Fault(0x46);
      }
      if (BigInt(request.pasid) === ridPasid) {
        throw new Fault(0x48);
      }
    }
    const pasid = request.pasid >= 0 ? BigInt(request.pasid) : ridPasid;
    const isPrivileged = request.pasid >= 0 ? request.isPrivileged : bit(context[1] as bigint, 20);
    const entry = this.#pasidEntry(context[0] as bigint, pasid);
    if (isPrivileged && !bit(entry[2] as bigint, 0)) {
      throw new Fault(0x5d);
    }
    const result = this.#dispatch(request, entry, isPrivileged);
    const isBlocked = this.#isInterruptOutput(request, entry, result.hpa, result.shift);
    if (isBlocked) {
      throw new Fault(0x87);
    }
    return result;
  }

  #isInterruptOutput(request: NaiveRequest, entry: Entry, hpa: bigint, shift: number): boolean {
    if (!request.isTranslation) {
      return field(hpa, 63, 20) === 0xfeen;
    }
    const isPassThrough = field(entry[0] as bigint, 8, 6) === 4n;
    const size = 1n << BigInt(shift);
    const base = hpa & ~(size - 1n);
    return !isPassThrough && base <= 0xfeef_ffffn && base + size > 0xfee0_0000n;
  }

  // ---- structures ----------------------------------------------------------------------------------------------------

  #read(at: bigint, fault: number): bigint {
    if (at >= 1n << 53n || !this.#memory.isMemory(Number(at), 8)) {
      throw new Fault(fault);
    }
    return this.#memory.read64(Number(at));
  }

  #beyondHaw(value: bigint, width = 64): boolean {
    return value >> BigInt(this.#cap.haw) !== 0n && width === 64;
  }

  #context(rid: number): readonly bigint[] {
    const half = (rid & 0x80) === 0 ? 0n : 8n;
    const root = this.#read(this.#root + BigInt(rid >> 8) * 16n + half, 0x38);
    if (!bit(root, 0)) {
      throw new Fault(0x39);
    }
    if (field(root, 11, 1) !== 0n || this.#beyondHaw(root)) {
      throw new Fault(0x3a);
    }
    const at = (root & ~0xfffn) + BigInt(rid & 0x7f) * 32n;
    const words = [0n, 8n, 16n, 24n].map((o) => this.#read(at + o, 0x40));
    const [w0, w1, w2, w3] = words as [bigint, bigint, bigint, bigint];
    this.#isSilent = bit(w0, 1);
    if (!bit(w0, 0)) {
      throw new Fault(0x41);
    }
    const { ecap } = this.#cap;
    const reserved =
      (ecap.HPTS === 0 && bit(w0, 5)) ||
      (ecap.PTRS === 0 && bit(w0, 6)) ||
      field(w0, 8, 7) !== 0n ||
      this.#beyondHaw(w0) ||
      field(w1, 63, 21) !== 0n ||
      w2 !== 0n ||
      w3 !== 0n;
    if (reserved) {
      throw new Fault(0x42);
    }
    const isBeyond = field(w1, 19, 0) >= 1n << (field(w0, 11, 9) + 13n);
    if ((bit(w0, 4) && !bit(w0, 2)) || (bit(w0, 6) && !bit(w0, 3)) || isBeyond) {
      throw new Fault(0x43);
    }
    return words;
  }

  #pasidEntry(context0: bigint, pasid: bigint): Entry {
    const slot = this.#read((context0 & ~0xfffn) + (pasid >> 6n) * 8n, 0x50);
    this.#isSilent ||= bit(slot, 1);
    if (!bit(slot, 0)) {
      throw new Fault(0x51);
    }
    if (field(slot, 11, 2) !== 0n || this.#beyondHaw(slot)) {
      throw new Fault(0x52);
    }
    const at = (slot & ~0xfffn) + (pasid & 63n) * 64n;
    const words = Array.from({ length: 8 }, (_, i) => this.#read(at + BigInt(i * 8), 0x58));
    const [w0, w1, w2] = words as [bigint, bigint, bigint];
    this.#isSilent ||= bit(w0, 1);
    if (!bit(w0, 0)) {
      throw new Fault(0x59);
    }
    // The lab unit has SSTS, SSADS, SMPWCS, SC, SRS, FSTS and EAFS; neither MTS nor HPTS.
    const reserved =
      bit(w0, 5) ||
      field(w0, 11, 10) !== 0n ||
      this.#beyondHaw(w0) ||
      field(w1, 22, 16) !== 0n ||
      field(w1, 63, 25) !== 0n ||
      bit(w2, 1) ||
      field(w2, 11, 8) !== 0n ||
      this.#beyondHaw(w2) ||
      words.slice(3).some((w) => w !== 0n);
    if (reserved) {
      throw new Fault(0x5a);
    }
    this.#checkProgramming(words);
    return words;
  }

  #checkProgramming(entry: Entry): void {
    const [w0, , w2] = entry as readonly [bigint, bigint, bigint];
    const pgtt = Number(field(w0, 8, 6));
    const usesSecond = pgtt === 2 || pgtt === 3;
    const usesFirst = pgtt === 1 || pgtt === 3;
    const width = this.#widthOf(w0);
    const fspm = field(w2, 3, 2);
    const isWrong =
      pgtt < 1 ||
      pgtt > 4 ||
      (usesSecond && width === 0) ||
      (usesFirst && fspm > (this.#cap.cap.FS5LP === 1 ? 1n : 0n)) ||
      (pgtt === 3 && (w2 & ~0xfffn) >> BigInt(this.#inputWidth(w0)) !== 0n);
    if (isWrong) {
      throw new Fault(0x5b);
    }
  }

  /** Bits of AW when SAGAW has it, else 0. */
  #widthOf(w0: bigint): number {
    const aw = Number(field(w0, 4, 2));
    const width = [0, 39, 48, 57, 0, 0, 0, 0][aw] as number;
    return width !== 0 && ((this.#cap.sagaw >> aw) & 1) === 1 ? width : 0;
  }

  #inputWidth(w0: bigint): number {
    return Math.min(this.#cap.mgaw, this.#widthOf(w0));
  }

  // ---- stages --------------------------------------------------------------------------------------------------------

  #dispatch(
    request: NaiveRequest,
    entry: Entry,
    isPrivileged: boolean,
  ): Omit<NaiveOutcome, 'reason' | 'isSilent'> {
    const [w0, w1] = entry as [bigint, bigint];
    const isPageSnooped = bit(w1, 24);
    switch (Number(field(w0, 8, 6))) {
      case 1:
      case 3:
        return this.#first(request, entry, isPrivileged, isPageSnooped);
      case 2:
        return this.#second(request, entry, isPageSnooped);
      default:
        if (this.#beyondHaw(request.address)) {
          throw new Fault(0x83);
        }
        return {
          hpa: request.address,
          shift: 30,
          canRead: true,
          canWrite: this.#mayWrite(request),
          isSnooped: isPageSnooped,
        };
    }
  }

  #mayWrite(request: NaiveRequest): boolean {
    return !(request.isTranslation && request.isNoWrite);
  }

  #second(
    request: NaiveRequest,
    entry: Entry,
    isPageSnooped: boolean,
  ): Omit<NaiveOutcome, 'reason' | 'isSilent'> {
    const [w0] = entry as [bigint];
    const walk = this.#secondStage(entry, request.address);
    this.#judgeSecond(request, walk);
    if (bit(w0, 9)) {
      const isBlocked = this.#isInterruptOutput(request, entry, walk.output, walk.shift);
      const isDirty = this.#asksToWrite(request) && walk.canWrite && !isBlocked;
      this.#setSecondFlags(entry, walk, isDirty);
    }
    return {
      hpa: walk.output,
      shift: walk.shift,
      canRead: walk.canRead,
      canWrite: walk.canWrite && this.#mayWrite(request),
      isSnooped: isPageSnooped || walk.isSnooped,
    };
  }

  #asksToWrite(request: NaiveRequest): boolean {
    return request.isTranslation ? !request.isNoWrite : request.kind !== 'read';
  }

  #judgeSecond(request: NaiveRequest, walk: SecondStageResult): void {
    if (request.isTranslation) {
      return;
    }
    if (request.kind !== 'read' && !walk.canWrite) {
      throw new Fault(0x85);
    }
    const isZeroLength = request.isZeroLength && request.kind === 'read' && walk.canWrite;
    if (request.kind !== 'write' && !walk.canRead && !isZeroLength) {
      throw new Fault(0x86);
    }
  }

  #secondStage(entry: Entry, input: bigint): SecondStageResult {
    const [w0] = entry as [bigint];
    if (input >> BigInt(this.#inputWidth(w0)) !== 0n) {
      throw new Fault(0x84);
    }
    const top = this.#widthOf(w0) === 57 ? 5 : this.#widthOf(w0) === 48 ? 4 : 3;
    const entries: { at: bigint; value: bigint }[] = [];
    let table = w0 & ones(51, 12);
    let canRead = true;
    let canWrite = true;
    for (let level = top; ; level--) {
      const at = table + field(input, 20 + (level - 1) * 9, 12 + (level - 1) * 9) * 8n;
      const value = this.#read(at, level === top ? 0x7b : 0x78);
      entries.push({ at, value });
      if (!bit(value, 0) && !bit(value, 1)) {
        throw new Fault(0x79);
      }
      const isLeaf = level === 1 || (level < 4 && bit(value, 7));
      if (this.#secondReserved(value, level, isLeaf)) {
        throw new Fault(0x7a);
      }
      canRead &&= bit(value, 0);
      canWrite &&= bit(value, 1);
      if (isLeaf) {
        if (!canRead && !canWrite) {
          throw new Fault(0x79);
        }
        const shift = 12 + (level - 1) * 9;
        const offset = (1n << BigInt(shift)) - 1n;
        return {
          output: (value & ones(51, 12) & ~offset) | (input & offset),
          shift,
          entries,
          canRead,
          canWrite,
          isSnooped: bit(value, 11),
        };
      }
      table = value & ones(51, 12);
    }
  }

  #secondReserved(value: bigint, level: number, isLeaf: boolean): boolean {
    const low = level === 2 ? ones(20, 12) : level === 3 ? ones(29, 12) : 0n;
    const largest = this.#cap.hasSecondStage1G ? 3 : this.#cap.hasSecondStage2M ? 2 : 1;
    return (
      (value & ones(51, this.#cap.haw)) !== 0n ||
      bit(value, 62) ||
      (!isLeaf && bit(value, 11)) ||
      (level > 3 && bit(value, 7)) ||
      (isLeaf && level > largest) ||
      (isLeaf && (value & low) !== 0n)
    );
  }

  /** A of the path, D of the leaf. */
  #setSecondFlags(entry: Entry, walk: SecondStageResult, isDirty: boolean): void {
    for (const [i, { at }] of walk.entries.entries()) {
      const isLeaf = i === walk.entries.length - 1;
      const wanted = 0x100n | (isLeaf && isDirty ? 0x200n : 0n);
      const value = this.#memory.read64(Number(at));
      if ((value & wanted) === wanted) {
        continue;
      }
      if (!bit(entry[1] as bigint, 23)) {
        throw new Fault(0x7c);
      }
      if (!this.#memory.write64(Number(at), value | wanted)) {
        throw new Fault(0x7d);
      }
    }
  }

  #first(
    request: NaiveRequest,
    entry: Entry,
    isPrivileged: boolean,
    isPageSnooped: boolean,
  ): Omit<NaiveOutcome, 'reason' | 'isSilent'> {
    const [w0, , w2] = entry as [bigint, bigint, bigint];
    const isNested = field(w0, 8, 6) === 3n;
    const levels = field(w2, 3, 2) === 1n ? 5 : 4;
    const upper = request.address >> BigInt(levels === 5 ? 56 : 47);
    if (upper !== 0n && upper !== (1n << BigInt(levels === 5 ? 8 : 17)) - 1n) {
      throw new Fault(0x80);
    }
    const walk = this.#firstStage(entry, request.address, levels, isNested);
    if (!isPrivileged && !walk.isUser) {
      throw new Fault(0x81);
    }
    const mayWrite = walk.isWritable || (isPrivileged && !bit(w2, 4));
    if (!request.isTranslation && request.kind !== 'read' && !mayWrite) {
      throw new Fault(0x85);
    }
    const isWrite = this.#asksToWrite(request) && mayWrite;
    const blocked = (hpa: bigint, shift: number): boolean =>
      this.#isInterruptOutput(request, entry, hpa, shift);
    if (!isNested) {
      this.#setFirstFlags(entry, walk, isWrite && !blocked(walk.output, walk.shift), isNested);
      return {
        hpa: walk.output,
        shift: walk.shift,
        canRead: true,
        canWrite: mayWrite && this.#mayWrite(request),
        isSnooped: isPageSnooped,
      };
    }
    this.#setFirstFlags(entry, walk, isWrite, isNested);
    const second = this.#secondStage(entry, walk.output);
    this.#judgeSecond(request, second);
    const shift = Math.min(walk.shift, second.shift);
    const isWritten = isWrite && second.canWrite && !blocked(second.output, shift);
    if (bit(w0, 9)) {
      this.#setSecondFlags(entry, second, isWritten);
    }
    if (isWritten) {
      this.#setDirty(entry, walk);
    }
    return {
      hpa: second.output,
      shift,
      canRead: second.canRead,
      canWrite: second.canWrite && mayWrite && this.#mayWrite(request),
      isSnooped: isPageSnooped || second.isSnooped,
    };
  }

  #firstStage(entry: Entry, input: bigint, levels: number, isNested: boolean): FirstStageResult {
    const [w0, , w2] = entry as [bigint, bigint, bigint];
    const entries: { at: bigint; value: bigint }[] = [];
    const guests: bigint[] = [];
    let table = w2 & ones(51, 12);
    let isWritable = true;
    let isUser = true;
    for (let level = levels; ; level--) {
      let at = table + field(input, 20 + (level - 1) * 9, 12 + (level - 1) * 9) * 8n;
      if (isNested) {
        guests.push(at);
        at = this.#tableAccess(entry, at, level === levels ? 0x75 : 0x76);
      }
      const value = this.#read(at, level === levels ? 0x73 : 0x70);
      entries.push({ at, value });
      if (!bit(value, 0)) {
        throw new Fault(0x71);
      }
      const isLeaf = level === 1 || (level < 4 && bit(value, 7));
      if (this.#firstReserved(value, level, isLeaf)) {
        throw new Fault(0x72);
      }
      if (isNested && (value & ones(51, 12)) >> BigInt(this.#inputWidth(w0)) !== 0n) {
        throw new Fault(0x74);
      }
      isWritable &&= bit(value, 1);
      isUser &&= bit(value, 2);
      if (isLeaf) {
        const shift = 12 + (level - 1) * 9;
        const offset = (1n << BigInt(shift)) - 1n;
        const output = (value & ones(51, 12) & ~offset) | (input & offset);
        return { output, shift, entries, guests, isWritable, isUser };
      }
      table = value & ones(51, 12);
    }
  }

  #firstReserved(value: bigint, level: number, isLeaf: boolean): boolean {
    const low = level === 2 ? ones(20, 13) : level === 3 ? ones(29, 13) : 0n;
    return (
      (value & ones(51, this.#cap.haw)) !== 0n ||
      (level > 3 && bit(value, 7)) ||
      (level === 3 && isLeaf && this.#cap.cap.FS1GP === 0) ||
      (isLeaf && (value & low) !== 0n)
    );
  }

  /** Host address of a first-stage entry that may be read; with SSADE it must be writable too. */
  #tableAccess(entry: Entry, guest: bigint, fault: number): bigint {
    const isFlagged = bit(entry[0] as bigint, 9);
    const walk = this.#secondStage(entry, guest);
    if (!walk.canRead) {
      throw new Fault(fault);
    }
    if (isFlagged) {
      if (!walk.canWrite) {
        throw new Fault(0x77);
      }
      this.#setSecondFlags(entry, walk, false);
    }
    return walk.output;
  }

  /** A write to a first-stage entry through the second stage. */
  #claimTable(entry: Entry, guest: bigint, isWritten: boolean): void {
    const walk = this.#secondStage(entry, guest);
    if (!walk.canRead || !walk.canWrite) {
      throw new Fault(0x77);
    }
    if (bit(entry[0] as bigint, 9)) {
      this.#setSecondFlags(entry, walk, isWritten);
    }
  }

  #setFirstFlags(entry: Entry, walk: FirstStageResult, isWrite: boolean, isNested: boolean): void {
    const accessed = 0x20n | (bit(entry[2] as bigint, 7) ? 0x400n : 0n);
    for (const [i, { at, value }] of walk.entries.entries()) {
      const isLeaf = i === walk.entries.length - 1;
      const missing = (accessed | (isLeaf && isWrite ? 0x40n : 0n)) & ~value;
      if (missing === 0n) {
        continue;
      }
      if (!bit(entry[1] as bigint, 23)) {
        throw new Fault(0x90);
      }
      // Nested, D waits until nothing can refuse the write any more.
      const now = isNested ? missing & accessed : missing;
      if (isNested) {
        this.#claimTable(entry, walk.guests[i] as bigint, now !== 0n);
      }
      this.#write(at, now);
    }
  }

  #setDirty(entry: Entry, walk: FirstStageResult): void {
    const last = walk.entries.length - 1;
    const { at, value } = walk.entries[last] as { at: bigint; value: bigint };
    if ((value & 0x40n) === 0n) {
      this.#claimTable(entry, walk.guests[last] as bigint, true);
      this.#write(at, 0x40n);
    }
  }

  #write(at: bigint, flags: bigint): void {
    const value = this.#memory.read64(Number(at));
    if (!this.#memory.write64(Number(at), value | flags)) {
      throw new Fault(0x91);
    }
  }
}
