/** The last descriptors that ended, with their records, for people. */
import { DESCRIPTOR_WORDS, RECORD_WORDS } from '../../../spec/dsa/descriptor.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { Job } from './job.ts';

const CAPACITY = 256;
/** wq, engine, parent index in batch or -1, pasid, priv, seq, status, started, ended, record written */
const COLUMNS = 10;

export interface CompletedDescriptor {
  /** Counts all descriptors that ever ended. */
  readonly number: number;
  readonly words: Uint32Array;
  readonly record: Uint32Array;
  readonly wq: number;
  readonly engine: number;
  /** -1: not a batch member. */
  readonly memberIndex: number;
  readonly pasid: number;
  readonly isPrivileged: boolean;
  /** Trace record of the submission. */
  readonly seq: number;
  readonly status: number;
  readonly startedNs: number;
  readonly endedNs: number;
  readonly isRecordWritten: boolean;
}

export interface CompletedRingState {
  readonly count: number;
  readonly words: Uint32Array;
  readonly records: Uint32Array;
  readonly columns: Float64Array;
}

export class CompletedRing implements Snapshotable<CompletedRingState> {
  #count = 0;
  readonly #words = new Uint32Array(CAPACITY * DESCRIPTOR_WORDS);
  readonly #records = new Uint32Array(CAPACITY * RECORD_WORDS);
  readonly #columns = new Float64Array(CAPACITY * COLUMNS);

  add(job: Job, nowNs: number): void {
    const slot = this.#count++ % CAPACITY;
    const { words, record } = job;
    for (let i = 0; i < DESCRIPTOR_WORDS; i++) {
      this.#words[slot * DESCRIPTOR_WORDS + i] = words[i] as number;
    }
    for (let i = 0; i < RECORD_WORDS; i++) {
      this.#records[slot * RECORD_WORDS + i] = record[i] as number;
    }
    const at = slot * COLUMNS;
    const columns = this.#columns;
    columns[at] = job.wq;
    columns[at + 1] = job.engine;
    columns[at + 2] = job.parent >= 0 ? job.memberIndex : -1;
    columns[at + 3] = job.pasid;
    columns[at + 4] = job.priv;
    columns[at + 5] = job.seq;
    columns[at + 6] = job.status;
    columns[at + 7] = job.startedNs;
    columns[at + 8] = nowNs;
    columns[at + 9] = job.isRecordWritten;
  }

  /** Oldest first. */
  entries(): readonly CompletedDescriptor[] {
    const first = Math.max(0, this.#count - CAPACITY);
    return Array.from({ length: this.#count - first }, (_, i) => this.#entry(first + i));
  }

  clear(): void {
    this.#count = 0;
    this.#words.fill(0);
    this.#records.fill(0);
    this.#columns.fill(0);
  }

  snapshot(): CompletedRingState {
    return {
      count: this.#count,
      words: this.#words.slice(),
      records: this.#records.slice(),
      columns: this.#columns.slice(),
    };
  }

  restore(state: CompletedRingState): void {
    this.#count = state.count;
    this.#words.set(state.words);
    this.#records.set(state.records);
    this.#columns.set(state.columns);
  }

  #entry(number: number): CompletedDescriptor {
    const slot = number % CAPACITY;
    const column = (i: number): number => this.#columns[slot * COLUMNS + i] as number;
    return {
      number,
      words: this.#words.slice(slot * DESCRIPTOR_WORDS, (slot + 1) * DESCRIPTOR_WORDS),
      record: this.#records.slice(slot * RECORD_WORDS, (slot + 1) * RECORD_WORDS),
      wq: column(0),
      engine: column(1),
      memberIndex: column(2),
      pasid: column(3),
      isPrivileged: column(4) !== 0,
      seq: column(5),
      status: column(6),
      startedNs: column(7),
      endedNs: column(8),
      isRecordWritten: column(9) !== 0,
    };
  }
}
