/**
 * Configuration checks of Enable Device and Enable WQ, each with its error code and a hint for people. DSA 3.0 sections
 * 5.1 and 5.2. The order is free by the specification.
 */
import { COMMAND_ERROR, type CommandError } from '../../../spec/dsa/commands.ts';
import { WQ_MODE, WQ_STATE } from '../../../spec/dsa/wq-config.ts';
import type { FunctionCapabilities } from '../../pcie/function-capabilities.ts';
import type { DsaCapabilities } from './capabilities.ts';
import { WQS_PER_WINDOW, type GroupConfigTable } from './group-config-table.ts';
import type { DsaInterrupts } from './interrupts.ts';
import type { DsaRegisters } from './registers.ts';
import type { WorkQueues } from './work-queues.ts';
import type { WqConfigTable } from './wq-config-table.ts';

export interface CheckFailure {
  readonly error: CommandError;
  readonly hint: string;
}

export interface EnableContext {
  readonly capabilities: DsaCapabilities;
  readonly registers: DsaRegisters;
  readonly groups: GroupConfigTable;
  readonly wqConfig: WqConfigTable;
  readonly wqs: WorkQueues;
  readonly interrupts: DsaInterrupts;
  readonly pci: FunctionCapabilities;
}

type Check = (context: EnableContext) => CheckFailure | undefined;
type WqCheck = (context: EnableContext, wq: number) => CheckFailure | undefined;

/** Read buffers that an engine needs. */
const BUFFERS_PER_ENGINE = 4;
const MAX_BANDWIDTH_CODE = 3;
const MIN_LOG_ENTRIES = 64;
const LOG_ENTRY_BYTES = 64n;
const ADDRESS_SPACE = 1n << 64n;

function fail(error: CommandError, hint: string): CheckFailure {
  return { error, hint };
}

const busMaster: Check = ({ pci }) =>
  pci.isBusMaster
    ? undefined
    : fail(COMMAND_ERROR.busMasterOff, 'Set Bus Master Enable in the command register');

const platformAts: Check = ({ capabilities, pci }) => {
  const { platformAts: platform } = capabilities.settings;
  const isWrong =
    (platform === 'required' && !pci.isAtsEnabled) || (platform === 'absent' && pci.isAtsEnabled);
  return isWrong ? fail(COMMAND_ERROR.atsPlatform, `The platform has ATS ${platform}`) : undefined;
};

const pageRequests: Check = ({ capabilities, pci }) => {
  const { pageRequestCapacity } = capabilities.settings;
  const isWrong =
    pci.isPriEnabled && (pci.priAllocation === 0 || pci.priAllocation > pageRequestCapacity);
  return isWrong
    ? fail(
        COMMAND_ERROR.pageRequestAllocation,
        `Expected an allocation of 1 to ${pageRequestCapacity} page requests, found ${pci.priAllocation}`,
      )
    : undefined;
};

const wqSizes: Check = ({ capabilities, wqConfig, wqs }) => {
  const { totalWqSize } = capabilities.settings;
  let sum = 0;
  for (let wq = 0; wq < wqs.count; wq++) {
    sum += wqConfig.decode(wq).size;
  }
  return sum > totalWqSize
    ? fail(
        COMMAND_ERROR.wqSizeTotal,
        `The sizes of all WQs add up to ${sum} of ${totalWqSize} entries`,
      )
    : undefined;
};

const grouping: Check = ({ capabilities, groups, wqConfig, wqs }) => {
  const owner = new Map<number, number>();
  for (let group = 0; group < groups.groups; group++) {
    const { window } = groups.decode(group);
    if (window * WQS_PER_WINDOW >= wqs.count) {
      return fail(
        COMMAND_ERROR.configuration,
        `The window of group ${group} lies behind the last WQ`,
      );
    }
    for (const wq of groups.wqsOf(group)) {
      if (wq >= wqs.count || owner.has(wq)) {
        return fail(COMMAND_ERROR.wqGrouping, `WQ ${wq} does not exist or is in two groups`);
      }
      owner.set(wq, group);
    }
  }
  for (let wq = 0; wq < capabilities.settings.wqs; wq++) {
    const isActive = wqConfig.decode(wq).size > 0;
    if (isActive !== owner.has(wq)) {
      return fail(
        COMMAND_ERROR.wqGrouping,
        `WQ ${wq} ${isActive ? 'has a size but no group' : 'is in a group but has no size'}`,
      );
    }
  }
  return undefined;
};

const engines: Check = ({ capabilities, groups }) => {
  const seen = new Set<number>();
  for (let group = 0; group < groups.groups; group++) {
    for (const engine of groups.enginesOf(group)) {
      if (engine >= capabilities.settings.engines || seen.has(engine)) {
        return fail(
          COMMAND_ERROR.engineGrouping,
          `Engine ${engine} does not exist or is in two groups`,
        );
      }
      seen.add(engine);
    }
    if (groups.wqsOf(group).length > 0 !== groups.enginesOf(group).length > 0) {
      return fail(
        COMMAND_ERROR.groupIncomplete,
        `Group ${group} needs both WQs and engines, or neither`,
      );
    }
  }
  return undefined;
};

const readBuffers: Check = ({ capabilities, groups, registers }) => {
  const total = capabilities.settings.readBuffers;
  const used = Array.from({ length: groups.groups }, (_, group) => ({
    ...groups.decode(group),
    isReservedSet: groups.isReservedSet(group),
    group,
    needed: groups.enginesOf(group).length * BUFFERS_PER_ENGINE,
  }));
  const active = used.filter((g) => g.needed > 0);
  const reservedSum = active.reduce((sum, g) => sum + g.readBuffersReserved, 0);
  const bad = used.find(
    (g) =>
      g.isReservedSet ||
      g.readBandwidth > MAX_BANDWIDTH_CODE ||
      g.writeBandwidth > MAX_BANDWIDTH_CODE,
  );
  if (bad !== undefined) {
    return fail(COMMAND_ERROR.readBuffers, `Flags of group ${bad.group} have reserved values`);
  }
  const wrong = active.find(
    (g) =>
      g.readBuffersAllowed < g.needed ||
      g.readBuffersAllowed < g.readBuffersReserved ||
      g.readBuffersAllowed > g.readBuffersReserved + (total - reservedSum),
  );
  if (wrong !== undefined || reservedSum > total) {
    return fail(
      COMMAND_ERROR.readBuffers,
      wrong === undefined
        ? `Groups reserve ${reservedSum} of ${total} read buffers`
        : `Group ${wrong.group} may use ${wrong.readBuffersAllowed} read buffers, needs at least ${wrong.needed}`,
    );
  }
  const sharers = active.filter((g) => g.useGlobalLimit === 1);
  const limit = registers.get('GENCFG', 'globalReadBufferLimit');
  const needed = sharers.reduce((sum, g) => sum + g.needed, 0);
  return sharers.length > 0 && (limit < needed || limit > total)
    ? fail(
        COMMAND_ERROR.readBuffers,
        `Expected a global limit of ${needed} to ${total}, found ${limit}`,
      )
    : undefined;
};

const eventLog: Check = ({ registers }) => {
  if (registers.get('GENCFG', 'eventLogEnable') === 0) {
    return undefined;
  }
  const size = registers.get('EVLCFG', 'size');
  const { file } = registers;
  const base = file.getBig(file.register('EVLCFG'), 'base');
  return size < MIN_LOG_ENTRIES || base + BigInt(size) * LOG_ENTRY_BYTES > ADDRESS_SPACE
    ? fail(
        COMMAND_ERROR.eventLog,
        `The event log needs at least ${MIN_LOG_ENTRIES} entries, found ${size}`,
      )
    : undefined;
};

const logPasid: Check = ({ registers, pci }) => {
  for (const name of ['EVLCFG', 'IDBR']) {
    const isPasid = registers.get(name, 'pasidEnable') === 1;
    const isPriv = registers.get(name, 'priv') === 1;
    if ((isPasid && !pci.isPasidEnabled) || (isPriv && !(isPasid && pci.isPrivilegedModeOn))) {
      return fail(
        COMMAND_ERROR.logPasid,
        `${name} asks for a PASID or privilege that the PASID capability does not enable`,
      );
    }
  }
  return undefined;
};

const DEVICE_CHECKS: readonly Check[] = [
  busMaster,
  platformAts,
  pageRequests,
  wqSizes,
  grouping,
  engines,
  readBuffers,
  eventLog,
  logPasid,
];

/** The first thing that keeps the device from being enabled. */
export function deviceProblem(context: EnableContext): CheckFailure | undefined {
  for (const check of DEVICE_CHECKS) {
    const failure = check(context);
    if (failure !== undefined) {
      return failure;
    }
  }
  return undefined;
}

const isDisabled: WqCheck = ({ wqs }, wq) =>
  wqs.state[wq] === WQ_STATE.disabled
    ? undefined
    : fail(COMMAND_ERROR.wqNotDisabled, `WQ ${wq} is enabled already`);

const size: WqCheck = ({ wqConfig }, wq) =>
  wqConfig.decode(wq).size > 0
    ? undefined
    : fail(COMMAND_ERROR.wqSizeZero, `Give WQ ${wq} a size before the device is enabled`);

const mode: WqCheck = ({ capabilities, wqConfig }, wq) => {
  const { mode: wanted } = wqConfig.decode(wq);
  const isSupported =
    capabilities.settings.modes === 'both' ||
    (capabilities.settings.modes === 'shared') === (wanted === WQ_MODE.shared);
  return isSupported
    ? undefined
    : fail(COMMAND_ERROR.wqMode, `The device has no ${wanted === 0 ? 'shared' : 'dedicated'} mode`);
};

const priority: WqCheck = ({ wqConfig }, wq) =>
  wqConfig.decode(wq).priority > 0
    ? undefined
    : fail(COMMAND_ERROR.wqPriority, 'Priorities are 1 to 15');

const blockOnFault: WqCheck = ({ capabilities, wqConfig, pci }, wq) =>
  wqConfig.decode(wq).blockOnFault === 1 &&
  (capabilities.gencap.blockOnFault === 0 || !pci.isPriEnabled)
    ? fail(COMMAND_ERROR.blockOnFault, 'Block on fault needs the page request interface')
    : undefined;

const pasid: WqCheck = ({ wqConfig, pci }, wq) => {
  const config = wqConfig.decode(wq);
  if (config.mode === WQ_MODE.shared && config.pasidEnable === 0) {
    return fail(COMMAND_ERROR.wqPasid, 'A shared WQ needs PASID enable');
  }
  return config.pasidEnable === 1 && !pci.isPasidEnabled
    ? fail(COMMAND_ERROR.wqPasid, 'The PASID capability of the function is disabled')
    : undefined;
};

const batchSize: WqCheck = ({ capabilities, wqConfig }, wq) => {
  const { maxBatchShift } = wqConfig.decode(wq);
  const isTooSmall = maxBatchShift === 0 && capabilities.gencap.singleEntryBatch === 0;
  return isTooSmall || maxBatchShift > capabilities.maxBatchShift
    ? fail(
        COMMAND_ERROR.maxBatch,
        `Expected a shift of 1 to ${capabilities.maxBatchShift}, found ${maxBatchShift}`,
      )
    : undefined;
};

const transferSize: WqCheck = ({ capabilities, wqConfig }, wq) =>
  wqConfig.decode(wq).maxTransferShift > capabilities.maxTransferShift
    ? fail(
        COMMAND_ERROR.maxTransfer,
        `The device moves at most 2^${capabilities.maxTransferShift} bytes`,
      )
    : undefined;

const priv: WqCheck = ({ wqConfig, pci }, wq) => {
  const config = wqConfig.decode(wq);
  const asksPriv =
    config.mode === WQ_MODE.dedicated && config.pasidEnable === 1 && config.priv === 1;
  return asksPriv && !pci.isPrivilegedModeOn
    ? fail(COMMAND_ERROR.wqPriv, 'Privileged mode of the PASID capability is disabled')
    : undefined;
};

const occupancyHandle: WqCheck = ({ interrupts, wqConfig }, wq) => {
  const config = wqConfig.decode(wq);
  const isUsed = config.occupancyInterruptEnable === 1;
  return isUsed && interrupts.indexOf(config.occupancyHandle, config.occupancyTable) < 0
    ? fail(COMMAND_ERROR.occupancyHandle, `Handle ${config.occupancyHandle} names no interrupt`)
    : undefined;
};

const atsDisable: WqCheck = ({ capabilities, wqConfig }, wq) =>
  wqConfig.decode(wq).atsDisable === 1 && !capabilities.settings.hasWqAtsDisable
    ? fail(COMMAND_ERROR.atsDisable, 'WQCAP does not report WQ ATS disable')
    : undefined;

const operations: WqCheck = ({ capabilities, wqConfig }, wq) => {
  const words = wqConfig.words(wq);
  const isBeyond = capabilities.operationMask.some(
    (mask, i) => ((words[8 + i] ?? 0) & ~mask) !== 0,
  );
  return isBeyond
    ? fail(COMMAND_ERROR.operationConfig, 'An operation is allowed that OPCAP does not report')
    : undefined;
};

const prsDisable: WqCheck = ({ capabilities, registers, wqConfig }, wq) => {
  const config = wqConfig.decode(wq);
  const isPossible =
    capabilities.settings.profile.hasPrsDisable &&
    registers.get('GENCFG', 'eventLogEnable') === 1 &&
    config.blockOnFault === 0;
  return config.prsDisable === 1 && !isPossible
    ? fail(
        COMMAND_ERROR.prsDisable,
        'PRS disable needs support, the event log, and block on fault off',
      )
    : undefined;
};

const WQ_CHECKS: readonly WqCheck[] = [
  isDisabled,
  size,
  mode,
  priority,
  blockOnFault,
  pasid,
  batchSize,
  transferSize,
  priv,
  occupancyHandle,
  atsDisable,
  operations,
  prsDisable,
];

export function wqProblem(context: EnableContext, wq: number): CheckFailure | undefined {
  for (const check of WQ_CHECKS) {
    const failure = check(context, wq);
    if (failure !== undefined) {
      return failure;
    }
  }
  return undefined;
}
