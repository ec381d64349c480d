import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import { isRecord, readLocal, writeLocal } from '../api/local-store.ts';
import type { GuideBlock, GuideStep } from '../../src-main/protocol/lab-api.ts';
import { translate } from '../i18n/index.ts';
import { useLabStore } from './lab.ts';
import { useNoticesStore } from './notices.ts';

type PredictBlock = Extract<GuideBlock, { kind: 'predict' }>;
type HintBlock = Extract<GuideBlock, { kind: 'hint' }>;

interface SavedGuide {
  readonly stepId: string | null;
  readonly openHints: readonly string[];
  readonly answers: Readonly<Record<string, string>>;
}

function readSaved(labId: string): SavedGuide {
  const saved = readLocal(`guide:${labId}`);
  if (!isRecord(saved)) return { stepId: null, openHints: [], answers: {} };
  const hints: readonly unknown[] = Array.isArray(saved.openHints) ? saved.openHints : [];
  const answers: Record<string, string> = {};
  for (const [id, answer] of Object.entries(isRecord(saved.answers) ? saved.answers : {})) {
    if (typeof answer === 'string') answers[id] = answer;
  }
  return {
    stepId: typeof saved.stepId === 'string' ? saved.stepId : null,
    openHints: hints.filter((hint) => typeof hint === 'string'),
    answers,
  };
}

/** Where the learner is in the guide: the step, opened hints, predictions made. */
export const useGuideStore = defineStore('guide', () => {
  const client = useLabClient();
  const notices = useNoticesStore();
  const labStore = useLabStore();
  const stepId = shallowRef<string | null>(null);
  const openHints = shallowRef<ReadonlySet<string>>(new Set());
  const answers = shallowRef<Readonly<Record<string, string>>>({});
  /** The hint to scroll to; consumed by the guide pane. */
  const revealHint = shallowRef<string | null>(null);

  const steps = computed<readonly GuideStep[]>(() => labStore.lab?.steps ?? []);
  const index = computed(() =>
    Math.max(
      0,
      steps.value.findIndex((step) => step.id === stepId.value),
    ),
  );
  const step = computed(() => steps.value[index.value] ?? null);

  /** Predictions of the current step that wait for an answer. */
  const openPredictions = computed<readonly PredictBlock[]>(
    () =>
      step.value?.blocks.filter(
        (block): block is PredictBlock =>
          block.kind === 'predict' && answers.value[block.id] === undefined,
      ) ?? [],
  );

  function keep(): void {
    const labId = labStore.lab?.id;
    if (labId === undefined) return;
    writeLocal(`guide:${labId}`, {
      stepId: stepId.value,
      openHints: [...openHints.value],
      answers: answers.value,
    });
  }

  function load(labId: string): void {
    const saved = readSaved(labId);
    stepId.value = saved.stepId;
    openHints.value = new Set(saved.openHints);
    answers.value = saved.answers;
  }

  function goTo(id: string): void {
    if (!steps.value.some((entry) => entry.id === id)) return;
    stepId.value = id;
    keep();
  }

  function move(by: number): void {
    const next = steps.value[index.value + by];
    if (next !== undefined) goTo(next.id);
  }

  function hintsOf(entry: GuideStep): readonly HintBlock[] {
    return entry.blocks.filter((block): block is HintBlock => block.kind === 'hint');
  }

  /** The hint that must be opened before this one, null when it may be opened. */
  function lockedBy(hint: HintBlock): HintBlock | null {
    const home = steps.value.find((entry) => entry.blocks.includes(hint));
    if (home === undefined) return null;
    const earlier = hintsOf(home);
    const before = earlier
      .slice(0, earlier.indexOf(hint))
      .filter((other) => other.level < hint.level);
    return before.find((other) => !openHints.value.has(other.id)) ?? null;
  }

  function openHint(id: string): void {
    openHints.value = new Set([...openHints.value, id]);
    keep();
  }

  /** Shows a hint named by a failed check: goes to its step and opens the first hint of its chain that is closed. */
  function showHint(id: string): void {
    const home = steps.value.find((entry) => hintsOf(entry).some((hint) => hint.id === id));
    const hint = home === undefined ? undefined : hintsOf(home).find((entry) => entry.id === id);
    if (home === undefined || hint === undefined) return;
    goTo(home.id);
    const next = lockedBy(hint) ?? hint;
    openHint(next.id);
    revealHint.value = next.id;
  }

  async function predict(id: string, answer: string): Promise<void> {
    const labId = labStore.lab?.id;
    if (labId === undefined || answer === '') return;
    answers.value = { ...answers.value, [id]: answer };
    keep();
    try {
      await client.call('lab.predict', { labId, predictId: id, answer });
    } catch (error) {
      notices.addError(translate('notice.predict'), error);
    }
  }

  function reset(): void {
    stepId.value = null;
    openHints.value = new Set();
    answers.value = {};
    revealHint.value = null;
  }

  return {
    steps,
    step,
    index,
    openHints,
    answers,
    openPredictions,
    revealHint,
    load,
    goTo,
    move,
    lockedBy,
    openHint,
    showHint,
    predict,
    reset,
  };
});
