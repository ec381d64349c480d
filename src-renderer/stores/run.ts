import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import type { RunState } from '../../src-main/protocol/lab-api.ts';
import { translate } from '../i18n/index.ts';
import { useConnectionStore } from './connection.ts';
import { useDebugStore } from './debug.ts';
import { useFilesStore } from './files.ts';
import { useLabStore } from './lab.ts';
import { useNoticesStore } from './notices.ts';
import { useTimelineStore } from './timeline.ts';

const IDLE: RunState = { state: 'idle', runId: 0, problems: [] };

export type RunAction = 'run' | 'pause' | 'step-over' | 'step-back' | 'stop';

/** Null when the action is possible, else the reason why not, ready to be shown. */
export type DisabledReason = string | null;

/** The run of the open lab, and what can be done with it now. */
export const useRunStore = defineStore('run', () => {
  const client = useLabClient();
  const notices = useNoticesStore();
  const files = useFilesStore();
  const debug = useDebugStore();
  const lab = useLabStore();
  const timeline = useTimelineStore();
  const connection = useConnectionStore();
  const run = shallowRef<RunState>(IDLE);
  const isStarting = shallowRef(false);

  const isRunning = computed(() => run.value.state === 'running');
  const isPaused = computed(() => run.value.state === 'paused');

  const blocked = computed<DisabledReason>(() => {
    if (!connection.isOpen) return translate('disabled.disconnected');
    if (lab.lab === null) return translate('disabled.noLab');
    return isStarting.value ? translate('disabled.starting') : null;
  });

  const reasons = computed<Readonly<Record<RunAction, DisabledReason>>>(() => {
    const running = isRunning.value ? translate('disabled.running') : null;
    const idle = isRunning.value || isPaused.value ? null : translate('disabled.notRunning');
    const atStart =
      timeline.timeline.at <= timeline.timeline.tail ? translate('disabled.atStart') : null;
    return {
      run: blocked.value ?? running,
      pause: blocked.value ?? (isRunning.value ? null : translate('disabled.notRunning')),
      'step-over': blocked.value ?? running,
      'step-back': blocked.value ?? running ?? atStart,
      stop: blocked.value ?? idle,
    };
  });

  /** Answers and events may cross: an older run never replaces a newer one. */
  function apply(next: RunState): void {
    if (next.runId < run.value.runId) return;
    run.value = next;
  }

  async function attempt(title: string, action: () => Promise<RunState>): Promise<void> {
    try {
      apply(await action());
    } catch (error) {
      notices.addError(title, error);
    }
  }

  async function start(mode: 'run' | 'step'): Promise<void> {
    const labId = lab.lab?.id;
    if (labId === undefined || reasons.value.run !== null) return;
    isStarting.value = true;
    try {
      if (!(await files.flush())) {
        notices.add({ tone: 'warning', title: translate('notice.notSavedBeforeRun') });
        return;
      }
      const breakpoints = [...debug.requested];
      await attempt(translate('notice.run'), () =>
        client.call('run.start', { labId, mode, breakpoints }),
      );
    } finally {
      isStarting.value = false;
    }
  }

  async function goLive(): Promise<void> {
    if (!timeline.isLive) await timeline.seek('head');
  }

  async function resume(): Promise<void> {
    await goLive();
    await attempt(translate('notice.run'), () => client.call('run.resume', {}));
  }

  /** Run, or go on when paused. */
  async function runOrContinue(): Promise<void> {
    if (reasons.value.run !== null) return;
    await (isPaused.value ? resume() : start('run'));
  }

  async function pause(): Promise<void> {
    if (reasons.value.pause !== null) return;
    await attempt(translate('notice.pause'), () => client.call('run.pause', {}));
  }

  function showScript(): void {
    const { script } = timeline.timeline;
    if (script !== undefined) files.open(script.path);
  }

  /** In the past a step replays what is recorded; at the head it executes. */
  async function step(kind: 'over' | 'into' | 'out'): Promise<void> {
    if (reasons.value['step-over'] !== null) return;
    if (!timeline.isLive) {
      await timeline.step('statement', 'forward');
      showScript();
    } else if (isPaused.value) {
      await attempt(translate('notice.step'), () => client.call('run.resume', { step: kind }));
    } else await start('step');
  }

  async function stepBack(): Promise<void> {
    if (reasons.value['step-back'] !== null) return;
    await timeline.step('statement', 'back');
    showScript();
  }

  async function stop(): Promise<void> {
    if (reasons.value.stop !== null) return;
    await attempt(translate('notice.stop'), () => client.call('run.stop', {}));
  }

  async function evaluate(
    expression: string,
  ): Promise<{ readonly text: string; readonly isError: boolean }> {
    try {
      return await client.call('run.evaluate', { expression });
    } catch (error) {
      return { text: error instanceof Error ? error.message : String(error), isError: true };
    }
  }

  /** Whatever was announced while the question was out is newer than its answer, which may tell of a run that has ended since. */
  async function load(): Promise<void> {
    const known = run.value;
    const answer = await client.call('run.state', {});
    if (run.value === known) run.value = answer;
  }

  function reset(): void {
    run.value = IDLE;
    isStarting.value = false;
  }

  return {
    run,
    isRunning,
    isPaused,
    reasons,
    apply,
    start,
    runOrContinue,
    pause,
    step,
    stepBack,
    stop,
    evaluate,
    load,
    reset,
  };
});
