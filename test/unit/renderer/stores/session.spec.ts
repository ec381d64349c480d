import { beforeEach, describe, expect, it, vi } from 'vitest';
import { AppError, RPC_ERROR } from '../../../../src-main/protocol/app-error.ts';
import type { RunState } from '../../../../src-main/protocol/lab-api.ts';
import { useChecksStore } from '../../../../src-renderer/stores/checks.ts';
import { useConnectionStore } from '../../../../src-renderer/stores/connection.ts';
import { useConsoleStore } from '../../../../src-renderer/stores/console.ts';
import { useCourseStore } from '../../../../src-renderer/stores/course.ts';
import { useFilesStore } from '../../../../src-renderer/stores/files.ts';
import { useLabStore } from '../../../../src-renderer/stores/lab.ts';
import { useNoticesStore } from '../../../../src-renderer/stores/notices.ts';
import { useRunStore } from '../../../../src-renderer/stores/run.ts';
import { useSessionStore } from '../../../../src-renderer/stores/session.ts';
import { useSettingsStore } from '../../../../src-renderer/stores/settings.ts';
import { useTimelineStore } from '../../../../src-renderer/stores/timeline.ts';
import { useTraceStore } from '../../../../src-renderer/stores/trace.ts';
import { createTestBed, settle, type TestBed } from '../support/render.ts';

const LAB = '070-pasid-isolation';

describe('session store', () => {
  let bed: TestBed;
  beforeEach(() => {
    bed = createTestBed({ events: 80 });
  });

  it('starts on the course map', async () => {
    await useSessionStore().start();
    expect(useCourseStore().nextLab?.id).toBe('030-a-software-mdev');
    expect(useLabStore().lab).toBeNull();
    expect(useSessionStore().version).toBe('0.1.0');
  });

  it('opens the lab of the address, so that a reload comes back to it', async () => {
    history.replaceState(null, '', `#lab/${LAB}`);
    await useSessionStore().start();
    expect(useLabStore().lab?.id).toBe(LAB);
  });

  it('never runs anything by opening a lab', async () => {
    await useSessionStore().start();
    await useSessionStore().openLab(LAB);
    expect(location.hash).toBe(`#lab/${LAB}`);
    expect(bed.client.calls.map((call) => call.name)).not.toContain('run.start');
    expect(useRunStore().run.state).toBe('idle');
  });

  it('keeps stores in step with events', async () => {
    await useSessionStore().start();
    await useSessionStore().openLab(LAB);
    await useRunStore().start('run');
    expect(useRunStore().run.state).toBe('finished');
    expect(useTimelineStore().timeline.head).toBe(80);
    expect(useChecksStore().all).toEqual({ passed: 2, failed: 2, total: 4 });
    expect(useConsoleStore().probes.map((probe) => probe.text)).toEqual(['0x11', '0']);
    bed.client.emit('storage.problem', { message: 'Disk full', hint: 'Free some space' });
    expect(useConnectionStore().storageProblem?.message).toBe('Disk full');
  });

  it('forgets records of the run before', async () => {
    await useSessionStore().start();
    await useSessionStore().openLab(LAB);
    await useRunStore().start('run');
    await useTraceStore().showRecord(3);
    expect(useTraceStore().record?.seq).toBe(3);
    await useRunStore().start('run');
    expect(useTraceStore().record).toBeNull();
  });

  it('goes on with the run when the same engine comes back, and sends what is unsent', async () => {
    await useSessionStore().start();
    await useSessionStore().openLab(LAB);
    await useRunStore().start('run');
    const opens = bed.client.callsOf('lab.open').length;
    bed.client.disconnect();
    useFilesStore().edit('driver.ts', 'typed while lost');
    bed.client.reconnect();
    await settle();
    await settle();
    expect(bed.client.callsOf('lab.open')).toHaveLength(opens);
    expect(bed.client.storedFile(LAB, 'driver.ts')).toBe('typed while lost');
    expect(useRunStore().run.state).toBe('finished');
  });

  it('opens the lab again in a fresh engine, with its seed and profile', async () => {
    await useSessionStore().start();
    await useSessionStore().openLab(LAB, { seed: 5, profile: 'iommufd' });
    await useRunStore().start('run');
    const idle: RunState = { state: 'idle', runId: 0, problems: [] };
    bed.client.override('run.state', () => idle);
    bed.client.emit('session.restarted', { message: 'The engine stopped answering' });
    await settle();
    expect(bed.client.callsOf('lab.open').at(-1)).toEqual({
      labId: LAB,
      seed: 5,
      profile: 'iommufd',
      language: 'en',
    });
    expect(useConnectionStore().restartMessage).toBe('The engine stopped answering');
    expect(useRunStore().run.state).toBe('idle');
  });

  it('opens the lab again when the engine says that none is open', async () => {
    await useSessionStore().start();
    await useSessionStore().openLab(LAB);
    bed.client.disconnect();
    bed.client.override('run.state', () => {
      throw new AppError('ERR_NO_LAB', 'No lab is open');
    });
    bed.client.reconnect();
    await settle();
    expect(bed.client.callsOf('lab.open')).toHaveLength(2);
  });

  it('stops a run that is still going on before it opens a lab', async () => {
    vi.useFakeTimers();
    await useSessionStore().start();
    bed.client.override('lab.open', () => {
      bed.client.restore('lab.open');
      throw new AppError(RPC_ERROR.busy, 'A run is going on: stop it first');
    });
    const opening = useSessionStore().openLab(LAB);
    await vi.advanceTimersByTimeAsync(100);
    expect(await opening).toBe(true);
    expect(bed.client.callsOf('run.stop')).toHaveLength(1);
    expect(useNoticesStore().notices).toEqual([]);
    vi.useRealTimers();
  });

  it('brings the guide in the language of the window, but asks before it ends a run', async () => {
    await useSessionStore().start();
    await useSessionStore().openLab(LAB);
    const settings = useSettingsStore();
    settings.locale = 'zh-CN';
    await settle();
    expect(bed.client.callsOf('course.get').at(-1)).toEqual({ language: 'zh-CN' });
    expect(bed.client.callsOf('lab.open').at(-1)).toMatchObject({ language: 'zh-CN', seed: 7 });

    await useRunStore().start('run');
    settings.locale = 'en';
    await settle();
    expect(bed.client.callsOf('lab.open')).toHaveLength(2);
    useNoticesStore().notices.at(-1)?.action?.run();
    await settle();
    expect(bed.client.callsOf('lab.open')).toHaveLength(3);
  });

  it('explains a lab that cannot be opened and stays where it is', async () => {
    await useSessionStore().start();
    bed.client.override('lab.open', () => {
      throw new Error('The lab needs a newer version');
    });
    expect(await useSessionStore().openLab(LAB)).toBe(false);
    expect(useLabStore().lab).toBeNull();
    expect(useNoticesStore().notices[0]?.text).toContain('newer version');
  });

  it('asks for a reload when the engine speaks another version', async () => {
    bed.client.override('app.info', () => ({ version: '9', apiVersion: 99 }));
    await useSessionStore().start();
    expect(useSessionStore().isOutdated).toBe(true);
  });

  it('stores before it leaves a lab', async () => {
    await useSessionStore().start();
    await useSessionStore().openLab(LAB);
    useFilesStore().edit('driver.ts', 'last words');
    await useSessionStore().goHome();
    expect(bed.client.storedFile(LAB, 'driver.ts')).toBe('last words');
    expect(useLabStore().lab).toBeNull();
    expect(location.hash).toBe('');
  });
});
