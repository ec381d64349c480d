import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { projectRoot, staleReason } from '../../../build/scripts/bootstrap.mjs';

interface LockEntry {
  readonly version: string;
  readonly integrity?: string;
  readonly optional?: boolean;
}

const entry = (version: string, more: Partial<LockEntry> = {}): LockEntry => ({
  version,
  integrity: `sha512-${version}`,
  ...more,
});

describe('staleReason', () => {
  let root = '';

  const writeLock = async (file: string, packages: Record<string, LockEntry>): Promise<void> => {
    const target = path.join(root, file);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, JSON.stringify({ packages }));
  };
  const wanted = { '': entry('0.1.0'), 'node_modules/vue': entry('3.5.45') };

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'siov-bootstrap-'));
    await writeLock('package-lock.json', wanted);
    const bin = path.join(root, 'node_modules/node/bin');
    await mkdir(bin, { recursive: true });
    await writeFile(path.join(bin, process.platform === 'win32' ? 'node.exe' : 'node'), '');
  });

  afterEach(() => rm(root, { recursive: true }));

  it('is null when every locked package is installed', async () => {
    await writeLock('node_modules/.package-lock.json', wanted);
    expect(staleReason(root)).toBeNull();
  });

  it('asks for nothing that is optional on this platform', async () => {
    const optional = entry('1.0.0', { optional: true });
    await writeLock('package-lock.json', { ...wanted, 'node_modules/fsevents': optional });
    await writeLock('node_modules/.package-lock.json', wanted);
    expect(staleReason(root)).toBeNull();
  });

  it('notices a fresh clone', () => {
    expect(staleReason(root)).toBe('no packages are installed');
  });

  it('notices a missing package', async () => {
    await writeLock('node_modules/.package-lock.json', {});
    expect(staleReason(root)).toBe('node_modules/vue is missing');
  });

  it('notices another version', async () => {
    await writeLock('node_modules/.package-lock.json', { 'node_modules/vue': entry('3.4.0') });
    expect(staleReason(root)).toBe('node_modules/vue is 3.4.0, the lock file says 3.5.45');
  });

  it('notices packages installed without their scripts, which leave no Node', async () => {
    await writeLock('node_modules/.package-lock.json', wanted);
    await rm(path.join(root, 'node_modules/node'), { recursive: true });
    expect(staleReason(root)).toBe('the Node 24 binary is missing');
  });

  it('finds this checkout in order', () => {
    expect(staleReason(projectRoot)).toBeNull();
  });
});

describe('lock file', () => {
  it('names no download addresses', async () => {
    const lock = await readFile(path.join(projectRoot, 'package-lock.json'), 'utf8');
    expect(lock).not.toContain('"resolved": "http');
  });
});

describe('start-up scripts', () => {
  it.each(['bootstrap', 'start', 'test', 'build', 'dev', 'siov-lab'])(
    '%s.mjs imports nothing that must be installed',
    async (name) => {
      const text = await readFile(path.join(projectRoot, `build/scripts/${name}.mjs`), 'utf8');
      const imported = [...text.matchAll(/from '([^']+)'/g)].map((match) => match[1]);
      expect(imported.length).toBeGreaterThan(0);
      for (const source of imported) expect(source).toMatch(/^(node:|\.\/bootstrap\.mjs$)/);
      execFileSync(process.execPath, [
        '--check',
        path.join(projectRoot, `build/scripts/${name}.mjs`),
      ]);
    },
  );
});
