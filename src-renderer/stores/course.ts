import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { useLabClient } from '../api/client-context.ts';
import type { CourseView, LabSummary } from '../../src-main/protocol/lab-api.ts';
import { translate } from '../i18n/index.ts';
import { useNoticesStore } from './notices.ts';
import { useSettingsStore } from './settings.ts';

/** The labs, their progress, the glossary. */
export const useCourseStore = defineStore('course', () => {
  const client = useLabClient();
  const notices = useNoticesStore();
  const settings = useSettingsStore();
  const course = shallowRef<CourseView | null>(null);
  const loadError = shallowRef<string | null>(null);

  const labs = computed<readonly LabSummary[]>(() => course.value?.labs ?? []);
  const glossary = computed(() => course.value?.glossary ?? []);
  const nextLab = computed(
    () => labs.value.find((lab) => lab.id === course.value?.nextLabId) ?? null,
  );
  const passedCount = computed(
    () => labs.value.filter((lab) => lab.progress.state === 'passed').length,
  );

  async function load(): Promise<void> {
    try {
      course.value = await client.call('course.get', { language: settings.activeLocale });
      loadError.value = null;
    } catch (error) {
      loadError.value = error instanceof Error ? error.message : String(error);
    }
  }

  async function resetProgress(labId?: string): Promise<void> {
    try {
      course.value = await client.call('progress.reset', labId === undefined ? {} : { labId });
    } catch (error) {
      notices.addError(translate('notice.progressReset'), error);
    }
  }

  function reset(): void {
    course.value = null;
    loadError.value = null;
  }

  return { course, loadError, labs, glossary, nextLab, passedCount, load, resetProgress, reset };
});
