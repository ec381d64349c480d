/**
 * Saving and restoring one work queue, the assignable device interface, for migration. Scalable IOV asks devices for it;
 * DSA 3.0 section 7.5.7 leaves it to software that drains, so this is the device's own way: pause, wait for what ends by
 * itself, withdraw what waits for pages, save, restore, resume. Siblings of the queue notice nothing.
 *
 * What is saved: WQCFG, the descriptors that wait, those that were under way with their progress at a chunk border, and the
 * bytes staged at the portals. IMS entries and PASIDs belong to the host and are not part of it; a changed PASID is
 * translated while restoring.
 *
 * Not modelled: withdrawing batches and inter-domain operations, whose members and handles belong to the device. They have
 * to end before the queue can be saved.
 */
import { DESCRIPTOR_WORDS } from '../../../spec/dsa/descriptor.ts';
import { WQ_STATE } from '../../../spec/dsa/wq-config.ts';
import { WQ_PAUSED, WQ_RESTORED, WQ_RESUMED, WQ_WITHDRAWN } from '../../../spec/events/dsa.ts';
import { NO_CAUSE } from '../../core/trace.ts';
import { COUNTER } from './counters.ts';
import { JOB_STATE, type Job, type JobProgress } from './job.ts';
import type { DsaUnits } from './units.ts';

export interface SavedDescriptor {
  readonly words: Uint32Array;
  readonly pasid: number;
  readonly isPrivileged: boolean;
  readonly portal: number;
  /** Of a descriptor that was under way: how far. */
  readonly progress?: JobProgress;
}

export interface WqMigrationState {
  readonly version: 1;
  /** WQCFG as configured. */
  readonly config: Uint32Array;
  /** Those that an engine had, oldest first. */
  readonly inFlight: readonly SavedDescriptor[];
  /** Those that waited in the queue, oldest first. */
  readonly descriptors: readonly SavedDescriptor[];
  readonly stagedWords: Uint32Array;
  readonly isOccupancyInterruptGenerated: boolean;
}

/** Why a queue cannot be saved or restored now. */
export type MigrationProblem =
  'not paused' | 'in progress' | 'not enabled' | 'other mode' | 'no room';

/** States in which a descriptor can leave its engine; a drain starts anew. */
const LEAVING: ReadonlySet<number> = new Set([
  JOB_STATE.draining,
  JOB_STATE.waitingForPage,
  JOB_STATE.waitingForRecordPage,
  JOB_STATE.waitingToComplete,
]);

function canLeave(job: Job): boolean {
  const isAlone =
    job.parent < 0 && job.usesBatchSlot === 0 && job.domain1Pasid < 0 && job.domain2Pasid < 0;
  return isAlone && LEAVING.has(job.state);
}

export class WqMigration {
  readonly #u: DsaUnits;

  constructor(units: DsaUnits) {
    this.#u = units;
  }

  /** Stops dispatching. Descriptors in progress go on; new ones are still taken. */
  pause(wq: number): void {
    const { wqs, arbiter, trace, source } = this.#u;
    wqs.isPaused[wq] = 1;
    arbiter.remove(wq);
    trace.record(WQ_PAUSED, source, wq, wqs.inProgress[wq] as number);
  }

  resume(wq: number): void {
    const { wqs, trace, source } = this.#u;
    wqs.isPaused[wq] = 0;
    trace.record(WQ_RESUMED, source, wq);
    this.#wake(wq);
  }

  /**
   * Takes the descriptors that wait for pages, and drains that wait for them, from the engines back to a paused queue, so
   * that a page which never comes does not hold up a migration. Answers to their page requests find nobody. Gives how many.
   */
  withdraw(wq: number): number {
    const { wqs, jobs, trace, source } = this.#u;
    if (wqs.isPaused[wq] === 0) {
      return 0;
    }
    const leaving = jobs.active().filter((job) => job.wq === wq && canLeave(job));
    for (const job of leaving) {
      this.#takeBack(job);
    }
    trace.record(WQ_WITHDRAWN, source, wq, leaving.length, wqs.inProgress[wq] as number);
    return leaving.length;
  }

  /** The state of a paused queue with nothing in progress. */
  save(wq: number): WqMigrationState | MigrationProblem {
    const { wqs, wqConfig } = this.#u;
    if (wqs.isPaused[wq] === 0) {
      return 'not paused';
    }
    if (wqs.inProgress[wq] !== 0) {
      return 'in progress';
    }
    return {
      version: 1,
      config: wqConfig.copy(wq),
      inFlight: wqs.returned(wq).map(({ words, pasid, isPrivileged, portal, progress }) => ({
        ...{ words, pasid, isPrivileged, portal },
        ...(progress === undefined ? {} : { progress }),
      })),
      descriptors: wqs
        .queued(wq)
        .map(({ words, pasid, isPrivileged, portal }) => ({ words, pasid, isPrivileged, portal })),
      stagedWords: wqs.staged.slice(wq * DESCRIPTOR_WORDS, (wq + 1) * DESCRIPTOR_WORDS),
      isOccupancyInterruptGenerated: wqs.occupancyGenerated[wq] === 1,
    };
  }

  /** Puts saved descriptors behind those that the queue holds. The queue has been configured and enabled by the host. */
  restore(
    wq: number,
    state: WqMigrationState,
    translatePasid: (pasid: number) => number = (pasid) => pasid,
  ): MigrationProblem | undefined {
    const { wqs, wqConfig, trace, source } = this.#u;
    if (wqs.state[wq] !== WQ_STATE.enabled) {
      return 'not enabled';
    }
    const wasDedicated = ((state.config[2] as number) & 1) === 1;
    if (Number(wasDedicated) !== wqConfig.decode(wq).mode) {
      return 'other mode';
    }
    const room = (wqs.size[wq] as number) - (wqs.occupancy[wq] as number);
    if (state.descriptors.length > room) {
      return 'no room';
    }
    const pasidOf = (pasid: number): number =>
      wasDedicated ? wqs.dedicatedPasid(wq) : translatePasid(pasid);
    this.#accept(wq, state, pasidOf);
    wqs.staged.set(state.stagedWords, wq * DESCRIPTOR_WORDS);
    wqs.occupancyGenerated[wq] = state.isOccupancyInterruptGenerated ? 1 : 0;
    const count = state.inFlight.length + state.descriptors.length;
    trace.record(WQ_RESTORED, source, wq, count);
    if (wqs.isPaused[wq] === 0) {
      this.#wake(wq);
    }
    return undefined;
  }

  #accept(
    wq: number,
    { inFlight, descriptors }: WqMigrationState,
    pasidOf: (pasid: number) => number,
  ): void {
    const { wqs, counters } = this.#u;
    for (const { words, pasid, isPrivileged, portal, progress } of inFlight) {
      const own = pasidOf(pasid);
      wqs.giveBack(wq, {
        ...{ words, isPrivileged, portal, progress, pasid: own },
        pasidRow: counters.pasidRow(own),
        seq: NO_CAUSE,
        admission: wqs.admit(),
      });
    }
    for (const { words, pasid, isPrivileged, portal } of descriptors) {
      const own = pasidOf(pasid);
      wqs.push(wq, words, own, isPrivileged ? 1 : 0, portal, counters.pasidRow(own));
    }
  }

  #takeBack(job: Job): void {
    const { wqs, pageRequests, drains, engines, jobs, counters } = this.#u;
    const isDrain = job.state === JOB_STATE.draining;
    if (isDrain) {
      drains.forget(job);
    } else {
      pageRequests.forget(job);
    }
    wqs.giveBack(job.wq, {
      words: job.words.slice(),
      pasid: job.pasid,
      isPrivileged: job.isPrivileged,
      portal: job.portal,
      seq: job.seq,
      admission: job.admission,
      pasidRow: job.pasidRow,
      progress: isDrain ? undefined : job.saveProgress(),
    });
    (wqs.inProgress[job.wq] as number)--;
    counters.addWithEngine(COUNTER.dispatched, job.wq, job.pasidRow, job.engine, -1);
    job.state = JOB_STATE.free;
    engines.release(job);
    jobs.release(job);
  }

  #wake(wq: number): void {
    const { wqs, arbiter, engines, settings } = this.#u;
    const group = wqs.group[wq] as number;
    if (wqs.hasWork(wq) && group >= 0) {
      arbiter.add(wq);
      for (let i = 0; i < settings.engines && engines.wakeGroup(group); i++);
    }
  }
}
