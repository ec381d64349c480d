/** Which device models exist, by the `kind` of a device in the machine's configuration. */
import { busOf, parseBdf } from '../../spec/pcie/requester-id.ts';
import type { EventQueue } from '../core/event-queue.ts';
import type { Trace } from '../core/trace.ts';
import type { DeviceConfig } from '../machine-config.ts';
import type { FunctionHost, PcieFunction, UpstreamPort } from '../pcie/ports.ts';
import { configIssues, settingsOf, type DsaConfig } from './dsa/config.ts';
import { createDsaDevice } from './dsa/dsa-device.ts';
import { nicConfigIssues, nicSettings, type NicConfig } from './nic/config.ts';
import { NicDevice } from './nic/nic-device.ts';
import { qatConfigIssues, qatSettings, type QatConfig } from './qat/config.ts';
import type { CryptoPort } from './qat/crypto-port.ts';
import { QatDevice } from './qat/qat-device.ts';
import { PlainFunction, type PlainFunctionConfig } from './plain/plain-function.ts';
import { rootPortConfigIssues, rootPortSettings, type RootPortConfig } from './root-port/config.ts';
import { RootPort } from './root-port/root-port.ts';

export interface DeviceContext {
  readonly port: UpstreamPort;
  readonly queue: EventQueue;
  readonly trace: Trace;
  /** Where a physical function puts virtual ones. */
  readonly functions: FunctionHost;
  /** Cryptography of the host of the engine. */
  readonly crypto?: CryptoPort;
}

type DeviceFactory = (config: DeviceConfig, context: DeviceContext) => PcieFunction;

const FACTORIES: Readonly<Partial<Record<DeviceConfig['kind'], DeviceFactory>>> = {
  dsa: ({ name, options }, context) =>
    createDsaDevice({ name, config: (options ?? {}) as DsaConfig, ...context }) as PcieFunction,
  nic: ({ name, options }, context) =>
    new NicDevice({ name, config: (options ?? {}) as NicConfig, ...context }) as PcieFunction,
  qat: ({ name, options }, context) =>
    new QatDevice({ name, config: (options ?? {}) as QatConfig, ...context }) as PcieFunction,
  plain: ({ name, options }, { port, trace }) =>
    new PlainFunction(name, options as unknown as PlainFunctionConfig, port, trace) as PcieFunction,
  'root-port': ({ name, options }, { port, trace }) =>
    new RootPort(name, options as unknown as RootPortConfig, port.rid, trace) as PcieFunction,
};

export function createDevice(config: DeviceConfig, context: DeviceContext): PcieFunction {
  const factory = FACTORIES[config.kind];
  if (factory === undefined) {
    throw new Error(`Device ${config.name}: there is no device model ${config.kind}`);
  }
  return factory(config, context);
}

export interface DeviceIssue {
  /** Setting below `options`. */
  readonly path: string;
  readonly message: string;
}

/** What is wrong with a device's settings, for the user. Empty when they make a device. */
export function deviceIssues({ kind, name, bdf, options }: DeviceConfig): readonly DeviceIssue[] {
  switch (kind) {
    case 'dsa':
      return configIssues(settingsOf((options ?? {}) as DsaConfig));
    case 'nic':
      return nicConfigIssues(nicSettings((options ?? {}) as NicConfig));
    case 'qat':
      return qatConfigIssues(qatSettings((options ?? {}) as QatConfig));
    case 'root-port':
      return rootPortConfigIssues(
        rootPortSettings((options ?? {}) as unknown as RootPortConfig),
        busOf(parseBdf(bdf) ?? 0),
      );
    default:
      return FACTORIES[kind] === undefined
        ? [{ path: '', message: `Device ${name}: this version has no device model ${kind}` }]
        : [];
  }
}
