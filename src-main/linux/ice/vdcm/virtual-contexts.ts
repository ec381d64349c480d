/**
 * Contexts of a guest's queue pairs, every access trapped: rings are the guest's to place and to start, but PASID, vector and
 * address are the host's, and a guest neither listens to others nor sends under their addresses.
 *
 * Accesses are of 4 or 8 bytes and aligned.
 */
import { Q_CONTROL, QUEUE_CONTEXT, QUEUE_CONTEXT_BYTES } from '../../../spec/nic/registers.ts';
import type { HardwarePort } from '../../../sim/index.ts';
import type { IceQueuePair } from '../ice-device.ts';

/** Registers that a guest neither sees nor writes. */
const HIDDEN: ReadonlySet<string> = new Set(['Q_PASID', 'Q_VECTOR']);
const READ_ONLY: ReadonlySet<string> = new Set(['MAC_ADDRESS']);
/** TXE and RXE. */
const GUEST_CONTROL = 0x3;
const ANTISPOOF = 0x8;
const LAST_WRITABLE = 0x80;

export class VirtualContexts {
  readonly #hw: HardwarePort;
  readonly #pairs: readonly IceQueuePair[];
  readonly #start: () => boolean;
  /** What the guest wrote, for panes. */
  readonly #written: Uint32Array;
  #isStarted = false;

  /** @param start the guest turns its first ring on: false when it may not */
  constructor(hw: HardwarePort, pairs: readonly IceQueuePair[], start: () => boolean) {
    this.#hw = hw;
    this.#pairs = pairs;
    this.#start = start;
    this.#written = new Uint32Array((pairs.length * LAST_WRITABLE) / 4);
  }

  get bytes(): number {
    return this.#pairs.length * QUEUE_CONTEXT_BYTES;
  }

  /** A ring was turned on since the last stop. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** 32 bits at an offset of the contexts. */
  read(offset: number): number {
    const { pair, inside } = this.#at(offset);
    if (pair === undefined || HIDDEN.has(registerName(inside))) {
      return 0;
    }
    return Number(this.#hw.mmioRead(pair.registers.base + inside, 4));
  }

  write(offset: number, value: number): void {
    const { pair, inside } = this.#at(offset);
    const name = registerName(inside);
    if (pair === undefined || HIDDEN.has(name) || READ_ONLY.has(name)) {
      return;
    }
    if (inside < LAST_WRITABLE) {
      this.#written[(this.#pairs.indexOf(pair) * LAST_WRITABLE + inside) / 4] = value;
    }
    if (name !== Q_CONTROL.name) {
      pair.registers.writeWord(inside, value);
      return;
    }
    const rings = value & GUEST_CONTROL;
    if (rings !== 0 && !this.#isStarted) {
      this.#isStarted = this.#start();
    }
    if (rings === 0 || this.#isStarted) {
      pair.registers.writeWord(inside, rings | ANTISPOOF);
    }
  }

  /** All rings off. */
  stop(): void {
    this.#pairs.forEach((pair) => pair.stop());
    this.#isStarted = false;
  }

  reset(): void {
    this.#pairs.forEach((pair) => pair.reset());
    this.#written.fill(0);
    this.#isStarted = false;
  }

  /** What the guest wrote, queue pair after queue pair. */
  shown(): Uint8Array {
    return new Uint8Array(this.#written.slice().buffer);
  }

  #at(offset: number): { readonly pair: IceQueuePair | undefined; readonly inside: number } {
    return {
      pair: this.#pairs[Math.floor(offset / QUEUE_CONTEXT_BYTES)],
      inside: offset % QUEUE_CONTEXT_BYTES,
    };
  }
}

function registerName(inside: number): string {
  const found = QUEUE_CONTEXT.registers.find(
    (r) => inside >= r.offset && inside < r.offset + r.bytes,
  );
  return found?.name ?? '';
}
