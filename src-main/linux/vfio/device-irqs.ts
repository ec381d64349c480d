/**
 * Interrupt vectors of a device that end in eventfds: the handler signals, and the bypass manager may take the handler out of
 * the way (posted interrupts). All or none of a block is installed.
 */
import type { EventfdFile } from '../core/eventfd.ts';
import { EINVAL, IS_ERR } from '../errno.ts';
import type { BypassProducer, IrqBypass } from '../irq/irq-bypass.ts';
import type { Irqs } from '../irq/irq.ts';
import type { IrqSetTarget } from './irq-set.ts';

export interface VectorSource {
  /** Interrupt behind a vector, made when there is none; or a negative error number. */
  acquire(vector: number): number;
  release(vector: number, irq: number): void;
}

interface Vector {
  readonly irq: number;
  readonly eventfd: EventfdFile;
  readonly producer: BypassProducer;
}

export class DeviceIrqs implements IrqSetTarget {
  readonly count: number;
  readonly #name: string;
  readonly #irqs: Irqs;
  readonly #bypass: IrqBypass;
  readonly #source: VectorSource;
  readonly #vectors = new Map<number, Vector>();

  constructor(options: {
    readonly name: string;
    readonly count: number;
    readonly irqs: Irqs;
    readonly bypass: IrqBypass;
    readonly source: VectorSource;
  }) {
    this.#name = options.name;
    this.count = options.count;
    this.#irqs = options.irqs;
    this.#bypass = options.bypass;
    this.#source = options.source;
  }

  /** Vectors with an eventfd. */
  get installed(): readonly number[] {
    return [...this.#vectors.keys()];
  }

  irqOf(vector: number): number | undefined {
    return this.#vectors.get(vector)?.irq;
  }

  eventfdOf(vector: number): EventfdFile | undefined {
    return this.#vectors.get(vector)?.eventfd;
  }

  setEventfds(start: number, eventfds: readonly (EventfdFile | null)[]): number {
    const done: number[] = [];
    for (const [i, eventfd] of eventfds.entries()) {
      const result = this.#set(start + i, eventfd);
      if (result < 0) {
        done.forEach((vector) => this.#clear(vector));
        return result;
      }
      done.push(start + i);
    }
    return 0;
  }

  disable(): number {
    this.installed.forEach((vector) => this.#clear(vector));
    return 0;
  }

  trigger(start: number, which: readonly boolean[]): number {
    which.forEach((isMeant, i) => {
      if (isMeant) {
        this.#vectors.get(start + i)?.eventfd.signal('triggered by user space');
      }
    });
    return 0;
  }

  #set(vector: number, eventfd: EventfdFile | null): number {
    this.#clear(vector);
    if (eventfd === null) {
      return 0;
    }
    const irq = this.#source.acquire(vector);
    if (IS_ERR(irq)) {
      return irq;
    }
    const name = `${this.#name}[${vector}]`;
    this.#irqs.giveTo(irq, eventfd.owner);
    const requested = this.#irqs.request_irq(
      irq,
      () => eventfd.signal(`interrupt of ${name}`),
      name,
    );
    if (requested < 0) {
      this.#source.release(vector, irq);
      return requested === -EINVAL ? -EINVAL : requested;
    }
    eventfd.hold();
    const producer = { name, token: eventfd, irq };
    this.#vectors.set(vector, { irq, eventfd, producer });
    // A refusal only means that interrupts keep going through the handler.
    this.#bypass.irq_bypass_register_producer(producer);
    return 0;
  }

  #clear(vector: number): void {
    const known = this.#vectors.get(vector);
    if (known === undefined) {
      return;
    }
    this.#bypass.irq_bypass_unregister_producer(known.producer);
    this.#irqs.free_irq(known.irq);
    this.#source.release(vector, known.irq);
    known.eventfd.drop();
    this.#vectors.delete(vector);
  }
}
