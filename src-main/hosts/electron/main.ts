/** Entry of the Electron host: a flat list of steps, each in a file of its own. */
import path from 'node:path';
import { app, session } from 'electron';
import type { BrowserWindow } from 'electron';
import { resolveAppPaths } from '../app-paths.ts';
import { createFileLog } from '../log/file-log.ts';
import type { Log } from '../log/log.ts';
import { startMachineWorker } from '../machine/machine-link.ts';
import type { MachineSupervisor } from '../machine/machine-supervisor.ts';
import { createMachineSupervisor } from '../machine/machine-supervisor.ts';
import { findHomeFolder } from '../storage/home-folder.ts';
import { setupCrashRecovery } from './crash-recovery.ts';
import { sendMenuCommand, setupIpcGateway } from './ipc-gateway.ts';
import { lockDownContents, lockDownSession } from './lockdown.ts';
import { setupMenu } from './menu.ts';
import { registerPageScheme, servePage } from './page-scheme.ts';
import { programFolder } from './program-folder.ts';
import { createMainWindow, showPage } from './window.ts';

const paths = resolveAppPaths(import.meta.url);
const home = findHomeFolder(app.isPackaged ? { programFolder: programFolder() } : {});

function startMachine(log: Log): MachineSupervisor {
  const folders = {
    home,
    labs: paths.labs,
    sandboxModule: paths.sandboxModule,
    version: paths.version,
  };
  return createMachineSupervisor({
    log,
    start: (listener) => startMachineWorker(paths.machineWorker, folders, listener),
  });
}

async function openLab(log: Log): Promise<BrowserWindow> {
  const machine = startMachine(log);
  const window = createMainWindow({
    home,
    preload: paths.preload,
    icon: paths.icon,
  });
  setupIpcGateway({ window, log, onConnect: (channel) => void machine.attach(channel) });
  setupCrashRecovery(app, window, log);
  setupMenu({
    isMac: process.platform === 'darwin',
    locale: app.getLocale(),
    hasDevTools: !app.isPackaged,
    send: (command) => sendMenuCommand(window, command),
  });
  window.on('closed', () => void machine.dispose());
  await showPage(window);
  return window;
}

async function main(): Promise<void> {
  const log = createFileLog(path.join(home, 'logs'), 'electron');
  process.on('uncaughtException', (error) => log.error(error.stack ?? error.message));
  process.on('unhandledRejection', (reason) => log.error(`Unhandled rejection: ${String(reason)}`));
  lockDownContents(app, log);
  await app.whenReady();
  servePage(session.defaultSession, paths.renderer);
  lockDownSession(session.defaultSession, log);

  const window = await openLab(log);
  app.on('second-instance', () => {
    if (window.isDestroyed()) return;
    if (window.isMinimized()) window.restore();
    window.focus();
  });
  app.on('window-all-closed', () => app.quit());
  log.info(`Started version ${paths.version}`);
}

registerPageScheme();
app.enableSandbox();
// Chromium's own files stand beside the learner's, so that a program on a stick leaves no trace.
app.setPath('userData', path.join(home, 'electron'));
if (app.requestSingleInstanceLock()) {
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    app.exit(3);
  });
} else {
  app.quit();
}
