/**
 * One tenant's driver over a queue pair: rings and buffers in its own memory, registers through the addresses it was given.
 * The same for both ways of sharing; every tenant uses the same I/O virtual addresses, so that only translation keeps
 * them apart.
 */
import { invariant } from '../../bits/invariant.ts';
import { RxDescriptor, RxWriteBack, TxDescriptor } from '../../spec/nic/descriptors.ts';
import {
  DYN_CTL,
  Q_CONTROL,
  RX_BASE,
  RX_BUFFER,
  RX_LENGTH,
  RX_TAIL,
  TX_BASE,
  TX_LENGTH,
  TX_TAIL,
} from '../../spec/nic/registers.ts';
import type { HardwarePort } from '../../sim/index.ts';

export const TENANT_IOVA = 0x10_0000;
export const TENANT_BYTES = 0x2000;

const RING = 8;
const PLACE = { txRing: 0, rxRing: 0x400, frame: 0x800, buffers: 0x1000 } as const;
const BUFFER_BYTES = 512;
const FRAME_BYTES = 64;
const ENABLE_BOTH = 3;

export interface TenantOptions {
  readonly hw: HardwarePort;
  /** Host address of the tenant's memory. */
  readonly memory: number;
  /** Where the tenant finds its context and doorbell page. */
  readonly context: number;
  readonly doorbell: number;
  readonly mac: bigint;
}

export class SharingTenant {
  readonly mac: bigint;
  interrupts = 0;
  readonly #options: TenantOptions;
  #received = 0;

  constructor(options: TenantOptions) {
    this.#options = options;
    this.mac = options.mac;
  }

  /** What a guest driver does at probe: rings, buffers, enable, interrupts. */
  start(): void {
    const { hw, context, memory, doorbell } = this.#options;
    const set = (register: { readonly offset: number; readonly bytes: number }, value: number) => {
      hw.mmioWrite(context + register.offset, register.bytes === 8 ? 8 : 4, BigInt(value));
    };
    set(TX_BASE, TENANT_IOVA + PLACE.txRing);
    set(TX_LENGTH, RING);
    set(RX_BASE, TENANT_IOVA + PLACE.rxRing);
    set(RX_LENGTH, RING);
    set(RX_BUFFER, BUFFER_BYTES);
    for (let i = 0; i < RING - 1; i++) {
      const words = RxDescriptor.encode({
        bufferAddress: BigInt(TENANT_IOVA + PLACE.buffers + i * BUFFER_BYTES),
      });
      hw.memoryWrite(memory + PLACE.rxRing + i * RxDescriptor.bytes, bytesOf(words));
    }
    set(Q_CONTROL, ENABLE_BOTH);
    hw.mmioWrite(doorbell + RX_TAIL.offset, 4, BigInt(RING - 1));
    hw.mmioWrite(doorbell + DYN_CTL.offset, 4, 1n);
  }

  /** Sends one frame; its payload starts with the sender's address. */
  send(to: bigint): void {
    const { hw, memory, doorbell } = this.#options;
    const frame = new Uint8Array(FRAME_BYTES);
    writeMac(frame, 0, to);
    writeMac(frame, 6, this.mac);
    frame.set([0x88, 0xb5], 12);
    hw.memoryWrite(memory + PLACE.frame, frame);
    const words = TxDescriptor.encode({
      bufferAddress: BigInt(TENANT_IOVA + PLACE.frame),
      endOfPacket: 1,
      reportStatus: 1,
      bufferBytes: FRAME_BYTES,
    });
    hw.memoryWrite(memory + PLACE.txRing, bytesOf(words));
    hw.mmioWrite(doorbell + TX_TAIL.offset, 4, 1n);
  }

  /** Whether its rings are still on. */
  get isRunning(): boolean {
    const { hw, context } = this.#options;
    return hw.mmioRead(context + Q_CONTROL.offset, 4) === BigInt(ENABLE_BOTH);
  }

  /** Addresses of those whose frames arrived, as they lie in the tenant's own memory. */
  received(): readonly bigint[] {
    const { hw, memory } = this.#options;
    const senders: bigint[] = [];
    for (; this.#received < RING - 1; this.#received++) {
      const at = memory + PLACE.rxRing + this.#received * RxWriteBack.bytes;
      const words = new Uint32Array(hw.memoryRead(at, RxWriteBack.bytes).slice().buffer);
      const done = RxWriteBack.decode(words);
      if (done.done === 0 || done.error === 1) {
        break;
      }
      invariant(done.packetBytes === FRAME_BYTES, 'A frame changed its length on the way');
      const buffer = memory + PLACE.buffers + this.#received * BUFFER_BYTES;
      senders.push(readMac(hw.memoryRead(buffer, FRAME_BYTES), 6));
    }
    return senders;
  }
}

/** Locally administered address of tenant `index`, as the MAC register holds it. */
export function tenantMac(index: number): bigint {
  return 0x02n | (BigInt(index >>> 8) << 32n) | (BigInt(index & 0xff) << 40n);
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer);
}

function writeMac(frame: Uint8Array, at: number, mac: bigint): void {
  for (let i = 0; i < 6; i++) {
    frame[at + i] = Number((mac >> BigInt(8 * i)) & 0xffn);
  }
}

function readMac(frame: Uint8Array, at: number): bigint {
  let mac = 0n;
  for (let i = 5; i >= 0; i--) {
    mac = (mac << 8n) | BigInt(frame[at + i] as number);
  }
  return mac;
}
