/**
 * What an operation of the accelerator has to say for itself. The executor drives it: `check` once, then `plan` and `run`
 * for each chunk until `run` says that it is over. A chunk touches each operand in one or few pages, so that faults,
 * aborts and pauses fall at borders of 4 KiB.
 *
 * Operations keep all progress in the job (`done`, `out`, `s0` to `s5`), so that a job can be saved between chunks.
 */
import { STATUS } from '../../../../spec/dsa/status-codes.ts';
import { ACCESS, type Job } from '../job.ts';
import type { MemoryAccess } from '../memory-access.ts';

/** Results of `run` that are not a status. */
export const RUN = {
  more: 0,
  done: -1,
  /** An inline access found no page: the job's fault fields say where. */
  pageFault: -2,
  translationError: -3,
  /** Somebody else continues the job. */
  held: -4,
} as const;

/** What a page fault of the operation means, beside the status of data faults. */
export type FaultPolicy = 'data' | 'list' | 'readback';

export interface CheckLimits {
  readonly hasOverlappingCopy: boolean;
  readonly hasFill16: boolean;
  readonly isBatch1Allowed: boolean;
}

export interface OperationModel {
  readonly faultPolicy: FaultPolicy;
  /** Bytes 32 to 35 are a transfer size within the limit of the queue. */
  readonly hasTransferSize: boolean;
  /** A chunk of several units can be cut down to one when a later unit faults. */
  readonly canShrink?: boolean;
  /** Fields, alignment, overlap: 0 or the status. */
  check(job: Job, limits: CheckLimits): number;
  plan(job: Job): void;
  /** Executes the chunk: a `RUN` result or the status to end with. */
  run(job: Job, memory: MemoryAccess): number;
  /** Fills the operation's part of the completion record, success or not. */
  finish?(job: Job): void;
}

const PAGE_MASK = 0xfff;
const PAGE_BYTES = 0x1000;

/** Word indexes of descriptor fields that hold addresses (low half; the high half follows). */
export const WORD = {
  address1: 4,
  address2: 6,
  address3: 10,
  address4: 12,
} as const;

export function toPageEnd(low: number): number {
  return PAGE_BYTES - (low & PAGE_MASK);
}

/** Low half of an address plus an offset below 2^32. */
export function plusLow(low: number, offset: number): number {
  return (low + offset) >>> 0;
}

export function plusHigh(high: number, low: number, offset: number): number {
  return low + offset >= 0x1_0000_0000 ? (high + 1) >>> 0 : high;
}

/** Kind of an access: direction, operand number, traffic class by the selector flag. */
export function accessKind(job: Job, operand: number, isWrite: boolean, tcFlag: number): number {
  return (
    (isWrite ? ACCESS.write : 0) |
    (operand << ACCESS.operandShift) |
    ((job.flags & tcFlag) !== 0 ? ACCESS.tcB : 0)
  );
}

/** Adds accesses for `bytes` at the address in `word` plus `offset`, one for each page touched. */
export function addRange(
  job: Job,
  word: number,
  offset: number,
  bytes: number,
  kind: number,
): void {
  const base = job.words[word] as number;
  const high = job.words[word + 1] as number;
  for (let at = offset; at < offset + bytes;) {
    const low = plusLow(base, at);
    const length = Math.min(toPageEnd(low), offset + bytes - at);
    job.addAccess(plusHigh(high, base, at), low, length, kind);
    at += length;
  }
}

/** Bytes from an operand's present position to the end of its page. */
export function roomAt(job: Job, word: number, offset: number): number {
  return toPageEnd(plusLow(job.words[word] as number, offset));
}

/** Reads accesses `first` to `last` one behind the other. 0 or a status. */
export function readRange(
  job: Job,
  memory: MemoryAccess,
  first: number,
  last: number,
  into: Uint8Array,
): number {
  let offset = 0;
  for (let i = first; i <= last; i++) {
    if (memory.read(job, i, into, offset) !== 0) {
      setFault(job, job.accessHigh(i), job.accessLow(i), job.accessKind(i));
      return STATUS.hardwareRead;
    }
    offset += job.accessBytes(i);
  }
  return 0;
}

export function writeRange(
  job: Job,
  memory: MemoryAccess,
  first: number,
  last: number,
  from: Uint8Array,
): void {
  let offset = 0;
  for (let i = first; i <= last; i++) {
    memory.write(job, i, from, offset);
    offset += job.accessBytes(i);
  }
}

export function setFault(job: Job, high: number, low: number, kind: number): void {
  job.faultHigh = high;
  job.faultLow = low;
  job.faultIsWrite = kind & ACCESS.write;
  job.faultOperand = (kind & ACCESS.operandMask) >>> ACCESS.operandShift;
}

/** Distance from the address in one word to the address in another. Exact where it matters: below 2^53. */
export function distance(job: Job, from: number, to: number): number {
  const high = (job.words[to + 1] as number) - (job.words[from + 1] as number);
  return high * 0x1_0000_0000 + ((job.words[to] as number) - (job.words[from] as number));
}

/** Whether two ranges of addresses share a byte. Ranges do not wrap. */
export function overlaps(
  job: Job,
  wordA: number,
  bytesA: number,
  wordB: number,
  bytesB: number,
): boolean {
  const gap = distance(job, wordA, wordB);
  return gap < bytesA && -gap < bytesB;
}
