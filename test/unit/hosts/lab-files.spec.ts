import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLabFiles } from '../../../src-main/hosts/labs/lab-files.ts';

describe('lab files', () => {
  let folder = '';
  const write = async (name: string, text = ''): Promise<void> => {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  };

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'siov-labs-'));
    await write('020-first/lab.md', '# 第一');
    await write('020-first/mutants/no-wait.patch');
    await write('020-first/driver.ts');
    await write('020-first/.editor-backup');
    await write('010-hello/lab.md');
    await write('_schema/lab.schema.json');
    await write('notes/readme.md');
    await write('.hidden/lab.md');
    await write('secret.txt', 'secret');
  });

  afterAll(() => rm(folder, { recursive: true }));

  it('are the folders with a lab.md, in order', () => {
    expect(createLabFiles(folder).labs()).toEqual(['010-hello', '020-first']);
  });

  it('are none where there is no folder', () => {
    expect(createLabFiles(path.join(folder, 'missing')).labs()).toEqual([]);
  });

  it('are listed with their folders, hidden ones left out', () => {
    expect(createLabFiles(folder).files('020-first')).toEqual([
      'driver.ts',
      'lab.md',
      'mutants/no-wait.patch',
    ]);
  });

  it('are read as text and as bytes', () => {
    const labs = createLabFiles(folder);
    expect(labs.readText('020-first', 'lab.md')).toBe('# 第一');
    expect([...labs.readBytes('020-first', 'lab.md')].slice(0, 2)).toEqual([0x23, 0x20]);
  });

  it('say which one is missing', () => {
    expect(() => createLabFiles(folder).readText('020-first', 'vdcm.ts')).toThrow(
      'Lab 020-first has no file vdcm.ts',
    );
  });

  it.each([
    ['020-first', '../secret.txt'],
    ['..', 'secret.txt'],
    ['020-first', '/etc/passwd'],
    ['020-first', String.raw`..\secret.txt`],
    ['', 'secret.txt'],
  ])('never reach beyond a lab: %j %j', (lab, name) => {
    expect(() => createLabFiles(folder).readText(lab, name)).toThrow(
      expect.objectContaining({ code: 'ERR_LAB_FILE_NAME' }),
    );
  });
});
