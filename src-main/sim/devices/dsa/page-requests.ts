/**
 * Page requests of the function: at most as many outstanding as software allocated, each its own group of one page, told
 * apart by a 9-bit group index. PCIe PRI; DSA 3.0 section 3.13.
 *
 * Jobs that want the same page in the same address space share one request. Jobs that find no free request wait in order.
 */
import { invariant } from '../../../bits/invariant.ts';
import type { Snapshotable } from '../../core/snapshot.ts';
import type { PageRequest, UpstreamPort } from '../../pcie/ports.ts';
import type { Job, JobPool } from './job.ts';

const GROUPS = 512;
const NONE = -1;

interface Outstanding {
  group: number;
  pasid: number;
  isPrivileged: boolean;
  high: number;
  low: number;
  isWrite: boolean;
  /** Index of the first waiting job; the rest follow by `nextWaiter`. */
  firstWaiter: number;
}

export interface PageRequestsState {
  readonly outstanding: readonly Readonly<Outstanding>[];
  /** Jobs without a request, oldest first, with what they want. */
  readonly queued: readonly Readonly<Outstanding>[];
  readonly nextGroup: number;
}

export class PageRequests implements Snapshotable<PageRequestsState> {
  /** Requests that may be outstanding, from the PRI capability. */
  allocation = 0;
  readonly #port: UpstreamPort;
  readonly #jobs: JobPool;
  readonly #message: PageRequest = {
    pasid: -1,
    isPrivileged: false,
    isExecute: false,
    isRead: false,
    isWrite: false,
    isLastInGroup: true,
    groupIndex: 0,
    high: 0,
    low: 0,
  };
  #outstanding: Outstanding[] = [];
  #queued: Outstanding[] = [];
  #nextGroup = 0;

  constructor(port: UpstreamPort, jobs: JobPool) {
    this.#port = port;
    this.#jobs = jobs;
  }

  get outstanding(): readonly Readonly<Outstanding>[] {
    return this.#outstanding;
  }

  get isIdle(): boolean {
    return this.#outstanding.length === 0 && this.#queued.length === 0;
  }

  /** Makes a job wait for a page. Gives the group index when a request was sent for it, else -1. */
  wait(
    job: Job,
    pasid: number,
    isPrivileged: boolean,
    high: number,
    low: number,
    isWrite: boolean,
  ): number {
    const page = (low & ~0xfff) >>> 0;
    job.nextWaiter = NONE;
    const same = [...this.#outstanding, ...this.#queued].find(
      (o) =>
        o.pasid === pasid &&
        o.isPrivileged === isPrivileged &&
        o.high === high &&
        o.low === page &&
        (o.isWrite || !isWrite),
    );
    if (same !== undefined) {
      this.#append(same, job);
      return NONE;
    }
    const wanted: Outstanding = {
      group: NONE,
      pasid,
      isPrivileged,
      high,
      low: page,
      isWrite,
      firstWaiter: job.index,
    };
    if (this.#outstanding.length >= this.allocation) {
      this.#queued.push(wanted);
      return NONE;
    }
    return this.#send(wanted);
  }

  /** Takes the jobs that waited for a group. Undefined when no such request is outstanding. */
  answer(pasid: number, group: number): readonly Job[] | undefined {
    const index = this.#outstanding.findIndex((o) => o.group === group && o.pasid === pasid);
    if (index < 0) {
      return undefined;
    }
    const [done] = this.#outstanding.splice(index, 1);
    return done === undefined ? [] : this.#waitersOf(done);
  }

  /** Sends requests that had to wait for a free one. Gives the jobs at their heads. */
  sendQueued(): readonly { readonly job: Job; readonly request: Readonly<Outstanding> }[] {
    const sent: { readonly job: Job; readonly request: Readonly<Outstanding> }[] = [];
    while (this.#outstanding.length < this.allocation) {
      const next = this.#queued.shift();
      if (next === undefined) {
        break;
      }
      this.#send(next);
      sent.push({ job: this.#jobs.get(next.firstWaiter), request: next });
    }
    return sent;
  }

  /** Takes a job out of the queue of waiters: it is being aborted. Its request stays outstanding. */
  forget(job: Job): void {
    for (const entry of [...this.#outstanding, ...this.#queued]) {
      const kept = this.#waitersOf(entry).filter((waiter) => waiter !== job);
      entry.firstWaiter = NONE;
      kept.forEach((waiter) => {
        this.#append(entry, waiter);
      });
    }
    this.#queued = this.#queued.filter((entry) => entry.firstWaiter !== NONE);
  }

  /** Every waiting job; nothing is outstanding afterwards. Used when page requests fail for the whole function. */
  takeAll(): readonly Job[] {
    const all = [...this.#outstanding, ...this.#queued].flatMap((entry) => this.#waitersOf(entry));
    this.clear();
    return all;
  }

  clear(): void {
    this.#outstanding = [];
    this.#queued = [];
  }

  snapshot(): PageRequestsState {
    return {
      outstanding: this.#outstanding.map((o) => ({ ...o })),
      queued: this.#queued.map((o) => ({ ...o })),
      nextGroup: this.#nextGroup,
    };
  }

  restore(state: PageRequestsState): void {
    this.#outstanding = state.outstanding.map((o) => ({ ...o }));
    this.#queued = state.queued.map((o) => ({ ...o }));
    this.#nextGroup = state.nextGroup;
  }

  #send(wanted: Outstanding): number {
    wanted.group = this.#freeGroup();
    this.#outstanding.push(wanted);
    const message = this.#message;
    message.pasid = wanted.pasid;
    message.isPrivileged = wanted.isPrivileged;
    message.isRead = true;
    message.isWrite = wanted.isWrite;
    message.groupIndex = wanted.group;
    message.high = wanted.high;
    message.low = wanted.low;
    this.#port.pageRequest(message);
    return wanted.group;
  }

  #freeGroup(): number {
    for (let tries = 0; tries < GROUPS; tries++) {
      const group = this.#nextGroup;
      this.#nextGroup = (group + 1) % GROUPS;
      if (!this.#outstanding.some((o) => o.group === group)) {
        return group;
      }
    }
    return invariant(
      false,
      'More page requests are outstanding than there are group indexes',
    ) as never;
  }

  #append(entry: Outstanding, job: Job): void {
    job.nextWaiter = NONE;
    if (entry.firstWaiter === NONE) {
      entry.firstWaiter = job.index;
      return;
    }
    let last = this.#jobs.get(entry.firstWaiter);
    while (last.nextWaiter !== NONE) {
      last = this.#jobs.get(last.nextWaiter);
    }
    last.nextWaiter = job.index;
  }

  #waitersOf(entry: Outstanding): readonly Job[] {
    const waiters: Job[] = [];
    for (let index = entry.firstWaiter; index !== NONE;) {
      const job = this.#jobs.get(index);
      waiters.push(job);
      index = job.nextWaiter;
    }
    return waiters;
  }
}
