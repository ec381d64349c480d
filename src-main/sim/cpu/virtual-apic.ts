/**
 * Virtual APIC of one virtual CPU: VIRR, VISR, VTPR and VPPR in the virtual-APIC page in memory, RVI and SVI in the VMCS.
 * Intel SDM volume 3, "APIC Virtualization and Virtual Interrupts".
 *
 * Everything is bytes of the page at the VMCS's virtual-APIC address, at the offsets of a local APIC, so that a VMM can
 * read and write them. Not modelled: virtualised accesses to the rest of the page, IPI virtualisation, TPR threshold.
 */
import { fieldOf, wordField, withField } from '../../bits/word-field.ts';
import {
  LAPIC_OFFSET,
  VECTOR_REGISTERS,
  VECTOR_REGISTER_STRIDE,
} from '../../spec/cpu/local-apic.ts';
import { GuestInterruptStatus, type VmcsFieldName } from '../../spec/cpu/vmcs.ts';
import type { CpuMemory } from './ports.ts';
import {
  NO_VECTOR,
  addVector,
  classOf,
  countBits,
  hasVector,
  highestVector,
  removeVector,
  type VectorStorage,
} from './vector-set.ts';
import type { Vmcs } from './vmcs.ts';

const RVI = wordField(GuestInterruptStatus, 'RVI');
const SVI = wordField(GuestInterruptStatus, 'SVI');
const EOI_EXIT_FIELDS: readonly VmcsFieldName[] = [
  'eoiExitBitmap0',
  'eoiExitBitmap1',
  'eoiExitBitmap2',
  'eoiExitBitmap3',
];

export class VirtualApic implements VectorStorage {
  readonly #vmcs: Vmcs;
  readonly #memory: CpuMemory;

  constructor(vmcs: Vmcs, memory: CpuMemory) {
    this.#vmcs = vmcs;
    this.#memory = memory;
  }

  peek32(offset: number): number {
    return this.#memory.read32(this.#vmcs.address('virtualApicAddress') + offset) >>> 0;
  }

  poke32(offset: number, value: number): void {
    this.#memory.write32(this.#vmcs.address('virtualApicAddress') + offset, value);
  }

  /** Highest requested vector, 0 for none. */
  get rvi(): number {
    return fieldOf(this.#vmcs.low('guestInterruptStatus'), RVI);
  }

  /** Highest vector in service, 0 for none. */
  get svi(): number {
    return fieldOf(this.#vmcs.low('guestInterruptStatus'), SVI);
  }

  get processorPriority(): number {
    return this.peek32(LAPIC_OFFSET.PPR) & 0xff;
  }

  /** A vector waits that the processor priority lets through. */
  get hasDeliverable(): boolean {
    return classOf(this.rvi) > classOf(this.processorPriority);
  }

  /** The VMM requests a vector itself. False when it was requested already. */
  request(vector: number): boolean {
    const wasPending = this.isRequested(vector);
    addVector(this, LAPIC_OFFSET.IRR, vector);
    this.#setRvi(Math.max(this.rvi, vector));
    return !wasPending;
  }

  isRequested(vector: number): boolean {
    return hasVector(this, LAPIC_OFFSET.IRR, vector);
  }

  /** Merges eight words of PIR into VIRR and gives the number of vectors in it. */
  merge(pir: Uint32Array): number {
    let moved = 0;
    for (let i = 0; i < VECTOR_REGISTERS; i++) {
      const posted = pir[i] as number;
      if (posted !== 0) {
        const offset = LAPIC_OFFSET.IRR + i * VECTOR_REGISTER_STRIDE;
        moved += countBits(posted);
        this.poke32(offset, (this.peek32(offset) | posted) >>> 0);
      }
    }
    this.#setRvi(Math.max(0, highestVector(this, LAPIC_OFFSET.IRR)));
    return moved;
  }

  /** Delivers the highest vector to the guest: VIRR to VISR. `NO_VECTOR` when none is deliverable. */
  deliver(): number {
    if (!this.hasDeliverable) {
      return NO_VECTOR;
    }
    const vector = this.rvi;
    addVector(this, LAPIC_OFFSET.ISR, vector);
    removeVector(this, LAPIC_OFFSET.IRR, vector);
    this.#setSvi(vector);
    this.poke32(LAPIC_OFFSET.PPR, vector & 0xf0);
    this.#setRvi(Math.max(0, highestVector(this, LAPIC_OFFSET.IRR)));
    return vector;
  }

  /** Virtual EOI: gives the vector that ended, `NO_VECTOR` when none was in service. */
  endOfInterrupt(): number {
    const vector = highestVector(this, LAPIC_OFFSET.ISR);
    if (vector === NO_VECTOR) {
      return NO_VECTOR;
    }
    removeVector(this, LAPIC_OFFSET.ISR, vector);
    this.#setSvi(Math.max(0, highestVector(this, LAPIC_OFFSET.ISR)));
    this.#updatePriority();
    return vector;
  }

  /** The guest writes its task priority. */
  setTaskPriority(priority: number): void {
    this.poke32(LAPIC_OFFSET.TPR, priority & 0xff);
    this.#updatePriority();
  }

  /** EOI-exit bitmap: the end of this vector exits to the VMM. */
  exitsOnEoi(vector: number): boolean {
    const name = EOI_EXIT_FIELDS[vector >>> 6] as VmcsFieldName;
    const word = (vector & 32) === 0 ? this.#vmcs.low(name) : this.#vmcs.high(name);
    return ((word >>> (vector & 31)) & 1) === 1;
  }

  #updatePriority(): void {
    const task = this.peek32(LAPIC_OFFSET.TPR) & 0xff;
    const inService = this.svi;
    this.poke32(LAPIC_OFFSET.PPR, classOf(task) >= classOf(inService) ? task : inService & 0xf0);
  }

  #setRvi(vector: number): void {
    this.#vmcs.setLow(
      'guestInterruptStatus',
      withField(this.#vmcs.low('guestInterruptStatus'), RVI, vector),
    );
  }

  #setSvi(vector: number): void {
    this.#vmcs.setLow(
      'guestInterruptStatus',
      withField(this.#vmcs.low('guestInterruptStatus'), SVI, vector),
    );
  }
}
