/**
 * For every error code of CMDSTATUS, the shortest way to it through registers. A test compares the table with the
 * declarations, so a code without a scenario fails.
 */
import { COMMAND, COMMAND_ERROR } from '../../src-main/spec/dsa/commands.ts';
import { WQ_MODE } from '../../src-main/spec/dsa/wq-config.ts';
import {
  DEDICATED,
  DEFAULT_WQ,
  DsaDriver,
  SHARED,
  expectSuccess,
  type CommandResult,
  type FunctionSetup,
} from './dsa-driver.ts';

type Values = Readonly<Record<string, number | bigint>>;

const GROUP: Values = { wqs: 0b11n, engines: 0b1111n, readBuffersAllowed: 96 };

/** A configured, not yet enabled device with a dedicated WQ 0 and a shared WQ 1. */
export function configured(setup: FunctionSetup = {}, group: Values = {}, config = {}): DsaDriver {
  const driver = new DsaDriver({ config });
  driver.setUpFunction(setup);
  driver.writeGroup(0, { ...GROUP, ...group });
  driver.writeWq(0, { ...DEFAULT_WQ, ...DEDICATED });
  driver.writeWq(1, { ...DEFAULT_WQ, ...SHARED });
  return driver;
}

export function enabled(setup: FunctionSetup = {}, config = {}): DsaDriver {
  const driver = configured(setup, {}, config);
  expectSuccess(driver.command(COMMAND.enableDevice), 'Enable Device');
  return driver;
}

export const enableDevice = (driver: DsaDriver): CommandResult =>
  driver.command(COMMAND.enableDevice);
export const enableWq = (driver: DsaDriver, wq = 0): CommandResult =>
  driver.command(COMMAND.enableWq, wq);

/** Enables WQ 0 after changing its configuration. */
export function enableWqWith(
  values: Values,
  setup: FunctionSetup = {},
  config = {},
): CommandResult {
  const driver = enabled(setup, config);
  driver.writeWq(0, values);
  return enableWq(driver);
}

export function enableDeviceWithGroup(group: Values, config = {}): CommandResult {
  return enableDevice(configured({}, group, config));
}

/** How each error code comes about. */
export const COMMAND_SCENARIOS: Readonly<Record<number, () => CommandResult>> = {
  [COMMAND_ERROR.success]: () => enableDevice(configured()),
  [COMMAND_ERROR.unsupported]: () => new DsaDriver().command(0x1f),
  [COMMAND_ERROR.invalidWq]: () => enableWq(enabled(), 8),
  [COMMAND_ERROR.hardware]: () => {
    const driver = configured();
    driver.device.injectCommandFault();
    return enableDevice(driver);
  },
  [COMMAND_ERROR.reserved]: () => configured().command(COMMAND.enableDevice, 1),
  [COMMAND_ERROR.halted]: () => {
    const driver = enabled();
    driver.device.injectHalt('functionLevel');
    return driver.command(COMMAND.resetDevice);
  },
  [COMMAND_ERROR.deviceNotDisabled]: () => enableDevice(enabled()),
  [COMMAND_ERROR.configuration]: () => {
    const driver = new DsaDriver({ config: { wqs: 512, totalWqSize: 2048 } });
    driver.setUpFunction();
    driver.writeGroup(0, { wqs: 1n, engines: 1n, readBuffersAllowed: 96, window: 2 });
    return enableDevice(driver);
  },
  [COMMAND_ERROR.busMasterOff]: () => enableDevice(configured({ busMaster: false })),
  [COMMAND_ERROR.pageRequestAllocation]: () => enableDevice(configured({ pageRequests: 513 })),
  [COMMAND_ERROR.wqSizeTotal]: () => {
    const driver = configured();
    driver.writeWq(0, { size: 120 });
    return enableDevice(driver);
  },
  [COMMAND_ERROR.groupIncomplete]: () => enableDeviceWithGroup({ engines: 0n }),
  [COMMAND_ERROR.wqGrouping]: () => enableDeviceWithGroup({ wqs: 0b01n }),
  [COMMAND_ERROR.engineGrouping]: () => enableDeviceWithGroup({ engines: 0b1_0000n }),
  [COMMAND_ERROR.readBuffers]: () => enableDeviceWithGroup({ readBuffersAllowed: 15 }),
  [COMMAND_ERROR.eventLog]: () => {
    const driver = configured({}, {}, { profile: 'v2' });
    driver.write(0x80, driver.read(0x80) | (1 << 13));
    driver.write(0xe8, 63);
    return enableDevice(driver);
  },
  [COMMAND_ERROR.atsPlatform]: () =>
    enableDevice(configured({ ats: false, pri: false }, {}, { platformAts: 'required' })),
  [COMMAND_ERROR.logPasid]: () => {
    const driver = configured({ pasid: false }, {}, { profile: 'v2' });
    driver.write(0xe0, 0b01);
    return enableDevice(driver);
  },
  [COMMAND_ERROR.deviceNotEnabled]: () => enableWq(configured()),
  [COMMAND_ERROR.wqNotDisabled]: () => {
    const driver = enabled();
    enableWq(driver);
    return enableWq(driver);
  },
  [COMMAND_ERROR.wqSizeZero]: () => enableWq(enabled(), 2),
  [COMMAND_ERROR.wqPriority]: () => enableWqWith({ priority: 0 }),
  [COMMAND_ERROR.wqMode]: () => enableWqWith({}, {}, { modes: 'shared' }),
  [COMMAND_ERROR.blockOnFault]: () => enableWqWith({ blockOnFault: 1 }, { pri: false }),
  [COMMAND_ERROR.wqPasid]: () => enableWqWith({ mode: WQ_MODE.shared, pasidEnable: 0, priv: 0 }),
  [COMMAND_ERROR.maxBatch]: () => enableWqWith({ maxBatchShift: 11 }),
  [COMMAND_ERROR.maxTransfer]: () => {
    // Every value that fits the field is within 2 GiB; a smaller profile value would be needed.
    const driver = enabled();
    driver.writeWq(0, { maxTransferShift: 31 });
    expectSuccess(enableWq(driver), 'Enable WQ');
    const small = new DsaDriver({ config: { maxTransferShift: 20 } });
    small.setUpFunction();
    small.writeGroup(0, { ...GROUP, wqs: 1n });
    small.writeWq(0, { ...DEFAULT_WQ, ...DEDICATED, maxTransferShift: 21 });
    enableDevice(small);
    return enableWq(small);
  },
  [COMMAND_ERROR.wqPriv]: () => enableWqWith({ priv: 1 }, { priv: false }),
  [COMMAND_ERROR.occupancyHandle]: () => {
    const driver = enabled();
    driver.writeWq(0, { occupancyHandle: 9, occupancyInterruptEnable: 1 });
    return enableWq(driver);
  },
  [COMMAND_ERROR.atsDisable]: () => enableWqWith({ atsDisable: 1 }, {}, { hasWqAtsDisable: false }),
  [COMMAND_ERROR.operationConfig]: () =>
    enableWqWith({ operations: (1n << 256n) - 1n }, {}, { profile: 'v2' }),
  [COMMAND_ERROR.prsDisable]: () => enableWqWith({ prsDisable: 1 }, {}, { profile: 'v2' }),
  [COMMAND_ERROR.disableDeviceNotEnabled]: () => configured().command(COMMAND.disableDevice),
  [COMMAND_ERROR.wqNotEnabled]: () => enabled().command(COMMAND.drainWq, 0b11),
  [COMMAND_ERROR.interruptIndex]: () =>
    enabled({}, { interruptHandles: 2 }).command(COMMAND.requestInterruptHandle, 9),
  [COMMAND_ERROR.noInterruptHandle]: () => {
    const driver = enabled({}, { interruptHandles: 1 });
    driver.command(COMMAND.requestInterruptHandle, 1);
    return driver.command(COMMAND.requestInterruptHandle, 2);
  },
  [COMMAND_ERROR.idptIndex]: () =>
    enabled({}, { profile: 'v2' }).command(COMMAND.requestIdptHandle, 256),
  [COMMAND_ERROR.noIdptHandle]: () => {
    const driver = enabled({}, { profile: 'v2' });
    for (let i = 0; i < 16; i++) {
      expectSuccess(driver.command(COMMAND.requestIdptHandle, i), 'Request IDPT Handle');
    }
    return driver.command(COMMAND.requestIdptHandle, 16);
  },
};
