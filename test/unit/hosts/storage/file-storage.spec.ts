import nodeFs from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileSystem } from '../../../../src-main/hosts/storage/atomic-write.ts';
import { createFileStorage } from '../../../../src-main/hosts/storage/file-storage.ts';
import type { Storage } from '../../../../src-main/services/ports.ts';

const KEY = 'workspace/020-first-pasid/driver.ts';

describe('file storage', () => {
  let folder = '';
  let nowMs = Date.UTC(2026, 10, 22, 6, 0, 0);
  const clock = { nowMs: () => nowMs };
  const open = (fs?: FileSystem): Storage =>
    createFileStorage({ folder, clock, ...(fs === undefined ? {} : { fs }) });

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'siov-storage-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('knows nothing at first', () => {
    const storage = open();
    expect(storage.read(KEY)).toBeNull();
    expect(storage.revisions(KEY)).toEqual([]);
    expect(storage.list('workspace')).toEqual([]);
  });

  it('gives back what was written, after a restart too', () => {
    open().write('progress', '{"a":1} 进度');
    expect(open().read('progress')).toBe('{"a":1} 进度');
  });

  it('keeps every saved text as a revision, newest first', () => {
    const storage = open();
    const first = storage.save(KEY, 'one', 'autosave');
    nowMs += 1000;
    const second = storage.save(KEY, 'two', 'run');
    expect(storage.revisions(KEY)).toEqual([second, first]);
    expect(second).toEqual({
      id: second.id,
      savedAt: '2026-11-22T06:00:01.000Z',
      bytes: 3,
      reason: 'run',
    });
    expect(storage.readRevision(KEY, first.id)).toBe('one');
    expect(storage.read(KEY)).toBe('two');
  });

  it('orders revisions of one millisecond, and of a clock set back, by the order of saves', () => {
    const storage = open();
    const ids = ['a', 'b', 'c'].map((text) => storage.save(KEY, text, 'autosave').id);
    nowMs -= 86_400_000;
    ids.push(storage.save(KEY, 'd', 'autosave').id);
    expect(storage.revisions(KEY).map(({ id }) => id)).toEqual(ids.toReversed());
    expect(storage.readRevision(KEY, storage.revisions(KEY)[0]!.id)).toBe('d');
  });

  it('makes no revision for the same text', () => {
    const storage = open();
    const first = storage.save(KEY, 'one', 'autosave');
    nowMs += 60_000;
    expect(storage.save(KEY, 'one', 'run')).toEqual(first);
    expect(storage.revisions(KEY)).toHaveLength(1);
  });

  it('adds the revision that a crash between text and revision left out', () => {
    const storage = open();
    storage.save(KEY, 'one', 'autosave');
    storage.write(KEY, 'two, typed right before the crash');
    nowMs += 1000;
    storage.save(KEY, 'three', 'autosave');
    const texts = storage.revisions(KEY).map(({ id }) => storage.readRevision(KEY, id));
    expect(texts).toEqual(['three', 'two, typed right before the crash', 'one']);
  });

  it('lists keys below a prefix, history left out', () => {
    const storage = open();
    storage.save('workspace/b/driver.ts', 'x', 'autosave');
    storage.save('workspace/a/vdcm.ts', 'x', 'autosave');
    storage.write('layouts/main', '{}');
    expect(storage.list('workspace')).toEqual(['workspace/a/vdcm.ts', 'workspace/b/driver.ts']);
  });

  it('removes a text and keeps its history', () => {
    const storage = open();
    storage.save(KEY, 'one', 'autosave');
    storage.remove(KEY);
    expect(storage.read(KEY)).toBeNull();
    expect(storage.revisions(KEY)).toHaveLength(1);
  });

  it.each([
    '../outside',
    'a/../../b',
    '/etc/passwd',
    '',
    'a//b',
    '.hidden',
    String.raw`a\b`,
    'C:/x',
    'a/nul',
    'a/COM1.txt',
    'trailing.',
    'x'.repeat(200),
  ])('refuses the key %j', (key) => {
    expect(() => open().write(key, 'x')).toThrow(
      expect.objectContaining({ code: 'ERR_STORAGE_BAD_KEY' }),
    );
  });

  it('reads no revision that is not a revision id', () => {
    open().write('progress', 'secret');
    expect(open().readRevision(KEY, '../../../files/progress')).toBeNull();
  });

  describe('with a full disk', () => {
    const full = (): Error => Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    const failing = (step: 'openSync' | 'writeSync' | 'fsyncSync' | 'renameSync'): FileSystem => ({
      ...nodeFs,
      [step]: () => {
        throw full();
      },
    });

    it.each(['openSync', 'writeSync', 'fsyncSync', 'renameSync'] as const)(
      'reports it when %s fails, and the text before is intact',
      (step) => {
        open().save(KEY, 'safe', 'autosave');
        const storage = open(failing(step));
        expect(() => storage.save(KEY, 'new', 'autosave')).toThrow(
          expect.objectContaining({
            code: 'ERR_STORAGE_FULL',
            hint: expect.stringContaining('intact'),
          }),
        );
        expect(storage.read(KEY)).toBe('safe');
        expect(open().revisions(KEY)).toHaveLength(1);
        expect(nodeFs.readdirSync(path.join(folder, 'tmp'))).toEqual([]);
      },
    );

    it('writes again once there is space', () => {
      let isFull = true;
      const storage = open({
        ...nodeFs,
        writeSync: ((...args: Parameters<typeof nodeFs.writeSync>) => {
          if (isFull) throw full();
          return nodeFs.writeSync(...args);
        }) as typeof nodeFs.writeSync,
      });
      expect(() => storage.save(KEY, 'one', 'autosave')).toThrow();
      isFull = false;
      storage.save(KEY, 'one', 'autosave');
      expect(storage.read(KEY)).toBe('one');
    });
  });

  it('writes all of a text that the system takes in pieces', () => {
    const text = '长文本'.repeat(500);
    const storage = open({
      ...nodeFs,
      writeSync: ((handle: number, bytes: Buffer, offset: number, length: number) =>
        nodeFs.writeSync(handle, bytes, offset, Math.min(7, length))) as typeof nodeFs.writeSync,
    });
    storage.write('progress', text);
    expect(open().read('progress')).toBe(text);
  });

  it('reports a folder that may not be written', () => {
    const storage = open({
      ...nodeFs,
      mkdirSync: (() => {
        throw Object.assign(new Error('denied'), { code: 'EACCES' });
      }) as typeof nodeFs.mkdirSync,
    });
    expect(() => storage.write('progress', 'x')).toThrow(
      expect.objectContaining({ code: 'ERR_STORAGE_READ_ONLY' }),
    );
  });

  it('clears what dead processes left in tmp, not what may be under way', () => {
    const temporary = path.join(folder, 'tmp');
    nodeFs.mkdirSync(temporary, { recursive: true });
    nodeFs.writeFileSync(path.join(temporary, 'old'), '');
    nodeFs.writeFileSync(path.join(temporary, 'new'), '');
    nodeFs.utimesSync(path.join(temporary, 'old'), 0, (nowMs - 7_200_000) / 1000);
    nodeFs.utimesSync(path.join(temporary, 'new'), 0, nowMs / 1000);
    open();
    expect(nodeFs.readdirSync(temporary)).toEqual(['new']);
  });
});
