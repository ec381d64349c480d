/**
 * Checks of a descriptor before anything is executed, each with its one status. DSA 3.0 sections 5.4 and 5.5. The order is
 * free by the specification; this is ours: privilege, record address, operation, flags, reserved fields, sizes,
 * operation's own rules, interrupt handle, traffic class.
 */
import { FLAG } from '../../../spec/dsa/descriptor.ts';
import { OPCODE, OPERATIONS, type OperationSpec } from '../../../spec/dsa/operations.ts';
import { STATUS } from '../../../spec/dsa/status-codes.ts';
import type { DsaCapabilities } from './capabilities.ts';
import type { DsaInterrupts } from './interrupts.ts';
import type { Job } from './job.ts';
import type { CheckLimits, OperationModel } from './operations/operation.ts';
import type { WorkQueues } from './work-queues.ts';

const CODES = 256;
const WORDS = 16;
const BASE_FLAGS =
  FLAG.fence | FLAG.recordAddressValid | FLAG.requestRecord | FLAG.requestInterrupt | FLAG.tcRecord;
const RECORD = FLAG.recordAddressValid | FLAG.requestRecord;
const TC_FLAGS = FLAG.tc1 | FLAG.tc2 | FLAG.tc3;
const RECORD_ALIGNMENT_MASK = 31;
const HANDLE_WORD = 9;

/** What the checks need to know of the moment. */
export interface CheckState {
  /** Privileged mode of the PASID capability. */
  readonly isPrivilegedModeOn: boolean;
  /** Bit n: traffic class n belongs to an enabled virtual channel. */
  readonly trafficClasses: number;
  /** GENCFG: unprivileged descriptors may ask for interrupts. */
  readonly areUserInterruptsOn: boolean;
}

/** Flags that an operation may have set at all on this device. */
function allowedFlagsOf(spec: OperationSpec, { gencap, context }: DsaCapabilities): number {
  let flags = BASE_FLAGS | spec.flags;
  if (gencap.cacheControl === 0) {
    flags &= ~FLAG.cacheControl1;
  }
  if (gencap.destinationReadback === 0) {
    flags &= ~FLAG.cacheControl2;
  }
  if (gencap.durableWrite === 0) {
    flags &= ~FLAG.cacheControl3;
  }
  if (gencap.noStrictMemory === 1) {
    flags &= ~FLAG.strictOrdering;
  }
  for (const own of spec.ownFlags) {
    if (own.capability === undefined || context.has(own.capability)) {
      flags |= own.mask;
    }
  }
  return flags;
}

/** Combinations 101b and 111b of the cache control flags are reserved. */
function reservedHints(flags: number): number {
  const bad = FLAG.cacheControl3 | FLAG.cacheControl1;
  return (flags & bad) === bad ? bad : 0;
}

export class DescriptorCheck {
  readonly #specs: readonly (OperationSpec | undefined)[];
  readonly #allowed = new Uint32Array(CODES);
  readonly #reserved = new Uint32Array(CODES * WORDS);
  readonly #wqs: WorkQueues;
  readonly #interrupts: DsaInterrupts;
  readonly #state: CheckState;
  readonly #limits: CheckLimits;
  readonly #maxBatch: number;

  constructor(
    capabilities: DsaCapabilities,
    wqs: WorkQueues,
    interrupts: DsaInterrupts,
    state: CheckState,
  ) {
    this.#wqs = wqs;
    this.#interrupts = interrupts;
    this.#state = state;
    this.#specs = Array.from({ length: CODES }, (_, code) =>
      OPERATIONS.find((o) => o.code === code),
    );
    this.#limits = {
      hasOverlappingCopy: capabilities.gencap.overlappingCopy === 1,
      hasFill16: capabilities.gencap.fill16 === 1,
      isBatch1Allowed: capabilities.gencap.singleEntryBatch === 1,
    };
    this.#maxBatch = 2 ** capabilities.maxBatchShift;
    for (const spec of OPERATIONS) {
      this.#allowed[spec.code] = allowedFlagsOf(spec, capabilities);
      this.#reserved.set(reservedWords(spec, capabilities), spec.code * WORDS);
    }
  }

  /** 0, or the status that the descriptor ends with. */
  run(job: Job, model: OperationModel | undefined): number {
    const { flags, words } = job;
    const hasRecord = (flags & FLAG.recordAddressValid) !== 0;
    if (job.priv !== 0 && !this.#state.isPrivilegedModeOn && this.#wqs.isDedicated[job.wq] === 0) {
      return STATUS.privilege;
    }
    if (hasRecord && ((words[2] as number) & RECORD_ALIGNMENT_MASK) !== 0) {
      return STATUS.recordAlignment;
    }
    const operation = this.#checkOperation(job);
    if (operation !== 0 || model === undefined) {
      return operation || STATUS.opcode;
    }
    const invalid = this.#invalidFlags(job);
    if (invalid !== 0) {
      job.information = invalid;
      return STATUS.flags;
    }
    if (this.#isReservedSet(job)) {
      return STATUS.reserved;
    }
    if (model.hasTransferSize && (job.size === 0 || job.size > job.limit)) {
      return STATUS.transferSize;
    }
    return model.check(job, this.#limits) || this.#checkHandle(job) || this.#checkTrafficClass(job);
  }

  /** Limits of a batch: used by its model. */
  isBatchCountValid(job: Job): boolean {
    const least = this.#limits.isBatch1Allowed ? 1 : 2;
    return (
      job.size >= least &&
      job.size <= Math.min(this.#wqs.maxBatch[job.wq] as number, this.#maxBatch)
    );
  }

  #checkOperation(job: Job): number {
    const { operation } = job;
    const spec = this.#specs[operation];
    const allowed = this.#wqs.operations[job.wq * 8 + (operation >>> 5)] as number;
    if (spec === undefined || (allowed & (1 << (operation & 31))) === 0) {
      return STATUS.opcode;
    }
    if (job.parent >= 0 && !spec.canBeInBatch) {
      return STATUS.opcode;
    }
    return spec.isInterDomain && job.pasid < 0 ? STATUS.interDomainNoPasid : 0;
  }

  /** Flags that must not be 1, or must not be 0, as a mask. */
  #invalidFlags(job: Job): number {
    const { flags, operation } = job;
    let invalid = flags & ~(this.#allowed[operation] as number);
    if (job.parent < 0) {
      invalid |= flags & FLAG.fence;
    }
    if (this.#wqs.blocksOnFault[job.wq] === 0) {
      invalid |= flags & FLAG.blockOnFault;
    }
    if ((flags & FLAG.recordAddressValid) === 0) {
      invalid |= flags & (FLAG.requestRecord | FLAG.tcRecord);
    }
    if (!this.#state.areUserInterruptsOn && job.priv === 0 && job.pasid >= 0) {
      invalid |= flags & FLAG.requestInterrupt;
    }
    return invalid | reservedHints(flags) | this.#missingFlags(job);
  }

  #missingFlags(job: Job): number {
    const { flags } = job;
    const spec = this.#specs[job.operation] as OperationSpec;
    let missing = 0;
    if (spec.requires === 'record') {
      missing = RECORD & ~flags;
    } else if (spec.requires === 'recordOrInterrupt') {
      const isAnswered = (flags & RECORD) === RECORD || (flags & FLAG.requestInterrupt) !== 0;
      missing = isAnswered ? 0 : RECORD & ~flags;
    }
    for (const mask of spec.ownRequired) {
      missing |= (flags & mask) === 0 ? mask : 0;
    }
    return missing;
  }

  #isReservedSet({ words, operation, flags }: Job): boolean {
    const base = operation * WORDS;
    let found = 0;
    for (let i = 2; i < WORDS; i++) {
      found |= (words[i] as number) & (this.#reserved[base + i] as number);
    }
    // The record address and the handle mean nothing without their flags, and must then be zero.
    if ((flags & FLAG.recordAddressValid) === 0) {
      found |= (words[2] as number) | (words[3] as number);
    }
    if ((flags & FLAG.requestInterrupt) === 0) {
      found |= (words[HANDLE_WORD] as number) & 0xffff;
    }
    return found !== 0;
  }

  #checkHandle(job: Job): number {
    if ((job.flags & FLAG.requestInterrupt) === 0) {
      return 0;
    }
    const handle = (job.words[HANDLE_WORD] as number) & 0xffff;
    if (this.#interrupts.isAllowed(handle, job.portal >>> 1, job.pasid)) {
      return 0;
    }
    job.information = handle;
    return STATUS.interruptHandle;
  }

  #checkTrafficClass(job: Job): number {
    const { trafficClasses } = this.#state;
    const hasA = (trafficClasses & (1 << job.tcA)) !== 0;
    const hasB = (trafficClasses & (1 << job.tcB)) !== 0;
    if (hasA && hasB) {
      return 0;
    }
    const spec = this.#specs[job.operation] as OperationSpec;
    const hasRecord = (job.flags & FLAG.recordAddressValid) !== 0;
    const selectors = (spec.flags & TC_FLAGS) | (hasRecord ? FLAG.tcRecord : 0);
    const usesB = (job.flags & selectors) !== 0;
    const usesA = (job.flags & selectors) !== selectors;
    return (usesA && !hasA) || (usesB && !hasB) ? STATUS.trafficClass : 0;
  }
}

function reservedWords(spec: OperationSpec, { context }: DsaCapabilities): Uint32Array {
  const mask = spec.descriptor.reservedMask(context);
  // A drain without readback support has no addresses.
  if (spec.code === OPCODE.drain && !context.has('DRAIN_READBACK')) {
    mask.fill(0xffff_ffff, 4, 8);
  }
  return mask;
}
