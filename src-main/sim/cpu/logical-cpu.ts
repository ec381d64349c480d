/**
 * One logical CPU: privilege level, control registers, MSRs, local APIC, enqueue instructions, and VMX operation with
 * interrupts in both modes. Intel SDM volumes 2 and 3.
 *
 * There is no instruction stream: software layers call what an instruction would do. In guest mode an interrupt that
 * reaches the local APIC is dealt with at once: posted-interrupt processing for the notification vector, a VM exit for any
 * other, as the controls say.
 *
 * Not modelled: VMXON and VMCS pointers, guest register state, NMI windows, interrupt shadows, APIC timer.
 */
import { MSR_INDEX, X2APIC_MSR_FIRST, X2APIC_MSR_LAST } from '../../spec/cpu/msr.ts';
import { EXIT_REASON, type ExitReason } from '../../spec/cpu/vm-exit.ts';
import { MSR_FAULTED, MSR_WRITTEN, PRIVILEGE_CHANGED } from '../../spec/events/cpu.ts';
import {
  POSTED_INTERRUPTS_PROCESSED,
  VCPU_WOKEN,
  VIRTUAL_INTERRUPT_COMPLETED,
  VIRTUAL_INTERRUPT_DELIVERED,
  VIRTUAL_INTERRUPT_REQUESTED,
  VM_ENTERED,
  VM_ENTRY_FAILED,
  VM_EXITED,
} from '../../spec/events/vmx.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import { EnqueueUnit, type EnqueueCounters, type InstructionOutcome } from './enqueue-unit.ts';
import {
  LocalApic,
  type ApicStartup,
  type InterruptCommand,
  type LocalApicState,
} from './local-apic.ts';
import { MsrFile } from './msr-file.ts';
import type { MsrRead, MsrWrite } from './msr-outcome.ts';
import { PageWalker, type PageAccess, type PageWalk, type PagingContext } from './page-walk.ts';
import type { BusPort, CpuMemory, VmExitListener } from './ports.ts';
import { PostedInterruptProcessing } from './posted-interrupt-processing.ts';
import type { Vcpu } from './vcpu.ts';
import { NO_VECTOR } from './vector-set.ts';
import {
  acknowledgesOnExit,
  deliversVirtualInterrupts,
  entryProblem,
  exitsOnExternalInterrupt,
  exitsOnNmi,
  processesPostedInterrupts,
  translatesPasids,
} from './vm-entry-checks.ts';
import { VmxPasidTranslation } from './vmx-pasid-translation.ts';

export interface LogicalCpuOptions {
  readonly index: number;
  readonly apicId: number;
  readonly physicalAddressBits: number;
  readonly hasEnqcmd: boolean;
  readonly apicBase: number;
  readonly apic: ApicStartup;
}

export interface LogicalCpuPorts {
  readonly memory: CpuMemory;
  readonly bus: BusPort;
  readonly trace: Trace;
  sendCommand(from: LocalApic, command: InterruptCommand): void;
  readonly exits: VmExitListener;
}

export type VmEntry =
  | { readonly kind: 'entered' }
  /** VM entry refused the control fields (VMfailValid, error 7). */
  | { readonly kind: 'refused'; readonly problem: string };

export interface LogicalCpuState {
  readonly cpl: number;
  readonly paging: PagingContext;
  readonly msrs: Uint32Array;
  readonly apic: LocalApicState;
  readonly enqueue: EnqueueCounters;
  /** Identifier of the vCPU in guest mode, -1 in host mode. */
  readonly vcpu: number;
  /** Vector that the last exit acknowledged and no handler took yet, -1 for none. */
  readonly acknowledged: number;
}

const ENTERED: VmEntry = { kind: 'entered' };

export class LogicalCpu implements Snapshotable<LogicalCpuState> {
  readonly index: number;
  readonly name: string;
  readonly apic: LocalApic;
  readonly #msrs: MsrFile;
  readonly #enqueue: EnqueueUnit;
  readonly #walker: PageWalker;
  readonly #pasids: VmxPasidTranslation;
  readonly #posted: PostedInterruptProcessing;
  readonly #ports: LogicalCpuPorts;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #options: LogicalCpuOptions;
  #vcpu: Vcpu | undefined;
  #acknowledged: number = NO_VECTOR;
  #cpl = 0;
  #paging: PagingContext = {
    cr3: 0,
    levels: 4,
    isWriteProtected: true,
    isExecuteDisableEnabled: true,
  };

  constructor(options: LogicalCpuOptions, ports: LogicalCpuPorts) {
    const { trace, memory } = ports;
    this.index = options.index;
    this.name = `cpu${options.index}`;
    this.#options = options;
    this.#ports = ports;
    this.#trace = trace;
    this.#source = trace.source(this.name);
    this.apic = new LocalApic(
      options.apicId,
      {
        onPendingChanged: () => {
          this.#serviceGuestMode();
        },
        sendCommand: (from, command) => {
          ports.sendCommand(from, command);
        },
      },
      trace,
      this.#source,
    );
    this.apic.start(options.apic);
    this.#msrs = new MsrFile(this.apic, {
      physicalAddressBits: options.physicalAddressBits,
      hasEnqcmd: options.hasEnqcmd,
      apicBase: options.apicBase,
      isBootstrap: options.index === 0,
    });
    this.#walker = new PageWalker(memory, options.physicalAddressBits, trace, this.name);
    this.#pasids = new VmxPasidTranslation(memory, options.physicalAddressBits, trace);
    this.#posted = new PostedInterruptProcessing(memory);
    this.#enqueue = this.#createEnqueueUnit();
  }

  /** Current privilege level: 0 kernel, 3 user. */
  get cpl(): number {
    return this.#cpl;
  }

  get counters(): Readonly<EnqueueCounters> {
    return this.#enqueue.counters;
  }

  /** The vCPU that runs here, undefined in host mode. */
  get vcpu(): Vcpu | undefined {
    return this.#vcpu;
  }

  get paging(): PagingContext {
    return this.#paging;
  }

  setPrivilegeLevel(cpl: number): void {
    if (cpl !== this.#cpl) {
      this.#cpl = cpl;
      this.#trace.record(PRIVILEGE_CHANGED, this.#source, cpl);
    }
  }

  /** MOV to CR3, CR0.WP, CR4.LA57. NXE follows IA32_EFER. */
  setPaging(change: Partial<Omit<PagingContext, 'isExecuteDisableEnabled'>>): void {
    this.#paging = { ...this.#paging, ...change };
  }

  /** Translates a linear address with the CPU's own registers and privilege. The result is valid until the next call. */
  translate(high: number, low: number, access: PageAccess): PageWalk {
    return this.#walker.walk(this.#paging, high, low, access, this.#cpl === 3);
  }

  movdir64b(addressHigh: number, addressLow: number, words: Uint32Array): InstructionOutcome {
    return this.#enqueue.movdir64b(addressHigh, addressLow, words);
  }

  enqcmd(addressHigh: number, addressLow: number, words: Uint32Array): InstructionOutcome {
    return this.#enqueue.enqcmd(addressHigh, addressLow, words);
  }

  enqcmds(addressHigh: number, addressLow: number, words: Uint32Array): InstructionOutcome {
    return this.#enqueue.enqcmds(addressHigh, addressLow, words);
  }

  readMsr(index: number): MsrRead {
    const outcome = this.#msrs.read(index);
    if (outcome.kind === 'fault') {
      this.#trace.record(MSR_FAULTED, this.#source, index, false, 0, outcome.cause);
    }
    return outcome;
  }

  writeMsr(index: number, value: bigint): MsrWrite {
    const outcome = this.#msrs.write(index, value);
    if (outcome.kind === 'fault') {
      this.#trace.record(MSR_FAULTED, this.#source, index, true, value, outcome.cause);
      return outcome;
    }
    if (index >= X2APIC_MSR_FIRST && index <= X2APIC_MSR_LAST) {
      // The events of the local APIC say what such a write did.
      return outcome;
    }
    this.#trace.record(MSR_WRITTEN, this.#source, index, value);
    if (index === MSR_INDEX.IA32_EFER) {
      const { isExecuteDisableEnabled } = this.#msrs;
      this.#paging = { ...this.#paging, isExecuteDisableEnabled };
    }
    return outcome;
  }

  /** Acknowledges the highest-priority pending vector, `NO_VECTOR` when none is deliverable. Ends with an EOI. */
  takeInterrupt(): number {
    return this.apic.acknowledge();
  }

  /** The vector that an exit acknowledged: the VMM hands it to the host's handler. `NO_VECTOR` when there is none. */
  takeAcknowledged(): number {
    const vector = this.#acknowledged;
    this.#acknowledged = NO_VECTOR;
    return vector;
  }

  /**
   * Enters guest mode. Pending host interrupts are dealt with before the first guest instruction, so the CPU may be back in
   * host mode already: `vcpu` tells.
   */
  enterGuest(vcpu: Vcpu): VmEntry {
    const problem = entryProblem(vcpu.vmcs, this.#options.physicalAddressBits);
    if (problem !== undefined || this.#vcpu !== undefined) {
      const reason = problem ?? 'The CPU is in guest mode already';
      this.#trace.record(VM_ENTRY_FAILED, this.#source, vcpu.name, reason);
      return { kind: 'refused', problem: reason };
    }
    this.#vcpu = vcpu;
    vcpu.counters.entries++;
    this.#trace.record(VM_ENTERED, this.#source, vcpu.name);
    this.#evaluateVirtual(vcpu);
    this.#serviceGuestMode();
    return ENTERED;
  }

  /** Leaves guest mode, for a reason the VMM layer has found (a trapped access, HLT, ...). */
  exitGuest(reason: ExitReason, qualification = 0): void {
    this.#exit(reason, qualification, NO_VECTOR);
  }

  /** The guest executes HLT without an exit: it waits for a virtual interrupt. */
  haltGuest(): void {
    if (this.#vcpu !== undefined) {
      this.#vcpu.isHalted = true;
      this.#evaluateVirtual(this.#vcpu);
    }
  }

  /** The guest takes its highest virtual interrupt, `NO_VECTOR` when none is deliverable or no guest runs. */
  takeVirtualInterrupt(): number {
    const vcpu = this.#vcpu;
    if (vcpu === undefined || !deliversVirtualInterrupts(vcpu.vmcs)) {
      return NO_VECTOR;
    }
    const vector = vcpu.virtualApic.deliver();
    if (vector !== NO_VECTOR) {
      vcpu.counters.virtualInterrupts++;
      this.#trace.record(VIRTUAL_INTERRUPT_DELIVERED, this.#source, vcpu.name, vector);
    }
    return vector;
  }

  /** The guest writes EOI. Exits only for vectors of the EOI-exit bitmap. */
  endVirtualInterrupt(): void {
    const vcpu = this.#vcpu;
    if (vcpu === undefined || !deliversVirtualInterrupts(vcpu.vmcs)) {
      return;
    }
    const vector = vcpu.virtualApic.endOfInterrupt();
    if (vector === NO_VECTOR) {
      return;
    }
    const exits = vcpu.virtualApic.exitsOnEoi(vector);
    this.#trace.record(VIRTUAL_INTERRUPT_COMPLETED, this.#source, vcpu.name, vector, exits);
    if (exits) {
      this.#exit(EXIT_REASON.virtualizedEoi, vector, NO_VECTOR);
    }
  }

  /** The VMM requests a virtual interrupt itself. */
  requestVirtualInterrupt(vcpu: Vcpu, vector: number): void {
    vcpu.virtualApic.request(vector);
    vcpu.counters.requestedVectors++;
    this.#trace.record(VIRTUAL_INTERRUPT_REQUESTED, this.#source, vcpu.name, vector);
    this.#evaluateVirtual(vcpu);
  }

  /** The VMM moves posted vectors into the virtual APIC before an entry. Gives their number. */
  syncPosted(vcpu: Vcpu): number {
    return this.#posted.hasPosted(vcpu) ? this.#processPosted(vcpu) : 0;
  }

  hasPosted(vcpu: Vcpu): boolean {
    return this.#posted.hasPosted(vcpu);
  }

  snapshot(): LogicalCpuState {
    return {
      cpl: this.#cpl,
      paging: { ...this.#paging },
      msrs: this.#msrs.snapshot(),
      apic: this.apic.snapshot(),
      enqueue: this.#enqueue.snapshot(),
      vcpu: this.#vcpu?.id ?? -1,
      acknowledged: this.#acknowledged,
    };
  }

  /** The vCPU named by the state is given apart, because `CpuComplex` owns the vCPUs. */
  restore(state: LogicalCpuState, vcpu?: Vcpu): void {
    this.#cpl = state.cpl;
    this.#paging = { ...state.paging };
    this.#msrs.restore(state.msrs);
    this.apic.restore(state.apic);
    this.#enqueue.restore(state.enqueue);
    this.#vcpu = vcpu;
    this.#acknowledged = state.acknowledged;
  }

  #createEnqueueUnit(): EnqueueUnit {
    const cpl = (): number => this.#cpl;
    return new EnqueueUnit(
      {
        get cpl() {
          return cpl();
        },
        hasEnqcmd: this.#options.hasEnqcmd,
        msrs: this.#msrs,
        translatePasid: (pasid) => {
          const vcpu = this.#vcpu;
          return vcpu !== undefined && translatesPasids(vcpu.vmcs)
            ? this.#pasids.translate(vcpu.vmcs, pasid, this.#source)
            : pasid;
        },
        exit: (reason, guestPasid) => {
          this.#exit(reason, guestPasid, NO_VECTOR);
        },
      },
      this.#ports.bus,
      this.#trace,
      this.#source,
    );
  }

  /** In guest mode: posted-interrupt processing, or an exit for a host interrupt. */
  #serviceGuestMode(): void {
    const vcpu = this.#vcpu;
    if (vcpu === undefined) {
      return;
    }
    if (this.apic.isNmiPending && exitsOnNmi(vcpu.vmcs)) {
      this.apic.acknowledgeNmi();
      this.#exit(EXIT_REASON.exceptionOrNmi, 0, NO_VECTOR);
      return;
    }
    if (!exitsOnExternalInterrupt(vcpu.vmcs)) {
      return;
    }
    const vector = this.apic.deliverableVector();
    if (vector === NO_VECTOR) {
      return;
    }
    const isNotification =
      processesPostedInterrupts(vcpu.vmcs) && vector === vcpu.vmcs.low('notificationVector');
    if (isNotification) {
      this.apic.acknowledge();
      vcpu.counters.postedNotifications++;
      this.#processPosted(vcpu);
      this.apic.endOfInterrupt();
      return;
    }
    const acknowledged = acknowledgesOnExit(vcpu.vmcs) ? this.apic.acknowledge() : NO_VECTOR;
    this.#exit(EXIT_REASON.externalInterrupt, 0, acknowledged);
  }

  #processPosted(vcpu: Vcpu): number {
    const moved = this.#posted.process(vcpu);
    vcpu.counters.postedVectors += moved;
    this.#trace.record(
      POSTED_INTERRUPTS_PROCESSED,
      this.#source,
      vcpu.name,
      vcpu.vmcs.address('postedInterruptDescriptorAddress'),
      moved,
      vcpu.virtualApic.rvi,
    );
    this.#evaluateVirtual(vcpu);
    return moved;
  }

  /** A deliverable virtual interrupt ends the halt state. */
  #evaluateVirtual(vcpu: Vcpu): void {
    if (vcpu.isHalted && deliversVirtualInterrupts(vcpu.vmcs) && vcpu.virtualApic.hasDeliverable) {
      vcpu.isHalted = false;
      vcpu.counters.wakeups++;
      this.#trace.record(VCPU_WOKEN, this.#source, vcpu.name);
    }
  }

  #exit(reason: ExitReason, qualification: number, vector: number): void {
    const vcpu = this.#vcpu;
    if (vcpu === undefined) {
      return;
    }
    this.#vcpu = undefined;
    vcpu.lastExit = { reason, qualification, vector };
    this.#acknowledged = vector;
    vcpu.exits.record(reason);
    const seq = this.#trace.record(VM_EXITED, this.#source, vcpu.name, reason, qualification);
    const saved = this.#trace.enter(seq);
    this.#ports.exits.onDidExit(this.index, vcpu.id, vcpu.lastExit);
    this.#trace.cause = saved;
  }
}
