/** Monaco, configured once: workers, TypeScript, themes. Imported only when an editor is shown. */
import * as monaco from 'monaco-editor/editor';
import 'monaco-editor/features/register.all';
import 'monaco-editor/languages/definitions/typescript/register';
import * as typescript from 'monaco-editor/languages/features/typescript/register';
import EditorWorker from 'monaco-editor/editor/editor.worker?worker';
import TsWorker from 'monaco-editor/languages/features/typescript/ts.worker?worker';
import { ignoreErrorsOfLeaving } from './leaving-page.ts';
import { defineThemes } from './themes.ts';

export { monaco, typescript };

const MODULE_DETECTION_FORCE = 3;

/** Codes that say nothing useful about one file of a lab. */
const IGNORED_DIAGNOSTICS = [
  // File is not a module / unused label style hints of plain scripts.
  2_686,
];

let isReady = false;

export function setUpMonaco(): void {
  if (isReady) return;
  isReady = true;
  self.MonacoEnvironment = {
    getWorker: (_id, label) =>
      ignoreErrorsOfLeaving(
        label === 'typescript' || label === 'javascript' ? new TsWorker() : new EditorWorker(),
      ),
  };
  const { typescriptDefaults } = typescript;
  typescriptDefaults.setCompilerOptions({
    target: typescript.ScriptTarget.ESNext,
    module: typescript.ModuleKind.ESNext,
    moduleResolution: typescript.ModuleResolutionKind.NodeJs,
    moduleDetection: MODULE_DETECTION_FORCE,
    lib: ['es2023'],
    strict: true,
    noEmit: true,
    allowNonTsExtensions: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: false,
  });
  typescriptDefaults.setDiagnosticsOptions({ diagnosticCodesToIgnore: IGNORED_DIAGNOSTICS });
  typescriptDefaults.setEagerModelSync(true);
  defineThemes(monaco);
  // Character widths are measured once; the bundled font must be there by then.
  void document.fonts.load('13px "JetBrains Mono"').then(() => monaco.editor.remeasureFonts());
}
