/**
 * Fill and its inter-domain form. DSA 3.0 section 8.3. The pattern starts over at byte 0 of the destination, so its
 * phase does not depend on the alignment.
 */
import { FLAG } from '../../../../spec/dsa/descriptor.ts';
import { OPERAND, STATUS } from '../../../../spec/dsa/status-codes.ts';
import { ACCESS, type Job } from '../job.ts';
import type { MemoryAccess } from '../memory-access.ts';
import {
  RUN,
  WORD,
  accessKind,
  addRange,
  roomAt,
  type CheckLimits,
  type OperationModel,
} from './operation.ts';

const PATTERN_16 = 0x4_0000;
const PATTERN_LOW_WORD = 4;
const PATTERN_HIGH_WORD = 10;

class Fill implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = true;
  readonly #isInterDomain: boolean;

  constructor(isInterDomain: boolean) {
    this.#isInterDomain = isInterDomain;
  }

  /** The upper half of the pattern exists only with a 16-byte pattern. */
  check(job: Job, limits: CheckLimits): number {
    const isLong = (job.flags & PATTERN_16) !== 0;
    const upper =
      (job.words[PATTERN_HIGH_WORD] as number) | (job.words[PATTERN_HIGH_WORD + 1] as number);
    return (!isLong || !limits.hasFill16) && upper !== 0 ? STATUS.reserved : 0;
  }

  plan(job: Job): void {
    const bytes = Math.min(job.size - job.done, roomAt(job, WORD.address2, job.done));
    job.clearAccesses();
    addRange(
      job,
      WORD.address2,
      job.done,
      bytes,
      accessKind(job, OPERAND.destination, true, FLAG.tc2) |
        (this.#isInterDomain ? ACCESS.domain2 : 0),
    );
    job.chunk = bytes;
  }

  run(job: Job, memory: MemoryAccess): number {
    const { output } = memory;
    const length = (job.flags & PATTERN_16) !== 0 ? 16 : 8;
    for (let i = 0; i < length; i++) {
      const at = (job.done + i) % length;
      const word = (at < 8 ? PATTERN_LOW_WORD : PATTERN_HIGH_WORD - 2) + (at >>> 2);
      output[i] = (job.words[word] as number) >>> ((at & 3) * 8);
    }
    for (let filled = length; filled < job.chunk; filled *= 2) {
      output.copyWithin(filled, 0, Math.min(filled, job.chunk - filled));
    }
    memory.write(job, 0, output, 0);
    job.done += job.chunk;
    return job.done === job.size ? RUN.done : RUN.more;
  }
}

export const fill: OperationModel = new Fill(false);
export const interDomainFill: OperationModel = new Fill(true);
