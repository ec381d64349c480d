/**
 * A small driver for tests: finds the capabilities, places BARs, configures groups and queues, runs commands by polling,
 * submits descriptors, reads completion records. Everything goes through the function's registers and portals.
 */
import { defined } from '../../src-main/bits/invariant.ts';
import { CAPABILITY_ID, EXTENDED_CAPABILITY_ID } from '../../src-main/spec/pcie/capability-id.ts';
import { COMMAND } from '../../src-main/spec/dsa/commands.ts';
import { FLAG } from '../../src-main/spec/dsa/descriptor.ts';
import { GroupConfig } from '../../src-main/spec/dsa/group-config.ts';
import { descriptorStructure, recordStructure } from '../../src-main/spec/dsa/operations.ts';
import { WQ_MODE, WqConfig } from '../../src-main/spec/dsa/wq-config.ts';
import { EventQueue } from '../../src-main/sim/core/event-queue.ts';
import { Trace, type TraceOptions } from '../../src-main/sim/core/trace.ts';
import type { DsaConfig } from '../../src-main/sim/devices/dsa/config.ts';
import { createDsaDevice, type DsaDevice } from '../../src-main/sim/devices/dsa/dsa-device.ts';
import type { BlockWriteResult } from '../../src-main/sim/pcie/ports.ts';
import { eventCatalogue, findEventKind } from '../../src-main/spec/events/event.ts';
import { FakeUpstreamPort } from './fake-upstream-port.ts';

const MEMORY_BYTES = 2 * 1024 * 1024;
const BAR0 = 0;
const BAR2 = 2;
const LONG_NS = 1e9;

export const RECORD = FLAG.recordAddressValid | FLAG.requestRecord;

export interface DriverOptions {
  readonly config?: DsaConfig;
  readonly trace?: TraceOptions;
  readonly memoryBytes?: number;
}

export interface FunctionSetup {
  readonly pasid?: boolean;
  readonly priv?: boolean;
  readonly ats?: boolean;
  readonly pri?: boolean;
  readonly busMaster?: boolean;
  readonly pageRequests?: number;
}

type Values = Readonly<Record<string, number | bigint>>;

export interface CommandResult {
  readonly error: number;
  readonly result: number;
}

export interface TraceRecord {
  readonly seq: number;
  readonly kind: string;
  readonly cause: number;
  readonly timeNs: number;
  readonly values: readonly number[];
}

export class DsaDriver {
  readonly trace: Trace;
  readonly queue: EventQueue;
  readonly port: FakeUpstreamPort;
  readonly device: DsaDevice;

  constructor({
    config = {},
    trace = { mode: 'store' },
    memoryBytes = MEMORY_BYTES,
  }: DriverOptions = {}) {
    this.trace = new Trace(trace);
    this.queue = new EventQueue(this.trace);
    this.port = new FakeUpstreamPort(memoryBytes);
    this.device = createDsaDevice({
      name: 'dsa0',
      config,
      port: this.port,
      queue: this.queue,
      trace: this.trace,
    });
  }

  /** Offset of a capability found by walking the lists, as drivers do. */
  findCapability(id: number): number | undefined {
    for (
      let at = this.device.configRead(0x34, 1);
      at !== 0;
      at = this.device.configRead(at + 1, 1)
    ) {
      if (this.device.configRead(at, 1) === id) {
        return at;
      }
    }
    return undefined;
  }

  findExtendedCapability(id: number): number | undefined {
    for (let at = 0x100; at !== 0; at = this.device.configRead(at, 4) >>> 20) {
      if ((this.device.configRead(at, 4) & 0xffff) === id) {
        return at;
      }
    }
    return undefined;
  }

  /** Enables the function as Linux does: PASID, PRI, ATS, then memory and bus mastering. */
  setUpFunction(setup: FunctionSetup = {}): void {
    const {
      pasid = true,
      priv = true,
      ats = true,
      pri = true,
      busMaster = true,
      pageRequests = 32,
    } = setup;
    const { device } = this;
    const at = (id: number): number => defined(this.findExtendedCapability(id), 'Capability');
    device.configWrite(0x10, 4, 0x1000_0000);
    device.configWrite(0x14, 4, 0x20);
    device.configWrite(0x18, 4, 0x2000_0000);
    device.configWrite(0x1c, 4, 0x20);
    if (pasid) {
      device.configWrite(at(EXTENDED_CAPABILITY_ID.pasid) + 6, 2, priv ? 0b101 : 0b001);
    }
    if (pri) {
      device.configWrite(at(EXTENDED_CAPABILITY_ID.pageRequest) + 0xc, 4, pageRequests);
      device.configWrite(at(EXTENDED_CAPABILITY_ID.pageRequest) + 4, 2, 1);
    }
    if (ats) {
      device.configWrite(at(EXTENDED_CAPABILITY_ID.addressTranslationServices) + 6, 2, 0x8000);
    }
    const msix = defined(this.findCapability(CAPABILITY_ID.msiX), 'MSI-X');
    device.configWrite(msix + 2, 2, 0x8000);
    device.configWrite(0x04, 2, busMaster ? 0b110 : 0b010);
  }

  read(offset: number, bytes: 1 | 2 | 4 | 8 = 4): number {
    return Number(this.device.mmioRead(BAR0, offset, bytes));
  }

  read64(offset: number): bigint {
    return this.device.mmioRead(BAR0, offset, 8);
  }

  write(offset: number, value: number | bigint, bytes: 1 | 2 | 4 | 8 = 4): void {
    this.device.mmioWrite(BAR0, offset, bytes, BigInt(value));
  }

  /** Start of a table, from OFFSETS: field number 0 to 5. */
  table(index: number): number {
    const word = this.read(0x60 + (index >>> 1) * 4);
    return ((word >>> ((index & 1) * 16)) & 0xffff) * 0x100;
  }

  get wqConfigBytes(): number {
    return 32 << ((this.read(0x20) >>> 24) & 0xf);
  }

  writeGroup(group: number, values: Values): void {
    this.#writeWords(this.table(0) + group * 64, GroupConfig.encode(values));
  }

  /** Read-modify-write of WQCFG, dword by dword. */
  writeWq(wq: number, values: Values): void {
    const bytes = this.wqConfigBytes;
    const base = this.table(1) + wq * bytes;
    const words = this.#readWords(base, bytes / 4);
    const full = new Uint32Array(16);
    full.set(words);
    for (const [name, value] of Object.entries(values)) {
      WqConfig.set(full, name as 'size', value);
    }
    full[6] = 0;
    this.#writeWords(base, full.subarray(0, bytes / 4));
  }

  readWq(wq: number): ReturnType<typeof WqConfig.decode> {
    const bytes = this.wqConfigBytes;
    const full = new Uint32Array(16);
    full.set(this.#readWords(this.table(1) + wq * bytes, bytes / 4));
    return WqConfig.decode(full);
  }

  /** Writes CMD and runs until Active is 0. */
  command(code: number, operand = 0, flags = 0): CommandResult {
    this.startCommand(code, operand, flags);
    while ((this.read(0xa8) & 0x8000_0000) !== 0 && this.queue.runNext(Number.POSITIVE_INFINITY));
    return this.commandStatus();
  }

  startCommand(code: number, operand = 0, flags = 0): void {
    this.write(0xa0, ((code << 20) | operand | flags) >>> 0);
  }

  commandStatus(): CommandResult & { readonly isActive: boolean } {
    const status = this.read(0xa8);
    return { error: status & 0xff, result: (status >>> 8) & 0xffff, isActive: status >>> 31 === 1 };
  }

  /** One group with all engines and the given queues; enables device and queues. */
  setUpQueues(wqs: readonly Values[], group: Values = {}): void {
    const engines = (1n << BigInt(this.read(0x38) & 0xff)) - 1n;
    const bitmap = wqs.reduce<bigint>((map, _, i) => map | (1n << BigInt(i)), 0n);
    const buffers = (this.read(0x30) >>> 8) & 0xff;
    this.writeGroup(0, { wqs: bitmap, engines, readBuffersAllowed: buffers, ...group });
    wqs.forEach((values, i) => {
      this.writeWq(i, { ...DEFAULT_WQ, ...values });
    });
    expectSuccess(this.command(COMMAND.enableDevice), 'Enable Device');
    wqs.forEach((_, i) => {
      expectSuccess(this.command(COMMAND.enableWq, i), `Enable WQ ${i}`);
    });
  }

  /** Function and queues in one step: a dedicated queue 0 with PASID 1 and a shared queue 1, unless told otherwise. */
  setUp(
    wqs: readonly Values[] = [DEDICATED, SHARED],
    setup: FunctionSetup = {},
    group: Values = {},
  ): this {
    this.setUpFunction(setup);
    this.setUpQueues(wqs, group);
    return this;
  }

  /** Sends 16 words to a portal. */
  submit(
    wq: number,
    words: Uint32Array,
    page = 0,
    kind?: 'posted' | 'deferrable',
  ): BlockWriteResult {
    const isDedicated = this.device.inspect.wq(wq).config.mode === WQ_MODE.dedicated;
    const how = kind ?? (isDedicated ? 'posted' : 'deferrable');
    return this.device.blockWrite(BAR2, wq * 0x4000 + page * 0x1000, words, how);
  }

  /** Lets simulated time pass, by default a long one, and everything due in it happen. */
  run(durationNs = LONG_NS): void {
    const end = this.queue.nowNs + durationNs;
    while (this.queue.runNext(end));
    this.queue.advanceTo(end);
  }

  /** Submits, runs, and gives the completion record at the descriptor's record address. */
  execute(words: Uint32Array, wq = 0): Record<string, number | bigint> {
    const record = words[2] as number;
    this.port.memory.fill(0, record, record + 32);
    const result = this.submit(wq, words);
    if (result !== 'accepted') {
      throw new Error(`The portal answered ${result}`);
    }
    this.run();
    return this.record(words);
  }

  /** The completion record of a descriptor, decoded. */
  record(words: Uint32Array): Record<string, number | bigint> {
    return decodeRecord((words[1] as number) >>> 24, this.bytes(words[2] as number, 32));
  }

  bytes(address: number, length: number): Uint8Array {
    return this.port.memory.slice(address, address + length);
  }

  fill(address: number, bytes: ArrayLike<number>): void {
    this.port.memory.set(bytes, address);
  }

  /** Trace records of a kind, oldest first. */
  records(kind: string): readonly TraceRecord[] {
    const id = defined(findEventKind(kind), kind).id;
    return this.allRecords().filter((r) => findEventKind(r.kind)?.id === id);
  }

  allRecords(): readonly TraceRecord[] {
    const found: TraceRecord[] = [];
    for (let seq = this.trace.tail; seq < this.trace.head; seq++) {
      const record = defined(this.trace.read(seq), `Record ${seq}`);
      found.push({
        seq,
        kind: kindName(record.kind),
        cause: record.cause,
        timeNs: record.timeNs,
        values: [...record.slots],
      });
    }
    return found;
  }

  #readWords(offset: number, count: number): Uint32Array {
    return Uint32Array.from({ length: count }, (_, i) => this.read(offset + 4 * i));
  }

  #writeWords(offset: number, words: Uint32Array): void {
    words.forEach((word, i) => {
      this.write(offset + 4 * i, word);
    });
  }
}

export const DEFAULT_WQ: Values = {
  size: 16,
  threshold: 16,
  priority: 10,
  maxTransferShift: 21,
  maxBatchShift: 5,
};
export const DEDICATED: Values = {
  mode: WQ_MODE.dedicated,
  pasidEnable: 1,
  pasid: 1,
  priv: 1,
  blockOnFault: 0,
};
export const SHARED: Values = { mode: WQ_MODE.shared, pasidEnable: 1 };

export function expectSuccess(result: CommandResult, what: string): void {
  if (result.error !== 0) {
    throw new Error(`${what} failed with ${result.error.toString(16)}h`);
  }
}

/** A descriptor of an operation with the fields of its declaration; `flags` are added as bits. */
export function descriptor(opcode: number, values: Values = {}, flags = 0): Uint32Array {
  const words = descriptorStructure(opcode).encode({ opcode, ...values } as never);
  words[1] = ((words[1] as number) | flags) >>> 0;
  return words;
}

export function decodeRecord(opcode: number, bytes: Uint8Array): Record<string, number | bigint> {
  const words = new Uint32Array(8);
  for (let i = 0; i < 32; i++) {
    words[i >>> 2] = ((words[i >>> 2] as number) | ((bytes[i] as number) << ((i & 3) * 8))) >>> 0;
  }
  return recordStructure(opcode).decode(words) as Record<string, number | bigint>;
}

const kindNames = new Map<number, string>();

function kindName(id: number): string {
  if (kindNames.size === 0) {
    eventCatalogue().forEach((kind) => kindNames.set(kind.id, kind.kind));
  }
  return kindNames.get(id) ?? '?';
}
