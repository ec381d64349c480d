/** Editor themes in the colours of the window. */
import type { editor } from 'monaco-editor/editor';
import type { ThemeName } from '../stores/settings.ts';

interface ThemeApi {
  readonly editor: { defineTheme(name: string, data: editor.IStandaloneThemeData): void };
}

const NAMES: Readonly<Record<ThemeName, string>> = {
  light: 'lab-light',
  dark: 'lab-dark',
  contrast: 'lab-contrast',
};

export function editorTheme(theme: ThemeName): string {
  return NAMES[theme];
}

interface Palette {
  readonly text: string;
  readonly muted: string;
  readonly keyword: string;
  readonly string: string;
  readonly number: string;
  readonly type: string;
}

function rules(palette: Palette): editor.ITokenThemeRule[] {
  return [
    { token: '', foreground: palette.text },
    { token: 'comment', foreground: palette.muted },
    { token: 'keyword', foreground: palette.keyword },
    { token: 'string', foreground: palette.string },
    { token: 'number', foreground: palette.number },
    { token: 'type', foreground: palette.type },
    { token: 'type.identifier', foreground: palette.type },
    { token: 'delimiter', foreground: palette.muted },
  ];
}

export function defineThemes(api: ThemeApi): void {
  api.editor.defineTheme(NAMES.light, {
    base: 'vs',
    inherit: true,
    rules: rules({
      text: '1a1f26',
      muted: '5b6570',
      keyword: '0a5fa8',
      string: '00684a',
      number: '83306a',
      type: '7d5200',
    }),
    colors: {
      'editor.background': '#ffffff',
      'editor.foreground': '#1a1f26',
      'editor.lineHighlightBackground': '#f6f7f9',
      'editor.lineHighlightBorder': '#00000000',
      'editorLineNumber.foreground': '#6b747f',
      'editorLineNumber.activeForeground': '#1a1f26',
      'editorGutter.background': '#f6f7f9',
      'editorIndentGuide.background1': '#e4e8ec',
      'editor.selectionBackground': '#cfe3f5',
      focusBorder: '#0a5fa8',
    },
  });
  api.editor.defineTheme(NAMES.dark, {
    base: 'vs-dark',
    inherit: true,
    rules: rules({
      text: 'e3e7eb',
      muted: '95a0ac',
      keyword: '66b3f0',
      string: '4cc79b',
      number: 'df9fca',
      type: 'e6b450',
    }),
    colors: {
      'editor.background': '#171c22',
      'editor.foreground': '#e3e7eb',
      'editor.lineHighlightBackground': '#1d242c',
      'editor.lineHighlightBorder': '#00000000',
      'editorLineNumber.foreground': '#7f8a96',
      'editorLineNumber.activeForeground': '#e3e7eb',
      'editorGutter.background': '#12161b',
      'editorIndentGuide.background1': '#262e37',
      'editor.selectionBackground': '#1f4566',
      'editorWidget.background': '#1f262e',
      'editorWidget.border': '#2c343d',
      focusBorder: '#7cc0f5',
    },
  });
  api.editor.defineTheme(NAMES.contrast, {
    base: 'hc-black',
    inherit: true,
    rules: rules({
      text: 'ffffff',
      muted: 'd0d0d0',
      keyword: '6fd3ff',
      string: '3dffb0',
      number: 'ffb0e4',
      type: 'ffd43b',
    }),
    colors: {
      'editor.background': '#000000',
      'editor.lineHighlightBorder': '#6a6a6a',
      focusBorder: '#ffe600',
    },
  });
}
