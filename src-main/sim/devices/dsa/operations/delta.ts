/**
 * Create Delta Record and Apply Delta Record. DSA 3.0 section 8.3.
 *
 * A delta record is a list of ten-byte entries: the index of an eight-byte block (16 bits, little-endian) and the block's
 * new bytes. The pages of the record (create) and of the destination (apply) are known only while the chunk is processed,
 * so they are translated then. A fault there does not count the block that could not be stored.
 */
import { FLAG } from '../../../../spec/dsa/descriptor.ts';
import { OPERAND, STATUS } from '../../../../spec/dsa/status-codes.ts';
import type { Job } from '../job.ts';
import { TRANSLATION, type MemoryAccess } from '../memory-access.ts';
import {
  RUN,
  WORD,
  accessKind,
  addRange,
  overlaps,
  plusHigh,
  plusLow,
  readRange,
  roomAt,
  setFault,
  toPageEnd,
  type OperationModel,
} from './operation.ts';

const BLOCK = 8;
const ENTRY = 10;
const MAX_SIZE = 0x8_0000;
const MIN_MAX_DELTA = 80;
/** Words of create: maximum record size; of apply: record size. */
const MAX_DELTA_WORD = 12;
const DELTA_SIZE_WORD = 10;
const EXPECTED_MASK_WORD = 14;

/** Values of the Result field. */
const RESULT = { equal: 0, different: 1, overflow: 2 } as const;

class CreateDelta implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = true;

  check(job: Job): number {
    const { words, size } = job;
    const max = words[MAX_DELTA_WORD] as number;
    if (size > MAX_SIZE) {
      return STATUS.transferSize;
    }
    if (
      (((words[WORD.address1] as number) | (words[WORD.address2] as number) | size) &
        (BLOCK - 1)) !==
      0
    ) {
      return STATUS.alignment;
    }
    if (max < MIN_MAX_DELTA || max % ENTRY !== 0 || max > job.limit) {
      return STATUS.fieldValue;
    }
    const isOverlapping =
      overlaps(job, WORD.address1, size, WORD.address3, max) ||
      overlaps(job, WORD.address2, size, WORD.address3, max);
    return isOverlapping ? STATUS.overlap : 0;
  }

  plan(job: Job): void {
    const { done } = job;
    const bytes = Math.min(
      job.size - done,
      roomAt(job, WORD.address1, done),
      roomAt(job, WORD.address2, done),
    );
    job.clearAccesses();
    addRange(job, WORD.address1, done, bytes, accessKind(job, OPERAND.source, false, FLAG.tc1));
    addRange(job, WORD.address2, done, bytes, accessKind(job, OPERAND.source2, false, FLAG.tc2));
    job.chunk = bytes;
  }

  run(job: Job, memory: MemoryAccess): number {
    const { first, second, output } = memory;
    const status = memory.readStatus(job, 0, first, 0) || memory.readStatus(job, 1, second, 0);
    if (status !== 0) {
      return status;
    }
    const max = job.words[MAX_DELTA_WORD] as number;
    let produced = 0;
    let overflowAt = -1;
    for (let at = 0; at < job.chunk && overflowAt < 0; at += BLOCK) {
      if (isSameBlock(first, second, at)) {
        continue;
      }
      if (job.out + produced + ENTRY > max) {
        overflowAt = at;
      } else {
        const index = (job.done + at) / BLOCK;
        output[produced] = index & 0xff;
        output[produced + 1] = index >>> 8;
        output.set(second.subarray(at, at + BLOCK), produced + 2);
        produced += ENTRY;
      }
    }
    const fault = this.#store(job, memory, produced);
    if (fault !== 0) {
      return fault;
    }
    if (overflowAt >= 0) {
      job.resultBytes = job.done + overflowAt;
      return this.#conclude(job, RESULT.overflow);
    }
    job.done += job.chunk;
    if (job.done < job.size) {
      return RUN.more;
    }
    return this.#conclude(job, job.out > 0 ? RESULT.different : RESULT.equal);
  }

  finish(job: Job): void {
    job.record[4] = job.out;
  }

  /** Writes the entries of a chunk page by page. On a fault, progress stands behind the last entry stored whole. */
  #store(job: Job, memory: MemoryAccess, produced: number): number {
    const kind = accessKind(job, OPERAND.destination, true, FLAG.tc3);
    for (let at = 0; at < produced;) {
      const position = job.out + at;
      const bytes = Math.min(produced - at, roomAt(job, WORD.address3, position));
      const fault = writeInline(job, memory, WORD.address3, position, bytes, at, kind);
      if (fault !== 0) {
        const stored = Math.floor(at / ENTRY) * ENTRY;
        const { output } = memory;
        job.done = ((output[stored] as number) | ((output[stored + 1] as number) << 8)) * BLOCK;
        job.out += stored;
        return fault;
      }
      at += bytes;
    }
    job.out += produced;
    return 0;
  }

  #conclude(job: Job, result: number): number {
    job.result = result;
    const expected = (job.words[EXPECTED_MASK_WORD] as number) & 0xff;
    const isExpected = (expected & (1 << result)) !== 0;
    return (job.flags & FLAG.checkResult) !== 0 && !isExpected
      ? STATUS.successFalsePredicate
      : RUN.done;
  }
}

function isSameBlock(a: Uint8Array, b: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) {
    if (a[i] !== b[i]) {
      return false;
    }
  }
  return true;
}

/** Translates and writes bytes of `output` to an operand, which must not cross a page. 0 or a `RUN` fault. */
function writeInline(
  job: Job,
  memory: MemoryAccess,
  word: number,
  position: number,
  bytes: number,
  from: number,
  kind: number,
): number {
  const low = plusLow(job.words[word] as number, position);
  const high = plusHigh(job.words[word + 1] as number, job.words[word] as number, position);
  const latency = memory.translate(job, high, low, true);
  if (latency < 0) {
    setFault(job, high, low, kind);
    return latency === TRANSLATION.pageFault ? RUN.pageFault : RUN.translationError;
  }
  memory.writeHere(job, bytes, memory.output, from, kind);
  return 0;
}

class ApplyDelta implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = true;

  check(job: Job): number {
    const { words, size } = job;
    const deltaSize = words[DELTA_SIZE_WORD] as number;
    if (size > MAX_SIZE) {
      return STATUS.transferSize;
    }
    if ((((words[WORD.address2] as number) | size) & (BLOCK - 1)) !== 0) {
      return STATUS.alignment;
    }
    if (deltaSize < ENTRY || deltaSize % ENTRY !== 0 || deltaSize > job.limit) {
      return STATUS.fieldValue;
    }
    // The next index must be larger than the one before.
    job.s0 = -1;
    return overlaps(job, WORD.address1, deltaSize, WORD.address2, size) ? STATUS.overlap : 0;
  }

  /** Whole entries up to the end of the page; the one that crosses it comes alone. */
  plan(job: Job): void {
    const left = (job.words[DELTA_SIZE_WORD] as number) - job.done;
    const room = toPageEnd(plusLow(job.words[WORD.address1] as number, job.done));
    const bytes = Math.min(left, Math.max(ENTRY, Math.floor(room / ENTRY) * ENTRY));
    job.clearAccesses();
    addRange(job, WORD.address1, job.done, bytes, accessKind(job, OPERAND.source, false, FLAG.tc1));
    job.chunk = bytes;
  }

  run(job: Job, memory: MemoryAccess): number {
    const { first, output } = memory;
    const status = readRange(job, memory, 0, job.accessCount - 1, first);
    if (status !== 0) {
      return status;
    }
    const kind = accessKind(job, OPERAND.destination, true, FLAG.tc2);
    const end = job.done + job.chunk;
    for (let at = 0; job.done < end; at += ENTRY) {
      const index = (first[at] as number) | ((first[at + 1] as number) << 8);
      if (index <= job.s0) {
        return STATUS.deltaOffsetOrder;
      }
      if (index * BLOCK >= job.size) {
        return STATUS.deltaOffsetRange;
      }
      output.set(first.subarray(at + 2, at + ENTRY));
      const fault = writeInline(job, memory, WORD.address2, index * BLOCK, BLOCK, 0, kind);
      if (fault !== 0) {
        return fault;
      }
      job.s0 = index;
      job.done += ENTRY;
    }
    return job.done === job.words[DELTA_SIZE_WORD] ? RUN.done : RUN.more;
  }
}

export const createDelta: OperationModel = new CreateDelta();
export const applyDelta: OperationModel = new ApplyDelta();
