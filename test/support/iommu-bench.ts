/**
 * A whole remapping unit with memory, its interrupt remapping and ports that remember, driven as software drives it: through
 * registers and tables. No devices, no fabric, no kernel.
 */
import { bigOf, highOfBig, lowOfBig } from '../../src-main/bits/u64.ts';
import { EventQueue } from '../../src-main/sim/core/event-queue.ts';
import { Trace, type TraceOptions } from '../../src-main/sim/core/trace.ts';
import { InterruptRemapping } from '../../src-main/sim/iommu/interrupt-remapping.ts';
import {
  createIommuRequest,
  type IommuAnswer,
  type IommuRequest,
} from '../../src-main/sim/iommu/request.ts';
import { RemappingUnit } from '../../src-main/sim/iommu/unit.ts';
import type { PasidAllocatorPort } from '../../src-main/sim/iommu/virtual-command.ts';
import type { IommuCacheConfig } from '../../src-main/sim/machine-config.ts';
import { FrameStore } from '../../src-main/sim/memory/frame-store.ts';
import { PhysicalMemory } from '../../src-main/sim/memory/physical-memory.ts';
import type { CompletionStatus, PageRequest } from '../../src-main/sim/pcie/ports.ts';
import {
  decodeCapability,
  type CapabilityProfile,
} from '../../src-main/spec/vtd/capability-profile.ts';
import { FRCD_REG, FaultRecord } from '../../src-main/spec/vtd/registers/fault.ts';
import {
  GCMD_REG,
  GSTS_REG,
  RTADDR_REG,
} from '../../src-main/spec/vtd/registers/global-command.ts';
import { IQA_REG, IQT_REG } from '../../src-main/spec/vtd/registers/invalidation-queue.ts';
import { IRTA_REG } from '../../src-main/spec/vtd/registers/interrupt-remapping.ts';
import { profileWith } from './interrupt-bench.ts';

export const MIB = 2 ** 20;
export const RAM_BYTES = 256 * MIB;
/** Memory that cannot be written. Its contents: `IommuBenchOptions.rom`. */
export const ROM_BASE = 0x2000_0000;
export const ROM_BYTES = 0x1_0000;
/** RAM above 4 GiB, so that high halves are not always zero. */
export const HIGH_RAM_BASE = 0x1_4000_0000;
export const HIGH_RAM_BYTES = 16 * MIB;
/** Nothing is behind this address. */
export const HOLE = 0x3000_0000;

export const QUEUE_BASE = 0x0f00_0000;
/** Where tests let wait descriptors write. */
export const STATUS_WORD = 0x0e00_0000;

export const NO_CACHES: IommuCacheConfig = {
  context: 0,
  pasid: 0,
  iotlb: 0,
  pagingStructure: 0,
  interruptEntry: 0,
};

export interface SentInvalidation {
  readonly rid: number;
  readonly itag: number;
  readonly pasid: number;
  readonly isGlobal: boolean;
  readonly address: bigint;
  readonly sizeShift: number;
}

export interface SentResponse {
  readonly rid: number;
  readonly pasid: number;
  readonly groupIndex: number;
  readonly code: number;
}

export interface IommuBenchOptions {
  readonly profile?: CapabilityProfile;
  /** One-bit capabilities that differ from the lab profile. */
  readonly flags?: Readonly<Record<string, boolean>>;
  readonly version?: number;
  /** All off unless given. */
  readonly caches?: Partial<IommuCacheConfig>;
  readonly isCompressingFaults?: boolean;
  readonly traceMode?: TraceOptions['mode'];
  readonly store?: FrameStore;
  readonly rom?: Uint8Array;
  /** For units with virtual commands. */
  readonly pasids?: PasidAllocatorPort;
}

export type FaultRecordValues = ReturnType<typeof FaultRecord.decode>;

export type GlobalCommand = 'TE' | 'SRTP' | 'WBF' | 'QIE' | 'IRE' | 'SIRTP' | 'CFI';

/** Level bits of the status register; the rest of GCMD_REG is one-shot. */
const LEVEL_BITS = 0x8680_0000;

export class IommuBench {
  readonly memory: PhysicalMemory;
  readonly trace: Trace;
  readonly queue: EventQueue;
  readonly unit: RemappingUnit;
  readonly invalidations: SentInvalidation[] = [];
  readonly responses: SentResponse[] = [];
  readonly messages: { readonly address: bigint; readonly data: number }[] = [];

  constructor(options: IommuBenchOptions = {}) {
    const base = options.profile ?? profileWith(options.flags ?? {});
    const caches = { ...NO_CACHES, ...options.caches };
    this.memory = new PhysicalMemory(options.store ?? new FrameStore(64), [
      { base: 0, bytes: RAM_BYTES, kind: 'ram' },
      { base: ROM_BASE, bytes: ROM_BYTES, kind: 'rom' },
      { base: HIGH_RAM_BASE, bytes: HIGH_RAM_BYTES, kind: 'ram' },
    ]);
    if (options.rom !== undefined) {
      this.memory.loadRom(ROM_BASE, options.rom);
    }
    this.trace = new Trace({ mode: options.traceMode ?? 'off' });
    this.queue = new EventQueue(this.trace);
    this.unit = new RemappingUnit({
      name: 'dmar0',
      capability: decodeCapability({ ...base, version: options.version ?? base.version }),
      caches,
      isCompressingFaults: options.isCompressingFaults ?? false,
      memory: this.memory,
      queue: this.queue,
      trace: this.trace,
      interrupts: {
        deliver: (high, low, data) => {
          this.messages.push({ address: bigOf(high, low), data });
        },
      },
      devices: {
        invalidate: (rid, itag, pasid, isGlobal, high, low, sizeShift) => {
          const address = bigOf(high, low);
          this.invalidations.push({ rid, itag, pasid, isGlobal, address, sizeShift });
          return true;
        },
        pageGroupResponse: (rid, pasid, groupIndex, code) => {
          this.responses.push({ rid, pasid, groupIndex, code });
        },
      },
      ...(options.pasids === undefined ? {} : { pasids: options.pasids }),
      createInterruptRemapping: (context) =>
        new InterruptRemapping({ ...context, cacheEntries: caches.interruptEntry }),
    });
  }

  // ---- registers -----------------------------------------------------------------------------------------------------

  read(name: string): bigint {
    const register = this.unit.registers.register(name);
    return register.bytes === 16
      ? this.unit.read(register.offset, 8)
      : this.unit.read(register.offset, register.bytes as 4 | 8);
  }

  write(name: string, value: bigint | number): void {
    const register = this.unit.registers.register(name);
    this.unit.write(register.offset, register.bytes as 4 | 8, BigInt(value));
  }

  field(register: string, name: string): number {
    return this.unit.registers.get(register, name);
  }

  /** Sets command bits on top of what is enabled, as GCMD_REG wants it. */
  command(...names: readonly GlobalCommand[]): void {
    const bits = names.reduce((mask, name) => mask | (1 << GCMD_REG.field(name).low), 0);
    this.write(
      'GCMD_REG',
      ((this.unit.registers.peek32(GSTS_REG.offset) & LEVEL_BITS) | bits) >>> 0,
    );
  }

  /** Clears one level bit. */
  clear(name: GlobalCommand): void {
    const bit = 1 << GCMD_REG.field(name).low;
    const status = this.unit.registers.peek32(GSTS_REG.offset) & LEVEL_BITS;
    this.write('GCMD_REG', (status & ~bit) >>> 0);
  }

  setRoot(address: number, ttm: number, ssirwe = 0): void {
    const words = RTADDR_REG.encode({ RTA: BigInt(address), TTM: ttm, SSIRWE: ssirwe });
    this.write('RTADDR_REG', bigOf(words[1] as number, words[0] as number));
    this.command('SRTP');
  }

  setInterruptTable(address: number, size: number, isExtended: boolean): void {
    const words = IRTA_REG.encode({
      IRTA: BigInt(address),
      S: size,
      EIME: isExtended ? 1 : 0,
    });
    this.write('IRTA_REG', bigOf(words[1] as number, words[0] as number));
    this.command('SIRTP');
  }

  // ---- invalidation queue --------------------------------------------------------------------------------------------

  startQueue(options: { readonly isWide?: boolean; readonly size?: number } = {}): void {
    const words = IQA_REG.encode({
      IQA: BigInt(QUEUE_BASE),
      DW: (options.isWide ?? true) ? 1 : 0,
      QS: options.size ?? 0,
    });
    this.write('IQT_REG', 0);
    this.write('IQA_REG', bigOf(words[1] as number, words[0] as number));
    this.command('QIE');
  }

  get slotBytes(): number {
    return this.field('IQA_REG', 'DW') === 1 ? 32 : 16;
  }

  get queueBytes(): number {
    return 4096 * 2 ** this.field('IQA_REG', 'QS');
  }

  /** Writes descriptors behind the tail and moves it. */
  submit(...descriptors: readonly Uint32Array[]): void {
    let tail = Number(this.read('IQT_REG'));
    for (const words of descriptors) {
      const slot = new Uint32Array(this.slotBytes / 4);
      slot.set(words.subarray(0, slot.length));
      this.memory.writeWords(QUEUE_BASE + tail, slot);
      tail = (tail + this.slotBytes) % this.queueBytes;
    }
    this.write(IQT_REG.name, tail);
  }

  // ---- requests ------------------------------------------------------------------------------------------------------

  request(values: Partial<Omit<IommuRequest, 'high' | 'low'>> & { readonly address: bigint }): {
    readonly status: CompletionStatus;
    readonly answer: IommuAnswer;
  } {
    const { address, ...rest } = values;
    const request = Object.assign(createIommuRequest(), rest);
    request.high = highOfBig(address);
    request.low = lowOfBig(address);
    const status = this.unit.translate(request);
    return { status, answer: { ...this.unit.answer } };
  }

  pageRequest(
    rid: number,
    values: Partial<Omit<PageRequest, 'high' | 'low'>> & { readonly address: bigint },
  ): void {
    const { address, ...rest } = values;
    this.unit.pageRequest(rid, {
      pasid: -1,
      isPrivileged: false,
      isExecute: false,
      isRead: true,
      isWrite: false,
      isLastInGroup: true,
      groupIndex: 0,
      high: highOfBig(address),
      low: lowOfBig(address),
      ...rest,
    });
  }

  /** The device answers everything that it was sent. */
  answerInvalidations(): void {
    for (const { rid, itag } of this.invalidations.splice(0)) {
      this.unit.invalidationComplete(rid, (1 << itag) >>> 0, 1);
    }
  }

  /** Lets time pass until nothing is due any more. */
  settle(): void {
    while (this.queue.runNext(Number.POSITIVE_INFINITY)) {
      // Each call runs one entry.
    }
  }

  // ---- faults --------------------------------------------------------------------------------------------------------

  recordAt(index: number): FaultRecordValues {
    const { faultRecordOffset } = this.unit.limits.capability;
    const words = new Uint32Array(4);
    for (let w = 0; w < 4; w++) {
      words[w] = this.unit.registers.peek32(faultRecordOffset + index * FRCD_REG.bytes + w * 4);
    }
    return FaultRecord.decode(words);
  }

  /** Valid records, from the first register on. */
  records(): readonly FaultRecordValues[] {
    const { faultRecordCount } = this.unit.limits.capability;
    return Array.from({ length: faultRecordCount }, (_, i) => this.recordAt(i)).filter(
      (record) => record.F === 1,
    );
  }

  /** Software frees one record. */
  freeRecord(index: number): void {
    const { faultRecordOffset } = this.unit.limits.capability;
    this.unit.write(faultRecordOffset + index * FRCD_REG.bytes + 12, 4, 0x8000_0000n);
  }
}
