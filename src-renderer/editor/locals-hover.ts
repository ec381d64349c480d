/** While a script is paused, hovering a variable shows its value. */
import type { EditorMarks } from './editor-model.ts';
import { monaco } from './monaco-setup.ts';

let current: { readonly path: string; readonly locals: EditorMarks['locals'] } | null = null;
let isRegistered = false;

export function setHoverLocals(marks: EditorMarks): void {
  current = marks.position === null ? null : { path: marks.position.path, locals: marks.locals };
  if (isRegistered) return;
  isRegistered = true;
  monaco.languages.registerHoverProvider('typescript', {
    provideHover: (model, position) => {
      if (current === null || model.uri.path !== `/${current.path}`) return null;
      const word = model.getWordAtPosition(position);
      const local = current.locals.find((entry) => entry.name === word?.word);
      if (word === null || local === undefined) return null;
      return {
        range: new monaco.Range(
          position.lineNumber,
          word.startColumn,
          position.lineNumber,
          word.endColumn,
        ),
        contents: [{ value: `\`\`\`ts\n${local.name} = ${local.value}\n\`\`\`` }],
      };
    },
  });
}
