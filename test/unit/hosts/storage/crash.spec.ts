import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStorage } from '../../../../src-main/hosts/storage/file-storage.ts';

const KEY = 'workspace/lab/driver.ts';
const KILLS = 8;

describe('file storage when its process is killed', () => {
  let folder = '';

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'siov-crash-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('holds the last text that was acknowledged, or a newer whole one', async () => {
    for (let round = 0; round < KILLS; round += 1) {
      const writer = spawn(
        process.execPath,
        [path.join(import.meta.dirname, 'support/endless-writer.ts'), folder, KEY],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let printed = '';
      writer.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
      const exit = once(writer, 'exit');
      const ready = /(?:\d+\n){3}/;
      while (!ready.test(printed)) await once(writer.stdout, 'data');
      for (let turn = 0; turn < round; turn += 1) await once(writer.stdout, 'data');
      writer.kill('SIGKILL');
      await exit;

      const acknowledged = Number(printed.split('\n').at(-2));
      const storage = createFileStorage({ folder });
      const text = storage.read(KEY) ?? '';
      const [number = '', filler = ''] = text.split(':');
      expect(Number(number)).toBeGreaterThanOrEqual(acknowledged);
      expect(filler).toBe(String(Number(number) % 10).repeat(20_000));
      for (const { id } of storage.revisions(KEY)) {
        const [n = '', rest = ''] = (storage.readRevision(KEY, id) ?? '').split(':');
        expect(rest).toBe(String(Number(n) % 10).repeat(20_000));
      }
    }
  });
});
