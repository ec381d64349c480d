import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

const APP_FOLDER = 'S-IOV Lab';

export interface HomeSearch {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homedir: string;
  readonly exists: (file: string) => boolean;
  /** Folder of the packaged program, when there is one. */
  readonly programFolder?: string;
}

const thisMachine: HomeSearch = {
  platform: process.platform,
  env: process.env,
  homedir: homedir(),
  exists: existsSync,
};

/**
 * Where the learner's work is kept: `SIOV_LAB_HOME`, else a `data` folder beside the program (a zip
 * on a stick), else the system's folder for application data.
 */
export function findHomeFolder(search: Partial<HomeSearch> = {}): string {
  const { platform, env, homedir: home, exists, programFolder } = { ...thisMachine, ...search };
  const paths = platform === 'win32' ? path.win32 : path.posix;
  const chosen = env['SIOV_LAB_HOME'];
  if (chosen !== undefined && chosen !== '') return paths.resolve(chosen);
  if (programFolder !== undefined) {
    const beside = paths.join(programFolder, 'data');
    if (exists(beside)) return beside;
  }
  if (platform === 'win32') {
    return paths.join(env['APPDATA'] ?? paths.join(home, 'AppData', 'Roaming'), APP_FOLDER);
  }
  if (platform === 'darwin') {
    return paths.join(home, 'Library', 'Application Support', APP_FOLDER);
  }
  const xdg = env['XDG_DATA_HOME'];
  const base = xdg === undefined || xdg === '' ? paths.join(home, '.local', 'share') : xdg;
  return paths.join(base, 'siov-lab');
}
