import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import { useGuideStore } from './guide.ts';
import { useRunStore } from './run.ts';

/** Predict, then run: open predictions of the current step are asked for before a fresh run starts. */
export const useRunGateStore = defineStore('run-gate', () => {
  const guide = useGuideStore();
  const run = useRunStore();
  /** How the run was asked for while the predictions are shown. */
  const asking = shallowRef<'run' | 'step' | null>(null);
  /** Questions that were shown once: skipping one is an answer too. */
  const shown = new Set<string>();

  function isFresh(): boolean {
    return !run.isPaused && !run.isRunning;
  }

  async function start(mode: 'run' | 'step'): Promise<void> {
    await (mode === 'run' ? run.runOrContinue() : run.step('over'));
  }

  async function request(mode: 'run' | 'step'): Promise<void> {
    if (run.reasons[mode === 'run' ? 'run' : 'step-over'] !== null) return;
    const open = guide.openPredictions.filter((question) => !shown.has(question.id));
    if (!isFresh() || open.length === 0) {
      await start(mode);
      return;
    }
    for (const question of open) shown.add(question.id);
    asking.value = mode;
  }

  /** Answered or skipped: either way the run starts. */
  async function proceed(): Promise<void> {
    const mode = asking.value;
    asking.value = null;
    if (mode !== null) await start(mode);
  }

  function cancel(): void {
    asking.value = null;
  }

  function reset(): void {
    cancel();
    shown.clear();
  }

  return { asking, request, proceed, cancel, reset };
});
