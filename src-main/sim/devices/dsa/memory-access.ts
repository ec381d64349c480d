/**
 * Every upstream access of the accelerator: translation through the device TLB where ATS is on, untranslated requests
 * with the queue's PASID where it is off. DSA 3.0 sections 3.13 and 9.1.3.
 *
 * A translation is taken when a chunk starts and used when it ends; if an invalidation came between, it is taken again.
 * So the device never uses a translation after it has acknowledged its invalidation.
 */
import {
  ADDRESS_TYPE,
  COMPLETION,
  createMemoryRequest,
  createTranslationCompletion,
  type CompletionStatus,
  type TranslationCompletion,
  type TranslationRequest,
  type UpstreamPort,
} from '../../pcie/ports.ts';
import { STATUS } from '../../../spec/dsa/status-codes.ts';
import { TRANSLATION_RECEIVED } from '../../../spec/events/pcie.ts';
import { WRITE_LOST } from '../../../spec/events/dsa.ts';
import type { Trace } from '../../core/trace.ts';
import type { AddressTranslationCache } from '../../pcie/address-translation-cache.ts';
import { COUNTER, type DsaCounters } from './counters.ts';
import { ACCESS, type Job } from './job.ts';
import type { DsaTiming } from './timing.ts';

/** Results of a translation that are not a latency. */
export const TRANSLATION = { pageFault: -1, error: -2 } as const;

/** Space for one chunk of each operand: 4 KiB, or a protected block of 4,104 bytes with its field. */
const CHUNK_BUFFER_BYTES = 8192;

export interface MemoryAccessOptions {
  readonly port: UpstreamPort;
  readonly atc: AddressTranslationCache;
  readonly counters: DsaCounters;
  readonly timing: DsaTiming;
  readonly trace: Trace;
  readonly source: number;
  /** A read or a translation request was not completed. */
  readonly onRefused: (status: CompletionStatus) => void;
}

export class MemoryAccess {
  /** Scratch of the operation that runs right now. */
  readonly first = new Uint8Array(CHUNK_BUFFER_BYTES);
  readonly second = new Uint8Array(CHUNK_BUFFER_BYTES);
  readonly output = new Uint8Array(CHUNK_BUFFER_BYTES);

  readonly #port: UpstreamPort;
  readonly #atc: AddressTranslationCache;
  readonly #counters: DsaCounters;
  readonly #timing: DsaTiming;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #onRefused: (status: CompletionStatus) => void;
  readonly #request = createMemoryRequest();
  readonly #translation: TranslationRequest = {
    pasid: -1,
    isPrivileged: false,
    isExecute: false,
    isNoWrite: false,
    high: 0,
    low: 0,
  };
  readonly #answer: TranslationCompletion = createTranslationCompletion();
  /** Result of the last translation. */
  #high = 0;
  #low = 0;
  #isUntranslated = false;

  constructor({ port, atc, counters, timing, trace, source, onRefused }: MemoryAccessOptions) {
    this.#port = port;
    this.#atc = atc;
    this.#counters = counters;
    this.#timing = timing;
    this.#trace = trace;
    this.#source = source;
    this.#onRefused = onRefused;
  }

  /** Latency of translating access `i` of a job, or a `TRANSLATION` fault. */
  translateAccess(job: Job, i: number): number {
    const kind = job.accessKind(i);
    const isWrite = (kind & ACCESS.write) !== 0;
    const high = job.accessHigh(i);
    const low = job.accessLow(i);
    const latency = this.#translate(job, kind, high, low, isWrite);
    if (latency >= 0) {
      job.setReal(i, this.#high, this.#low, this.#isUntranslated);
    }
    return latency;
  }

  /** Latency of translating any address in the job's own address space. The result is used by `writeHere`. */
  translate(job: Job, high: number, low: number, isWrite: boolean): number {
    return this.#translate(job, 0, high, low, isWrite);
  }

  /**
   * Latency of translating the address of a job's completion record. The translation is kept with the job, and taken again
   * only if an invalidation came since. `writeHere` goes there afterwards.
   */
  translateRecord(job: Job): number {
    if (job.hasRecordTranslation === 1 && job.recordEpoch === this.#atc.epoch) {
      this.#high = job.recordHigh;
      this.#low = job.recordLow;
      this.#isUntranslated = job.isRecordUntranslated === 1;
      return 0;
    }
    const latency = this.#translate(job, 0, job.words[3] as number, job.words[2] as number, true);
    if (latency >= 0) {
      job.hasRecordTranslation = 1;
      job.recordHigh = this.#high;
      job.recordLow = this.#low;
      job.isRecordUntranslated = this.#isUntranslated ? 1 : 0;
      job.recordEpoch = this.#atc.epoch;
    }
    return latency;
  }

  /** Reads what access `i` names. Gives a completion status. */
  read(job: Job, i: number, into: Uint8Array, offset: number): number {
    const kind = job.accessKind(i);
    const bytes = job.accessBytes(i);
    this.#prepare(job, kind, job.realHigh(i), job.realLow(i), (kind & ACCESS.untranslated) !== 0);
    this.#request.bytes = bytes;
    this.#counters.addWithEngine(COUNTER.bytesRead, job.wq, job.pasidRow, job.engine, bytes);
    return this.#fetch(into, offset);
  }

  /** As `read`, as the status with which the operation ends: 0, or hardware error on read with the fault noted. */
  readStatus(job: Job, i: number, into: Uint8Array, offset: number): number {
    if (this.read(job, i, into, offset) === COMPLETION.success) {
      return 0;
    }
    job.faultHigh = job.accessHigh(i);
    job.faultLow = job.accessLow(i);
    job.faultIsWrite = 0;
    job.faultOperand = (job.accessKind(i) & ACCESS.operandMask) >>> ACCESS.operandShift;
    return STATUS.hardwareRead;
  }

  /** Writes what access `i` names. The write is posted: a refusal is invisible to the device. */
  write(job: Job, i: number, from: Uint8Array, offset: number): void {
    const kind = job.accessKind(i);
    this.#prepare(job, kind, job.realHigh(i), job.realLow(i), (kind & ACCESS.untranslated) !== 0);
    this.#post(job, job.accessBytes(i), from, offset);
  }

  /** Writes the first `bytes` bytes of what access `i` names. */
  writePart(job: Job, i: number, bytes: number, from: Uint8Array, offset: number): void {
    const kind = job.accessKind(i);
    this.#prepare(job, kind, job.realHigh(i), job.realLow(i), (kind & ACCESS.untranslated) !== 0);
    this.#post(job, bytes, from, offset);
  }

  /** Writes to the address translated last. */
  writeHere(
    job: Job,
    bytes: number,
    from: Uint8Array,
    offset: number,
    kind: number,
  ): CompletionStatus {
    this.#prepare(job, kind, this.#high, this.#low, this.#isUntranslated);
    return this.#post(job, bytes, from, offset);
  }

  /** Reads from the address translated last; `bytes` may be zero, which waits for earlier writes to the place. */
  readHere(job: Job, bytes: number, into: Uint8Array, offset: number): number {
    this.#prepare(job, 0, this.#high, this.#low, this.#isUntranslated);
    this.#request.bytes = bytes;
    return this.#fetch(into, offset);
  }

  #fetch(into: Uint8Array, offset: number): CompletionStatus {
    const status = this.#port.read(this.#request, into, offset);
    if (status !== COMPLETION.success) {
      this.#onRefused(status);
    }
    return status;
  }

  #translate(job: Job, kind: number, high: number, low: number, isWrite: boolean): number {
    this.#high = high;
    this.#low = low;
    this.#isUntranslated = true;
    if (job.usesAts === 0) {
      return 0;
    }
    const pasid = pasidOf(job, kind);
    const isPrivileged = privOf(job, kind) !== 0;
    if (this.#atc.lookup(pasid, isPrivileged, high, low, isWrite)) {
      this.#counters.addWithEngine(COUNTER.atcHits, job.wq, job.pasidRow, job.engine);
      this.#take(high, low);
      return this.#timing.translationHitNs;
    }
    const answer = this.#ask(pasid, isPrivileged, high, low, isWrite);
    if (answer.status !== COMPLETION.success) {
      this.#onRefused(answer.status);
      return TRANSLATION.error;
    }
    if (!(isWrite ? answer.isWritable : answer.isReadable)) {
      this.#counters.addWithEngine(COUNTER.translationFaults, job.wq, job.pasidRow, job.engine);
      return TRANSLATION.pageFault;
    }
    this.#counters.addWithEngine(COUNTER.translations, job.wq, job.pasidRow, job.engine);
    this.#atc.insert(pasid, isPrivileged, high, low, answer);
    this.#atc.lookup(pasid, isPrivileged, high, low, isWrite);
    this.#take(high, low);
    return this.#timing.translationMissNs;
  }

  #take(high: number, low: number): void {
    this.#isUntranslated = this.#atc.isUntranslatedOnly;
    this.#high = this.#isUntranslated ? high : this.#atc.high;
    this.#low = this.#isUntranslated ? low : this.#atc.low;
  }

  #ask(
    pasid: number,
    isPrivileged: boolean,
    high: number,
    low: number,
    isWrite: boolean,
  ): TranslationCompletion {
    const request = this.#translation;
    request.pasid = pasid;
    request.isPrivileged = isPrivileged;
    request.isNoWrite = !isWrite;
    request.high = high;
    request.low = (low & ~0xfff) >>> 0;
    const answer = this.#answer;
    this.#port.translate(request, answer);
    if (this.#trace.isOn) {
      const rights = answer.status === COMPLETION.success ? rightsOf(answer) : 'none';
      this.#trace.begin(TRANSLATION_RECEIVED, this.#source);
      this.#trace.num(pasid);
      this.#trace.u64(high, low);
      this.#trace.num(isWrite ? 1 : 0);
      this.#trace.num(answer.status);
      this.#trace.text(rights);
      this.#trace.u64(answer.high, answer.low);
      this.#trace.num(answer.pageShift);
      this.#trace.end();
    }
    return answer;
  }

  #prepare(job: Job, kind: number, high: number, low: number, isUntranslated: boolean): void {
    const request = this.#request;
    // A translated address is the host's already; a PASID on it is an unsupported request to a unit without PTRS.
    request.pasid = isUntranslated ? pasidOf(job, kind) : -1;
    request.isPrivileged = isUntranslated && privOf(job, kind) !== 0;
    request.addressType = isUntranslated ? ADDRESS_TYPE.untranslated : ADDRESS_TYPE.translated;
    request.high = high;
    request.low = low;
    request.trafficClass = (kind & ACCESS.tcB) !== 0 ? job.tcB : job.tcA;
  }

  #post(job: Job, bytes: number, from: Uint8Array, offset: number): CompletionStatus {
    this.#request.bytes = bytes;
    this.#counters.addWithEngine(COUNTER.bytesWritten, job.wq, job.pasidRow, job.engine, bytes);
    const status = this.#port.write(this.#request, from, offset);
    if (status !== COMPLETION.success && this.#trace.isOn) {
      this.#trace.begin(WRITE_LOST, this.#source);
      this.#trace.num(job.wq);
      this.#trace.num(this.#request.pasid);
      this.#trace.u64(this.#request.high, this.#request.low);
      this.#trace.num(bytes);
      this.#trace.num(status);
      this.#trace.end();
    }
    return status;
  }
}

function pasidOf(job: Job, kind: number): number {
  if ((kind & (ACCESS.domain1 | ACCESS.domain2)) === 0) {
    return job.pasid;
  }
  return (kind & ACCESS.domain1) !== 0 ? job.domain1Pasid : job.domain2Pasid;
}

function privOf(job: Job, kind: number): number {
  if ((kind & (ACCESS.domain1 | ACCESS.domain2)) === 0) {
    return job.priv;
  }
  return (kind & ACCESS.domain1) !== 0 ? job.domain1Priv : job.domain2Priv;
}

function rightsOf(answer: TranslationCompletion): string {
  if (!answer.isReadable && !answer.isWritable) {
    return 'none';
  }
  return `${answer.isReadable ? 'R' : ''}${answer.isWritable ? 'W' : ''}`;
}
