/**
 * How the host shows its functions and objects to learner scripts.
 *
 * A module is data: a name that scripts import, the types the editor shows, functions, constants. It holds no engine
 * values, so one declaration serves any number of runs; state lives in what its functions close over.
 *
 * ```ts
 * const pciDevType = defineHostType<PciDevice>({
 *   name: 'struct pci_dev',
 *   properties: {
 *     vendor: { get: (dev) => dev.vendor, format: 'hex' },
 *     driver_data: { get: (dev) => dev.drvdata, set: (dev, value) => { dev.drvdata = value; } },
 *   },
 * });
 *
 * export function createPciModule(kernels: Kernels): SdkModule {
 *   return defineSdkModule({
 *     name: 'linux/pci',
 *     types: pciTypes, // d.ts text: `export declare function pci_read_config_dword(...): number;`
 *     constants: { PCI_EXT_CAP_ID_DVSEC: 0x23 },
 *     functions: {
 *       pci_read_config_dword: {
 *         readOnly: true, // may run in a watch expression
 *         run: (call, dev, where) => {
 *           const device = pciDevType.target(dev, 'dev');
 *           return kernels.of(call.actor).readConfig(device, asU32(where, 'where'));
 *         },
 *       },
 *       pci_enable_device: (call, dev) => {
 *         const rc = kernels.of(call.actor).enable(pciDevType.target(dev, 'dev'), call.site());
 *         if (rc === -EBUSY) throw new ScriptError('The device is claimed by another driver', { errno: EBUSY });
 *         return rc;
 *       },
 *       pci_for_each: (call, visit) => {
 *         const fn = asFunction(visit, 'visit');
 *         for (const dev of kernels.of(call.actor).devices) fn.call(pciDevType.of(dev));
 *       },
 *       dev_set_drvdata: { keep: [1], run: (call, dev, data) => { ... } },
 *     },
 *   });
 * }
 * ```
 *
 * Rules of the border:
 * - Numbers, BigInts (any size, so all of u64), strings, booleans, null, undefined pass by value; `Uint8Array` (from any
 *   typed array, DataView or ArrayBuffer), arrays and plain objects pass as copies. What has no counterpart (Map, Promise,
 *   symbol, a cyclic object) is refused with a TypeError that names the argument.
 * - A copy does not write back. For out-parameters use `call.copyTo(index, bytes)` (`copy_to_user`) and
 *   `call.assignTo(index, fields)` (an ioctl that fills a structure).
 * - Host objects pass by identity in both directions: the same target is the same (`===`) guest object. Scripts see the
 *   declared properties and methods, nothing else.
 * - Guest functions arrive as `GuestFunction` and can be called synchronously from within any host call, and later from
 *   `ScriptRunner.enter`. The same guest function is the same `GuestFunction`; a method of a plain object keeps that object
 *   as its `this`. An exception inside travels through the host call back to the script unless host code catches the
 *   `GuestError`.
 * - `keep` lists argument positions that arrive unconverted, as a `GuestReference`: for `void *` cookies that the script
 *   gets back as the very same value. `isTextOnly` is for `printk`-like functions that take anything and print it.
 * - To fail, throw `ScriptError`: the script sees an `Error` whose stack starts at its calling line. Anything else thrown
 *   is a bug of ours: the script ends and the error leaves `ScriptRunner.run`.
 * - Functions are refused in watch expressions unless `readOnly`; property getters are always allowed there, so they must
 *   not change anything.
 * - Each importing actor gets its own instance of the module, so `call.actor` costs nothing. `call.site()` walks the guest
 *   stack: take it once per trace record.
 *
 * What it costs (`node test/support/script-bench.ts`, two shared cores, an empty loop in the guest taking 60 ns a round): a
 * host call 0.4 us, and 0.2 us for each number or host object, 0.7 us for a string or 64-bit value and 2 us for each field
 * of a structure there and back; `call.site()` 3 to 7 us; a call from the host into the guest 0.4 us. Arguments are read
 * straight from the engine's memory; a mailbox in guest memory, tried before, only pays with the package's own wrapper.
 */
import { invariant } from '../../bits/invariant.ts';
import { ThrowInGuest } from '../guest-error.ts';
import type { GuestErrorKind } from '../guest-error.ts';

/** What can cross between script and host. */
export type ScriptValue =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | HostObject
  | GuestFunction
  | GuestReference
  | readonly ScriptValue[]
  | ScriptRecord;

export interface ScriptRecord {
  readonly [key: string]: ScriptValue;
}

/** A function of the script, callable from the host. Made by the border only. */
export abstract class GuestFunction {
  /** The function's name as the script wrote it; empty when it has none. */
  abstract readonly functionName: string;
  /** Throws `GuestError` when the script's function throws. */
  abstract call(...args: readonly ScriptValue[]): ScriptValue;
}

/** A script value that the host only keeps and gives back. Made by the border only. */
export abstract class GuestReference {
  /** The value as the console would print it. */
  abstract text(): string;
  /** The value converted like an ordinary argument. */
  abstract value(): ScriptValue;
}

/** An object of the host as scripts see it: opaque but for the properties its type declares. Made by `HostType.of`. */
export class HostObject {
  readonly type: AnyHostType;
  readonly target: object;

  constructor(type: AnyHostType, target: object) {
    this.type = type;
    this.target = target;
  }
}

/** Where a script called. */
export interface CallSite {
  readonly path: string;
  readonly line: number;
  readonly column: number;
}

export type ConsoleLevel = 'log' | 'info' | 'warn' | 'error';

/** Why the host is asked: by running code, by a watch expression, or to print an object. */
export type CallPurpose = 'run' | 'watch' | 'inspect';

/** The call in progress, as a host function sees it. Valid until the function returns. */
export interface HostCall {
  /** Module and function, for example `linux/pci` and `pci_enable_device`. */
  readonly module: string;
  readonly functionName: string;
  /** Actor of the file that imported the function. */
  readonly actor: string;
  readonly purpose: CallPurpose;
  /** The calling statement's place. Walks the guest stack at first use; the getters below do the same. */
  site(): CallSite;
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly argumentCount: number;
  /** Argument as the console prints it. */
  textOf(index: number): string;
  /** Copies bytes into the buffer or typed array the script passed. Throws `ScriptError` when they do not fit. */
  copyTo(index: number, bytes: Uint8Array, offset?: number): void;
  /** Sets fields of the object the script passed. */
  assignTo(index: number, fields: ScriptRecord): void;
  /** Writes to the script's console in the name of the calling line. The text is composed only if it will be seen. */
  print(level: ConsoleLevel, compose: () => string): void;
  /** For host work that may take long, such as simulating until an event: ends the script if a stop was requested. */
  checkStop(): void;
}

export type HostFunction = (call: HostCall, ...args: ScriptValue[]) => ScriptValue | void;

export interface HostFunctionSpec {
  readonly run: HostFunction;
  /** Argument positions that arrive as `GuestReference`. */
  readonly keep?: readonly number[];
  /** The arguments are only printed: none is converted, all are read with `call.textOf`. */
  readonly isTextOnly?: boolean;
  /** True when it changes nothing, so that watch expressions may call it. */
  readonly readOnly?: boolean;
}

export interface SdkModule {
  readonly name: string;
  /** Body of the module's d.ts: `export declare ...` statements with TSDoc. */
  readonly types: string;
  readonly functions: Readonly<Record<string, HostFunctionSpec>>;
  readonly constants: Readonly<Record<string, ScriptValue>>;
  /** Also visible in every file without an import, under this name. */
  readonly globalName?: string;
}

export interface SdkModuleDeclaration {
  readonly name: string;
  readonly types: string;
  readonly functions?: Readonly<Record<string, HostFunction | HostFunctionSpec>>;
  readonly constants?: Readonly<Record<string, ScriptValue>>;
  readonly globalName?: string;
}

const MODULE_NAME = /^[a-z][a-z0-9_-]*(\/[a-z][a-z0-9_-]*)*$/;
const EXPORT_NAME = /^[A-Za-z_$][A-Za-z0-9_$]*$/;

export function defineSdkModule(declaration: SdkModuleDeclaration): SdkModule {
  const { name, types, constants = {} } = declaration;
  invariant(MODULE_NAME.test(name), `Module name ${name} is not of the form linux/pci`);
  const functions = Object.fromEntries(
    Object.entries(declaration.functions ?? {}).map(([key, value]) => [
      key,
      typeof value === 'function' ? { run: value } : value,
    ]),
  );
  for (const key of [...Object.keys(functions), ...Object.keys(constants)]) {
    invariant(EXPORT_NAME.test(key), `${name} exports ${key}, which is not an identifier`);
  }
  const both = Object.keys(functions).filter((key) => key in constants);
  invariant(both.length === 0, `${name} declares ${both.join(', ')} twice`);
  const { globalName } = declaration;
  return { name, types, functions, constants, ...(globalName === undefined ? {} : { globalName }) };
}

// ---- host objects ----------------------------------------------------------------------------------------------------

export interface HostProperty<T> {
  readonly get: (target: T, call: HostCall) => ScriptValue;
  readonly set?: (target: T, value: ScriptValue, call: HostCall) => void;
  /** How the console and the debugger print a number or BigInt. Default decimal. */
  readonly format?: 'hex' | 'decimal';
  /** False keeps a property out of printed text, for example a link to the parent object. */
  readonly isPrinted?: boolean;
}

export type HostMethod<T> = (
  target: T,
  call: HostCall,
  ...args: ScriptValue[]
) => ScriptValue | void;

export interface HostTypeDeclaration<T> {
  /** As Linux names it: `struct pci_dev`. */
  readonly name: string;
  readonly properties?: Readonly<Record<string, HostProperty<T>>>;
  readonly methods?: Readonly<Record<string, HostMethod<T>>>;
}

/** A host type whose target type does not matter, as the engine border handles it. */
export interface AnyHostType {
  readonly name: string;
  readonly properties: Readonly<Record<string, HostProperty<object>>>;
  readonly methods: Readonly<Record<string, HostMethod<object>>>;
}

export interface HostType<T extends object> extends AnyHostType {
  /** The script-side object of a target: always the same one. */
  of(target: T): HostObject;
  is(value: ScriptValue): boolean;
  /** The target behind an argument. Throws an error for the script, naming the argument. */
  target(value: ScriptValue, argument: string): T;
}

export function defineHostType<T extends object>(declaration: HostTypeDeclaration<T>): HostType<T> {
  const objects = new WeakMap<T, HostObject>();
  const type: HostType<T> = {
    name: declaration.name,
    // Objects of this type are only ever made by `of`, with targets of type T.
    properties: (declaration.properties ?? {}) as HostType<T>['properties'],
    methods: (declaration.methods ?? {}) as HostType<T>['methods'],
    of: (target) => {
      const known = objects.get(target);
      if (known !== undefined) return known;
      const object = new HostObject(type, target);
      objects.set(target, object);
      return object;
    },
    is: (value) => value instanceof HostObject && value.type === type,
    target: (value, argument) => {
      if (value instanceof HostObject && value.type === type) return value.target as T;
      throw new ArgumentError(argument, `a ${declaration.name}`, value);
    },
  };
  return type;
}

// ---- errors ----------------------------------------------------------------------------------------------------------

export interface ScriptErrorOptions {
  /** Becomes the error's `errno`: 16 for EBUSY. */
  readonly errno?: number;
  /** Becomes the error's `code`: `EBUSY`. */
  readonly code?: string;
  readonly kind?: GuestErrorKind;
}

/** Thrown by host functions: the script sees an Error at its calling line. */
export class ScriptError extends ThrowInGuest {
  constructor(message: string, options: ScriptErrorOptions = {}) {
    const { errno, code, kind } = options;
    super(message, kind, {
      ...(errno === undefined ? {} : { errno }),
      ...(code === undefined ? {} : { code }),
    });
  }
}

/** An argument that cannot be used. The message is completed with the function's name on the way out. */
export class ArgumentRefused extends ScriptError {
  constructor(message: string) {
    super(message, { kind: 'TypeError' });
  }
}

/** An argument of the wrong type or range. */
export class ArgumentError extends ArgumentRefused {
  constructor(argument: string, expected: string, found: ScriptValue) {
    super(`${argument} must be ${expected}, found ${describe(found)}`);
  }
}

/** What a value is, in a few words. */
export function describe(value: ScriptValue): string {
  if (value === null) return 'null';
  if (value instanceof HostObject) return `a ${value.type.name}`;
  if (value instanceof GuestFunction) return 'a function';
  if (value instanceof GuestReference) return value.text();
  if (value instanceof Uint8Array) return `${String(value.length)} bytes`;
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'object':
      return 'an object';
    case 'string':
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
    case 'bigint':
      return `${String(value)}n`;
    default:
      return String(value);
  }
}
