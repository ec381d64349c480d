/** `npm start`: builds what is stale, then opens the lab in Electron, or in a browser with one line why. */
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { hasDisplay } from '../../src-main/hosts/web/app-window.ts';
import { WEB_HELP, parseWebArguments } from '../../src-main/hosts/web/web-arguments.ts';
import { isBuilt } from './build-stamp.ts';
import { fetchElectron, findElectron } from './find-electron.ts';

const root = path.resolve(import.meta.dirname, '../..');
const EXIT_BAD_INPUT = 2;

function buildIfStale(): void {
  if (isBuilt(root)) return;
  process.stderr.write('Building, because the sources changed…\n');
  const { status } = spawnSync(process.execPath, [path.join(root, 'build/scripts/build.ts')], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}

/** Why the lab cannot open in Electron, or null when it can. */
async function electronProblem(argv: readonly string[]): Promise<string | null> {
  if (argv.includes('--web')) return '--web asks for the browser';
  if (argv.some((argument) => argument.startsWith('--port') || argument === '--no-open')) {
    return 'these options ask for a web page';
  }
  if (!hasDisplay()) return 'there is no display';
  if (findElectron(root) !== null) return null;
  const reason = await fetchElectron(root);
  return reason === null ? null : `Electron is not installed (${reason})`;
}

/** Runs the lab and ends as it ends. Ctrl-C reaches it by itself. */
function run(command: string, args: readonly string[]): void {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 0 : 1)));
  child.on('error', (error) => {
    process.stderr.write(`Could not start ${command}: ${error.message}\n`);
    process.exit(1);
  });
}

const argv = process.argv.slice(2);
try {
  if (parseWebArguments(argv).isHelp) {
    process.stdout.write(`${WEB_HELP}\n`);
    process.exit(0);
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(EXIT_BAD_INPUT);
}

buildIfStale();
const problem = await electronProblem(argv);
const electron = problem === null ? findElectron(root) : null;
if (electron !== null) {
  // Chromium refuses to run as root with its sandbox.
  const flags = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  run(electron, [...flags, root]);
} else {
  process.stderr.write(`Opening the lab from its local web host: ${problem ?? 'no Electron'}\n`);
  run(process.execPath, [path.join(root, 'out/main/web.js'), ...argv]);
}
