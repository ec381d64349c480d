/** What a check answers. */
import type { ViewLink } from '../../protocol/views.ts';
import type { AnyRecord } from './trace-query.ts';

export type Shown = string | number | bigint | boolean;

/** What is wrong, exactly: an object, a field of it, what was expected and what was found. */
export interface Mismatch {
  readonly object: string;
  readonly field: string;
  readonly expected: Shown;
  readonly actual: Shown;
  /** The record to jump to. */
  readonly at?: AnyRecord | undefined;
  /** Other records that prove it. */
  readonly evidence?: readonly AnyRecord[];
  readonly link?: ViewLink;
  /** Further values for the sentence. */
  readonly values?: Readonly<Record<string, Shown>>;
}

export interface Passed {
  readonly status: 'pass';
  readonly values: Readonly<Record<string, Shown>>;
  readonly at?: AnyRecord | undefined;
  readonly evidence?: readonly AnyRecord[] | undefined;
}

export interface Failed<Name extends string = string> {
  readonly status: 'fail';
  /** Which of the check's failures it is. */
  readonly name: Name;
  readonly mismatch: Mismatch;
}

export type Verdict<Name extends string = string> = Passed | Failed<Name>;

export interface PassOptions {
  readonly at?: AnyRecord | undefined;
  readonly evidence?: readonly AnyRecord[];
}

/** How a check answers: `return fail('wrong-pasid', { ... })`. */
export interface Answers<Name extends string> {
  pass(values?: Readonly<Record<string, Shown>>, options?: PassOptions): Passed;
  fail(name: Name, mismatch: Mismatch): Failed<Name>;
}

export const ANSWERS: Answers<string> = {
  pass: (values = {}, { at, evidence } = {}) => ({ status: 'pass', values, at, evidence }),
  fail: (name, mismatch) => ({ status: 'fail', name, mismatch }),
};
