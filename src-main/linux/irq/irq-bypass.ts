/**
 * The bypass manager (virt/lib/irqbypass.c): brings the owner of a device interrupt and the owner of a virtual CPU's
 * interrupt together by the eventfd they share, so that the device can post to the virtual CPU without the host's handler.
 */
import type { Core } from '../core/core.ts';
import type { EventfdFile } from '../core/eventfd.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import { EBUSY } from '../errno.ts';

export interface BypassProducer {
  readonly name: string;
  readonly token: EventfdFile;
  readonly irq: number;
}

export interface BypassConsumer {
  readonly name: string;
  readonly token: EventfdFile;
  /** A negative error number leaves the interrupt on the slow path; that is no failure of either side. */
  addProducer(producer: BypassProducer): number;
  deleteProducer(producer: BypassProducer): void;
}

export class IrqBypass {
  readonly #core: Core;
  readonly #producers = new Set<BypassProducer>();
  readonly #consumers = new Set<BypassConsumer>();
  readonly #connected = new Map<BypassProducer, BypassConsumer>();

  constructor(core: Core) {
    this.#core = core;
    exportSymbols<IrqBypass>(core, this, {
      calls: [
        'irq_bypass_register_producer',
        'irq_bypass_unregister_producer',
        'irq_bypass_register_consumer',
        'irq_bypass_unregister_consumer',
      ],
    });
  }

  irq_bypass_register_producer(producer: BypassProducer): number {
    if ([...this.#producers].some((p) => p.token === producer.token)) {
      return -EBUSY;
    }
    this.#producers.add(producer);
    const consumer = [...this.#consumers].find((c) => c.token === producer.token);
    if (consumer !== undefined) {
      this.#connect(producer, consumer);
    }
    return 0;
  }

  irq_bypass_unregister_producer(producer: BypassProducer): void {
    this.#disconnect(producer);
    this.#producers.delete(producer);
  }

  irq_bypass_register_consumer(consumer: BypassConsumer): number {
    if ([...this.#consumers].some((c) => c.token === consumer.token)) {
      return -EBUSY;
    }
    this.#consumers.add(consumer);
    const producer = [...this.#producers].find((p) => p.token === consumer.token);
    if (producer !== undefined) {
      this.#connect(producer, consumer);
    }
    return 0;
  }

  irq_bypass_unregister_consumer(consumer: BypassConsumer): void {
    for (const [producer, connected] of [...this.#connected]) {
      if (connected === consumer) {
        this.#disconnect(producer);
      }
    }
    this.#consumers.delete(consumer);
  }

  /** Without it the host's handler runs for every interrupt that a device's user asks for. */
  #connect(producer: BypassProducer, consumer: BypassConsumer): void {
    if (!this.#core.defends('posted-interrupts')) {
      return;
    }
    const result = this.#core.callback(consumer.name, 'add_producer', producer.name, () =>
      consumer.addProducer(producer),
    );
    if (result === 0) {
      this.#connected.set(producer, consumer);
    }
  }

  #disconnect(producer: BypassProducer): void {
    const consumer = this.#connected.get(producer);
    if (consumer === undefined) {
      return;
    }
    this.#connected.delete(producer);
    this.#core.callback(consumer.name, 'del_producer', producer.name, () =>
      consumer.deleteProducer(producer),
    );
  }
}
