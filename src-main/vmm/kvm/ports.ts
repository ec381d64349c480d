/** What KVM and its virtual CPUs know of each other. */
import type { Kernel } from '../../linux/kernel.ts';
import type { PostedDescriptor } from './posted-descriptor.ts';

/** A virtual CPU in guest mode takes its posted interrupts on it (asm/irq_vectors.h). */
export const POSTED_INTR_VECTOR = 0xf2;
/** A blocked virtual CPU is woken on it. */
export const POSTED_INTR_WAKEUP_VECTOR = 0xf1;

/** A virtual CPU as the scheduling of physical CPUs sees it. */
export interface ScheduledVcpu {
  readonly cpu: number;
  readonly descriptor: PostedDescriptor;
  readonly isRunnable: boolean;
  enter(): void;
  preempt(): void;
  returned(): void;
}

/** KVM as a virtual CPU sees it. */
export interface VcpuHost {
  readonly kernel: Kernel;
  /** The physical CPU takes up this virtual CPU. */
  load(vcpu: ScheduledVcpu): void;
  /** Its thread sleeps until an interrupt comes. */
  block(vcpu: ScheduledVcpu): void;
  wake(vcpu: ScheduledVcpu): void;
  forget(vcpu: ScheduledVcpu): void;
}

/** A VM as KVM lists it. */
export interface ListedVm {
  readonly vm: string;
}
