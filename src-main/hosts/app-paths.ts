import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the parts of the program are, from sources and from a build or package alike. */
export interface AppPaths {
  /** Folder with package.json. */
  readonly root: string;
  readonly version: string;
  readonly renderer: string;
  readonly labs: string;
  readonly preload: string;
  readonly machineWorker: string;
  readonly sandboxModule: string;
  readonly icon: string;
}

const SOURCE_MARK = `${path.sep}src-main${path.sep}hosts${path.sep}`;

/** @param entryUrl `import.meta.url` of a host's entry module. */
export function resolveAppPaths(entryUrl: string): AppPaths {
  const entry = fileURLToPath(entryUrl);
  const mark = entry.indexOf(SOURCE_MARK);
  return mark >= 0 ? sourcePaths(entry.slice(0, mark)) : builtPaths(path.dirname(entry));
}

function sourcePaths(root: string): AppPaths {
  return {
    root,
    version: readVersion(root),
    renderer: path.join(root, 'out/renderer'),
    labs: path.join(root, 'labs'),
    preload: path.join(root, 'out/preload/preload.cjs'),
    machineWorker: path.join(root, 'src-main/hosts/machine-worker/main.ts'),
    sandboxModule: path.join(root, 'node_modules/quickjs-wasi/quickjs.wasm'),
    icon: path.join(root, 'build/icons/icon.png'),
  };
}

/** Entry modules of a build stand in `out/main`. */
function builtPaths(mainFolder: string): AppPaths {
  const out = path.dirname(mainFolder);
  const root = path.dirname(out);
  return {
    root,
    version: readVersion(root),
    renderer: path.join(out, 'renderer'),
    labs: unpacked(path.join(out, 'labs')),
    preload: path.join(out, 'preload/preload.cjs'),
    machineWorker: unpacked(path.join(mainFolder, 'machine-worker.js')),
    sandboxModule: unpacked(path.join(mainFolder, 'quickjs.wasm')),
    icon: path.join(mainFolder, 'icon.png'),
  };
}

/**
 * Worker threads and what they read stand outside a package's archive (`asarUnpack`), so that they do
 * not depend on how far Electron's archive support reaches into threads.
 */
function unpacked(file: string): string {
  return file.replace(/([/\\])app\.asar([/\\])/, '$1app.asar.unpacked$2');
}

function readVersion(root: string): string {
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  return manifest.version;
}
