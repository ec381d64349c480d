/** One text model for each file of the open lab, with where the learner was in it. */
import type { editor, IDisposable } from 'monaco-editor/editor';
import type { EditorFile } from './editor-model.ts';
import { monaco } from './monaco-setup.ts';

interface Entry {
  readonly model: editor.ITextModel;
  readonly listener: IDisposable;
  externalVersion: number;
  viewState: editor.ICodeEditorViewState | null;
}

export class ModelSet {
  readonly #entries = new Map<string, Entry>();
  readonly #onEdit: (path: string, text: string) => void;
  #isApplying = false;

  constructor(onEdit: (path: string, text: string) => void) {
    this.#onEdit = onEdit;
  }

  get(path: string): editor.ITextModel | null {
    return this.#entries.get(path)?.model ?? null;
  }

  paths(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Brings the models in line with the files; replaced texts stay undoable. */
  sync(files: readonly EditorFile[]): void {
    const wanted = new Set(files.map((file) => file.path));
    for (const path of this.paths()) if (!wanted.has(path)) this.#drop(path);
    for (const file of files) {
      const entry = this.#entries.get(file.path) ?? this.#create(file);
      if (entry.externalVersion === file.externalVersion) continue;
      entry.externalVersion = file.externalVersion;
      if (entry.model.getValue() !== file.text) this.#replace(entry.model, file.text);
    }
  }

  saveView(path: string, state: editor.ICodeEditorViewState | null): void {
    const entry = this.#entries.get(path);
    if (entry !== undefined) entry.viewState = state;
  }

  viewState(path: string): editor.ICodeEditorViewState | null {
    return this.#entries.get(path)?.viewState ?? null;
  }

  dispose(): void {
    for (const path of this.paths()) this.#drop(path);
  }

  #create(file: EditorFile): Entry {
    const uri = monaco.Uri.parse(`file:///${file.path}`);
    monaco.editor.getModel(uri)?.dispose();
    const model = monaco.editor.createModel(file.text, 'typescript', uri);
    model.updateOptions({ tabSize: 2, insertSpaces: true });
    const listener = model.onDidChangeContent(() => {
      if (!this.#isApplying) this.#onEdit(file.path, model.getValue());
    });
    const entry: Entry = {
      model,
      listener,
      externalVersion: file.externalVersion,
      viewState: null,
    };
    this.#entries.set(file.path, entry);
    return entry;
  }

  #replace(model: editor.ITextModel, text: string): void {
    this.#isApplying = true;
    try {
      model.pushStackElement();
      model.pushEditOperations([], [{ range: model.getFullModelRange(), text }], () => null);
      model.pushStackElement();
    } finally {
      this.#isApplying = false;
    }
  }

  #drop(path: string): void {
    const entry = this.#entries.get(path);
    entry?.listener.dispose();
    entry?.model.dispose();
    this.#entries.delete(path);
  }
}
