/**
 * Address translation of the CPU: 4- and 5-level paging, rights, accessed and dirty flags. Intel SDM volume 3, "4-Level
 * Paging and 5-Level Paging". The outcome is a value: a physical address, a page fault with its error code, or a
 * non-canonical address (#GP), together with every entry read on the way.
 *
 * The tables are the ones a device shares in SVA, so flags set here are seen there and the other way round. Accessed flags
 * are set only when the translation succeeds, which the architecture permits.
 *
 * Not modelled: TLBs (every access walks), SMEP, SMAP, protection keys, shadow stacks, HLAT, PCIDs.
 */
import type { Structure } from '../../bits/structure.ts';
import { TWO_32, numberOf } from '../../bits/u64.ts';
import { fieldOf, isFieldSet, wordField } from '../../bits/word-field.ts';
import { PageFaultErrorCode } from '../../spec/cpu/exception.ts';
import { Cpu4KPage, CpuTableEntry, cpuPagingEntryAt } from '../../spec/cpu/paging-entry.ts';
import {
  PAGE_ENTRY_MARKED,
  PAGE_FAULTED,
  PAGE_FAULT_CAUSE,
  type PageFaultCause,
} from '../../spec/events/cpu.ts';
import { ENTRY_BYTES, INDEX_BITS, PAGE_SHIFT } from '../../spec/paging/levels.ts';
import type { Trace } from '../core/trace.ts';
import type { CpuMemory } from './ports.ts';

export type PageAccess = 'read' | 'write' | 'execute';

/** The control register bits that a walk depends on. */
export interface PagingContext {
  /** Physical address of the top table (CR3 without its low 12 bits). */
  readonly cr3: number;
  /** 5 with CR4.LA57. */
  readonly levels: 4 | 5;
  /** CR0.WP: supervisor writes need R/W=1 too. */
  readonly isWriteProtected: boolean;
  /** IA32_EFER.NXE. */
  readonly isExecuteDisableEnabled: boolean;
}

/** Result of a walk. The walker owns it and reuses it: copy what must last. */
export interface PageWalk {
  readonly outcome: 'mapped' | 'page-fault' | 'not-canonical';
  /** Physical address, valid when mapped. */
  readonly high: number;
  readonly low: number;
  /** log2 of the page size, valid when mapped. */
  readonly pageShift: number;
  /** Rights of the page as all levels together give them, valid when mapped. */
  readonly isWritable: boolean;
  readonly isUser: boolean;
  /** Valid for a page fault. */
  readonly errorCode: number;
  readonly cause: PageFaultCause;
  /** Entries read; the arrays below hold them from the top table down. */
  readonly steps: number;
  readonly entryAddresses: Float64Array;
  readonly entryLows: Uint32Array;
  readonly entryHighs: Uint32Array;
}

interface Request {
  context: PagingContext;
  high: number;
  low: number;
  access: PageAccess;
  isUser: boolean;
}

type MutableWalk = { -readonly [K in keyof PageWalk]: PageWalk[K] };

const MAX_LEVELS = 5;
const P = wordField(Cpu4KPage, 'P');
const RW = wordField(Cpu4KPage, 'RW');
const US = wordField(Cpu4KPage, 'US');
const A = wordField(Cpu4KPage, 'A');
const D = wordField(Cpu4KPage, 'D');
const PS = wordField(CpuTableEntry, 'PS');
const XD = wordField(Cpu4KPage, 'XD');
const CODE_P = wordField(PageFaultErrorCode, 'P');
const CODE_WR = wordField(PageFaultErrorCode, 'WR');
const CODE_US = wordField(PageFaultErrorCode, 'US');
const CODE_RSVD = wordField(PageFaultErrorCode, 'RSVD');
const CODE_ID = wordField(PageFaultErrorCode, 'ID');

/** Bits 51:32 and 31:12 of an entry hold the address. */
const ADDRESS_HIGH_MASK = 0x000f_ffff;
const ADDRESS_LOW_MASK = 0xffff_f000;
const INDEX_MASK = 2 ** INDEX_BITS - 1;

/** Nine bits of the linear address select the entry of a level. */
function indexAt(level: number, high: number, low: number): number {
  const shift = PAGE_SHIFT + (level - 1) * INDEX_BITS;
  if (shift >= 32) {
    return (high >>> (shift - 32)) & INDEX_MASK;
  }
  const spill = shift + INDEX_BITS - 32;
  const lower = low >>> shift;
  return (spill > 0 ? lower | (high << (INDEX_BITS - spill)) : lower) & INDEX_MASK;
}

/** Bits 63:N-1 are all equal; N is 48 or 57. */
export function isCanonical(high: number, levels: 4 | 5): boolean {
  const shift = levels === 4 ? 15 : 24;
  const top = high >> shift;
  return top === 0 || top === -1;
}

/** Reserved bits of each kind of entry: index `level * 4 + bit7 * 2 + nxe`. */
function reservedMasks(physicalBits: number): readonly Uint32Array[] {
  const masks: Uint32Array[] = [];
  for (let level = 1; level <= MAX_LEVELS; level++) {
    for (const hasBit7 of [false, true]) {
      const structure: Structure = cpuPagingEntryAt(level, hasBit7);
      for (const hasNxe of [false, true]) {
        masks[level * 4 + (hasBit7 ? 2 : 0) + (hasNxe ? 1 : 0)] = structure.reservedMask({
          has: () => hasNxe,
          width: () => physicalBits,
        });
      }
    }
  }
  return masks;
}

export class PageWalker {
  readonly #memory: CpuMemory;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #reserved: readonly Uint32Array[];
  readonly #request: Request = {
    context: { cr3: 0, levels: 4, isWriteProtected: true, isExecuteDisableEnabled: true },
    high: 0,
    low: 0,
    access: 'read',
    isUser: false,
  };
  readonly #walk: MutableWalk = {
    outcome: 'mapped',
    high: 0,
    low: 0,
    pageShift: PAGE_SHIFT,
    isWritable: false,
    isUser: false,
    errorCode: 0,
    cause: PAGE_FAULT_CAUSE.notPresent,
    steps: 0,
    entryAddresses: new Float64Array(MAX_LEVELS),
    entryLows: new Uint32Array(MAX_LEVELS),
    entryHighs: new Uint32Array(MAX_LEVELS),
  };

  constructor(memory: CpuMemory, physicalAddressBits: number, trace: Trace, source: string) {
    this.#memory = memory;
    this.#trace = trace;
    this.#source = trace.source(source);
    this.#reserved = reservedMasks(physicalAddressBits);
  }

  /** Translates one linear address. Sets accessed and dirty flags when the access is allowed. */
  walk(
    context: PagingContext,
    high: number,
    low: number,
    access: PageAccess,
    isUser: boolean,
  ): PageWalk {
    const walk = this.#walk;
    const request = this.#request;
    request.context = context;
    request.high = high;
    request.low = low;
    request.access = access;
    request.isUser = isUser;
    walk.steps = 0;
    if (!isCanonical(high, context.levels)) {
      walk.outcome = 'not-canonical';
      return walk;
    }
    let table = context.cr3 - (context.cr3 % 2 ** PAGE_SHIFT);
    walk.isWritable = true;
    walk.isUser = true;
    let isExecutable = true;
    for (let level: number = context.levels; level > 0; level--) {
      const step = walk.steps++;
      const address = table + indexAt(level, high, low) * ENTRY_BYTES;
      const entryLow = this.#memory.read32(address) >>> 0;
      const entryHigh = this.#memory.read32(address + 4) >>> 0;
      walk.entryAddresses[step] = address;
      walk.entryLows[step] = entryLow;
      walk.entryHighs[step] = entryHigh;
      if (!isFieldSet(entryLow, P)) {
        return this.#fault(PAGE_FAULT_CAUSE.notPresent);
      }
      const hasBit7 = isFieldSet(entryLow, PS);
      const mask = this.#reserved[
        level * 4 + (hasBit7 ? 2 : 0) + (context.isExecuteDisableEnabled ? 1 : 0)
      ] as Uint32Array;
      if ((entryLow & (mask[0] as number)) !== 0 || (entryHigh & (mask[1] as number)) !== 0) {
        return this.#fault(PAGE_FAULT_CAUSE.reservedBit);
      }
      walk.isWritable &&= isFieldSet(entryLow, RW);
      walk.isUser &&= isFieldSet(entryLow, US);
      isExecutable &&= fieldOf(entryHigh, XD) === 0;
      if (level === 1 || hasBit7) {
        walk.pageShift = PAGE_SHIFT + (level - 1) * INDEX_BITS;
        break;
      }
      table = numberOf(entryHigh & ADDRESS_HIGH_MASK, entryLow & ADDRESS_LOW_MASK);
    }
    return this.#finish(isExecutable);
  }

  #finish(isExecutable: boolean): PageWalk {
    const walk = this.#walk;
    const { context, low, access, isUser } = this.#request;
    if (isUser && !walk.isUser) {
      return this.#fault(PAGE_FAULT_CAUSE.userRight);
    }
    const needsWriteRight = access === 'write' && (isUser || context.isWriteProtected);
    if (needsWriteRight && !walk.isWritable) {
      return this.#fault(PAGE_FAULT_CAUSE.writeRight);
    }
    if (access === 'execute' && !isExecutable) {
      return this.#fault(PAGE_FAULT_CAUSE.executeRight);
    }
    this.#mark(context.levels, access === 'write');
    const leaf = walk.steps - 1;
    const offsetMask = (2 ** walk.pageShift - 1) >>> 0;
    walk.outcome = 'mapped';
    walk.high = (walk.entryHighs[leaf] as number) & ADDRESS_HIGH_MASK;
    walk.low = (((walk.entryLows[leaf] as number) & ~offsetMask) | (low & offsetMask)) >>> 0;
    return walk;
  }

  /** Accessed flag in every entry used, dirty flag in the leaf of a write. */
  #mark(levels: number, isWrite: boolean): void {
    const walk = this.#walk;
    for (let step = 0; step < walk.steps; step++) {
      const old = walk.entryLows[step] as number;
      const isDirty = isWrite && step === walk.steps - 1;
      const marked = (old | A.mask | (isDirty ? D.mask : 0)) >>> 0;
      if (marked === old) {
        continue;
      }
      const address = walk.entryAddresses[step] as number;
      walk.entryLows[step] = marked;
      this.#memory.write32(address, marked);
      if (this.#trace.isOn) {
        this.#trace.begin(PAGE_ENTRY_MARKED, this.#source);
        this.#trace.u64(Math.floor(address / TWO_32), address);
        this.#trace.num(levels - step);
        this.#trace.num(isDirty ? 1 : 0);
        this.#trace.end();
      }
    }
  }

  #fault(cause: PageFaultCause): PageWalk {
    const walk = this.#walk;
    const { context, high, low, access, isUser } = this.#request;
    walk.outcome = 'page-fault';
    walk.cause = cause;
    walk.errorCode =
      (cause === PAGE_FAULT_CAUSE.notPresent ? 0 : CODE_P.mask) |
      (access === 'write' ? CODE_WR.mask : 0) |
      (isUser ? CODE_US.mask : 0) |
      (cause === PAGE_FAULT_CAUSE.reservedBit ? CODE_RSVD.mask : 0) |
      (access === 'execute' && context.isExecuteDisableEnabled ? CODE_ID.mask : 0);
    if (this.#trace.isOn) {
      const address = walk.entryAddresses[walk.steps - 1] as number;
      this.#trace.begin(PAGE_FAULTED, this.#source);
      this.#trace.u64(high, low);
      this.#trace.num(walk.errorCode);
      this.#trace.num(cause);
      this.#trace.num(context.levels - walk.steps + 1);
      this.#trace.u64(Math.floor(address / TWO_32), address);
      this.#trace.end();
    }
    return walk;
  }
}
