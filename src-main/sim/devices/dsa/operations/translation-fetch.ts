/**
 * Translation Fetch: loads translations of a region into the device TLB and moves no data. DSA 3.0 section 8.3. With a
 * stride, one translation for each stride. After a fault it has to be started again from the beginning.
 */
import { OPERAND, STATUS } from '../../../../spec/dsa/status-codes.ts';
import { MAX_ACCESSES, type Job } from '../job.ts';
import { RUN, WORD, accessKind, plusHigh, plusLow, type OperationModel } from './operation.ts';

const PAGE_BYTES = 0x1000;
const USE_STRIDE = 0x1_0000;
const STRIDE_WORD = 12;

function strideOf(job: Job): number {
  return (job.flags & USE_STRIDE) !== 0 ? (job.words[STRIDE_WORD] as number) : PAGE_BYTES;
}

class TranslationFetch implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = true;

  check(job: Job): number {
    if (job.usesAts === 0) {
      return STATUS.opcode;
    }
    const stride = job.words[STRIDE_WORD] as number;
    if ((job.flags & USE_STRIDE) === 0) {
      return stride === 0 ? 0 : STATUS.reserved;
    }
    return stride >= PAGE_BYTES && (stride & (stride - 1)) === 0 ? 0 : STATUS.alignment;
  }

  plan(job: Job): void {
    const base = job.words[WORD.address1] as number;
    const high = job.words[WORD.address1 + 1] as number;
    const stride = strideOf(job);
    let at = job.done;
    job.clearAccesses();
    while (at < job.size && job.accessCount < MAX_ACCESSES) {
      job.addAccess(
        plusHigh(high, base, at),
        plusLow(base, at),
        0,
        accessKind(job, OPERAND.source, false, 0),
      );
      at += stride;
    }
    job.chunk = at - job.done;
  }

  run(job: Job): number {
    job.done += job.chunk;
    return job.done >= job.size ? RUN.done : RUN.more;
  }
}

export const translationFetch: OperationModel = new TranslationFetch();
