/**
 * Enhanced command interface: today only commands that control performance counters. VT-d 5.10 section 11.4.14.
 *
 * The unit composes it when CAP_REG.ECMDS=1 and passes register writes to `written`. A command that the ECCAP registers do
 * not report answers "undefined".
 *
 * Not modelled: the counters count nothing (commands keep which are enabled and frozen, and an `unimplemented` event says
 * so), their configuration registers, overflow. The status for a counter that does not exist is a choice: the
 * specification leaves values from 16 on to the command.
 */
import {
  COUNTERS_NOT_MODELLED,
  ENHANCED_COMMAND_COMPLETED,
  ENHANCED_COMMAND_DROPPED,
} from '../../spec/events/iommu-command.ts';
import {
  ECCAP0_REG,
  ECEO_REG,
  ECMD_REG,
  ECRSP_REG,
  ENHANCED_COMMAND,
  ENHANCED_STATUS,
} from '../../spec/vtd/registers/enhanced-command.ts';
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
} from './command-interface.ts';

/** Command-specific: there is no such counter. */
export const NO_SUCH_COUNTER = 16;
const ALL_COUNTERS = -1;
const BITS_PER_CAPABILITY = 64;

export interface EnhancedCommandOptions {
  readonly registers: RegisterFile;
  readonly counters: number;
  readonly trace: Trace;
  readonly source: number;
  /** A GCMD_REG or PMEN_REG command runs: enhanced commands are aborted. */
  readonly isGlobalCommandRunning: () => boolean;
  readonly latency?: CommandLatency;
}

export interface EnhancedCommandState {
  readonly running: CommandInterfaceState;
  readonly enabled: readonly number[];
  readonly isFrozen: boolean;
}

export class EnhancedCommandUnit implements Snapshotable<EnhancedCommandState> {
  readonly #interface: CommandInterface;
  readonly #options: EnhancedCommandOptions;
  readonly #enabled = new Set<number>();
  #isFrozen = false;

  constructor(options: EnhancedCommandOptions) {
    const { trace, source } = options;
    this.#options = options;
    this.#interface = new CommandInterface(
      options.registers,
      {
        command: asRegister(ECMD_REG),
        operandB: asRegister(ECEO_REG),
        response: asRegister(ECRSP_REG),
      },
      {
        onStarted: () => undefined,
        execute: (command) => this.#execute(command),
        onCompleted: ({ command, operandA, operandB }, { status }) => {
          trace.record(ENHANCED_COMMAND_COMPLETED, source, command, operandA, operandB, status);
        },
        onDropped: ({ command }) => {
          trace.record(ENHANCED_COMMAND_DROPPED, source, command);
        },
      },
      options.latency,
    );
  }

  get enabledCounters(): readonly number[] {
    return [...this.#enabled].sort((a, b) => a - b);
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Software wrote a register of the unit. False when it is none of this interface. */
  written(write: RegisterWrite): boolean {
    return this.#interface.written(write);
  }

  snapshot(): EnhancedCommandState {
    return {
      running: this.#interface.snapshot(),
      enabled: this.enabledCounters,
      isFrozen: this.#isFrozen,
    };
  }

  restore(state: EnhancedCommandState): void {
    this.#interface.restore(state.running);
    this.#enabled.clear();
    for (const counter of state.enabled) {
      this.#enabled.add(counter);
    }
    this.#isFrozen = state.isFrozen;
  }

  /** Bit n of the four capability registers together stands for command n. */
  #isSupported(command: number): boolean {
    const offset = ECCAP0_REG.offset + Math.floor(command / BITS_PER_CAPABILITY) * 8;
    const bit = BigInt(command % BITS_PER_CAPABILITY);
    return ((this.#options.registers.peek64(offset) >> bit) & 1n) === 1n;
  }

  #execute({ command, operandA }: Command): CommandAnswer {
    if (this.#options.isGlobalCommandRunning()) {
      return { status: ENHANCED_STATUS.aborted, result: 0n };
    }
    const isKnown = Object.values<number>(ENHANCED_COMMAND).includes(command);
    if (!isKnown || !this.#isSupported(command)) {
      return { status: ENHANCED_STATUS.undefinedCommand, result: 0n };
    }
    return { status: this.#control(command, operandA), result: 0n };
  }

  #control(command: number, operandA: bigint): number {
    if (command === ENHANCED_COMMAND.freezeCounters) {
      this.#isFrozen = true;
      return this.#done(command, ALL_COUNTERS);
    }
    if (command === ENHANCED_COMMAND.unfreezeCounters) {
      this.#isFrozen = false;
      return this.#done(command, ALL_COUNTERS);
    }
    if (command === ENHANCED_COMMAND.resetCounterValues) {
      return this.#done(command, ALL_COUNTERS);
    }
    if (command === ENHANCED_COMMAND.resetCounterConfiguration) {
      this.#enabled.clear();
      return this.#done(command, ALL_COUNTERS);
    }
    if (operandA >= BigInt(this.#options.counters)) {
      return NO_SUCH_COUNTER;
    }
    const counter = Number(operandA);
    if (command === ENHANCED_COMMAND.enableCounter) {
      this.#enabled.add(counter);
    } else {
      this.#enabled.delete(counter);
    }
    return this.#done(command, counter);
  }

  #done(command: number, counter: number): number {
    this.#options.trace.record(COUNTERS_NOT_MODELLED, this.#options.source, command, counter);
    return ENHANCED_STATUS.success;
  }
}
