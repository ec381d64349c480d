import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import type { KernelProfile, LabView } from '../../src-main/protocol/lab-api.ts';
import { translate } from '../i18n/index.ts';
import { useNoticesStore } from './notices.ts';

export interface OpenOptions {
  readonly seed?: number;
  readonly profile?: KernelProfile;
}

/** The open lab, or none: then the window shows the course. Opening never runs anything. */
export const useLabStore = defineStore('lab', () => {
  const client = useLabClient();
  const notices = useNoticesStore();
  const lab = shallowRef<LabView | null>(null);
  const openingId = shallowRef<string | null>(null);

  /** Null when the lab could not be opened; the learner has been told why. */
  async function open(labId: string, options: OpenOptions = {}): Promise<LabView | null> {
    openingId.value = labId;
    try {
      const opened = await client.call('lab.open', { labId, ...options });
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
