import { beforeEach, describe, expect, it } from 'vitest';
import { useFilesStore } from '../../../../src-renderer/stores/files.ts';
import { useGuideStore } from '../../../../src-renderer/stores/guide.ts';
import { useNoticesStore } from '../../../../src-renderer/stores/notices.ts';
import { useRunGateStore } from '../../../../src-renderer/stores/run-gate.ts';
import { useRunStore } from '../../../../src-renderer/stores/run.ts';
import { useSessionStore } from '../../../../src-renderer/stores/session.ts';
import { useTimelineStore } from '../../../../src-renderer/stores/timeline.ts';
import { createTestBed, type TestBed } from '../support/render.ts';

const LAB = '070-pasid-isolation';

describe('run store', () => {
  let bed: TestBed;

  beforeEach(async () => {
    bed = createTestBed({ events: 50 });
    await useSessionStore().start();
  });

  async function open(): Promise<ReturnType<typeof useRunStore>> {
    await useSessionStore().openLab(LAB);
    return useRunStore();
  }

  it('says why each action is impossible without a lab', () => {
    const { reasons } = useRunStore();
    expect(new Set(Object.values(reasons))).toEqual(new Set(['Open a lab first']));
  });

  it('offers what fits an idle lab', async () => {
    const run = await open();
    expect(run.reasons).toEqual({
      run: null,
      pause: 'Nothing is running',
      'step-over': null,
      'step-back': 'This is the first recorded instant',
      stop: 'Nothing is running',
    });
  });

  it('keeps the end of a run that was announced before an older answer came', async () => {
    const run = await open();
    bed.client.override('run.state', () => {
      bed.client.emit('run.state', { state: 'finished', runId: 1, problems: [] });
      return { state: 'running' as const, runId: 1, problems: [] };
    });
    await run.load();
    expect(run.run.state).toBe('finished');
  });

  it('stores files before it runs, and passes the breakpoints', async () => {
    const run = await open();
    useFilesStore().edit('driver.ts', 'changed');
    await run.start('run');
    const names = bed.client.calls.map((call) => call.name);
    expect(names.lastIndexOf('file.save')).toBeLessThan(names.lastIndexOf('run.start'));
    expect(bed.client.callsOf('run.start')).toEqual([{ labId: LAB, mode: 'run', breakpoints: [] }]);
    expect(run.run.state).toBe('finished');
  });

  it('does not run when a file could not be stored', async () => {
    const run = await open();
    bed.client.override('file.save', () => {
      throw new Error('disk full');
    });
    useFilesStore().edit('driver.ts', 'changed');
    await run.start('run');
    expect(bed.client.callsOf('run.start')).toEqual([]);
    expect(useNoticesStore().notices.map((notice) => notice.tone)).toContain('warning');
  });

  it('turns a refused command into a readable notice', async () => {
    const run = await open();
    bed.client.override('run.start', () => {
      throw new Error('The machine cannot be built');
    });
    await run.start('run');
    expect(useNoticesStore().notices.at(-1)).toMatchObject({
      tone: 'fault',
      title: 'The run could not be started',
      text: 'The machine cannot be built',
    });
  });

  it('drops states of an older run', async () => {
    const run = await open();
    await run.start('run');
    const { runId } = run.run;
    run.apply({ state: 'running', runId: runId - 1, problems: [] });
    expect(run.run.state).toBe('finished');
  });

  it('steps through the past by replaying, at the head by executing', async () => {
    const run = await open();
    await run.start('step');
    expect(run.isPaused).toBe(true);
    await run.step('over');
    expect(bed.client.callsOf('run.resume')).toEqual([{ step: 'over' }]);

    await run.stepBack();
    expect(useTimelineStore().isLive).toBe(false);
    await run.step('over');
    expect(bed.client.callsOf('run.resume')).toHaveLength(1);
    expect(bed.client.callsOf('timeline.step').at(-1)).toEqual({
      by: 'statement',
      direction: 'forward',
    });
  });

  it('goes to the head before it continues', async () => {
    const run = await open();
    await run.start('step');
    await run.stepBack();
    await run.runOrContinue();
    const names = bed.client.calls.map((call) => call.name);
    expect(names.lastIndexOf('timeline.seek')).toBeLessThan(names.lastIndexOf('run.resume'));
  });

  it('asks for predictions before a fresh run, once', async () => {
    const run = await open();
    const gate = useRunGateStore();
    await gate.request('run');
    expect(gate.asking).toBe('run');
    expect(run.run.state).toBe('idle');

    await useGuideStore().predict('predict-pgtt', 'second-stage');
    await gate.proceed();
    expect(run.run.state).toBe('finished');
    expect(bed.client.callsOf('lab.predict')).toEqual([
      { labId: LAB, predictId: 'predict-pgtt', answer: 'second-stage' },
    ]);
    await gate.request('run');
    expect(gate.asking).toBeNull();
    expect(bed.client.callsOf('run.start')).toHaveLength(2);
  });

  it('offers nothing while the engine is out of reach', async () => {
    const run = await open();
    bed.client.disconnect();
    expect(run.reasons.run).toBe('The lab engine is not connected');
  });
});
