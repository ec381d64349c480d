/**
 * The three instructions that hand 64 bytes to a device: MOVDIR64B, ENQCMD and ENQCMDS. Intel SDM volume 2.
 *
 * Order of checks: feature, privilege, alignment, reserved bits of the source, IA32_PASID, PASID translation. Nothing leaves
 * the CPU before all of them passed. Addresses are physical: segmentation, paging and EPT are the caller's.
 *
 * What an ENQCMD sees when nobody answers the deferrable write (unsupported request, time-out) is not stated by the sources
 * at hand; the model answers ZF=1.
 */
import { fieldOf, isFieldSet, wordField } from '../../bits/word-field.ts';
import {
  ENQUEUE_BYTES,
  ENQUEUE_WORDS,
  EnqcmdSource,
  EnqcmdsSource,
  EnqueueCommand,
} from '../../spec/cpu/enqueue-command.ts';
import { EXCEPTION } from '../../spec/cpu/exception.ts';
import { CPU_TIMING } from '../../spec/cpu/timing.ts';
import { EXIT_REASON, type ExitReason } from '../../spec/cpu/vm-exit.ts';
import {
  BLOCK_WRITE_ISSUED,
  BLOCK_WRITE_VANISHED,
  ENQCMD_ACCEPTED,
  ENQCMD_RETRIED,
  FAULT_CAUSE,
  INSTRUCTION_FAULTED,
  SUBMIT_INSTRUCTION,
  type FaultCause,
  type SubmitInstruction,
} from '../../spec/events/cpu.ts';
import { NO_PASID } from '../../spec/events/event.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import type { BlockWriteKind, BlockWriteResult } from '../pcie/ports.ts';
import type { MsrFile } from './msr-file.ts';
import type { BusPort } from './ports.ts';
import { NO_TRANSLATION } from './vmx-pasid-translation.ts';

/** How an instruction ended. `fault` raised an exception, `vm-exit` left guest mode; in both nothing was sent. */
export type InstructionOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'accepted' }
  | { readonly kind: 'retry' }
  | { readonly kind: 'fault'; readonly exception: number; readonly cause: FaultCause }
  | { readonly kind: 'vm-exit'; readonly reason: ExitReason };

/** State of the CPU that the instructions depend on. */
export interface EnqueueContext {
  readonly cpl: number;
  readonly hasEnqcmd: boolean;
  readonly msrs: MsrFile;
  /** In guest mode with PASID translation: the host PASID, or `NO_TRANSLATION`. Otherwise the PASID unchanged. */
  translatePasid(pasid: number): number;
  exit(reason: ExitReason, guestPasid: number): void;
}

export interface EnqueueCounters {
  movdir64b: number;
  enqcmd: number;
  enqcmds: number;
  accepted: number;
  retried: number;
  /** Stores that nobody took. */
  vanished: number;
  faulted: number;
  exited: number;
  /** Time the CPU spent in these instructions. */
  busyNs: number;
}

const DONE: InstructionOutcome = { kind: 'done' };
const ACCEPTED: InstructionOutcome = { kind: 'accepted' };
const RETRY: InstructionOutcome = { kind: 'retry' };
const ENQCMD_EXIT: InstructionOutcome = { kind: 'vm-exit', reason: EXIT_REASON.enqcmdPasid };
const ENQCMDS_EXIT: InstructionOutcome = { kind: 'vm-exit', reason: EXIT_REASON.enqcmdsPasid };

const FAULTS: readonly InstructionOutcome[] = Object.values(FAULT_CAUSE).map((cause) => ({
  kind: 'fault',
  exception:
    cause === FAULT_CAUSE.featureAbsent ? EXCEPTION.invalidOpcode : EXCEPTION.generalProtection,
  cause,
}));

const PASID = wordField(EnqueueCommand, 'PASID');
const PRIV = wordField(EnqueueCommand, 'PRIV');
const UNLIMITED = { has: () => true, width: () => 64 };
const ENQCMD_RESERVED = EnqcmdSource.reservedMask(UNLIMITED)[0] as number;
const ENQCMDS_RESERVED = EnqcmdsSource.reservedMask(UNLIMITED)[0] as number;

export class EnqueueUnit implements Snapshotable<EnqueueCounters> {
  readonly #context: EnqueueContext;
  readonly #bus: BusPort;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #command = new Uint32Array(ENQUEUE_WORDS);
  readonly #counters: EnqueueCounters = {
    movdir64b: 0,
    enqcmd: 0,
    enqcmds: 0,
    accepted: 0,
    retried: 0,
    vanished: 0,
    faulted: 0,
    exited: 0,
    busyNs: 0,
  };

  constructor(context: EnqueueContext, bus: BusPort, trace: Trace, source: number) {
    this.#context = context;
    this.#bus = bus;
    this.#trace = trace;
    this.#source = source;
  }

  get counters(): Readonly<EnqueueCounters> {
    return this.#counters;
  }

  /** Posted: the CPU never learns whether anybody took the store. */
  movdir64b(addressHigh: number, addressLow: number, words: Uint32Array): InstructionOutcome {
    this.#counters.movdir64b++;
    this.#counters.busyNs += CPU_TIMING.movdir64b;
    if (addressLow % ENQUEUE_BYTES !== 0) {
      return this.#fault(SUBMIT_INSTRUCTION.movdir64b, FAULT_CAUSE.destinationAlignment);
    }
    this.#load(words);
    const { movdir64b } = SUBMIT_INSTRUCTION;
    if (this.#send(movdir64b, addressHigh, addressLow, 'posted') === 'dropped') {
      this.#vanish(movdir64b, addressHigh, addressLow);
    }
    return DONE;
  }

  /** The PASID comes from IA32_PASID, and the command is never privileged. */
  enqcmd(addressHigh: number, addressLow: number, words: Uint32Array): InstructionOutcome {
    const { enqcmd } = SUBMIT_INSTRUCTION;
    this.#counters.enqcmd++;
    const { hasEnqcmd, msrs } = this.#context;
    if (!hasEnqcmd) {
      return this.#fault(enqcmd, FAULT_CAUSE.featureAbsent);
    }
    if (addressLow % ENQUEUE_BYTES !== 0) {
      return this.#fault(enqcmd, FAULT_CAUSE.destinationAlignment);
    }
    if (((words[0] as number) & ENQCMD_RESERVED) !== 0) {
      return this.#fault(enqcmd, FAULT_CAUSE.sourceReserved);
    }
    if (!msrs.isPasidValid) {
      return this.#fault(enqcmd, FAULT_CAUSE.pasidInvalid);
    }
    const pasid = this.#context.translatePasid(msrs.pasid);
    if (pasid === NO_TRANSLATION) {
      this.#counters.exited++;
      this.#context.exit(EXIT_REASON.enqcmdPasid, msrs.pasid);
      return ENQCMD_EXIT;
    }
    this.#load(words);
    this.#command[0] = pasid;
    return this.#enqueue(enqcmd, addressHigh, addressLow);
  }

  /** CPL 0 only: PASID and privilege come from the source. */
  enqcmds(addressHigh: number, addressLow: number, words: Uint32Array): InstructionOutcome {
    const { enqcmds } = SUBMIT_INSTRUCTION;
    this.#counters.enqcmds++;
    const first = words[0] as number;
    if (!this.#context.hasEnqcmd) {
      return this.#fault(enqcmds, FAULT_CAUSE.featureAbsent);
    }
    if (this.#context.cpl !== 0) {
      return this.#fault(enqcmds, FAULT_CAUSE.privilege);
    }
    if (addressLow % ENQUEUE_BYTES !== 0) {
      return this.#fault(enqcmds, FAULT_CAUSE.destinationAlignment);
    }
    if ((first & ENQCMDS_RESERVED) !== 0) {
      return this.#fault(enqcmds, FAULT_CAUSE.sourceReserved);
    }
    const guestPasid = fieldOf(first, PASID);
    const pasid = this.#context.translatePasid(guestPasid);
    if (pasid === NO_TRANSLATION) {
      this.#counters.exited++;
      this.#context.exit(EXIT_REASON.enqcmdsPasid, guestPasid);
      return ENQCMDS_EXIT;
    }
    this.#load(words);
    this.#command[0] = (pasid | (first & PRIV.mask)) >>> 0;
    return this.#enqueue(enqcmds, addressHigh, addressLow);
  }

  snapshot(): EnqueueCounters {
    return { ...this.#counters };
  }

  restore(state: EnqueueCounters): void {
    Object.assign(this.#counters, state);
  }

  #load(words: Uint32Array): void {
    for (let i = 0; i < ENQUEUE_WORDS; i++) {
      this.#command[i] = words[i] as number;
    }
  }

  #enqueue(
    instruction: SubmitInstruction,
    addressHigh: number,
    addressLow: number,
  ): InstructionOutcome {
    this.#counters.busyNs += CPU_TIMING.enqcmd;
    const pasid = fieldOf(this.#command[0] as number, PASID);
    const result = this.#send(instruction, addressHigh, addressLow, 'deferrable');
    const isAccepted = result === 'accepted';
    if (isAccepted) {
      this.#counters.accepted++;
    } else {
      this.#counters.retried++;
    }
    if (result === 'dropped') {
      this.#vanish(instruction, addressHigh, addressLow);
    }
    if (this.#trace.isOn) {
      this.#trace.begin(isAccepted ? ENQCMD_ACCEPTED : ENQCMD_RETRIED, this.#source);
      this.#trace.num(instruction);
      this.#trace.num(pasid);
      this.#trace.end();
    }
    return isAccepted ? ACCEPTED : RETRY;
  }

  /** Everything that the store brings about has its record as cause. */
  #send(
    instruction: SubmitInstruction,
    addressHigh: number,
    addressLow: number,
    kind: BlockWriteKind,
  ): BlockWriteResult {
    const saved = this.#trace.cause;
    if (this.#trace.isOn) {
      const first = this.#command[0] as number;
      const carriesPasid = kind === 'deferrable';
      this.#trace.begin(BLOCK_WRITE_ISSUED, this.#source);
      this.#trace.num(instruction);
      this.#trace.u64(addressHigh, addressLow);
      this.#trace.num(carriesPasid ? fieldOf(first, PASID) : NO_PASID);
      this.#trace.num(carriesPasid && isFieldSet(first, PRIV) ? 1 : 0);
      this.#trace.enter(this.#trace.end());
    }
    const result = this.#bus.blockWrite(addressHigh, addressLow, this.#command, kind);
    this.#trace.cause = saved;
    return result;
  }

  #vanish(instruction: SubmitInstruction, addressHigh: number, addressLow: number): void {
    this.#counters.vanished++;
    if (this.#trace.isOn) {
      this.#trace.begin(BLOCK_WRITE_VANISHED, this.#source);
      this.#trace.num(instruction);
      this.#trace.u64(addressHigh, addressLow);
      this.#trace.end();
    }
  }

  #fault(instruction: SubmitInstruction, cause: FaultCause): InstructionOutcome {
    this.#counters.faulted++;
    const outcome = FAULTS[cause] as InstructionOutcome;
    const exception =
      cause === FAULT_CAUSE.featureAbsent ? EXCEPTION.invalidOpcode : EXCEPTION.generalProtection;
    this.#trace.record(INSTRUCTION_FAULTED, this.#source, instruction, exception, cause);
    return outcome;
  }
}
