/**
 * Local APIC of one CPU: identifiers, acceptance of interrupts (IRR), service (ISR), priorities, EOI and inter-processor
 * interrupts, in xAPIC and x2APIC mode. Intel SDM volume 3, "Local APIC" and "Extended XAPIC (x2APIC)".
 *
 * Not modelled: timer and other local interrupts, the APIC arbitration bus, EOI broadcasts to I/O APICs (the machine has
 * none), SMI, INIT, start-up and ExtINT beyond a trace record.
 */
import { fieldOf, isFieldSet, wordField } from '../../bits/word-field.ts';
import {
  DELIVERY_MODE,
  FIRST_LEGAL_VECTOR,
  LAPIC_BLOCK,
  LAPIC_BYTES,
  LAPIC_OFFSET,
  LAPIC_REGISTERS,
  VECTORS,
} from '../../spec/cpu/local-apic.ts';
import {
  APIC_MODE,
  APIC_MODE_CHANGED,
  INTERRUPT_ACCEPTED,
  INTERRUPT_COMPLETED,
  INTERRUPT_REFUSED,
  INTERRUPT_TAKEN,
  IPI_SENT,
  REFUSAL,
  SPECIAL_INTERRUPT_IGNORED,
  SPECIAL_INTERRUPT_RECEIVED,
  type ApicMode,
  type Refusal,
} from '../../spec/events/local-apic.ts';
import { RegisterFile, type RegisterWrite } from '../core/register-file.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import { NO_CAUSE, type Trace } from '../core/trace.ts';
import {
  NO_VECTOR,
  addVector,
  classOf,
  hasVector,
  highestVector,
  removeVector,
} from './vector-set.ts';

/** An interrupt command as software wrote it into ICR. */
export interface InterruptCommand {
  readonly vector: number;
  readonly deliveryMode: number;
  readonly isLogical: boolean;
  readonly isLevel: boolean;
  /** 0 none, 1 self, 2 all, 3 all but self. */
  readonly shorthand: number;
  readonly destination: number;
}

/** What a local APIC needs from its CPU and from the other APICs. */
export interface LocalApicPorts {
  /** A vector became pending or a priority fell: something may be deliverable now. */
  onPendingChanged(): void;
  sendCommand(from: LocalApic, command: InterruptCommand): void;
}

export interface LocalApicCounters {
  accepted: number;
  /** Messages whose bit in IRR was already set. */
  coalesced: number;
  refused: number;
  taken: number;
  completed: number;
  nmis: number;
  ipisSent: number;
}

export interface LocalApicState {
  readonly registers: Uint32Array;
  readonly mode: ApicMode;
  readonly isNmiPending: boolean;
  readonly requests: Float64Array;
  readonly counters: Readonly<LocalApicCounters>;
}

/** State in which firmware hands the APIC over. */
export interface ApicStartup {
  readonly mode: ApicMode;
  /** SVR bit 8. */
  readonly isEnabled: boolean;
}

const { TPR, LDR, DFR, SVR, ESR, ICR_LOW } = LAPIC_REGISTERS;
const SVR_ENABLE = wordField(SVR, 'ENABLE');
const DFR_MODEL = wordField(DFR, 'MODEL');
const ESR_SEND_ILLEGAL = wordField(ESR, 'SEND_ILLEGAL');
const ESR_RECEIVED_ILLEGAL = wordField(ESR, 'RECEIVED_ILLEGAL');
const ICR_VECTOR = wordField(ICR_LOW, 'VECTOR');
const ICR_MODE = wordField(ICR_LOW, 'DLM');
const ICR_LOGICAL = wordField(ICR_LOW, 'DM');
const ICR_TRIGGER = wordField(ICR_LOW, 'TM');
const ICR_SHORTHAND = wordField(ICR_LOW, 'SHORTHAND');

const XAPIC_BROADCAST = 0xff;
const X2APIC_BROADCAST = 0xffff_ffff;
const XAPIC_ID_SHIFT = 24;
const FLAT_MODEL = 15;

function newCounters(): LocalApicCounters {
  return { accepted: 0, coalesced: 0, refused: 0, taken: 0, completed: 0, nmis: 0, ipisSent: 0 };
}

export class LocalApic implements Snapshotable<LocalApicState> {
  readonly id: number;
  readonly registers: RegisterFile;
  readonly #ports: LocalApicPorts;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #counters = newCounters();
  /** By vector: trace record of the newest message, so that a taken interrupt can be followed back to its sender. */
  readonly #requests = new Float64Array(VECTORS).fill(NO_CAUSE);
  #mode: ApicMode = APIC_MODE.xapic;
  #isNmiPending = false;

  constructor(id: number, ports: LocalApicPorts, trace: Trace, source: number) {
    this.id = id;
    this.#ports = ports;
    this.#trace = trace;
    this.#source = source;
    this.registers = new RegisterFile(LAPIC_BLOCK, LAPIC_BYTES, {
      onDidWrite: (write) => {
        this.#onDidWrite(write);
      },
    });
    this.#showIdentifiers();
  }

  get mode(): ApicMode {
    return this.#mode;
  }

  get counters(): Readonly<LocalApicCounters> {
    return this.#counters;
  }

  get isNmiPending(): boolean {
    return this.#isNmiPending;
  }

  /** Software enable (SVR bit 8) and a mode other than disabled. */
  get isEnabled(): boolean {
    return (
      this.#mode !== APIC_MODE.disabled &&
      isFieldSet(this.registers.peek32(LAPIC_OFFSET.SVR), SVR_ENABLE)
    );
  }

  /** Processor priority: vectors of its class and below wait. */
  get processorPriority(): number {
    return this.registers.peek32(LAPIC_OFFSET.PPR);
  }

  /** Takes over what firmware left behind. */
  start(startup: ApicStartup): void {
    this.#mode = startup.mode;
    const svr = this.registers.peek32(LAPIC_OFFSET.SVR);
    this.registers.poke32(
      LAPIC_OFFSET.SVR,
      startup.isEnabled ? (svr | SVR_ENABLE.mask) >>> 0 : (svr & ~SVR_ENABLE.mask) >>> 0,
    );
    this.#showIdentifiers();
  }

  /** IA32_APIC_BASE chose a mode. Leaving every mode resets the registers. */
  switchMode(mode: ApicMode): void {
    if (mode === this.#mode) {
      return;
    }
    this.#mode = mode;
    if (mode === APIC_MODE.disabled) {
      this.registers.reset();
      this.#isNmiPending = false;
    }
    this.#showIdentifiers();
    if (this.#trace.isOn) {
      this.#trace.record(APIC_MODE_CHANGED, this.#source, mode, this.id);
    }
  }

  matchesPhysical(destination: number): boolean {
    if (this.#mode === APIC_MODE.x2apic) {
      return destination === this.id || destination === X2APIC_BROADCAST;
    }
    const id = destination & 0xff;
    return this.#mode === APIC_MODE.xapic && (id === (this.id & 0xff) || id === XAPIC_BROADCAST);
  }

  matchesLogical(destination: number): boolean {
    const ldr = this.registers.peek32(LAPIC_OFFSET.LDR);
    if (this.#mode === APIC_MODE.x2apic) {
      const isCluster = destination >>> 16 === ldr >>> 16;
      return destination === X2APIC_BROADCAST || (isCluster && (destination & ldr & 0xffff) !== 0);
    }
    if (this.#mode === APIC_MODE.disabled) {
      return false;
    }
    const mine = ldr >>> XAPIC_ID_SHIFT;
    const wanted = destination & 0xff;
    if (wanted === XAPIC_BROADCAST) {
      return true;
    }
    if (fieldOf(this.registers.peek32(LAPIC_OFFSET.DFR), DFR_MODEL) === FLAT_MODEL) {
      return (mine & wanted) !== 0;
    }
    return mine >>> 4 === wanted >>> 4 && (mine & wanted & 0xf) !== 0;
  }

  /** A fixed or lowest-priority interrupt for this CPU. False when it was refused. */
  accept(vector: number, isLevel: boolean): boolean {
    if (vector < FIRST_LEGAL_VECTOR) {
      this.#flagError(ESR_RECEIVED_ILLEGAL.mask);
      return this.#refuse(vector, REFUSAL.illegalVector);
    }
    if (!this.isEnabled) {
      return this.#refuse(
        vector,
        this.#mode === APIC_MODE.disabled ? REFUSAL.disabled : REFUSAL.softwareDisabled,
      );
    }
    const wasPending = hasVector(this.registers, LAPIC_OFFSET.IRR, vector);
    addVector(this.registers, LAPIC_OFFSET.IRR, vector);
    if (isLevel) {
      addVector(this.registers, LAPIC_OFFSET.TMR, vector);
    } else {
      removeVector(this.registers, LAPIC_OFFSET.TMR, vector);
    }
    this.#counters.accepted++;
    if (wasPending) {
      this.#counters.coalesced++;
    }
    if (this.#trace.isOn) {
      this.#trace.begin(INTERRUPT_ACCEPTED, this.#source);
      this.#trace.num(vector);
      this.#trace.num(isLevel ? 1 : 0);
      this.#trace.num(wasPending ? 1 : 0);
      this.#requests[vector] = this.#trace.end();
    }
    this.#ports.onPendingChanged();
    return true;
  }

  /** Delivery modes other than fixed and lowest priority. */
  acceptSpecial(deliveryMode: number, vector: number): void {
    if (deliveryMode !== DELIVERY_MODE.nmi) {
      this.#trace.record(SPECIAL_INTERRUPT_IGNORED, this.#source, deliveryMode, vector);
      return;
    }
    this.#isNmiPending = true;
    this.#counters.nmis++;
    this.#trace.record(SPECIAL_INTERRUPT_RECEIVED, this.#source, deliveryMode);
    this.#ports.onPendingChanged();
  }

  /** Highest pending vector above the processor priority, `NO_VECTOR` when there is none. */
  deliverableVector(): number {
    const vector = highestVector(this.registers, LAPIC_OFFSET.IRR);
    return vector !== NO_VECTOR && classOf(vector) > classOf(this.processorPriority)
      ? vector
      : NO_VECTOR;
  }

  /** Moves the deliverable vector from IRR to ISR and returns it, `NO_VECTOR` when there is none. */
  acknowledge(): number {
    const vector = this.deliverableVector();
    if (vector === NO_VECTOR) {
      return NO_VECTOR;
    }
    removeVector(this.registers, LAPIC_OFFSET.IRR, vector);
    addVector(this.registers, LAPIC_OFFSET.ISR, vector);
    this.#counters.taken++;
    this.#updatePriority();
    if (this.#trace.isOn) {
      this.#trace.begin(INTERRUPT_TAKEN, this.#source);
      this.#trace.num(vector);
      this.#trace.num(this.#requests[vector] as number);
      this.#trace.end();
    }
    return vector;
  }

  acknowledgeNmi(): boolean {
    const wasPending = this.#isNmiPending;
    this.#isNmiPending = false;
    return wasPending;
  }

  /** EOI: ends the highest vector in service. */
  endOfInterrupt(): void {
    const vector = highestVector(this.registers, LAPIC_OFFSET.ISR);
    if (vector === NO_VECTOR) {
      return;
    }
    removeVector(this.registers, LAPIC_OFFSET.ISR, vector);
    this.#counters.completed++;
    this.#updatePriority();
    if (this.#trace.isOn) {
      this.#trace.begin(INTERRUPT_COMPLETED, this.#source);
      this.#trace.num(vector);
      this.#trace.end();
    }
    this.#ports.onPendingChanged();
  }

  /** Memory-mapped view, in xAPIC mode only; all ones and no effect otherwise. */
  mmioRead(offset: number): number {
    return this.#mode === APIC_MODE.xapic ? Number(this.registers.read(offset, 4)) : 0xffff_ffff;
  }

  mmioWrite(offset: number, value: number): void {
    if (this.#mode === APIC_MODE.xapic) {
      this.registers.write(offset, 4, BigInt(value));
    }
  }

  isPending(vector: number): boolean {
    return hasVector(this.registers, LAPIC_OFFSET.IRR, vector);
  }

  isInService(vector: number): boolean {
    return hasVector(this.registers, LAPIC_OFFSET.ISR, vector);
  }

  snapshot(): LocalApicState {
    return {
      registers: this.registers.snapshot(),
      mode: this.#mode,
      isNmiPending: this.#isNmiPending,
      requests: this.#requests.slice(),
      counters: { ...this.#counters },
    };
  }

  restore(state: LocalApicState): void {
    this.registers.restore(state.registers);
    this.#mode = state.mode;
    this.#isNmiPending = state.isNmiPending;
    this.#requests.set(state.requests);
    Object.assign(this.#counters, state.counters);
  }

  /** ID and, in x2APIC mode, LDR follow from the identifier: cluster in 31:16, one member bit in 15:0. */
  #showIdentifiers(): void {
    if (this.#mode === APIC_MODE.x2apic) {
      this.registers.poke32(LAPIC_OFFSET.ID, this.id);
      const cluster = this.id >>> 4;
      this.registers.poke32(LAPIC_OFFSET.LDR, ((cluster << 16) | (1 << (this.id & 0xf))) >>> 0);
      return;
    }
    this.registers.poke32(LAPIC_OFFSET.ID, (this.id << XAPIC_ID_SHIFT) >>> 0);
    this.registers.poke32(LAPIC_OFFSET.LDR, 0);
  }

  #updatePriority(): void {
    const task = this.registers.peek32(LAPIC_OFFSET.TPR);
    const inService = Math.max(0, highestVector(this.registers, LAPIC_OFFSET.ISR));
    const priority = classOf(task) >= classOf(inService) ? task : inService & 0xf0;
    this.registers.poke32(LAPIC_OFFSET.PPR, priority);
  }

  #onDidWrite({ register, before, after }: RegisterWrite): void {
    switch (register.offset) {
      case TPR.offset:
        this.#updatePriority();
        this.#ports.onPendingChanged();
        break;
      case LAPIC_OFFSET.EOI:
        this.endOfInterrupt();
        break;
      case LDR.offset:
        // Read-only in x2APIC mode; eight bits in xAPIC mode.
        this.registers.poke32(
          register.offset,
          this.#mode === APIC_MODE.x2apic
            ? (before[0] as number)
            : ((after[0] as number) & 0xff00_0000) >>> 0,
        );
        break;
      case ESR.offset:
        // Any write latches the errors since the last one; the model shows them at once and clears here.
        this.registers.poke32(register.offset, 0);
        break;
      case ICR_LOW.offset:
        this.#sendCommand(after[0] as number);
        break;
      case LAPIC_OFFSET.SELF_IPI:
        if (this.#mode === APIC_MODE.x2apic) {
          this.accept((after[0] as number) & 0xff, false);
        }
        break;
    }
  }

  #sendCommand(icr: number): void {
    const high = this.registers.peek32(LAPIC_OFFSET.ICR_HIGH);
    const command: InterruptCommand = {
      vector: fieldOf(icr, ICR_VECTOR),
      deliveryMode: fieldOf(icr, ICR_MODE),
      isLogical: isFieldSet(icr, ICR_LOGICAL),
      isLevel: isFieldSet(icr, ICR_TRIGGER),
      shorthand: fieldOf(icr, ICR_SHORTHAND),
      destination: this.#mode === APIC_MODE.x2apic ? high : high >>> XAPIC_ID_SHIFT,
    };
    const isVectored = command.deliveryMode <= DELIVERY_MODE.lowestPriority;
    if (isVectored && command.vector < FIRST_LEGAL_VECTOR) {
      this.#flagError(ESR_SEND_ILLEGAL.mask);
      this.#refuse(command.vector, REFUSAL.illegalVector);
      return;
    }
    this.#counters.ipisSent++;
    const seq = this.#trace.record(
      IPI_SENT,
      this.#source,
      command.vector,
      command.deliveryMode,
      command.destination,
      command.shorthand,
    );
    const saved = this.#trace.enter(seq);
    this.#ports.sendCommand(this, command);
    this.#trace.cause = saved;
  }

  #flagError(mask: number): void {
    this.registers.poke32(ESR.offset, (this.registers.peek32(ESR.offset) | mask) >>> 0);
  }

  #refuse(vector: number, cause: Refusal): false {
    this.#counters.refused++;
    this.#trace.record(INTERRUPT_REFUSED, this.#source, vector, cause);
    return false;
  }
}
