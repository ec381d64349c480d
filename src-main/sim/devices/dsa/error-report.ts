/**
 * Where errors go that no completion record can tell: the software error register, or the event log while it is enabled.
 * DSA 3.0 sections 5.8 and 5.9.
 *
 * SWERROR keeps the first error until software clears it. A log entry also carries the completion record, the handle and
 * what else software needs to finish the descriptor in the device's place.
 */
import { SWERROR } from '../../../spec/dsa/general-registers.ts';
import { EventLogEntry } from '../../../spec/dsa/event-log-entry.ts';
import { FLAG } from '../../../spec/dsa/descriptor.ts';
import { DEVICE_ERROR, OPERAND, STATUS } from '../../../spec/dsa/status-codes.ts';
import { ERROR_REPORTED } from '../../../spec/events/dsa.ts';
import { bigOf } from '../../../bits/u64.ts';
import type { Trace } from '../../core/trace.ts';
import type { EventLog } from './event-log.ts';
import { faultingHandle } from './inter-domain.ts';
import type { Job } from './job.ts';
import type { DsaRegisters } from './registers.ts';

const HANDLE_WORD = 9;
const OPERAND_SHIFT = 29;
const NO_WQ = -1;
const IMS_PORTALS = 2;

/** What a report about a descriptor adds. */
export interface BatchContext {
  readonly id: number;
  readonly isFirstError: boolean;
}

export interface ErrorReportHooks {
  onSoftwareError(): void;
}

/** Codes whose entry asks software to write the completion record. */
const RECORD_CODES: ReadonlySet<number> = new Set([
  STATUS.recordFault,
  STATUS.drainAfterRecordFault,
  STATUS.batchAfterRecordFault,
]);

export class ErrorReport {
  readonly #registers: DsaRegisters;
  readonly #log: EventLog;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #hooks: ErrorReportHooks;
  readonly #canOverflow: boolean;

  constructor(
    registers: DsaRegisters,
    log: EventLog,
    hooks: ErrorReportHooks,
    options: { readonly trace: Trace; readonly source: number; readonly canOverflow: boolean },
  ) {
    this.#registers = registers;
    this.#log = log;
    this.#hooks = hooks;
    this.#trace = options.trace;
    this.#source = options.source;
    this.#canOverflow = options.canOverflow;
  }

  /** An error of the device, of a command or of a queue: SWERROR only. */
  reportDevice(code: number, wq: number = NO_WQ): void {
    this.#trace.record(ERROR_REPORTED, this.#source, code, 'SWERROR', wq, -1, 0);
    this.#setSoftwareError(
      SWERROR.encode({
        valid: 1,
        code,
        wqValid: wq === NO_WQ ? 0 : 1,
        wq: wq === NO_WQ ? 0 : wq & 0xff,
        wqHigh: wq === NO_WQ ? 0 : wq >>> 8,
      }),
    );
  }

  /** False while the log is full and the device has to wait until software moves the head. */
  canReport(): boolean {
    return !this.#log.isOn || this.#canOverflow || !this.#log.isFull;
  }

  /** An error of a descriptor: to the event log while it is on. */
  reportDescriptor(job: Job, code: number, batch: BatchContext | undefined): void {
    const isLogged = this.#log.isOn;
    const address = RECORD_CODES.has(code)
      ? bigOf(job.words[3] as number, job.words[2] as number)
      : bigOf(job.faultHigh, job.faultLow);
    this.#trace.record(
      ERROR_REPORTED,
      this.#source,
      code,
      isLogged ? 'The event log' : 'SWERROR',
      job.wq,
      job.pasid,
      address,
    );
    if (!isLogged) {
      this.#setSoftwareError(this.#softwareError(job, code, address));
    } else if (this.#log.append(this.#logEntry(job, code, address, batch)) !== 'written') {
      this.reportDevice(DEVICE_ERROR.eventLogAppend);
    }
  }

  #setSoftwareError(words: Uint32Array): void {
    if (this.#registers.get('SWERROR', 'valid') === 1) {
      this.#registers.set('SWERROR', 'overflow', 1);
      return;
    }
    words.forEach((word, i) => {
      this.#registers.file.poke32(SWERROR.offset + 4 * i, word);
    });
    if (this.#registers.get('GENCTRL', 'softwareErrorInterrupt') === 1) {
      this.#hooks.onSoftwareError();
    }
  }

  #softwareError(job: Job, code: number, address: bigint): Uint32Array {
    return SWERROR.encode({
      valid: 1,
      descriptorValid: 1,
      wqValid: 1,
      batch: job.parent >= 0 ? 1 : 0,
      write: job.faultIsWrite,
      priv: job.priv,
      informationValid: hasInformation(code) ? 1 : 0,
      code,
      wq: job.wq & 0xff,
      wqHigh: job.wq >>> 8,
      operation: job.operation,
      pasid: Math.max(0, job.pasid),
      batchIndex: job.parent >= 0 ? job.memberIndex : 0,
      information: informationOf(job, code),
      address,
    });
  }

  #logEntry(job: Job, code: number, address: bigint, batch: BatchContext | undefined): Uint32Array {
    const isHandleWord = code === STATUS.interruptHandle || RECORD_CODES.has(code);
    const words = EventLogEntry.encode({
      descriptorValid: 1,
      wqValid: 1,
      batch: job.parent >= 0 ? 1 : 0,
      write: job.faultIsWrite,
      priv: job.priv,
      informationValid: isHandleWord || hasInformation(code) ? 1 : 0,
      code,
      wq: job.wq & 0xff,
      wqHigh: job.wq >>> 8,
      batchId: batch?.id ?? 0,
      operation: job.operation,
      pasid: Math.max(0, job.pasid),
      batchIndex: job.parent >= 0 ? job.memberIndex : 0,
      address,
    });
    words[3] = informationOf(job, code);
    if (isHandleWord) {
      const isInterruptDue =
        (job.flags & FLAG.requestInterrupt) !== 0 && code !== STATUS.interruptHandle;
      EventLogEntry.set(words, 'handle', (job.words[HANDLE_WORD] as number) & 0xffff);
      EventLogEntry.set(words, 'interruptRequired', isInterruptDue ? 1 : 0);
      EventLogEntry.set(words, 'imsPortal', job.portal >= IMS_PORTALS ? 1 : 0);
      EventLogEntry.set(words, 'recordRequired', RECORD_CODES.has(code) ? 1 : 0);
      EventLogEntry.set(words, 'operand', code === STATUS.recordFault ? OPERAND.record : 0);
      EventLogEntry.set(words, 'firstInBatch', batch?.isFirstError === true ? 1 : 0);
    }
    if (RECORD_CODES.has(code)) {
      words.set(job.record, 8);
    }
    return words;
  }
}

function hasInformation(code: number): boolean {
  return (
    code === STATUS.flags ||
    code === STATUS.interruptHandle ||
    code === STATUS.pageFault ||
    code === STATUS.pageRequestInvalid ||
    code === STATUS.batchListFault ||
    code === STATUS.readbackFault ||
    (code >= STATUS.idptHandle && code <= STATUS.updateWindowDenied)
  );
}

/** The upper half of quadword 1: flags, or a handle with the operand at 31:29. */
function informationOf(job: Job, code: number): number {
  switch (code) {
    case STATUS.flags:
    case STATUS.interruptHandle:
      return job.information;
    case STATUS.pageFault:
    case STATUS.pageRequestInvalid:
      return ((job.faultOperand << OPERAND_SHIFT) | (faultingHandle(job) ?? 0)) >>> 0;
    case STATUS.batchListFault:
    case STATUS.readbackFault:
      return (job.faultOperand << OPERAND_SHIFT) >>> 0;
    case STATUS.idptHandle:
    case STATUS.idptPermission:
    case STATUS.windowRange:
    case STATUS.updateWindowDenied:
      return job.information & 0xffff;
    default:
      return 0;
  }
}
