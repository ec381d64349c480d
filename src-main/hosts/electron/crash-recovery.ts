import { dialog } from 'electron';
import type { App, BrowserWindow } from 'electron';
import type { Log } from '../log/log.ts';

const RELOAD_LIMIT = 3;
const RELOAD_WINDOW_MS = 60_000;

/**
 * A page that dies is loaded again: the machine lives on in its worker and the learner's text is on
 * disk. A page that dies again and again is not.
 */
export function setupCrashRecovery(app: App, window: BrowserWindow, log: Log): void {
  let deaths: number[] = [];

  window.webContents.on('render-process-gone', (_event, { reason, exitCode }) => {
    log.error(`The page died: ${reason}, code ${exitCode}`);
    if (reason === 'clean-exit' || window.isDestroyed()) return;
    const now = performance.now();
    deaths = [...deaths, now].filter((time) => now - time < RELOAD_WINDOW_MS);
    if (deaths.length <= RELOAD_LIMIT) {
      window.webContents.reload();
      return;
    }
    dialog.showErrorBox(
      'S-IOV Lab cannot show its window',
      `The page died ${deaths.length} times within a minute (${reason}). Your files are safe. ` +
        'Start the lab again; `npm start -- --web` runs it in a browser instead.',
    );
    app.quit();
  });
  window.webContents.on('unresponsive', () => log.warn('The page does not respond'));
  window.webContents.on('preload-error', (_event, file, error) => {
    log.error(`The preload script ${file} failed: ${error.message}`);
  });
  app.on('child-process-gone', (_event, { type, reason }) => {
    log.error(`A ${type} process died: ${reason}`);
  });
}
