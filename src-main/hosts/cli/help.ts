/** The texts of `--help`. */
import type { Command, CommandOption } from './command.ts';

const WIDTH = 26;

export function overviewText(commands: readonly Command[]): string {
  const lines = commands.map((command) => `  ${command.name.padEnd(WIDTH - 2)}${command.summary}`);
  return [
    'Usage: siov-lab COMMAND [options]',
    '',
    'S-IOV Lab without its window: labs, scripts and recorded experiments.',
    '',
    ...lines,
    '',
    'siov-lab COMMAND --help tells more. Data goes to stdout, talk to stderr; --json prints one JSON document.',
    'Exit codes: 0 pass, 1 checks failed, 2 bad input, 3 a fault of S-IOV Lab.',
  ].join('\n');
}

export function commandText(command: Command): string {
  const { name, operands, summary, details } = command;
  const options = Object.entries(command.options).map(([option, spec]) => optionLine(option, spec));
  const help = optionLine('help', { type: 'boolean', help: 'print this text' });
  return [
    `Usage: siov-lab ${[name, operands, '[options]'].filter((part) => part !== '').join(' ')}`,
    '',
    summary,
    ...(details === undefined ? [] : ['', details]),
    '',
    ...options,
    help,
  ].join('\n');
}

function optionLine(name: string, { value, multiple = false, help }: CommandOption): string {
  const shown = `--${name}${value === undefined ? '' : ` ${value}`}${multiple ? ' ...' : ''}`;
  return `  ${shown.padEnd(WIDTH - 2)}${shown.length > WIDTH - 3 ? `\n${' '.repeat(WIDTH)}` : ''}${help}`;
}
