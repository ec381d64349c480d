/**
 * Cache Flush: writes back and invalidates every cache line that the range touches. DSA 3.0 section 8.3. The lab has no
 * caches, so only the translation, the faults and the time of the walk over the pages are visible.
 */
import { FLAG } from '../../../../spec/dsa/descriptor.ts';
import { OPERAND } from '../../../../spec/dsa/status-codes.ts';
import type { Job } from '../job.ts';
import { RUN, WORD, accessKind, addRange, roomAt, type OperationModel } from './operation.ts';

class CacheFlush implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = true;

  check(): number {
    return 0;
  }

  plan(job: Job): void {
    const bytes = Math.min(job.size - job.done, roomAt(job, WORD.address2, job.done));
    job.clearAccesses();
    addRange(
      job,
      WORD.address2,
      job.done,
      bytes,
      accessKind(job, OPERAND.destination, false, FLAG.tc2),
    );
    job.chunk = bytes;
  }

  run(job: Job): number {
    job.done += job.chunk;
    return job.done === job.size ? RUN.done : RUN.more;
  }
}

export const cacheFlush: OperationModel = new CacheFlush();
