/** Reads the variables of a paused script and evaluates watch expressions in their reach. */
import { GuestError } from './guest-error.ts';
import type { Evaluation, ScriptInspector, ScriptVariable, StackFrame } from './pause-port.ts';
import type { Cell, Sandbox } from './sandbox.ts';
import type { ValuePrinter } from './value-printer.ts';
import { parseWatch } from './watch-expression.ts';

/** Variables of one scope: their names, and a guest function that gives the value of the n-th. */
export interface ReadableScope {
  readonly scope: ScriptVariable['scope'];
  readonly names: readonly string[];
  readonly reader: Cell | undefined;
}

export interface InspectorOptions {
  readonly sandbox: Sandbox;
  readonly printer: ValuePrinter;
  /** Innermost first. */
  readonly scopes: readonly ReadableScope[];
  readonly stack: () => readonly StackFrame[];
  /** Runs guest code as a watch: no statement counted, no change of the machine, a bounded time. */
  readonly asWatch: <T>(work: () => T) => T;
}

/** File name of watch expressions in the guest. */
const WATCH_FILE = '<watch>';

export class GuestInspector implements ScriptInspector {
  readonly #options: InspectorOptions;

  constructor(options: InspectorOptions) {
    this.#options = options;
  }

  stack(): readonly StackFrame[] {
    return this.#options.stack();
  }

  variables(): readonly ScriptVariable[] {
    const { sandbox, printer, scopes } = this.#options;
    const variables: ScriptVariable[] = [];
    for (const { scope, names } of scopes) {
      for (const name of names) {
        if (variables.some((known) => known.name === name)) continue;
        const cell = this.#read(name);
        variables.push({ name, scope, value: cell === undefined ? cell : printer.print(cell) });
        if (cell !== undefined) sandbox.free(cell);
      }
    }
    return variables;
  }

  evaluate(expression: string): Evaluation {
    const { sandbox, printer } = this.#options;
    const result = this.#evaluate(expression);
    if (typeof result === 'string') return { text: result, isError: true };
    const text = printer.print(result);
    sandbox.free(result);
    return { text, isError: false };
  }

  /** Whether a condition holds. One that cannot be evaluated counts as true, so that it is noticed. */
  isTrue(condition: string): boolean {
    const result = this.#evaluate(condition);
    if (typeof result === 'string') return true;
    const isTrue = this.#options.sandbox.toBoolean(result);
    this.#options.sandbox.free(result);
    return isTrue;
  }

  /** The value, or what went wrong. */
  #evaluate(expression: string): Cell | string {
    const { sandbox, asWatch, scopes } = this.#options;
    const watch = parseWatch(expression);
    if (watch.kind === 'refused') return watch.message;
    const known = new Set(scopes.flatMap((scope) => scope.names));
    const parameters: string[] = [];
    const values: Cell[] = [];
    let self: Cell | undefined = undefined;
    for (const name of watch.names) {
      if (!known.has(name)) continue;
      const cell = this.#read(name);
      if (cell === undefined) return `${name} is not initialised yet`;
      if (name === 'this') {
        self = cell;
        continue;
      }
      parameters.push(name);
      values.push(cell);
    }
    const source = `(function(${parameters.join(',')}){"use strict";return ${watch.js}})`;
    try {
      return asWatch(() => {
        const fn = sandbox.evaluate(source, WATCH_FILE);
        try {
          return sandbox.call(fn, self, values);
        } finally {
          sandbox.free(fn);
        }
      });
    } catch (error) {
      if (error instanceof GuestError) return watchError(error);
      throw error;
    } finally {
      for (const cell of [...values, ...(self === undefined ? [] : [self])]) sandbox.free(cell);
    }
  }

  /** The variable's value, or undefined before its initialisation. */
  #read(name: string): Cell | undefined {
    const { sandbox, scopes } = this.#options;
    for (const { names, reader } of scopes) {
      const index = names.indexOf(name);
      if (index < 0 || reader === undefined) continue;
      const position = sandbox.newNumber(index);
      try {
        return sandbox.call(reader, undefined, [position]);
      } catch (error) {
        if (error instanceof GuestError) return undefined;
        throw error;
      } finally {
        sandbox.free(position);
      }
    }
    return undefined;
  }
}

function watchError(error: GuestError): string {
  return error.text === 'InternalError: interrupted' ? 'The watch takes too long' : error.text;
}
