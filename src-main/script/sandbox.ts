/**
 * The JavaScript engine that runs learner code, and together with `quickjs-abi.ts`,
 * `guest-values.ts` and `guest-memory.ts` all that knows it is QuickJS.
 *
 * What a guest gets: ECMAScript with modules, promises and BigInt, within a memory and a stack limit. What it does not get:
 * a clock (`Date`), random numbers of its own, weak references, shared memory, timers, Node, DOM or network.
 *
 * Values cross the border as cells: addresses of boxed JSValues (see `guest-values.ts`). Nothing is thrown through the engine's frames: errors of
 * host functions are caught at the border, and an error that is our own fault is kept and rethrown outside.
 *
 * Not bounded here: one native call over a huge array-like (`Array.prototype.indexOf.call({ length: 1e15 }, 1)`) polls no
 * interrupt. The host's watchdog, which replaces the worker, is the answer to that.
 */
import { invariant } from '../bits/invariant.ts';
import { GuestError, ScriptKilled, ThrowInGuest } from './guest-error.ts';
import { GuestValues } from './guest-values.ts';
import {
  EVAL_COMPILE_ONLY,
  EVAL_GLOBAL,
  EVAL_MODULE,
  INTRINSIC,
  instantiateQuickJs,
} from './quickjs-abi.ts';
import type { Cell, Pointer, QuickJsExports, WasmModule } from './quickjs-abi.ts';

export type { Cell, WasmModule } from './quickjs-abi.ts';

/** Runs inside a guest call. Returns a cell it gives away. */
export type HostCallback = (self: Cell, args: readonly Cell[]) => Cell;

export interface SandboxOptions {
  readonly module: WasmModule;
  readonly memoryLimitBytes: number;
  readonly stackLimitBytes: number;
  /** Polled every few thousand branches; true ends the script. */
  readonly interrupt: () => boolean;
  /** Full name of a module. Throws `ThrowInGuest` when there is none. */
  readonly resolveModule: (importer: string, specifier: string) => string;
  readonly loadModule: (name: string) => string;
}

/** A host call inside a callback inside a host call ... : deeper than any real driver, shallower than the host's stack. */
const MAX_NESTED_HOST_CALLS = 40;
/** The binary is linked with 1 MiB of stack. */
const MAX_STACK_BYTES = 512 << 10;
/** Property flag `JS_PROP_CONFIGURABLE`. */
const CONFIGURABLE = 1;

/** No DATE (a clock), WEAK_REF (shows when memory is reclaimed), PERFORMANCE, DOM_EXCEPTION or ATOB_BTOA. */
const INTRINSICS =
  INTRINSIC.EVAL |
  INTRINSIC.REGEXP |
  INTRINSIC.JSON |
  INTRINSIC.PROXY |
  INTRINSIC.MAP_SET |
  INTRINSIC.TYPED_ARRAYS |
  INTRINSIC.PROMISE |
  INTRINSIC.BIG_INT;

/** Holds the sandbox for the engine's callbacks, which are made before it. */
interface Late {
  sandbox?: Sandbox;
}

export class Sandbox extends GuestValues {
  readonly #callbacks: HostCallback[] = [];
  /** Rejected promises nobody handles yet, by heap address; holding them keeps the addresses apart. */
  readonly #rejections = new Map<Pointer, { readonly promise: Cell; readonly reason: Cell }>();
  #nesting = 0;
  #isKilled = false;
  #fault: { readonly error: unknown } | undefined = undefined;

  constructor(options: SandboxOptions) {
    const late: Late = {};
    super(Sandbox.#start(options, late));
    late.sandbox = this;
  }

  static #start(options: SandboxOptions, late: Late): QuickJsExports {
    const self = (): Sandbox => {
      invariant(late.sandbox !== undefined, 'The engine called its host before it was ready');
      return late.sandbox;
    };
    const engine = instantiateQuickJs(options.module, {
      hostCall: (id, thisCell, argc, argv) => self().#hostCall(id, thisCell, argc, argv),
      interrupt: () => self().#poll(options.interrupt),
      promiseRejection: (promise, reason, isHandled) => {
        self().#noteRejection(promise, reason, isHandled);
      },
      normalizeModule: (base, specifier) =>
        self().#resolveModule(options.resolveModule, base, specifier),
      loadModule: (name, lengthOut) => self().#loadModule(options.loadModule, name, lengthOut),
    });
    invariant(engine.qjs_init2(INTRINSICS) === 0, 'QuickJS did not start');
    engine.qjs_set_memory_limit(options.memoryLimitBytes);
    engine.qjs_set_max_stack_size(options.stackLimitBytes);
    engine.qjs_set_module_loader(1);
    engine.qjs_set_promise_rejection_handler(1);
    engine.qjs_set_interrupt_handler(1);
    return engine;
  }

  // ---- running code ----

  /** Depth of the engine's own stack: smaller numbers are deeper calls. Only meaningful inside a host function. */
  get stackPosition(): number {
    return this.engine.__stack_pointer.value;
  }

  get isKilled(): boolean {
    return this.#isKilled;
  }

  /** From now on every host call and every interrupt poll ends the script. There is no way back. */
  kill(): void {
    this.#isKilled = true;
  }

  /** Throws the error of our own that ended the script, if one did. */
  throwFault(): void {
    if (this.#fault !== undefined) throw this.#fault.error;
  }

  /**
   * Raises the engine's stack limit to the last it can have. Only to ask where the guest was, after the host's stack ran
   * out in native code and left the engine's frames standing; nothing else may run then.
   */
  liftStackLimit(): void {
    this.engine.qjs_set_max_stack_size(MAX_STACK_BYTES);
  }

  evaluate(source: string, fileName: string): Cell {
    return this.#evaluate(source, fileName, EVAL_GLOBAL);
  }

  /** Starts a module and gives the promise of its evaluation. */
  evaluateModule(source: string, fileName: string): Cell {
    return this.#evaluate(source, fileName, EVAL_MODULE);
  }

  /** Compiles and links a module and all it imports, and runs nothing. */
  compileModule(source: string, fileName: string): void {
    this.free(this.#evaluate(source, fileName, EVAL_MODULE | EVAL_COMPILE_ONLY));
  }

  /** Runs the next promise job. False when none waits. */
  runJob(): boolean {
    if (this.engine.qjs_is_job_pending() === 0) return false;
    if (this.engine.qjs_execute_pending_job() < 0) this.raise();
    return true;
  }

  /** The reason of the oldest rejection nobody handled, as an error to throw. */
  takeUnhandledRejection(): GuestError | undefined {
    for (const [identity, { promise, reason }] of this.#rejections) {
      this.#rejections.delete(identity);
      this.free(promise);
      return this.errorOf(reason);
    }
    return undefined;
  }

  newHostFunction(name: string, callback: HostCallback): Cell {
    const id = this.#callbacks.push(callback) - 1;
    const fn = this.memory.withText(String(id), (pointer, length) =>
      this.finish(this.engine.qjs_new_host_function(pointer, length, 0)),
    );
    const label = this.newString(name);
    this.engine.qjs_define_prop_string(fn, this.memory.name('name'), label, CONFIGURABLE);
    this.free(label);
    return fn;
  }

  // ---- the border ----

  #evaluate(source: string, fileName: string, flags: number): Cell {
    return this.memory.withText(source, (code, length) =>
      this.memory.withText(fileName, (name) =>
        this.finish(this.engine.qjs_eval(code, length, name, flags)),
      ),
    );
  }

  #resolveModule(
    resolve: SandboxOptions['resolveModule'],
    base: Pointer,
    specifier: Pointer,
  ): Pointer {
    return this.#guard(() => {
      const { memory } = this;
      const name = resolve(memory.readZeroEnded(base), memory.readZeroEnded(specifier));
      return memory.allocateText(name).pointer;
    });
  }

  #loadModule(load: SandboxOptions['loadModule'], name: Pointer, lengthOut: Pointer): Pointer {
    return this.#guard(() => {
      const source = load(this.memory.readZeroEnded(name));
      const { pointer, length } = this.memory.allocateText(source);
      this.memory.view.setUint32(lengthOut, length, true);
      return pointer;
    });
  }

  #hostCall(id: number, self: Cell, argc: number, argv: Pointer): Cell | 0 {
    const mark = this.memory.mark();
    this.#nesting += 1;
    try {
      const callback = this.#callbacks[id];
      invariant(callback !== undefined, `Host function ${String(id)} is not registered`);
      if (this.#isKilled) throw new ScriptKilled();
      if (this.#nesting > MAX_NESTED_HOST_CALLS) throw nestedTooDeeply();
      return callback(self, this.memory.readArgumentVector(argc, argv));
    } catch (error) {
      return this.#refuse(error, mark);
    } finally {
      this.#nesting -= 1;
    }
  }

  /** Turns whatever host code throws into a pending guest exception and answers 0. */
  #guard(work: () => Pointer): Pointer {
    const mark = this.memory.mark();
    try {
      return work();
    } catch (error) {
      return this.#refuse(error, mark);
    }
  }

  #refuse(error: unknown, mark: Pointer): 0 {
    this.memory.release(mark);
    try {
      this.#throwIntoGuest(error);
    } catch (second) {
      // No memory is left even for the error object: the guest gets the engine's own out-of-memory error.
      if (second instanceof GuestError) this.free(this.engine.qjs_throw(second.cell));
      else this.#keepFault(second);
    }
    return 0;
  }

  #poll(interrupt: () => boolean): boolean {
    if (this.#isKilled) return true;
    try {
      return interrupt();
    } catch (error) {
      this.#keepFault(error);
      return true;
    }
  }

  #keepFault(error: unknown): void {
    this.#fault ??= { error };
    this.#isKilled = true;
  }

  protected override raise(): never {
    this.throwFault();
    return super.raise();
  }

  #throwIntoGuest(thrown: unknown): void {
    if (thrown instanceof GuestError) {
      this.free(this.engine.qjs_throw(thrown.cell));
      return;
    }
    const error = isStackOverflow(thrown)
      ? new ThrowInGuest('Maximum call stack size exceeded', 'RangeError')
      : thrown;
    if (error instanceof ThrowInGuest && !this.#isKilled) {
      const cell = this.newError(error.kind, error.message);
      for (const [name, value] of Object.entries(error.fields)) {
        const field = typeof value === 'number' ? this.newNumber(value) : this.newString(value);
        this.set(cell, name, field);
        this.free(field);
      }
      this.free(this.engine.qjs_throw(cell));
      this.free(cell);
      return;
    }
    const isOurFault = !(error instanceof ScriptKilled || error instanceof ThrowInGuest);
    if (isOurFault) this.#keepFault(error);
    this.#isKilled = true;
    const cell = this.newError('Error', 'The script was stopped');
    const bits = this.memory.view.getBigInt64(cell, true);
    this.engine.JS_SetUncatchableError(this.context, bits);
    this.free(this.engine.qjs_throw(cell));
    this.free(cell);
  }

  #noteRejection(promise: Cell, reason: Cell, isHandled: boolean): void {
    const identity = this.identity(promise);
    if (!isHandled) {
      this.#rejections.set(identity, { promise, reason });
      return;
    }
    const known = this.#rejections.get(identity);
    this.#rejections.delete(identity);
    for (const cell of [promise, reason, ...(known ? [known.promise, known.reason] : [])]) {
      this.free(cell);
    }
  }
}

function nestedTooDeeply(): ThrowInGuest {
  return new ThrowInGuest('Calls between script and machine are nested too deeply', 'RangeError');
}

/** The host's own stack ran out: deep recursion through both sides, or in the engine's native code. */
export function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message === 'Maximum call stack size exceeded';
}
