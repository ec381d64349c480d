/** Syntax colours of code in guides. The grammars come in when the first code block asks for one. */
import { createCssVariablesTheme, createHighlighterCore, type HighlighterCore } from 'shiki/core';
import { createJavaScriptRegexEngine } from 'shiki/engine/javascript';
import { shallowRef } from 'vue';

const THEME = 'lab';
const LANGUAGES: Readonly<Record<string, string>> = {
  ts: 'typescript',
  typescript: 'typescript',
  js: 'typescript',
  javascript: 'typescript',
  c: 'c',
  sh: 'shellscript',
  bash: 'shellscript',
  shell: 'shellscript',
};

const highlighter = shallowRef<HighlighterCore | null>(null);
let isLoading = false;

async function load(): Promise<void> {
  if (isLoading) return;
  isLoading = true;
  highlighter.value = await createHighlighterCore({
    themes: [createCssVariablesTheme({ name: THEME, variablePrefix: '--code-', fontStyle: false })],
    langs: [
      import('shiki/langs/typescript.mjs'),
      import('shiki/langs/c.mjs'),
      import('shiki/langs/shellscript.mjs'),
    ],
    engine: createJavaScriptRegexEngine(),
  });
}

/** Null while the grammar is on its way or for other languages; a reactive caller then runs again by itself. */
export function highlightCode(code: string, language: string): string | null {
  const lang = LANGUAGES[language.trim().toLowerCase()];
  if (lang === undefined) return null;
  if (highlighter.value === null) {
    void load();
    return null;
  }
  return highlighter.value.codeToHtml(code, { lang, theme: THEME });
}
