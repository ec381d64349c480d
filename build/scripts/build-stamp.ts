/** Tells whether `out/` was built from the sources as they are now. */
import { createHash } from 'node:crypto';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const SOURCES = [
  'src-main/**/*',
  'src-renderer/**/*',
  'labs/**/*',
  'electron.vite.config.ts',
  'package-lock.json',
  'build/scripts/build.ts',
];
const STAMP = 'out/.built-from';

/** One hash over names and contents: a checkout or a touched file alone changes nothing. */
export function sourceHash(root: string): string {
  const hash = createHash('sha256');
  const entries = globSync(SOURCES, { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .toSorted();
  for (const name of entries) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(path.join(root, name)))
      .update('\0');
  }
  return hash.digest('hex');
}

export function isBuilt(root: string): boolean {
  try {
    return readFileSync(path.join(root, STAMP), 'utf8') === sourceHash(root);
  } catch {
    return false;
  }
}

export function markBuilt(root: string, hash: string): void {
  writeFileSync(path.join(root, STAMP), hash);
}
