/**
 * A descriptor inside an engine: what it asks, how far it is, and the memory accesses of the chunk it works on. Jobs live
 * in a pool and are reused, so that executing a descriptor allocates nothing.
 */
import { invariant } from '../../../bits/invariant.ts';
import { DESCRIPTOR_WORDS, RECORD_WORDS } from '../../../spec/dsa/descriptor.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import { NO_CAUSE } from '../../core/trace.ts';

export const JOB_STATE = {
  free: 0,
  /** Between dispatch and the first chunk. */
  starting: 1,
  /** A chunk is on its way. */
  running: 2,
  /** Waits for the answer to a page request before the next chunk. */
  waitingForPage: 3,
  /** As above, for the page of the completion record before execution. */
  waitingForRecordPage: 4,
  /** A drain waits for earlier descriptors. */
  draining: 5,
  /** A batch waits for its members. */
  batching: 6,
  /** The result is on its way to memory. */
  completing: 7,
  /** As `waitingForRecordPage`, after execution. */
  waitingToComplete: 8,
  /** A full event log without overflow support holds the job. */
  waitingForLog: 9,
} as const;
export type JobState = (typeof JOB_STATE)[keyof typeof JOB_STATE];

/** A chunk of DIF Update with 4,104-byte blocks touches three pages on each side, plus the seed of a CRC. */
export const MAX_ACCESSES = 7;

/** Columns of an access. */
const A_HIGH = 0;
const A_LOW = 1;
const A_BYTES = 2;
const A_KIND = 3;
const A_REAL_HIGH = 4;
const A_REAL_LOW = 5;
const A_COLUMNS = 6;

/** Bits of an access's kind. */
export const ACCESS = {
  write: 0x01,
  operandShift: 1,
  operandMask: 0x0e,
  tcB: 0x10,
  /** The address lies in the domain of IDPT handle 1 or 2. */
  domain1: 0x20,
  domain2: 0x40,
  untranslated: 0x80,
} as const;

const NUMBER_FIELDS = [
  'serial',
  'state',
  'engine',
  'group',
  'wq',
  'usesBatchSlot',
  'parent',
  'memberIndex',
  'admission',
  'seq',
  'pasid',
  'priv',
  'usesAts',
  'usesPrs',
  'domain1Pasid',
  'domain1Priv',
  'domain2Pasid',
  'domain2Priv',
  'portal',
  'pasidRow',
  'tcA',
  'tcB',
  'operation',
  'flags',
  'size',
  'limit',
  'done',
  'out',
  'chunk',
  'isCautious',
  'epoch',
  'retries',
  'status',
  'result',
  'resultBytes',
  'faultHigh',
  'faultLow',
  'faultIsWrite',
  'faultOperand',
  'information',
  's0',
  's1',
  's2',
  's3',
  's4',
  's5',
  'accessCount',
  'nextWaiter',
  'step',
  'isRecordRefused',
  'isRecordWritten',
  'reportCode',
  'hasRecordTranslation',
  'recordHigh',
  'recordLow',
  'isRecordUntranslated',
  'recordEpoch',
  'startedNs',
] as const;
type NumberField = (typeof NUMBER_FIELDS)[number];

/** What a descriptor that goes on elsewhere takes along: how far the operation is, nothing about where. */
const PROGRESS_FIELDS = [
  'state',
  'done',
  'out',
  'chunk',
  'isCautious',
  'status',
  'result',
  'resultBytes',
  'faultHigh',
  'faultLow',
  'faultIsWrite',
  'faultOperand',
  'information',
  's0',
  's1',
  's2',
  's3',
  's4',
  's5',
  'step',
  'reportCode',
] as const satisfies readonly NumberField[];
type ProgressField = (typeof PROGRESS_FIELDS)[number];

export type JobProgress = Readonly<Record<ProgressField, number>> & {
  readonly record: Uint32Array;
};

export type JobStateData = Readonly<Record<NumberField, number>> & {
  readonly index: number;
  readonly words: Uint32Array;
  readonly record: Uint32Array;
  readonly accesses: Uint32Array;
};

export class Job {
  readonly index: number;
  readonly words = new Uint32Array(DESCRIPTOR_WORDS);
  /** Completion record under construction; words 4 to 7 belong to the operation. */
  readonly record = new Uint32Array(RECORD_WORDS);
  /** The same bytes, as they go to memory. */
  readonly recordBytes = new Uint8Array(this.record.buffer);
  readonly #accesses = new Uint32Array(MAX_ACCESSES * A_COLUMNS);

  /** Tells this use of the job from earlier ones, for events that come too late. */
  serial = 0;
  state: number = JOB_STATE.free;
  engine = 0;
  group = 0;
  wq = 0;
  usesBatchSlot = 0;
  /** Index of the batch's job, -1 for a descriptor from a queue. */
  parent = -1;
  memberIndex = 0;
  /** Position in the order of all submissions to the device. */
  admission = 0;
  /** Trace record of the submission. */
  seq = NO_CAUSE;
  pasid = -1;
  priv = 0;
  /** 1: addresses go through the device TLB. */
  usesAts = 0;
  /** 1: a missing page may be asked for. */
  usesPrs = 0;
  /** Address spaces behind the IDPT handles of an inter-domain operation. */
  domain1Pasid = -1;
  domain1Priv = 0;
  domain2Pasid = -1;
  domain2Priv = 0;
  portal = 0;
  pasidRow = 0;
  tcA = 0;
  tcB = 0;
  operation = 0;
  flags = 0;
  /** Bytes of the transfer, or descriptors of a batch. */
  size = 0;
  /** Largest transfer of the queue, in bytes. */
  limit = 0;
  /** Bytes of the source (of the destination, for a fill) that are done. */
  done = 0;
  /** Bytes written to the destination, where they differ from `done`. */
  out = 0;
  /** Bytes of `size` that the chunk under way covers. */
  chunk = 0;
  /** 1: take the smallest chunk possible, because a larger one ran into a fault. */
  isCautious = 0;
  /** Epoch of the device TLB when the chunk's addresses were translated. */
  epoch = 0;
  /** Page requests for the page in question that were answered with Success in vain. */
  retries = 0;
  status = 0;
  result = 0;
  /** Bytes completed of a record with success. */
  resultBytes = 0;
  faultHigh = 0;
  faultLow = 0;
  faultIsWrite = 0;
  faultOperand = 0;
  /** Error information for software: invalid flags, handle. */
  information = 0;
  /** State of the operation. */
  s0 = 0;
  s1 = 0;
  s2 = 0;
  s3 = 0;
  s4 = 0;
  s5 = 0;
  accessCount = 0;
  nextWaiter = -1;
  /** How far completing is: see `completion.ts`. */
  step = 0;
  /** 1: software refused the page of the completion record. */
  isRecordRefused = 0;
  isRecordWritten = 0;
  /** Error to report beside or instead of the record. */
  reportCode = 0;
  /** Translation of the record address, good while the device TLB is in the same epoch. */
  hasRecordTranslation = 0;
  recordHigh = 0;
  recordLow = 0;
  isRecordUntranslated = 0;
  recordEpoch = 0;
  startedNs = 0;
  /** Set between dispatch and start of a descriptor that was under way before. */
  progress: JobProgress | undefined;

  constructor(index: number) {
    this.index = index;
  }

  get isPrivileged(): boolean {
    return this.priv !== 0;
  }

  /** Makes a used job ready for the descriptor in `words`. */
  begin(): void {
    const head = this.words[1] as number;
    this.operation = head >>> 24;
    this.flags = head & 0x00ff_ffff;
    this.size = this.words[8] as number;
    this.state = JOB_STATE.starting;
    this.done = 0;
    this.out = 0;
    this.chunk = 0;
    this.isCautious = 0;
    this.retries = 0;
    this.status = 0;
    this.result = 0;
    this.resultBytes = 0;
    this.faultHigh = 0;
    this.faultLow = 0;
    this.faultIsWrite = 0;
    this.faultOperand = 0;
    this.information = 0;
    this.s0 = 0;
    this.s1 = 0;
    this.s2 = 0;
    this.s3 = 0;
    this.s4 = 0;
    this.s5 = 0;
    this.accessCount = 0;
    this.nextWaiter = -1;
    this.step = 0;
    this.isRecordRefused = 0;
    this.isRecordWritten = 0;
    this.reportCode = 0;
    this.hasRecordTranslation = 0;
    this.domain1Pasid = -1;
    this.domain1Priv = 0;
    this.domain2Pasid = -1;
    this.domain2Priv = 0;
    for (let i = 0; i < RECORD_WORDS; i++) {
      this.record[i] = 0;
    }
  }

  clearAccesses(): void {
    this.accessCount = 0;
  }

  /** Adds an access that stays within one 4 KiB page. */
  addAccess(high: number, low: number, bytes: number, kind: number): void {
    invariant(this.accessCount < MAX_ACCESSES, 'A chunk touches too many pages');
    const at = this.accessCount++ * A_COLUMNS;
    this.#accesses[at + A_HIGH] = high;
    this.#accesses[at + A_LOW] = low;
    this.#accesses[at + A_BYTES] = bytes;
    this.#accesses[at + A_KIND] = kind;
  }

  accessHigh(i: number): number {
    return this.#accesses[i * A_COLUMNS + A_HIGH] as number;
  }

  accessLow(i: number): number {
    return this.#accesses[i * A_COLUMNS + A_LOW] as number;
  }

  accessBytes(i: number): number {
    return this.#accesses[i * A_COLUMNS + A_BYTES] as number;
  }

  accessKind(i: number): number {
    return this.#accesses[i * A_COLUMNS + A_KIND] as number;
  }

  realHigh(i: number): number {
    return this.#accesses[i * A_COLUMNS + A_REAL_HIGH] as number;
  }

  realLow(i: number): number {
    return this.#accesses[i * A_COLUMNS + A_REAL_LOW] as number;
  }

  setReal(i: number, high: number, low: number, isUntranslated: boolean): void {
    const at = i * A_COLUMNS;
    this.#accesses[at + A_REAL_HIGH] = high;
    this.#accesses[at + A_REAL_LOW] = low;
    const kind = this.#accesses[at + A_KIND] as number;
    this.#accesses[at + A_KIND] = isUntranslated
      ? kind | ACCESS.untranslated
      : kind & ~ACCESS.untranslated;
  }

  saveProgress(): JobProgress {
    const numbers = Object.fromEntries(PROGRESS_FIELDS.map((name) => [name, this[name]]));
    return { ...(numbers as Record<ProgressField, number>), record: this.record.slice() };
  }

  /** After `begin`: goes on as far as an earlier execution came. */
  loadProgress(progress: JobProgress): void {
    for (const name of PROGRESS_FIELDS) {
      this[name] = progress[name];
    }
    this.record.set(progress.record);
  }

  save(): JobStateData {
    const numbers = Object.fromEntries(NUMBER_FIELDS.map((name) => [name, this[name]]));
    return {
      ...(numbers as Record<NumberField, number>),
      index: this.index,
      words: this.words.slice(),
      record: this.record.slice(),
      accesses: this.#accesses.slice(),
    };
  }

  load(state: JobStateData): void {
    for (const name of NUMBER_FIELDS) {
      this[name] = state[name];
    }
    this.words.set(state.words);
    this.record.set(state.record);
    this.#accesses.set(state.accesses);
  }
}

export interface JobPoolState {
  readonly count: number;
  readonly active: readonly JobStateData[];
  readonly free: readonly number[];
  readonly serial: number;
}

export class JobPool implements Snapshotable<JobPoolState> {
  readonly #jobs: Job[] = [];
  readonly #free: number[] = [];
  #serial = 0;

  /** A job with a new serial number. Everything else is up to the caller and `begin`. */
  take(): Job {
    const index = this.#free.pop();
    const job = index === undefined ? this.#grow() : (this.#jobs[index] as Job);
    job.serial = ++this.#serial;
    return job;
  }

  release(job: Job): void {
    job.state = JOB_STATE.free;
    job.parent = -1;
    this.#free.push(job.index);
  }

  get(index: number): Job {
    return this.#jobs[index] as Job;
  }

  /** The job of an event, unless it has ended meanwhile. */
  current(index: number, serial: number): Job | undefined {
    const job = this.#jobs[index];
    return job?.serial === serial && job.state !== JOB_STATE.free ? job : undefined;
  }

  /** Jobs in use, in pool order. */
  active(): readonly Job[] {
    return this.#jobs.filter((job) => job.state !== JOB_STATE.free);
  }

  clear(): void {
    this.#free.length = 0;
    for (let i = this.#jobs.length - 1; i >= 0; i--) {
      (this.#jobs[i] as Job).state = JOB_STATE.free;
      this.#free.push(i);
    }
  }

  snapshot(): JobPoolState {
    return {
      count: this.#jobs.length,
      active: this.active().map((job) => job.save()),
      free: [...this.#free],
      serial: this.#serial,
    };
  }

  restore(state: JobPoolState): void {
    this.#jobs.length = Math.min(this.#jobs.length, state.count);
    while (this.#jobs.length < state.count) {
      this.#grow();
    }
    for (const job of this.#jobs) {
      job.state = JOB_STATE.free;
    }
    for (const saved of state.active) {
      (this.#jobs[saved.index] as Job).load(saved);
    }
    this.#free.length = 0;
    this.#free.push(...state.free);
    this.#serial = state.serial;
  }

  #grow(): Job {
    const job = new Job(this.#jobs.length);
    this.#jobs.push(job);
    return job;
  }
}
