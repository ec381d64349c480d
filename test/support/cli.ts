/** The command line in this process: what it prints, and how it ends. */
import { COMMANDS } from '../../src-main/hosts/cli/commands.ts';
import type { Command } from '../../src-main/hosts/cli/command.ts';
import { runCli } from '../../src-main/hosts/cli/run-cli.ts';

export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly said: string;
}

export interface CliSetting {
  readonly cwd?: string;
  readonly commands?: readonly Command[];
}

export async function cli(
  words: readonly string[],
  { cwd = process.cwd(), commands = COMMANDS }: CliSetting = {},
): Promise<CliRun> {
  const out: string[] = [];
  const said: string[] = [];
  const code = await runCli(words, {
    commands,
    version: '9.9.9',
    io: { cwd, out: (text) => out.push(text), say: (text) => said.push(text) },
  });
  return { code, out: out.join('\n'), said: said.join('\n') };
}
