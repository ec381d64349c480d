/**
 * What commands do to the device: enabling, disabling, resetting, dropping work. DSA 3.0 sections 3.15, 5.1 and 5.2.
 */
import { DEVICE_STATE } from '../../../spec/dsa/general-registers.ts';
import { WQ_MODE, WQ_STATE } from '../../../spec/dsa/wq-config.ts';
import {
  DESCRIPTOR_DROPPED,
  DEVICE_DISABLED,
  DEVICE_ENABLED,
  WQ_DISABLED,
  WQ_ENABLED,
  WQ_RESET,
} from '../../../spec/events/dsa.ts';
import type { CommandEffects } from './commands.ts';
import { COUNTER } from './counters.ts';
import { JOB_STATE } from './job.ts';
import { fractionOf } from './stream.ts';
import type { DsaUnits } from './units.ts';

const MIN_WORK_SLOTS = 2;

export interface EffectHooks {
  raiseCommandInterrupt(): void;
}

/** The address mode that the three enables give (DSA 3.0 section 9.1.3). */
function addressMode(isPasid: boolean, isAts: boolean, isPri: boolean): string {
  if (isAts) {
    return `translated by ATS${isPasid ? ' with PASID' : ''}${isPri ? ', pages can be requested' : ''}`;
  }
  return isPasid ? 'untranslated with PASID' : 'untranslated';
}

export class DsaEffects implements CommandEffects {
  readonly #units: () => DsaUnits;
  readonly #hooks: EffectHooks;

  /** The parts are built with these effects, so they are asked for when needed. */
  constructor(units: () => DsaUnits, hooks: EffectHooks) {
    this.#units = units;
    this.#hooks = hooks;
  }

  enableDevice(): void {
    const u = this.#units();
    const { groups, wqs, settings, registers, pci, trace, source } = u;
    const groupOf = new Int32Array(wqs.count).fill(-1);
    const values = Array.from({ length: groups.groups }, (_, group) => groups.decode(group));
    const assignments = Array.from({ length: settings.engines }, () => ({
      group: -1,
      workLimit: 0,
      batchLimit: 0,
    }));
    for (const [group, value] of values.entries()) {
      for (const wq of groups.wqsOf(group)) {
        groupOf[wq] = group;
      }
      const { profile } = settings;
      const workLimit = Math.max(
        MIN_WORK_SLOTS,
        profile.workInProgress * fractionOf(value.workLimit),
      );
      const batchLimit = Math.max(1, profile.batchInProgress * fractionOf(value.batchLimit));
      for (const engine of groups.enginesOf(group)) {
        assignments[engine] = { group, workLimit, batchLimit };
      }
      u.classes.tcA[group] = value.tcA;
      u.classes.tcB[group] = value.tcB;
    }
    wqs.assignStorage(groupOf);
    u.arbiter.clear();
    u.engines.configure(assignments);
    u.stream.configure(
      values,
      settings.readBuffers,
      registers.get('GENCFG', 'globalReadBufferLimit'),
    );
    if (u.log.isOn) {
      registers.set('EVLSTATUS', 'head', 0);
      registers.set('EVLSTATUS', 'tail', 0);
      registers.set('EVLSTATUS', 'interruptPending', 0);
    }
    registers.state = DEVICE_STATE.enabled;
    const active = Array.from(wqs.size).filter((size) => size > 0).length;
    trace.record(
      DEVICE_ENABLED,
      source,
      active,
      addressMode(pci.isPasidEnabled, pci.isAtsEnabled, pci.isPriEnabled),
    );
  }

  disableDevice(): void {
    const { wqs, registers, trace, source } = this.#units();
    for (let wq = 0; wq < wqs.count; wq++) {
      if (wqs.state[wq] !== WQ_STATE.disabled) {
        this.disableWq(wq);
      }
    }
    registers.state = DEVICE_STATE.disabled;
    trace.record(DEVICE_DISABLED, source);
  }

  resetDevice(): void {
    const u = this.#units();
    this.clearWork();
    u.counters.clear();
    u.completed.clear();
    u.registers.reset(false);
    u.groups.reset();
    u.wqConfig.reset();
    u.interDomain.reset();
    u.interrupts.msix.clearPending();
    u.interrupts.msix.resetPermissions();
    u.interrupts.ims.reset();
    u.registers.state = DEVICE_STATE.disabled;
    u.trace.record(DEVICE_DISABLED, u.source);
  }

  enableWq(wq: number): void {
    const { wqs, wqConfig, pci, trace, source, occupancy } = this.#units();
    const config = wqConfig.decode(wq);
    const usesAts = pci.isAtsEnabled && config.atsDisable === 0;
    wqs.enable(wq, { usesAts, usesPrs: usesAts && pci.isPriEnabled && config.prsDisable === 0 });
    const pasid = config.mode === WQ_MODE.dedicated ? wqs.dedicatedPasid(wq) : -1;
    trace.record(WQ_ENABLED, source, wq, config.mode, config.size, pasid);
    occupancy.check(wq);
  }

  disableWq(wq: number): void {
    const { wqs, arbiter, trace, source } = this.#units();
    arbiter.forget(wq);
    wqs.disable(wq);
    trace.record(WQ_DISABLED, source, wq);
  }

  /** The interface forgets its owner; siblings are not touched. */
  resetWq(wq: number): void {
    const { wqs, wqConfig, arbiter, counters, trace, source } = this.#units();
    arbiter.forget(wq);
    wqs.disable(wq);
    wqs.clearWq(wq);
    wqConfig.resetWq(wq);
    counters.clearWq(wq);
    trace.record(WQ_RESET, source, wq);
  }

  abort(isMatching: (wq: number, pasid: number) => boolean): void {
    const { wqs, jobs, executor } = this.#units();
    for (let wq = 0; wq < wqs.count; wq++) {
      if (wqs.hasWork(wq)) {
        this.#dropQueued(wq, isMatching);
      }
    }
    for (const job of jobs.active()) {
      const isWaiting =
        job.state === JOB_STATE.waitingForPage ||
        job.state === JOB_STATE.waitingForRecordPage ||
        job.state === JOB_STATE.waitingToComplete;
      if (isWaiting && isMatching(job.wq, job.pasid)) {
        executor.abandonWait(job);
      }
    }
  }

  raiseCommandInterrupt(): void {
    this.#hooks.raiseCommandInterrupt();
  }

  /** Everything in progress vanishes, as in a reset. */
  clearWork(): void {
    const u = this.#units();
    u.jobs.clear();
    u.wqs.clear();
    u.arbiter.clear();
    u.engines.clear();
    u.batches.clear();
    u.drains.clear();
    u.executor.clear();
    u.pageRequests.clear();
    u.stream.clear();
  }

  #dropQueued(wq: number, isMatching: (wq: number, pasid: number) => boolean): void {
    const { wqs, arbiter, counters, commands, occupancy, trace, source } = this.#units();
    const dropped = wqs.filter(wq, (descriptor) => !isMatching(wq, descriptor.pasid));
    if (!wqs.hasWork(wq)) {
      arbiter.remove(wq);
    }
    for (const { words, pasid, admission, seq } of dropped) {
      const saved = trace.enter(seq);
      counters.add(COUNTER.dropped, wq, counters.pasidRow(pasid));
      trace.record(DESCRIPTOR_DROPPED, source, wq, (words[1] as number) >>> 24, pasid);
      trace.cause = saved;
      commands.onDescriptorOver(admission, wq, pasid);
    }
    if (dropped.length > 0) {
      occupancy.check(wq);
    }
  }
}
