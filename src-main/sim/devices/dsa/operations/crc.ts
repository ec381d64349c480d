/**
 * CRC Generation and Copy with CRC Generation. DSA 3.0 section 8.3 and appendix A.
 *
 * The register starts at the complement of the seed and the result is complemented again, so a result is the seed of the
 * next part. With the inversion bypassed, seed and result are the plain register, not reflected.
 *
 * s0 and s1 hold the reflected register (low, high); s2 is 1 once the seed is in.
 */
import { FLAG } from '../../../../spec/dsa/descriptor.ts';
import { OPERAND, STATUS } from '../../../../spec/dsa/status-codes.ts';
import type { Job } from '../job.ts';
import type { MemoryAccess } from '../memory-access.ts';
import { crc32Step, crc64Step, mirror32, type Crc64 } from './crc-tables.ts';
import {
  RUN,
  WORD,
  accessKind,
  addRange,
  overlaps,
  readRange,
  roomAt,
  type OperationModel,
} from './operation.ts';

const READ_SEED = 0x1_0000;
const BYPASS_INVERSION = 0x2_0000;
const BYPASS_REFLECTION = 0x4_0000;
const IS_64 = 0x8_0000;
const SEED_WORD = 10;

const register64: Crc64 = { high: 0, low: 0 };

class Crc implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = true;
  readonly #isCopy: boolean;

  constructor(isCopy: boolean) {
    this.#isCopy = isCopy;
  }

  check(job: Job): number {
    const { words, flags } = job;
    const isSeedHighSet = (words[SEED_WORD + 1] as number) !== 0;
    const isAddressSet =
      ((words[WORD.address4] as number) | (words[WORD.address4 + 1] as number)) !== 0;
    if (((flags & IS_64) === 0 && isSeedHighSet) || ((flags & READ_SEED) === 0 && isAddressSet)) {
      return STATUS.reserved;
    }
    const isOverlapping =
      this.#isCopy && overlaps(job, WORD.address1, job.size, WORD.address2, job.size);
    return isOverlapping ? STATUS.overlap : 0;
  }

  /** Source, destination, and for the first chunk the seed in memory. */
  plan(job: Job): void {
    const { done } = job;
    let bytes = Math.min(job.size - done, roomAt(job, WORD.address1, done));
    if (this.#isCopy) {
      bytes = Math.min(bytes, roomAt(job, WORD.address2, done));
    }
    job.clearAccesses();
    addRange(job, WORD.address1, done, bytes, accessKind(job, OPERAND.source, false, FLAG.tc1));
    if (this.#isCopy) {
      addRange(
        job,
        WORD.address2,
        done,
        bytes,
        accessKind(job, OPERAND.destination, true, FLAG.tc2),
      );
    }
    if (job.s2 === 0 && (job.flags & READ_SEED) !== 0) {
      const seedBytes = (job.flags & IS_64) !== 0 ? 8 : 4;
      addRange(job, WORD.address4, 0, seedBytes, accessKind(job, OPERAND.source2, false, FLAG.tc3));
    }
    job.chunk = bytes;
  }

  run(job: Job, memory: MemoryAccess): number {
    const status =
      (job.s2 === 0 ? this.#start(job, memory) : 0) || memory.readStatus(job, 0, memory.first, 0);
    if (status !== 0) {
      return status;
    }
    const isMirrored = (job.flags & BYPASS_REFLECTION) !== 0;
    if ((job.flags & IS_64) !== 0) {
      register64.low = job.s0;
      register64.high = job.s1;
      crc64Step(register64, memory.first, job.chunk, isMirrored);
      job.s0 = register64.low;
      job.s1 = register64.high;
    } else {
      job.s0 = crc32Step(job.s0, memory.first, job.chunk, isMirrored);
    }
    if (this.#isCopy) {
      memory.write(job, 1, memory.first, 0);
    }
    job.done += job.chunk;
    return job.done === job.size ? RUN.done : RUN.more;
  }

  /** The result so far, also for a partial completion: it seeds the continuation. */
  finish(job: Job): void {
    if (job.s2 === 0) {
      return;
    }
    const is64 = (job.flags & IS_64) !== 0;
    if ((job.flags & BYPASS_INVERSION) === 0) {
      job.record[4] = ~job.s0;
      job.record[5] = is64 ? ~job.s1 : 0;
    } else if (is64) {
      job.record[4] = mirror32(job.s1);
      job.record[5] = mirror32(job.s0);
    } else {
      job.record[4] = mirror32(job.s0);
    }
  }

  #start(job: Job, memory: MemoryAccess): number {
    let low = job.words[SEED_WORD] as number;
    let high = job.words[SEED_WORD + 1] as number;
    if ((job.flags & READ_SEED) !== 0) {
      const status = readRange(
        job,
        memory,
        this.#isCopy ? 2 : 1,
        job.accessCount - 1,
        memory.second,
      );
      if (status !== 0) {
        return status;
      }
      low = wordAt(memory.second, 0);
      high = (job.flags & IS_64) !== 0 ? wordAt(memory.second, 4) : 0;
    }
    if ((job.flags & BYPASS_INVERSION) === 0) {
      job.s0 = ~low >>> 0;
      job.s1 = ~high >>> 0;
    } else if ((job.flags & IS_64) !== 0) {
      job.s0 = mirror32(high);
      job.s1 = mirror32(low);
    } else {
      job.s0 = mirror32(low);
      job.s1 = 0;
    }
    job.s2 = 1;
    return 0;
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

export const crcGeneration: OperationModel = new Crc(false);
export const copyWithCrc: OperationModel = new Crc(true);
