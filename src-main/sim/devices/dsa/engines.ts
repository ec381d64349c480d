/**
 * Engines: each serves the queues of its group, and the batches it has taken, one dispatch after the other, with a limited
 * number of descriptors in progress. DSA 3.0 sections 3.4, 3.9 and 4.
 *
 * An engine takes queue and batch descriptors in turn when both are there. The last work slot is kept for members of
 * batches, so that waiting drains cannot starve the batch they wait for.
 */
import type { Snapshotable } from '../../core/snapshot.ts';
import type { EventQueue } from '../../core/event-queue.ts';
import type { Trace } from '../../core/trace.ts';
import { OPCODE } from '../../../spec/dsa/operations.ts';
import { DESCRIPTOR_DISPATCHED, MEMBER_DISPATCHED } from '../../../spec/events/dsa.ts';
import type { Batches } from './batches.ts';
import { COUNTER, type DsaCounters } from './counters.ts';
import { EVENT } from './executor.ts';
import type { GroupArbiter } from './group-arbiter.ts';
import { JOB_STATE, type Job, type JobPool } from './job.ts';
import type { DsaTiming } from './timing.ts';
import type { WorkQueues } from './work-queues.ts';

export interface EngineView {
  readonly index: number;
  /** -1: in no group. */
  readonly group: number;
  readonly workInProgress: number;
  readonly workLimit: number;
  readonly batchesInProgress: number;
  readonly batchLimit: number;
}

interface Engine {
  readonly index: number;
  group: number;
  workLimit: number;
  batchLimit: number;
  workInUse: number;
  batchInUse: number;
  freeNs: number;
  isScheduled: boolean;
  isBatchTurn: boolean;
  /** Jobs of batches with members to issue. */
  batches: number[];
}

export interface EnginesState {
  readonly engines: readonly Readonly<Engine>[];
  readonly nextOfGroup: Uint32Array;
}

export interface EngineUnits {
  readonly queue: EventQueue;
  readonly target: number;
  readonly trace: Trace;
  readonly source: number;
  readonly timing: DsaTiming;
  readonly jobs: JobPool;
  readonly wqs: WorkQueues;
  readonly arbiter: GroupArbiter;
  readonly batches: Batches;
  readonly counters: DsaCounters;
  readonly hooks: {
    start(job: Job): void;
    /** A queue lost its oldest descriptor to an engine. */
    onDispatched(wq: number): void;
  };
}

export interface EngineAssignment {
  readonly group: number;
  readonly workLimit: number;
  readonly batchLimit: number;
}

/** Traffic classes of each group. */
export interface GroupClasses {
  readonly tcA: Uint8Array;
  readonly tcB: Uint8Array;
}

export class Engines implements Snapshotable<EnginesState> {
  readonly #u: EngineUnits;
  readonly #engines: Engine[];
  readonly #classes: GroupClasses;
  /** Engines of each group, and where the search for an idle one starts. */
  #members: readonly (readonly Engine[])[] = [];
  readonly #nextOfGroup: Uint32Array;

  constructor(count: number, groups: number, classes: GroupClasses, units: EngineUnits) {
    this.#u = units;
    this.#classes = classes;
    this.#nextOfGroup = new Uint32Array(groups);
    this.#engines = Array.from({ length: count }, (_, index) => ({
      index,
      group: -1,
      workLimit: 0,
      batchLimit: 0,
      workInUse: 0,
      batchInUse: 0,
      freeNs: 0,
      isScheduled: false,
      isBatchTurn: false,
      batches: [],
    }));
    this.#regroup();
  }

  /** Takes the assignment of engines to groups: Enable Device. */
  configure(assignments: readonly EngineAssignment[]): void {
    for (const [i, assignment] of assignments.entries()) {
      Object.assign(this.#engines[i] as Engine, assignment);
    }
    this.#regroup();
  }

  views(): readonly EngineView[] {
    return this.#engines.map((e) => ({
      index: e.index,
      group: e.group,
      workInProgress: e.workInUse,
      workLimit: e.workLimit,
      batchesInProgress: e.batchInUse,
      batchLimit: e.batchLimit,
    }));
  }

  /** Work has come for a group: one idle engine is woken. False when none is idle. */
  wakeGroup(group: number): boolean {
    const members = this.#members[group] as readonly Engine[];
    const first = this.#nextOfGroup[group] as number;
    for (let i = 0; i < members.length; i++) {
      const at = first + i < members.length ? first + i : first + i - members.length;
      const engine = members[at] as Engine;
      if (!engine.isScheduled && engine.workInUse < engine.workLimit) {
        this.#nextOfGroup[group] = at + 1 < members.length ? at + 1 : 0;
        this.#wake(engine);
        return true;
      }
    }
    return false;
  }

  /** A batch has members to issue. */
  offerBatch(job: Job): void {
    const engine = this.#engines[job.engine] as Engine;
    engine.batches.push(job.index);
    this.#wake(engine);
  }

  /** The event `EVENT.dispatch`. */
  dispatch(index: number): void {
    const engine = this.#engines[index] as Engine;
    engine.isScheduled = false;
    const isMemberFirst = engine.isBatchTurn;
    const isTaken = isMemberFirst
      ? this.#issueMember(engine) || this.#takeDescriptor(engine)
      : this.#takeDescriptor(engine) || this.#issueMember(engine);
    if (isTaken) {
      this.#wake(engine);
    }
  }

  /** A job is over and gives its slot back. */
  release(job: Job): void {
    const engine = this.#engines[job.engine] as Engine;
    if (job.usesBatchSlot === 1) {
      engine.batchInUse--;
      if (this.#u.arbiter.unpark(engine.group)) {
        this.wakeGroup(engine.group);
      }
    } else {
      engine.workInUse--;
    }
    this.#wake(engine);
  }

  clear(): void {
    for (const engine of this.#engines) {
      engine.workInUse = 0;
      engine.batchInUse = 0;
      engine.freeNs = 0;
      engine.isScheduled = false;
      engine.isBatchTurn = false;
      engine.batches = [];
    }
    this.#nextOfGroup.fill(0);
  }

  snapshot(): EnginesState {
    return {
      engines: this.#engines.map((e) => ({ ...e, batches: [...e.batches] })),
      nextOfGroup: this.#nextOfGroup.slice(),
    };
  }

  restore(state: EnginesState): void {
    for (const saved of state.engines) {
      Object.assign(this.#engines[saved.index] as Engine, {
        ...saved,
        batches: [...saved.batches],
      });
    }
    this.#nextOfGroup.set(state.nextOfGroup);
    this.#regroup();
  }

  #regroup(): void {
    this.#members = Array.from(this.#nextOfGroup, (_, group) =>
      this.#engines.filter((e) => e.group === group),
    );
  }

  /** Schedules the next dispatch, unless one is due already or there is nothing to do. */
  #wake(engine: Engine): void {
    if (engine.isScheduled || engine.group < 0 || engine.workInUse >= engine.workLimit) {
      return;
    }
    const hasMember = engine.batches.length > 0;
    if (!hasMember && !this.#u.arbiter.hasWork(engine.group)) {
      return;
    }
    const { queue, timing, target } = this.#u;
    const from = engine.freeNs > queue.nowNs ? engine.freeNs : queue.nowNs;
    const due = from + (hasMember ? timing.memberNs : timing.dispatchNs);
    engine.freeNs = due;
    engine.isScheduled = true;
    queue.schedule(due - queue.nowNs, target, EVENT.dispatch, engine.index);
  }

  #takeDescriptor(engine: Engine): boolean {
    const { arbiter, wqs, jobs, counters } = this.#u;
    // A slot is kept for members of batches.
    if (engine.workInUse >= engine.workLimit - 1) {
      return false;
    }
    for (;;) {
      const wq = arbiter.take(engine.group);
      if (wq < 0) {
        return false;
      }
      const isBatch = wqs.headOperation(wq) === OPCODE.batch;
      if (isBatch && engine.batchInUse >= engine.batchLimit) {
        arbiter.park(wq);
        continue;
      }
      const job = jobs.take();
      wqs.pop(wq, job);
      (wqs.inProgress[wq] as number)++;
      arbiter.spend(wq, wqs.hasWork(wq));
      this.#place(engine, job, isBatch);
      job.parent = -1;
      job.memberIndex = 0;
      counters.addWithEngine(COUNTER.dispatched, wq, job.pasidRow, engine.index);
      engine.isBatchTurn = engine.batches.length > 0;
      this.#u.hooks.onDispatched(wq);
      this.#launch(job, engine);
      return true;
    }
  }

  #issueMember(engine: Engine): boolean {
    const { batches, jobs, counters } = this.#u;
    while (engine.batches.length > 0) {
      const batch = jobs.get(engine.batches.shift() as number);
      if (batches.canIssue(batch)) {
        const member = jobs.take();
        const hasMore = batches.issue(batch, member);
        if (hasMore) {
          engine.batches.push(batch.index);
        }
        this.#inherit(member, batch);
        this.#place(engine, member, false);
        counters.addWithEngine(COUNTER.batchMembers, batch.wq, batch.pasidRow, engine.index);
        engine.isBatchTurn = false;
        this.#launch(member, engine);
        return true;
      }
    }
    return false;
  }

  /** PASID, privilege and portal of a member are those of the batch, whatever its bytes say. */
  #inherit(member: Job, batch: Job): void {
    member.wq = batch.wq;
    member.pasid = batch.pasid;
    member.priv = batch.priv;
    member.portal = batch.portal;
    member.pasidRow = batch.pasidRow;
    member.admission = batch.admission;
    member.seq = batch.seq;
    member.usesAts = batch.usesAts;
    member.usesPrs = batch.usesPrs;
  }

  #place(engine: Engine, job: Job, isBatch: boolean): void {
    job.engine = engine.index;
    job.group = engine.group;
    job.tcA = this.#classes.tcA[engine.group] as number;
    job.tcB = this.#classes.tcB[engine.group] as number;
    job.limit = this.#u.wqs.maxTransfer[job.wq] as number;
    job.usesBatchSlot = isBatch ? 1 : 0;
    job.state = JOB_STATE.starting;
    if (isBatch) {
      engine.batchInUse++;
    } else {
      engine.workInUse++;
    }
  }

  #launch(job: Job, engine: Engine): void {
    const { trace, source } = this.#u;
    const saved = trace.enter(job.seq);
    if (trace.isOn) {
      const isMember = job.parent >= 0;
      trace.begin(isMember ? MEMBER_DISPATCHED : DESCRIPTOR_DISPATCHED, source);
      trace.num(job.wq);
      trace.num(engine.index);
      if (isMember) {
        trace.num(job.memberIndex);
        trace.num((job.words[1] as number) >>> 24);
      } else {
        trace.num((job.words[1] as number) >>> 24);
        trace.num(job.pasid);
        trace.num(this.#u.wqs.occupancy[job.wq] as number);
      }
      trace.end();
    }
    this.#u.hooks.start(job);
    trace.cause = saved;
  }
}
