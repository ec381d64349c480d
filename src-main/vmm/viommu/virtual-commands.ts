/**
 * The virtual command registers of a unit that a VMM emulates: a guest asks for PASIDs of the host and gives them back. Both
 * encodings: the specification's (VT-d 5.10 section 11.4.16) and that of Rev 3.0.
 *
 * The guest's CPU waits in its exit, so that only a VMM that takes its time, or a second CPU, ever shows IP=1.
 */
import { NO_PASID } from '../../spec/events/event.ts';
import {
  VIRTUAL_COMMAND_COMPLETED,
  VIRTUAL_COMMAND_DROPPED,
  VIRTUAL_COMMAND_STARTED,
} from '../../spec/events/iommu-command.ts';
import {
  VCMD_REG,
  VCRSP_REG,
  VIRTUAL_COMMAND,
  VIRTUAL_COMMAND_PASID_BITS,
  VIRTUAL_STATUS,
} from '../../spec/vtd/registers/virtual-command.ts';
import {
  VCMD_REG_REV_3_0,
  VCRSP_REG_REV_3_0,
  VIRTUAL_STATUS_REV_3_0,
} from '../../spec/vtd/registers/virtual-command-rev-3-0.ts';
import type { Core } from '../../linux/core/core.ts';
import type { RegisterFile, RegisterWrite } from '../../sim/index.ts';
import type { GuestPasidSource } from './nesting-backend.ts';
import type { VirtualCommandEncoding } from './virtual-capability.ts';

const PASID_MASK = 2n ** BigInt(VIRTUAL_COMMAND_PASID_BITS) - 1n;
const COMMAND_BYTE = 1;

interface Answer {
  readonly status: number;
  readonly result: number;
}

export interface VirtualCommandsParts {
  readonly core: Core;
  readonly source: string;
  readonly registers: RegisterFile;
  readonly encoding: VirtualCommandEncoding;
  readonly pasids: GuestPasidSource;
  /** Time until the answer is there; 0 within the exit. */
  readonly latencyNs: number;
}

export class VirtualCommands {
  readonly #parts: VirtualCommandsParts;
  readonly #command: number;
  readonly #status: Readonly<Record<'success' | 'undefinedCommand' | 'pasidProblem', number>>;
  /** Command in progress, -1 without. */
  #running = -1;

  constructor(parts: VirtualCommandsParts) {
    const isCurrent = parts.encoding === 'current';
    this.#parts = parts;
    this.#command = isCurrent ? VCMD_REG.offset : VCMD_REG_REV_3_0.offset;
    this.#status = isCurrent ? VIRTUAL_STATUS : VIRTUAL_STATUS_REV_3_0;
  }

  /** False when the register is none of the interface. */
  written(write: RegisterWrite): boolean {
    if (write.register.offset !== this.#command) {
      return false;
    }
    const { core, source, registers, latencyNs } = this.#parts;
    if (this.#running >= 0) {
      registers.poke32(this.#command, write.before[0] ?? 0);
      registers.poke32(this.#command + 4, write.before[1] ?? 0);
      core.hw.emit(VIRTUAL_COMMAND_DROPPED, source, this.#running);
      return true;
    }
    if ((write.byteMask & COMMAND_BYTE) === 0) {
      return true;
    }
    const command = Number(registers.getBig(write.register, 'CMD'));
    const operand = registers.getBig(write.register, 'OA');
    this.#running = command;
    this.#respond(1, { status: 0, result: 0 });
    const seq = core.hw.emit(VIRTUAL_COMMAND_STARTED, source, command, operand);
    const finish = (): void => core.hw.within(seq, () => this.#finish(command, operand));
    if (latencyNs === 0) {
      finish();
    } else {
      core.timers.schedule(core.nowNs + latencyNs, finish);
    }
    return true;
  }

  #finish(command: number, operand: bigint): void {
    const { core, source } = this.#parts;
    const pasid = Number(operand & PASID_MASK);
    const answer = this.#execute(command, pasid);
    this.#running = -1;
    this.#respond(0, answer);
    const isAllocated = command === VIRTUAL_COMMAND.allocatePasid && answer.status === 0;
    const named = isAllocated ? answer.result : NO_PASID;
    const shown = command === VIRTUAL_COMMAND.freePasid ? pasid : named;
    core.hw.emit(VIRTUAL_COMMAND_COMPLETED, source, command, answer.status, shown);
  }

  #execute(command: number, pasid: number): Answer {
    const { pasids } = this.#parts;
    const { success, undefinedCommand, pasidProblem } = this.#status;
    switch (command) {
      case VIRTUAL_COMMAND.none:
        return { status: success, result: 0 };
      case VIRTUAL_COMMAND.allocatePasid: {
        const given = pasids.alloc();
        return given < 0 ? { status: pasidProblem, result: 0 } : { status: success, result: given };
      }
      case VIRTUAL_COMMAND.freePasid:
        return { status: pasids.free(pasid) < 0 ? pasidProblem : success, result: 0 };
      default:
        return { status: undefinedCommand, result: 0 };
    }
  }

  #respond(IP: number, { status, result }: Answer): void {
    const { registers, encoding } = this.#parts;
    const register = encoding === 'current' ? VCRSP_REG : VCRSP_REG_REV_3_0;
    const words = register.encode({ IP, SC: status, RSLT: BigInt(result) });
    registers.poke32(register.offset, words[0] ?? 0);
    registers.poke32(register.offset + 4, words[1] ?? 0);
  }
}
