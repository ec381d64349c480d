/** A complete SDK module for tests of the script layer: a bus with devices, callbacks, cookies and out-parameters. */
import { GuestError } from '../../src-main/script/guest-error.ts';
import {
  asBytes,
  asFunction,
  asRecord,
  asU32,
  asU64,
  operationOf,
} from '../../src-main/script/sdk/arguments.ts';
import {
  ScriptError,
  defineHostType,
  defineSdkModule,
} from '../../src-main/script/sdk/sdk-module.ts';
import type {
  GuestFunction,
  GuestReference,
  HostType,
  ScriptRecord,
  SdkModule,
} from '../../src-main/script/sdk/sdk-module.ts';

export interface DemoDevice {
  readonly name: string;
  readonly vendor: number;
  enabled: boolean;
  bar: bigint;
}

export const demoDeviceType: HostType<DemoDevice> = defineHostType<DemoDevice>({
  name: 'struct demo_dev',
  properties: {
    name: { get: (dev) => dev.name },
    vendor: { get: (dev) => dev.vendor, format: 'hex' },
    bar: {
      get: (dev) => dev.bar,
      set: (dev, value) => {
        dev.bar = asU64(value, 'bar');
      },
    },
    self: { get: (dev) => demoDeviceType.of(dev), isPrinted: false },
  },
  methods: {
    enable: (dev, call) => {
      dev.enabled = true;
      return `${dev.name} by ${call.actor}`;
    },
  },
});

const demoBusType = defineHostType<object>({ name: 'struct demo_bus' });

const TYPES = `/** A device on the demo bus. */
export interface demo_dev {
  readonly name: string;
  readonly vendor: number;
  bar: bigint;
  readonly self: demo_dev;
  enable(): string;
}
/** Finds a device by its number. */
export declare function demo_get_dev(index: number): demo_dev;
/** The bus itself. */
export declare function demo_get_bus(): object;
/** Gives the argument back. */
export declare function demo_echo<T>(value: T): T;
/** Reads a register. */
export declare function demo_read(dev: demo_dev, offset: number): bigint;
/** Writes a register. */
export declare function demo_write(dev: demo_dev, offset: number, value: bigint): void;
/** Fails with EBUSY. */
export declare function demo_busy(): never;
/** Breaks an invariant of the host. */
export declare function demo_bug(): never;
/** Registers an op table. */
export declare function demo_register_ops(ops: { open?(dev: demo_dev): number; close?(): void }): void;
/** Calls an operation of the registered table. */
export declare function demo_fire(operation: 'open' | 'close'): unknown;
/** Calls the function for each device. */
export declare function demo_for_each(visit: (dev: demo_dev) => void): void;
/** Calls the function and answers the text of what it threw. */
export declare function demo_catch(fn: () => void): string;
/** Keeps a cookie. */
export declare function demo_set_cookie(cookie: unknown): void;
/** Gives the cookie back. */
export declare function demo_get_cookie(): unknown;
/** Fills a buffer. */
export declare function demo_fill(buffer: Uint8Array, byte: number): void;
/** Fills a structure. */
export declare function demo_get_info(info: { size?: bigint; flags?: number }): void;
/** Whether both are the same function. */
export declare function demo_same(a: () => void, b: () => void): boolean;
/** Largest 64-bit value. */
export declare const DEMO_U64_MAX: bigint;
/** A table of numbers. */
export declare const DEMO_TABLE: readonly number[];
`;

/** What the host saw, in order: one line per call. */
export interface DemoBus {
  readonly module: SdkModule;
  readonly log: string[];
  readonly devices: readonly DemoDevice[];
  /** The function last given to `demo_for_each`, or the table's `open`. */
  lastFunction: GuestFunction | undefined;
}

export function createDemoBus(): DemoBus {
  const log: string[] = [];
  const devices: DemoDevice[] = [0x8086, 0x1af4].map((vendor, index) => ({
    name: `demo${String(index)}`,
    vendor,
    enabled: false,
    bar: 0xf000_0000n + BigInt(index) * 0x1000n,
  }));
  const registers = new Map<string, bigint>();
  let ops: ScriptRecord = {};
  let cookie: GuestReference | undefined = undefined;
  const bus: DemoBus = {
    log,
    devices,
    lastFunction: undefined,
    module: defineSdkModule({
      name: 'demo/bus',
      types: TYPES,
      constants: { DEMO_U64_MAX: (1n << 64n) - 1n, DEMO_TABLE: [1, 2, 3] },
      functions: {
        demo_get_dev: {
          readOnly: true,
          run: (_call, index) => {
            const dev = devices[asU32(index, 'index')];
            return dev === undefined ? null : demoDeviceType.of(dev);
          },
        },
        demo_get_bus: () => demoBusType.of(devices),
        demo_echo: (_call, value) => value,
        demo_read: {
          readOnly: true,
          run: (_call, dev, offset) => {
            const { name } = demoDeviceType.target(dev, 'dev');
            return registers.get(`${name}+${String(asU32(offset, 'offset'))}`) ?? 0n;
          },
        },
        demo_write: (call, dev, offset, value) => {
          const { name } = demoDeviceType.target(dev, 'dev');
          registers.set(`${name}+${String(asU32(offset, 'offset'))}`, asU64(value, 'value'));
          const { path, line } = call.site();
          log.push(`${call.actor} ${path}:${String(line)} write ${name} ${String(value)}`);
        },
        demo_busy: () => {
          throw new ScriptError('The device is busy', { errno: 16, code: 'EBUSY' });
        },
        demo_bug: () => {
          throw new RangeError('a bug of the host');
        },
        demo_register_ops: (_call, table) => {
          ops = asRecord(table, 'ops');
          bus.lastFunction = operationOf(ops, 'open', 'ops');
        },
        demo_fire: (call, operation) => {
          log.push(`fire ${String(operation)} from line ${String(call.line)}`);
          const fn = operationOf(ops, String(operation), 'ops');
          const [dev] = devices;
          return fn?.call(dev === undefined ? null : demoDeviceType.of(dev));
        },
        demo_for_each: (_call, visit) => {
          const fn = asFunction(visit, 'visit');
          bus.lastFunction = fn;
          for (const dev of devices) fn.call(demoDeviceType.of(dev));
        },
        demo_catch: (_call, fn) => {
          try {
            asFunction(fn, 'fn').call();
            return 'nothing';
          } catch (error) {
            if (error instanceof GuestError) return error.text;
            throw error;
          }
        },
        demo_set_cookie: {
          keep: [0],
          run: (_call, value) => {
            cookie = value as GuestReference;
          },
        },
        demo_get_cookie: () => cookie,
        demo_fill: (call, buffer, byte) => {
          const { length } = asBytes(buffer, 'buffer');
          call.copyTo(0, new Uint8Array(length).fill(asU32(byte, 'byte')));
        },
        demo_get_info: (call) => {
          call.assignTo(0, { size: 1n << 63n, flags: 3 });
        },
        demo_same: (_call, a, b) => asFunction(a, 'a') === asFunction(b, 'b'),
      },
    }),
  };
  return bus;
}
