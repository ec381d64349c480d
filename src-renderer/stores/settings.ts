import { defineStore } from 'pinia';
import { computed, ref, watch } from 'vue';
import { isRecord, readLocal, writeLocal } from '../api/local-store.ts';
import { LOCALES, pickLocale, setLocale, type LocaleId } from '../i18n/index.ts';

export const THEMES = ['system', 'light', 'dark', 'contrast'] as const;
export type ThemeChoice = (typeof THEMES)[number];
export type ThemeName = Exclude<ThemeChoice, 'system'>;
export type LocaleChoice = LocaleId | 'system';

const KEY = 'settings';

interface SavedSettings {
  readonly theme: ThemeChoice;
  readonly locale: LocaleChoice;
  readonly prefersTables: boolean;
}

function readSaved(): SavedSettings {
  const saved = readLocal(KEY);
  const value = isRecord(saved) ? saved : {};
  return {
    theme: THEMES.find((theme) => theme === value.theme) ?? 'system',
    locale: LOCALES.find((locale) => locale === value.locale) ?? 'system',
    prefersTables: value.prefersTables === true,
  };
}

function systemTheme(): ThemeName {
  if (matchMedia('(prefers-contrast: more)').matches) return 'contrast';
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

/** What the learner chose for this window; kept in the browser, as it is about the screen, not the work. */
export const useSettingsStore = defineStore('settings', () => {
  const saved = readSaved();
  const theme = ref<ThemeChoice>(saved.theme);
  const locale = ref<LocaleChoice>(saved.locale);
  const prefersTables = ref(saved.prefersTables);
  const fromSystem = ref<ThemeName>(systemTheme());

  const activeTheme = computed<ThemeName>(() =>
    theme.value === 'system' ? fromSystem.value : theme.value,
  );
  const activeLocale = computed<LocaleId>(() =>
    locale.value === 'system' ? pickLocale(navigator.languages) : locale.value,
  );

  for (const query of ['(prefers-contrast: more)', '(prefers-color-scheme: dark)']) {
    matchMedia(query).addEventListener('change', () => {
      fromSystem.value = systemTheme();
    });
  }

  watch(
    activeTheme,
    (name) => {
      document.documentElement.dataset.theme = name;
    },
    { immediate: true },
  );
  watch(activeLocale, setLocale, { immediate: true });
  watch([theme, locale, prefersTables], () => {
    writeLocal(KEY, {
      theme: theme.value,
      locale: locale.value,
      prefersTables: prefersTables.value,
    });
  });

  function reset(): void {
    theme.value = 'system';
    locale.value = 'system';
    prefersTables.value = false;
  }

  return { theme, locale, prefersTables, activeTheme, activeLocale, reset };
});
