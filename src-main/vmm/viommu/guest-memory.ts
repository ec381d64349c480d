/** Guest memory as the VMM process has it: an access of its own, which costs the guest no exit. */
import type { Mm } from '../../linux/mm/mm.ts';
import type { MemorySlots } from '../kvm/memory-slots.ts';

export class GuestMemory {
  readonly #slots: MemorySlots;
  readonly #mm: Mm;

  constructor(slots: MemorySlots, mm: Mm) {
    this.#slots = slots;
    this.#mm = mm;
  }

  /** Undefined where the guest has no memory. */
  readWords(gpa: number, count: number): Uint32Array | undefined {
    const hva = this.#hva(gpa, count * 4);
    const bytes = hva === undefined ? -1 : this.#mm.read(hva, count * 4);
    if (typeof bytes === 'number') {
      return undefined;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return Uint32Array.from({ length: count }, (_, i) => view.getUint32(i * 4, true));
  }

  /** False where the guest has no memory. */
  writeWords(gpa: number, words: ArrayLike<number>): boolean {
    const hva = this.#hva(gpa, words.length * 4);
    if (hva === undefined) {
      return false;
    }
    const bytes = new Uint8Array(words.length * 4);
    const view = new DataView(bytes.buffer);
    Array.from(words).forEach((word, i) => view.setUint32(i * 4, word, true));
    return this.#mm.write(hva, bytes) === 0;
  }

  #hva(gpa: number, bytes: number): number | undefined {
    const slot = this.#slots.at(gpa);
    const isInside = slot !== undefined && !slot.isDevice && gpa + bytes <= slot.gpa + slot.bytes;
    return isInside ? slot.hva + (gpa - slot.gpa) : undefined;
  }
}
