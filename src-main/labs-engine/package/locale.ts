/** Languages of labs. English is the text of the package itself; others are in `i18n/`. */
export const REQUIRED_LOCALES = ['zh-CN'] as const;
export type Locale = (typeof REQUIRED_LOCALES)[number];

/** Undefined for English and for languages that labs have no texts in. */
export function locateLocale(language: string): Locale | undefined {
  return REQUIRED_LOCALES.find((locale) => locale === language);
}
