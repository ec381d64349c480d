/**
 * The binary interface of `quickjs.wasm` as shipped by quickjs-wasi 3.6.2 (QuickJS-ng 0.17.0), reduced to what the sandbox
 * calls.
 *
 * The package's own JavaScript wrapper is not used: it instantiates asynchronously, copies the host's stack into guest
 * errors, replaces errors that pass through a host function, cuts BigInts to a signed 64-bit value and takes 2-3 times as
 * long per host call (one handle object per argument, function names decoded per call). The exports below are the ones that
 * wrapper is built on. `instantiateQuickJs` refuses a binary that lacks one of them.
 */
import { invariant } from '../bits/invariant.ts';

/** Address of a heap cell that holds one JSValue. Owned by whoever got it, freed with `qjs_free_value`. */
export type Cell = number & { readonly __brand: 'Cell' };
/** Address in the engine's linear memory. */
export type Pointer = number;

// Declared here because pure layers are compiled without any host library.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array | ArrayBuffer) => WasmModule;
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: unknown };
};

/** A compiled `quickjs.wasm`. */
export interface WasmModule {
  readonly [Symbol.toStringTag]?: string;
}

export interface QuickJsExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly __stack_pointer: { readonly value: number };
  _initialize(): void;
  wasm_malloc(size: number): Pointer;
  wasm_free(pointer: Pointer): void;

  qjs_init2(intrinsics: number): number;
  qjs_set_memory_limit(bytes: number): void;
  qjs_set_max_stack_size(bytes: number): void;
  qjs_set_interrupt_handler(isOn: number): void;
  qjs_set_promise_rejection_handler(isOn: number): void;
  qjs_set_module_loader(isOn: number): void;
  qjs_get_context_ptr(): Pointer;

  qjs_eval(code: Pointer, length: number, fileName: Pointer, flags: number): Cell;
  qjs_call(fn: Cell, self: Cell, argc: number, argv: Pointer): Cell;
  qjs_call_constructor(fn: Cell, argc: number, argv: Pointer): Cell;
  qjs_new_host_function(name: Pointer, nameLength: number, argCount: number): Cell;
  qjs_is_job_pending(): number;
  qjs_execute_pending_job(): number;

  qjs_is_exception(value: Cell): number;
  qjs_get_exception(): Cell;
  qjs_throw(value: Cell): Cell;

  qjs_promise_state(promise: Cell): number;
  qjs_promise_result(promise: Cell): Cell;
  qjs_promise_mark_as_handled(promise: Cell): void;

  qjs_get_global(): Cell;
  qjs_get_undefined(): Cell;
  qjs_get_null(): Cell;
  qjs_get_true(): Cell;
  qjs_get_false(): Cell;
  qjs_new_number(value: number): Cell;
  qjs_new_big_int64(low: number, high: number): Cell;
  qjs_new_string(text: Pointer, length: number): Cell;
  qjs_new_object(): Cell;
  qjs_new_array(): Cell;
  qjs_new_uint8_array(data: Pointer, length: number): Cell;
  qjs_dup_value(value: Cell): Cell;
  qjs_free_value(value: Cell): void;

  qjs_is_undefined(value: Cell): number;
  qjs_is_null(value: Cell): number;
  qjs_is_bool(value: Cell): number;
  qjs_is_number(value: Cell): number;
  qjs_is_string(value: Cell): number;
  qjs_is_symbol(value: Cell): number;
  qjs_is_big_int(value: Cell): number;
  qjs_is_object(value: Cell): number;
  qjs_is_array(value: Cell): number;
  qjs_is_array_buffer(value: Cell): number;
  qjs_is_function(value: Cell): number;
  qjs_is_error(value: Cell): number;
  qjs_is_promise(value: Cell): number;
  qjs_is_proxy(value: Cell): number;
  qjs_is_map(value: Cell): number;
  qjs_is_set(value: Cell): number;
  qjs_is_regexp(value: Cell): number;
  qjs_is_data_view(value: Cell): number;
  qjs_get_class_name(value: Cell): Cell;
  qjs_get_bool(value: Cell): number;
  qjs_get_float64(value: Cell): number;
  qjs_get_big_int64(value: Cell, lowOut: Pointer, highOut: Pointer): number;
  qjs_get_string_len(value: Cell, lengthOut: Pointer): Pointer;
  qjs_free_cstring(text: Pointer): void;
  qjs_get_value_ptr(value: Cell): Pointer;
  qjs_get_array_buffer(value: Cell, lengthOut: Pointer): Pointer;
  qjs_get_typed_array_buffer(
    value: Cell,
    offsetOut: Pointer,
    lengthOut: Pointer,
    elementSizeOut: Pointer,
  ): Cell;

  qjs_get_prop_string(object: Cell, name: Pointer): Cell;
  qjs_get_prop_value(object: Cell, key: Cell): Cell;
  qjs_get_prop_uint32(object: Cell, index: number): Cell;
  qjs_set_prop_string(object: Cell, name: Pointer, value: Cell): number;
  qjs_set_prop_value(object: Cell, key: Cell, value: Cell): number;
  qjs_set_prop_uint32(object: Cell, index: number, value: Cell): number;
  qjs_define_prop_string(object: Cell, name: Pointer, value: Cell, flags: number): number;
  qjs_get_own_property_names(object: Cell): Cell;
  qjs_get_own_property_descriptor(object: Cell, key: Cell): Cell;
  qjs_get_prototype_of(object: Cell): Cell;

  // QuickJS's own functions take a JSValue by value: 64 bits, a BigInt on this side.
  JS_SetUncatchableError(context: Pointer, error: bigint): void;
  JS_NewBigUint64(context: Pointer, value: bigint): bigint;
  JS_IsStrictEqual(context: Pointer, left: bigint, right: bigint): number;
  JS_FreeValue(context: Pointer, value: bigint): void;
}

/** What the engine calls back. None of these may throw. */
export interface QuickJsImports {
  hostCall(id: number, self: Cell, argc: number, argv: Pointer): Cell | 0;
  /** True to end the running script with an error it cannot catch. */
  interrupt(): boolean;
  promiseRejection(promise: Cell, reason: Cell, isHandled: boolean): void;
  /** Address of a zero-ended name from `wasm_malloc`, or 0 after `qjs_throw`. */
  normalizeModule(base: Pointer, specifier: Pointer): Pointer;
  loadModule(name: Pointer, lengthOut: Pointer): Pointer;
}

/** Built-in features the guest gets; `JS_NewContextRaw` always has the base objects. */
export const INTRINSIC = {
  DATE: 1 << 0,
  EVAL: 1 << 1,
  REGEXP: 1 << 2,
  JSON: 1 << 3,
  PROXY: 1 << 4,
  MAP_SET: 1 << 5,
  TYPED_ARRAYS: 1 << 6,
  PROMISE: 1 << 7,
  BIG_INT: 1 << 8,
} as const;

export const EVAL_GLOBAL = 0;
export const EVAL_MODULE = 1 << 0;
export const EVAL_COMPILE_ONLY = 1 << 5;

const USED_EXPORTS = [
  'memory',
  '__stack_pointer',
  'qjs_init2',
  'qjs_eval',
  'qjs_call',
  'qjs_call_constructor',
  'qjs_new_host_function',
  'qjs_get_own_property_descriptor',
  'qjs_get_class_name',
  'JS_SetUncatchableError',
  'JS_NewBigUint64',
  'JS_IsStrictEqual',
  'JS_FreeValue',
] as const;

const WASI_SUCCESS = 0;
const WASI_BAD_DESCRIPTOR = 8;
const WASI_NOT_SUPPORTED = 52;

export function compileQuickJs(source: Uint8Array | WasmModule): WasmModule {
  return source instanceof Uint8Array ? new WebAssembly.Module(source) : source;
}

/**
 * A fresh engine with its own memory. Its WASI is empty: the clock stands at zero, random bytes are zeros, nothing can be
 * written or read, so two instances given the same calls do the same.
 */
export function instantiateQuickJs(module: WasmModule, imports: QuickJsImports): QuickJsExports {
  let engine: QuickJsExports | undefined = undefined;
  let bytes = new Uint8Array(0);

  /** Host functions are named by their number, so dispatch needs no text decoding. */
  const readId = (name: Pointer, length: number): number => {
    if (bytes.buffer !== engine?.memory.buffer) bytes = new Uint8Array(memoryOf(engine));
    let id = 0;
    for (let i = 0; i < length; i++) id = id * 10 + (bytes[name + i] as number) - 0x30;
    return id;
  };

  const instance = new WebAssembly.Instance(module, {
    env: {
      host_call: (name: Pointer, nameLength: number, self: Cell, argc: number, argv: Pointer) =>
        imports.hostCall(readId(name, nameLength), self, argc, argv),
      host_interrupt: () => (imports.interrupt() ? 1 : 0),
      host_promise_rejection: (promise: Cell, reason: Cell, isHandled: number) => {
        imports.promiseRejection(promise, reason, isHandled !== 0);
      },
      host_module_normalize: imports.normalizeModule,
      host_module_load: imports.loadModule,
      host_get_timezone_offset: () => 0,
    },
    wasi_snapshot_preview1: {
      clock_time_get: (_clock: number, _precision: bigint, out: Pointer) => {
        new DataView(memoryOf(engine)).setBigUint64(out, 0n, true);
        return WASI_SUCCESS;
      },
      random_get: (out: Pointer, length: number) => {
        new Uint8Array(memoryOf(engine), out, length).fill(0);
        return WASI_SUCCESS;
      },
      fd_write: () => WASI_BAD_DESCRIPTOR,
      fd_fdstat_get: () => WASI_BAD_DESCRIPTOR,
      fd_close: () => WASI_NOT_SUPPORTED,
      fd_seek: () => WASI_NOT_SUPPORTED,
    },
  });
  const exports = instance.exports as QuickJsExports;
  for (const name of USED_EXPORTS) {
    invariant(name in exports, `quickjs.wasm has no export ${name}: expected quickjs-wasi 3.6.2`);
  }
  engine = exports;
  exports._initialize();
  return exports;
}

function memoryOf(engine: QuickJsExports | undefined): ArrayBuffer {
  invariant(engine !== undefined, 'The engine called its host before it was ready');
  return engine.memory.buffer;
}
