import { createI18n } from 'vue-i18n';
import { en, type MessageSchema } from './en.ts';
import { zhCN } from './zh-cn.ts';

declare module 'vue-i18n' {
  // The one way to tell vue-i18n the message keys.
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  export interface DefineLocaleMessage extends MessageSchema {}
}

export const LOCALES = ['en', 'zh-CN'] as const;
export type LocaleId = (typeof LOCALES)[number];

/** Moments of the wall clock: when something was stored. */
const MOMENT = { moment: { dateStyle: 'medium', timeStyle: 'medium' } } as const;

/** The messages hold no HTML and are interpreted, never compiled to code: the page forbids eval. */
export const i18n = createI18n<[MessageSchema], LocaleId, false>({
  legacy: false,
  locale: 'en',
  fallbackLocale: 'en',
  messages: { en, 'zh-CN': zhCN },
  datetimeFormats: { en: MOMENT, 'zh-CN': MOMENT },
});

/** The nearest supported locale for a list of preferred languages. */
export function pickLocale(preferred: readonly string[]): LocaleId {
  for (const language of preferred) {
    if (/^zh\b/i.test(language)) return 'zh-CN';
    if (/^en\b/i.test(language)) return 'en';
  }
  return 'en';
}

export function setLocale(locale: LocaleId): void {
  i18n.global.locale.value = locale;
  document.documentElement.lang = locale;
}

/** For code outside components. */
export function translate(key: string, named: Record<string, unknown> = {}): string {
  return i18n.global.t(key, named);
}
