/** Entry of the web host: `node out/main/web.js`, or from sources. */
import path from 'node:path';
import { resolveAppPaths } from '../app-paths.ts';
import { createFileLog } from '../log/file-log.ts';
import { startMachineWorker } from '../machine/machine-link.ts';
import { createMachineSupervisor } from '../machine/machine-supervisor.ts';
import { findHomeFolder } from '../storage/home-folder.ts';
import { hasDisplay, openAppWindow } from './app-window.ts';
import { findChromium } from './find-browser.ts';
import { startWebHost } from './server.ts';
import type { WebArguments } from './web-arguments.ts';
import { WEB_HELP, parseWebArguments } from './web-arguments.ts';

const EXIT_BAD_INPUT = 2;
const EXIT_OUR_FAULT = 3;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function readArguments(): WebArguments {
  try {
    return parseWebArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(EXIT_BAD_INPUT);
  }
}

async function main(): Promise<void> {
  const wanted = readArguments();
  if (wanted.isHelp) {
    print(WEB_HELP);
    return;
  }
  const paths = resolveAppPaths(import.meta.url);
  const home = findHomeFolder();
  const log = createFileLog(path.join(home, 'logs'), 'web');
  const folders = {
    home,
    labs: paths.labs,
    sandboxModule: paths.sandboxModule,
    version: paths.version,
  };
  const host = await startWebHost({
    renderer: paths.renderer,
    port: wanted.port,
    token: process.env['SIOV_LAB_TOKEN'],
    log,
    startMachine: () =>
      createMachineSupervisor({
        log,
        start: (listener) => startMachineWorker(paths.machineWorker, folders, listener),
      }),
  });
  print(`S-IOV Lab is at ${host.url}`);

  const browser = wanted.isOpening && hasDisplay() ? findChromium() : null;
  const window = browser === null ? null : openAppWindow(browser, host.createTicketUrl(), home);
  print(window === null ? 'Open it in a browser; Ctrl-C ends the lab' : 'Ctrl-C ends the lab');

  let isEnding = false;
  const end = async (): Promise<void> => {
    if (isEnding) process.exit(EXIT_OUR_FAULT);
    isEnding = true;
    window?.close();
    await host.close();
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => void end());
  }
  if (window !== null) {
    await window.closed;
    await end();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(EXIT_OUR_FAULT);
});
