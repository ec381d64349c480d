import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileLog } from '../../../src-main/hosts/log/file-log.ts';

describe('file log', () => {
  let folder = '';

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'siov-log-'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  it('appends lines with time and level', async () => {
    const log = createFileLog(path.join(folder, 'logs'), 'electron', () => 0);
    log.info('started');
    log.error('failed');
    expect(await readFile(path.join(folder, 'logs/electron.log'), 'utf8')).toBe(
      '1970-01-01T00:00:00.000Z info started\n1970-01-01T00:00:00.000Z error failed\n',
    );
  });

  it('keeps three older files', async () => {
    const log = createFileLog(folder, 'web');
    for (const fill of ['a', 'b', 'c', 'd', 'e']) {
      await writeFile(path.join(folder, 'web.log'), fill.repeat(1 << 20));
      log.warn('next');
    }
    expect((await readdir(folder)).toSorted()).toEqual([
      'web.1.log',
      'web.2.log',
      'web.3.log',
      'web.log',
    ]);
    expect((await readFile(path.join(folder, 'web.1.log'), 'utf8')).startsWith('e')).toBe(true);
    expect((await readFile(path.join(folder, 'web.3.log'), 'utf8')).startsWith('c')).toBe(true);
  });

  it('does not fail where nothing can be written', () => {
    expect(() =>
      createFileLog(path.join(process.execPath, 'logs'), 'web').info('lost'),
    ).not.toThrow();
  });
});
