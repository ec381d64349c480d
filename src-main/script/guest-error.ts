/** What crosses the border between guest and host when something is thrown. */
import type { Cell } from './quickjs-abi.ts';

export type GuestErrorKind = 'Error' | 'TypeError' | 'RangeError' | 'SyntaxError';

/**
 * A guest exception on its way through host code. Letting it pass on to the guest rethrows the very same guest value, so
 * the learner's stack and `===` survive.
 */
export class GuestError extends Error {
  override readonly name = 'GuestError';
  readonly cell: Cell;
  /** Class name and message as the guest prints them, for example `TypeError: not a function`. */
  readonly text: string;
  /** The guest's stack; empty when the thrown value is not an Error. */
  readonly guestStack: string;

  constructor(options: { cell: Cell; text: string; guestStack: string }) {
    super(options.text);
    this.cell = options.cell;
    this.text = options.text;
    this.guestStack = options.guestStack;
  }
}

/** Thrown by host code to raise a guest error of the given class at the guest's calling statement. */
export class ThrowInGuest extends Error {
  override readonly name = 'ThrowInGuest';
  readonly kind: GuestErrorKind;
  /** Extra own properties of the guest's error, such as `errno`. */
  readonly fields: Readonly<Record<string, number | string>>;

  constructor(
    message: string,
    kind: GuestErrorKind = 'Error',
    fields: Readonly<Record<string, number | string>> = {},
  ) {
    super(message);
    this.kind = kind;
    this.fields = fields;
  }
}

/** Thrown by host code to end the script; the guest cannot catch it and runs no `finally`. */
export class ScriptKilled extends Error {
  override readonly name = 'ScriptKilled';
}
