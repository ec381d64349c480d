/**
 * Memory access of a device with rings: any length, any alignment, through the device TLB where ATS is on, untranslated
 * with PASID where it is off. PCIe Base, "Memory Requests"; VT-d 5.10 section 4.1.
 *
 * Every access completes within one event, so a translation is never kept past its invalidation. Reads tell whether they
 * succeeded. Writes are posted: only a translation fault under ATS is seen; a write refused on the way is lost and reported
 * through `onLost`.
 *
 * Not modelled: page requests; a missing page is an error of the access.
 */
import type { Trace } from '../../core/trace.ts';
import { TRANSLATION_RECEIVED } from '../../../spec/events/pcie.ts';
import { BUS_MASTER_DISABLED } from '../../../spec/events/platform.ts';
import type { AddressTranslationCache } from '../../pcie/address-translation-cache.ts';
import {
  ADDRESS_TYPE,
  COMPLETION,
  createMemoryRequest,
  createTranslationCompletion,
  type CompletionStatus,
  type TranslationRequest,
  type UpstreamPort,
} from '../../pcie/ports.ts';

const PAGE_BYTES = 4096;
const TWO_32 = 2 ** 32;

/** Nanoseconds that translations and reads cost. */
export const DMA_TIMING = { hitNs: 5, missNs: 500, readNs: 150 } as const;

export interface DmaSwitches {
  readonly isBusMaster: boolean;
  readonly isAtsEnabled: boolean;
  readonly isPasidEnabled: boolean;
  /** A read or a translation request was not completed. */
  noteRefusal(status: CompletionStatus): void;
}

export interface DmaOptions {
  readonly port: UpstreamPort;
  readonly atc: AddressTranslationCache;
  readonly switches: DmaSwitches;
  readonly trace: Trace;
  readonly source: number;
}

export class Dma {
  /** What the accesses since `begin` cost. */
  latencyNs = 0;
  /** Address of the last access that failed. */
  faultHigh = 0;
  faultLow = 0;
  /** Writes since `begin` that were refused without the device noticing. */
  lostWrites = 0;

  readonly #port: UpstreamPort;
  readonly #atc: AddressTranslationCache;
  readonly #switches: DmaSwitches;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #request = createMemoryRequest();
  readonly #answer = createTranslationCompletion();
  readonly #question: TranslationRequest = {
    pasid: -1,
    isPrivileged: false,
    isExecute: false,
    isNoWrite: false,
    high: 0,
    low: 0,
  };

  constructor({ port, atc, switches, trace, source }: DmaOptions) {
    this.#port = port;
    this.#atc = atc;
    this.#switches = switches;
    this.#trace = trace;
    this.#source = source;
  }

  begin(): void {
    this.latencyNs = 0;
    this.lostWrites = 0;
  }

  /** Reads `bytes` bytes at an address plus `delta`. False when a part could not be read. */
  read(
    pasid: number,
    high: number,
    low: number,
    delta: number,
    into: Uint8Array,
    offset: number,
    bytes: number,
  ): boolean {
    this.latencyNs += DMA_TIMING.readNs;
    for (let done = 0; done < bytes;) {
      const piece = this.#next(pasid, high, low, delta + done, bytes - done, false);
      if (piece === 0) {
        return false;
      }
      const status = this.#port.read(this.#request, into, offset + done);
      if (status !== COMPLETION.success) {
        this.#switches.noteRefusal(status);
        return false;
      }
      done += piece;
    }
    return true;
  }

  /** Writes; false only when a translation was missing. */
  write(
    pasid: number,
    high: number,
    low: number,
    delta: number,
    from: Uint8Array,
    offset: number,
    bytes: number,
  ): boolean {
    for (let done = 0; done < bytes;) {
      const piece = this.#next(pasid, high, low, delta + done, bytes - done, true);
      if (piece === 0) {
        return false;
      }
      if (this.#port.write(this.#request, from, offset + done) !== COMPLETION.success) {
        this.lostWrites++;
      }
      done += piece;
    }
    return true;
  }

  /** Prepares the request for the part up to the end of the page. Gives its length, 0 when it must not be sent. */
  #next(
    pasid: number,
    high: number,
    low: number,
    delta: number,
    left: number,
    isWrite: boolean,
  ): number {
    const sum = low + delta;
    const atLow = sum >>> 0;
    const atHigh = (high + Math.floor(sum / TWO_32)) >>> 0;
    this.faultHigh = atHigh;
    this.faultLow = atLow;
    if (!this.#switches.isBusMaster) {
      this.#trace.record(BUS_MASTER_DISABLED, this.#source, this.#port.rid);
      return 0;
    }
    const request = this.#request;
    request.pasid = this.#switches.isPasidEnabled ? pasid : -1;
    request.bytes = Math.min(left, PAGE_BYTES - (atLow % PAGE_BYTES));
    request.high = atHigh;
    request.low = atLow;
    request.addressType = ADDRESS_TYPE.untranslated;
    return !this.#switches.isAtsEnabled || this.#translate(isWrite) ? request.bytes : 0;
  }

  #translate(isWrite: boolean): boolean {
    const { pasid, high, low } = this.#request;
    if (this.#atc.lookup(pasid, false, high, low, isWrite)) {
      this.latencyNs += DMA_TIMING.hitNs;
    } else {
      this.latencyNs += DMA_TIMING.missNs;
      if (!this.#ask(pasid, high, low, isWrite)) {
        return false;
      }
    }
    if (!this.#atc.isUntranslatedOnly) {
      // The address is a host one already; a PASID on it needs a capability that few units have (PTRS).
      this.#request.pasid = -1;
      this.#request.addressType = ADDRESS_TYPE.translated;
      this.#request.high = this.#atc.high;
      this.#request.low = this.#atc.low;
    }
    return true;
  }

  #ask(pasid: number, high: number, low: number, isWrite: boolean): boolean {
    const question = this.#question;
    const answer = this.#answer;
    question.pasid = pasid;
    question.isNoWrite = !isWrite;
    question.high = high;
    question.low = (low & ~(PAGE_BYTES - 1)) >>> 0;
    this.#port.translate(question, answer);
    const isGood =
      answer.status === COMPLETION.success && (isWrite ? answer.isWritable : answer.isReadable);
    if (this.#trace.isOn) {
      const rights = `${answer.isReadable ? 'R' : ''}${answer.isWritable ? 'W' : ''}`;
      this.#trace.begin(TRANSLATION_RECEIVED, this.#source);
      this.#trace.num(pasid);
      this.#trace.u64(high, low);
      this.#trace.num(isWrite ? 1 : 0);
      this.#trace.num(answer.status);
      this.#trace.text(answer.status === COMPLETION.success && rights !== '' ? rights : 'none');
      this.#trace.u64(answer.high, answer.low);
      this.#trace.num(answer.pageShift);
      this.#trace.end();
    }
    if (!isGood) {
      this.#switches.noteRefusal(answer.status);
      return false;
    }
    this.#atc.insert(pasid, false, high, low, answer);
    return this.#atc.lookup(pasid, false, high, low, isWrite);
  }
}
