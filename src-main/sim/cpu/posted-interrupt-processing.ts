/**
 * The CPU's side of posted interrupts: clears ON, takes the vectors out of PIR and puts them into the virtual APIC. Intel
 * SDM volume 3, "Posted-Interrupt Processing"; the descriptor is that of VT-d 5.10 section 9.11.
 *
 * The hardware does this when the notification vector reaches a CPU in guest mode; a VMM does the same before it enters a
 * guest, with the same result.
 */
import { isFieldSet, wordField } from '../../bits/word-field.ts';
import { PostedInterruptDescriptor } from '../../spec/vtd/posted-interrupt-descriptor.ts';
import type { CpuMemory } from './ports.ts';
import type { Vcpu } from './vcpu.ts';

const ON = wordField(PostedInterruptDescriptor, 'ON');
const PIR_WORDS = 8;

export class PostedInterruptProcessing {
  readonly #memory: CpuMemory;
  readonly #pir = new Uint32Array(PIR_WORDS);

  constructor(memory: CpuMemory) {
    this.#memory = memory;
  }

  /** ON is set or a vector waits in PIR. */
  hasPosted(vcpu: Vcpu): boolean {
    const descriptor = vcpu.vmcs.address('postedInterruptDescriptorAddress');
    if (descriptor === 0) {
      return false;
    }
    if (isFieldSet(this.#memory.read32(descriptor + ON.word * 4), ON)) {
      return true;
    }
    for (let i = 0; i < PIR_WORDS; i++) {
      if (this.#memory.read32(descriptor + i * 4) !== 0) {
        return true;
      }
    }
    return false;
  }

  /** Moves all posted vectors into the virtual APIC and gives their number. */
  process(vcpu: Vcpu): number {
    const descriptor = vcpu.vmcs.address('postedInterruptDescriptorAddress');
    const control = descriptor + ON.word * 4;
    this.#memory.write32(control, (this.#memory.read32(control) & ~ON.mask) >>> 0);
    const pir = this.#pir;
    for (let i = 0; i < PIR_WORDS; i++) {
      const word = this.#memory.read32(descriptor + i * 4);
      pir[i] = word;
      if (word !== 0) {
        this.#memory.write32(descriptor + i * 4, 0);
      }
    }
    return vcpu.virtualApic.merge(pir);
  }
}
