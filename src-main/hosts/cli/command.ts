/** What a command of the command line is: a name, its options, and work that ends with an exit code. */
import type { ParseArgsOptionDescriptor } from 'node:util';

export const EXIT = {
  pass: 0,
  /** Checks failed, results disagree. */
  fail: 1,
  /** The command line or a file that it names cannot be used. */
  badInput: 2,
  /** A fault of ours. */
  ourFault: 3,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface CommandOption {
  readonly type: ParseArgsOptionDescriptor['type'];
  readonly multiple?: boolean;
  /** Name of the value in the help: `--seed N`. */
  readonly value?: string;
  readonly help: string;
}

export interface Command {
  /** Words on the command line: `lab run`. */
  readonly name: string;
  /** What stands behind the name: `ID`, `FILE...`. */
  readonly operands: string;
  readonly summary: string;
  /** Paragraphs for `--help`. */
  readonly details?: string;
  readonly options: Readonly<Record<string, CommandOption>>;
  readonly minOperands: number;
  readonly maxOperands: number;
  run(input: CommandInput, io: CommandIo): Promise<ExitCode> | ExitCode;
}

export interface CommandInput {
  readonly operands: readonly string[];
  /** The last value given. */
  value(option: string): string | undefined;
  values(option: string): readonly string[];
  isSet(option: string): boolean;
  /** A whole number from 0, or a `UsageError`. */
  count(option: string): number | undefined;
}

/** Data goes to stdout, talk to stderr: a pipe sees data alone. */
export interface CommandIo {
  readonly cwd: string;
  out(text: string): void;
  say(text: string): void;
}

/** Something the user can mend: what was expected, what was found, what to do. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

export const JSON_OPTION: CommandOption = { type: 'boolean', help: 'print one JSON document' };

export function printJson(io: CommandIo, document: unknown): void {
  io.out(JSON.stringify(document, null, 2));
}
