/**
 * A small network driver for tests: places rings and buffers in memory, programs a queue pair through the function's
 * registers, sends frames, collects what arrived.
 */
import { defined } from '../../src-main/bits/invariant.ts';
import { EventQueue } from '../../src-main/sim/core/event-queue.ts';
import { Trace, type TraceOptions } from '../../src-main/sim/core/trace.ts';
import type { NicConfig } from '../../src-main/sim/devices/nic/config.ts';
import { NicDevice } from '../../src-main/sim/devices/nic/nic-device.ts';
import { nicPlaces } from '../../src-main/sim/devices/nic/places.ts';
import type { FunctionHost, PcieFunction, UpstreamPort } from '../../src-main/sim/pcie/ports.ts';
import { RxWriteBack, TxDescriptor, RxDescriptor } from '../../src-main/spec/nic/descriptors.ts';
import { QUEUE_CONTEXT, DOORBELL_PAGE } from '../../src-main/spec/nic/registers.ts';
import { FakeUpstreamPort } from './fake-upstream-port.ts';

const BAR = { registers: 0, doorbells: 2 } as const;
const LONG_NS = 1e8;
/** Memory of one queue pair: transmit ring, receive ring, frames to send, receive buffers. */
const PAIR_BYTES = 0x4_0000;
const RX_RING = 0x1_0000;
const TX_DATA = 0x2_0000;
const RX_DATA = 0x3_0000;
const TX_SLOT = 2048;

/** Functions by Requester ID over one memory, as the fabric keeps them. */
export class FakeFunctionHost implements FunctionHost {
  readonly functions = new Map<number, PcieFunction>();
  moves = 0;
  readonly #memory: Uint8Array;
  readonly ports = new Map<number, FakeUpstreamPort>();

  constructor(memory: Uint8Array) {
    this.#memory = memory;
  }

  portOf(rid: number): UpstreamPort {
    const port = new FakeUpstreamPort(0, rid);
    Object.assign(port, { memory: this.#memory });
    this.ports.set(rid, port);
    return port;
  }

  find(rid: number): PcieFunction | undefined {
    return this.functions.get(rid);
  }

  add(rid: number, device: PcieFunction): void {
    this.functions.set(rid, device);
  }

  remove(rid: number): void {
    this.functions.delete(rid);
  }

  barsMoved(): void {
    this.moves++;
  }
}

export interface NicDriverOptions {
  readonly config?: NicConfig;
  readonly trace?: TraceOptions;
  readonly memoryBytes?: number;
}

export interface PairSetup {
  readonly pasid?: number;
  readonly mac?: string;
  readonly ringSize?: number;
  /** Receive buffers posted at first; the whole ring when not given. */
  readonly posted?: number;
  readonly control?: number;
  readonly headWriteBack?: number;
  readonly ims?: number;
  readonly bufferBytes?: number;
}

export interface ReceivedFrame {
  readonly bytes: Uint8Array;
  readonly isError: boolean;
  readonly isEnd: boolean;
}

/** One queue pair as its driver sees it: software's own copies of the indexes. */
interface Rings {
  readonly size: number;
  readonly bufferBytes: number;
  txTail: number;
  rxTail: number;
  rxNext: number;
}

/** Registers as either owner reaches them: BAR of the physical or of a virtual function. */
export interface PairAccess {
  readonly device: PcieFunction;
  readonly contextBar: number;
  readonly contextAt: number;
  readonly doorbellBar: number;
  readonly doorbellAt: number;
}

export function macNumber(text: string): bigint {
  return text
    .split(':')
    .reduceRight((all, byte) => (all << 8n) | BigInt(Number.parseInt(byte, 16)), 0n);
}

export function macBytes(text: string): readonly number[] {
  return text.split(':').map((byte) => Number.parseInt(byte, 16));
}

export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff';

export function macOf(index: number): string {
  return `02:00:00:00:00:${index.toString(16).padStart(2, '0')}`;
}

/** An Ethernet frame with a payload of `length` bytes that depend on `mark`. */
export function frameOf(to: string, from: string, length = 46, mark = 0): Uint8Array {
  const frame = new Uint8Array(14 + length);
  frame.set(macBytes(to), 0);
  frame.set(macBytes(from), 6);
  frame.set([0x88, 0xb5], 12);
  for (let i = 0; i < length; i++) {
    frame[14 + i] = (mark * 31 + i * 7) & 0xff;
  }
  return frame;
}

export class NicDriver {
  readonly trace: Trace;
  readonly queue: EventQueue;
  readonly port: FakeUpstreamPort;
  readonly host: FakeFunctionHost;
  readonly device: NicDevice;
  readonly #rings = new Map<number, Rings>();
  readonly #access = new Map<number, PairAccess>();

  constructor({
    config = {},
    trace = { mode: 'store' },
    memoryBytes = 8 * 2 ** 20,
  }: NicDriverOptions = {}) {
    this.trace = new Trace(trace);
    this.queue = new EventQueue(this.trace);
    this.port = new FakeUpstreamPort(memoryBytes);
    this.host = new FakeFunctionHost(this.port.memory);
    this.device = new NicDevice({
      name: 'nic0',
      config,
      port: this.port,
      queue: this.queue,
      trace: this.trace,
      functions: this.host,
    });
  }

  /** PASID, ATS, memory, bus mastering. */
  setUpFunction({ ats = true }: { readonly ats?: boolean } = {}): void {
    const { device } = this;
    device.configWrite(0x236, 2, 1);
    device.configWrite(0x226, 2, ats ? 0x8000 : 0);
    device.configWrite(0x04, 2, 6);
  }

  access(pair: number): PairAccess {
    return (
      this.#access.get(pair) ?? {
        device: this.device,
        contextBar: BAR.registers,
        contextAt: nicPlaces(this.device.settings).contexts + pair * 0x100,
        doorbellBar: BAR.doorbells,
        doorbellAt: pair * 0x1000,
      }
    );
  }

  /** From now on the pair is reached through another function. */
  setAccess(pair: number, access: PairAccess): void {
    this.#access.set(pair, access);
  }

  setContext(pair: number, register: string, value: bigint | number): void {
    const { device, contextBar, contextAt } = this.access(pair);
    const { offset, bytes } = registerOf(QUEUE_CONTEXT, register);
    device.mmioWrite(contextBar, contextAt + offset, bytes, BigInt(value));
  }

  context(pair: number, register: string): bigint {
    const { device, contextBar, contextAt } = this.access(pair);
    const { offset, bytes } = registerOf(QUEUE_CONTEXT, register);
    return device.mmioRead(contextBar, contextAt + offset, bytes);
  }

  setDoorbell(pair: number, register: string, value: number): void {
    const { device, doorbellBar, doorbellAt } = this.access(pair);
    const { offset } = registerOf(DOORBELL_PAGE, register);
    device.mmioWrite(doorbellBar, doorbellAt + offset, 4, BigInt(value));
  }

  doorbell(pair: number, register: string): number {
    const { device, doorbellBar, doorbellAt } = this.access(pair);
    const { offset } = registerOf(DOORBELL_PAGE, register);
    return Number(device.mmioRead(doorbellBar, doorbellAt + offset, 4));
  }

  memoryOf(pair: number): number {
    return (pair + 1) * PAIR_BYTES;
  }

  rxBuffer(pair: number, slot: number): number {
    const rings = this.#ringsOf(pair);
    return this.memoryOf(pair) + RX_DATA + slot * rings.bufferBytes;
  }

  txBuffer(pair: number, slot: number): number {
    return this.memoryOf(pair) + TX_DATA + slot * TX_SLOT;
  }

  /** Rings, buffers, PASID, address; then both rings go on. */
  setUpPair(pair: number, setup: PairSetup = {}): void {
    const { ringSize = 16, pasid, mac = macOf(pair), bufferBytes = 2048, ims } = setup;
    const base = this.memoryOf(pair);
    const rings = { size: ringSize, bufferBytes, txTail: 0, rxTail: 0, rxNext: 0 };
    this.#rings.set(pair, rings);
    if (pasid !== undefined) {
      this.setContext(pair, 'Q_PASID', 0x8000_0000 + pasid);
    }
    if (ims !== undefined) {
      this.setContext(pair, 'Q_VECTOR', 0x8001_0000 + ims);
    }
    this.setContext(pair, 'TX_BASE', base);
    this.setContext(pair, 'TX_LENGTH', ringSize);
    this.setContext(pair, 'RX_BASE', base + RX_RING);
    this.setContext(pair, 'RX_LENGTH', ringSize);
    this.setContext(pair, 'RX_BUFFER', bufferBytes);
    this.setContext(pair, 'MAC_ADDRESS', macNumber(mac) | (1n << 63n));
    this.setContext(pair, 'TX_HEAD_WRITEBACK', setup.headWriteBack ?? 0);
    this.setContext(pair, 'Q_CONTROL', setup.control ?? 3);
    this.post(pair, setup.posted ?? ringSize - 1);
  }

  /** Lends `count` more buffers to the device. */
  post(pair: number, count: number): void {
    const rings = this.#ringsOf(pair);
    for (let i = 0; i < count; i++) {
      const words = RxDescriptor.encode({
        bufferAddress: BigInt(this.rxBuffer(pair, rings.rxTail)),
      });
      this.#store(this.memoryOf(pair) + RX_RING + rings.rxTail * 32, words);
      rings.rxTail = (rings.rxTail + 1) % rings.size;
    }
    this.setDoorbell(pair, 'RX_TAIL', rings.rxTail);
  }

  /** Puts a frame into the transmit ring in pieces; without `isBell` the tail stays. */
  send(pair: number, frame: Uint8Array, { pieces = 1, isBell = true } = {}): number {
    const rings = this.#ringsOf(pair);
    const each = Math.ceil(frame.length / pieces);
    let slot = rings.txTail;
    for (let at = 0; at < frame.length; at += each) {
      const part = frame.subarray(at, at + each);
      const isLast = at + each >= frame.length;
      slot = rings.txTail;
      const address = this.txBuffer(pair, slot);
      this.port.memory.set(part, address);
      const words = TxDescriptor.encode({
        bufferAddress: BigInt(address),
        endOfPacket: isLast ? 1 : 0,
        reportStatus: isLast ? 1 : 0,
        bufferBytes: part.length,
      });
      this.#store(this.memoryOf(pair) + slot * 16, words);
      rings.txTail = (rings.txTail + 1) % rings.size;
    }
    if (isBell) {
      this.setDoorbell(pair, 'TX_TAIL', rings.txTail);
    }
    return slot;
  }

  /** Type and error bit of a transmit descriptor as it lies in memory. */
  txStatus(pair: number, slot: number): number {
    const at = this.memoryOf(pair) + slot * 16 + 8;
    return new DataView(this.port.memory.buffer).getUint32(at, true) & 0x1f;
  }

  /** Frames (or pieces of them) that arrived since the last call. */
  receive(pair: number): readonly ReceivedFrame[] {
    const rings = this.#ringsOf(pair);
    const frames: ReceivedFrame[] = [];
    while (rings.rxNext !== rings.rxTail) {
      const at = this.memoryOf(pair) + RX_RING + rings.rxNext * 32;
      const words = new Uint32Array(this.port.memory.slice(at, at + 32).buffer);
      const done = RxWriteBack.decode(words);
      if (done.done === 0) {
        break;
      }
      const buffer = this.rxBuffer(pair, rings.rxNext);
      frames.push({
        bytes: this.port.memory.slice(buffer, buffer + done.packetBytes),
        isError: done.error === 1,
        isEnd: done.endOfFrame === 1,
      });
      rings.rxNext = (rings.rxNext + 1) % rings.size;
    }
    return frames;
  }

  run(durationNs = LONG_NS): void {
    const end = this.queue.nowNs + durationNs;
    while (this.queue.runNext(end)) {
      // Everything due within the time.
    }
    this.queue.advanceTo(end);
  }

  #ringsOf(pair: number): Rings {
    return defined(this.#rings.get(pair), `Rings of queue pair ${pair}`);
  }

  #store(address: number, words: Uint32Array): void {
    this.port.memory.set(new Uint8Array(words.buffer), address);
  }
}

function registerOf(
  block: typeof QUEUE_CONTEXT,
  name: string,
): { readonly offset: number; readonly bytes: 4 | 8 } {
  const register = defined(
    block.registers.find((r) => r.name === name),
    name,
  );
  return { offset: register.offset, bytes: register.bytes === 8 ? 8 : 4 };
}
