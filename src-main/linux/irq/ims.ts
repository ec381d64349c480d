/**
 * Interrupt message storage of a device as an interrupt domain (the dev-MSI domain of the 2019 patches): entries are
 * allocated one at a time, and each is bound to the PASID whose descriptors may name it.
 */
import { IMS_ENTRY_WRITTEN } from '../../spec/events/linux.ts';
import { ImsEntry } from '../../spec/dsa/interrupt-entries.ts';
import type { InterruptMessage } from '../../spec/vtd/interrupt-message.ts';
import type { Core } from '../core/core.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import { EINVAL, ENODEV, ENOSPC, IS_ERR } from '../errno.ts';
import type { IrqChip, Irqs } from './irq.ts';

/** The table as the device's driver reaches it. */
export interface ImsRegisters {
  words(offset: number, count: number): Uint32Array;
  writeWord(offset: number, word: number): void;
}

interface ImsSlot {
  readonly irq: number;
  mask: number;
  pasid: number;
  hasPasid: boolean;
  isIgnored: boolean;
  message: InterruptMessage;
}

export interface ImsOptions {
  readonly core: Core;
  readonly irqs: Irqs;
  readonly registers: ImsRegisters;
  readonly rid: number;
  readonly name: string;
  /** Place of the table in the registers. */
  readonly table: number;
  readonly entries: number;
  /** More or fewer entries are in use. */
  didChange?(): void;
}

const FREE: InterruptMessage = { address: 0xfee0_0000, data: 0 };

export class ImsDomain implements IrqChip {
  readonly name: string;
  readonly entries: number;
  readonly #core: Core;
  readonly #irqs: Irqs;
  readonly #options: ImsOptions;
  readonly #slots = new Map<number, ImsSlot>();

  constructor(options: ImsOptions) {
    this.#core = options.core;
    this.#irqs = options.irqs;
    this.#options = options;
    this.name = `IMS ${options.name}`;
    this.entries = options.entries;
    exportSymbols<ImsDomain>(options.core, this, {
      calls: ['ims_alloc_irq', 'ims_free_irq', 'irq_set_auxdata'],
    });
  }

  /** Entries in use. */
  get used(): number {
    return this.#slots.size;
  }

  /** Interrupt number of a new entry; -ENODEV without IMS or interrupt remapping, -ENOSPC when all are taken. */
  ims_alloc_irq(): number {
    if (this.entries === 0 || !this.#irqs.hasRemapping) {
      return -ENODEV;
    }
    const index = this.#freeIndex();
    if (index < 0) {
      return -ENOSPC;
    }
    this.#slots.set(index, {
      irq: -1,
      mask: 1,
      pasid: 0,
      hasPasid: false,
      isIgnored: false,
      message: FREE,
    });
    const irq = this.#irqs.alloc({ chip: this, hwirq: index, rid: this.#options.rid });
    if (IS_ERR(irq)) {
      this.#slots.delete(index);
      return irq;
    }
    this.#update(index, { irq });
    this.#options.didChange?.();
    return irq;
  }

  /** Frees an entry. Its PASID enable goes first: a stale one would let the next owner's descriptors through. */
  ims_free_irq(irq: number): void {
    const index = this.indexOf(irq);
    if (index < 0) {
      return;
    }
    if (this.#core.defends('ims-pasid')) {
      this.#update(index, { pasid: 0, hasPasid: false });
    }
    this.shutdown(index);
    this.#irqs.free(irq);
    this.#slots.delete(index);
    this.#core.publish(this.#key(index), undefined);
    this.#options.didChange?.();
  }

  /** IMS_AUXDATA: binds the entry to a PASID, or (null) to requests without one; `isIgnored` drops completions. */
  irq_set_auxdata(irq: number, pasid: number | null, isIgnored = false): number {
    const index = this.indexOf(irq);
    if (index < 0) {
      return -EINVAL;
    }
    this.#update(index, { pasid: pasid ?? 0, hasPasid: pasid !== null, isIgnored });
    return 0;
  }

  /** Entry behind an interrupt, -EINVAL when there is none. */
  indexOf(irq: number): number {
    for (const [index, slot] of this.#slots) {
      if (slot.irq === irq) {
        return index;
      }
    }
    return -EINVAL;
  }

  /** A completion came while the entry was masked. */
  isPending(irq: number): boolean {
    const index = this.indexOf(irq);
    return index >= 0 && this.#isPending(index);
  }

  pasidOf(irq: number): number | null {
    const slot = this.#slots.get(this.indexOf(irq));
    return slot?.hasPasid === true ? slot.pasid : null;
  }

  // ---- chip ----------------------------------------------------------------------------------------------------------

  writeMessage(hwirq: number, message: InterruptMessage): void {
    this.#update(hwirq, { message });
  }

  mask(hwirq: number): void {
    this.#update(hwirq, { mask: 1 });
  }

  unmask(hwirq: number): void {
    this.#update(hwirq, { mask: 0 });
  }

  /** The device forgets a message that waits only by sending it (DSA 3.0 section 3.7): not to the next owner of the entry. */
  shutdown(hwirq: number): void {
    if (this.#isPending(hwirq)) {
      this.unmask(hwirq);
    }
    this.mask(hwirq);
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  #isPending(index: number): boolean {
    return ImsEntry.decode(this.#words(index)).pending === 1;
  }

  #freeIndex(): number {
    for (let index = 0; index < this.entries; index++) {
      if (!this.#slots.has(index)) {
        return index;
      }
    }
    return -1;
  }

  #update(index: number, change: Partial<ImsSlot>): void {
    const slot = this.#slots.get(index);
    if (slot === undefined) {
      return;
    }
    const next = { ...slot, ...change };
    this.#slots.set(index, next);
    this.#store(index, next);
    this.#core.publish(this.#key(index), {
      irq: next.irq,
      isMasked: next.mask === 1,
      pasid: next.hasPasid ? next.pasid : null,
      address: next.message.address,
      data: next.message.data,
    });
  }

  #store(index: number, slot: ImsSlot): void {
    const words = ImsEntry.encode({
      addressLow: slot.message.address,
      data: slot.message.data,
      mask: slot.mask,
      ignore: Number(slot.isIgnored),
      pasidEnable: Number(slot.hasPasid),
      pasid: slot.pasid,
    });
    const at = this.#at(index);
    const before = this.#words(index);
    words.forEach((word, i) => {
      const old = before[i] ?? 0;
      if (old === word) {
        return;
      }
      const seq = this.#core.emit(IMS_ENTRY_WRITTEN, this.#options.name, index, i, old, word);
      this.#core.hw.within(seq, () => this.#options.registers.writeWord(at + i * 4, word));
    });
  }

  #words(index: number): Uint32Array {
    return this.#options.registers.words(this.#at(index), ImsEntry.words);
  }

  #at(index: number): number {
    return this.#options.table + index * ImsEntry.bytes;
  }

  #key(index: number): string {
    return `ims/${this.#options.name}/${index}`;
  }
}
