/**
 * The interrupt core: Linux interrupt numbers, vectors of CPUs, handlers, and the message that a device must send.
 *
 * A chip stores messages where its device looks for them (MSI-X table, IMS entry). Between message and vector stands
 * interrupt remapping when the IOMMU driver offers it; without it the message names CPU and vector itself.
 */
import {
  CompatibilityMessageAddress,
  CompatibilityMessageData,
} from '../../spec/vtd/interrupt-message.ts';
import {
  INTERRUPT_ADDRESS_PREFIX,
  type InterruptMessage,
} from '../../spec/vtd/interrupt-message.ts';
import { INTERRUPT_HANDLED, INTERRUPT_SPURIOUS } from '../../spec/events/linux.ts';
import type { Core } from '../core/core.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import { EBUSY, EINVAL, ENOSPC, IS_ERR } from '../errno.ts';

/** Where the message of an interrupt is kept. */
export interface IrqChip {
  readonly name: string;
  writeMessage(hwirq: number, message: InterruptMessage): void;
  mask(hwirq: number): void;
  unmask(hwirq: number): void;
  /** In place of `mask` when the handler goes: also gets rid of what waits behind the mask. */
  shutdown?(hwirq: number): void;
}

/** Where an interrupt goes when it is posted to a virtual CPU. */
export interface PostedTarget {
  /** Physical address of the posted-interrupt descriptor. */
  readonly descriptor: number;
  readonly vector: number;
  readonly isUrgent: boolean;
}

/** Interrupt remapping as the IOMMU driver offers it. */
export interface IrqRemapping {
  /** Handle of a new entry, or -ENOSPC. */
  alloc(rid: number): number;
  free(handle: number): void;
  setRemapped(handle: number, target: { readonly cpu: number; readonly vector: number }): void;
  setPosted(handle: number, target: PostedTarget): number;
  message(handle: number): InterruptMessage;
}

export type IrqHandler = (irq: number) => void;

export interface IrqRequest {
  readonly chip: IrqChip;
  readonly hwirq: number;
  /** Requester ID of the device that will send the message. */
  readonly rid: number;
  readonly cpu?: number;
}

export interface IrqDesc {
  readonly irq: number;
  readonly chip: IrqChip;
  readonly hwirq: number;
  readonly rid: number;
  cpu: number;
  vector: number;
  /** Entry of the interrupt remapping table, -1 without remapping. */
  readonly handle: number;
  name: string;
  handler: IrqHandler | null;
  count: number;
  posted: PostedTarget | null;
  /** Name of the address space that it is for; null while the kernel handles it for itself. */
  principal: string | null;
}

const FIRST_VECTOR = 0x31;
const LAST_VECTOR = 0xee;
const FIRST_IRQ = 24;
/** Requester ID of a vector that no message of a function may raise. */
const NO_FUNCTION = -1;

export function compatibilityMessage(cpu: number, vector: number): InterruptMessage {
  const address = CompatibilityMessageAddress.encode({
    PREFIX: INTERRUPT_ADDRESS_PREFIX,
    DEST: cpu,
  });
  const data = CompatibilityMessageData.encode({ V: vector });
  return { address: address[0] ?? 0, data: data[0] ?? 0 };
}

export class Irqs {
  readonly #core: Core;
  readonly #descs = new Map<number, IrqDesc>();
  /** `cpu * 256 + vector` to interrupt number; vectors of the kernel itself have negative numbers. */
  readonly #vectors = new Map<number, IrqHandler>();
  readonly #names = new Map<number, string>();
  #remapping: IrqRemapping | null = null;
  #isServicing = false;

  constructor(core: Core) {
    this.#core = core;
    core.serviceInterrupts = () => this.service();
    exportSymbols<Irqs>(core, this, {
      calls: ['request_irq', 'free_irq', 'irq_set_affinity', 'irq_set_vcpu_affinity'],
    });
  }

  /** Interrupt remapping is on from here on; interrupts allocated before keep their form. */
  useRemapping(remapping: IrqRemapping): void {
    this.#remapping = remapping;
  }

  /** Whether messages of devices are checked against their sender (IOMMU_CAP_INTR_REMAP). */
  get hasRemapping(): boolean {
    return this.#remapping !== null;
  }

  desc(irq: number): IrqDesc | undefined {
    return this.#descs.get(irq);
  }

  list(): readonly IrqDesc[] {
    return [...this.#descs.values()];
  }

  // ---- allocation ----------------------------------------------------------------------------------------------------

  /** An interrupt whose message is composed and stored, masked until it is requested; or a negative error number. */
  alloc(request: IrqRequest): number {
    const handle = this.#remapping?.alloc(request.rid) ?? -1;
    if (this.#remapping !== null && IS_ERR(handle)) {
      return handle;
    }
    const irq = this.#core.nextId('irq', FIRST_IRQ);
    const place = this.#allocAnyVector(irq, request.cpu);
    if (IS_ERR(place)) {
      this.#remapping?.free(handle);
      return place;
    }
    const { cpu, vector } = place;
    const desc: IrqDesc = {
      irq,
      chip: request.chip,
      hwirq: request.hwirq,
      rid: request.rid,
      cpu,
      vector,
      handle,
      name: '',
      handler: null,
      count: 0,
      posted: null,
      principal: null,
    };
    this.#descs.set(irq, desc);
    this.#tellHolder(desc);
    this.#compose(desc);
    this.#publish(desc);
    return irq;
  }

  free(irq: number): void {
    const desc = this.#descs.get(irq);
    if (desc === undefined) {
      return;
    }
    desc.chip.mask(desc.hwirq);
    this.service();
    this.#freeVector(desc.cpu, desc.vector);
    if (desc.handle >= 0) {
      this.#remapping?.free(desc.handle);
    }
    this.#descs.delete(irq);
    this.#core.publish(`irq/${irq}`, undefined);
  }

  /** A vector of the wanted CPU, or of the first that has one left. */
  #allocAnyVector(
    irq: number,
    wanted: number | undefined,
  ): { readonly cpu: number; readonly vector: number } | number {
    const all = Array.from({ length: this.#core.hw.config.cpus }, (_, cpu) => cpu);
    for (const cpu of wanted === undefined ? all : [wanted]) {
      const vector = this.allocVector(cpu, (n) => this.#handle(n), `irq${irq}`, irq);
      if (!IS_ERR(vector)) {
        return { cpu, vector };
      }
    }
    return -ENOSPC;
  }

  /** A vector of a CPU for the kernel's own use, or -ENOSPC. */
  allocVector(cpu: number, handler: IrqHandler, name: string, argument = -1): number {
    for (let vector = FIRST_VECTOR; vector <= LAST_VECTOR; vector++) {
      const key = cpu * 256 + vector;
      if (!this.#vectors.has(key)) {
        this.#vectors.set(key, () => handler(argument));
        this.#names.set(key, name);
        if (argument < 0) {
          this.#hold(cpu, vector, name);
        }
        return vector;
      }
    }
    return -ENOSPC;
  }

  /** The same fixed vector on every CPU, for the kernel's own use (DEFINE_IDTENTRY_SYSVEC). */
  setSystemVector(vector: number, handler: (cpu: number) => void, name: string): void {
    for (let cpu = 0; cpu < this.#core.hw.config.cpus; cpu++) {
      this.#vectors.set(cpu * 256 + vector, () => handler(cpu));
      this.#names.set(cpu * 256 + vector, name);
      this.#hold(cpu, vector, name);
    }
  }

  // ---- for drivers ---------------------------------------------------------------------------------------------------

  request_irq(irq: number, handler: IrqHandler, name: string): number {
    const desc = this.#descs.get(irq);
    if (desc === undefined) {
      return -EINVAL;
    }
    if (desc.handler !== null) {
      return -EBUSY;
    }
    desc.handler = handler;
    desc.name = name;
    this.#tellHolder(desc);
    desc.chip.unmask(desc.hwirq);
    this.#publish(desc);
    return 0;
  }

  free_irq(irq: number): void {
    const desc = this.#descs.get(irq);
    if (desc === undefined || desc.handler === null) {
      this.#core.warn(`Trying to free already-free IRQ ${irq}`);
      return;
    }
    if (desc.chip.shutdown === undefined) {
      desc.chip.mask(desc.hwirq);
    } else {
      desc.chip.shutdown(desc.hwirq);
    }
    // As synchronize_irq: what is on its way finds the handler that it is for.
    this.service();
    desc.handler = null;
    desc.name = '';
    desc.principal = null;
    this.#tellHolder(desc);
    this.#publish(desc);
  }

  /** Until it is freed, the interrupt is for a process, which will hear it by an eventfd of its own. */
  giveTo(irq: number, principal: string): void {
    const desc = this.#descs.get(irq);
    if (desc?.handler === null) {
      desc.principal = principal;
      this.#tellHolder(desc);
    }
  }

  /** The chip lost what it stored: message and mask again. */
  irq_restore(irq: number): void {
    const desc = this.#descs.get(irq);
    if (desc === undefined) {
      return;
    }
    this.#writeMessage(desc);
    if (desc.handler === null) {
      desc.chip.mask(desc.hwirq);
    } else {
      desc.chip.unmask(desc.hwirq);
    }
  }

  irq_set_affinity(irq: number, cpu: number): number {
    const desc = this.#descs.get(irq);
    if (desc === undefined || cpu < 0 || cpu >= this.#core.hw.config.cpus) {
      return -EINVAL;
    }
    const vector = this.allocVector(cpu, (n) => this.#handle(n), `irq${irq}`, irq);
    if (IS_ERR(vector)) {
      return vector;
    }
    this.#freeVector(desc.cpu, desc.vector);
    desc.cpu = cpu;
    desc.vector = vector;
    this.#tellHolder(desc);
    if (desc.posted === null) {
      this.#compose(desc);
    }
    this.#publish(desc);
    return 0;
  }

  /** Posts the interrupt to a virtual CPU, or (null) takes it back to the host's vector. */
  irq_set_vcpu_affinity(irq: number, target: PostedTarget | null): number {
    const desc = this.#descs.get(irq);
    if (desc === undefined || desc.handle < 0 || this.#remapping === null) {
      return -EINVAL;
    }
    if (target !== null) {
      const result = this.#remapping.setPosted(desc.handle, target);
      if (result < 0) {
        return result;
      }
    } else {
      this.#remapping.setRemapped(desc.handle, desc);
    }
    desc.posted = target;
    this.#publish(desc);
    return 0;
  }

  // ---- delivery ------------------------------------------------------------------------------------------------------

  /** Runs the handlers of everything that is pending. A handler is not interrupted. */
  service(): void {
    if (this.#isServicing) {
      return;
    }
    this.#isServicing = true;
    try {
      for (let cpu = 0; cpu < this.#core.hw.config.cpus; cpu++) {
        for (;;) {
          const vector = this.#core.hw.takeInterrupt(cpu);
          if (vector < 0) {
            break;
          }
          this.#deliver(cpu, vector);
        }
      }
    } finally {
      this.#isServicing = false;
    }
  }

  #deliver(cpu: number, vector: number): void {
    const key = cpu * 256 + vector;
    const handler = this.#vectors.get(key);
    if (handler === undefined) {
      this.#core.emit(INTERRUPT_SPURIOUS, cpu, vector);
      return;
    }
    const desc = [...this.#descs.values()].find((d) => d.cpu === cpu && d.vector === vector);
    const name = desc === undefined ? (this.#names.get(key) ?? '') : desc.name;
    const seq = this.#core.emit(INTERRUPT_HANDLED, desc?.irq ?? -1, name, cpu, vector);
    this.#core.hw.within(seq, () => handler(desc?.irq ?? -1));
  }

  #handle(irq: number): void {
    const desc = this.#descs.get(irq);
    if (desc === undefined) {
      return;
    }
    desc.count += 1;
    this.#publish(desc);
    if (desc.handler === null) {
      this.#core.warn(`irq ${irq}: nobody cared`);
      return;
    }
    desc.handler(irq);
  }

  #freeVector(cpu: number, vector: number): void {
    this.#vectors.delete(cpu * 256 + vector);
    this.#names.delete(cpu * 256 + vector);
    this.#core.hw.isolation?.tell({ op: 'hold-vector', cpu, vector, holder: undefined });
  }

  /** A vector that no function raises. */
  #hold(cpu: number, vector: number, name: string): void {
    const holder = { rid: NO_FUNCTION, principal: undefined, name };
    this.#core.hw.isolation?.tell({ op: 'hold-vector', cpu, vector, holder });
  }

  #tellHolder({ irq, cpu, vector, rid, principal, name }: IrqDesc): void {
    const holder = {
      rid,
      principal: principal ?? undefined,
      name: name === '' ? `irq ${irq}` : name,
    };
    this.#core.hw.isolation?.tell({ op: 'hold-vector', cpu, vector, holder });
  }

  #compose(desc: IrqDesc): void {
    if (desc.handle >= 0) {
      this.#remapping?.setRemapped(desc.handle, desc);
    }
    this.#writeMessage(desc);
  }

  #writeMessage(desc: IrqDesc): void {
    const message =
      desc.handle >= 0 && this.#remapping !== null
        ? this.#remapping.message(desc.handle)
        : compatibilityMessage(desc.cpu, desc.vector);
    desc.chip.writeMessage(desc.hwirq, message);
  }

  #publish(desc: IrqDesc): void {
    this.#core.publish(`irq/${desc.irq}`, {
      name: desc.name,
      chip: desc.chip.name,
      hwirq: desc.hwirq,
      rid: desc.rid,
      cpu: desc.cpu,
      vector: desc.vector,
      irte: desc.handle,
      isRequested: desc.handler !== null,
      count: desc.count,
      posted: desc.posted === null ? null : { ...desc.posted },
    });
  }
}
