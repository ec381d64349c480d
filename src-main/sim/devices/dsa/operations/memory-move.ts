/**
 * Memory Move, and its inter-domain form. DSA 3.0 sections 8.3 and 3.14.
 *
 * Overlapping buffers behave as if copied through a buffer: when the destination lies above the source, the copy starts
 * from the end. Result 1 of a partial completion says so.
 */
import { FLAG } from '../../../../spec/dsa/descriptor.ts';
import { OPERAND, STATUS } from '../../../../spec/dsa/status-codes.ts';
import { ACCESS, type Job } from '../job.ts';
import type { MemoryAccess } from '../memory-access.ts';
import {
  RUN,
  WORD,
  accessKind,
  distance,
  overlaps,
  plusHigh,
  plusLow,
  roomAt,
  type CheckLimits,
  type OperationModel,
} from './operation.ts';

const PAGE_MASK = 0xfff;
const ALTERNATE_1 = 0x1_0000;
const ALTERNATE_2 = 0x2_0000;

/** Bytes of a backward chunk: down to the start of the page below `end`. */
function roomBelow(job: Job, word: number, end: number): number {
  const low = plusLow(job.words[word] as number, end - 1);
  return (low & PAGE_MASK) + 1;
}

class MemoryMove implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = true;
  readonly #isInterDomain: boolean;

  constructor(isInterDomain: boolean) {
    this.#isInterDomain = isInterDomain;
  }

  check(job: Job, limits: CheckLimits): number {
    const gap = distance(job, WORD.address1, WORD.address2);
    if (!overlaps(job, WORD.address1, job.size, WORD.address2, job.size) || this.#isInterDomain) {
      return 0;
    }
    job.s0 = gap > 0 ? 1 : 0;
    return limits.hasOverlappingCopy ? 0 : STATUS.overlap;
  }

  plan(job: Job): void {
    const { words, size, done } = job;
    const left = size - done;
    const isBackward = job.s0 === 1;
    const bytes = isBackward
      ? Math.min(left, roomBelow(job, WORD.address1, left), roomBelow(job, WORD.address2, left))
      : Math.min(left, roomAt(job, WORD.address1, done), roomAt(job, WORD.address2, done));
    const at = isBackward ? left - bytes : done;
    const isCross = this.#isInterDomain;
    const from = words[WORD.address1] as number;
    const to = words[WORD.address2] as number;
    job.clearAccesses();
    job.addAccess(
      plusHigh(words[WORD.address1 + 1] as number, from, at),
      plusLow(from, at),
      bytes,
      accessKind(job, OPERAND.source, false, FLAG.tc1) |
        (isCross && (job.flags & ALTERNATE_1) !== 0 ? ACCESS.domain1 : 0),
    );
    job.addAccess(
      plusHigh(words[WORD.address2 + 1] as number, to, at),
      plusLow(to, at),
      bytes,
      accessKind(job, OPERAND.destination, true, FLAG.tc2) |
        (isCross && (job.flags & ALTERNATE_2) !== 0 ? ACCESS.domain2 : 0),
    );
    job.chunk = bytes;
  }

  run(job: Job, memory: MemoryAccess): number {
    const status = memory.readStatus(job, 0, memory.first, 0);
    if (status !== 0) {
      return status;
    }
    memory.write(job, 1, memory.first, 0);
    job.done += job.chunk;
    return job.done === job.size ? RUN.done : RUN.more;
  }

  finish(job: Job): void {
    const isPartial = job.status !== STATUS.success && job.chunk > 0;
    job.result = isPartial ? job.s0 : 0;
  }
}

export const memoryMove: OperationModel = new MemoryMove(false);
export const interDomainCopy: OperationModel = new MemoryMove(true);
