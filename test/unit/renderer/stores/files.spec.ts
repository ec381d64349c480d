import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readUnsentEdit, writeUnsentEdit } from '../../../../src-renderer/api/unsent-edits.ts';
import { useFilesStore } from '../../../../src-renderer/stores/files.ts';
import { useNoticesStore } from '../../../../src-renderer/stores/notices.ts';
import { fakeLab } from '../../../support/fake-lab/lab.ts';
import { createTestBed, type TestBed } from '../support/render.ts';

const LAB = 'lab-a';
const PATH = 'driver.ts';
const lab = fakeLab(LAB, 7, 'iommufd');
const starter = lab.files[0]?.text ?? '';

describe('files store', () => {
  let bed: TestBed;

  beforeEach(() => {
    vi.useFakeTimers();
    bed = createTestBed();
  });
  afterEach(() => void vi.useRealTimers());

  function opened(): ReturnType<typeof useFilesStore> {
    const files = useFilesStore();
    files.load(lab);
    return files;
  }

  it('opens at the focus of the lab', () => {
    const files = opened();
    expect(files.activePath).toBe(PATH);
    expect(files.reveal).toEqual({ path: PATH, line: 8 });
  });

  it('mirrors an edit at once and sends it after a pause', async () => {
    const files = opened();
    files.edit(PATH, 'a');
    files.edit(PATH, 'ab');
    expect(readUnsentEdit(LAB, PATH)).toEqual({ text: 'ab', base: starter });
    expect(bed.client.callsOf('file.save')).toEqual([]);
    await vi.advanceTimersByTimeAsync(400);
    expect(bed.client.callsOf('file.save')).toEqual([{ labId: LAB, path: PATH, text: 'ab' }]);
    expect(readUnsentEdit(LAB, PATH)).toBeNull();
    expect(files.active).toMatchObject({ state: 'saved', isStarter: false, savedText: 'ab' });
  });

  it('never lets an older text overtake a newer one', async () => {
    const files = opened();
    let release = (): void => undefined;
    bed.client.override(
      'file.save',
      () =>
        new Promise((resolve) => {
          release = () => resolve({ revision: 'r' });
        }),
    );
    files.edit(PATH, 'first');
    await vi.advanceTimersByTimeAsync(400);
    files.edit(PATH, 'second');
    await vi.advanceTimersByTimeAsync(400);
    expect(bed.client.callsOf('file.save').map((call) => call.text)).toEqual(['first']);
    expect(readUnsentEdit(LAB, PATH)?.text).toBe('second');

    bed.client.restore('file.save');
    release();
    await vi.advanceTimersByTimeAsync(0);
    expect(bed.client.callsOf('file.save').map((call) => call.text)).toEqual(['first', 'second']);
    expect(files.unsavedCount).toBe(0);
  });

  it('keeps the text and tells the learner when storing fails, then tries again', async () => {
    const files = opened();
    bed.client.override('file.save', () => {
      throw new Error('disk full');
    });
    files.edit(PATH, 'precious');
    await vi.advanceTimersByTimeAsync(400);
    expect(files.active).toMatchObject({ text: 'precious', state: 'failed' });
    expect(files.hasFailed).toBe(true);
    expect(useNoticesStore().notices[0]).toMatchObject({ tone: 'fault', text: 'disk full' });
    expect(readUnsentEdit(LAB, PATH)?.text).toBe('precious');

    bed.client.restore('file.save');
    await vi.advanceTimersByTimeAsync(3_000);
    expect(files.active?.state).toBe('saved');
  });

  it('says nothing of a lost connection, which has its own banner', async () => {
    const files = opened();
    bed.client.disconnect();
    files.edit(PATH, 'x');
    expect(await files.flush()).toBe(false);
    expect(useNoticesStore().notices).toEqual([]);
    bed.client.reconnect();
    expect(await files.flush()).toBe(true);
    expect(bed.client.storedFile(LAB, PATH)).toBe('x');
  });

  it('puts back an unsent edit of an earlier page and sends it', async () => {
    writeUnsentEdit(LAB, PATH, { text: 'rescued', base: starter });
    const files = opened();
    expect(files.active).toMatchObject({ text: 'rescued', state: 'edited' });
    await vi.advanceTimersByTimeAsync(1);
    expect(bed.client.storedFile(LAB, PATH)).toBe('rescued');
    expect(useNoticesStore().notices[0]?.title).toContain(PATH);
  });

  it('forgets an unsent edit that the host has after all', () => {
    writeUnsentEdit(LAB, PATH, { text: starter, base: 'older' });
    expect(opened().conflicts).toEqual([]);
    expect(readUnsentEdit(LAB, PATH)).toBeNull();
  });

  it('asks when the stored file changed too, and loses neither text', async () => {
    writeUnsentEdit(LAB, PATH, { text: 'mine', base: 'something else' });
    const files = opened();
    expect(files.conflicts).toEqual([{ path: PATH, localText: 'mine' }]);
    expect(files.active?.text).toBe(starter);
    expect(readUnsentEdit(LAB, PATH)?.text).toBe('mine');

    files.resolveConflict(PATH, 'local');
    await vi.advanceTimersByTimeAsync(0);
    expect(bed.client.storedFile(LAB, PATH)).toBe('mine');
    expect(files.conflicts).toEqual([]);
  });

  it('lets the text of this page win when the same lab is opened again', () => {
    const files = opened();
    bed.client.disconnect();
    files.edit(PATH, 'typed while lost');
    files.load({ ...lab, files: lab.files.map((file) => ({ ...file, text: 'half sent' })) });
    expect(files.active).toMatchObject({ text: 'typed while lost', savedText: 'half sent' });
    expect(files.conflicts).toEqual([]);
  });

  it('never edits a given file', () => {
    const files = opened();
    files.edit('guest.ts', 'changed');
    expect(files.files.find((file) => file.path === 'guest.ts')?.text).not.toBe('changed');
  });

  it('resets to the starter and tells the editor', async () => {
    const files = opened();
    files.edit(PATH, 'changed');
    const before = files.active?.externalVersion ?? 0;
    await files.resetToStarter(PATH);
    expect(files.active).toMatchObject({ text: starter, isStarter: true, state: 'saved' });
    expect(files.active?.externalVersion).toBe(before + 1);
    expect(bed.client.callsOf('file.save').map((call) => call.text)).toEqual(['changed']);
  });

  it('restores an older text as a new save', async () => {
    const files = opened();
    await files.restore(PATH, 'older');
    expect(files.active).toMatchObject({ text: 'older', state: 'saved' });
    expect(bed.client.storedFile(LAB, PATH)).toBe('older');
  });
});
