/**
 * Virtual command interface of an emulated unit: a guest asks for host PASIDs and gives them back. VT-d 5.10 section
 * 11.4.16, and the encoding of Rev 3.0, which older guests use.
 *
 * A VMM that emulates the unit composes it: the registers of `virtualCommandRegisters` are part of the unit's block, and
 * every write goes through `written`. Where PASIDs come from is the VMM's business (`PasidAllocatorPort`).
 */
import { defineRegisterBlock, type Register } from '../../bits/register-block.ts';
import {
  VIRTUAL_COMMAND_COMPLETED,
  VIRTUAL_COMMAND_DROPPED,
  VIRTUAL_COMMAND_STARTED,
} from '../../spec/events/iommu-command.ts';
import { NO_PASID } from '../../spec/events/event.ts';
import {
  VCCAP_REG,
  VCMD_EO_REG,
  VCMD_REG,
  VCRSP_REG,
  VIRTUAL_COMMAND,
  VIRTUAL_COMMAND_PASID_BITS,
  VIRTUAL_STATUS,
} from '../../spec/vtd/registers/virtual-command.ts';
import {
  VCCAP_REG_REV_3_0,
  VCMD_REG_REV_3_0,
  VCRSP_REG_REV_3_0,
  VIRTUAL_STATUS_REV_3_0,
} from '../../spec/vtd/registers/virtual-command-rev-3-0.ts';
import type { RegisterFile, RegisterWrite } from '../core/register-file.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import {
  CommandInterface,
  asRegister,
  type Command,
  type CommandAnswer,
  type CommandInterfaceState,
  type CommandLatency,
  type CommandRegisters,
} from './command-interface.ts';

export type VirtualCommandEncoding = 'current' | 'rev-3.0';

/** Where a guest's PASIDs come from. */
export interface PasidAllocatorPort {
  /** -1 when none is available. */
  allocate(): number;
  /** False for a PASID that the guest does not own. */
  free(pasid: number): boolean;
}

interface Encoding {
  readonly registers: CommandRegisters;
  readonly capability: Register;
  readonly status: {
    readonly success: number;
    readonly undefinedCommand: number;
    readonly pasidProblem: number;
  };
}

const ENCODINGS: Readonly<Record<VirtualCommandEncoding, Encoding>> = {
  current: {
    registers: {
      command: asRegister(VCMD_REG),
      operandB: asRegister(VCMD_EO_REG),
      response: asRegister(VCRSP_REG),
    },
    capability: asRegister(VCCAP_REG),
    status: VIRTUAL_STATUS,
  },
  'rev-3.0': {
    registers: {
      command: asRegister(VCMD_REG_REV_3_0),
      operandB: undefined,
      response: asRegister(VCRSP_REG_REV_3_0),
    },
    capability: asRegister(VCCAP_REG_REV_3_0),
    status: VIRTUAL_STATUS_REV_3_0,
  },
};

const PASID_MASK = (1n << BigInt(VIRTUAL_COMMAND_PASID_BITS)) - 1n;

/** Registers of the interface, in offset order. */
export function virtualCommandRegisters(encoding: VirtualCommandEncoding): readonly Register[] {
  const { registers, capability } = ENCODINGS[encoding];
  const { command, operandB, response } = registers;
  const all = [command, response, capability, ...(operandB === undefined ? [] : [operandB])];
  return defineRegisterBlock('virtual command', all).registers;
}

export interface VirtualCommandOptions {
  readonly registers: RegisterFile;
  readonly encoding: VirtualCommandEncoding;
  readonly allocator: PasidAllocatorPort;
  readonly trace: Trace;
  readonly source: number;
  /** Without it the answer is there when the write ends, as a trapping VMM makes it. */
  readonly latency?: CommandLatency;
}

export class VirtualCommand implements Snapshotable<CommandInterfaceState> {
  readonly #interface: CommandInterface;
  readonly #encoding: Encoding;
  readonly #allocator: PasidAllocatorPort;
  readonly #trace: Trace;
  readonly #source: number;

  constructor(options: VirtualCommandOptions) {
    this.#encoding = ENCODINGS[options.encoding];
    this.#allocator = options.allocator;
    this.#trace = options.trace;
    this.#source = options.source;
    this.#interface = new CommandInterface(
      options.registers,
      this.#encoding.registers,
      {
        onStarted: ({ command, operandA }) => {
          this.#trace.record(VIRTUAL_COMMAND_STARTED, this.#source, command, operandA);
        },
        execute: (command) => this.#execute(command),
        onCompleted: (command, answer) => {
          this.#completed(command, answer);
        },
        onDropped: ({ command }) => {
          this.#trace.record(VIRTUAL_COMMAND_DROPPED, this.#source, command);
        },
      },
      options.latency,
    );
  }

  /** Software wrote a register of the unit. False when it is none of this interface. */
  written(write: RegisterWrite): boolean {
    return this.#interface.written(write);
  }

  snapshot(): CommandInterfaceState {
    return this.#interface.snapshot();
  }

  restore(state: CommandInterfaceState): void {
    this.#interface.restore(state);
  }

  #execute({ command, operandA }: Command): CommandAnswer {
    const { status } = this.#encoding;
    switch (command) {
      case VIRTUAL_COMMAND.none:
        return { status: status.success, result: 0n };
      case VIRTUAL_COMMAND.allocatePasid: {
        const pasid = this.#allocator.allocate();
        return pasid < 0
          ? { status: status.pasidProblem, result: 0n }
          : { status: status.success, result: BigInt(pasid) };
      }
      case VIRTUAL_COMMAND.freePasid: {
        const isFreed = this.#allocator.free(Number(operandA & PASID_MASK));
        return { status: isFreed ? status.success : status.pasidProblem, result: 0n };
      }
      default:
        return { status: status.undefinedCommand, result: 0n };
    }
  }

  #completed({ command, operandA }: Command, answer: CommandAnswer): void {
    let pasid = NO_PASID;
    if (command === VIRTUAL_COMMAND.freePasid) {
      pasid = Number(operandA & PASID_MASK);
    } else if (command === VIRTUAL_COMMAND.allocatePasid && answer.status === 0) {
      pasid = Number(answer.result);
    }
    this.#trace.record(VIRTUAL_COMMAND_COMPLETED, this.#source, command, answer.status, pasid);
  }
}
