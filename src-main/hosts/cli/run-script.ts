/** What commands that run a file have in common: its options, and the run. */
import path from 'node:path';
import { runScript, type ScriptRunResult } from '../../services/lab-tools/run-script.ts';
import type { CommandInput, CommandIo, CommandOption } from './command.ts';
import { nodeCrypto } from '../crypto/node-crypto.ts';
import { loadSandbox } from './lab-tools.ts';
import { readTextFile } from './read-file.ts';

export const RUN_OPTIONS: Readonly<Record<string, CommandOption>> = {
  machine: { type: 'string', value: 'PATH', help: 'a machine.json; default is one accelerator' },
  seed: { type: 'string', value: 'N', help: 'seed of the machine and the script' },
  profile: {
    type: 'string',
    value: 'NAME',
    help: 'kernel profile: iommufd (default) or kvmforum2019',
  },
  actor: {
    type: 'string',
    value: 'ROLE',
    help: 'host-driver (default), vdcm, guest-driver or application',
  },
};

/** Runs the file, or only boots the machine; what it prints goes to stderr. */
export function runFile(
  file: string | undefined,
  input: CommandInput,
  io: CommandIo,
): ScriptRunResult {
  const machine = input.value('machine');
  return runScript(
    { loadSandbox, crypto: nodeCrypto },
    {
      script:
        file === undefined
          ? undefined
          : { path: path.basename(file), text: readTextFile(io.cwd, file) },
      machine:
        machine === undefined ? undefined : { path: machine, text: readTextFile(io.cwd, machine) },
      seed: input.count('seed'),
      profile: input.value('profile'),
      actor: input.value('actor'),
      ports: { onConsole: ({ text }) => io.say(text) },
    },
  );
}

export function sayScriptErrors(io: CommandIo, { report }: ScriptRunResult): void {
  for (const { file, line, column, message } of report.scriptErrors) {
    io.say(`${file}:${String(line)}:${String(column)} ${message}`);
  }
}
