/** Errors that only the engine finds: names declared twice, `return` outside a function, `await` where none may be. */
import { GuestError, ThrowInGuest } from './guest-error.ts';
import { HOOKS_MODULE } from './guest-prelude.ts';
import { learnerFrames } from './guest-stack.ts';
import { sdkExports } from './module-graph.ts';
import type { ModuleGraph } from './module-graph.ts';
import { Sandbox } from './sandbox.ts';
import type { WasmModule } from './sandbox.ts';
import type { ScriptProblem } from './script-problem.ts';
import { stubSource } from './sdk-instances.ts';
import type { SdkModule } from './sdk/sdk-module.ts';
import type { TranspiledScript } from './transpile.ts';

const CHECK_FILE = 'lab:check';
const SDK_STUB = 'sdk:';
const MEMORY_BYTES = 32 << 20;
const STACK_BYTES = 256 << 10;

const REWORDED: readonly (readonly [RegExp, string])[] = [
  [/^invalid redefinition of .*/, 'This name is declared twice'],
  [/^return not in a function$/, 'return can only stand in a function'],
  [/^unexpected 'await' keyword$/, 'await can only stand in an async function or at the top level'],
];

/** Compiles and links every file in an engine of its own, and runs nothing. */
export function compileProblems(
  wasm: WasmModule,
  scripts: ReadonlyMap<string, TranspiledScript>,
  graph: ModuleGraph,
): readonly ScriptProblem[] {
  const problems: ScriptProblem[] = [];
  for (const path of scripts.keys()) {
    // A fresh engine each: one that failed to link keeps half-linked modules.
    const problem = compileProblem(wasm, scripts, graph, path);
    const isNew = !problems.some((p) => p.path === problem?.path && p.line === problem.line);
    if (problem !== undefined && isNew) problems.push(problem);
  }
  return problems;
}

function compileProblem(
  wasm: WasmModule,
  scripts: ReadonlyMap<string, TranspiledScript>,
  graph: ModuleGraph,
  path: string,
): ScriptProblem | undefined {
  const stubs = new Map<string, SdkModule>();
  const sandbox = new Sandbox({
    module: wasm,
    memoryLimitBytes: MEMORY_BYTES,
    stackLimitBytes: STACK_BYTES,
    interrupt: () => false,
    resolveModule: (importer, specifier) => {
      if (importer === CHECK_FILE || specifier === HOOKS_MODULE) return specifier;
      const target = graph.resolve(importer, specifier);
      if (target.kind === 'file') return target.path;
      if (target.kind === 'unknown') throw new ThrowInGuest(target.message);
      stubs.set(SDK_STUB + target.module.name, target.module);
      return SDK_STUB + target.module.name;
    },
    loadModule: (name) => {
      if (name === HOOKS_MODULE) return stubSource(['h', 'p', 'r', 't', 'm']);
      const stub = stubs.get(name);
      return stub === undefined ? (scripts.get(name)?.js ?? '') : stubSource(sdkExports(stub));
    },
  });
  try {
    sandbox.compileModule(`import ${JSON.stringify(path)}`, CHECK_FILE);
    return undefined;
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    const [frame] = learnerFrames(error.guestStack, scripts);
    const place = frame ?? { path, line: 1, column: 1 };
    return {
      path: place.path,
      line: place.line,
      column: place.column,
      message: reword(error.text.replace(/^SyntaxError: /, '')),
      code: 'engine-syntax',
      severity: 'error',
    };
  }
}

function reword(message: string): string {
  const found = REWORDED.find(([pattern]) => pattern.test(message));
  return found?.[1] ?? `${message.charAt(0).toUpperCase()}${message.slice(1)}`;
}
