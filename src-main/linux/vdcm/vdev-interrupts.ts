/**
 * Interrupts of a VDEV. Vector 0 tells of commands, errors and halts and is raised by software. Every further vector has an
 * entry of the interrupt message storage to itself, bound to the PASID whose descriptors may name it.
 */
import type { EventfdFile } from '../core/eventfd.ts';
import { EFAULT, EINVAL, ENOSPC, IS_ERR } from '../errno.ts';
import type { IrqBypass } from '../irq/irq-bypass.ts';
import type { ImsDomain } from '../irq/ims.ts';
import type { Irqs } from '../irq/irq.ts';
import { DeviceIrqs } from '../vfio/device-irqs.ts';
import { SoftwareIrqs, type IrqSetTarget } from '../vfio/irq-set.ts';
import type { VdevPasids } from './vdev-pasids.ts';

/** Which descriptors may name an entry. */
export interface VirtualPermission {
  readonly ignore: boolean;
  /** Guest PASID, null when the entry takes requests without. */
  readonly pasid: number | null;
}

export interface VdevInterruptsOptions {
  readonly irqs: Irqs;
  readonly bypass: IrqBypass;
  readonly pasids: VdevPasids;
  readonly name: string;
  /** Vector 0 and those with entries. */
  readonly vectors: number;
  /** Interrupt message storage of the device; null without. */
  readonly ims: ImsDomain | null;
  /** Tells the device of an entry: the handle that stands for it, or a negative error number. */
  didAcquire(vector: number, index: number): number;
  willRelease(vector: number, index: number): void;
  permission(entry: number): VirtualPermission;
  isMasked(entry: number): boolean;
  /** An eventfd was installed: the vector is on. */
  onInstalled(entry: number): void;
}

export class VdevInterrupts implements IrqSetTarget {
  readonly count: number;
  readonly request = new SoftwareIrqs(1);
  readonly #options: VdevInterruptsOptions;
  readonly #first = new SoftwareIrqs(1);
  readonly #others: DeviceIrqs;
  /** Handles by vector. */
  readonly #handles = new Map<number, number>();
  /** Interrupts by vector that code of a learner allocated. */
  readonly #adopted = new Map<number, number>();
  #isFirstPending = false;

  constructor(options: VdevInterruptsOptions) {
    this.#options = options;
    this.count = options.vectors;
    this.#others = new DeviceIrqs({
      name: `vdev ${options.name}`,
      count: options.vectors,
      irqs: options.irqs,
      bypass: options.bypass,
      source: {
        acquire: (vector) => this.#acquire(vector),
        release: (vector, irq) => this.#release(vector, irq),
      },
    });
  }

  // ---- SET_IRQS ------------------------------------------------------------------------------------------------------

  /** The vectors with entries first: only they can fail. */
  setEventfds(start: number, eventfds: readonly (EventfdFile | null)[]): number {
    const skipsFirst = start > 0;
    const others = skipsFirst ? eventfds : eventfds.slice(1);
    const result = this.#others.setEventfds(skipsFirst ? start : 1, others);
    if (result < 0) {
      return result;
    }
    const [first] = eventfds;
    if (!skipsFirst && first !== undefined) {
      this.#first.setEventfds(0, [first]);
    }
    eventfds.forEach((eventfd, i) => {
      if (eventfd !== null) {
        this.#options.onInstalled(start + i);
      }
    });
    return 0;
  }

  disable(): number {
    [...this.#adopted.keys()].forEach((vector) => this.adopt(vector, null));
    this.#first.disable();
    return this.#others.disable();
  }

  trigger(start: number, which: readonly boolean[]): number {
    which.forEach((isMeant, i) => {
      if (start + i === 0) {
        this.#first.trigger(0, [isMeant]);
      } else {
        this.#others.trigger(start + i, [isMeant]);
      }
    });
    return 0;
  }

  /** Vectors that are installed. */
  get installed(): readonly number[] {
    return [...(this.#first.eventfd(0) === null ? [] : [0]), ...this.#installedOthers];
  }

  // ---- for code that handles SET_IRQS itself --------------------------------------------------------------------------

  /** The eventfd of vector 0, which the VDCM signals; null for none. */
  setFirst(eventfd: EventfdFile | null): void {
    this.#first.setEventfds(0, [eventfd]);
    if (eventfd !== null) {
      this.#options.onInstalled(0);
    }
  }

  /**
   * An interrupt with an entry of the message store stands behind a vector from now on, null: none does. The guest may ask
   * for its handle. 0 or an error number.
   */
  adopt(vector: number, irq: number | null): number {
    if (vector < 1 || vector >= this.count) {
      return -EINVAL;
    }
    const { ims } = this.#options;
    const known = this.#adopted.get(vector);
    if (known !== undefined) {
      this.#adopted.delete(vector);
      this.#dropHandle(vector, known);
    }
    if (irq === null) {
      return 0;
    }
    if (ims === null || ims.indexOf(irq) < 0) {
      return -EINVAL;
    }
    const handle = this.#requestHandle(vector, irq);
    if (handle < 0) {
      return handle;
    }
    this.#adopted.set(vector, irq);
    this.#options.onInstalled(vector);
    return 0;
  }

  // ---- for the VDEV --------------------------------------------------------------------------------------------------

  /** Raises vector 0, or remembers it while the guest masks it. */
  raiseFirst(why: string): void {
    if (this.#options.isMasked(0)) {
      this.#isFirstPending = this.#first.eventfd(0) !== null;
      return;
    }
    this.#first.signal(0, why);
  }

  isPending(entry: number): boolean {
    const irq = this.#irqOf(entry);
    const { ims } = this.#options;
    return entry === 0 ? this.#isFirstPending : irq !== undefined && ims?.isPending(irq) === true;
  }

  /** The guest's mask bit changed. Unmasking delivers what is pending. */
  setMasked(entry: number, isMasked: boolean): void {
    if (entry === 0) {
      if (!isMasked && this.#isFirstPending) {
        this.#isFirstPending = false;
        this.#first.signal(0, 'unmasked while pending');
      }
      return;
    }
    const irq = this.#irqOf(entry);
    const { ims } = this.#options;
    if (irq !== undefined && ims !== null) {
      const index = ims.indexOf(irq);
      if (isMasked) {
        ims.mask(index);
      } else {
        ims.unmask(index);
      }
    }
  }

  /** Writes the permission of a vector into its entry: the guest's PASID translated, or the default one. */
  applyPermission(entry: number): number {
    const irq = this.#irqOf(entry);
    return irq === undefined ? 0 : this.#bindEntry(entry, irq);
  }

  /** While the device is reset no completion gets through. */
  silence(): void {
    const { ims } = this.#options;
    for (const entry of this.#installedOthers) {
      const irq = this.#irqOf(entry);
      if (irq !== undefined && ims !== null) {
        ims.irq_set_auxdata(irq, ims.pasidOf(irq), true);
        ims.mask(ims.indexOf(irq));
      }
    }
    this.#isFirstPending = false;
  }

  /** After the reset: permissions and masks as the virtual tables say now. */
  restore(): void {
    for (const entry of this.#installedOthers) {
      this.applyPermission(entry);
      this.setMasked(entry, this.#options.isMasked(entry));
    }
  }

  /** Handle that the guest must name in descriptors: the entry, or what the device gave for it. -ENOSPC without one. */
  handleOf(entry: number): number {
    return this.#handles.get(entry) ?? -ENOSPC;
  }

  #acquire(vector: number): number {
    const { ims } = this.#options;
    if (this.#options.pasids.default < 0) {
      return -EFAULT;
    }
    const irq = ims?.ims_alloc_irq() ?? -ENOSPC;
    if (IS_ERR(irq)) {
      return irq;
    }
    const bound = this.#bindEntry(vector, irq);
    const handle = bound < 0 ? bound : this.#requestHandle(vector, irq);
    if (handle < 0) {
      ims?.ims_free_irq(irq);
      return handle;
    }
    return irq;
  }

  #release(vector: number, irq: number): void {
    this.#dropHandle(vector, irq);
    this.#options.ims?.ims_free_irq(irq);
  }

  #dropHandle(vector: number, irq: number): void {
    const { ims } = this.#options;
    if (ims !== null && this.#handles.delete(vector)) {
      this.#options.willRelease(vector, ims.indexOf(irq));
    }
  }

  get #installedOthers(): readonly number[] {
    return [...this.#others.installed, ...this.#adopted.keys()];
  }

  #irqOf(entry: number): number | undefined {
    return this.#adopted.get(entry) ?? this.#others.irqOf(entry);
  }

  #bindEntry(entry: number, irq: number): number {
    const { pasids, ims } = this.#options;
    const { pasid, ignore } = this.#options.permission(entry);
    const host = pasids.translate(pasid ?? 0);
    return host < 0 ? -EINVAL : (ims?.irq_set_auxdata(irq, host, ignore) ?? -EINVAL);
  }

  #requestHandle(vector: number, irq: number): number {
    const index = this.#options.ims?.indexOf(irq) ?? -EINVAL;
    const handle = this.#options.didAcquire(vector, index);
    if (handle < 0) {
      return -ENOSPC;
    }
    this.#handles.set(vector, handle);
    return handle;
  }
}
