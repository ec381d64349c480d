/**
 * Administrative commands of a VDEV: checked against the virtual state, then carried out on the physical queue as far as
 * this guest may reach it. A shared queue is never disabled, aborted or drained as a whole for one of its guests: their
 * work is told apart by PASID. DSA 3.0 section 7.5; Intel's idxd VDCM, 2020.
 */
import {
  COMMAND,
  COMMAND_ERROR as E,
  type CommandCode,
  type CommandError,
} from '../../../spec/dsa/commands.ts';
import { DEVICE_STATE } from '../../../spec/dsa/general-registers.ts';
import { WQ_MODE } from '../../../spec/dsa/wq-config.ts';
import type { VdevInterrupts } from '../../vdcm/vdev-interrupts.ts';
import type { VdevPasids } from '../../vdcm/vdev-pasids.ts';
import type { VdevPortal } from './vdev-portal.ts';
import type { VirtualConfig } from '../../vdcm/virtual-config.ts';
import type { IdxdDevice } from '../idxd-device.ts';
import type { IdxdWq } from '../wq.ts';
import { VDEV } from './places.ts';
import type { VirtualBar0 } from './virtual-bar0.ts';

/** What the commands work on. */
export interface CommandTarget {
  readonly idxd: IdxdDevice;
  readonly wq: IdxdWq;
  readonly config: VirtualConfig;
  readonly bar0: VirtualBar0;
  readonly pasids: VdevPasids;
  readonly interrupts: VdevInterrupts;
  /** Bus mastering, as the guest's configuration space has it. */
  readonly isBusMaster: boolean;
  readonly portal: VdevPortal;
  /** Virtual reset of the whole device, by whoever does it. */
  startReset(isFull: boolean): void;
  /** What is left to do when the checks of Enable WQ passed, by whoever does it: 0 or an error code. */
  startQueue(): number;
}

export interface VirtualCommandResult {
  readonly error: CommandError;
  readonly result?: number;
}

type Handler = (target: CommandTarget, operand: number) => VirtualCommandResult;

const OK: VirtualCommandResult = { error: E.success };
const BITMAP_INDEX_SHIFT = 16;
const IMS_TABLE = 0x1_0000;
const PASID_BITS = 20;

function failed(error: CommandError): VirtualCommandResult {
  return { error };
}

// ---- physical side ---------------------------------------------------------------------------------------------------

/** Waits for, or drops, what this guest has in the queue. */
export function quiesce(target: CommandTarget, way: 'drain' | 'abort'): void {
  const { wq, idxd, pasids } = target;
  if (wq.isDedicated) {
    if (wq.isEnabled) {
      if (way === 'drain') {
        wq.drain();
      } else {
        wq.abort();
      }
    }
    return;
  }
  if (!idxd.core.defends('swq-drain-by-pasid')) {
    wq.drain();
    return;
  }
  pasids.all.forEach((pasid) => idxd.drainPasid(pasid));
}

/** As `quiesce`, and for what waits in software while the device is paused: the guest asked. */
function settle(target: CommandTarget, way: 'drain' | 'abort'): void {
  target.portal.settle(way);
  quiesce(target, way);
}

/** Takes the dedicated queue out of the guest's hands; a shared one keeps running for the others. */
export function stopQueue(target: CommandTarget, way: 'drain' | 'abort'): void {
  const { wq, bar0, pasids } = target;
  quiesce(target, way);
  bar0.wq.isEnabled = false;
  if (!wq.isDedicated) {
    return;
  }
  wq.disable();
  if (wq.pasid !== null) {
    pasids.release(wq.pasid.pasid);
    wq.setPasid(null);
  }
}

function disableQueue(target: CommandTarget, way: 'drain' | 'abort'): void {
  target.portal.settle(way);
  stopQueue(target, way);
}

// ---- commands --------------------------------------------------------------------------------------------------------

function enableDevice({ config, bar0, isBusMaster }: CommandTarget): VirtualCommandResult {
  if (bar0.registers.state !== DEVICE_STATE.disabled) {
    return failed(E.deviceNotDisabled);
  }
  if (!isBusMaster) {
    return failed(E.busMasterOff);
  }
  const isConsistent =
    (!config.isPriEnabled || config.isPasidEnabled) &&
    (!config.isPasidEnabled || config.isAtsEnabled);
  if (!isConsistent) {
    return failed(E.configuration);
  }
  bar0.registers.state = DEVICE_STATE.enabled;
  return OK;
}

function disableDevice(target: CommandTarget): VirtualCommandResult {
  const { bar0 } = target;
  if (bar0.registers.state !== DEVICE_STATE.enabled) {
    return failed(E.disableDeviceNotEnabled);
  }
  if (bar0.wq.isEnabled) {
    disableQueue(target, 'drain');
  }
  bar0.registers.state = DEVICE_STATE.disabled;
  return OK;
}

/** Checks of Enable WQ on the virtual configuration. DSA 3.0 section 5.2. */
function wqProblem({ config, bar0, wq }: CommandTarget): CommandError {
  const values = bar0.wq.values;
  const isDedicated = values.mode === WQ_MODE.dedicated;
  if (bar0.registers.state !== DEVICE_STATE.enabled) {
    return E.deviceNotEnabled;
  }
  if (bar0.wq.isEnabled) {
    return E.wqNotDisabled;
  }
  if (values.size === 0) {
    return E.wqSizeZero;
  }
  if (isDedicated !== wq.isDedicated) {
    return E.wqMode;
  }
  if (values.priority === 0) {
    return E.wqPriority;
  }
  const hasPasid = values.pasidEnable === 1;
  if (hasPasid ? !config.isPasidEnabled : !isDedicated) {
    return E.wqPasid;
  }
  return isDedicated && hasPasid && values.priv === 1 && !config.isPrivilegedEnabled
    ? E.wqPriv
    : E.success;
}

const enableWq: Handler = (target, operand) => {
  if (operand !== 0) {
    return failed(E.invalidWq);
  }
  const problem = wqProblem(target);
  if (problem !== E.success) {
    return failed(problem);
  }
  const error = target.startQueue() as CommandError;
  target.bar0.wq.isEnabled = error === E.success;
  return { error };
};

/** The physical side of Enable WQ. A shared queue runs already; its descriptors carry their PASID themselves. */
export function enableQueue({ wq, bar0, pasids }: CommandTarget): CommandError {
  if (!wq.isDedicated) {
    return E.success;
  }
  const { pasidEnable, pasid, priv } = bar0.wq.values;
  const host = pasids.translate(pasidEnable === 1 ? pasid : 0);
  if (host < 0) {
    return E.wqPasid;
  }
  wq.disable();
  // Without a PASID of its own the guest's kernel speaks: its requests may ask for supervisor rights.
  wq.setPasid({ pasid: host, priv: pasidEnable === 0 || priv === 1 });
  if (wq.enableHardware() < 0) {
    wq.setPasid(null);
    return E.hardware;
  }
  pasids.hold(host);
  return E.success;
}

/** The bitmap must name queue 0 and nothing else. */
function ofQueue(
  command: CommandCode,
  check: 'enabled' | 'any',
  run: (target: CommandTarget) => void,
): Handler {
  return (target, operand) => {
    const isOwn = (operand & 0xffff) === 1 && operand >>> BITMAP_INDEX_SHIFT === 0;
    if (!isOwn) {
      // Handed on as it is, it would be an index of the physical device, where the queues of others are.
      return target.idxd.core.defends('queue-index-check')
        ? failed(E.invalidWq)
        : { error: target.idxd.command(command, operand).error as CommandError };
    }
    if (check === 'enabled' && !target.bar0.wq.isEnabled) {
      return failed(E.wqNotEnabled);
    }
    run(target);
    return OK;
  };
}

function resetWq(target: CommandTarget): void {
  if (target.bar0.wq.isEnabled) {
    disableQueue(target, target.wq.isDedicated ? 'abort' : 'drain');
  }
  if (target.wq.isDedicated) {
    target.wq.reset();
    target.wq.writeConfiguration();
  }
  target.bar0.wq.reset();
}

function ofPasid(way: 'drain' | 'abort', run: (idxd: IdxdDevice, host: number) => void): Handler {
  return ({ idxd, pasids, portal, wq, bar0 }, operand) => {
    const guest = operand & (2 ** PASID_BITS - 1);
    const host = pasids.translate(guest);
    if (host < 0) {
      return failed(E.wqPasid);
    }
    if (!wq.isDedicated) {
      portal.settle(way, guest);
    } else if (bar0.wq.values.pasid === guest) {
      portal.settle(way);
    }
    run(idxd, host);
    return OK;
  };
}

/** Vector 0 has no entry that a descriptor could name; interrupt message storage of its own the guest has none. */
const requestHandle: Handler = ({ interrupts }, operand) => {
  const index = operand & 0xffff;
  if ((operand & IMS_TABLE) !== 0) {
    return failed(E.noInterruptHandle);
  }
  if (index === 0 || index >= VDEV.vectors) {
    return failed(E.interruptIndex);
  }
  const handle = interrupts.handleOf(index);
  return handle < 0 ? failed(E.noInterruptHandle) : { error: E.success, result: handle };
};

const releaseHandle: Handler = (_target, operand) => {
  const index = operand & 0xffff;
  const isKnown = (operand & IMS_TABLE) === 0 && index > 0 && index < VDEV.vectors;
  return isKnown ? OK : failed(E.interruptIndex);
};

const HANDLERS: Readonly<Partial<Record<CommandCode, Handler>>> = {
  [COMMAND.enableDevice]: enableDevice,
  [COMMAND.disableDevice]: disableDevice,
  [COMMAND.drainAll]: (target) => {
    settle(target, 'drain');
    return OK;
  },
  [COMMAND.abortAll]: (target) => {
    settle(target, 'abort');
    return OK;
  },
  [COMMAND.resetDevice]: (target) => {
    target.startReset(false);
    return OK;
  },
  [COMMAND.enableWq]: enableWq,
  [COMMAND.disableWq]: ofQueue(COMMAND.disableWq, 'enabled', (target) =>
    disableQueue(target, 'drain'),
  ),
  [COMMAND.drainWq]: ofQueue(COMMAND.drainWq, 'enabled', (target) => settle(target, 'drain')),
  [COMMAND.abortWq]: ofQueue(COMMAND.abortWq, 'enabled', (target) => settle(target, 'abort')),
  [COMMAND.resetWq]: ofQueue(COMMAND.resetWq, 'any', resetWq),
  [COMMAND.drainPasid]: ofPasid('drain', (idxd, host) => idxd.drainPasid(host)),
  [COMMAND.abortPasid]: ofPasid('abort', (idxd, host) => idxd.abortPasid(host)),
  [COMMAND.requestInterruptHandle]: requestHandle,
  [COMMAND.releaseInterruptHandle]: releaseHandle,
};

/** Carries a command out. Commands that CMDCAP does not report are unsupported, and a halted device takes only a reset. */
export function runVirtualCommand(
  target: CommandTarget,
  code: number,
  operand: number,
): VirtualCommandResult {
  const handler = HANDLERS[code as CommandCode];
  const isOffered = ((target.bar0.registers.commands >>> code) & 1) === 1;
  if (handler === undefined || !isOffered) {
    return failed(E.unsupported);
  }
  const isHalted = target.bar0.registers.state === DEVICE_STATE.halted;
  if (isHalted && code !== COMMAND.resetDevice) {
    return failed(E.halted);
  }
  return handler(target, operand);
}
