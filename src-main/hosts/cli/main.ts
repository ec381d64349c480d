/** Entry of the command line: `siov-lab`, or `npm run --silent siov-lab --` in a checkout. */
import process from 'node:process';
import { EXIT } from './command.ts';
import { COMMANDS } from './commands.ts';
import { appPaths } from './lab-tools.ts';
import { runCli } from './run-cli.ts';

// Whoever reads the output may have seen enough, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.pass);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), {
  commands: COMMANDS,
  version: appPaths().version,
  io: {
    cwd: process.cwd(),
    out: (text) => void process.stdout.write(`${text}\n`),
    say: (text) => void process.stderr.write(`${text}\n`),
  },
});
