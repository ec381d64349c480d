/**
 * Finds Electron's program without importing the package, which would start a download and throw
 * where that is blocked.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const INSTALL_PATIENCE_MS = 5 * 60_000;

/** Path of Electron's program, or null when it has none. */
export function findElectron(
  root: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string | null {
  const folder = path.join(root, 'node_modules/electron');
  let program = process.platform === 'win32' ? 'electron.exe' : 'electron';
  let isRecorded = false;
  try {
    program = readFileSync(path.join(folder, 'path.txt'), 'utf8').trim();
    isRecorded = true;
  } catch {
    // The download has not happened.
  }
  const chosen = env['ELECTRON_OVERRIDE_DIST_PATH'];
  if (chosen !== undefined && chosen !== '') {
    const file = path.join(chosen, program);
    return existsSync(file) ? file : null;
  }
  const file = path.join(folder, 'dist', program);
  return isRecorded && existsSync(file) ? file : null;
}

function electronVersion(root: string): string {
  const manifest = readFileSync(path.join(root, 'node_modules/electron/package.json'), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

/**
 * Runs Electron's own download once for each version; where it fails, a note keeps later starts
 * quick. Deleting `node_modules` forgets the note. Answers why there is no program, or null.
 */
export async function fetchElectron(root: string): Promise<string | null> {
  const note = path.join(root, 'node_modules/.cache/electron-not-available');
  const version = electronVersion(root);
  if (existsSync(note) && readFileSync(note, 'utf8') === version) {
    return 'its download failed before';
  }
  process.stderr.write(`Fetching Electron ${version} once…\n`);
  const isFetched = await new Promise<boolean>((resolve) => {
    const child = spawn(process.execPath, [path.join(root, 'node_modules/electron/install.js')], {
      stdio: 'ignore',
      timeout: INSTALL_PATIENCE_MS,
    });
    child.on('error', () => resolve(false));
    child.on('exit', (code) => resolve(code === 0));
  });
  if (isFetched && findElectron(root) !== null) return null;
  mkdirSync(path.dirname(note), { recursive: true });
  writeFileSync(note, version);
  return 'its download is blocked or failed';
}
