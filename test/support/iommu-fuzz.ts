/**
 * Random treatment of a remapping unit, from bytes: register writes of any kind, descriptors and tables in memory, requests,
 * page requests, interrupts, completions, time. A byte string always means the same run, so that a run which once found
 * something can be kept (`test/fuzz/corpus`).
 */
import { invariant } from '../../src-main/bits/invariant.ts';
import type { Register } from '../../src-main/bits/register-block.ts';
import { DEFAULT_IOMMU_CACHES, type IommuCacheConfig } from '../../src-main/sim/machine-config.ts';
import type { EventQueueState } from '../../src-main/sim/core/event-queue.ts';
import { createIommuRequest, type IommuRequest } from '../../src-main/sim/iommu/request.ts';
import type { UnitState } from '../../src-main/sim/iommu/unit.ts';
import type { FrameStore } from '../../src-main/sim/memory/frame-store.ts';
import type { PhysicalMemory } from '../../src-main/sim/memory/physical-memory.ts';
import type { AccessKind } from '../../src-main/sim/iommu/first-stage-walk.ts';
import type { AddressType } from '../../src-main/sim/pcie/ports.ts';
import { FRCD_REG, FSTS_REG } from '../../src-main/spec/vtd/registers/fault.ts';
import { GCMD_REG, GSTS_REG } from '../../src-main/spec/vtd/registers/global-command.ts';
import { IQH_REG, IQT_REG } from '../../src-main/spec/vtd/registers/invalidation-queue.ts';
import { profileWith } from './interrupt-bench.ts';
import { HOLE, IommuBench, NO_CACHES, ROM_BASE, type SentInvalidation } from './iommu-bench.ts';
import { QUEUE_SCENARIOS, type QueueScenario } from './iommu-queue-scenarios.ts';
import { SMALL_CACHES } from './iommu-twin-worlds.ts';

/** Where bytes come from. */
export interface ByteSource {
  next(): number;
  readonly isDone: boolean;
}

/** An endless stream from a seed (xorshift). */
export class SeededBytes implements ByteSource {
  #state: number;
  readonly isDone = false;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e37_79b9) | 1;
  }

  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x & 0xff;
  }
}

export class GivenBytes implements ByteSource {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isDone(): boolean {
    return this.#at >= this.#bytes.length;
  }

  next(): number {
    return this.#bytes[this.#at++] ?? 0;
  }
}

export interface FuzzOptions {
  readonly traceMode: 'off' | 'store';
  /** Shared by machines that exchange states. */
  readonly store: FrameStore;
}

/** Everything that decides what a machine does next, but for the bytes. */
export interface FuzzState {
  readonly memory: ReturnType<PhysicalMemory['snapshot']>;
  readonly unit: UnitState;
  readonly queue: EventQueueState;
  readonly sent: readonly SentInvalidation[];
  readonly request: IommuRequest;
}

/** Pages that hold tables, queues and data: everything points somewhere into them. */
const PAGES = 16;
const FIRST_PAGE = 0x10_0000;
const QUEUE_PAGE = FIRST_PAGE + 8 * 4096;
const RIDS = [0x0000, 0x0318, 0x0398, 0xffff] as const;
const PASIDS = [-1, 0, 1, 5, 63, 64, 0x2000, 0xf_ffff] as const;

const UNITS: readonly {
  readonly flags: Readonly<Record<string, boolean>>;
  readonly version: number;
  readonly caches: IommuCacheConfig;
}[] = [
  { flags: {}, version: 0x60, caches: DEFAULT_IOMMU_CACHES },
  {
    flags: { PTRS: true, HPTS: true, SSIRWS: true, PLMR: true, PHMR: true },
    version: 0x60,
    caches: SMALL_CACHES,
  },
  { flags: { PTRS: true, CM: true, EIMER: true }, version: 0x80, caches: NO_CACHES },
  { flags: { DT: false, PRS: false, SC: false, RPS: false }, version: 0x10, caches: SMALL_CACHES },
];

const NOTHING = new Uint32Array(8);

const EVENT_CONTROLS = ['FECTL_REG', 'IECTL_REG', 'PECTL_REG'] as const;

export class FuzzMachine {
  readonly bench: IommuBench;
  #bytes: ByteSource;
  readonly #registers: readonly Register[];
  readonly #request: IommuRequest = createIommuRequest();
  readonly #controls: readonly number[];
  readonly #operations: readonly (() => void)[];

  constructor(bytes: ByteSource, options: Partial<FuzzOptions> = {}) {
    this.#bytes = bytes;
    const { flags, version, caches } = UNITS[bytes.next() & 3] as (typeof UNITS)[number];
    this.bench = new IommuBench({
      profile: profileWith(flags),
      version,
      caches,
      isCompressingFaults: (bytes.next() & 1) === 1,
      traceMode: options.traceMode ?? 'off',
      ...(options.store === undefined ? {} : { store: options.store }),
    });
    this.#registers = this.bench.unit.registers.block.registers;
    this.#controls = EVENT_CONTROLS.flatMap((name) => {
      const register = this.#registers.find((r) => r.name === name);
      return register === undefined ? [] : [register.offset];
    });
    const write = (): void => this.#writeRegister();
    const table = (): void => this.#writeTable();
    const request = (): void => this.#translate();
    const queue = (): void => this.#queueDescriptor();
    this.#operations = [
      ...[write, write, (): void => this.#writeAnywhere(), (): void => this.#command()],
      ...[table, table, table, (): void => this.#link()],
      ...[request, request, request, queue],
      ...[
        queue,
        (): void => this.#page(),
        (): void => this.#complete(),
        (): void => this.#interrupt(),
      ],
    ];
  }

  /** One operation. */
  step(): void {
    const choice = this.#bytes.next();
    if (choice >= 0xfe) {
      this.bench.queue.runNext(Number.POSITIVE_INFINITY);
    } else {
      (this.#operations[choice & 15] as () => void)();
    }
    this.bench.messages.length = 0;
    this.bench.responses.length = 0;
    this.#check();
  }

  /** Goes on with other bytes. */
  feed(bytes: ByteSource): void {
    this.#bytes = bytes;
  }

  save(): FuzzState {
    const { memory, unit, queue, invalidations } = this.bench;
    return {
      memory: memory.snapshot(),
      unit: unit.snapshot(),
      queue: queue.snapshot(),
      sent: [...invalidations],
      request: { ...this.#request },
    };
  }

  load(state: FuzzState): void {
    const { memory, unit, queue, invalidations } = this.bench;
    memory.restore(state.memory);
    unit.restore(state.unit);
    queue.restore(state.queue);
    invalidations.splice(0, invalidations.length, ...state.sent);
    Object.assign(this.#request, state.request);
  }

  // ---- values --------------------------------------------------------------------------------------------------------

  #word(): number {
    const b = this.#bytes;
    return (b.next() | (b.next() << 8) | (b.next() << 16) | (b.next() << 24)) >>> 0;
  }

  /** Small, extreme, a page of ours, or anything. */
  #value(): bigint {
    const kind = this.#bytes.next();
    switch (kind & 7) {
      case 0:
        return BigInt(kind >>> 3);
      case 1:
        return 0xffff_ffff_ffff_ffffn;
      case 2:
        return 1n << BigInt(kind >>> 2);
      case 3:
      case 4:
      case 5:
        return BigInt(this.#pageAddress()) | BigInt(this.#word() & 0xfff);
      default:
        return (BigInt(this.#word()) << 32n) | BigInt(this.#word());
    }
  }

  #pageAddress(): number {
    const choice = this.#bytes.next();
    if (choice >= 0xf8) {
      return choice >= 0xfc ? HOLE : ROM_BASE;
    }
    return FIRST_PAGE + (choice % PAGES) * 4096;
  }

  /** An entry that is likely to be followed: a page of ours with rights and few other bits. */
  #entry(): bigint {
    const flags = this.#bytes.next();
    const low = flags < 0xe0 ? (flags & 0xa0) | 0x7 : this.#word() & 0xfff;
    return BigInt(this.#pageAddress()) | BigInt(low);
  }

  // ---- operations ----------------------------------------------------------------------------------------------------

  #writeRegister(): void {
    const register = this.#registers[this.#word() % this.#registers.length] as Register;
    const half = this.#bytes.next() & 1;
    if (register.bytes === 4) {
      this.bench.unit.write(register.offset, 4, this.#value() & 0xffff_ffffn);
    } else if (half === 1) {
      this.bench.unit.write(register.offset + 4, 4, this.#value() & 0xffff_ffffn);
    } else {
      this.bench.unit.write(register.offset, 8, this.#value());
    }
  }

  #writeAnywhere(): void {
    const size = ([4, 8, 4, 8, 1, 2] as const)[this.#bytes.next() % 6] as 1 | 2 | 4 | 8;
    const offset = (this.#word() % this.bench.unit.regionBytes) & -size;
    this.bench.unit.write(offset, size, this.#value() & ((1n << BigInt(size * 8)) - 1n));
    this.bench.unit.read(offset, size);
  }

  /** What software does: a root pointer with some mode, then one more command. */
  #command(): void {
    const { unit } = this.bench;
    const choice = this.#bytes.next();
    const status = unit.registers.peek32(GSTS_REG.offset) & 0x8680_0000;
    if ((choice & 3) === 0) {
      const ttm = choice < 0xc0 ? 1 : (choice >>> 4) & 3;
      this.bench.write('RTADDR_REG', BigInt(FIRST_PAGE) | BigInt(ttm << 10));
      unit.write(GCMD_REG.offset, 4, BigInt((status | 0x4000_0000) >>> 0));
      unit.write(GCMD_REG.offset, 4, BigInt((status | 0x8000_0000) >>> 0));
      return;
    }
    const bit = 1 << (23 + ((choice >>> 2) % 9));
    // Translation stays on most of the time.
    if (bit < 0 && choice < 0xe0) {
      return;
    }
    unit.write(GCMD_REG.offset, 4, BigInt((status ^ bit) >>> 0));
  }

  #writeTable(): void {
    const { memory } = this.bench;
    const page = FIRST_PAGE + (this.#bytes.next() % PAGES) * 4096;
    const at = page + (this.#word() & 0xff8);
    memory.write64(at, (this.#bytes.next() & 3) === 0 ? this.#value() : this.#entry());
  }

  /** Root, context and PASID entries where the requests below look for them. */
  #link(): void {
    const { memory } = this.bench;
    const rid = RIDS[this.#bytes.next() & 3] as number;
    const pasid = Math.max(0, PASIDS[this.#bytes.next() & 7] as number);
    const [root, context, directory, table] = [0, 1, 2, 3].map((i) => FIRST_PAGE + i * 4096) as [
      number,
      number,
      number,
      number,
    ];
    const half = (rid >>> 7) & 1;
    memory.write64(root + (rid >>> 8) * 16 + half * 8, BigInt(context) | 1n);
    const contextAt = context + (rid & 0x7f) * 32;
    const optional = 0x5cn & ~BigInt(this.bench.unit.limits.scalableContext[0] as number);
    memory.write64(
      contextAt,
      BigInt(directory) | 1n | optional | (BigInt(this.#bytes.next() & 7) << 9n),
    );
    memory.write64(contextAt + 8, 9n);
    memory.write64(directory + (((pasid >>> 6) * 8) % 4096), BigInt(table) | 1n);
    const entryAt = table + (pasid & 63) * 64;
    const pgtt = BigInt(this.#bytes.next() & 7);
    const flags = BigInt(this.#word());
    memory.write64(entryAt, BigInt(this.#pageAddress()) | (pgtt << 6n) | 0x9n | (flags & 0x206n));
    memory.write64(entryAt + 8, 0x80_0000n | (flags & 0x0100_0003n));
    memory.write64(entryAt + 16, BigInt(this.#pageAddress()) | ((flags >> 8n) & 0x95n));
  }

  #translate(): void {
    const request = this.#request;
    const choice = this.#bytes.next();
    if (choice >= 0xe0) {
      // Once more: by now the answer may be cached.
      this.bench.unit.translate(request);
      return;
    }
    request.rid = RIDS[choice & 3] as number;
    request.pasid = PASIDS[(choice >>> 2) & 7] as number;
    request.isPrivileged = choice >= 0xb0;
    const more = this.#bytes.next();
    request.kind = (more % 3) as AccessKind;
    request.addressType = ((more >>> 2) & 3) as AddressType;
    request.isExecute = (more & 0xf0) === 0xf0;
    request.isNoWrite = (more & 0x30) === 0x30;
    request.bytes = (more & 0xc0) === 0xc0 ? 0 : 8;
    const where = this.#bytes.next();
    request.high = where < 0xe0 ? 0 : this.#word();
    request.low = where < 0x40 ? (where & 0x3f) * 4096 : this.#word();
    this.bench.unit.translate(request);
  }

  #queueDescriptor(): void {
    const { unit, memory } = this.bench;
    const choice = this.#bytes.next();
    const isWide = choice < 0xd0;
    const slot = isWide ? 32 : 16;
    this.bench.write('IQA_REG', BigInt(QUEUE_PAGE) | (isWide ? 0x800n : 0n));
    if ((unit.registers.peek32(GSTS_REG.offset) & 0x0400_0000) === 0 && choice < 0xf0) {
      this.bench.write('IQT_REG', 0);
      this.bench.command('QIE');
    }
    const head = unit.registers.peek32(IQH_REG.offset) & 0xfe0;
    const at = QUEUE_PAGE + head;
    if ((choice & 8) === 0) {
      const { words } = QUEUE_SCENARIOS[
        this.#bytes.next() % QUEUE_SCENARIOS.length
      ] as QueueScenario;
      memory.writeWords(at, NOTHING);
      memory.writeWords(at, words);
    } else {
      this.#randomDescriptor(at, choice);
    }
    unit.write(IQT_REG.offset, 8, BigInt((head + slot) % 4096));
    unit.write(FSTS_REG.offset, 4, 0x70n);
  }

  #randomDescriptor(at: number, choice: number): void {
    const { memory } = this.bench;
    const fields = this.#word();
    const type = choice < 0xe0 ? (choice >>> 1) % 11 : fields & 0xf;
    const kept = (choice & 2) === 0 ? 0xffff_fff0n : 0xffff_0030n;
    memory.write64(at, BigInt(type) | (BigInt(fields) & kept) | (BigInt(this.#word() & 15) << 32n));
    memory.write64(at + 8, (choice & 4) === 0 ? this.#value() : BigInt(FIRST_PAGE + 0xf000));
    memory.write64(at + 16, choice < 0xf8 ? 0n : this.#value());
    memory.write64(at + 24, 0n);
  }

  #page(): void {
    const choice = this.#bytes.next();
    this.bench.unit.pageRequest(RIDS[choice & 3] as number, {
      pasid: PASIDS[(choice >>> 2) & 7] as number,
      isPrivileged: choice >= 0x80,
      isExecute: false,
      isRead: (choice & 0x20) !== 0,
      isWrite: (choice & 0x40) !== 0,
      isLastInGroup: (choice & 1) === 0,
      groupIndex: this.#bytes.next(),
      high: 0,
      low: this.#word(),
    });
  }

  #complete(): void {
    const { invalidations, unit } = this.bench;
    const sent = invalidations.shift();
    const choice = this.#bytes.next();
    if (sent === undefined || choice >= 0xe0) {
      unit.invalidationComplete(RIDS[choice & 3] as number, this.#word(), choice & 7);
      return;
    }
    unit.invalidationComplete(sent.rid, (1 << sent.itag) >>> 0, 1);
    invalidations.length = Math.min(invalidations.length, 64);
  }

  #interrupt(): void {
    const { memory } = this.bench;
    const choice = this.#bytes.next();
    if ((choice & 7) === 0) {
      this.bench.write('IRTA_REG', BigInt(FIRST_PAGE) | BigInt(choice >>> 3) | 0x800n);
      this.bench.command('SIRTP', 'IRE');
    }
    if ((choice & 0x18) === 0) {
      const entryAt = FIRST_PAGE + (this.#bytes.next() & 15) * 16;
      const posted = (choice & 0x20) === 0 ? 0n : BigInt(this.#pageAddress()) | 0x8000n;
      memory.write64(entryAt, posted | 1n | (BigInt(this.#bytes.next()) << 16n));
      memory.write64(entryAt + 8, 0n);
    }
    const message =
      choice >= 0x80 ? 0x10 | ((this.#bytes.next() & 15) << 5) : this.#word() & 0xf_ffff;
    const low = (0xfee0_0000 | message) >>> 0;
    this.bench.unit.interrupt(RIDS[choice & 3] as number, 0, low, this.#word() & 0xffff);
  }

  // ---- what must hold ------------------------------------------------------------------------------------------------

  #check(): void {
    const { registers, limits } = this.bench.unit;
    const status = registers.peek32(FSTS_REG.offset);
    const { faultRecordOffset, faultRecordCount } = limits.capability;
    let isAnyRecorded = false;
    for (let i = 0; i < faultRecordCount; i++) {
      const top = registers.peek32(faultRecordOffset + i * FRCD_REG.bytes + 12);
      isAnyRecorded ||= top >>> 31 === 1;
    }
    invariant(isAnyRecorded === ((status & 2) !== 0), 'PPF is not the OR of the F bits');
    for (const offset of this.#controls) {
      invariant(registers.peek32(offset) >>> 30 !== 1, 'An event is pending that nothing holds');
    }
    const isQueueOn = (registers.peek32(GSTS_REG.offset) & 0x0400_0000) !== 0;
    invariant(isQueueOn || registers.peek32(IQH_REG.offset) === 0, 'A disabled queue has a head');
  }
}

/** Runs operations until the bytes or the count are used up; gives the number of operations. */
export function fuzz(bytes: ByteSource, operations: number): number {
  const machine = new FuzzMachine(bytes);
  let done = 0;
  while (done < operations && !bytes.isDone) {
    machine.step();
    done++;
  }
  return done;
}
