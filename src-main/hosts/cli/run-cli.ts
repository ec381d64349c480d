/** The command line from words to exit code. Whatever goes wrong is said on stderr: what, and what to do about it. */
import { AppError } from '../../protocol/app-error.ts';
import { EXIT, UsageError, type Command, type CommandIo, type ExitCode } from './command.ts';
import { commandText, overviewText } from './help.ts';
import { parseCommandLine } from './parse-command-line.ts';

export interface CliOptions {
  readonly commands: readonly Command[];
  readonly version: string;
  readonly io: CommandIo;
}

export async function runCli(
  words: readonly string[],
  { commands, version, io }: CliOptions,
): Promise<ExitCode> {
  try {
    const line = parseCommandLine(words, commands);
    switch (line.kind) {
      case 'version':
        io.out(version);
        return EXIT.pass;
      case 'help':
        io.out(line.command === undefined ? overviewText(commands) : commandText(line.command));
        return EXIT.pass;
      case 'run':
        return await line.command.run(line.input, io);
    }
  } catch (error) {
    return report(error, io);
  }
}

function report(error: unknown, io: CommandIo): ExitCode {
  if (error instanceof UsageError || error instanceof AppError) {
    io.say(error.message);
    if (error instanceof AppError) {
      for (const { path, message } of error.issues) io.say(`  ${path}: ${message}`);
    }
    if (error.hint !== undefined) io.say(error.hint);
    return EXIT.badInput;
  }
  io.say('This is a fault of S-IOV Lab, not of your input:');
  io.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.ourFault;
}
