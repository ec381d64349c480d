/** Declarations of the modules that scripts may import, for completion, hovers and errors. */
import type { IDisposable } from 'monaco-editor/editor';
import type { LabView } from '../../src-main/protocol/lab-api.ts';
import { typescript } from './monaco-setup.ts';

/** Where the compiler looks for `import … from 'linux/pci'`. Ambient declarations may lie anywhere. */
export function libPath(path: string, text: string): string {
  const name = path.replace(/\.d\.ts$/, '');
  const isAmbient = /^\s*declare module ['"]/m.test(text);
  return isAmbient ? `file:///types/${name}.d.ts` : `file:///node_modules/${name}.d.ts`;
}

let registered: readonly IDisposable[] = [];

export function setExtraLibs(types: LabView['types']): void {
  for (const lib of registered) lib.dispose();
  registered = types.map(({ path, text }) =>
    typescript.typescriptDefaults.addExtraLib(text, libPath(path, text)),
  );
}
