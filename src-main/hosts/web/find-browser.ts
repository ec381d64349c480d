import { existsSync } from 'node:fs';
import path from 'node:path';

/** Chromium-family browsers, the plainest first, by the names their packages give them. */
const PATH_NAMES = [
  'chromium',
  'chromium-browser',
  'google-chrome-stable',
  'google-chrome',
  'microsoft-edge-stable',
  'microsoft-edge',
  'brave-browser',
];

const MAC_APPS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
];

const WINDOWS_APPS = [
  String.raw`Google\Chrome\Application\chrome.exe`,
  String.raw`Chromium\Application\chrome.exe`,
  String.raw`Microsoft\Edge\Application\msedge.exe`,
];

export interface BrowserSearch {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly exists: (file: string) => boolean;
}

const thisMachine: BrowserSearch = {
  platform: process.platform,
  env: process.env,
  exists: existsSync,
};

/** Path of an installed Chromium-family browser, or null. `SIOV_LAB_CHROMIUM` comes first. */
export function findChromium(search: BrowserSearch = thisMachine): string | null {
  const { env, exists } = search;
  const chosen = env['SIOV_LAB_CHROMIUM'];
  if (chosen !== undefined && chosen !== '') return exists(chosen) ? chosen : null;
  return candidates(search).find(exists) ?? null;
}

function candidates({ platform, env }: BrowserSearch): string[] {
  if (platform === 'darwin') return MAC_APPS;
  if (platform === 'win32') {
    const roots = [env['PROGRAMFILES'], env['PROGRAMFILES(X86)'], env['LOCALAPPDATA']];
    return roots
      .filter((root) => root !== undefined)
      .flatMap((root) => WINDOWS_APPS.map((app) => path.win32.join(root, app)));
  }
  const folders = (env['PATH'] ?? '').split(':').filter((folder) => folder !== '');
  return PATH_NAMES.flatMap((name) => folders.map((folder) => path.posix.join(folder, name)));
}
