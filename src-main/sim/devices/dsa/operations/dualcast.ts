/**
 * Memory Copy with Dualcast: one source, two destinations that advance together. DSA 3.0 section 8.3. Their addresses
 * must have the same offset in a page.
 */
import { FLAG } from '../../../../spec/dsa/descriptor.ts';
import { OPERAND, STATUS } from '../../../../spec/dsa/status-codes.ts';
import type { Job } from '../job.ts';
import type { MemoryAccess } from '../memory-access.ts';
import {
  RUN,
  WORD,
  accessKind,
  addRange,
  overlaps,
  roomAt,
  type OperationModel,
} from './operation.ts';

const PAGE_MASK = 0xfff;

class Dualcast implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = true;

  check(job: Job): number {
    const { words, size } = job;
    if ((((words[WORD.address2] as number) ^ (words[WORD.address3] as number)) & PAGE_MASK) !== 0) {
      return STATUS.dualcastOffset;
    }
    const isOverlapping =
      overlaps(job, WORD.address1, size, WORD.address2, size) ||
      overlaps(job, WORD.address1, size, WORD.address3, size) ||
      overlaps(job, WORD.address2, size, WORD.address3, size);
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
    addRange(job, WORD.address2, done, bytes, accessKind(job, OPERAND.destination, true, FLAG.tc2));
    addRange(
      job,
      WORD.address3,
      done,
      bytes,
      accessKind(job, OPERAND.destination2, true, FLAG.tc3),
    );
    job.chunk = bytes;
  }

  run(job: Job, memory: MemoryAccess): number {
    const status = memory.readStatus(job, 0, memory.first, 0);
    if (status !== 0) {
      return status;
    }
    memory.write(job, 1, memory.first, 0);
    memory.write(job, 2, memory.first, 0);
    job.done += job.chunk;
    return job.done === job.size ? RUN.done : RUN.more;
  }
}

export const dualcast: OperationModel = new Dualcast();
