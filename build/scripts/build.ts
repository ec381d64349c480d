/** Builds `out/`: hosts, preload script and window, with all that they read at run time. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { markBuilt, sourceHash } from './build-stamp.ts';

const root = path.resolve(import.meta.dirname, '../..');

const before = sourceHash(root);
rmSync(path.join(root, 'out'), { recursive: true, force: true });
const { status } = spawnSync(
  process.execPath,
  [
    path.join(root, 'node_modules/electron-vite/bin/electron-vite.js'),
    ...['build', '--config', 'electron.vite.config.ts', '--logLevel', 'warn'],
  ],
  { cwd: root, stdio: ['ignore', process.stderr, process.stderr] },
);
if (status !== 0) process.exit(status ?? 1);
markBuilt(root, before);
