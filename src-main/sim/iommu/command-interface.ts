/**
 * A command register with operands and a response register: the shape that the virtual and the enhanced command interfaces
 * share. VT-d 5.10 sections 11.4.14 and 11.4.16.
 *
 * The write that contains the CMD byte starts the command: the response is cleared and IP set. While IP=1 further writes are
 * dropped. With a latency of 0 the answer is there before the write ends; otherwise it comes through the event queue.
 */
import { invariant } from '../../bits/invariant.ts';
import type { FieldMap } from '../../bits/layout.ts';
import type { Register } from '../../bits/register-block.ts';
import type { EventQueue, EventTarget } from '../core/event-queue.ts';
import type { RegisterFile, RegisterWrite } from '../core/register-file.ts';
import type { Snapshotable } from '../core/snapshot.ts';

export interface Command {
  readonly command: number;
  readonly operandA: bigint;
  readonly operandB: bigint;
}

export interface CommandAnswer {
  readonly status: number;
  readonly result: bigint;
}

/** What a command means, and what to tell about it. */
export interface CommandExecutor {
  onStarted(command: Command): void;
  execute(command: Command): CommandAnswer;
  onCompleted(command: Command, answer: CommandAnswer): void;
  /** A write was dropped because `running` is in progress. */
  onDropped(running: Command): void;
}

export interface CommandRegisters {
  /** Fields CMD and OA. */
  readonly command: Register;
  /** Operand B, where there is one. */
  readonly operandB: Register | undefined;
  /** Fields IP, SC and RSLT. */
  readonly response: Register;
}

/** When answers come. */
export interface CommandLatency {
  readonly queue: EventQueue;
  readonly ns: number;
}

/** The command in progress, if any. */
export type CommandInterfaceState = Command | null;

const COMPLETE = 0;
const COMMAND_BYTE = 1;

/** For declarations whose exact field types do not matter to the interface. */
export function asRegister<F extends FieldMap>(register: Register<F>): Register {
  return register as unknown as Register;
}

export class CommandInterface implements EventTarget, Snapshotable<CommandInterfaceState> {
  readonly #registers: RegisterFile;
  readonly #layout: CommandRegisters;
  readonly #executor: CommandExecutor;
  readonly #latency: CommandLatency | undefined;
  readonly #target: number;
  #running: Command | undefined;

  constructor(
    registers: RegisterFile,
    layout: CommandRegisters,
    executor: CommandExecutor,
    latency?: CommandLatency,
  ) {
    this.#registers = registers;
    this.#layout = layout;
    this.#executor = executor;
    this.#latency = latency;
    this.#target = latency?.queue.register(this) ?? 0;
  }

  /** Software wrote a register. False when it is none of this interface. */
  written(write: RegisterWrite): boolean {
    const { command } = this.#layout;
    if (write.register.offset !== command.offset) {
      return false;
    }
    if (this.#running !== undefined) {
      this.#registers.poke32(command.offset, write.before[0] as number);
      this.#registers.poke32(command.offset + 4, write.before[1] as number);
      this.#executor.onDropped(this.#running);
      return true;
    }
    if ((write.byteMask & COMMAND_BYTE) !== 0) {
      this.#start();
    }
    return true;
  }

  onDue(operation: number): void {
    invariant(operation === COMPLETE && this.#running !== undefined, 'No command is in progress');
    this.#complete(this.#running);
  }

  snapshot(): CommandInterfaceState {
    return this.#running === undefined ? null : { ...this.#running };
  }

  restore(state: CommandInterfaceState): void {
    this.#running = state === null ? undefined : { ...state };
  }

  #start(): void {
    const { command, operandB } = this.#layout;
    const running: Command = {
      command: Number(this.#registers.getBig(command, 'CMD')),
      operandA: this.#registers.getBig(command, 'OA'),
      operandB: operandB === undefined ? 0n : this.#registers.getBig(operandB, 'OB'),
    };
    this.#running = running;
    this.#respond(1, { status: 0, result: 0n });
    this.#executor.onStarted(running);
    if (this.#latency === undefined || this.#latency.ns === 0) {
      this.#complete(running);
      return;
    }
    this.#latency.queue.schedule(this.#latency.ns, this.#target, COMPLETE);
  }

  #complete(running: Command): void {
    const answer = this.#executor.execute(running);
    this.#running = undefined;
    this.#respond(0, answer);
    this.#executor.onCompleted(running, answer);
  }

  #respond(inProgress: number, answer: CommandAnswer): void {
    const { response } = this.#layout;
    const words = response.encode({ IP: inProgress, SC: answer.status, RSLT: answer.result });
    this.#registers.poke32(response.offset, words[0] as number);
    this.#registers.poke32(response.offset + 4, words[1] as number);
  }
}
