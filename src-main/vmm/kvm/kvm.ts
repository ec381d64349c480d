/**
 * KVM of one host: the vectors it reserves, which virtual CPU has which physical CPU, and its VMs.
 *
 * CPU 0 belongs to the host: virtual CPUs are bound to the others, several to one CPU when there are more of them. A
 * physical CPU holds one virtual CPU at a time; another one that wants to run takes its place, which costs the former an
 * exit.
 */
import { invariant } from '../../bits/invariant.ts';
import type { Kernel } from '../../linux/kernel.ts';
import {
  POSTED_INTR_VECTOR,
  POSTED_INTR_WAKEUP_VECTOR,
  type ListedVm,
  type ScheduledVcpu,
  type VcpuHost,
} from './ports.ts';

export class Kvm implements VcpuHost {
  readonly kernel: Kernel;
  readonly vms = new Map<string, ListedVm>();
  /** Virtual CPUs whose threads sleep. */
  readonly #blocked = new Set<ScheduledVcpu>();
  readonly #loaded = new Map<number, ScheduledVcpu>();
  #nextCpu = 0;

  constructor(kernel: Kernel) {
    invariant(kernel.core.hw.vmx !== undefined, 'This machine has no VMX operation to offer');
    this.kernel = kernel;
    // In host mode the notification has nothing to do: what was posted is taken over at the next entry.
    kernel.irqs.setSystemVector(POSTED_INTR_VECTOR, () => {}, 'kvm posted interrupt');
    kernel.irqs.setSystemVector(
      POSTED_INTR_WAKEUP_VECTOR,
      (cpu) => this.#wakeUp(cpu),
      'kvm posted interrupt wake-up',
    );
  }

  /** CPU for the next virtual CPU: all but CPU 0, in turn. */
  assignCpu(): number {
    const { cpus } = this.kernel.core.hw.config;
    invariant(cpus > 1, 'VMs need a second CPU: CPU 0 belongs to the host');
    const cpu = 1 + (this.#nextCpu % (cpus - 1));
    this.#nextCpu += 1;
    return cpu;
  }

  /** The physical CPU takes up this virtual CPU. */
  load(vcpu: ScheduledVcpu): void {
    const former = this.#loaded.get(vcpu.cpu);
    if (former !== vcpu) {
      former?.preempt();
      this.#loaded.set(vcpu.cpu, vcpu);
    }
    this.#blocked.delete(vcpu);
  }

  /**
   * After time has passed: what exited gives the CPU to the host, whose interrupts and timers are handled, and runs on.
   */
  hostTurn(): void {
    const loaded = [...this.#loaded.values()];
    loaded.forEach((vcpu) => vcpu.returned());
    this.kernel.core.settle();
    for (const vcpu of loaded) {
      if (vcpu.isRunnable && this.#loaded.get(vcpu.cpu) === vcpu) {
        vcpu.enter();
      }
    }
  }

  block(vcpu: ScheduledVcpu): void {
    this.#blocked.add(vcpu);
  }

  wake(vcpu: ScheduledVcpu): void {
    this.#blocked.delete(vcpu);
  }

  forget(vcpu: ScheduledVcpu): void {
    this.#blocked.delete(vcpu);
    if (this.#loaded.get(vcpu.cpu) === vcpu) {
      this.#loaded.delete(vcpu.cpu);
    }
  }

  /** pi_wakeup_handler: every sleeper of the CPU with ON set. */
  #wakeUp(cpu: number): void {
    for (const vcpu of [...this.#blocked]) {
      if (vcpu.cpu === cpu && vcpu.descriptor.read().ON === 1) {
        this.wake(vcpu);
        vcpu.enter();
      }
    }
  }
}
