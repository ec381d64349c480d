/**
 * Batches: the descriptor list is fetched a page at a time, its members run in any order, a fence waits for those before
 * it. DSA 3.0 sections 3.8 and 8.3.2.
 *
 * The list fetch is an operation like any other (`BatchModel`), so it translates, faults and waits for pages in the usual
 * way; what it reads lands here, and engines take members from here.
 */
import { DESCRIPTOR_BYTES, DESCRIPTOR_WORDS, FLAG } from '../../../spec/dsa/descriptor.ts';
import { OPERAND, STATUS } from '../../../spec/dsa/status-codes.ts';
import { BATCH_FENCED } from '../../../spec/events/dsa.ts';
import { defined } from '../../../bits/invariant.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { Trace } from '../../core/trace.ts';
import type { DescriptorCheck } from './descriptor-check.ts';
import { JOB_STATE, type Job } from './job.ts';
import type { MemoryAccess } from './memory-access.ts';
import {
  RUN,
  WORD,
  accessKind,
  addRange,
  roomAt,
  type OperationModel,
} from './operations/operation.ts';

const LIST_PAGE_WORDS = 1024;
const LIST_ALIGNMENT_MASK = DESCRIPTOR_BYTES - 1;
const BATCH_ERROR = 0x1_0000;

interface BatchState {
  readonly job: number;
  readonly buffer: Uint32Array;
  /** Members `next` to `fetched - 1` wait in the buffer; the buffer starts with member `first`. */
  first: number;
  fetched: number;
  next: number;
  outstanding: number;
  completed: number;
  isFailed: boolean;
  isFenced: boolean;
  /** No member is issued any more: fence failed, list unreadable, or all issued. */
  isClosed: boolean;
  /** Status of a list that could not be read. */
  listStatus: number;
  hasRecordFault: boolean;
  hasLoggedError: boolean;
}

export type BatchesState = readonly Readonly<BatchState>[];

/** What batches need from executor and engines. */
export interface BatchHost {
  /** Fetches the next part of the list. */
  fetch(job: Job): void;
  /** Members are ready to be issued by the job's engine. */
  offer(job: Job): void;
  finish(job: Job, status: number): void;
}

export class Batches implements Snapshotable<BatchesState> {
  readonly #host: BatchHost;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #hasContinuation: boolean;
  readonly #open = new Map<number, BatchState>();

  constructor(
    host: BatchHost,
    trace: Trace,
    source: number,
    options: { readonly hasContinuation: boolean },
  ) {
    this.#host = host;
    this.#trace = trace;
    this.#source = source;
    this.#hasContinuation = options.hasContinuation;
  }

  isOpen(job: Job): boolean {
    return this.#open.has(job.index);
  }

  open(job: Job): void {
    this.#open.set(job.index, {
      job: job.index,
      buffer: new Uint32Array(LIST_PAGE_WORDS),
      first: 0,
      fetched: 0,
      next: 0,
      outstanding: 0,
      completed: 0,
      isFailed: this.#hasContinuation && (job.flags & BATCH_ERROR) !== 0,
      isFenced: false,
      isClosed: false,
      listStatus: 0,
      hasRecordFault: false,
      hasLoggedError: false,
    });
  }

  /** A part of the list has arrived. */
  take(job: Job, bytes: Uint8Array, length: number): void {
    const state = this.#stateOf(job);
    for (let i = 0; i < length / 4; i++) {
      const at = i * 4;
      state.buffer[i] =
        (bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24);
    }
    state.first = state.fetched;
    state.fetched += length / DESCRIPTOR_BYTES;
    job.state = JOB_STATE.batching;
    this.#host.offer(job);
  }

  /** Whether the next member may start. If not, the batch offers itself again later, or ends. */
  canIssue(job: Job): boolean {
    const state = this.#stateOf(job);
    const flags = state.buffer[(state.next - state.first) * DESCRIPTOR_WORDS + 1] as number;
    if ((flags & FLAG.fence) === 0) {
      return true;
    }
    if (state.outstanding > 0) {
      state.isFenced = true;
      return false;
    }
    if (!state.isFailed) {
      return true;
    }
    this.#trace.record(BATCH_FENCED, this.#source, job.wq, state.next, job.size - state.next);
    state.isClosed = true;
    this.#finishWhenDone(job, state);
    return false;
  }

  /** Moves the next member into a job. True when more of the batch can be issued right away. */
  issue(job: Job, member: Job): boolean {
    const state = this.#stateOf(job);
    const at = (state.next - state.first) * DESCRIPTOR_WORDS;
    for (let i = 0; i < DESCRIPTOR_WORDS; i++) {
      member.words[i] = state.buffer[at + i] as number;
    }
    member.parent = job.index;
    member.memberIndex = state.next;
    state.next++;
    state.outstanding++;
    if (state.next < state.fetched) {
      return true;
    }
    if (state.next === job.size) {
      state.isClosed = true;
    } else {
      this.#host.fetch(job);
    }
    return false;
  }

  /** A member is over. */
  endMember(job: Job, status: number): void {
    const state = this.#stateOf(job);
    state.outstanding--;
    state.completed++;
    state.isFailed ||= status !== STATUS.success;
    if (state.isFenced && state.outstanding === 0) {
      state.isFenced = false;
      this.#host.offer(job);
    }
    this.#finishWhenDone(job, state);
  }

  /** The list could not be read further. */
  fail(job: Job, status: number): void {
    const state = this.#stateOf(job);
    state.listStatus = status;
    state.isClosed = true;
    job.state = JOB_STATE.batching;
    this.#finishWhenDone(job, state);
  }

  /** A member's completion record went to the event log. */
  noteRecordFault(job: Job): void {
    this.#stateOf(job).hasRecordFault = true;
  }

  /** For event log entries of members: whether this is the first of the batch. */
  noteLoggedError(job: Job): boolean {
    const state = this.#stateOf(job);
    const isFirst = !state.hasLoggedError;
    state.hasLoggedError = true;
    return isFirst;
  }

  clear(): void {
    this.#open.clear();
  }

  snapshot(): BatchesState {
    return [...this.#open.values()].map((state) => ({ ...state, buffer: state.buffer.slice() }));
  }

  restore(state: BatchesState): void {
    this.#open.clear();
    for (const saved of state) {
      this.#open.set(saved.job, { ...saved, buffer: saved.buffer.slice() });
    }
  }

  #finishWhenDone(job: Job, state: BatchState): void {
    if (!state.isClosed || state.outstanding > 0) {
      return;
    }
    this.#open.delete(job.index);
    job.done = state.completed;
    job.resultBytes = state.completed;
    job.result = this.#hasContinuation && state.isFailed ? 1 : 0;
    job.s5 = state.hasRecordFault ? 1 : 0;
    this.#host.finish(
      job,
      state.listStatus || (state.isFailed ? STATUS.batchMemberFailed : STATUS.success),
    );
  }

  #stateOf(job: Job): BatchState {
    return defined(this.#open.get(job.index), 'Batch');
  }
}

/** The list fetch. `done` counts its bytes. */
export class BatchModel implements OperationModel {
  readonly faultPolicy = 'list';
  readonly hasTransferSize = false;
  readonly #check: DescriptorCheck;
  readonly #batches: Batches;

  constructor(check: DescriptorCheck, batches: Batches) {
    this.#check = check;
    this.#batches = batches;
  }

  check(job: Job): number {
    if (((job.words[WORD.address1] as number) & LIST_ALIGNMENT_MASK) !== 0) {
      return STATUS.listAlignment;
    }
    return this.#check.isBatchCountValid(job) ? 0 : STATUS.descriptorCount;
  }

  plan(job: Job): void {
    if (!this.#batches.isOpen(job)) {
      this.#batches.open(job);
    }
    const left = job.size * DESCRIPTOR_BYTES - job.done;
    const bytes = Math.min(left, roomAt(job, WORD.address1, job.done));
    job.clearAccesses();
    addRange(job, WORD.address1, job.done, bytes, accessKind(job, OPERAND.source, false, FLAG.tc1));
    job.chunk = bytes;
  }

  run(job: Job, memory: MemoryAccess): number {
    const status = memory.readStatus(job, 0, memory.first, 0);
    if (status !== 0) {
      return status;
    }
    job.done += job.chunk;
    this.#batches.take(job, memory.first, job.chunk);
    return RUN.held;
  }
}
