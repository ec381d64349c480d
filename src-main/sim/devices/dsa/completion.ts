/**
 * The end of a descriptor: destination readback, completion record, error report, interrupt, in this order. DSA 3.0
 * sections 3.6, 5.8 and 8.2.
 *
 * Every step may have to wait (for the page of the record, for room in the event log) and is then taken up again.
 */
import { FLAG, RECORD_BYTES } from '../../../spec/dsa/descriptor.ts';
import { OPCODE } from '../../../spec/dsa/operations.ts';
import { OPERAND, STATUS } from '../../../spec/dsa/status-codes.ts';
import { COMPLETION } from '../../pcie/ports.ts';
import type { Batches } from './batches.ts';
import { COUNTER, type DsaCounters } from './counters.ts';
import type { ErrorReport } from './error-report.ts';
import type { EventLog } from './event-log.ts';
import { faultingHandle } from './inter-domain.ts';
import type { DsaInterrupts } from './interrupts.ts';
import { ACCESS, type Job, type JobPool } from './job.ts';
import { TRANSLATION, type MemoryAccess } from './memory-access.ts';
import { plusHigh, plusLow } from './operations/operation.ts';
import type { WorkQueues } from './work-queues.ts';

const STEP = { readback: 0, record: 1, report: 2, interrupt: 3, over: 4 } as const;
const HANDLE_WORD = 9;
const PAGE_MASK = 0xfff;
const WRITE_BIT = 0x80;
const ADDRESS_MASKED = 0x1_0000;

/** What completing waits for, or that it is over. */
export type CompletionResult = 'over' | 'recordPage' | 'log';

export interface CompletionOptions {
  readonly hasFaultInfo: boolean;
}

function isGood(status: number): boolean {
  return (
    status === STATUS.success ||
    status === STATUS.successFalsePredicate ||
    status === STATUS.batchMemberFailed
  );
}

/** Errors that the record itself caused. */
function isRecordError(status: number): boolean {
  return (
    status === STATUS.recordFault ||
    status === STATUS.recordAlignment ||
    status === STATUS.privilege
  );
}

export class Completion {
  readonly #memory: MemoryAccess;
  readonly #jobs: JobPool;
  readonly #wqs: WorkQueues;
  readonly #batches: Batches;
  readonly #errors: ErrorReport;
  readonly #log: EventLog;
  readonly #interrupts: DsaInterrupts;
  readonly #counters: DsaCounters;
  readonly #options: CompletionOptions;

  constructor(
    units: {
      readonly memory: MemoryAccess;
      readonly jobs: JobPool;
      readonly wqs: WorkQueues;
      readonly batches: Batches;
      readonly errors: ErrorReport;
      readonly log: EventLog;
      readonly interrupts: DsaInterrupts;
      readonly counters: DsaCounters;
    },
    options: CompletionOptions,
  ) {
    this.#memory = units.memory;
    this.#jobs = units.jobs;
    this.#wqs = units.wqs;
    this.#batches = units.batches;
    this.#errors = units.errors;
    this.#log = units.log;
    this.#interrupts = units.interrupts;
    this.#counters = units.counters;
    this.#options = options;
  }

  /** Goes on with completing a job. */
  advance(job: Job): CompletionResult {
    if (job.step === STEP.readback) {
      this.#readBack(job);
      this.#fillRecord(job);
      job.step = STEP.record;
    }
    if (job.step === STEP.record) {
      if (!this.#writeRecord(job)) {
        return 'recordPage';
      }
      job.step = STEP.report;
    }
    if (job.step === STEP.report) {
      if (job.reportCode !== 0 && !this.#report(job)) {
        return 'log';
      }
      job.step = STEP.interrupt;
    }
    if (job.step === STEP.interrupt) {
      this.#interrupt(job);
      job.step = STEP.over;
    }
    return 'over';
  }

  /** Zero-length read of the last destination address, so that the data is visible before the record. */
  #readBack(job: Job): void {
    const isAsked = (job.flags & FLAG.cacheControl2) !== 0 && isGood(job.status);
    const written = job.out > 0 ? job.out : job.done;
    if (!isAsked || written === 0) {
      return;
    }
    const word = job.operation === OPCODE.createDelta ? 10 : 6;
    const last = job.operation === OPCODE.applyDelta ? 0 : written - 1;
    const low = plusLow(job.words[word] as number, last);
    const high = plusHigh(job.words[word + 1] as number, job.words[word] as number, last);
    const isTranslated = this.#memory.translate(job, high, low, false) >= 0;
    if (
      !isTranslated ||
      this.#memory.readHere(job, 0, this.#memory.second, 0) !== COMPLETION.success
    ) {
      job.status = STATUS.hardwareWrite;
      job.faultHigh = high;
      job.faultLow = low;
      job.faultIsWrite = ACCESS.write;
      job.faultOperand = OPERAND.destination;
    }
  }

  /** Words 0 to 3, and flags or IDPT handle where the status tells of them; the rest is the operation's. */
  #fillRecord(job: Job): void {
    const { record, status } = job;
    const isFault = job.faultHigh !== 0 || job.faultLow !== 0 || job.faultOperand !== 0;
    record[0] = status | (job.faultIsWrite !== 0 ? WRITE_BIT : 0) | (job.result << 8);
    if (isFault && this.#options.hasFaultInfo) {
      record[0] |= ADDRESS_MASKED | (job.faultOperand << 17);
    }
    record[1] = isGood(status) ? job.resultBytes : job.done;
    record[2] = isFault ? (job.faultLow & ~PAGE_MASK) >>> 0 : 0;
    record[3] = isFault ? job.faultHigh : 0;
    if (status === STATUS.flags) {
      record[4] = job.information;
    } else if (status >= STATUS.idptHandle && status <= STATUS.updateWindowDenied) {
      record[4] = job.information & 0xffff;
    } else if (status === STATUS.pageFault || status === STATUS.pageRequestInvalid) {
      record[4] = faultingHandle(job) ?? (record[4] as number);
    }
  }

  /** False when the page of the record has to be asked for first. */
  #writeRecord(job: Job): boolean {
    const { flags, status } = job;
    const hasAddress = (flags & FLAG.recordAddressValid) !== 0;
    job.reportCode = isRecordError(status) || status === STATUS.interruptHandle ? status : 0;
    if (!hasAddress) {
      job.reportCode = isGood(status) ? 0 : status;
      return true;
    }
    const isDue = (flags & FLAG.requestRecord) !== 0 || !isGood(status);
    if (!isDue || isRecordError(status)) {
      return true;
    }
    if (this.#mustFollowLoggedRecords(job)) {
      job.reportCode =
        job.operation === OPCODE.drain
          ? STATUS.drainAfterRecordFault
          : STATUS.batchAfterRecordFault;
      return true;
    }
    const latency = this.#memory.translateRecord(job);
    if (latency < 0) {
      if (latency === TRANSLATION.pageFault && job.usesPrs === 1 && job.isRecordRefused === 0) {
        return false;
      }
      job.reportCode = STATUS.recordFault;
      return true;
    }
    const tc = (flags & FLAG.tcRecord) !== 0 ? ACCESS.tcB : 0;
    this.#memory.writeHere(job, RECORD_BYTES, job.recordBytes, 0, tc);
    job.isRecordWritten = 1;
    this.#counters.add(COUNTER.records, job.wq, job.pasidRow);
    return true;
  }

  /** Records that software writes from the log must become visible before this one. */
  #mustFollowLoggedRecords(job: Job): boolean {
    if (!this.#log.isOn) {
      return false;
    }
    const isDrain =
      job.operation === OPCODE.drain && (this.#wqs.loggedRecordFaults[job.wq] as number) > 0;
    if (isDrain) {
      this.#wqs.loggedRecordFaults[job.wq] = 0;
    }
    return isDrain || (job.operation === OPCODE.batch && job.s5 === 1);
  }

  /** False when the event log is full and holds the device up. */
  #report(job: Job): boolean {
    const parent = job.parent >= 0 ? this.#jobs.get(job.parent) : undefined;
    if (!this.#errors.canReport()) {
      return false;
    }
    const isLogged = this.#log.isOn;
    const isFirstError = parent !== undefined && isLogged && this.#batches.noteLoggedError(parent);
    const batch = parent ?? (job.operation === OPCODE.batch ? job : undefined);
    this.#errors.reportDescriptor(
      job,
      job.reportCode,
      batch && { id: batch.index & 0xff, isFirstError },
    );
    if (isLogged && job.reportCode === STATUS.recordFault) {
      (this.#wqs.loggedRecordFaults[job.wq] as number)++;
      if (parent !== undefined) {
        this.#batches.noteRecordFault(parent);
      }
    }
    return true;
  }

  /** Interrupts that go with a logged record are software's business. */
  #interrupt(job: Job): void {
    const isLoggedRecord =
      this.#log.isOn &&
      (job.reportCode === STATUS.recordFault ||
        job.reportCode === STATUS.drainAfterRecordFault ||
        job.reportCode === STATUS.batchAfterRecordFault);
    const isAsked =
      (job.flags & FLAG.requestInterrupt) !== 0 && job.status !== STATUS.interruptHandle;
    if (!isAsked || isLoggedRecord) {
      return;
    }
    const handle = (job.words[HANDLE_WORD] as number) & 0xffff;
    const table = job.portal >>> 1;
    if (this.#interrupts.isAllowed(handle, table, job.pasid)) {
      this.#interrupts.complete(handle, table);
      this.#counters.add(COUNTER.interrupts, job.wq, job.pasidRow);
    }
  }
}
