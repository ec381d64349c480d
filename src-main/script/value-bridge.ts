/**
 * Script values to host values and back, by the rules in `sdk/sdk-module.ts`: primitives and plain data are copied, host
 * objects and guest functions keep their identity.
 */
import { invariant } from '../bits/invariant.ts';
import type { Cell, Sandbox } from './sandbox.ts';
import { ArgumentRefused, GuestFunction, GuestReference, HostObject } from './sdk/sdk-module.ts';
import type { AnyHostType, ScriptRecord, ScriptValue } from './sdk/sdk-module.ts';

const MAX_DEPTH = 32;
const MAX_NODES = 200_000;

export interface BridgeOptions {
  readonly sandbox: Sandbox;
  /** Makes the guest-side prototype of a host type, with its accessors. Called once per type. */
  readonly makePrototype: (type: AnyHostType) => Cell;
  /** Guest helper that makes an object with the given prototype. */
  readonly makeObject: Cell;
  /** Guest helper that gives a typed array on the memory a DataView shows. */
  readonly bytesOfView: (view: Cell) => Cell;
  /** A value as the console prints it. */
  readonly print: (cell: Cell) => string;
  /** Calls into the guest; throws `GuestError`. */
  readonly call: (fn: Cell, self: Cell | undefined, args: readonly Cell[]) => Cell;
}

export class ValueBridge {
  readonly #options: BridgeOptions;
  readonly #sandbox: Sandbox;
  readonly #prototypes = new Map<AnyHostType, Cell>();
  readonly #objectCells = new Map<HostObject, Cell>();
  readonly #objectsByAddress = new Map<number, HostObject>();
  /** Functions given to the host, by addresses of function and `this`. They keep both alive. */
  readonly #functions = new Map<string, BridgedFunction>();

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#sandbox = options.sandbox;
  }

  /** The host object behind a guest object, if it is one. */
  hostObjectOf(cell: Cell): HostObject | undefined {
    return this.#objectsByAddress.get(this.#sandbox.identity(cell));
  }

  reference(cell: Cell): GuestReference {
    return new BridgedReference(this.#sandbox.duplicate(cell), this, this.#options.print);
  }

  toHost(cell: Cell, what: string): ScriptValue {
    return this.#toHost(cell, { what, open: new Set(), nodes: 0 }, undefined);
  }

  toGuest(value: ScriptValue | void): Cell {
    const sandbox = this.#sandbox;
    switch (typeof value) {
      case 'undefined':
        return sandbox.newUndefined();
      case 'number':
        return sandbox.newNumber(value);
      case 'boolean':
        return sandbox.newBoolean(value);
      case 'string':
        return sandbox.newString(value);
      case 'bigint':
        return sandbox.newBigInt(value);
      default:
        return this.#objectToGuest(value);
    }
  }

  /** Calls a guest function with host values. */
  invoke(
    fn: Cell,
    self: Cell | undefined,
    args: readonly ScriptValue[],
    what: string,
  ): ScriptValue {
    const cells = args.map((arg) => this.toGuest(arg));
    try {
      const result = this.#options.call(fn, self, cells);
      try {
        return this.toHost(result, what);
      } finally {
        this.#sandbox.free(result);
      }
    } finally {
      for (const cell of cells) this.#sandbox.free(cell);
    }
  }

  // ---- guest to host ----

  #toHost(cell: Cell, state: Conversion, owner: Cell | undefined): ScriptValue {
    const sandbox = this.#sandbox;
    const kind = sandbox.kindOf(cell);
    switch (kind) {
      case 'number':
        return sandbox.toNumber(cell);
      case 'string':
        return sandbox.toText(cell);
      case 'boolean':
        return sandbox.toBoolean(cell);
      case 'bigint':
        return sandbox.toBigInt(cell);
      case 'undefined':
        return undefined;
      case 'null':
        return null;
      case 'function':
        return this.#functionToHost(cell, owner);
      case 'symbol':
        throw refusal(state.what, 'a symbol');
      case 'object':
        return this.#objectToHost(cell, state);
    }
  }

  #objectToHost(cell: Cell, state: Conversion): ScriptValue {
    const sandbox = this.#sandbox;
    const address = sandbox.identity(cell);
    const hostObject = this.#objectsByAddress.get(address);
    if (hostObject !== undefined) return hostObject;
    const bytes = this.#withBytes(cell, (array) => sandbox.toBytes(array));
    if (bytes !== undefined) return bytes;
    if (sandbox.isPromise(cell)) throw refusal(state.what, 'a promise: await it first');
    if (sandbox.isMap(cell) || sandbox.isSet(cell) || sandbox.isRegExp(cell)) {
      throw refusal(state.what, `a ${sandbox.className(cell)}`);
    }
    if (state.open.has(address)) throw refusal(state.what, 'an object that contains itself');
    state.nodes += 1;
    if (state.nodes > MAX_NODES || state.open.size >= MAX_DEPTH) {
      throw refusal(state.what, 'so large an object');
    }
    state.open.add(address);
    const value = sandbox.isArray(cell) ? this.#array(cell, state) : this.#record(cell, state);
    state.open.delete(address);
    return value;
  }

  /** Writes into a buffer, typed array or DataView of the guest. False when it is none or too short. */
  writeBytes(cell: Cell, offset: number, bytes: Uint8Array): boolean {
    return this.#withBytes(cell, (array) => this.#sandbox.writeBytes(array, offset, bytes));
  }

  #withBytes<T>(cell: Cell, use: (array: Cell) => T): T {
    if (!this.#sandbox.isDataView(cell)) return use(cell);
    const array = this.#options.bytesOfView(cell);
    try {
      return use(array);
    } finally {
      this.#sandbox.free(array);
    }
  }

  #array(cell: Cell, state: Conversion): readonly ScriptValue[] {
    const lengthCell = this.#sandbox.get(cell, 'length');
    const length = this.#sandbox.toNumber(lengthCell);
    this.#sandbox.free(lengthCell);
    if (length > MAX_NODES) throw refusal(state.what, 'so long an array');
    const items: ScriptValue[] = [];
    for (let i = 0; i < length; i++) {
      const item = this.#sandbox.getAt(cell, i);
      items.push(this.#toHost(item, state, undefined));
      this.#sandbox.free(item);
    }
    return items;
  }

  #record(cell: Cell, state: Conversion): ScriptRecord {
    const entries: [string, ScriptValue][] = [];
    this.forEachKey(cell, (key, keyCell) => {
      const value = this.#sandbox.getByKey(cell, keyCell);
      entries.push([key, this.#toHost(value, state, cell)]);
      this.#sandbox.free(value);
    });
    return Object.fromEntries(entries);
  }

  /** Own enumerable string keys, in order. */
  forEachKey(object: Cell, visit: (key: string, keyCell: Cell) => void): void {
    const sandbox = this.#sandbox;
    const keys = sandbox.ownKeys(object);
    const lengthCell = sandbox.get(keys, 'length');
    const length = sandbox.toNumber(lengthCell);
    for (let i = 0; i < length; i++) {
      const keyCell = sandbox.getAt(keys, i);
      visit(sandbox.toText(keyCell), keyCell);
      sandbox.free(keyCell);
    }
    sandbox.free(lengthCell);
    sandbox.free(keys);
  }

  #functionToHost(cell: Cell, owner: Cell | undefined): GuestFunction {
    const sandbox = this.#sandbox;
    const self = owner === undefined ? 0 : sandbox.identity(owner);
    const key = `${String(sandbox.identity(cell))}:${String(self)}`;
    const known = this.#functions.get(key);
    if (known !== undefined) return known;
    const fn = new BridgedFunction(
      sandbox.duplicate(cell),
      owner === undefined ? undefined : sandbox.duplicate(owner),
      this.#nameOf(cell),
      this,
    );
    this.#functions.set(key, fn);
    return fn;
  }

  #nameOf(fn: Cell): string {
    const name = this.#sandbox.get(fn, 'name');
    const text = this.#sandbox.kindOf(name) === 'string' ? this.#sandbox.toText(name) : '';
    this.#sandbox.free(name);
    return text;
  }

  // ---- host to guest ----

  #objectToGuest(value: object | null): Cell {
    const sandbox = this.#sandbox;
    if (value === null) return sandbox.newNull();
    if (value instanceof HostObject) return this.#hostObjectToGuest(value);
    if (value instanceof BridgedFunction || value instanceof BridgedReference) {
      invariant(value.bridge === this, 'A guest value of one run was given to another');
      return sandbox.duplicate(value.cell);
    }
    if (value instanceof Uint8Array) return sandbox.newBytes(value);
    if (Array.isArray(value)) {
      const array = sandbox.newArray();
      (value as readonly ScriptValue[]).forEach((item, index) => {
        const cell = this.toGuest(item);
        sandbox.setAt(array, index, cell);
        sandbox.free(cell);
      });
      return array;
    }
    const object = sandbox.newObject();
    this.assign(object, value as ScriptRecord);
    return object;
  }

  assign(object: Cell, fields: ScriptRecord): void {
    for (const [name, field] of Object.entries(fields)) {
      const key = this.#sandbox.newString(name);
      const cell = this.toGuest(field);
      this.#sandbox.setByKey(object, key, cell);
      this.#sandbox.free(cell);
      this.#sandbox.free(key);
    }
  }

  #hostObjectToGuest(value: HostObject): Cell {
    const known = this.#objectCells.get(value);
    if (known !== undefined) return this.#sandbox.duplicate(known);
    let prototype = this.#prototypes.get(value.type);
    if (prototype === undefined) {
      prototype = this.#options.makePrototype(value.type);
      this.#prototypes.set(value.type, prototype);
    }
    const cell = this.#sandbox.call(this.#options.makeObject, undefined, [prototype]);
    this.#objectCells.set(value, cell);
    this.#objectsByAddress.set(this.#sandbox.identity(cell), value);
    return this.#sandbox.duplicate(cell);
  }
}

interface Conversion {
  /** Names the value in messages: `argument 2`. */
  readonly what: string;
  /** Addresses of the objects being converted around the present one. */
  readonly open: Set<number>;
  nodes: number;
}

class BridgedFunction extends GuestFunction {
  readonly cell: Cell;
  readonly self: Cell | undefined;
  readonly functionName: string;
  readonly bridge: ValueBridge;

  constructor(cell: Cell, self: Cell | undefined, functionName: string, bridge: ValueBridge) {
    super();
    this.cell = cell;
    this.self = self;
    this.functionName = functionName;
    this.bridge = bridge;
  }

  call(...args: readonly ScriptValue[]): ScriptValue {
    const name = this.functionName === '' ? 'the callback' : this.functionName;
    return this.bridge.invoke(this.cell, this.self, args, `the result of ${name}`);
  }
}

class BridgedReference extends GuestReference {
  readonly cell: Cell;
  readonly bridge: ValueBridge;
  readonly #print: (cell: Cell) => string;

  constructor(cell: Cell, bridge: ValueBridge, print: (cell: Cell) => string) {
    super();
    this.cell = cell;
    this.bridge = bridge;
    this.#print = print;
  }

  text(): string {
    return this.#print(this.cell);
  }

  value(): ScriptValue {
    return this.bridge.toHost(this.cell, 'the value');
  }
}

function refusal(what: string, found: string): ArgumentRefused {
  return new ArgumentRefused(`${what} cannot be ${found}`);
}
