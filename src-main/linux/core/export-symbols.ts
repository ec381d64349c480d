/**
 * Puts call records around the functions that a subsystem exports, as EXPORT_SYMBOL makes a kernel function known to
 * others. Calls of one subsystem to another go through the same functions and are recorded too.
 */
import type { Core } from './core.ts';

type AnyFunction = (...args: readonly unknown[]) => unknown;

type FunctionName<T> = {
  [K in keyof T]: T[K] extends (...args: never) => unknown ? K : never;
}[keyof T] &
  string;

export interface ExportedNames<T> {
  /** Functions that may change something. */
  readonly calls?: readonly FunctionName<T>[];
  /** Functions that only read. */
  readonly queries?: readonly FunctionName<T>[];
}

export function exportSymbols<T extends object>(
  core: Core,
  target: T,
  names: ExportedNames<T>,
): void {
  const wrap = (name: FunctionName<T>, isQuery: boolean): void => {
    const body = target[name] as unknown as AnyFunction;
    const run: AnyFunction = (...args) => {
      const perform = (): unknown => body.apply(target, [...args]);
      return isQuery ? core.query(name, args, perform) : core.call(name, args, perform);
    };
    Object.defineProperty(target, name, { value: run });
  };
  for (const name of names.calls ?? []) {
    wrap(name, false);
  }
  for (const name of names.queries ?? []) {
    wrap(name, true);
  }
}
