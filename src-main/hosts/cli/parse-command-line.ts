/** From words to a command and its input. Everything unknown is named, with what is nearest to it. */
import { parseArgs } from 'node:util';
import { didYouMean } from '../../services/lab-tools/suggestion.ts';
import { UsageError, type Command, type CommandInput } from './command.ts';

export type CommandLine =
  | { readonly kind: 'help'; readonly command: Command | undefined }
  | { readonly kind: 'version' }
  | { readonly kind: 'run'; readonly command: Command; readonly input: CommandInput };

const HELP = new Set(['--help', '-h', 'help']);

export function parseCommandLine(
  words: readonly string[],
  commands: readonly Command[],
): CommandLine {
  const [first] = words;
  if (first === undefined || (HELP.has(first) && words.length === 1)) {
    return { kind: 'help', command: undefined };
  }
  if (first === '--version') return { kind: 'version' };
  const rest = first === 'help' ? words.slice(1) : words;
  const command = findCommand(rest, commands);
  if (first === 'help') return { kind: 'help', command };
  const behind = rest.slice(command.name.split(' ').length);
  const end = behind.indexOf('--');
  const isHelp = behind
    .slice(0, end < 0 ? behind.length : end)
    .some((word) => word === '--help' || word === '-h');
  if (isHelp) return { kind: 'help', command };
  return { kind: 'run', command, input: parseInput(command, behind) };
}

function findCommand(words: readonly string[], commands: readonly Command[]): Command {
  const found = commands.find((command) => {
    const name = command.name.split(' ');
    return name.every((word, index) => words[index] === word);
  });
  if (found !== undefined) return found;
  const [first = '', second] = words;
  const group = commands.filter((command) => command.name.startsWith(`${first} `));
  if (group.length > 0) {
    const names = group.map((command) => command.name);
    const given = second === undefined || second.startsWith('-') ? 'nothing' : second;
    const hint = didYouMean(`${first} ${second ?? ''}`, names) ?? `Known: ${names.join(', ')}`;
    throw new UsageError(`Expected a command behind ${first}, found ${given}`, hint);
  }
  const names = commands.map((command) => command.name);
  const hint =
    didYouMean(second === undefined ? first : `${first} ${second}`, names) ??
    didYouMean(first, names);
  throw new UsageError(`There is no command ${first}`, hint ?? `Known: ${names.join(', ')}`);
}

type Values = Readonly<
  Record<string, string | boolean | readonly (string | boolean)[] | undefined>
>;

function parseInput(command: Command, words: readonly string[]): CommandInput {
  rejectUnknownOptions(command, words);
  let parsed: { readonly values: Values; readonly positionals: readonly string[] };
  try {
    parsed = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: Object.fromEntries(
        Object.entries(command.options).map(([name, { type, multiple = false }]) => [
          name,
          { type, multiple },
        ]),
      ),
    });
  } catch (error) {
    throw new UsageError(messageOf(error), `siov-lab ${command.name} --help`);
  }
  checkOperands(command, parsed.positionals);
  return inputOf(parsed.values, parsed.positionals);
}

function rejectUnknownOptions({ name, options }: Command, words: readonly string[]): void {
  const { tokens } = parseArgs({ args: [...words], strict: false, tokens: true, options: {} });
  for (const token of tokens) {
    if (token.kind !== 'option' || Object.hasOwn(options, token.name)) continue;
    // Without types the parser takes the value of a known option for an operand, never for an option.
    const known = Object.keys(options).map((option) => `--${option}`);
    const list = known.length === 0 ? `${name} takes no options` : `Known: ${known.join(', ')}`;
    throw new UsageError(
      `${name} has no option ${token.rawName}`,
      didYouMean(token.rawName, known) ?? list,
    );
  }
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const { name, minOperands, maxOperands } = command;
  const usage = `siov-lab ${name} ${command.operands}`;
  if (operands.length < minOperands) {
    throw new UsageError(`${name} needs ${command.operands}`, usage);
  }
  if (operands.length > maxOperands) {
    throw new UsageError(`${name} takes no ${operands[maxOperands] ?? ''}`, usage);
  }
}

function inputOf(values: Values, operands: readonly string[]): CommandInput {
  const all = (option: string): readonly string[] => {
    const value = values[option];
    const list = value === undefined ? [] : Array.isArray(value) ? value : [value];
    return list.filter((item): item is string => typeof item === 'string');
  };
  return {
    operands,
    values: all,
    value: (option) => all(option).at(-1),
    isSet: (option) => values[option] !== undefined && values[option] !== false,
    count: (option) => countOf(option, all(option).at(-1)),
  };
}

function countOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^(\d+|0x[0-9a-f]+)$/i.test(text) && Number.isSafeInteger(value)) return value;
  throw new UsageError(`Expected --${option} with a whole number, found ${text}`);
}

/** Node's own sentences, without the advice about `--` that only confuses. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('. ')[0] ?? text;
}
