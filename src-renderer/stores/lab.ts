import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import { AppError, RPC_ERROR } from '../../src-main/protocol/app-error.ts';
import { useLabClient } from '../api/client-context.ts';
import type { KernelProfile, LabView } from '../../src-main/protocol/lab-api.ts';
import { translate } from '../i18n/index.ts';
import { useNoticesStore } from './notices.ts';
import { useSettingsStore } from './settings.ts';

export interface OpenOptions {
  readonly seed?: number;
  readonly profile?: KernelProfile;
}

/** Stopping a script is prompt, but not instant. */
const STOP_TRIES = 10;
const STOP_PAUSE_MS = 100;

function isBusy(error: unknown): boolean {
  return error instanceof AppError && error.code === RPC_ERROR.busy;
}

/** The open lab, or none: then the window shows the course. Opening never runs anything. */
export const useLabStore = defineStore('lab', () => {
  const client = useLabClient();
  const notices = useNoticesStore();
  const settings = useSettingsStore();
  const lab = shallowRef<LabView | null>(null);
  const openingId = shallowRef<string | null>(null);

  /** A run that is still going on is stopped: the learner has chosen to leave it. */
  async function request(labId: string, options: OpenOptions): Promise<LabView> {
    const params = { labId, ...options, language: settings.activeLocale };
    for (let tries = STOP_TRIES; ; tries -= 1) {
      try {
        return await client.call('lab.open', params);
      } catch (error) {
        if (!isBusy(error) || tries === 0) throw error;
        if (tries === STOP_TRIES) await client.call('run.stop', {});
        await new Promise((resolve) => setTimeout(resolve, STOP_PAUSE_MS));
      }
    }
  }

  /** Null when the lab could not be opened; the learner has been told why. */
  async function open(labId: string, options: OpenOptions = {}): Promise<LabView | null> {
    openingId.value = labId;
    try {
      const opened = await request(labId, options);
      lab.value = opened;
      return opened;
    } catch (error) {
      notices.addError(translate('notice.openLab'), error);
      return null;
    } finally {
      openingId.value = null;
    }
  }

  function reset(): void {
    lab.value = null;
    openingId.value = null;
  }

  return { lab, openingId, open, reset };
});
