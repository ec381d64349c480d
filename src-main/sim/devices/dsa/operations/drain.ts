/**
 * Drain: completes when the earlier descriptors of the queue are visible. DSA 3.0 section 8.3.3. By the time it gets here
 * they are complete (`drains.ts`); what is left is to read back the addresses it names, which pushes their writes out.
 *
 * The implicit readback of each traffic class costs time and nothing else, because writes of the lab are never in flight.
 */
import { FLAG } from '../../../../spec/dsa/descriptor.ts';
import { OPERAND, STATUS } from '../../../../spec/dsa/status-codes.ts';
import type { Job } from '../job.ts';
import type { MemoryAccess } from '../memory-access.ts';
import { RUN, WORD, accessKind, addRange, setFault, type OperationModel } from './operation.ts';

const READBACK_1 = 0x1_0000;
const READBACK_2 = 0x2_0000;

function isUnusedAddressSet(job: Job, flag: number, word: number): boolean {
  return (
    (job.flags & flag) === 0 &&
    ((job.words[word] as number) | (job.words[word + 1] as number)) !== 0
  );
}

class Drain implements OperationModel {
  readonly faultPolicy = 'readback';
  readonly hasTransferSize = false;

  check(job: Job): number {
    const isUnusedSet =
      isUnusedAddressSet(job, READBACK_1, WORD.address1) ||
      isUnusedAddressSet(job, READBACK_2, WORD.address2);
    return isUnusedSet ? STATUS.reserved : 0;
  }

  plan(job: Job): void {
    job.clearAccesses();
    if ((job.flags & READBACK_1) !== 0) {
      addRange(job, WORD.address1, 0, 1, accessKind(job, OPERAND.source, false, FLAG.tc1));
    }
    if ((job.flags & READBACK_2) !== 0) {
      addRange(job, WORD.address2, 0, 1, accessKind(job, OPERAND.source2, false, FLAG.tc2));
    }
    job.chunk = 0;
  }

  run(job: Job, memory: MemoryAccess): number {
    for (let i = 0; i < job.accessCount; i++) {
      if (memory.read(job, i, memory.first, 0) !== 0) {
        setFault(job, job.accessHigh(i), job.accessLow(i), job.accessKind(i));
        return STATUS.hardwareWrite;
      }
    }
    return RUN.done;
  }
}

export const drain: OperationModel = new Drain();
