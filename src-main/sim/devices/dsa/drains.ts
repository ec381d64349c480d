/**
 * Descriptors that wait for earlier ones: Drain, and Update Window. DSA 3.0 sections 3.12 and 3.14.
 *
 * Queues dispatch in order, so when such a descriptor is dispatched everything before it has been dispatched too. What it
 * has to wait for is counted then, and counted down as jobs end. Batch members count through their batch.
 */
import { OPCODE } from '../../../spec/dsa/operations.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import { JOB_STATE, type Job, type JobPool } from './job.ts';
import type { WorkQueues } from './work-queues.ts';

interface Waiting {
  readonly job: number;
  pending: number;
}

export type DrainsState = readonly Readonly<Waiting>[];

export class Drains implements Snapshotable<DrainsState> {
  readonly #jobs: JobPool;
  readonly #wqs: WorkQueues;
  #waiting: Waiting[] = [];

  constructor(jobs: JobPool, wqs: WorkQueues) {
    this.#jobs = jobs;
    this.#wqs = wqs;
  }

  /** Starts waiting. Gives the number of descriptors to wait for; 0 means go on at once. */
  wait(job: Job): number {
    const pending = this.#jobs.active().filter((other) => this.#blocks(other, job)).length;
    if (pending > 0) {
      job.state = JOB_STATE.draining;
      this.#waiting.push({ job: job.index, pending });
    }
    return pending;
  }

  /** A job is over. Gives the jobs that need not wait any more. */
  end(job: Job): readonly Job[] {
    if (this.#waiting.length === 0) {
      return NOBODY;
    }
    const ready: Job[] = [];
    for (const entry of this.#waiting) {
      const waiter = this.#jobs.get(entry.job);
      if (this.#blocks(job, waiter) && --entry.pending === 0) {
        ready.push(waiter);
      }
    }
    this.#waiting = this.#waiting.filter((entry) => entry.pending > 0);
    return ready;
  }

  /** A waiting descriptor is taken away. */
  forget(job: Job): void {
    this.#waiting = this.#waiting.filter((entry) => entry.job !== job.index);
  }

  clear(): void {
    this.#waiting = [];
  }

  snapshot(): DrainsState {
    return this.#waiting.map((entry) => ({ ...entry }));
  }

  restore(state: DrainsState): void {
    this.#waiting = state.map((entry) => ({ ...entry }));
  }

  /** Whether `other` must end before `job` goes on. */
  #blocks(other: Job, job: Job): boolean {
    if (other.admission >= job.admission) {
      return false;
    }
    if (job.operation === OPCODE.updateWindow) {
      return other.domain1Pasid >= 0 || other.domain2Pasid >= 0;
    }
    const isSameSubmitter = this.#wqs.isDedicated[job.wq] === 1 || other.pasid === job.pasid;
    return other.parent < 0 && other.wq === job.wq && isSameSubmitter;
  }
}

const NOBODY: readonly Job[] = [];
