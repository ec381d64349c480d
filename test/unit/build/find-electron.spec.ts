import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchElectron, findElectron } from '../../../build/scripts/find-electron.ts';

describe('findElectron', () => {
  let root = '';
  const file = (name: string): string => path.join(root, 'node_modules/electron', name);
  const write = async (name: string, text = ''): Promise<void> => {
    await mkdir(path.dirname(file(name)), { recursive: true });
    await writeFile(file(name), text);
  };

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'siov-electron-'));
    await write('package.json', '{"version":"45.0.0"}');
  });

  afterEach(() => rm(root, { recursive: true }));

  it('finds none before the download', () => {
    expect(findElectron(root, {})).toBeNull();
  });

  it('finds the program that the download recorded', async () => {
    await write('path.txt', 'electron');
    expect(findElectron(root, {})).toBeNull();
    await write('dist/electron');
    expect(findElectron(root, {})).toBe(file('dist/electron'));
  });

  it('obeys ELECTRON_OVERRIDE_DIST_PATH', async () => {
    const env = { ELECTRON_OVERRIDE_DIST_PATH: path.join(root, 'own') };
    await write('path.txt', 'electron');
    await write('dist/electron');
    expect(findElectron(root, env)).toBeNull();
    await mkdir(path.join(root, 'own'));
    await writeFile(path.join(root, 'own/electron'), '');
    expect(findElectron(root, env)).toBe(path.join(root, 'own/electron'));
  });

  it('tries the download once for each version', async () => {
    await write('install.js', 'process.exit(1)');
    expect(await fetchElectron(root)).toBe('its download is blocked or failed');
    expect(await fetchElectron(root)).toBe('its download failed before');
    await write('package.json', '{"version":"45.0.1"}');
    expect(await fetchElectron(root)).toBe('its download is blocked or failed');
  });

  it('uses what the download brought', async () => {
    await write(
      'install.js',
      `const fs = require('node:fs');
       fs.mkdirSync(__dirname + '/dist');
       fs.writeFileSync(__dirname + '/dist/electron', '');
       fs.writeFileSync(__dirname + '/path.txt', 'electron');`,
    );
    expect(await fetchElectron(root)).toBeNull();
    expect(findElectron(root, {})).toBe(file('dist/electron'));
  });
});
