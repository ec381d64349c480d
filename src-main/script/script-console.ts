/**
 * The console of lab scripts: `console.log` and friends, as an SDK module that is also a global, and the cap that keeps a
 * flood of lines from drowning the window.
 */
import { toGroupedHex } from '../bits/hex.ts';
import { ArgumentError, defineSdkModule } from './sdk/sdk-module.ts';
import type {
  CallSite,
  ConsoleLevel,
  HostFunctionSpec,
  ScriptValue,
  SdkModule,
} from './sdk/sdk-module.ts';
import { isRecord } from './sdk/arguments.ts';
import { printHostValue } from './value-printer.ts';

export interface ConsoleMessage {
  readonly level: ConsoleLevel;
  readonly text: string;
  readonly path: string;
  readonly line: number;
}

export interface ConsoleLimits {
  readonly lines: number;
  readonly characters: number;
  readonly lineCharacters: number;
}

export const CONSOLE_LIMITS: ConsoleLimits = {
  lines: 5_000,
  characters: 512 * 1024,
  lineCharacters: 8 * 1024,
};

/** Lets lines through up to the limits, then counts what it holds back. */
export class ConsoleGate {
  readonly #limits: ConsoleLimits;
  readonly #deliver: (message: ConsoleMessage) => void;
  #lines = 0;
  #characters = 0;
  #heldBack = 0;
  #lastSite: CallSite | undefined = undefined;

  constructor(limits: ConsoleLimits, deliver: (message: ConsoleMessage) => void) {
    this.#limits = limits;
    this.#deliver = deliver;
  }

  /** `compose` and `locate` are not called for a line that nobody will see. */
  write(level: ConsoleLevel, compose: () => string, locate: () => CallSite): void {
    const isOpen = this.#lines < this.#limits.lines && this.#characters < this.#limits.characters;
    if (!isOpen) {
      this.#heldBack += 1;
      return;
    }
    const text = compose();
    const site = locate();
    this.#lastSite = site;
    const { lineCharacters } = this.#limits;
    const cut = text.length - lineCharacters;
    const shown =
      cut > 0 ? `${text.slice(0, lineCharacters)}... (${String(cut)} characters cut)` : text;
    this.#lines += 1;
    this.#characters += shown.length;
    this.#deliver({ level, text: shown, path: site.path, line: site.line });
  }

  /** Says what was held back. Called at the end of a run. */
  close(): void {
    if (this.#heldBack === 0) return;
    const lines =
      this.#heldBack === 1 ? '1 more line was' : `${String(this.#heldBack)} more lines were`;
    const { path = '', line = 0 } = this.#lastSite ?? {};
    this.#heldBack = 0;
    this.#deliver({ level: 'warn', text: `${lines} printed than the console keeps`, path, line });
  }
}

const TYPES = `/** Prints the values in one line, in the name of the calling line. */
export declare function log(...values: unknown[]): void;
/** Like \`log\`, marked as information. */
export declare function info(...values: unknown[]): void;
/** Like \`log\`, marked as a warning. */
export declare function warn(...values: unknown[]): void;
/** Like \`log\`, marked as an error. The script goes on. */
export declare function error(...values: unknown[]): void;
/** Prints an array of objects, or an object of objects, as a table with one row each. */
export declare function table(rows: readonly object[] | object): void;
/** \`0x1f_f000\`: hexadecimal in groups of four digits, with at least so many digits. */
export declare function hex(value: number | bigint, digits?: number): string;
`;

export const consoleModule: SdkModule = defineSdkModule({
  name: 'console',
  globalName: 'console',
  types: TYPES,
  functions: {
    log: printer('log'),
    info: printer('info'),
    warn: printer('warn'),
    error: printer('error'),
    table: (call, rows) => {
      call.print('log', () => formatTable(rows));
    },
    hex: {
      readOnly: true,
      run: (_call, value, digits = 1) => hexText(value, digits),
    },
  },
});

function printer(level: ConsoleLevel): HostFunctionSpec {
  return {
    isTextOnly: true,
    run: (call) => {
      call.print(level, () =>
        Array.from({ length: call.argumentCount }, (_, index) => call.textOf(index)).join(' '),
      );
    },
  };
}

function hexText(value: ScriptValue, digits: ScriptValue): string {
  if (typeof digits !== 'number' || !Number.isInteger(digits) || digits < 1 || digits > 64) {
    throw new ArgumentError('digits', 'a whole number from 1 to 64', digits);
  }
  const isWhole =
    typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value));
  if (!isWhole) throw new ArgumentError('value', 'a whole number or a BigInt', value);
  return value < 0 ? `-${toGroupedHex(-value, digits)}` : toGroupedHex(value, digits);
}

/** Columns are the union of the rows' keys, in order of appearance. */
function formatTable(rows: ScriptValue): string {
  const named: readonly (readonly [string, ScriptValue])[] = Array.isArray(rows)
    ? (rows as readonly ScriptValue[]).map((row, index) => [String(index), row] as const)
    : isRecord(rows)
      ? Object.entries(rows)
      : [];
  if (named.length === 0) return printHostValue(rows);
  const columns: string[] = [];
  for (const [, row] of named) {
    for (const key of isRecord(row) ? Object.keys(row) : ['value']) {
      if (!columns.includes(key)) columns.push(key);
    }
  }
  const cellsOf = (row: ScriptValue): string[] =>
    columns.map((key) => {
      if (!isRecord(row)) return key === 'value' ? printHostValue(row) : '';
      return key in row ? printHostValue(row[key]) : '';
    });
  const lines = [['', ...columns], ...named.map(([name, row]) => [name, ...cellsOf(row)])];
  const widths = lines[0]?.map((_, c) => Math.max(...lines.map((cells) => cells[c]?.length ?? 0)));
  return lines
    .map((cells) =>
      cells
        .map((cell, c) => cell.padEnd(widths?.[c] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
