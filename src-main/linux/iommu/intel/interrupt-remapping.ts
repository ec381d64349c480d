/**
 * The interrupt remapping table of the unit (drivers/iommu/intel/irq_remapping.c): entries in remapped and posted form, each
 * bound to the requester that may use it.
 */
import { IRTE_WRITTEN } from '../../../spec/events/linux.ts';
import {
  PostedInterruptEntry,
  RemappedInterruptEntry,
  RemappedInterruptEntryXapic,
  SVT,
  interruptTableEntries,
} from '../../../spec/vtd/interrupt-remap-entry.ts';
import { remappableMessage, type InterruptMessage } from '../../../spec/vtd/interrupt-message.ts';
import { IRTA_REG } from '../../../spec/vtd/registers/interrupt-remapping.ts';
import type { Core } from '../../core/core.ts';
import { ENODEV, ENOSPC } from '../../errno.ts';
import type { IrqRemapping, PostedTarget } from '../../irq/irq.ts';
import { PAGE_BYTES } from '../../mm/page-allocator.ts';
import { interruptEntryGlobal, interruptEntryIndex } from './invalidations.ts';
import { writeEntry } from './table-write.ts';
import type { IommuUnit } from './unit.ts';

const ENTRY_BYTES = RemappedInterruptEntry.bytes;
/** 2^(S+1) entries: enough for 4096 interrupts. */
const TABLE_SIZE = 11;

export class InterruptRemapping implements IrqRemapping {
  readonly base: number;
  readonly #core: Core;
  readonly #unit: IommuUnit;
  readonly #isExtended: boolean;
  /** Requester of each used entry. */
  readonly #owners = new Map<number, number>();

  constructor(unit: IommuUnit) {
    this.#unit = unit;
    this.#core = unit.core;
    this.#isExtended = unit.has('EIM');
    this.base = unit.pages.alloc((interruptTableEntries(TABLE_SIZE) * ENTRY_BYTES) / PAGE_BYTES, {
      owner: 'interrupt remapping table',
    });
  }

  get entriesInUse(): number {
    return this.#owners.size;
  }

  /** Table pointer, invalidation where the unit does not do it by itself, enable. */
  enable(): number {
    if (!this.#unit.has('IR')) {
      return -ENODEV;
    }
    this.#unit.registers.write(IRTA_REG, {
      IRTA: BigInt(this.base),
      EIME: Number(this.#isExtended),
      S: TABLE_SIZE,
    });
    const pointer = this.#unit.registers.command('SIRTP', 'IRTPS');
    if (pointer < 0) {
      return pointer;
    }
    if (!this.#unit.has('ESIRTPS')) {
      this.#unit.queue.submit([interruptEntryGlobal()]);
    }
    return this.#unit.registers.command('IRE', 'IRES');
  }

  alloc(rid: number): number {
    for (let index = 0; index < interruptTableEntries(TABLE_SIZE); index++) {
      if (!this.#owners.has(index)) {
        this.#owners.set(index, rid);
        return index;
      }
    }
    return -ENOSPC;
  }

  free(handle: number): void {
    this.#write(handle, new Uint32Array(ENTRY_BYTES / 4));
    this.#owners.delete(handle);
  }

  setRemapped(handle: number, target: { readonly cpu: number; readonly vector: number }): void {
    const values = {
      P: 1,
      V: target.vector,
      DST: target.cpu,
      SVT: this.#sourceCheck,
      SID: this.#owners.get(handle) ?? 0,
    };
    this.#write(
      handle,
      this.#isExtended
        ? RemappedInterruptEntry.encode(values)
        : RemappedInterruptEntryXapic.encode(values),
    );
  }

  setPosted(handle: number, target: PostedTarget): number {
    if (!this.#unit.has('PI')) {
      return -ENODEV;
    }
    this.#write(
      handle,
      PostedInterruptEntry.encode({
        P: 1,
        IM: 1,
        URG: Number(target.isUrgent),
        VV: target.vector,
        PDA: BigInt(target.descriptor),
        SVT: this.#sourceCheck,
        SID: this.#owners.get(handle) ?? 0,
      }),
    );
    return 0;
  }

  /** Who may use an entry: the function that it was allocated for, and no other (VT-d section 5.1.2.1). */
  get #sourceCheck(): number {
    return this.#core.defends('irte-source-check') ? SVT.sidAndSq : SVT.none;
  }

  message(handle: number): InterruptMessage {
    return remappableMessage(handle, 0);
  }

  /** One 16-byte store, then the cached copy of this index goes. */
  #write(index: number, words: Uint32Array): void {
    writeEntry(this.#core, this.base + index * ENTRY_BYTES, words, {
      record: (word, address, old, value) =>
        this.#core.emit(IRTE_WRITTEN, index, word, address, old, value),
      atomicWords: 2,
    });
    this.#unit.queue.submit([interruptEntryIndex(index)]);
  }
}
