/**
 * Guest values as one line of text, for the console, probes, locals and watches. Runs no guest code: getters are not
 * called and proxies are not looked into. Host objects print the properties their type declares.
 */
import { toGroupedHex } from '../bits/hex.ts';
import type { GuestHelpers } from './guest-helpers.ts';
import type { Cell, Sandbox } from './sandbox.ts';
import { GuestFunction, GuestReference, HostObject } from './sdk/sdk-module.ts';
import type { HostCall, HostProperty, ScriptValue } from './sdk/sdk-module.ts';

const MAX_DEPTH = 3;
const MAX_ITEMS = 50;
const MAX_BYTES = 32;
const MAX_NODES = 400;
const MAX_STRING = 400;

export interface PrinterOptions {
  readonly sandbox: Sandbox;
  readonly helpers: GuestHelpers;
  readonly hostObjectOf: (cell: Cell) => HostObject | undefined;
  /** The call that reading properties for printing belongs to. */
  readonly inspectCall: (object: HostObject, property: string) => HostCall;
}

/** One printout: how deep it is and how much may still come. */
interface Printout {
  readonly depth: number;
  readonly open: readonly number[];
  readonly budget: { nodes: number };
}

export class ValuePrinter {
  readonly #options: PrinterOptions;
  readonly #sandbox: Sandbox;

  constructor(options: PrinterOptions) {
    this.#options = options;
    this.#sandbox = options.sandbox;
  }

  /** As a console argument: a string stands for itself. */
  printTop(cell: Cell): string {
    return this.#sandbox.kindOf(cell) === 'string' ? this.#sandbox.toText(cell) : this.print(cell);
  }

  print(cell: Cell): string {
    return this.#value(cell, { depth: 0, open: [], budget: { nodes: MAX_NODES } });
  }

  #value(cell: Cell, at: Printout): string {
    const sandbox = this.#sandbox;
    switch (sandbox.kindOf(cell)) {
      case 'undefined':
        return 'undefined';
      case 'null':
        return 'null';
      case 'boolean':
        return String(sandbox.toBoolean(cell));
      case 'number':
        return printNumber(sandbox.toNumber(cell));
      case 'bigint':
        return printBigInt(sandbox.toBigInt(cell));
      case 'string':
        return printString(sandbox.toText(cell));
      case 'symbol':
        return this.#options.helpers.symbolText(cell);
      case 'function':
        return this.#function(cell);
      case 'object':
        return this.#object(cell, at);
    }
  }

  #function(cell: Cell): string {
    const name = this.#ownString(cell, 'name');
    return name === '' ? '[function]' : `[function ${name}]`;
  }

  #object(cell: Cell, at: Printout): string {
    const sandbox = this.#sandbox;
    const hostObject = this.#options.hostObjectOf(cell);
    if (hostObject !== undefined) return this.#hostObject(hostObject, at);
    if (sandbox.isProxy(cell)) return '[proxy]';
    const address = sandbox.identity(cell);
    if (at.open.includes(address)) return '[circular]';
    at.budget.nodes -= 1;
    const next = { ...at, depth: at.depth + 1, open: [...at.open, address] };
    if (sandbox.isError(cell)) return this.#error(cell);
    if (sandbox.isPromise(cell)) return this.#promise(cell, next);
    if (sandbox.isRegExp(cell)) return this.#options.helpers.regExpText(cell);
    const bytes = sandbox.toBytes(cell);
    if (bytes !== undefined) return printBytes(sandbox.className(cell), bytes);
    const isClosed = at.depth >= MAX_DEPTH || at.budget.nodes <= 0;
    if (sandbox.isArray(cell)) return isClosed ? '[...]' : this.#array(cell, next);
    if (isClosed) return `${this.#classPrefix(cell)}{...}`;
    if (sandbox.isMap(cell)) return this.#map(cell, next);
    if (sandbox.isSet(cell)) return this.#set(cell, next);
    return this.#record(cell, next);
  }

  #error(cell: Cell): string {
    const name = this.#inheritedString(cell, 'name') || 'Error';
    const message = this.#ownString(cell, 'message');
    return message === '' ? name : `${name}: ${message}`;
  }

  #promise(cell: Cell, at: Printout): string {
    const state = this.#sandbox.promiseState(cell);
    if (state === 'pending') return 'Promise { pending }';
    const result = this.#sandbox.peekPromise(cell);
    const text = this.#value(result, at);
    this.#sandbox.free(result);
    return state === 'rejected' ? `Promise { rejected ${text} }` : `Promise { ${text} }`;
  }

  #array(cell: Cell, at: Printout): string {
    const sandbox = this.#sandbox;
    const length = this.#ownNumber(cell, 'length');
    const items: string[] = [];
    for (let i = 0; i < Math.min(length, MAX_ITEMS) && at.budget.nodes > 0; i++) {
      const key = sandbox.newNumber(i);
      items.push(this.#property(cell, key, at));
      sandbox.free(key);
    }
    return enclose('[', items, length - items.length, ']');
  }

  #map(cell: Cell, at: Printout): string {
    const { size, parts } = this.#options.helpers.mapParts(cell, MAX_ITEMS);
    const texts = parts.map((part) => this.#value(part, at));
    for (const part of parts) this.#sandbox.free(part);
    const pairs: string[] = [];
    for (let i = 0; i + 1 < texts.length; i += 2) {
      pairs.push(`${texts[i] ?? ''} => ${texts[i + 1] ?? ''}`);
    }
    return `Map(${String(size)}) ${enclose('{', pairs, size - pairs.length, '}')}`;
  }

  #set(cell: Cell, at: Printout): string {
    const { size, parts } = this.#options.helpers.setParts(cell, MAX_ITEMS);
    const texts = parts.map((part) => this.#value(part, at));
    for (const part of parts) this.#sandbox.free(part);
    return `Set(${String(size)}) ${enclose('{', texts, size - texts.length, '}')}`;
  }

  #record(cell: Cell, at: Printout): string {
    const sandbox = this.#sandbox;
    const keys = sandbox.ownKeys(cell);
    const count = this.#ownNumber(keys, 'length');
    const items: string[] = [];
    for (let i = 0; i < Math.min(count, MAX_ITEMS) && at.budget.nodes > 0; i++) {
      const key = sandbox.getAt(keys, i);
      const name = sandbox.toText(key);
      items.push(`${printKey(name)}: ${this.#property(cell, key, at)}`);
      sandbox.free(key);
    }
    sandbox.free(keys);
    return this.#classPrefix(cell) + enclose('{', items, count - items.length, '}');
  }

  #property(object: Cell, key: Cell, at: Printout): string {
    at.budget.nodes -= 1;
    const value = this.#dataProperty(object, key);
    if (value === undefined) return 'undefined';
    if (value === 'accessor') return '[getter]';
    const text = this.#value(value, at);
    this.#sandbox.free(value);
    return text;
  }

  #dataProperty(object: Cell, key: Cell): Cell | 'accessor' | undefined {
    const sandbox = this.#sandbox;
    const descriptor = sandbox.ownDescriptor(object, key);
    if (descriptor === undefined) return undefined;
    const getter = sandbox.get(descriptor, 'get');
    const setter = sandbox.get(descriptor, 'set');
    const isAccessor = [getter, setter].some((cell) => sandbox.kindOf(cell) === 'function');
    sandbox.free(getter);
    sandbox.free(setter);
    const value = sandbox.get(descriptor, 'value');
    sandbox.free(descriptor);
    if (!isAccessor) return value;
    sandbox.free(value);
    return 'accessor';
  }

  /** `Name ` of a class instance, nothing for a plain object. */
  #classPrefix(cell: Cell): string {
    const sandbox = this.#sandbox;
    const prototype = sandbox.prototypeOf(cell);
    if (sandbox.kindOf(prototype) !== 'object') {
      sandbox.free(prototype);
      return '';
    }
    const constructor = this.#named(prototype, 'constructor');
    const name = constructor === undefined ? '' : this.#ownString(constructor, 'name');
    if (constructor !== undefined) sandbox.free(constructor);
    sandbox.free(prototype);
    return name === '' || name === 'Object' ? '' : `${name} `;
  }

  #named(object: Cell, name: string): Cell | undefined {
    const key = this.#sandbox.newString(name);
    const value = this.#dataProperty(object, key);
    this.#sandbox.free(key);
    return value === 'accessor' ? undefined : value;
  }

  #ownString(object: Cell, name: string): string {
    if (this.#sandbox.isProxy(object)) return '';
    const value = this.#named(object, name);
    if (value === undefined) return '';
    const text = this.#sandbox.kindOf(value) === 'string' ? this.#sandbox.toText(value) : '';
    this.#sandbox.free(value);
    return text;
  }

  #ownNumber(object: Cell, name: string): number {
    const value = this.#named(object, name);
    if (value === undefined) return 0;
    const number = this.#sandbox.toNumber(value);
    this.#sandbox.free(value);
    return number;
  }

  #inheritedString(object: Cell, name: string): string {
    const own = this.#ownString(object, name);
    if (own !== '' || this.#sandbox.isProxy(object)) return own;
    const prototype = this.#sandbox.prototypeOf(object);
    const isObject = this.#sandbox.kindOf(prototype) === 'object';
    const text = isObject ? this.#inheritedString(prototype, name) : '';
    this.#sandbox.free(prototype);
    return text;
  }

  // ---- host values ----

  #hostObject(object: HostObject, at: Printout): string {
    const { name, properties } = object.type;
    const printed = Object.entries(properties).filter(([, p]) => p.isPrinted !== false);
    at.budget.nodes -= 1;
    // A host object inside another shows only its name: kernel structures link back to each other.
    if (at.depth > 0 && printed.length > 0) return `${name} {...}`;
    const items = printed.map(
      ([key, property]) => `${key}: ${this.#hostField(object, key, property)}`,
    );
    return `${name} ${enclose('{', items, 0, '}')}`;
  }

  #hostField(object: HostObject, name: string, property: HostProperty<object>): string {
    try {
      const value = property.get(object.target, this.#options.inspectCall(object, name));
      return printHostValue(value, property.format);
    } catch (error) {
      return error instanceof Error ? `<${error.message}>` : '<unreadable>';
    }
  }
}

/** A host value as text, nested ones in short. */
export function printHostValue(value: ScriptValue, format?: 'hex' | 'decimal'): string {
  if (value === null) return 'null';
  if (value instanceof HostObject) return `${value.type.name} {...}`;
  if (value instanceof GuestFunction) return `[function ${value.functionName}]`;
  if (value instanceof GuestReference) return value.text();
  if (value instanceof Uint8Array) return printBytes('Uint8Array', value);
  switch (typeof value) {
    case 'string':
      return printString(value);
    case 'number':
      return format === 'hex' && value >= 0 && Number.isInteger(value)
        ? toGroupedHex(value, 1)
        : printNumber(value);
    case 'bigint':
      return format === 'decimal' ? `${String(value)}n` : printBigInt(value);
    case 'object':
      return Array.isArray(value)
        ? enclose(
            '[',
            (value as readonly ScriptValue[]).map((item) => printHostValue(item, format)),
            0,
            ']',
          )
        : enclose(
            '{',
            Object.entries(value).map(
              ([k, v]) => `${k}: ${printHostValue(v as ScriptValue, format)}`,
            ),
            0,
            '}',
          );
    default:
      return String(value);
  }
}

function enclose(open: string, items: readonly string[], left: number, close: string): string {
  const all = left > 0 ? [...items, `... ${String(left)} more`] : items;
  if (all.length === 0) return open + close;
  return open === '[' ? `[${all.join(', ')}]` : `${open} ${all.join(', ')} ${close}`;
}

function printNumber(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Small values in decimal, the others as a hexadecimal literal: BigInts here are addresses and registers. */
function printBigInt(value: bigint): string {
  if (value > -10n && value < 10n) return `${String(value)}n`;
  return value < 0n ? `-${toGroupedHex(-value, 1)}n` : `${toGroupedHex(value, 1)}n`;
}

function printString(text: string): string {
  const shown = text.length > MAX_STRING ? `${text.slice(0, MAX_STRING)}...` : text;
  const escaped = JSON.stringify(shown).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'");
  return `'${escaped}'`;
}

function printKey(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : printString(key);
}

function printBytes(className: string, bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, MAX_BYTES), (b) => b.toString(16).padStart(2, '0'));
  const rest = bytes.length > MAX_BYTES ? ' ...' : '';
  const body = shown.length === 0 ? '[]' : `[${shown.join(' ')}${rest}]`;
  return `${className}(${String(bytes.length)} bytes) ${body}`;
}
