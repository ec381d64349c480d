/**
 * One virtual CPU as KVM keeps it: its control fields, its pages, the physical CPU it is bound to, the MSRs of the guest.
 * arch/x86/kvm/vmx.
 *
 * The guest's IA32_PASID is not intercepted: it is in the CPU while the guest runs and comes back to the host's value on
 * every exit, as the MSR lists of a VMCS do it.
 */
import { invariant } from '../../bits/invariant.ts';
import { MSR_INDEX } from '../../spec/cpu/msr.ts';
import { EXIT_REASON, type ExitReason } from '../../spec/cpu/vm-exit.ts';
import {
  ExitControls,
  PinBasedControls,
  PrimaryControls,
  SecondaryControls,
  type VmcsFieldName,
} from '../../spec/cpu/vmcs.ts';
import { INJECTION, INTERRUPT_INJECTED, type Injection } from '../../spec/events/vmm.ts';
import type { Core } from '../../linux/core/core.ts';
import type { VcpuFacts, VmxPort } from '../../sim/index.ts';
import {
  POSTED_INTR_VECTOR,
  POSTED_INTR_WAKEUP_VECTOR,
  type ScheduledVcpu,
  type VcpuHost,
} from './ports.ts';
import { PostedDescriptor } from './posted-descriptor.ts';

const { IA32_PASID } = MSR_INDEX;
/** x2APIC interrupt command register. */
const ICR_MSR = 0x830;
const DESCRIPTOR_OFFSET = 0;
/** More entries in a row that end at once mean that the host never gets its interrupts handled. */
const MAX_ENTRIES = 64;

export interface KvmVcpuOptions {
  readonly kvm: VcpuHost;
  readonly vm: string;
  /** The VMM process. */
  readonly principal: string;
  readonly index: number;
  /** Physical CPU of its thread. */
  readonly cpu: number;
  readonly eptPointer: bigint;
  readonly pasidDirectories: { readonly low: number; readonly high: number };
  /** The CPU takes posted interrupts without an exit. */
  readonly hasPosting: boolean;
  readonly hasPasidTranslation: boolean;
}

export class KvmVcpu implements ScheduledVcpu {
  readonly index: number;
  readonly name: string;
  readonly cpu: number;
  /** Number in the hardware. */
  readonly id: number;
  readonly descriptor: PostedDescriptor;
  readonly hasPosting: boolean;
  /** Intercepted MSRs, emulated here. */
  readonly msrs = new Map<number, bigint>();
  readonly #kvm: VcpuHost;
  readonly #core: Core;
  readonly #vmx: VmxPort;
  readonly #pages: readonly number[];
  /** Its thread has the guest to run: not blocked, not put aside. */
  #isRunnable = false;
  #guestPasid = 0n;
  #hostPasid: bigint | null = null;

  constructor(options: KvmVcpuOptions) {
    const { kvm } = options;
    const { core, pages } = kvm.kernel;
    invariant(core.hw.vmx !== undefined, 'A VM needs a CPU with VMX');
    this.#kvm = kvm;
    this.#core = core;
    this.#vmx = core.hw.vmx;
    this.index = options.index;
    this.cpu = options.cpu;
    this.hasPosting = options.hasPosting;
    this.name = `${options.vm}.vcpu${options.index}`;
    this.id = this.#vmx.createVcpu(this.name);
    const page = (what: string): number => {
      const address = pages.alloc(1, { owner: `${what} of ${this.name}` });
      invariant(address > 0, `${this.name}: no memory`);
      return address;
    };
    this.#pages = [page('virtual APIC'), page('posted-interrupt descriptor')];
    const [virtualApic = 0, descriptor = 0] = this.#pages;
    this.descriptor = new PostedDescriptor(core.hw, descriptor + DESCRIPTOR_OFFSET);
    this.#tellReceiver(options.principal);
    this.#writeControls(options, virtualApic);
    this.descriptor.update({ NV: POSTED_INTR_VECTOR, NDST: this.cpu, SN: 1 });
  }

  get isRunnable(): boolean {
    return this.#isRunnable;
  }

  get isInGuest(): boolean {
    return this.#vmx.running(this.cpu) === this.id;
  }

  get facts(): VcpuFacts {
    return this.#vmx.facts(this.id);
  }

  /** IA32_PASID of the guest. */
  get pasidMsr(): bigint {
    return this.#guestPasid;
  }

  set pasidMsr(value: bigint) {
    this.#guestPasid = value;
    if (this.isInGuest) {
      this.#core.hw.writeMsr(this.cpu, IA32_PASID, value);
    }
  }

  /** Runs the guest: vcpu_load and VM entry. Host interrupts that are due are handled first. */
  enter(): void {
    this.#isRunnable = true;
    for (let attempt = 0; !this.isInGuest; attempt++) {
      invariant(attempt < MAX_ENTRIES, `${this.name} cannot enter guest mode`);
      this.returned();
      this.#kvm.load(this);
      this.#core.settle();
      this.descriptor.update({ NV: POSTED_INTR_VECTOR, NDST: this.cpu, SN: 0 });
      if (this.#vmx.hasPosted(this.id)) {
        this.#vmx.syncPosted(this.cpu, this.id);
      }
      this.#hostPasid = this.#core.hw.readMsr(this.cpu, IA32_PASID);
      if (this.#hostPasid !== this.#guestPasid) {
        this.#core.hw.writeMsr(this.cpu, IA32_PASID, this.#guestPasid);
      }
      const problem = this.#vmx.enterGuest(this.cpu, this.id);
      invariant(problem === undefined, `${this.name}: ${problem ?? ''}`);
    }
  }

  /** The guest leaves for a reason that KVM found. */
  exit(reason: ExitReason, qualification = 0): void {
    if (this.isInGuest) {
      this.#vmx.exitGuest(this.cpu, reason, qualification);
    }
    this.returned();
  }

  /** After an exit, also one that the CPU made by itself: the host's MSRs come back. */
  returned(): void {
    const host = this.#hostPasid;
    if (host === null || this.isInGuest) {
      return;
    }
    this.#hostPasid = null;
    if (host !== this.#guestPasid) {
      this.#core.hw.writeMsr(this.cpu, IA32_PASID, host);
    }
  }

  /** vcpu_put: another virtual CPU gets the CPU. Postings wait without a notification. */
  preempt(): void {
    this.exit(EXIT_REASON.externalInterrupt);
    this.#isRunnable = false;
    this.descriptor.update({ SN: 1 });
  }

  /** HLT: the thread sleeps. A posted interrupt then wakes it through the host (vmx_vcpu_pi_put). */
  block(): void {
    this.enter();
    this.exit(EXIT_REASON.hlt);
    this.#isRunnable = false;
    this.descriptor.update({ NV: POSTED_INTR_WAKEUP_VECTOR, NDST: this.cpu, SN: 0 });
    this.#kvm.block(this);
  }

  /** Puts an edge-triggered vector into the virtual CPU. */
  inject(vector: number): Injection {
    const how = this.#injectionOf();
    const { hw } = this.#core;
    const seq = hw.emit(INTERRUPT_INJECTED, this.name, this.name, vector, how);
    hw.within(seq, () => {
      if (this.hasPosting) {
        this.#post(vector);
      } else {
        this.#request(vector);
      }
    });
    return how;
  }

  /** Highest virtual interrupt, -1 for none. The guest is entered only when something waits. */
  takeInterrupt(): number {
    const requested = this.#vmx.vmread(this.id, 'guestInterruptStatus') & 0xffn;
    if (requested === 0n && !this.#vmx.hasPosted(this.id)) {
      return -1;
    }
    this.enter();
    return this.#vmx.takeVirtualInterrupt(this.cpu);
  }

  destroy(): void {
    this.exit(EXIT_REASON.externalInterrupt);
    this.#kvm.forget(this);
    this.#vmx.destroyVcpu(this.id);
    this.#tellReceiver(undefined);
    this.#pages.forEach((page) => this.#kvm.kernel.pages.free(page));
  }

  /** Whose it is what is posted to the descriptor. */
  #tellReceiver(principal: string | undefined): void {
    const { isolation } = this.#core.hw;
    isolation?.tell({ op: 'receive', descriptor: this.descriptor.address, principal });
  }

  #injectionOf(): Injection {
    if (!this.isInGuest) {
      return INJECTION.pending;
    }
    return this.hasPosting ? INJECTION.posted : INJECTION.kicked;
  }

  /** PIR, ON, and an interrupt to the CPU in guest mode: no exit. */
  #post(vector: number): void {
    const mustNotify = this.descriptor.post(vector);
    if (this.isInGuest && mustNotify) {
      const command = (BigInt(this.cpu) << 32n) | BigInt(POSTED_INTR_VECTOR);
      this.#core.hw.writeMsr(0, ICR_MSR, command);
      return;
    }
    if (!this.isInGuest) {
      this.#kvm.wake(this);
    }
  }

  /** Without posting: the virtual CPU is kicked out of the guest, and the vector set for its next entry. */
  #request(vector: number): void {
    const wasInGuest = this.isInGuest;
    if (wasInGuest) {
      this.exit(EXIT_REASON.externalInterrupt);
    }
    this.#vmx.requestVirtualInterrupt(this.cpu, this.id, vector);
    if (wasInGuest) {
      this.enter();
    } else {
      this.#kvm.wake(this);
    }
  }

  #writeControls(options: KvmVcpuOptions, virtualApic: number): void {
    const { hasPosting, hasPasidTranslation, pasidDirectories } = options;
    const fields: Partial<Record<VmcsFieldName, bigint | number>> = {
      pinBasedControls: PinBasedControls.encode({
        EXTERNAL_INTERRUPT_EXITING: 1,
        NMI_EXITING: 1,
        PROCESS_POSTED_INTERRUPTS: Number(hasPosting),
      })[0] as number,
      primaryControls: PrimaryControls.encode({
        USE_TPR_SHADOW: 1,
        ACTIVATE_SECONDARY: 1,
      })[0] as number,
      secondaryControls: SecondaryControls.encode({
        ENABLE_EPT: 1,
        VIRTUAL_INTERRUPT_DELIVERY: 1,
        PASID_TRANSLATION: Number(hasPasidTranslation),
      })[0] as number,
      exitControls: ExitControls.encode({ ACKNOWLEDGE_INTERRUPT: 1 })[0] as number,
      eptPointer: options.eptPointer,
      virtualApicAddress: virtualApic,
      notificationVector: POSTED_INTR_VECTOR,
      postedInterruptDescriptorAddress: this.descriptor.address,
      lowPasidDirectoryAddress: pasidDirectories.low,
      highPasidDirectoryAddress: pasidDirectories.high,
    };
    for (const [name, value] of Object.entries(fields)) {
      this.#vmx.vmwrite(this.id, name as VmcsFieldName, BigInt(value));
    }
  }
}
