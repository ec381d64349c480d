/**
 * Guest values seen from the host: making, reading, changing. The part of the sandbox that runs no guest code by itself,
 * except where a property has a getter.
 *
 * A function that returns a cell gives it to its caller, who frees it; one that takes cells only borrows them.
 */
import { invariant } from '../bits/invariant.ts';
import { GuestError } from './guest-error.ts';
import type { GuestErrorKind } from './guest-error.ts';
import { GuestMemory } from './guest-memory.ts';
import type { Cell, Pointer, QuickJsExports } from './quickjs-abi.ts';

export type ValueKind =
  | 'undefined'
  | 'null'
  | 'boolean'
  | 'number'
  | 'string'
  | 'symbol'
  | 'bigint'
  | 'function'
  | 'object';

export type PromiseState = 'pending' | 'fulfilled' | 'rejected';
const PROMISE_STATES: readonly PromiseState[] = ['pending', 'fulfilled', 'rejected'];

const I64 = 64;
const I64_LIMIT = 1n << 63n;
const U64_LIMIT = 1n << 64n;
/** A JSValue: 64 bits, NaN-boxed. */
const CELL_BYTES = 8;

export class GuestValues {
  readonly memory: GuestMemory;
  protected readonly engine: QuickJsExports;
  protected readonly context: Pointer;
  readonly #global: Cell;
  readonly #undefined: Cell;
  readonly #errorClasses: ReadonlyMap<GuestErrorKind, Cell>;
  readonly #toBigInt: Cell;

  /** The engine must be initialised. */
  constructor(engine: QuickJsExports) {
    this.engine = engine;
    this.context = engine.qjs_get_context_ptr();
    this.memory = new GuestMemory(engine);
    this.#global = engine.qjs_get_global();
    this.#undefined = engine.qjs_get_undefined();
    const kinds: readonly GuestErrorKind[] = ['Error', 'TypeError', 'RangeError', 'SyntaxError'];
    this.#errorClasses = new Map(kinds.map((kind) => [kind, this.get(this.#global, kind)]));
    this.#toBigInt = this.get(this.#global, 'BigInt');
  }

  get global(): Cell {
    return this.#global;
  }

  call(fn: Cell, self: Cell | undefined, args: readonly Cell[]): Cell {
    const mark = this.memory.mark();
    try {
      const argv = this.memory.argumentVector(args);
      return this.finish(this.engine.qjs_call(fn, self ?? this.#undefined, args.length, argv));
    } finally {
      this.memory.release(mark);
    }
  }

  // ---- making values ----

  newUndefined(): Cell {
    return this.engine.qjs_get_undefined();
  }

  newNull(): Cell {
    return this.engine.qjs_get_null();
  }

  newBoolean(value: boolean): Cell {
    return value ? this.engine.qjs_get_true() : this.engine.qjs_get_false();
  }

  newNumber(value: number): Cell {
    return this.engine.qjs_new_number(value);
  }

  newString(text: string): Cell {
    return this.memory.withText(text, (pointer, length) =>
      this.finish(this.engine.qjs_new_string(pointer, length)),
    );
  }

  newBigInt(value: bigint): Cell {
    if (value >= -I64_LIMIT && value < I64_LIMIT) {
      const bits = BigInt.asUintN(I64, value);
      const low = Number(bits & 0xffff_ffffn);
      return this.finish(this.engine.qjs_new_big_int64(low, Number(bits >> 32n)));
    }
    if (value >= 0n && value < U64_LIMIT) {
      const cell = this.engine.wasm_malloc(CELL_BYTES) as Cell;
      const bits = this.engine.JS_NewBigUint64(this.context, BigInt.asIntN(I64, value));
      this.memory.view.setBigInt64(cell, bits, true);
      return cell;
    }
    const digits = this.newString(value.toString());
    try {
      return this.call(this.#toBigInt, undefined, [digits]);
    } finally {
      this.free(digits);
    }
  }

  newBytes(bytes: Uint8Array): Cell {
    return this.#withCopy(bytes, (pointer) =>
      this.finish(this.engine.qjs_new_uint8_array(pointer, bytes.length)),
    );
  }

  newObject(): Cell {
    return this.finish(this.engine.qjs_new_object());
  }

  newArray(): Cell {
    return this.finish(this.engine.qjs_new_array());
  }

  newError(kind: GuestErrorKind, message: string): Cell {
    const text = this.newString(message);
    const mark = this.memory.mark();
    try {
      const constructor = this.#errorClasses.get(kind);
      invariant(constructor !== undefined, `No error class ${kind}`);
      const argv = this.memory.argumentVector([text]);
      return this.finish(this.engine.qjs_call_constructor(constructor, 1, argv));
    } finally {
      this.memory.release(mark);
      this.free(text);
    }
  }

  duplicate(cell: Cell): Cell {
    return this.engine.qjs_dup_value(cell);
  }

  free(cell: Cell): void {
    this.engine.qjs_free_value(cell);
  }

  // ---- reading values ----

  kindOf(cell: Cell): ValueKind {
    const e = this.engine;
    if (e.qjs_is_number(cell) !== 0) return 'number';
    if (e.qjs_is_object(cell) !== 0) return e.qjs_is_function(cell) === 0 ? 'object' : 'function';
    if (e.qjs_is_string(cell) !== 0) return 'string';
    if (e.qjs_is_big_int(cell) !== 0) return 'bigint';
    if (e.qjs_is_bool(cell) !== 0) return 'boolean';
    if (e.qjs_is_undefined(cell) !== 0) return 'undefined';
    if (e.qjs_is_null(cell) !== 0) return 'null';
    invariant(e.qjs_is_symbol(cell) !== 0, 'A guest value of unknown kind');
    return 'symbol';
  }

  toNumber(cell: Cell): number {
    return this.engine.qjs_get_float64(cell);
  }

  toBoolean(cell: Cell): boolean {
    return this.engine.qjs_get_bool(cell) !== 0;
  }

  /** Text of a string or BigInt. Objects would run guest code; do not pass them. */
  toText(cell: Cell): string {
    const mark = this.memory.mark();
    const lengthOut = this.memory.take(8);
    invariant(lengthOut !== undefined, 'Scratch memory is used up');
    try {
      const pointer = this.engine.qjs_get_string_len(cell, lengthOut);
      if (pointer === 0) this.raise();
      const length = this.memory.view.getUint32(lengthOut, true);
      const text = this.memory.readText(pointer, length);
      this.engine.qjs_free_cstring(pointer);
      return text;
    } finally {
      this.memory.release(mark);
    }
  }

  /** Any BigInt, exactly: through 64-bit halves when it fits, as decimal text when it does not. */
  toBigInt(cell: Cell): bigint {
    const engine = this.engine;
    const mark = this.memory.mark();
    const out = this.memory.take(8);
    invariant(out !== undefined, 'Scratch memory is used up');
    try {
      if (engine.qjs_get_big_int64(cell, out, out + 4) !== 0) this.raise();
      const low = this.memory.view.getBigUint64(out, true);
      // The engine gave the low 64 bits: right as unsigned, or as signed, or cut.
      const self = this.memory.view.getBigInt64(cell, true);
      const unsigned = engine.JS_NewBigUint64(this.context, BigInt.asIntN(I64, low));
      const isWhole = engine.JS_IsStrictEqual(this.context, self, unsigned) !== 0;
      engine.JS_FreeValue(this.context, unsigned);
      if (isWhole) return low;
    } finally {
      this.memory.release(mark);
    }
    return BigInt(this.toText(cell));
  }

  /** Copy of an ArrayBuffer or of what a typed array shows of one; undefined for anything else, a DataView included. */
  toBytes(cell: Cell): Uint8Array | undefined {
    const span = this.#byteSpan(cell);
    if (span === undefined) return undefined;
    return this.memory.bytes.slice(span.pointer, span.pointer + span.length);
  }

  /** Writes into a guest's buffer or typed array. False when it is none or too short. */
  writeBytes(cell: Cell, offset: number, bytes: Uint8Array): boolean {
    const span = this.#byteSpan(cell);
    if (span === undefined || offset < 0 || offset + bytes.length > span.length) return false;
    this.memory.bytes.set(bytes, span.pointer + offset);
    return true;
  }

  isArray(cell: Cell): boolean {
    return this.engine.qjs_is_array(cell) !== 0;
  }

  isError(cell: Cell): boolean {
    return this.engine.qjs_is_error(cell) !== 0;
  }

  isProxy(cell: Cell): boolean {
    return this.engine.qjs_is_proxy(cell) !== 0;
  }

  isPromise(cell: Cell): boolean {
    return this.engine.qjs_is_promise(cell) !== 0;
  }

  isMap(cell: Cell): boolean {
    return this.engine.qjs_is_map(cell) !== 0;
  }

  isSet(cell: Cell): boolean {
    return this.engine.qjs_is_set(cell) !== 0;
  }

  isRegExp(cell: Cell): boolean {
    return this.engine.qjs_is_regexp(cell) !== 0;
  }

  isDataView(cell: Cell): boolean {
    return this.engine.qjs_is_data_view(cell) !== 0;
  }

  /** The engine's class, `Object`, `Map`, `Uint8Array` ...; guest code cannot forge it. */
  className(cell: Cell): string {
    const name = this.engine.qjs_get_class_name(cell);
    const text = this.kindOf(name) === 'string' ? this.toText(name) : '';
    this.free(name);
    return text;
  }

  /** Heap address: equal for the same object while somebody holds it. 0 for values without one. */
  identity(cell: Cell): Pointer {
    return this.engine.qjs_get_value_ptr(cell);
  }

  /** May run a guest getter. `name` comes from our own code. */
  get(object: Cell, name: string): Cell {
    return this.finish(this.engine.qjs_get_prop_string(object, this.memory.name(name)));
  }

  getByKey(object: Cell, key: Cell): Cell {
    return this.finish(this.engine.qjs_get_prop_value(object, key));
  }

  getAt(object: Cell, index: number): Cell {
    return this.finish(this.engine.qjs_get_prop_uint32(object, index));
  }

  set(object: Cell, name: string, value: Cell): void {
    const status = this.engine.qjs_set_prop_string(object, this.memory.name(name), value);
    if (status < 0) this.raise();
  }

  setByKey(object: Cell, key: Cell, value: Cell): void {
    if (this.engine.qjs_set_prop_value(object, key, value) < 0) this.raise();
  }

  setAt(object: Cell, index: number, value: Cell): void {
    if (this.engine.qjs_set_prop_uint32(object, index, value) < 0) this.raise();
  }

  /** Own enumerable string keys, as a guest array. */
  ownKeys(object: Cell): Cell {
    return this.finish(this.engine.qjs_get_own_property_names(object));
  }

  /** Property descriptor object, or undefined when there is no such own property. Runs no getter. */
  ownDescriptor(object: Cell, key: Cell): Cell | undefined {
    const descriptor = this.finish(this.engine.qjs_get_own_property_descriptor(object, key));
    if (this.kindOf(descriptor) === 'object') return descriptor;
    this.free(descriptor);
    return undefined;
  }

  prototypeOf(object: Cell): Cell {
    return this.finish(this.engine.qjs_get_prototype_of(object));
  }

  // ---- errors and promises ----

  /** Wraps a thrown guest value, which it takes over. */
  errorOf(cell: Cell): GuestError {
    const text = this.#textOfThrown(cell);
    const guestStack = this.isError(cell) ? this.#ownText(cell, 'stack') : '';
    return new GuestError({ cell, text, guestStack });
  }

  promiseState(promise: Cell): PromiseState {
    return PROMISE_STATES[this.engine.qjs_promise_state(promise)] ?? 'fulfilled';
  }

  /** The value a settled promise holds, which then counts as seen. */
  promiseResult(promise: Cell): Cell {
    this.engine.qjs_promise_mark_as_handled(promise);
    return this.engine.qjs_promise_result(promise);
  }

  /** The value a settled promise holds, without counting it as seen. */
  peekPromise(promise: Cell): Cell {
    return this.engine.qjs_promise_result(promise);
  }

  /** The result, or a thrown `GuestError`. */
  protected finish(result: Cell): Cell {
    if (this.engine.qjs_is_exception(result) === 0) return result;
    this.free(result);
    return this.raise();
  }

  protected raise(): never {
    const cell = this.engine.qjs_get_exception();
    throw this.errorOf(cell);
  }

  /** `Class: message` of an error; for anything else, what was thrown. */
  #textOfThrown(cell: Cell): string {
    const kind = this.kindOf(cell);
    if (kind === 'string') return `Thrown: ${this.toText(cell)}`;
    if (kind === 'number' || kind === 'boolean') return `Thrown: ${this.toText(cell)}`;
    if (kind === 'bigint') return `Thrown: ${this.toText(cell)}n`;
    if (kind !== 'object') return `Thrown: ${kind}`;
    if (!this.isError(cell)) return `Thrown: an object of class ${this.className(cell)}`;
    const name = this.#ownText(cell, 'name') || 'Error';
    const message = this.#ownText(cell, 'message');
    return message === '' ? name : `${name}: ${message}`;
  }

  /** A string property; empty when it is missing, not a string, or its getter throws. */
  #ownText(object: Cell, name: string): string {
    const value = this.engine.qjs_get_prop_string(object, this.memory.name(name));
    try {
      if (this.engine.qjs_is_exception(value) !== 0) {
        this.free(this.engine.qjs_get_exception());
        return '';
      }
      return this.engine.qjs_is_string(value) === 0 ? '' : this.toText(value);
    } finally {
      this.free(value);
    }
  }

  #byteSpan(cell: Cell): { pointer: Pointer; length: number } | undefined {
    const engine = this.engine;
    const mark = this.memory.mark();
    const out = this.memory.take(16);
    invariant(out !== undefined, 'Scratch memory is used up');
    try {
      if (engine.qjs_is_array_buffer(cell) !== 0) {
        const pointer = engine.qjs_get_array_buffer(cell, out);
        return { pointer, length: this.memory.view.getUint32(out, true) };
      }
      const buffer = engine.qjs_get_typed_array_buffer(cell, out, out + 4, out + 8);
      try {
        if (engine.qjs_is_exception(buffer) !== 0) {
          this.free(engine.qjs_get_exception());
          return undefined;
        }
        const offset = this.memory.view.getUint32(out, true);
        const length = this.memory.view.getUint32(out + 4, true);
        return { pointer: engine.qjs_get_array_buffer(buffer, out + 12) + offset, length };
      } finally {
        this.free(buffer);
      }
    } finally {
      this.memory.release(mark);
    }
  }

  #withCopy<T>(bytes: Uint8Array, use: (pointer: Pointer) => T): T {
    const pointer = this.engine.wasm_malloc(Math.max(bytes.length, 1));
    invariant(pointer !== 0, 'The engine is out of address space');
    this.memory.bytes.set(bytes, pointer);
    try {
      return use(pointer);
    } finally {
      this.engine.wasm_free(pointer);
    }
  }
}
