import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveAppPaths } from '../../../src-main/hosts/app-paths.ts';
import { programFolder } from '../../../src-main/hosts/electron/program-folder.ts';

describe('resolveAppPaths', () => {
  let root = '';
  const resolve = (entry: string) => resolveAppPaths(pathToFileURL(path.join(root, entry)).href);

  beforeEach(async () => {
    root = path.join(await mkdtemp(path.join(tmpdir(), 'siov-paths-')), 'app.asar');
    await mkdir(root);
    await writeFile(path.join(root, 'package.json'), '{"version":"1.2.3"}');
  });

  afterEach(() => rm(path.dirname(root), { recursive: true }));

  it('finds sources from a source entry', () => {
    expect(resolve('src-main/hosts/web/main.ts')).toMatchObject({
      root,
      version: '1.2.3',
      labs: path.join(root, 'labs'),
      machineWorker: path.join(root, 'src-main/hosts/machine-worker/main.ts'),
    });
  });

  it('finds built files from a built entry, worker files outside the archive', () => {
    const paths = resolve('out/main/electron.js');
    const outside = `${root}.unpacked`;
    expect(paths).toMatchObject({
      root,
      version: '1.2.3',
      renderer: path.join(root, 'out/renderer'),
      preload: path.join(root, 'out/preload/preload.cjs'),
      icon: path.join(root, 'out/main/icon.png'),
      labs: path.join(outside, 'out/labs'),
      machineWorker: path.join(outside, 'out/main/machine-worker.js'),
      sandboxModule: path.join(outside, 'out/main/quickjs.wasm'),
    });
  });
});

describe('programFolder', () => {
  const place = { platform: 'linux', execPath: '/opt/lab/siov-lab', appImage: undefined } as const;

  it('is where the user sees the program', () => {
    expect(programFolder(place)).toBe('/opt/lab');
    expect(programFolder({ ...place, appImage: '/media/stick/lab.AppImage' })).toBe('/media/stick');
    const mac = '/Volumes/Stick/Lab.app/Contents/MacOS/Lab';
    expect(programFolder({ ...place, platform: 'darwin', execPath: mac })).toBe('/Volumes/Stick');
    const windows = { ...place, platform: 'win32', execPath: String.raw`E:\lab\lab.exe` } as const;
    expect(programFolder(windows)).toBe(String.raw`E:\lab`);
  });
});
