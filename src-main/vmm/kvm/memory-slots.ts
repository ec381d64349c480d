/**
 * KVM memory slots: which guest-physical addresses have memory of the VMM process behind them, or a page of a device that
 * the process has mapped (KVM_SET_USER_MEMORY_REGION). Everything else traps.
 *
 * The EPT follows the address space of the process (mmu_notifier): what is unmapped there is gone here at once, and comes
 * back with an exit when the guest touches it and the process has it again. A page of a device that its driver took away
 * stays a slot without a page, whose accesses exit to the VMM.
 */
import { SLOT_FAULTED, SLOT_REMOVED, SLOT_SET, SLOT_ZAPPED } from '../../spec/events/vmm.ts';
import type { Core } from '../../linux/core/core.ts';
import { EEXIST, EFAULT, EINVAL } from '../../linux/errno.ts';
import type { Mm } from '../../linux/mm/mm.ts';
import { PAGE_BYTES } from '../../linux/mm/page-allocator.ts';
import type { Ept } from './ept.ts';

export interface MemorySlot {
  readonly slot: number;
  readonly gpa: number;
  readonly bytes: number;
  /** Address in the VMM process. */
  readonly hva: number;
  readonly name: string;
  /** Page of a device: uncached, and no memory. */
  readonly isDevice: boolean;
}

interface Run {
  readonly address: number;
  readonly bytes: number;
}

export class MemorySlots {
  readonly #core: Core;
  readonly #vm: string;
  readonly #ept: Ept;
  readonly #mm: Mm;
  readonly #slots = new Map<number, MemorySlot>();
  #next = 0;

  constructor(core: Core, vm: string, ept: Ept, mm: Mm) {
    this.#core = core;
    this.#vm = vm;
    this.#ept = ept;
    this.#mm = mm;
  }

  list(): readonly MemorySlot[] {
    return [...this.#slots.values()].sort((a, b) => a.gpa - b.gpa);
  }

  at(gpa: number): MemorySlot | undefined {
    return [...this.#slots.values()].find((s) => gpa >= s.gpa && gpa < s.gpa + s.bytes);
  }

  /** Number of the new slot, or a negative error number. */
  add(gpa: number, bytes: number, hva: number, name: string): number {
    const isAligned = [gpa, bytes, hva].every((value) => value % PAGE_BYTES === 0);
    if (!isAligned || bytes <= 0) {
      return -EINVAL;
    }
    if (this.list().some((s) => gpa < s.gpa + s.bytes && s.gpa < gpa + bytes)) {
      return -EEXIST;
    }
    const isDevice = this.#mm.areaAt(hva)?.isDevice === true;
    const slot = { slot: this.#next, gpa, bytes, hva, name, isDevice };
    const seq = this.#core.hw.emit(SLOT_SET, this.#vm, slot.slot, gpa, bytes, hva, name);
    const result = this.#core.hw.within(seq, () => this.#map(slot));
    // The driver of a device may have taken its page away for now.
    if (result < 0 && !isDevice) {
      return result;
    }
    if (result < 0) {
      // No mark of an emulated register stays in the way of the page that may come.
      this.#ept.unmap(gpa, bytes);
    }
    this.#next += 1;
    this.#slots.set(slot.slot, slot);
    return slot.slot;
  }

  remove(number: number): void {
    const slot = this.#slots.get(number);
    if (slot === undefined) {
      return;
    }
    this.#slots.delete(number);
    const seq = this.#core.hw.emit(SLOT_REMOVED, this.#vm, number, slot.gpa, slot.name);
    this.#core.hw.within(seq, () => this.#unmapMemory(slot, slot.gpa, slot.bytes));
  }

  /** The process lost what it had mapped in this range. Large pages go whole, and come back whole. */
  zap(start: number, end: number): void {
    for (const slot of this.list()) {
      const from = Math.max(start, slot.hva);
      const bytes = Math.min(end, slot.hva + slot.bytes) - from;
      if (bytes > 0) {
        const gpa = slot.gpa + (from - slot.hva);
        const seq = this.#core.hw.emit(SLOT_ZAPPED, this.#vm, slot.slot, gpa, bytes, slot.name);
        this.#core.hw.within(seq, () => this.#unmapMemory(slot, gpa, bytes));
      }
    }
  }

  /** The process has a page behind this address of the guest. */
  canFault(gpa: number): boolean {
    const slot = this.at(gpa);
    return slot !== undefined && this.#mm.translate(slot.hva + (gpa - slot.gpa), true) >= 0;
  }

  /** kvm_mmu_page_fault: true when the process has a page there, and the access may be repeated. */
  fault(gpa: number): boolean {
    const slot = this.at(gpa);
    const hva = slot === undefined ? -1 : slot.hva + (gpa - slot.gpa);
    const leaf = this.#mm.translate(hva, true) < 0 ? undefined : this.#mm.table.lookup(hva);
    if (slot === undefined || leaf === undefined) {
      return false;
    }
    const from = Math.max(slot.hva, leaf.input);
    const end = Math.min(slot.hva + slot.bytes, leaf.input + leaf.bytes);
    const at = slot.gpa + (from - slot.hva);
    const address = this.#mm.table.translate(from) ?? 0;
    const { slot: number, name } = slot;
    const seq = this.#core.hw.emit(SLOT_FAULTED, this.#vm, number, at, end - from, name);
    const run = { address, bytes: end - from };
    return this.#core.hw.within(seq, () => this.#mapMemory(slot, at, run)) === 0;
  }

  /** Entry after entry of the process's own table: contiguous leaves become large EPT pages where they can. */
  #map(slot: MemorySlot): number {
    for (let done = 0; done < slot.bytes;) {
      const run = this.#runAt(slot.hva + done, slot.bytes - done);
      const result = run === undefined ? -EFAULT : this.#mapMemory(slot, slot.gpa + done, run);
      if (run === undefined || result < 0) {
        this.#unmapMemory(slot, slot.gpa, done);
        return result;
      }
      done += run.bytes;
    }
    return 0;
  }

  #mapMemory({ isDevice }: MemorySlot, gpa: number, { address, bytes }: Run): number {
    const result = this.#ept.map(gpa, address, bytes, { read: true, write: true, isDevice });
    if (result >= 0 && !isDevice) {
      const vm = this.#mm.name;
      this.#core.hw.isolation?.tell({ op: 'back', vm, gpa, address, bytes });
    }
    return result;
  }

  #unmapMemory({ isDevice }: MemorySlot, gpa: number, bytes: number): void {
    this.#ept.unmap(gpa, bytes);
    if (!isDevice) {
      this.#core.hw.isolation?.tell({ op: 'unback', vm: this.#mm.name, gpa, bytes });
    }
  }

  /** Physically contiguous memory from an address of the process on. */
  #runAt(hva: number, limit: number): Run | undefined {
    const address = this.#mm.translate(hva, true);
    if (address < 0) {
      return undefined;
    }
    let bytes = 0;
    while (bytes < limit) {
      const leaf = this.#mm.table.lookup(hva + bytes);
      if (leaf === undefined || leaf.address + (hva + bytes - leaf.input) !== address + bytes) {
        break;
      }
      bytes = leaf.input + leaf.bytes - hva;
    }
    return bytes === 0 ? undefined : { address, bytes: Math.min(bytes, limit) };
  }
}
