/**
 * The bench on which a recorded case runs: a remapping unit with its memory, no devices but the requests of the case. The
 * memory map is that of the recordings: RAM below 640 KiB, from 1 MiB to 2 GiB and from 4 GiB to 7 GiB, and a 64 KiB ROM at
 * FFFF0000h with first-stage tables in its first two pages.
 */
import { bytesToHex, hexToBytes, toHex } from '../../bits/hex.ts';
import type { Register } from '../../bits/register-block.ts';
import { bigOf, highOfBig, lowOfBig } from '../../bits/u64.ts';
import { decodeCapability } from '../../spec/vtd/capability-profile.ts';
import { FRCD_REG, FSTS_REG } from '../../spec/vtd/registers/fault.ts';
import {
  ACCESS,
  ADDRESS_TYPE,
  COMPLETION,
  EventQueue,
  FrameStore,
  PhysicalMemory,
  RemappingUnit,
  Trace,
  createIommuRequest,
  type IommuCacheConfig,
  type InterruptRemappingUnit,
  type MemoryRegion,
} from '../../sim/index.ts';
import {
  numericToBig,
  numericToNumber,
  type AtsStep,
  type CaseStep,
  type DmaStep,
  type IommuCase,
  type PriStep,
} from './case-format.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const ROM_BASE = 0xffff_0000;
const ROM_BYTES = 64 * 1024;

const REGIONS: readonly MemoryRegion[] = [
  { base: 0, bytes: 640 * 1024, kind: 'ram' },
  { base: MIB, bytes: 2 * GIB - MIB, kind: 'ram' },
  { base: 4 * GIB, bytes: 3 * GIB, kind: 'ram' },
  { base: ROM_BASE, bytes: ROM_BYTES, kind: 'rom' },
];

/** Every 64-bit word of a filled page tells its address. */
const FILL_PATTERN = 0x5a5a_c3c3_9696_0f0fn;
const PAGE_BYTES = 4096;
/** Page request group indexes have nine bits. */
const GROUPS = 512;

/** Cases send no interrupts through the unit; its invalidations find nothing. */
const NO_INTERRUPTS: InterruptRemappingUnit = {
  latchTable: () => undefined,
  setEnabled: () => undefined,
  setCompatibilityFormat: () => undefined,
  remap: () => COMPLETION.unsupportedRequest,
  invalidateAll: () => 0,
  invalidateIndex: () => 0,
  snapshot: () => null,
  restore: () => undefined,
};

/** Registers that cases read by name, and what the name stands for. */
const REGISTER_NAMES: Readonly<Record<string, string>> = {
  VER: 'VER_REG',
  CAP: 'CAP_REG',
  ECAP: 'ECAP_REG',
  GSTS: 'GSTS_REG',
  RTADDR: 'RTADDR_REG',
  CCMD: 'CCMD_REG',
  FSTS: 'FSTS_REG',
  FECTL: 'FECTL_REG',
  FEDATA: 'FEDATA_REG',
  FEADDR: 'FEADDR_REG',
  FEUADDR: 'FEUADDR_REG',
  IQH: 'IQH_REG',
  IQT: 'IQT_REG',
  IQA: 'IQA_REG',
  ICS: 'ICS_REG',
  IECTL: 'IECTL_REG',
  IEDATA: 'IEDATA_REG',
  IEADDR: 'IEADDR_REG',
  IEUADDR: 'IEUADDR_REG',
  IQERCD: 'IQERCD_REG',
  IRTA: 'IRTA_REG',
  PQH: 'PQH_REG',
  PQT: 'PQT_REG',
  PQA: 'PQA_REG',
  PRS: 'PRS_REG',
  PECTL: 'PECTL_REG',
  PEDATA: 'PEDATA_REG',
  PEADDR: 'PEADDR_REG',
  PEUADDR: 'PEUADDR_REG',
  IOTLB: 'IOTLB_REG',
  IVA: 'IVA_REG',
};

/** The halves of the first fault recording register, which lies where CAP_REG.FRO says. */
const FAULT_RECORD_HALVES: Readonly<Record<string, number>> = { FRCD_LO: 0, FRCD_HI: 8 };

const NO_CACHES: IommuCacheConfig = {
  context: 0,
  pasid: 0,
  iotlb: 0,
  pagingStructure: 0,
  interruptEntry: 0,
};

/** One region of a translation completion. */
export interface TranslatedRegion {
  readonly iova: string;
  readonly pa: string;
  readonly size: string;
  readonly r: number;
  readonly w: number;
  readonly perm: number;
}

export interface FaultResult {
  readonly reason: number;
  readonly sid: number;
  readonly addr: string;
  readonly type: 'r' | 'w' | 'a' | 'p';
  readonly at: number;
  readonly pp: number;
  readonly pasid: number;
  readonly exe: number;
  readonly priv: number;
  readonly raw: readonly [string, string];
}

export interface InterruptResult {
  readonly addr: string;
  readonly data: string;
}

export class CaseMachine {
  readonly unit: RemappingUnit;
  readonly memory: PhysicalMemory;
  #interrupts: InterruptResult[] = [];
  #pageResponses: { readonly code: number }[] = [];

  /** The recordings come from units of version 1.0. Claims hold with caches of any size; without them walks are plain. */
  constructor(experiment: IommuCase, caches = NO_CACHES, version = 0x10) {
    const trace = new Trace({ mode: 'off' });
    this.memory = new PhysicalMemory(new FrameStore(64), REGIONS);
    this.memory.loadRom(ROM_BASE, romContents());
    this.unit = new RemappingUnit({
      name: 'dmar0',
      capability: decodeCapability({
        version: experiment.caps.ver === undefined ? version : numericToNumber(experiment.caps.ver),
        cap: numericToBig(experiment.caps.cap),
        ecap: numericToBig(experiment.caps.ecap),
        haw: experiment.haw,
      }),
      caches,
      isCompressingFaults: false,
      memory: this.memory,
      queue: new EventQueue(trace),
      trace,
      interrupts: {
        deliver: (high, low, data) => {
          this.#interrupts.push({ addr: toHex(bigOf(high, low)), data: toHex(data) });
        },
      },
      devices: {
        invalidate: (rid, itag) => {
          this.#answered.push({ rid, itag });
          return true;
        },
        pageGroupResponse: (_rid, _pasid, _group, code) => {
          this.#pageResponses.push({ code });
        },
      },
      createInterruptRemapping: () => NO_INTERRUPTS,
    });
  }

  /** Device-TLB invalidations that the bench answers as soon as the unit has sent them. */
  readonly #answered: { readonly rid: number; readonly itag: number }[] = [];

  /** Runs one step; the result has the shape of the format page. */
  run(step: CaseStep): unknown {
    this.#interrupts = [];
    this.#pageResponses = [];
    switch (step.op) {
      case 'mem':
        return this.#mem(step);
      case 'fill':
        return this.#fill(step.pages);
      case 'reg':
        this.unit.write(numericToNumber(step.off), step.size, numericToBig(step.val));
        this.#answerInvalidations();
        return this.#withInterrupts(null);
      case 'regs':
        return Object.fromEntries(step.read.map((name) => [name, this.readRegister(name)]));
      case 'peek':
        return bytesToHex(
          this.memory.readBytes(numericToNumber(step.addr), numericToNumber(step.len ?? 8)),
        );
      case 'dma':
        return this.#dma(step);
      case 'ats':
        return this.#ats(step);
      case 'pri':
        return this.#pri(step);
      default:
        return null;
    }
  }

  /** The register behind the short name that cases use; undefined when the unit does not have it. */
  registerOf(name: string): Register | undefined {
    const full = REGISTER_NAMES[name];
    return this.unit.registers.block.registers.find((r) => r.name === full);
  }

  /** Registers that the unit does not have read as zero. Undefined for names that are none of a register. */
  readRegister(name: string): string | undefined {
    const half = FAULT_RECORD_HALVES[name];
    if (half !== undefined) {
      return toHex(this.unit.read(this.unit.limits.capability.faultRecordOffset + half, 8));
    }
    if (REGISTER_NAMES[name] === undefined) {
      return undefined;
    }
    const register = this.registerOf(name);
    return register === undefined
      ? '0x0'
      : toHex(this.unit.read(register.offset, register.bytes as 4 | 8));
  }

  #answerInvalidations(): void {
    for (let next = this.#answered.shift(); next !== undefined; next = this.#answered.shift()) {
      this.unit.invalidationComplete(next.rid, 1 << next.itag, 1);
    }
  }

  #withInterrupts(value: null): unknown {
    return this.#interrupts.length === 0 ? value : { irq: this.#interrupts };
  }

  #mem(step: Extract<CaseStep, { op: 'mem' }>): null {
    for (const [address, ...quads] of step.q ?? []) {
      quads.forEach((quad, i) => {
        this.memory.write64(numericToNumber(address ?? 0) + i * 8, numericToBig(quad));
      });
    }
    for (const [address, text] of step.w ?? []) {
      this.memory.writeBytes(numericToNumber(address), hexToBytes(text) ?? new Uint8Array(0));
    }
    return null;
  }

  #fill(pages: readonly (number | string)[]): null {
    for (const page of pages) {
      const base = numericToNumber(page);
      for (let offset = 0; offset < PAGE_BYTES; offset += 8) {
        this.memory.write64(base + offset, BigInt(base + offset) ^ FILL_PATTERN);
      }
    }
    return null;
  }

  #dma(step: DmaStep): unknown {
    const iova = numericToBig(step.iova);
    const request = createIommuRequest();
    request.rid = numericToNumber(step.rid);
    request.pasid =
      step.pasid === undefined || step.pasid === null ? -1 : numericToNumber(step.pasid);
    request.high = highOfBig(iova);
    request.low = lowOfBig(iova);
    request.bytes = 8;
    request.kind = step.rw === 'w' ? ACCESS.write : ACCESS.read;
    const lostBefore = this.unit.faultRecording.lostCount;
    const status = this.unit.translate(request);
    const { answer } = this.unit;
    if (status === COMPLETION.success && answer.reason === 0) {
      const address = bigOf(answer.high, answer.low);
      const page = 2n ** BigInt(answer.pageShift);
      if (!step.keep) {
        this.#clearFaults();
      }
      return { ok: true, pa: toHex(address), page: toHex(page) };
    }
    const isLost = this.unit.faultRecording.lostCount > lostBefore;
    const faults = this.#readFaults(!step.keep);
    const interrupts = this.#interrupts.length === 0 ? {} : { irq: this.#interrupts };
    return isLost
      ? {
          ok: false,
          fault: null,
          fsts: faults.fsts,
          unrecorded: unrecordedFault(step, answer.reason),
          ...interrupts,
        }
      : { ok: false, ...faults, ...interrupts };
  }

  #ats(step: AtsStep): unknown {
    const iova = numericToBig(step.iova);
    const request = createIommuRequest();
    request.rid = numericToNumber(step.rid);
    request.pasid =
      step.pasid === undefined || step.pasid === null ? -1 : numericToNumber(step.pasid);
    request.isPrivileged = Boolean(step.priv);
    request.isExecute = Boolean(step.exec);
    request.isNoWrite = Boolean(step.nw);
    request.addressType = ADDRESS_TYPE.translationRequest;
    const end = iova + BigInt(Math.max(1, numericToNumber(step.len ?? PAGE_BYTES)));
    const entries: TranslatedRegion[] = [];
    let errors = 0;
    for (let at = iova & ~0xfffn; at < end;) {
      request.high = highOfBig(at);
      request.low = lowOfBig(at);
      const status = this.unit.translate(request);
      const { answer } = this.unit;
      if (status !== COMPLETION.success || (!answer.canRead && !answer.canWrite)) {
        errors++;
        at += BigInt(PAGE_BYTES);
        continue;
      }
      const size = 2n ** BigInt(answer.pageShift);
      entries.push({
        iova: toHex(at & ~(size - 1n)),
        pa: toHex(bigOf(answer.high, answer.low) & ~(size - 1n)),
        size: toHex(size),
        r: answer.canRead ? 1 : 0,
        w: answer.canWrite ? 1 : 0,
        perm: (answer.canRead ? 1 : 0) | (answer.canWrite ? 2 : 0),
      });
      at = (at & ~(size - 1n)) + size;
    }
    return { count: entries.length, errors, entries, ...this.#readFaults(true) };
  }

  #pri(step: PriStep): unknown {
    const iova = numericToBig(step.iova);
    this.unit.pageRequest(numericToNumber(step.rid), {
      pasid: step.pasid === undefined || step.pasid === null ? -1 : numericToNumber(step.pasid),
      isPrivileged: Boolean(step.priv),
      isExecute: Boolean(step.exec),
      isRead: Boolean(step.r),
      isWrite: Boolean(step.w),
      isLastInGroup: Boolean(step.lpig),
      groupIndex: numericToNumber(step.prgi ?? 0) % GROUPS,
      high: highOfBig(iova),
      low: lowOfBig(iova),
    });
    const isRefused = this.#pageResponses.some((r) => r.code !== 0);
    const faults = this.#readFaults(true);
    return {
      ret: isRefused || faults.fault !== null ? -1 : 0,
      ...faults,
      ...(this.#interrupts.length === 0 ? {} : { irq: this.#interrupts }),
    };
  }

  #readFaults(isClearing: boolean): { readonly fault: FaultResult | null; readonly fsts: string } {
    const fsts = this.unit.registers.peek32(FSTS_REG.offset);
    const fault = this.#firstFault();
    if (isClearing) {
      this.#clearFaults();
    }
    return { fault, fsts: toHex(fsts) };
  }

  #firstFault(): FaultResult | null {
    const { capability } = this.unit.limits;
    const words = new Uint32Array(4);
    for (let i = 0; i < capability.faultRecordCount; i++) {
      const offset = capability.faultRecordOffset + i * FRCD_REG.bytes;
      for (let w = 0; w < 4; w++) {
        words[w] = this.unit.registers.peek32(offset + w * 4);
      }
      const record = FRCD_REG.decode(words);
      if (record.F === 1) {
        const type = record.T1 * 2 + record.T2;
        return {
          reason: record.FR,
          sid: record.SID,
          addr: toHex(record.FI),
          type: type === 0 ? 'w' : type === 1 ? 'p' : type === 2 ? 'r' : 'a',
          at: record.AT,
          pp: record.PP,
          pasid: record.PV,
          exe: record.EXE,
          priv: record.PRIV,
          raw: [
            toHex(bigOf(words[1] as number, words[0] as number)),
            toHex(bigOf(words[3] as number, words[2] as number)),
          ],
        };
      }
    }
    return null;
  }

  /** As a fault handler does: F of every record, then the overflow flag. */
  #clearFaults(): void {
    const { capability } = this.unit.limits;
    for (let i = 0; i < capability.faultRecordCount; i++) {
      const offset = capability.faultRecordOffset + i * FRCD_REG.bytes + 12;
      if (this.unit.registers.peek32(offset) >>> 31 !== 0) {
        this.unit.write(offset, 4, 0x8000_0000n);
      }
    }
    if ((this.unit.registers.peek32(FSTS_REG.offset) & 1) !== 0) {
      this.unit.write(FSTS_REG.offset, 4, 1n);
    }
  }
}

/** What the record would have said, had there been a free fault recording register. */
function unrecordedFault(step: DmaStep, reason: number): Omit<FaultResult, 'raw'> {
  const hasPasid = step.pasid !== undefined && step.pasid !== null;
  return {
    reason,
    sid: numericToNumber(step.rid),
    addr: toHex(numericToBig(step.iova) & ~0xfffn),
    type: step.rw,
    at: 0,
    pp: hasPasid ? 1 : 0,
    pasid: hasPasid ? numericToNumber(step.pasid ?? 0) : 0,
    exe: 0,
    priv: 0,
  };
}

/** Page 0: entry i = 10000000h + i*1000h | 7; page 1: the same with the accessed bit (| 27h). */
function romContents(): Uint8Array {
  const bytes = new Uint8Array(2 * PAGE_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < PAGE_BYTES / 8; i++) {
    view.setUint32(i * 8, 0x1000_0000 + i * PAGE_BYTES + 0x07, true);
    view.setUint32(PAGE_BYTES + i * 8, 0x1000_0000 + i * PAGE_BYTES + 0x27, true);
  }
  return bytes;
}
