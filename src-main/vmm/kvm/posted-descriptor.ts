/**
 * The posted-interrupt descriptor of one virtual CPU, as software uses it (arch/x86/kvm/vmx/posted_intr.c): KVM says where
 * the virtual CPU runs and whether a notification is wanted, and posts vectors of its own.
 */
import { bigOf } from '../../bits/u64.ts';
import { PostedInterruptDescriptor } from '../../spec/vtd/posted-interrupt-descriptor.ts';
import type { HardwarePort } from '../../sim/index.ts';

type Values = ReturnType<typeof PostedInterruptDescriptor.decode>;
type ControlName = 'ON' | 'SN' | 'NV' | 'NDST';

const QUAD_BYTES = 8;
const CONTROL_QUAD = 4;
const PIR_BITS_PER_QUAD = 64;

export class PostedDescriptor {
  readonly address: number;
  readonly #hw: HardwarePort;

  constructor(hw: HardwarePort, address: number) {
    this.#hw = hw;
    this.address = address;
  }

  read(): Values {
    const bytes = this.#hw.memoryRead(this.address, PostedInterruptDescriptor.bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return PostedInterruptDescriptor.decode(
      Uint32Array.from({ length: PostedInterruptDescriptor.words }, (_, i) =>
        view.getUint32(i * 4, true),
      ),
    );
  }

  /** Changes control fields in one 64-bit store. Nothing is written when they are so already. */
  update(change: Partial<Record<ControlName, number>>): void {
    const before = this.read();
    const { ON, SN, NV, NDST } = { ...before, ...change };
    if (ON === before.ON && SN === before.SN && NV === before.NV && NDST === before.NDST) {
      return;
    }
    const words = PostedInterruptDescriptor.encode({ ON, SN, NV, NDST });
    const at = CONTROL_QUAD * 2;
    this.#hw.memoryWrite64(
      this.address + CONTROL_QUAD * QUAD_BYTES,
      bigOf(words[at + 1] ?? 0, words[at] ?? 0),
    );
  }

  /** Sets a vector and ON. True when a notification must be sent: none was outstanding. */
  post(vector: number): boolean {
    const quad = this.address + Math.floor(vector / PIR_BITS_PER_QUAD) * QUAD_BYTES;
    const bit = 1n << BigInt(vector % PIR_BITS_PER_QUAD);
    this.#hw.memoryWrite64(quad, this.#hw.memoryRead64(quad) | bit);
    const wasOutstanding = this.read().ON === 1;
    this.update({ ON: 1 });
    return !wasOutstanding;
  }
}
