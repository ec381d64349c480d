/**
 * One function of the accelerator: routes accesses, events and resets to its parts. DSA 3.0.
 *
 * Not modelled: the compute and scatter-gather operations of version 3, cache hints and steering tags beyond their checks,
 * poisoned data. Configuration requests are answered right after a
 * function level reset, although software has to wait 100 ms.
 */
import { invariant } from '../../../bits/invariant.ts';
import { DEVICE_STATE, HALT_RESET } from '../../../spec/dsa/general-registers.ts';
import { DUMMY_PORTAL_OFFSET } from '../../../spec/dsa/portals.ts';
import { DEVICE_ERROR, STATUS } from '../../../spec/dsa/status-codes.ts';
import {
  DESCRIPTOR_COMPLETED,
  DESCRIPTOR_FAILED,
  DEVICE_HALTED,
  HANDLES_REVOKED,
  PAGE_REQUEST_SENT,
  PAGE_RESPONSE_RECEIVED,
  REGISTER_IGNORED,
} from '../../../spec/events/dsa.ts';
import {
  DEVICE_TLB_INVALIDATED,
  FUNCTION_RESET,
  MMIO_REFUSED,
  PAGE_RESPONSE_UNEXPECTED,
} from '../../../spec/events/pcie.ts';
import { bigOf } from '../../../bits/u64.ts';
import type { RegisterBlock } from '../../../bits/register-block.ts';
import type { EventQueue, EventTarget } from '../../core/event-queue.ts';
import type { RegisterWrite } from '../../core/register-file.ts';
import type { Trace } from '../../core/trace.ts';
import type { SwitchName } from '../../pcie/function-capabilities.ts';
import {
  PAGE_RESPONSE,
  type BlockWriteKind,
  type BlockWriteResult,
  type InvalidateRequest,
  type PageResponseCode,
  type PcieFunction,
  type ResetKind,
  type UpstreamPort,
} from '../../pcie/ports.ts';
import { configIssues, settingsOf, type DsaConfig, type DsaSettings } from './config.ts';
import { DSA_BAR } from './config-space.ts';
import { COUNTER } from './counters.ts';
import { DsaEffects } from './effects.ts';
import { EVENT } from './executor.ts';
import { DsaInspector } from './inspect.ts';
import { JOB_STATE, type Job } from './job.ts';
import { restoreUnits, snapshotUnits, type DsaState } from './state.ts';
import type { DataPath } from './stream.ts';
import { DSA_TIMING } from './timing.ts';
import { WqMigration } from './wq-migration.ts';
import { buildUnits, type DsaHooks, type DsaUnits } from './units.ts';

export interface DsaFunctionOptions {
  readonly name: string;
  readonly config: DsaConfig;
  readonly port: UpstreamPort;
  readonly queue: EventQueue;
  readonly trace: Trace;
  /** Configuration space, when it is not the usual one. */
  readonly configBlock?: RegisterBlock;
  /** Data path that several functions share; its own by default. */
  readonly dataPath?: DataPath;
  /** Told of every configuration write, after the function has acted on it. */
  readonly onConfigWrite?: (write: RegisterWrite) => void;
}

type Cause = Parameters<DsaHooks['raiseCause']>[0];

/** Group index and response code in one operand of an event. */
const GROUP_INDEXES = 512;
const DEVICE_STATUS_WORD = 0x48;

export class DsaFunction implements PcieFunction<DsaState>, EventTarget {
  readonly name: string;
  readonly settings: DsaSettings;
  readonly barBytes: readonly number[];
  /** Read-only view of everything inside, for panes, checks and tests. */
  readonly inspect: DsaInspector;
  /** Saving and restoring single work queues. */
  readonly migration: WqMigration;
  readonly #u: DsaUnits;
  readonly #effects: DsaEffects;

  constructor(options: DsaFunctionOptions) {
    const { name, config, port, queue, trace } = options;
    this.name = name;
    this.settings = settingsOf(config);
    const [issue] = configIssues(this.settings);
    invariant(issue === undefined, `${name}: ${issue?.path ?? ''}: ${issue?.message ?? ''}`);
    this.barBytes = [this.settings.bar0Bytes, 0, this.settings.bar2Bytes, 0, 0, 0];
    const env = {
      settings: this.settings,
      port,
      queue,
      trace,
      source: trace.source(name),
      target: queue.register(this),
      configBlock: options.configBlock,
      dataPath: options.dataPath ?? { freeNs: 0 },
      onConfigWrite: options.onConfigWrite,
    };
    this.#effects = new DsaEffects(() => this.#u, {
      raiseCommandInterrupt: () => {
        this.#raiseCause('command');
      },
    });
    this.#u = buildUnits(env, {
      onFunctionLevelReset: () => {
        this.reset('function-level');
      },
      onSwitch: (switched, isOn) => {
        this.#onSwitch(switched, isOn);
      },
      onRegisterWrite: (write) => {
        this.#onRegisterWrite(write);
      },
      onOver: (job) => {
        this.#onOver(job);
      },
      effects: this.#effects,
      raiseCause: (cause) => {
        this.#raiseCause(cause);
      },
      isHalted: () => this.#state === DEVICE_STATE.halted,
      isDeviceDisabled: () => this.#state === DEVICE_STATE.disabled,
    });
    this.inspect = new DsaInspector(this.#u);
    this.migration = new WqMigration(this.#u);
  }

  configRead(offset: number, bytes: 1 | 2 | 4): number {
    if (offset + bytes > DEVICE_STATUS_WORD && offset < DEVICE_STATUS_WORD + 4) {
      this.#u.config.set('EXP_DEVICE_STATUS', 'TP', this.#u.jobs.active().length > 0 ? 1 : 0);
    }
    return this.#u.config.read(offset, bytes);
  }

  configWrite(offset: number, bytes: 1 | 2 | 4, value: number): void {
    this.#u.config.write(offset, bytes, value);
    this.#refreshPageRequests();
  }

  mmioRead(bar: number, offset: number, bytes: 1 | 2 | 4 | 8): bigint {
    return bar === DSA_BAR.registers
      ? this.#u.bar0.read(offset, bytes)
      : (1n << BigInt(bytes * 8)) - 1n;
  }

  mmioWrite(bar: number, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    if (bar === DSA_BAR.registers) {
      this.#u.bar0.write(offset, bytes, value);
    } else {
      this.#u.portals.ignoreNarrow(offset, bytes);
    }
  }

  blockWrite(
    bar: number,
    offset: number,
    words: Uint32Array,
    kind: BlockWriteKind,
  ): BlockWriteResult {
    if (bar === DSA_BAR.portals) {
      return this.#u.portals.write(offset, words, kind);
    }
    const isDummy = offset >= DUMMY_PORTAL_OFFSET && offset < DUMMY_PORTAL_OFFSET + 0x1000;
    if (isDummy && this.#u.bar0.isFree(offset)) {
      return this.#u.portals.writeDummy(words, kind);
    }
    this.#u.trace.record(
      MMIO_REFUSED,
      this.#u.source,
      bar,
      offset,
      'Registers take no 64-byte writes',
    );
    return kind === 'deferrable' ? 'retry' : 'dropped';
  }

  atsInvalidate(request: InvalidateRequest): void {
    const { atc, queue, target, trace, source } = this.#u;
    const dropped = atc.invalidate(request);
    if (trace.isOn) {
      trace.record(
        DEVICE_TLB_INVALIDATED,
        source,
        request.pasid,
        request.isGlobal,
        bigOf(request.high, request.low),
        request.sizeShift,
        dropped,
        request.itag,
      );
    }
    queue.schedule(DSA_TIMING.invalidationNs, target, EVENT.invalidation, request.itag);
  }

  pageResponse(pasid: number, groupIndex: number, code: PageResponseCode): void {
    const { queue, target } = this.#u;
    queue.schedule(0, target, EVENT.pageResponse, groupIndex + code * GROUP_INDEXES, pasid);
  }

  onDue(operation: number, a: number, b: number): void {
    if (operation === EVENT.invalidation) {
      this.#u.port.invalidationComplete(2 ** a, 1);
      return;
    }
    if (operation === EVENT.command) {
      this.#u.commands.onDue(a);
      return;
    }
    if (this.#state === DEVICE_STATE.halted) {
      return;
    }
    switch (operation) {
      case EVENT.dispatch:
        this.#u.engines.dispatch(a);
        break;
      case EVENT.pageResponse:
        this.#onPageResponse(a, b);
        break;
      default:
        this.#onJobDue(operation, a, b);
    }
  }

  reset(kind: ResetKind): void {
    const { queue, target, trace, source, config, pci, registers, interrupts } = this.#u;
    trace.record(FUNCTION_RESET, source, kind);
    for (const operation of Object.values(EVENT)) {
      queue.cancel(target, operation);
    }
    this.#effects.clearWork();
    this.#u.commands.clear();
    this.#u.counters.clear();
    this.#u.perfmon.reset();
    this.#u.completed.clear();
    this.#u.atc.clear();
    config.reset(kind);
    pci.refresh();
    registers.reset(true);
    this.#u.groups.reset();
    this.#u.wqConfig.reset();
    this.#u.interDomain.reset();
    interrupts.reset();
    this.#refreshPageRequests();
  }

  /** The platform takes all interrupt handles back, as a VMM does when it moves a virtual device. */
  revokeInterruptHandles(): void {
    const count = this.#u.interrupts.revoke();
    this.#u.trace.record(HANDLES_REVOKED, this.#u.source, count);
    this.#raiseCause('handlesRevoked');
  }

  /** Makes the next command end with a hardware error. */
  injectCommandFault(): void {
    this.#u.commands.injectHardwareFault();
  }

  /** An internal error that only a reset of the given type cures. */
  injectHalt(resetType: 'command' | 'functionLevel' | 'warm' | 'cold'): void {
    this.#halt(STATUS.hardwareRead, HALT_RESET[resetType]);
  }

  snapshot(): DsaState {
    return snapshotUnits(this.#u);
  }

  restore(state: DsaState): void {
    restoreUnits(this.#u, state);
  }

  get #state(): number {
    return this.#u.registers.state;
  }

  #onJobDue(operation: number, index: number, serial: number): void {
    const job = this.#u.jobs.current(index, serial);
    if (job === undefined) {
      return;
    }
    if (operation === EVENT.chunk) {
      this.#u.executor.endChunk(job);
    } else {
      this.#u.executor.complete(job);
    }
  }

  #onPageResponse(packed: number, pasid: number): void {
    const { pageRequests, trace, source, pci, executor } = this.#u;
    const group = packed % GROUP_INDEXES;
    const code = Math.floor(packed / GROUP_INDEXES) as PageResponseCode;
    const waiters = pageRequests.answer(pasid, group);
    if (waiters === undefined) {
      pci.reportUnexpectedGroup();
      trace.record(PAGE_RESPONSE_UNEXPECTED, source, pasid, group, code);
      return;
    }
    trace.record(PAGE_RESPONSE_RECEIVED, source, group, pasid, code);
    const isFailure = code !== PAGE_RESPONSE.success && code !== PAGE_RESPONSE.invalidRequest;
    if (isFailure) {
      pci.failPageRequests();
    }
    const answered = isFailure ? [...waiters, ...pageRequests.takeAll()] : waiters;
    for (const job of answered) {
      const saved = trace.enter(job.seq);
      executor.answerPage(job, isFailure ? PAGE_RESPONSE.failure : code);
      trace.cause = saved;
    }
    this.#refreshPageRequests();
  }

  /** Requests that had to wait are sent when the allocation allows; Stopped follows. */
  #refreshPageRequests(): void {
    const { pageRequests, pci, trace, source, counters } = this.#u;
    pageRequests.allocation = pci.isPriEnabled ? pci.priAllocation : 0;
    if (pci.isPriEnabled && this.#state !== DEVICE_STATE.halted) {
      for (const { job, request } of pageRequests.sendQueued()) {
        counters.add(COUNTER.pageRequests, job.wq, job.pasidRow);
        trace.record(
          PAGE_REQUEST_SENT,
          source,
          job.wq,
          request.pasid,
          bigOf(request.high, request.low),
          request.isWrite,
          request.group,
        );
      }
    }
    pci.updateStopped(pageRequests.isIdle);
  }

  /** PASID, ATS, PRI and bus mastering must not change under a working device: DSA 3.0 section 5.7. */
  #onSwitch(name: SwitchName, isOn: boolean): void {
    if (name === 'ats') {
      this.#u.atc.clear();
    }
    const isIdle = this.#state === DEVICE_STATE.disabled || this.#state === DEVICE_STATE.halted;
    if (!isIdle && (name !== 'busMaster' || !isOn)) {
      this.#halt(DEVICE_ERROR.configurationChange, HALT_RESET.functionLevel);
    }
  }

  #halt(code: number, resetType: number): void {
    const { registers, errors, commands, trace, source } = this.#u;
    trace.record(DEVICE_HALTED, source, code, resetType);
    errors.reportDevice(code);
    registers.state = DEVICE_STATE.halted;
    registers.set('GENSTS', 'resetType', resetType);
    commands.onHalted();
    if (registers.get('GENCTRL', 'haltInterrupt') === 1) {
      this.#raiseCause('halt');
    }
  }

  #raiseCause(cause: Cause): void {
    this.#u.registers.set('INTCAUSE', cause, 1);
    this.#u.interrupts.raise(0, 0);
  }

  #onRegisterWrite(write: RegisterWrite): void {
    const { register, written, before, after, byteMask } = write;
    switch (register.name) {
      case 'CMD':
        if (byteMask === 0xf) {
          this.#u.commands.write(written[0] as number);
        }
        break;
      case 'GENCFG':
        this.#u.registers.refresh();
        this.#reportLocked(register.name, register.offset, written, before, after);
        break;
      case 'EVLCFG':
      case 'IDBR':
        this.#reportLocked(register.name, register.offset, written, before, after);
        break;
      case 'EVLSTATUS':
        if (!this.#u.log.isFull && this.#state !== DEVICE_STATE.halted) {
          this.#u.executor.retryLog();
        }
        break;
      default:
    }
  }

  /** A write to a locked register changes nothing: worth a word when it meant to. */
  #reportLocked(
    name: string,
    offset: number,
    written: Uint32Array,
    before: Uint32Array,
    after: Uint32Array,
  ): void {
    const isLocked = this.#state !== DEVICE_STATE.disabled;
    const isSame = before.every((word, i) => word === after[i]);
    if (isLocked && isSame && written.some((word, i) => word !== before[i])) {
      const value = bigOf(written[1] ?? 0, written[0] ?? 0);
      this.#u.trace.record(
        REGISTER_IGNORED,
        this.#u.source,
        name,
        offset,
        value,
        'the device is not Disabled',
      );
    }
  }

  #onOver(job: Job): void {
    const { completed, queue, wqs, jobs, engines, batches, commands, drains, executor, counters } =
      this.#u;
    const isMember = job.parent >= 0;
    completed.add(job, queue.nowNs);
    counters.addWithEngine(COUNTER.completed, job.wq, job.pasidRow, job.engine);
    if (job.status !== STATUS.success) {
      counters.addWithEngine(COUNTER.failed, job.wq, job.pasidRow, job.engine);
    }
    if (this.#u.trace.isOn) {
      this.#traceOver(job);
    }
    job.state = JOB_STATE.free;
    for (const waiter of drains.end(job)) {
      executor.endDrain(waiter);
    }
    if (isMember) {
      batches.endMember(jobs.get(job.parent), job.status);
    } else {
      (wqs.inProgress[job.wq] as number)--;
    }
    const { admission, wq, pasid } = job;
    engines.release(job);
    jobs.release(job);
    if (!isMember) {
      commands.onDescriptorOver(admission, wq, pasid);
    }
  }

  #traceOver(job: Job): void {
    const { trace, source } = this.#u;
    const isGood = job.status === STATUS.success || job.status === STATUS.successFalsePredicate;
    trace.begin(isGood ? DESCRIPTOR_COMPLETED : DESCRIPTOR_FAILED, source);
    trace.num(job.wq);
    trace.num(job.engine);
    trace.num(job.operation);
    trace.num(job.pasid);
    trace.num(job.status);
    trace.num(job.record[1] as number);
    if (!isGood) {
      trace.u64(job.faultHigh, job.faultLow);
    }
    trace.u64(job.words[3] as number, job.words[2] as number);
    trace.num(job.isRecordWritten);
    trace.end();
  }
}
