/**
 * Administrative commands: CMD and CMDSTATUS. DSA 3.0 sections 3.15 and 9.2.12 to 9.2.14.
 *
 * One command runs at a time. A command that drains counts what has to end when it starts, and is counted down as
 * descriptors end, whatever the number of queues. Everything that was submitted before the command has an admission number
 * below the mark.
 */
import { COMMAND, COMMANDS, COMMAND_ERROR, type CommandSpec } from '../../../spec/dsa/commands.ts';
import { CMD, DEVICE_STATE } from '../../../spec/dsa/general-registers.ts';
import { DEVICE_ERROR } from '../../../spec/dsa/status-codes.ts';
import { WQ_STATE } from '../../../spec/dsa/wq-config.ts';
import { COMMAND_COMPLETED, COMMAND_FAILED, COMMAND_STARTED } from '../../../spec/events/dsa.ts';
import type { EventQueue } from '../../core/event-queue.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { Trace } from '../../core/trace.ts';
import {
  deviceProblem,
  wqProblem,
  type CheckFailure,
  type EnableContext,
} from './enable-checks.ts';
import { EVENT } from './executor.ts';
import type { ErrorReport } from './error-report.ts';
import type { InterDomain } from './inter-domain.ts';
import type { Job, JobPool } from './job.ts';
import type { DsaTiming } from './timing.ts';

/** What a draining command waits for. */
const SCOPE = { none: 0, all: 1, wqs: 2, pasid: 3 } as const;
const NO_PASID = -1;
const WQS_PER_BITMAP = 16;
const PHASE = { idle: 0, starting: 1, draining: 2, resetting: 3 } as const;

export interface CommandState {
  readonly phase: number;
  readonly code: number;
  readonly operand: number;
  readonly indexHigh: number;
  readonly isInterruptRequested: boolean;
  readonly scope: number;
  readonly wqs: readonly number[];
  readonly pasid: number;
  readonly mark: number;
  readonly pending: number;
  readonly isAborting: boolean;
  readonly serial: number;
  readonly hasHardwareFault: boolean;
}

const IDLE: CommandState = {
  phase: PHASE.idle,
  code: 0,
  operand: 0,
  indexHigh: 0,
  isInterruptRequested: false,
  scope: SCOPE.none,
  wqs: [],
  pasid: NO_PASID,
  mark: 0,
  pending: 0,
  isAborting: false,
  serial: 0,
  hasHardwareFault: false,
};

/** What commands do to the rest of the device. */
export interface CommandEffects {
  enableDevice(): void;
  disableDevice(): void;
  /** Configuration to its reset values; the device is idle. */
  resetDevice(): void;
  enableWq(wq: number): void;
  disableWq(wq: number): void;
  resetWq(wq: number): void;
  /** Drops queued work and ends waits for pages. */
  abort(isMatching: (wq: number, pasid: number) => boolean): void;
  raiseCommandInterrupt(): void;
}

export interface CommandUnits extends EnableContext {
  readonly queue: EventQueue;
  readonly target: number;
  readonly trace: Trace;
  readonly source: number;
  readonly timing: DsaTiming;
  readonly jobs: JobPool;
  readonly errors: ErrorReport;
  readonly interDomain: InterDomain;
  readonly effects: CommandEffects;
}

/** Result of starting a command: done with a result, failed, or still at work. */
type Outcome = { readonly result: number } | CheckFailure | undefined;

const DONE: Outcome = { result: 0 };

export class Commands implements Snapshotable<CommandState> {
  readonly #u: CommandUnits;
  #state: CommandState = IDLE;

  constructor(units: CommandUnits) {
    this.#u = units;
  }

  get isActive(): boolean {
    return this.#state.phase !== PHASE.idle;
  }

  /** Software wrote CMD. */
  write(value: number): void {
    const { registers, queue, timing, trace, source, target, errors } = this.#u;
    if (this.isActive) {
      errors.reportDevice(DEVICE_ERROR.commandWhileActive);
      return;
    }
    const { operand, code, indexHigh, interrupt } = CMD.decode(Uint32Array.of(value));
    this.#state = {
      ...IDLE,
      phase: PHASE.starting,
      code,
      operand,
      indexHigh,
      isInterruptRequested: interrupt === 1,
      serial: this.#state.serial + 1,
      hasHardwareFault: this.#state.hasHardwareFault,
    };
    registers.file.poke32(registers.file.register('CMDSTATUS').offset, 0);
    registers.set('CMDSTATUS', 'active', 1);
    const seq = trace.record(COMMAND_STARTED, source, code, operand, interrupt);
    const saved = trace.enter(seq);
    queue.schedule(timing.commandNs, target, EVENT.command, this.#state.serial);
    trace.cause = saved;
  }

  /** The event `EVENT.command`: the command takes effect, or a reset is over. */
  onDue(serial: number): void {
    if (this.#state.serial !== serial) {
      return;
    }
    if (this.#state.phase === PHASE.resetting) {
      this.#end(this.#conclude());
    } else if (this.#state.phase === PHASE.starting) {
      this.#begin();
    }
  }

  /** A descriptor from a queue is over, dropped or done. */
  onDescriptorOver(admission: number, wq: number, pasid: number): void {
    const state = this.#state;
    if (state.phase !== PHASE.draining || admission >= state.mark || !matches(state, wq, pasid)) {
      return;
    }
    this.#state = { ...state, pending: state.pending - 1 };
    if (this.#state.pending === 0) {
      this.#settle();
    }
  }

  /** Whether a command is aborting the work of an address space. */
  isAborting(pasid: number): boolean {
    const { isAborting, scope, pasid: aborted } = this.#state;
    return isAborting && (scope === SCOPE.all || (scope === SCOPE.pasid && aborted === pasid));
  }

  /** The device has halted: what a command waits for will never come. */
  onHalted(): void {
    const { phase } = this.#state;
    if (phase === PHASE.draining || phase === PHASE.resetting) {
      this.#end({
        error: COMMAND_ERROR.halted,
        hint: 'The device halted while the command was in progress',
      });
    }
  }

  /** Makes the next command end with a hardware error, as a broken platform would. */
  injectHardwareFault(): void {
    this.#state = { ...this.#state, hasHardwareFault: true };
  }

  clear(): void {
    this.#state = { ...IDLE, serial: this.#state.serial };
  }

  snapshot(): CommandState {
    return { ...this.#state, wqs: [...this.#state.wqs] };
  }

  restore(state: CommandState): void {
    this.#state = { ...state, wqs: [...state.wqs] };
  }

  #begin(): void {
    const outcome = this.#refuse() ?? this.#execute();
    if (outcome !== undefined) {
      this.#end(outcome);
    } else if (this.#state.pending === 0) {
      this.#settle();
    }
  }

  /** Nothing has to be waited for any more. A reset takes its time from here. */
  #settle(): void {
    const { queue, timing, target } = this.#u;
    const { code, serial } = this.#state;
    if (code === COMMAND.resetWq || code === COMMAND.resetDevice) {
      this.#state = { ...this.#state, phase: PHASE.resetting };
      queue.schedule(timing.resetWqNs - timing.commandNs, target, EVENT.command, serial);
    } else {
      this.#end(this.#conclude());
    }
  }

  /** Errors that any command can have. */
  #refuse(): CheckFailure | undefined {
    const { capabilities, registers } = this.#u;
    const { code, operand, indexHigh, hasHardwareFault } = this.#state;
    const spec = COMMANDS.find((c) => c.code === code);
    if (spec === undefined || (capabilities.acceptedCommands & (2 ** code)) === 0) {
      return { error: COMMAND_ERROR.unsupported, hint: `CMDCAP does not report command ${code}` };
    }
    if (registers.state === DEVICE_STATE.halted) {
      const isReset = code === COMMAND.resetDevice && registers.get('GENSTS', 'resetType') === 0;
      if (!isReset) {
        return {
          error: COMMAND_ERROR.halted,
          hint: 'GENSTS says which reset leaves the halt state',
        };
      }
    }
    if (hasHardwareFault) {
      this.#state = { ...this.#state, hasHardwareFault: false };
      return { error: COMMAND_ERROR.hardware, hint: 'The device met a hardware error' };
    }
    return isReservedSet(spec, operand, indexHigh, capabilities.settings.isWide)
      ? {
          error: COMMAND_ERROR.reserved,
          hint: 'Operand bits that the command does not use must be 0',
        }
      : undefined;
  }

  #execute(): Outcome {
    const { code, operand } = this.#state;
    switch (code) {
      case COMMAND.enableDevice:
        return this.#enableDevice();
      case COMMAND.enableWq:
        return this.#enableWq();
      case COMMAND.disableDevice:
        return this.#disableDevice();
      case COMMAND.drainAll:
        return this.#drain(SCOPE.all, [], NO_PASID);
      case COMMAND.abortAll:
        return this.#abort(SCOPE.all, [], NO_PASID);
      case COMMAND.resetDevice:
        return this.#resetDevice();
      case COMMAND.drainPasid:
        return this.#drain(SCOPE.pasid, [], operand);
      case COMMAND.abortPasid:
        return this.#abort(SCOPE.pasid, [], operand);
      case COMMAND.disableWq:
      case COMMAND.drainWq:
      case COMMAND.abortWq:
      case COMMAND.resetWq:
        return this.#wqCommand(code);
      default:
        return this.#handleCommand(code);
    }
  }

  #enableDevice(): Outcome {
    if (this.#u.registers.state !== DEVICE_STATE.disabled) {
      return { error: COMMAND_ERROR.deviceNotDisabled, hint: 'The device is enabled already' };
    }
    const problem = deviceProblem(this.#u);
    if (problem !== undefined) {
      return problem;
    }
    this.#u.effects.enableDevice();
    return DONE;
  }

  #enableWq(): Outcome {
    const wq = this.#state.operand + this.#state.indexHigh * 256;
    if (this.#u.registers.state !== DEVICE_STATE.enabled) {
      return { error: COMMAND_ERROR.deviceNotEnabled, hint: 'Enable the device first' };
    }
    if (wq >= this.#u.wqs.count) {
      return { error: COMMAND_ERROR.invalidWq, hint: `There are ${this.#u.wqs.count} WQs` };
    }
    const problem = wqProblem(this.#u, wq);
    if (problem !== undefined) {
      return problem;
    }
    this.#u.effects.enableWq(wq);
    return DONE;
  }

  #disableDevice(): Outcome {
    const { registers, wqs } = this.#u;
    if (registers.state !== DEVICE_STATE.enabled) {
      return { error: COMMAND_ERROR.disableDeviceNotEnabled, hint: 'The device is not enabled' };
    }
    registers.state = DEVICE_STATE.busy;
    this.#close(everyWq(wqs.count));
    return this.#drain(SCOPE.all, [], NO_PASID);
  }

  #resetDevice(): Outcome {
    const { registers, wqs } = this.#u;
    const state = registers.state;
    if (state === DEVICE_STATE.halted) {
      // Nothing moves in a halted device, so there is nothing to wait for.
      this.#state = { ...this.#state, phase: PHASE.draining, pending: 0 };
      return undefined;
    }
    if (state === DEVICE_STATE.enabled) {
      registers.state = DEVICE_STATE.busy;
    }
    this.#close(everyWq(wqs.count));
    return this.#abort(SCOPE.all, [], NO_PASID);
  }

  #wqCommand(code: number): Outcome {
    const { wqs } = this.#u;
    const listed = this.#listedWqs();
    if (listed.some((wq) => wq >= wqs.count)) {
      return { error: COMMAND_ERROR.invalidWq, hint: `There are ${wqs.count} WQs` };
    }
    if (code !== COMMAND.resetWq && listed.some((wq) => wqs.state[wq] !== WQ_STATE.enabled)) {
      return { error: COMMAND_ERROR.wqNotEnabled, hint: 'Every listed WQ must be enabled' };
    }
    if (code === COMMAND.disableWq || code === COMMAND.resetWq) {
      this.#close(listed);
    }
    const isAbort = code === COMMAND.abortWq || code === COMMAND.resetWq;
    return isAbort
      ? this.#abort(SCOPE.wqs, listed, NO_PASID)
      : this.#drain(SCOPE.wqs, listed, NO_PASID);
  }

  #listedWqs(): readonly number[] {
    const { operand, indexHigh } = this.#state;
    const first = ((operand >>> 16) + indexHigh * 16) * WQS_PER_BITMAP;
    const listed: number[] = [];
    for (let i = 0; i < WQS_PER_BITMAP; i++) {
      if ((operand & (1 << i)) !== 0) {
        listed.push(first + i);
      }
    }
    return listed;
  }

  /** Enabled queues stop accepting. */
  #close(listed: readonly number[]): void {
    const { wqs } = this.#u;
    for (const wq of listed) {
      if (wqs.state[wq] === WQ_STATE.enabled) {
        wqs.state[wq] = WQ_STATE.busy;
      }
    }
  }

  #drain(scope: number, wqs: readonly number[], pasid: number): Outcome {
    this.#state = {
      ...this.#state,
      phase: PHASE.draining,
      scope,
      wqs,
      pasid,
      mark: this.#u.wqs.admissions,
      pending: 0,
    };
    this.#state = { ...this.#state, pending: this.#countPending() };
    return undefined;
  }

  #abort(scope: number, wqs: readonly number[], pasid: number): Outcome {
    this.#state = { ...this.#state, isAborting: true };
    this.#drain(scope, wqs, pasid);
    // What is dropped counts down like what ends; one more keeps the command open meanwhile.
    this.#state = { ...this.#state, pending: this.#state.pending + 1 };
    this.#u.effects.abort((wq, other) => matches(this.#state, wq, other));
    this.#state = { ...this.#state, pending: this.#state.pending - 1 };
    return undefined;
  }

  #countPending(): number {
    const { wqs, jobs } = this.#u;
    const state = this.#state;
    const running = jobs
      .active()
      .filter((job: Job) => job.parent < 0 && matches(state, job.wq, job.pasid)).length;
    let queued = 0;
    for (let wq = 0; wq < wqs.count; wq++) {
      if (wqs.hasWork(wq) && (state.scope !== SCOPE.wqs || state.wqs.includes(wq))) {
        const all = [...wqs.returned(wq), ...wqs.queued(wq)];
        queued += all.filter((d) => matches(state, wq, d.pasid)).length;
      }
    }
    return running + queued;
  }

  /** Everything that the command waited for is over. */
  #conclude(): { readonly result: number } {
    const { effects } = this.#u;
    const { code, wqs } = this.#state;
    switch (code) {
      case COMMAND.disableDevice:
        effects.disableDevice();
        break;
      case COMMAND.resetDevice:
        effects.resetDevice();
        break;
      case COMMAND.disableWq:
        wqs.forEach((wq) => {
          effects.disableWq(wq);
        });
        break;
      case COMMAND.resetWq:
        wqs.forEach((wq) => {
          effects.resetWq(wq);
        });
        break;
      default:
    }
    return { result: 0 };
  }

  #handleCommand(code: number): Outcome {
    const { operand } = this.#state;
    switch (code) {
      case COMMAND.requestInterruptHandle:
        return this.#requestHandle(operand >>> 16, operand & 0xffff);
      case COMMAND.releaseInterruptHandle:
        return this.#u.interrupts.release(operand >>> 16, operand & 0xffff)
          ? DONE
          : { error: COMMAND_ERROR.interruptIndex, hint: 'No such handle is in use' };
      case COMMAND.requestIdptHandle:
        return this.#requestIdptHandle(operand);
      case COMMAND.releaseIdptHandle:
        return this.#u.interDomain.release(operand)
          ? DONE
          : { error: COMMAND_ERROR.idptIndex, hint: 'No such handle is in use' };
      default:
        this.#u.interDomain.invalidateBitmaps();
        return DONE;
    }
  }

  #requestHandle(table: number, index: number): Outcome {
    const { interrupts } = this.#u;
    const entries = table === 1 ? interrupts.ims.entries : interrupts.msix.entries;
    if (index >= entries) {
      return { error: COMMAND_ERROR.interruptIndex, hint: `The table has ${entries} entries` };
    }
    const handle = interrupts.request(table, index);
    return handle < 0
      ? { error: COMMAND_ERROR.noInterruptHandle, hint: 'Release a handle first' }
      : { result: handle };
  }

  #requestIdptHandle(index: number): Outcome {
    const { interDomain } = this.#u;
    if (index >= interDomain.entries) {
      return {
        error: COMMAND_ERROR.idptIndex,
        hint: `The table has ${interDomain.entries} entries`,
      };
    }
    return interDomain.request(index)
      ? { result: index }
      : { error: COMMAND_ERROR.noIdptHandle, hint: 'Release a handle first' };
  }

  #end(outcome: { readonly result: number } | CheckFailure): void {
    const { registers, trace, source, effects } = this.#u;
    const { code, isInterruptRequested, serial, hasHardwareFault } = this.#state;
    const isFailed = 'error' in outcome;
    const result = isFailed ? 0 : outcome.result;
    this.#state = { ...IDLE, serial, hasHardwareFault };
    registers.set('CMDSTATUS', 'active', 0);
    registers.set('CMDSTATUS', 'error', isFailed ? outcome.error : COMMAND_ERROR.success);
    registers.set('CMDSTATUS', 'result', result);
    if (isFailed) {
      trace.record(COMMAND_FAILED, source, code, outcome.error, outcome.hint);
    } else {
      trace.record(COMMAND_COMPLETED, source, code, 0, result);
    }
    if (isInterruptRequested) {
      effects.raiseCommandInterrupt();
    }
  }
}

function matches({ scope, wqs, pasid }: CommandState, wq: number, otherPasid: number): boolean {
  switch (scope) {
    case SCOPE.all:
      return true;
    case SCOPE.wqs:
      return wqs.includes(wq);
    default:
      return pasid === otherPasid;
  }
}

function everyWq(count: number): readonly number[] {
  return Array.from({ length: count }, (_, wq) => wq);
}

/** Operand bits that a command uses. */
const OPERAND_MASKS: Readonly<Record<CommandSpec['operand'], number>> = {
  none: 0,
  wqIndex: 0xff,
  wqBitmap: 0xf_ffff,
  pasid: 0xf_ffff,
  interruptIndex: 0x1_ffff,
  idptIndex: 0xffff,
  bitmapSize: 0x1_ffff,
};

function isReservedSet(
  spec: CommandSpec,
  operand: number,
  indexHigh: number,
  isWide: boolean,
): boolean {
  const usesIndex = isWide && (spec.operand === 'wqIndex' || spec.operand === 'wqBitmap');
  return (operand & ~OPERAND_MASKS[spec.operand]) !== 0 || (indexHigh !== 0 && !usesIndex);
}
