/**
 * Data integrity field: Check, Insert, Strip, Update, and DIX Generate. DSA 3.0 section 8.3.17 and appendix B.
 *
 * Every block is followed by eight bytes, big-endian: guard (CRC-16 of the block), application tag, reference tag. The
 * tags advance from block to block and their final values go into the completion record, so that a continuation can take
 * them up. A chunk holds whole blocks; when a later one of them faults, the chunk is cut down to one block.
 *
 * s0, s1: source reference and application tag; s2, s3: those of the destination.
 */
import { FLAG } from '../../../../spec/dsa/descriptor.ts';
import { DIF_BLOCK_BYTES } from '../../../../spec/dsa/operation-descriptors.ts';
import { DIF_STATUS, OPERAND, STATUS } from '../../../../spec/dsa/status-codes.ts';
import type { Job } from '../job.ts';
import type { MemoryAccess } from '../memory-access.ts';
import { guardOf } from './crc-tables.ts';
import {
  RUN,
  WORD,
  accessKind,
  addRange,
  overlaps,
  readRange,
  writeRange,
  type OperationModel,
} from './operation.ts';

const FIELD = 8;
const CHUNK_BYTES = 4096;
const ONES_16 = 0xffff;
const ONES_32 = 0xffff_ffff;

/** Words with flags and tags. */
const FLAGS_WORD = 10;
const SOURCE_TAGS_WORD = 12;
const DESTINATION_TAGS_WORD = 14;

/** Byte 40. */
const SOURCE = {
  allOnesError: 0x01,
  allOnesDetect: 0x02,
  skipApp: 0x04,
  skipAppAndRef: 0x08,
  appIncrementing: 0x10,
  guardDisable: 0x20,
  refDisable: 0x40,
  refFixed: 0x80,
} as const;
/** Byte 41. */
const DESTINATION = {
  passApp: 0x08,
  appIncrementing: 0x10,
  passGuard: 0x20,
  passRef: 0x40,
  refFixed: 0x80,
} as const;
/** Byte 42. */
const DIF = { blockMask: 0x03, seedOnes: 0x04, invert: 0x08 } as const;

/** What one of the operations reads and writes for each block. */
interface DifShape {
  readonly hasSourceField: boolean;
  readonly writesData: boolean;
  readonly writesField: boolean;
  /** Checks the source field. */
  readonly isChecking: boolean;
}

function sourceFlags(job: Job): number {
  return (job.words[FLAGS_WORD] as number) & 0xff;
}

function destinationFlags(job: Job): number {
  return ((job.words[FLAGS_WORD] as number) >>> 8) & 0xff;
}

function difFlags(job: Job): number {
  return ((job.words[FLAGS_WORD] as number) >>> 16) & 0xff;
}

class DifOperation implements OperationModel {
  readonly faultPolicy = 'data';
  readonly hasTransferSize = true;
  readonly canShrink = true;
  readonly #shape: DifShape;

  constructor(shape: DifShape) {
    this.#shape = shape;
  }

  check(job: Job): number {
    const isDix = this.#shape.writesField && !this.#shape.writesData;
    if (isDix && ((job.words[WORD.address2] as number) & (FIELD - 1)) !== 0) {
      return STATUS.alignment;
    }
    const sourceBlock = this.#sourceBlock(job);
    if (job.size % sourceBlock !== 0) {
      return STATUS.transferSize;
    }
    const written = (job.size / sourceBlock) * this.#destinationBlock(job);
    if (written > 0 && overlaps(job, WORD.address1, job.size, WORD.address2, written)) {
      return STATUS.overlap;
    }
    job.s0 = job.words[SOURCE_TAGS_WORD] as number;
    job.s1 = (job.words[SOURCE_TAGS_WORD + 1] as number) >>> 16;
    job.s2 = job.words[DESTINATION_TAGS_WORD] as number;
    job.s3 = (job.words[DESTINATION_TAGS_WORD + 1] as number) >>> 16;
    return 0;
  }

  plan(job: Job): void {
    const block = this.#sourceBlock(job);
    const left = (job.size - job.done) / block;
    const blocks =
      job.isCautious === 1 ? 1 : Math.min(left, Math.max(1, Math.floor(CHUNK_BYTES / block)));
    job.clearAccesses();
    addRange(
      job,
      WORD.address1,
      job.done,
      blocks * block,
      accessKind(job, OPERAND.source, false, FLAG.tc1),
    );
    job.s4 = job.accessCount;
    const written = blocks * this.#destinationBlock(job);
    if (written > 0) {
      addRange(
        job,
        WORD.address2,
        job.out,
        written,
        accessKind(job, OPERAND.destination, true, FLAG.tc2),
      );
    }
    job.chunk = blocks * block;
  }

  run(job: Job, memory: MemoryAccess): number {
    const status = readRange(job, memory, 0, job.s4 - 1, memory.first);
    if (status !== 0) {
      return status;
    }
    const block = this.#sourceBlock(job);
    let written = 0;
    for (let at = 0; at < job.chunk; at += block) {
      const error = this.#shape.isChecking
        ? this.#checkField(job, memory.first, at + block - FIELD)
        : 0;
      if (error !== 0) {
        return this.#fail(job, memory, at, written, error);
      }
      written = this.#produce(job, memory, at, written);
      this.#advanceTags(job);
    }
    if (written > 0) {
      writeRange(job, memory, job.s4, job.accessCount - 1, memory.output);
    }
    job.done += job.chunk;
    job.out += written;
    return job.done === job.size ? RUN.done : RUN.more;
  }

  finish(job: Job): void {
    const { words, record } = job;
    if (this.#shape.isChecking) {
      record[4] = job.s0;
      record[5] = ((words[SOURCE_TAGS_WORD + 1] as number) & ONES_16) | (job.s1 << 16);
    }
    if (this.#shape.writesField) {
      record[6] = job.s2;
      record[7] = ((words[DESTINATION_TAGS_WORD + 1] as number) & ONES_16) | (job.s3 << 16);
    }
  }

  /** Stops at a bad block: the blocks before it count, and what they produced is written. */
  #fail(job: Job, memory: MemoryAccess, at: number, written: number, error: number): number {
    if (written > 0) {
      let from = 0;
      for (let i = job.s4; i < job.accessCount && from < written; i++) {
        const bytes = Math.min(job.accessBytes(i), written - from);
        memory.writePart(job, i, bytes, memory.output, from);
        from += bytes;
      }
    }
    job.done += at;
    job.out += written;
    job.result = error;
    return STATUS.difError;
  }

  /** DIF status of the field at `at`, 0 when it is fine. */
  #checkField(job: Job, bytes: Uint8Array, at: number): number {
    const flags = sourceFlags(job);
    const guard = big16(bytes, at);
    const app = big16(bytes, at + 2);
    const ref = big32(bytes, at + 4);
    const isAllOnes = guard === ONES_16 && app === ONES_16 && ref === ONES_32;
    if ((flags & SOURCE.allOnesDetect) !== 0 && isAllOnes) {
      return (flags & SOURCE.allOnesError) !== 0 ? DIF_STATUS.allOnes : 0;
    }
    const isSkipped =
      ((flags & SOURCE.skipApp) !== 0 && app === ONES_16) ||
      ((flags & SOURCE.skipAppAndRef) !== 0 && app === ONES_16 && ref === ONES_32);
    if (isSkipped) {
      return 0;
    }
    const block = this.#sourceBlock(job) - FIELD;
    const mask = ~(job.words[SOURCE_TAGS_WORD + 1] as number) & ONES_16;
    let error = 0;
    if ((flags & SOURCE.guardDisable) === 0 && guard !== guardFor(job, bytes, at - block, at)) {
      error |= DIF_STATUS.guard;
    }
    if ((app & mask) !== (job.s1 & mask)) {
      error |= DIF_STATUS.applicationTag;
    }
    if ((flags & SOURCE.refDisable) === 0 && ref !== job.s0) {
      error |= DIF_STATUS.referenceTag;
    }
    return error;
  }

  /** Appends what the block at `at` gives to the output; returns the output's new length. */
  #produce(job: Job, memory: MemoryAccess, at: number, written: number): number {
    const { first, output } = memory;
    const data = DIF_BLOCK_BYTES[difFlags(job) & DIF.blockMask] as number;
    let end = written;
    if (this.#shape.writesData) {
      output.set(first.subarray(at, at + data), end);
      end += data;
    }
    if (this.#shape.writesField) {
      const pass = this.#shape.hasSourceField ? destinationFlags(job) : 0;
      const field = at + data;
      const mask = ~(job.words[DESTINATION_TAGS_WORD + 1] as number) & ONES_16;
      const guard =
        (pass & DESTINATION.passGuard) !== 0
          ? big16(first, field)
          : guardFor(job, first, at, at + data);
      const app = (pass & DESTINATION.passApp) !== 0 ? big16(first, field + 2) : job.s3 & mask;
      const ref = (pass & DESTINATION.passRef) !== 0 ? big32(first, field + 4) : job.s2;
      output[end] = guard >>> 8;
      output[end + 1] = guard;
      output[end + 2] = app >>> 8;
      output[end + 3] = app;
      output[end + 4] = ref >>> 24;
      output[end + 5] = ref >>> 16;
      output[end + 6] = ref >>> 8;
      output[end + 7] = ref;
      end += FIELD;
    }
    return end;
  }

  #advanceTags(job: Job): void {
    if (this.#shape.isChecking) {
      const flags = sourceFlags(job);
      job.s0 = (flags & SOURCE.refFixed) !== 0 ? job.s0 : (job.s0 + 1) >>> 0;
      job.s1 = (flags & SOURCE.appIncrementing) !== 0 ? (job.s1 + 1) & ONES_16 : job.s1;
    }
    if (this.#shape.writesField) {
      const flags = destinationFlags(job);
      job.s2 = (flags & DESTINATION.refFixed) !== 0 ? job.s2 : (job.s2 + 1) >>> 0;
      job.s3 = (flags & DESTINATION.appIncrementing) !== 0 ? (job.s3 + 1) & ONES_16 : job.s3;
    }
  }

  #sourceBlock(job: Job): number {
    const data = DIF_BLOCK_BYTES[difFlags(job) & DIF.blockMask] as number;
    return this.#shape.hasSourceField ? data + FIELD : data;
  }

  #destinationBlock(job: Job): number {
    const data = DIF_BLOCK_BYTES[difFlags(job) & DIF.blockMask] as number;
    return (this.#shape.writesData ? data : 0) + (this.#shape.writesField ? FIELD : 0);
  }
}

function guardFor(job: Job, bytes: Uint8Array, start: number, end: number): number {
  const flags = difFlags(job);
  const guard = guardOf((flags & DIF.seedOnes) !== 0 ? ONES_16 : 0, bytes, start, end);
  return (flags & DIF.invert) !== 0 ? ~guard & ONES_16 : guard;
}

function big16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function big32(bytes: Uint8Array, at: number): number {
  return ((big16(bytes, at) << 16) | big16(bytes, at + 2)) >>> 0;
}

const CHECK = { hasSourceField: true, writesData: false, writesField: false, isChecking: true };

export const difCheck: OperationModel = new DifOperation(CHECK);
export const difInsert: OperationModel = new DifOperation({
  hasSourceField: false,
  writesData: true,
  writesField: true,
  isChecking: false,
});
export const difStrip: OperationModel = new DifOperation({ ...CHECK, writesData: true });
export const difUpdate: OperationModel = new DifOperation({
  ...CHECK,
  writesData: true,
  writesField: true,
});
export const dixGenerate: OperationModel = new DifOperation({
  hasSourceField: false,
  writesData: false,
  writesField: true,
  isChecking: false,
});
