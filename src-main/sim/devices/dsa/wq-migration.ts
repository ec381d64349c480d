/**
 * Saving and restoring one work queue, the assignable device interface, for migration. Scalable IOV asks devices for it;
 * DSA 3.0 section 7.5.7 leaves it to software that drains, so this is the device's own way: pause, wait, save, restore,
 * resume. Siblings of the queue notice nothing.
 *
 * What is saved: WQCFG, the descriptors that wait, and the bytes staged at the portals. IMS entries and PASIDs belong to
 * the host and are not part of it; a changed PASID is translated while restoring.
 */
import { DESCRIPTOR_WORDS } from '../../../spec/dsa/descriptor.ts';
import { WQ_STATE } from '../../../spec/dsa/wq-config.ts';
import { WQ_PAUSED, WQ_RESTORED, WQ_RESUMED } from '../../../spec/events/dsa.ts';
import type { DsaUnits } from './units.ts';

export interface SavedDescriptor {
  readonly words: Uint32Array;
  readonly pasid: number;
  readonly isPrivileged: boolean;
  readonly portal: number;
}

export interface WqMigrationState {
  readonly version: 1;
  /** WQCFG as configured. */
  readonly config: Uint32Array;
  /** Oldest first. */
  readonly descriptors: readonly SavedDescriptor[];
  readonly stagedWords: Uint32Array;
  readonly isOccupancyInterruptGenerated: boolean;
}

/** Why a queue cannot be saved or restored now. */
export type MigrationProblem =
  'not paused' | 'in progress' | 'not enabled' | 'other mode' | 'no room';

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
    const { wqs, wqConfig, counters, trace, source } = this.#u;
    if (wqs.state[wq] !== WQ_STATE.enabled) {
      return 'not enabled';
    }
    const wasDedicated = (state.config[2] as number) & 1;
    if (wasDedicated !== wqConfig.decode(wq).mode) {
      return 'other mode';
    }
    const room = (wqs.size[wq] as number) - (wqs.occupancy[wq] as number);
    if (state.descriptors.length > room) {
      return 'no room';
    }
    for (const { words, pasid, isPrivileged, portal } of state.descriptors) {
      const own = wasDedicated === 1 ? wqs.dedicatedPasid(wq) : translatePasid(pasid);
      wqs.push(wq, words, own, isPrivileged ? 1 : 0, portal, counters.pasidRow(own));
    }
    wqs.staged.set(state.stagedWords, wq * DESCRIPTOR_WORDS);
    wqs.occupancyGenerated[wq] = state.isOccupancyInterruptGenerated ? 1 : 0;
    trace.record(WQ_RESTORED, source, wq, state.descriptors.length);
    if (wqs.isPaused[wq] === 0) {
      this.#wake(wq);
    }
    return undefined;
  }

  #wake(wq: number): void {
    const { wqs, arbiter, engines, settings } = this.#u;
    const group = wqs.group[wq] as number;
    if (wqs.occupancy[wq] !== 0 && group >= 0) {
      arbiter.add(wq);
      for (let i = 0; i < settings.engines && engines.wakeGroup(group); i++);
    }
  }
}
