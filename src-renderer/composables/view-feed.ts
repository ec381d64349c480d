/**
 * The model behind one view pane: fetched when the pane is visible and something changed, one request at a time, with
 * answers to older questions dropped.
 */
import { shallowRef, type ShallowRef } from 'vue';
import type { LabClient } from '../api/lab-client.ts';
import { isConnectionLost, isTransient } from '../api/lab-client.ts';
import type { ViewId, ViewModel, ViewParams } from '../../src-main/protocol/views.ts';

export interface ViewFeed {
  readonly model: Readonly<ShallowRef<ViewModel | null>>;
  readonly error: Readonly<ShallowRef<string | null>>;
  /** Params or instant changed since the model was fetched. */
  readonly isStale: Readonly<ShallowRef<boolean>>;
  setParams(params: ViewParams): void;
  setVisible(isVisible: boolean): void;
  /** The shown instant changed. `minGapMs` spaces requests out while a run streams. */
  invalidate(minGapMs: number): void;
  dispose(): void;
}

const TRANSIENT_RETRY_MS = 300;

export function createViewFeed(client: LabClient, view: ViewId, initial: ViewParams): ViewFeed {
  const model = shallowRef<ViewModel | null>(null);
  const error = shallowRef<string | null>(null);
  const isStale = shallowRef(true);
  let params = initial;
  let question = 1;
  let answered = 0;
  let isVisible = false;
  let isBusy = false;
  let isDisposed = false;
  let lastStart = Number.NEGATIVE_INFINITY;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Answers for other params would show the wrong object for a moment. */
  let paramsQuestion = 1;

  function plan(delayMs: number): void {
    clearTimeout(timer);
    if (delayMs <= 0) void fetchModel();
    else timer = setTimeout(() => void fetchModel(), delayMs);
  }

  async function fetchModel(): Promise<void> {
    clearTimeout(timer);
    if (isBusy || !isVisible || isDisposed || answered >= question) return;
    isBusy = true;
    lastStart = performance.now();
    const asked = question;
    let retryMs = 0;
    try {
      const next = await client.call('view.get', { view, params });
      answered = asked;
      if (asked >= paramsQuestion) {
        model.value = next;
        error.value = null;
      }
    } catch (cause) {
      if (isTransient(cause)) retryMs = TRANSIENT_RETRY_MS;
      else answered = asked;
      if (!isTransient(cause) && !isConnectionLost(cause) && asked >= paramsQuestion) {
        error.value = cause instanceof Error ? cause.message : String(cause);
      }
    } finally {
      isBusy = false;
    }
    isStale.value = answered < question;
    if (isStale.value) plan(retryMs);
  }

  function ask(minGapMs: number): void {
    question += 1;
    isStale.value = true;
    if (isVisible && !isBusy) plan(lastStart + minGapMs - performance.now());
  }

  return {
    model,
    error,
    isStale,
    setParams: (next) => {
      if (JSON.stringify(next) === JSON.stringify(params)) return;
      params = next;
      paramsQuestion = question + 1;
      ask(0);
    },
    setVisible: (next) => {
      isVisible = next;
      if (next) plan(0);
      else clearTimeout(timer);
    },
    invalidate: (minGapMs) => ask(minGapMs),
    dispose: () => {
      isDisposed = true;
      clearTimeout(timer);
    },
  };
}
