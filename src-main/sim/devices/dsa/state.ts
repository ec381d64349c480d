/** The state of an accelerator as plain data, and back. */
import type { AtcState } from '../../pcie/address-translation-cache.ts';
import type { BatchesState } from './batches.ts';
import type { CommandState } from './commands.ts';
import type { CompletedRingState } from './completed-ring.ts';
import type { CountersState } from './counters.ts';
import type { DrainsState } from './drains.ts';
import type { EnginesState } from './engines.ts';
import type { GroupArbiterState } from './group-arbiter.ts';
import type { InterDomainState } from './inter-domain.ts';
import type { DsaInterruptsState } from './interrupts.ts';
import type { JobPoolState, JobStateData } from './job.ts';
import type { PageRequestsState } from './page-requests.ts';
import type { PerfmonState } from './perfmon.ts';
import type { StreamState } from './stream.ts';
import type { DsaUnits } from './units.ts';
import type { WorkQueuesState } from './work-queues.ts';

export interface DsaState {
  readonly version: 1;
  readonly config: Uint32Array;
  readonly registers: Uint32Array;
  readonly groups: Uint32Array;
  readonly wqConfig: Uint32Array;
  readonly wqs: WorkQueuesState;
  readonly arbiter: GroupArbiterState;
  readonly engines: EnginesState;
  readonly classes: { readonly tcA: Uint8Array; readonly tcB: Uint8Array };
  readonly jobs: JobPoolState;
  readonly batches: BatchesState;
  readonly drains: DrainsState;
  readonly logWaiters: readonly number[];
  readonly atc: AtcState;
  readonly pageRequests: PageRequestsState;
  readonly stream: StreamState;
  readonly interrupts: DsaInterruptsState;
  readonly log: JobStateData;
  readonly interDomain: InterDomainState;
  readonly commands: CommandState;
  readonly counters: CountersState;
  readonly perfmon: PerfmonState;
  readonly completed: CompletedRingState;
  /** Virtual functions of the SR-IOV form, all that could be, by number. */
  readonly vfs?: readonly DsaState[];
}

export function snapshotUnits(u: DsaUnits): DsaState {
  return {
    version: 1,
    config: u.config.snapshot(),
    registers: u.registers.file.snapshot(),
    groups: u.groups.snapshot(),
    wqConfig: u.wqConfig.snapshot(),
    wqs: u.wqs.snapshot(),
    arbiter: u.arbiter.snapshot(),
    engines: u.engines.snapshot(),
    classes: { tcA: u.classes.tcA.slice(), tcB: u.classes.tcB.slice() },
    jobs: u.jobs.snapshot(),
    batches: u.batches.snapshot(),
    drains: u.drains.snapshot(),
    logWaiters: [...u.executor.logWaiters],
    atc: u.atc.snapshot(),
    pageRequests: u.pageRequests.snapshot(),
    stream: u.stream.snapshot(),
    interrupts: u.interrupts.snapshot(),
    log: u.log.snapshot(),
    interDomain: u.interDomain.snapshot(),
    commands: u.commands.snapshot(),
    counters: u.counters.snapshot(),
    perfmon: u.perfmon.snapshot(),
    completed: u.completed.snapshot(),
  };
}

export function restoreUnits(u: DsaUnits, state: DsaState): void {
  u.config.restore(state.config);
  u.pci.refresh();
  u.registers.file.restore(state.registers);
  u.registers.refresh();
  u.groups.restore(state.groups);
  u.wqConfig.restore(state.wqConfig);
  u.wqs.restore(state.wqs);
  u.arbiter.restore(state.arbiter);
  u.engines.restore(state.engines);
  u.classes.tcA.set(state.classes.tcA);
  u.classes.tcB.set(state.classes.tcB);
  u.jobs.restore(state.jobs);
  u.batches.restore(state.batches);
  u.drains.restore(state.drains);
  u.executor.restoreLogWaiters(state.logWaiters);
  u.atc.restore(state.atc);
  u.pageRequests.restore(state.pageRequests);
  u.pageRequests.allocation = u.pci.isPriEnabled ? u.pci.priAllocation : 0;
  u.stream.restore(state.stream);
  u.interrupts.restore(state.interrupts);
  u.log.restore(state.log);
  u.interDomain.restore(state.interDomain);
  u.commands.restore(state.commands);
  u.counters.restore(state.counters);
  u.perfmon.restore(state.perfmon);
  u.completed.restore(state.completed);
}
