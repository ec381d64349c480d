/** The prelude's functions, callable from the host. */
import { BOOT_GLOBAL, HOOKS_SOURCE, PRELUDE_FILE, PRELUDE_SOURCE } from './guest-prelude.ts';
import type { Cell, HostCallback, Sandbox } from './sandbox.ts';

export interface GuestHooks {
  /** `enter(statement)`, and `enter(statement, reader)` after the answer -1: see `statement-hooks.ts`. */
  readonly enter: HostCallback;
  /** `probe(number, value)`: answers the value. */
  readonly probe: HostCallback;
  /** `register(module, collect, reader)`. */
  readonly register: HostCallback;
}

/** What a Map or Set holds; the caller frees the parts. */
export interface Parts {
  readonly size: number;
  readonly parts: readonly Cell[];
}

export class GuestHelpers {
  readonly #sandbox: Sandbox;
  readonly #helpers = new Map<string, Cell>();
  readonly #root: Cell;

  /** Runs the prelude. Must come before any learner code. */
  constructor(sandbox: Sandbox, hooks: GuestHooks, seed: number) {
    this.#sandbox = sandbox;
    const boot = sandbox.newObject();
    for (const name of ['enter', 'probe', 'register'] as const) {
      const fn = sandbox.newHostFunction(name, hooks[name]);
      sandbox.set(boot, name, fn);
      sandbox.free(fn);
    }
    const start = sandbox.evaluate(PRELUDE_SOURCE, PRELUDE_FILE);
    const seedCell = sandbox.newNumber(seed);
    this.#root = sandbox.call(start, undefined, [boot, seedCell]);
    sandbox.set(sandbox.global, BOOT_GLOBAL, this.#root);
    for (const cell of [boot, start, seedCell]) sandbox.free(cell);
  }

  /** Loads the hooks module, which takes the hooks out of the global object. */
  hideHooks(hooksModule: string): void {
    const sandbox = this.#sandbox;
    sandbox.free(sandbox.evaluateModule(`import ${JSON.stringify(hooksModule)}`, PRELUDE_FILE));
    while (sandbox.runJob());
    sandbox.free(sandbox.evaluate(`delete globalThis.${BOOT_GLOBAL}`, PRELUDE_FILE));
  }

  get hooksSource(): string {
    return HOOKS_SOURCE;
  }

  get makeObject(): Cell {
    return this.#get('makeObject');
  }

  /** Text of the guest's stack, innermost first. */
  stack(): string {
    return this.#text('stack', []);
  }

  /** Its innermost frames alone, in half the time. */
  nearStack(): string {
    return this.#text('nearStack', []);
  }

  /** Statement that threw `value` when it is not an Error, or -1. */
  thrownAt(value: Cell): number {
    const result = this.#call('thrownAt', [this.#sandbox.duplicate(value)]);
    const id = this.#sandbox.toNumber(result);
    this.#sandbox.free(result);
    return id;
  }

  defineInstance(key: string, exports: Cell): void {
    this.#discard('defineInstance', [
      this.#sandbox.newString(key),
      this.#sandbox.duplicate(exports),
    ]);
  }

  defineGlobal(name: string, value: Cell): void {
    this.#discard('defineGlobal', [this.#sandbox.newString(name), this.#sandbox.duplicate(value)]);
  }

  makeType(name: string): Cell {
    return this.#call('makeType', [this.#sandbox.newString(name)]);
  }

  /** Takes over the getter and the setter. */
  defineAccessor(type: Cell, name: string, get: Cell, set: Cell): void {
    const sandbox = this.#sandbox;
    this.#discard('defineAccessor', [sandbox.duplicate(type), sandbox.newString(name), get, set]);
  }

  /** Takes over the function. */
  defineMethod(type: Cell, name: string, fn: Cell): void {
    const sandbox = this.#sandbox;
    this.#discard('defineMethod', [sandbox.duplicate(type), sandbox.newString(name), fn]);
  }

  mapParts(map: Cell, limit: number): Parts {
    return this.#parts('mapParts', map, limit);
  }

  setParts(set: Cell, limit: number): Parts {
    return this.#parts('setParts', set, limit);
  }

  /** A typed array on the memory a DataView shows. */
  bytesOfView(view: Cell): Cell {
    return this.#call('bytesOfView', [this.#sandbox.duplicate(view)]);
  }

  regExpText(value: Cell): string {
    return this.#text('regExpText', [this.#sandbox.duplicate(value)]);
  }

  symbolText(value: Cell): string {
    return this.#text('symbolText', [this.#sandbox.duplicate(value)]);
  }

  #parts(helper: string, collection: Cell, limit: number): Parts {
    const sandbox = this.#sandbox;
    const result = this.#call(helper, [sandbox.duplicate(collection), sandbox.newNumber(limit)]);
    const read = (object: Cell, name: string): number => {
      const cell = sandbox.get(object, name);
      const number = sandbox.toNumber(cell);
      sandbox.free(cell);
      return number;
    };
    const list = sandbox.get(result, 'parts');
    const count = read(list, 'length');
    const parts = Array.from({ length: count }, (_, index) => sandbox.getAt(list, index));
    const size = read(result, 'size');
    sandbox.free(list);
    sandbox.free(result);
    return { size, parts };
  }

  #text(helper: string, args: readonly Cell[]): string {
    const result = this.#call(helper, args);
    const text = this.#sandbox.toText(result);
    this.#sandbox.free(result);
    return text;
  }

  #discard(helper: string, args: readonly Cell[]): void {
    this.#sandbox.free(this.#call(helper, args));
  }

  /** Calls a helper and frees its arguments. */
  #call(helper: string, args: readonly Cell[]): Cell {
    try {
      return this.#sandbox.call(this.#get(helper), undefined, args);
    } finally {
      for (const arg of args) this.#sandbox.free(arg);
    }
  }

  #get(name: string): Cell {
    const known = this.#helpers.get(name);
    if (known !== undefined) return known;
    const cell = this.#sandbox.get(this.#root, name);
    this.#helpers.set(name, cell);
    return cell;
  }
}
