/**
 * The life of a descriptor inside an engine: checks, page of the completion record, chunk after chunk, completion. DSA 3.0
 * chapter 3 and section 5.4.
 *
 *     start -> (record page) -> chunk -> ... -> finish -> complete -> over
 *                    |            |                         |
 *                    +-- wait for a page response ----------+
 *
 * A chunk translates its addresses when it starts and moves its data when it ends, at a border where faults, aborts and
 * pauses can take hold.
 */
import { FLAG } from '../../../spec/dsa/descriptor.ts';
import { OPCODE } from '../../../spec/dsa/operations.ts';
import { OPERAND, STATUS } from '../../../spec/dsa/status-codes.ts';
import { DRAIN_STARTED, PAGE_REQUEST_SENT } from '../../../spec/events/dsa.ts';
import type { EventQueue } from '../../core/event-queue.ts';
import type { Trace } from '../../core/trace.ts';
import { PAGE_RESPONSE, type PageResponseCode } from '../../pcie/ports.ts';
import type { FunctionCapabilities } from '../../pcie/function-capabilities.ts';
import type { AddressTranslationCache } from '../../pcie/address-translation-cache.ts';
import type { Batches } from './batches.ts';
import type { Completion } from './completion.ts';
import { COUNTER, type DsaCounters } from './counters.ts';
import type { DescriptorCheck } from './descriptor-check.ts';
import type { Drains } from './drains.ts';
import type { EventLog } from './event-log.ts';
import { ACCESS, JOB_STATE, type Job, type JobPool, type JobProgress } from './job.ts';
import { TRANSLATION, type MemoryAccess } from './memory-access.ts';
import { RUN, setFault, type FaultPolicy, type OperationModel } from './operations/operation.ts';
import type { PageRequests } from './page-requests.ts';
import type { Stream } from './stream.ts';
import type { DsaTiming } from './timing.ts';

/** Events of the device in the queue of the machine. */
export const EVENT = {
  dispatch: 1,
  chunk: 2,
  complete: 3,
  pageResponse: 4,
  invalidation: 5,
  command: 6,
} as const;

/** Page requests for one page that may be answered with Success in vain. */
const MAX_RETRIES = 8;
const NO_READBACK = 0xc_0000;

const INVALID_RESPONSE: Readonly<Record<FaultPolicy, number>> = {
  data: STATUS.pageRequestInvalid,
  list: STATUS.batchListFault,
  readback: STATUS.readbackFault,
};

export interface ExecutorUnits {
  readonly queue: EventQueue;
  readonly target: number;
  readonly trace: Trace;
  readonly source: number;
  readonly timing: DsaTiming;
  readonly jobs: JobPool;
  readonly memory: MemoryAccess;
  readonly atc: AddressTranslationCache;
  readonly pageRequests: PageRequests;
  readonly stream: Stream;
  readonly check: DescriptorCheck;
  readonly completion: Completion;
  readonly batches: Batches;
  readonly drains: Drains;
  readonly log: EventLog;
  readonly counters: DsaCounters;
  readonly capabilities: FunctionCapabilities;
  readonly models: readonly (OperationModel | undefined)[];
  readonly hooks: ExecutorHooks;
}

export interface ExecutorHooks {
  /** A job is over; its slot in the engine is free, and the job must be released. */
  onOver(job: Job): void;
  /** Whether the address space is being aborted. */
  isDomainAborting(pasid: number): boolean;
}

export class Executor {
  readonly #u: ExecutorUnits;
  /** Jobs that a full event log holds up, oldest first. */
  #logWaiters: number[] = [];

  constructor(units: ExecutorUnits) {
    this.#u = units;
  }

  get logWaiters(): readonly number[] {
    return this.#logWaiters;
  }

  restoreLogWaiters(waiters: readonly number[]): void {
    this.#logWaiters = [...waiters];
  }

  /** Begins with a descriptor that an engine took. */
  start(job: Job): void {
    const { progress } = job;
    job.progress = undefined;
    job.begin();
    job.startedNs = this.#u.queue.nowNs;
    if (progress !== undefined) {
      this.#resume(job, progress);
      return;
    }
    const status = this.#u.check.run(job, this.#u.models[job.operation]);
    if (status !== 0) {
      this.finish(job, status);
      return;
    }
    this.#u.counters.addOperation(job.operation, job.wq, job.engine);
    this.#prepareRecord(job);
  }

  /** Starts the next chunk. */
  beginChunk(job: Job): void {
    const model = this.#modelOf(job);
    model.plan(job);
    let latency = this.#translate(job);
    if (latency < 0 && model.canShrink === true && job.isCautious === 0) {
      job.isCautious = 1;
      model.plan(job);
      latency = this.#translate(job);
    }
    if (latency < 0) {
      this.#fault(job, latency);
      return;
    }
    if (job.accessCount === 0 && job.operation !== OPCODE.drain) {
      this.#runChunk(job, model);
      return;
    }
    job.state = JOB_STATE.running;
    job.epoch = this.#u.atc.epoch;
    this.#scheduleChunk(job, latency);
  }

  /** The chunk's data has passed: the event `EVENT.chunk`. */
  endChunk(job: Job): void {
    if (job.usesAts === 1 && job.epoch !== this.#u.atc.epoch) {
      // An invalidation came between: what was translated may be gone.
      const latency = this.#translate(job);
      if (latency < 0) {
        this.#fault(job, latency);
        return;
      }
    }
    const isCut =
      (job.domain1Pasid >= 0 && this.#u.hooks.isDomainAborting(job.domain1Pasid)) ||
      (job.domain2Pasid >= 0 && this.#u.hooks.isDomainAborting(job.domain2Pasid));
    if (isCut) {
      this.finish(job, STATUS.domainUnavailable);
      return;
    }
    this.#runChunk(job, this.#modelOf(job));
  }

  /** Ends the operation: the record follows. */
  finish(job: Job, status: number): void {
    const { batches, queue, timing } = this.#u;
    if (job.usesBatchSlot === 1 && batches.isOpen(job)) {
      batches.fail(job, status);
      return;
    }
    job.status = status;
    job.retries = 0;
    this.#u.models[job.operation]?.finish?.(job);
    job.state = JOB_STATE.completing;
    const isFault = status === STATUS.pageFault || status === STATUS.pageRequestInvalid;
    queue.schedule(
      timing.completionNs + (isFault ? timing.faultReportNs : 0),
      this.#u.target,
      EVENT.complete,
      job.index,
      job.serial,
    );
  }

  /** Writes the record and what belongs to it: the event `EVENT.complete`, and after every wait. */
  complete(job: Job): void {
    switch (this.#u.completion.advance(job)) {
      case 'recordPage':
        this.#waitForPage(
          job,
          JOB_STATE.waitingToComplete,
          job.words[3] as number,
          job.words[2] as number,
          true,
        );
        break;
      case 'log':
        job.state = JOB_STATE.waitingForLog;
        this.#logWaiters.push(job.index);
        break;
      case 'over':
        this.#u.hooks.onOver(job);
    }
  }

  /** Software moved the head of the event log. */
  retryLog(): void {
    const waiters = this.#logWaiters;
    this.#logWaiters = [];
    for (const index of waiters) {
      this.complete(this.#u.jobs.get(index));
    }
  }

  /** Jobs that waited for a page got their answer. */
  answerPage(job: Job, code: PageResponseCode): void {
    const { counters } = this.#u;
    const isSuccess = code === PAGE_RESPONSE.success;
    const counter = isSuccess ? COUNTER.pageRequestsGranted : COUNTER.pageRequestsInvalid;
    counters.addWithEngine(counter, job.wq, job.pasidRow, job.engine);
    const isGranted = isSuccess && ++job.retries <= MAX_RETRIES;
    if (job.state === JOB_STATE.waitingForPage) {
      this.#answerData(job, code, isGranted);
    } else if (job.state === JOB_STATE.waitingForRecordPage) {
      this.#answerRecord(job, isGranted);
    } else if (job.state === JOB_STATE.waitingToComplete) {
      job.isRecordRefused = isGranted ? 0 : 1;
      this.complete(job);
    }
  }

  /**
   * Ends a job that waits for a page, because its queue or PASID is aborted: at a chunk border, as if block on fault were
   * off. The specification lets running work finish; a page that never comes must not hold up an abort.
   */
  abandonWait(job: Job): void {
    this.#u.pageRequests.forget(job);
    if (job.state === JOB_STATE.waitingForPage) {
      const isList = this.#modelOf(job).faultPolicy === 'list';
      this.finish(job, isList ? STATUS.batchListFault : STATUS.pageFault);
    } else {
      job.isRecordRefused = 1;
      if (job.state === JOB_STATE.waitingForRecordPage) {
        this.finish(job, STATUS.recordFault);
      } else {
        this.complete(job);
      }
    }
  }

  /** A drain need not wait any more. */
  endDrain(job: Job): void {
    this.beginChunk(job);
  }

  clear(): void {
    this.#logWaiters = [];
  }

  /** Goes on with a descriptor that another engine, maybe of another device, had checked and begun. */
  #resume(job: Job, progress: JobProgress): void {
    job.loadProgress(progress);
    if (progress.state === JOB_STATE.waitingToComplete) {
      const { queue, timing, target } = this.#u;
      job.state = JOB_STATE.completing;
      queue.schedule(timing.completionNs, target, EVENT.complete, job.index, job.serial);
    } else {
      this.#prepareRecord(job);
    }
  }

  #modelOf(job: Job): OperationModel {
    return this.#u.models[job.operation] as OperationModel;
  }

  /** Makes sure early that the record can be written. With an event log, software will write it where the device cannot. */
  #prepareRecord(job: Job): void {
    if ((job.flags & FLAG.recordAddressValid) !== 0 && job.isRecordRefused === 0) {
      const high = job.words[3] as number;
      const low = job.words[2] as number;
      const latency = this.#u.memory.translateRecord(job);
      if (latency < 0 && latency === TRANSLATION.pageFault && job.usesPrs === 1) {
        this.#waitForPage(job, JOB_STATE.waitingForRecordPage, high, low, true);
        return;
      }
      if (latency < 0 && !this.#u.log.isOn) {
        setFault(job, high, low, ACCESS.write | (OPERAND.record << ACCESS.operandShift));
        this.finish(job, STATUS.recordFault);
        return;
      }
    }
    this.#begin(job);
  }

  #begin(job: Job): void {
    job.retries = 0;
    const isWaiting =
      job.operation === OPCODE.drain ||
      (job.operation === OPCODE.updateWindow && (job.flags & 0x1_0000) === 0);
    if (isWaiting) {
      const pending = this.#u.drains.wait(job);
      if (pending > 0) {
        this.#u.trace.record(DRAIN_STARTED, this.#u.source, job.wq, job.pasid, pending);
        return;
      }
    }
    this.beginChunk(job);
  }

  /** Translates all addresses of the chunk. They overlap in time, so the slowest counts. */
  #translate(job: Job): number {
    const { memory } = this.#u;
    let worst = 0;
    for (let i = 0; i < job.accessCount; i++) {
      const latency = memory.translateAccess(job, i);
      if (latency < 0) {
        setFault(job, job.accessHigh(i), job.accessLow(i), job.accessKind(i));
        return latency;
      }
      if (latency > worst) {
        worst = latency;
      }
    }
    return worst;
  }

  #scheduleChunk(job: Job, latency: number): void {
    const { queue, stream, timing, target } = this.#u;
    let read = 0;
    let written = 0;
    for (let i = 0; i < job.accessCount; i++) {
      if ((job.accessKind(i) & ACCESS.write) !== 0) {
        written += job.accessBytes(i);
      } else {
        read += job.accessBytes(i);
      }
    }
    // Later chunks hide lookups that hit behind the stream.
    let from = queue.nowNs + (job.done > 0 && latency <= timing.translationHitNs ? 0 : latency);
    if (job.operation === OPCODE.batch) {
      from += timing.batchFetchNs;
    } else if (job.operation === OPCODE.drain) {
      from += (job.flags & NO_READBACK) === NO_READBACK && read === 0 ? 0 : timing.memoryReadNs;
    } else if (read > 0 && job.done === 0) {
      from += timing.memoryReadNs;
    }
    const due = stream.reserve(from, job.group, read, written);
    queue.schedule(due - queue.nowNs, target, EVENT.chunk, job.index, job.serial);
  }

  #runChunk(job: Job, model: OperationModel): void {
    const result = model.run(job, this.#u.memory);
    switch (result) {
      case RUN.more:
        job.retries = 0;
        this.beginChunk(job);
        break;
      case RUN.done:
        this.finish(job, STATUS.success);
        break;
      case RUN.pageFault:
        this.#fault(job, TRANSLATION.pageFault);
        break;
      case RUN.translationError:
        this.#fault(job, TRANSLATION.error);
        break;
      case RUN.held:
        break;
      default:
        this.finish(job, result);
    }
  }

  /** No translation for an operand; the job's fault fields say which. */
  #fault(job: Job, kind: number): void {
    if (kind === TRANSLATION.error) {
      this.finish(job, STATUS.translation);
      return;
    }
    const { faultPolicy } = this.#modelOf(job);
    const isData = faultPolicy === 'data';
    const mayAsk = job.usesPrs === 1 && (!isData || (job.flags & FLAG.blockOnFault) !== 0);
    if (mayAsk) {
      this.#waitForPage(
        job,
        JOB_STATE.waitingForPage,
        job.faultHigh,
        job.faultLow,
        job.faultIsWrite !== 0,
      );
      return;
    }
    this.finish(job, isData ? STATUS.pageFault : INVALID_RESPONSE[faultPolicy]);
  }

  #waitForPage(job: Job, state: number, high: number, low: number, isWrite: boolean): void {
    const { pageRequests, capabilities, counters, trace, source } = this.#u;
    job.state = state;
    if (!capabilities.isPriEnabled) {
      this.answerPage(job, PAGE_RESPONSE.failure);
      return;
    }
    const pasid = this.#faultingPasid(job, state);
    const group = pageRequests.wait(job, pasid.pasid, pasid.isPrivileged, high, low, isWrite);
    if (group >= 0) {
      counters.add(COUNTER.pageRequests, job.wq, job.pasidRow);
      trace.record(
        PAGE_REQUEST_SENT,
        source,
        job.wq,
        pasid.pasid,
        BigInt(high) * 0x1_0000_0000n + BigInt(low),
        isWrite,
        group,
      );
    }
  }

  /** Address space of the page that is missing: another one for the far side of an inter-domain operation. */
  #faultingPasid(
    job: Job,
    state: number,
  ): { readonly pasid: number; readonly isPrivileged: boolean } {
    if (state === JOB_STATE.waitingForPage) {
      for (let i = 0; i < job.accessCount; i++) {
        const kind = job.accessKind(i);
        const isThis = (kind & ACCESS.operandMask) >>> ACCESS.operandShift === job.faultOperand;
        if (isThis && (kind & ACCESS.domain1) !== 0) {
          return { pasid: job.domain1Pasid, isPrivileged: job.domain1Priv !== 0 };
        }
        if (isThis && (kind & ACCESS.domain2) !== 0) {
          return { pasid: job.domain2Pasid, isPrivileged: job.domain2Priv !== 0 };
        }
      }
    }
    return { pasid: job.pasid, isPrivileged: job.isPrivileged };
  }

  #answerData(job: Job, code: PageResponseCode, isGranted: boolean): void {
    if (isGranted) {
      job.faultHigh = 0;
      job.faultLow = 0;
      job.faultIsWrite = 0;
      job.faultOperand = 0;
      this.beginChunk(job);
      return;
    }
    const isFailure = code === PAGE_RESPONSE.failure;
    this.finish(
      job,
      isFailure ? STATUS.translation : INVALID_RESPONSE[this.#modelOf(job).faultPolicy],
    );
  }

  #answerRecord(job: Job, isGranted: boolean): void {
    if (isGranted) {
      this.#prepareRecord(job);
      return;
    }
    job.isRecordRefused = 1;
    if (this.#u.log.isOn) {
      this.#begin(job);
      return;
    }
    setFault(
      job,
      job.words[3] as number,
      job.words[2] as number,
      ACCESS.write | (OPERAND.record << ACCESS.operandShift),
    );
    this.finish(job, STATUS.recordFault);
  }
}
