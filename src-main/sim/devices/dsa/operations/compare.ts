/**
 * Compare and Compare Pattern, and their inter-domain forms. DSA 3.0 section 8.3.
 *
 * Result 1 means different, and Bytes Completed is then the offset of the first difference. A difference is reported
 * before a fault that lies behind it.
 */
import { FLAG } from '../../../../spec/dsa/descriptor.ts';
import { OPERAND, STATUS } from '../../../../spec/dsa/status-codes.ts';
import { ACCESS, type Job } from '../job.ts';
import type { MemoryAccess } from '../memory-access.ts';
import { RUN, WORD, accessKind, addRange, roomAt, type OperationModel } from './operation.ts';

const EXPECTED_WORD = 10;
const PATTERN_WORD = 6;
const ALTERNATE_1 = 0x1_0000;
const ALTERNATE_2 = 0x2_0000;

/** Ends a comparison: the status that the expected result asks for. */
function conclude(job: Job, result: number): number {
  job.result = result;
  const expected = (job.words[EXPECTED_WORD] as number) & 1;
  return (job.flags & FLAG.checkResult) !== 0 && result !== expected
    ? STATUS.successFalsePredicate
    : RUN.done;
}

abstract class Comparison implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = true;
  protected readonly isInterDomain: boolean;

  constructor(isInterDomain: boolean) {
    this.isInterDomain = isInterDomain;
  }

  check(): number {
    return 0;
  }

  abstract plan(job: Job): void;
  abstract run(job: Job, memory: MemoryAccess): number;

  protected kindOf(
    job: Job,
    operand: number,
    tcFlag: number,
    alternate: number,
    domain: number,
  ): number {
    const isAlternate = this.isInterDomain && (job.flags & alternate) !== 0;
    return accessKind(job, operand, false, tcFlag) | (isAlternate ? domain : 0);
  }

  /** `differsAt` is the index of the first difference in the chunk, -1 when there is none. */
  protected advance(job: Job, differsAt: number): number {
    if (differsAt >= 0) {
      job.resultBytes = job.done + differsAt;
      return conclude(job, 1);
    }
    job.done += job.chunk;
    return job.done === job.size ? conclude(job, 0) : RUN.more;
  }
}

class Compare extends Comparison {
  override plan(job: Job): void {
    const { done } = job;
    const bytes = Math.min(
      job.size - done,
      roomAt(job, WORD.address1, done),
      roomAt(job, WORD.address2, done),
    );
    job.clearAccesses();
    addRange(
      job,
      WORD.address1,
      done,
      bytes,
      this.kindOf(job, OPERAND.source, FLAG.tc1, ALTERNATE_1, ACCESS.domain1),
    );
    addRange(
      job,
      WORD.address2,
      done,
      bytes,
      this.kindOf(job, OPERAND.source2, FLAG.tc2, ALTERNATE_2, ACCESS.domain2),
    );
    job.chunk = bytes;
  }

  override run(job: Job, memory: MemoryAccess): number {
    const { first, second } = memory;
    const status = memory.readStatus(job, 0, first, 0) || memory.readStatus(job, 1, second, 0);
    if (status !== 0) {
      return status;
    }
    let at = 0;
    while (at < job.chunk && first[at] === second[at]) {
      at++;
    }
    return this.advance(job, at < job.chunk ? at : -1);
  }
}

class ComparePattern extends Comparison {
  override plan(job: Job): void {
    const bytes = Math.min(job.size - job.done, roomAt(job, WORD.address1, job.done));
    job.clearAccesses();
    addRange(
      job,
      WORD.address1,
      job.done,
      bytes,
      this.kindOf(job, OPERAND.source, FLAG.tc1, ALTERNATE_1, ACCESS.domain1),
    );
    job.chunk = bytes;
  }

  override run(job: Job, memory: MemoryAccess): number {
    const { first } = memory;
    const status = memory.readStatus(job, 0, first, 0);
    if (status !== 0) {
      return status;
    }
    for (let i = 0; i < job.chunk; i++) {
      const at = (job.done + i) & 7;
      const expected = ((job.words[PATTERN_WORD + (at >>> 2)] as number) >>> ((at & 3) * 8)) & 0xff;
      if (first[i] !== expected) {
        return this.advance(job, i);
      }
    }
    return this.advance(job, -1);
  }
}

export const compare: OperationModel = new Compare(false);
export const comparePattern: OperationModel = new ComparePattern(false);
export const interDomainCompare: OperationModel = new Compare(true);
export const interDomainComparePattern: OperationModel = new ComparePattern(true);
