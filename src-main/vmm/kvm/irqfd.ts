/**
 * irqfd: an eventfd whose signals become a vector of a virtual CPU (virt/kvm/eventfd.c). It is also the consumer of the
 * interrupt bypass: when the same eventfd belongs to a device interrupt, the remapping entry is switched to posted format
 * and the host's handler has no part in it any more.
 */
import { BYPASS_CHANGED, IRQFD_ASSIGNED, IRQFD_REMOVED } from '../../spec/events/vmm.ts';
import type { EventfdFile } from '../../linux/core/eventfd.ts';
import { EOPNOTSUPP } from '../../linux/errno.ts';
import type { BypassConsumer, BypassProducer } from '../../linux/irq/irq-bypass.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { KvmVcpu } from './kvm-vcpu.ts';

/** Where an MSI of the guest goes. */
export interface MsiRoute {
  readonly vcpu: KvmVcpu;
  readonly vector: number;
}

export class Irqfd implements BypassConsumer {
  readonly name: string;
  readonly token: EventfdFile;
  readonly #kernel: Kernel;
  readonly #vm: string;
  readonly #stop: () => void;
  #route: MsiRoute;
  #producer: BypassProducer | null = null;

  constructor(kernel: Kernel, vm: string, eventfd: EventfdFile, route: MsiRoute) {
    this.#kernel = kernel;
    this.#vm = vm;
    this.#route = route;
    this.token = eventfd;
    this.name = `irqfd of ${vm}`;
    const { hw } = kernel.core;
    hw.emit(IRQFD_ASSIGNED, vm, eventfd.name, route.vcpu.index, route.vector);
    this.#stop = eventfd.listen((count) => {
      if (count > 0) {
        this.#route.vcpu.inject(this.#route.vector);
      }
    });
    kernel.bypass.irq_bypass_register_consumer(this);
  }

  get route(): MsiRoute {
    return this.#route;
  }

  /** The host interrupt that is posted, -1 for none. */
  get postedIrq(): number {
    return this.#producer?.irq ?? -1;
  }

  addProducer(producer: BypassProducer): number {
    if (!this.#route.vcpu.hasPosting) {
      return -EOPNOTSUPP;
    }
    const result = this.#post(producer);
    if (result === 0) {
      this.#producer = producer;
    }
    return result;
  }

  deleteProducer(producer: BypassProducer): void {
    this.#producer = null;
    this.#kernel.irqs.irq_set_vcpu_affinity(producer.irq, null);
    this.#kernel.core.hw.emit(BYPASS_CHANGED, this.#vm, producer.irq, false, 0, 0);
  }

  /** The guest moved the message: another vector, another virtual CPU. */
  update(route: MsiRoute): void {
    this.#route = route;
    if (this.#producer !== null) {
      this.#post(this.#producer);
    }
  }

  release(): void {
    this.#kernel.bypass.irq_bypass_unregister_consumer(this);
    this.#stop();
    this.#kernel.core.hw.emit(IRQFD_REMOVED, this.#vm, this.token.name);
  }

  #post(producer: BypassProducer): number {
    const { vcpu, vector } = this.#route;
    const target = { descriptor: vcpu.descriptor.address, vector, isUrgent: false };
    const result = this.#kernel.irqs.irq_set_vcpu_affinity(producer.irq, target);
    if (result === 0) {
      const { hw } = this.#kernel.core;
      hw.emit(BYPASS_CHANGED, this.#vm, producer.irq, true, vector, target.descriptor);
    }
    return result;
  }
}
