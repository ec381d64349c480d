/**
 * The parts of one accelerator, built and joined. Where two parts need each other, the later one is reached through a
 * function that is called only after everything exists.
 */
import { OPCODE } from '../../../spec/dsa/operations.ts';
import { OCCUPANCY_REACHED, WINDOW_UPDATED } from '../../../spec/events/dsa.ts';
import type { RegisterBlock } from '../../../bits/register-block.ts';
import type { RegisterWrite } from '../../core/register-file.ts';
import type { EventQueue } from '../../core/event-queue.ts';
import type { Trace } from '../../core/trace.ts';
import { ConfigSpace } from '../../pcie/config-space.ts';
import { FunctionCapabilities, type SwitchName } from '../../pcie/function-capabilities.ts';
import type { UpstreamPort } from '../../pcie/ports.ts';
import { AddressTranslationCache } from '../../pcie/address-translation-cache.ts';
import { Bar0 } from './bar0.ts';
import { BatchModel, Batches } from './batches.ts';
import { capabilitiesOf, type DsaCapabilities } from './capabilities.ts';
import { Commands, type CommandEffects } from './commands.ts';
import { CompletedRing } from './completed-ring.ts';
import { Completion } from './completion.ts';
import type { DsaSettings } from './config.ts';
import { dsaConfigSpace } from './config-space.ts';
import { DsaCounters } from './counters.ts';
import { DescriptorCheck } from './descriptor-check.ts';
import { Drains } from './drains.ts';
import { Engines, type GroupClasses } from './engines.ts';
import { ErrorReport } from './error-report.ts';
import { EventLog } from './event-log.ts';
import { Executor } from './executor.ts';
import { GroupArbiter } from './group-arbiter.ts';
import { GroupConfigTable } from './group-config-table.ts';
import { InterDomain } from './inter-domain.ts';
import { DsaInterrupts, TABLE } from './interrupts.ts';
import { JobPool, type Job } from './job.ts';
import { MemoryAccess } from './memory-access.ts';
import { operationModels } from './models.ts';
import { interDomainModels } from './operations/inter-domain.ts';
import { UpdateWindow } from './operations/update-window.ts';
import { PageRequests } from './page-requests.ts';
import { Perfmon } from './perfmon.ts';
import { Portals } from './portals.ts';
import { DsaRegisters } from './registers.ts';
import { Stream, type DataPath } from './stream.ts';
import { DSA_TIMING } from './timing.ts';
import { WorkQueues } from './work-queues.ts';
import { WqConfigTable } from './wq-config-table.ts';

export interface DsaEnvironment {
  readonly settings: DsaSettings;
  readonly port: UpstreamPort;
  readonly queue: EventQueue;
  readonly trace: Trace;
  readonly source: number;
  /** Number of the device in the event queue. */
  readonly target: number;
  /** Configuration space, when it is not the usual one. */
  readonly configBlock: RegisterBlock | undefined;
  readonly dataPath: DataPath;
  readonly onConfigWrite: ((write: RegisterWrite) => void) | undefined;
}

/** What the parts ask of the device as a whole. */
export interface DsaHooks {
  onFunctionLevelReset(): void;
  onSwitch(name: SwitchName, isOn: boolean): void;
  onRegisterWrite(write: RegisterWrite): void;
  onOver(job: Job): void;
  readonly effects: CommandEffects;
  /** Interrupt 0, with its bit in INTCAUSE. */
  raiseCause(
    cause:
      | 'softwareError'
      | 'command'
      | 'occupancy'
      | 'perfmon'
      | 'halt'
      | 'eventLog'
      | 'handlesRevoked',
  ): void;
  isHalted(): boolean;
  isDeviceDisabled(): boolean;
}

interface FunctionUnits {
  readonly config: ConfigSpace;
  readonly pci: FunctionCapabilities;
  readonly interrupts: DsaInterrupts;
}

interface StorageUnits {
  readonly registers: DsaRegisters;
  readonly groups: GroupConfigTable;
  readonly wqConfig: WqConfigTable;
  readonly wqs: WorkQueues;
  readonly arbiter: GroupArbiter;
  readonly counters: DsaCounters;
  readonly perfmon: Perfmon;
  readonly jobs: JobPool;
}

interface MemoryUnits {
  readonly atc: AddressTranslationCache;
  readonly memory: MemoryAccess;
  readonly pageRequests: PageRequests;
  readonly stream: Stream;
}

interface ReportingUnits {
  readonly log: EventLog;
  readonly errors: ErrorReport;
  readonly interDomain: InterDomain;
}

type Parts = FunctionUnits &
  StorageUnits &
  MemoryUnits &
  ReportingUnits & { readonly capabilities: DsaCapabilities };

interface ExecutionUnits {
  readonly check: DescriptorCheck;
  readonly batches: Batches;
  readonly drains: Drains;
  readonly completion: Completion;
  readonly executor: Executor;
  readonly engines: Engines;
  readonly commands: Commands;
  /** Traffic classes of each group. */
  readonly classes: GroupClasses;
  readonly occupancy: OccupancyWatch;
}

/** Everything a device consists of. */
export type DsaUnits = DsaEnvironment &
  Parts &
  ExecutionUnits & {
    readonly bar0: Bar0;
    readonly portals: Portals;
    readonly completed: CompletedRing;
  };

const IDPT_HANDLES = 16;
const DEVFN_FUNCTION_MASK = 7;

function buildFunction(env: DsaEnvironment, hooks: DsaHooks): FunctionUnits {
  const { settings, port, trace, source } = env;
  const interrupts = new DsaInterrupts(port, trace, source, {
    msixEntries: settings.msixEntries,
    imsEntries: settings.imsEntries,
    handleCount: settings.interruptHandles,
    canSend: () => pci.isBusMaster,
  });
  const config = new ConfigSpace({
    block: env.configBlock ?? dsaConfigSpace(settings, port.rid & DEVFN_FUNCTION_MASK),
    trace,
    source,
    onDidWrite: (write) => {
      pci.onDidWrite(write);
      env.onConfigWrite?.(write);
    },
  });
  const pci: FunctionCapabilities = new FunctionCapabilities(
    config,
    {
      barBytes: [settings.bar0Bytes, 0, settings.bar2Bytes, 0, 0, 0],
      onFunctionLevelReset: () => {
        hooks.onFunctionLevelReset();
      },
      onDidSwitch: (name, isOn) => {
        hooks.onSwitch(name, isOn);
      },
    },
    interrupts.msix,
    trace,
    source,
  );
  return { config, pci, interrupts };
}

function buildStorage(
  env: DsaEnvironment,
  hooks: DsaHooks,
  capabilities: DsaCapabilities,
): StorageUnits {
  const { settings } = env;
  const registers = new DsaRegisters(capabilities, {
    onDidWrite: (write) => {
      hooks.onRegisterWrite(write);
    },
    isLocked: (register) =>
      !hooks.isDeviceDisabled() ||
      (register.name === 'GENCFG' && capabilities.gencap.configuration === 0),
  });
  const groups = new GroupConfigTable(capabilities);
  const wqConfig = new WqConfigTable(capabilities);
  const wqs = new WorkQueues(wqConfig, capabilities);
  const arbiter = new GroupArbiter(settings.groups, wqs.group, wqs.priority);
  // One row more than there are queues and engines: the device's own accesses.
  const counters = new DsaCounters(settings.wqs + 1, settings.engines + 1);
  const perfmon = new Perfmon(counters, () => {
    hooks.raiseCause('perfmon');
  });
  const jobs = new JobPool();
  return { registers, groups, wqConfig, wqs, arbiter, counters, perfmon, jobs };
}

function buildMemory(
  env: DsaEnvironment,
  { counters, jobs, pci }: StorageUnits & FunctionUnits,
): MemoryUnits {
  const atc = new AddressTranslationCache(env.settings.atcEntries);
  const { port, trace, source } = env;
  const memory = new MemoryAccess({
    ...{ port, trace, source, atc, counters },
    timing: DSA_TIMING,
    onRefused: (status) => {
      pci.noteRefusal(status);
    },
  });
  const pageRequests = new PageRequests(env.port, jobs);
  const stream = new Stream(env.settings.groups, DSA_TIMING, env.dataPath);
  return { atc, memory, pageRequests, stream };
}

function buildReporting(
  env: DsaEnvironment,
  hooks: DsaHooks,
  { registers, counters, memory, pci }: StorageUnits & MemoryUnits & FunctionUnits,
): ReportingUnits {
  const { settings, trace, source } = env;
  const deviceRow = { wq: settings.wqs, engine: settings.engines, pasidRow: counters.pasidRow(-1) };
  const isAtsOn = (): boolean => pci.isAtsEnabled;
  const log = new EventLog({
    registers,
    memory,
    deviceRow,
    hooks: {
      isAtsOn,
      onInterrupt: () => {
        hooks.raiseCause('eventLog');
      },
    },
  });
  const errors = new ErrorReport(
    registers,
    log,
    {
      onSoftwareError: () => {
        hooks.raiseCause('softwareError');
      },
    },
    { trace, source, canOverflow: settings.hasEventLogOverflow },
  );
  const interDomain = new InterDomain({
    entries: settings.interDomainEntries,
    handles: Math.min(IDPT_HANDLES, settings.interDomainEntries),
    registers,
    memory,
    isAtsOn,
    deviceRow,
  });
  return { log, errors, interDomain };
}

function buildExecution(env: DsaEnvironment, hooks: DsaHooks, parts: Parts): ExecutionUnits {
  const { queue, trace, source, target, settings } = env;
  const { capabilities, wqs, interrupts, pci, registers, jobs, counters } = parts;
  const common = { queue, trace, source, target, timing: DSA_TIMING };
  const check = new DescriptorCheck(capabilities, wqs, interrupts, {
    get isPrivilegedModeOn() {
      return pci.isPrivilegedModeOn;
    },
    get trafficClasses() {
      return pci.trafficClasses;
    },
    get areUserInterruptsOn() {
      return registers.areUserInterruptsOn;
    },
  });
  const batches = new Batches(
    {
      fetch: (job) => {
        executor.beginChunk(job);
      },
      offer: (job) => {
        engines.offerBatch(job);
      },
      finish: (job, status) => {
        executor.finish(job, status);
      },
    },
    trace,
    source,
    { hasContinuation: capabilities.gencap.batchContinuation === 1 },
  );
  const drains = new Drains(jobs, wqs);
  const completion = new Completion(
    { ...parts, batches },
    { hasFaultInfo: capabilities.gencap.faultInfo === 1 },
  );
  const models = operationModels({
    [OPCODE.batch]: new BatchModel(check, batches),
    ...interDomainModels(parts.interDomain),
    [OPCODE.updateWindow]: new UpdateWindow(parts.interDomain, (handle, window) => {
      trace.record(WINDOW_UPDATED, source, handle, window.base, window.size);
    }),
  });
  const executor: Executor = new Executor({
    ...parts,
    ...common,
    check,
    completion,
    batches,
    drains,
    models,
    capabilities: pci,
    hooks: {
      onOver: (job) => {
        hooks.onOver(job);
      },
      isDomainAborting: (pasid) => commands.isAborting(pasid),
    },
  });
  const classes = { tcA: new Uint8Array(settings.groups), tcB: new Uint8Array(settings.groups) };
  const occupancy = new OccupancyWatch(env, hooks, parts);
  const engines: Engines = new Engines(settings.engines, settings.groups, classes, {
    ...parts,
    ...common,
    batches,
    counters,
    hooks: {
      start: (job) => {
        executor.start(job);
      },
      onDispatched: (wq) => {
        occupancy.check(wq);
      },
    },
  });
  const commands: Commands = new Commands({ ...parts, ...common, effects: hooks.effects });
  return { check, batches, drains, completion, executor, engines, commands, classes, occupancy };
}

/**
 * Raises a queue's occupancy interrupt, at the entry that WQCFG names, when the queue has drained to the limit. Only entry 0
 * of MSI-X has a cause register (DSA 3.0 section 9.2.11).
 */
export class OccupancyWatch {
  readonly #env: DsaEnvironment;
  readonly #hooks: DsaHooks;
  readonly #parts: Pick<Parts, 'wqConfig' | 'wqs' | 'interrupts'>;

  constructor(
    env: DsaEnvironment,
    hooks: DsaHooks,
    parts: Pick<Parts, 'wqConfig' | 'wqs' | 'interrupts'>,
  ) {
    this.#env = env;
    this.#hooks = hooks;
    this.#parts = parts;
  }

  check(wq: number): void {
    const { wqs, wqConfig, interrupts } = this.#parts;
    const occupancy = wqs.occupancy[wq] as number;
    if (
      !wqConfig.isOccupancyInterruptOn(wq) ||
      wqs.occupancyGenerated[wq] === 1 ||
      wqs.state[wq] !== 1
    ) {
      return;
    }
    const config = wqConfig.decode(wq);
    if (occupancy > config.occupancyLimit) {
      return;
    }
    wqs.occupancyGenerated[wq] = 1;
    this.#env.trace.record(
      OCCUPANCY_REACHED,
      this.#env.source,
      wq,
      occupancy,
      config.occupancyLimit,
    );
    const index = interrupts.indexOf(config.occupancyHandle, config.occupancyTable);
    if (index === 0 && config.occupancyTable === TABLE.msix) {
      this.#hooks.raiseCause('occupancy');
    } else if (index >= 0) {
      interrupts.raise(config.occupancyTable, index);
    }
  }
}

export function buildUnits(env: DsaEnvironment, hooks: DsaHooks): DsaUnits {
  const capabilities = capabilitiesOf(env.settings);
  const func = buildFunction(env, hooks);
  const storage = buildStorage(env, hooks, capabilities);
  const memory = buildMemory(env, { ...storage, ...func });
  const reporting = buildReporting(env, hooks, { ...storage, ...memory, ...func });
  const parts = { capabilities, ...func, ...storage, ...memory, ...reporting };
  const execution = buildExecution(env, hooks, parts);
  const bar0 = new Bar0({
    ...env,
    ...parts,
    isDeviceDisabled: () => hooks.isDeviceDisabled(),
    onWqChanged: (wq) => {
      parts.wqs.refreshThreshold(wq);
      execution.occupancy.check(wq);
    },
  });
  const portals = new Portals({
    ...env,
    ...parts,
    hasIms: env.settings.imsEntries > 0,
    isHalted: () => hooks.isHalted(),
    onEnqueued: (wq) => {
      if (parts.wqs.isPaused[wq] === 0) {
        parts.arbiter.add(wq);
        execution.engines.wakeGroup(parts.wqs.group[wq] as number);
      }
    },
  });
  const completed = new CompletedRing();
  return { ...env, ...parts, ...execution, bar0, portals, completed };
}
