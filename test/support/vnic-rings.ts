/**
 * Rings of one queue pair of a virtual network adapter, as its driver keeps them: in memory at an address that the device
 * knows, with contexts and doorbells behind two accesses. A user process and a guest kernel reach them each in their way.
 */
import { RxDescriptor, RxWriteBack, TxDescriptor } from '../../src-main/spec/nic/descriptors.ts';
import {
  DOORBELL_PAGE,
  Q_CONTROL,
  QUEUE_CONTEXT,
  RX_BASE,
  RX_BUFFER,
  RX_LENGTH,
  RX_TAIL,
  TX_BASE,
  TX_LENGTH,
  TX_TAIL,
} from '../../src-main/spec/nic/registers.ts';
import { defined } from '../../src-main/bits/invariant.ts';

export interface VnicAccess {
  /** Registers of the virtual BAR0, 32 bits at a time. */
  read(offset: number): number;
  write(offset: number, value: number): void;
  /** Doorbell page of the queue pair. */
  readDoorbell(offset: number): number;
  writeDoorbell(offset: number, value: number): void;
  readMemory(address: number, bytes: number): Uint8Array;
  writeMemory(address: number, bytes: Uint8Array): void;
}

export const VNIC_CONTEXTS = 0x2_0000;
export const VNIC_DOORBELLS = 0x10_0000;

const RING_SIZE = 8;
const RX_RING = 0x200;
const TX_DATA = 0x1000;
const RX_DATA = 0x5000;
const SLOT = 2048;
/** Memory of one queue pair: rings, frames to send, buffers to fill. */
export const VNIC_MEMORY_PAGES = 9;

export class VnicRings {
  readonly #access: VnicAccess;
  readonly #context: number;
  readonly #base: number;
  #txTail = 0;
  #rxTail = 0;
  #rxNext = 0;

  constructor(access: VnicAccess, pair: number, base: number) {
    this.#access = access;
    this.#context = VNIC_CONTEXTS + pair * 0x100;
    this.#base = base;
  }

  /** Places both rings, turns them on and lends all buffers but one. */
  start(control = 3): void {
    this.#txTail = this.#rxTail = this.#rxNext = 0;
    this.#setWide(TX_BASE.offset, this.#base);
    this.#set(TX_LENGTH.offset, RING_SIZE);
    this.#setWide(RX_BASE.offset, this.#base + RX_RING);
    this.#set(RX_LENGTH.offset, RING_SIZE);
    this.#set(RX_BUFFER.offset, SLOT);
    this.#set(Q_CONTROL.offset, control);
    this.lend(RING_SIZE - 1);
  }

  get control(): number {
    return this.register('Q_CONTROL');
  }

  register(name: string): number {
    const register = defined(
      QUEUE_CONTEXT.registers.find((r) => r.name === name),
      name,
    );
    return this.#access.read(this.#context + register.offset);
  }

  setRegister(name: string, value: number): void {
    const register = defined(
      QUEUE_CONTEXT.registers.find((r) => r.name === name),
      name,
    );
    this.#set(register.offset, value);
  }

  doorbell(name: string): number {
    const register = defined(
      DOORBELL_PAGE.registers.find((r) => r.name === name),
      name,
    );
    return this.#access.readDoorbell(register.offset);
  }

  /** Address of the device: what others send to. */
  get mac(): string {
    const low = this.register('MAC_ADDRESS');
    const high = this.#access.read(this.#context + 0x3c);
    const bytes = [0, 8, 16, 24].map((shift) => (low >>> shift) & 0xff);
    bytes.push(high & 0xff, (high >>> 8) & 0xff);
    return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  }

  lend(buffers: number): void {
    for (let i = 0; i < buffers; i++) {
      const words = RxDescriptor.encode({ bufferAddress: BigInt(this.#rxBuffer(this.#rxTail)) });
      this.#store(this.#base + RX_RING + this.#rxTail * 32, words);
      this.#rxTail = (this.#rxTail + 1) % RING_SIZE;
    }
    this.#access.writeDoorbell(RX_TAIL.offset, this.#rxTail);
  }

  /** One frame, and the doorbell. `from`: where the device finds it, when that is not the next slot. */
  send(frame: Uint8Array, from?: number): void {
    const address = from ?? this.#base + TX_DATA + this.#txTail * SLOT;
    if (from === undefined) {
      this.#access.writeMemory(address, frame);
    }
    const words = TxDescriptor.encode({
      bufferAddress: BigInt(address),
      endOfPacket: 1,
      reportStatus: 1,
      bufferBytes: frame.length,
    });
    this.#store(this.#base + this.#txTail * 16, words);
    this.#txTail = (this.#txTail + 1) % RING_SIZE;
    this.#access.writeDoorbell(TX_TAIL.offset, this.#txTail);
  }

  /** Frames that arrived since the last call. */
  received(): readonly Uint8Array[] {
    const frames: Uint8Array[] = [];
    while (this.#rxNext !== this.#rxTail) {
      const at = this.#base + RX_RING + this.#rxNext * 32;
      const words = new Uint32Array(this.#access.readMemory(at, 32).slice().buffer);
      const done = RxWriteBack.decode(words);
      if (done.done === 0) {
        break;
      }
      frames.push(this.#access.readMemory(this.#rxBuffer(this.#rxNext), done.packetBytes).slice());
      this.#rxNext = (this.#rxNext + 1) % RING_SIZE;
    }
    return frames;
  }

  #rxBuffer(slot: number): number {
    return this.#base + RX_DATA + slot * SLOT;
  }

  #set(offset: number, value: number): void {
    this.#access.write(this.#context + offset, value);
  }

  #setWide(offset: number, value: number): void {
    this.#set(offset, value % 2 ** 32);
    this.#set(offset + 4, Math.floor(value / 2 ** 32));
  }

  #store(address: number, words: Uint32Array): void {
    this.#access.writeMemory(address, new Uint8Array(words.slice().buffer));
  }
}
