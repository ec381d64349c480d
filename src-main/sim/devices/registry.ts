/** Which device models exist, by the `kind` of a device in the machine's configuration. */
import type { EventQueue } from '../core/event-queue.ts';
import type { Trace } from '../core/trace.ts';
import type { DeviceConfig } from '../machine-config.ts';
import type { PcieFunction, UpstreamPort } from '../pcie/ports.ts';
import type { DsaConfig } from './dsa/config.ts';
import { createDsaDevice } from './dsa/dsa-device.ts';
import { PlainFunction, type PlainFunctionConfig } from './plain/plain-function.ts';

export interface DeviceContext {
  readonly port: UpstreamPort;
  readonly queue: EventQueue;
  readonly trace: Trace;
}

type DeviceFactory = (config: DeviceConfig, context: DeviceContext) => PcieFunction;

const FACTORIES: Readonly<Partial<Record<DeviceConfig['kind'], DeviceFactory>>> = {
  dsa: ({ name, options }, context) =>
    createDsaDevice({ name, config: (options ?? {}) as DsaConfig, ...context }) as PcieFunction,
  plain: ({ name, options }, { port, trace }) =>
    new PlainFunction(name, options as unknown as PlainFunctionConfig, port, trace) as PcieFunction,
};

export function createDevice(config: DeviceConfig, context: DeviceContext): PcieFunction {
  const factory = FACTORIES[config.kind];
  if (factory === undefined) {
    throw new Error(`Device ${config.name}: there is no device model ${config.kind}`);
  }
  return factory(config, context);
}
