/**
 * Runs the script files of a lab, synchronously, from check to outcome.
 *
 * ```ts
 * const engine = createScriptEngine(loadWasm);
 * const runner = createScriptRunner({ engine, files, entry: ['driver.ts'], modules, seed: 1, ports });
 * const problems = runner.check();
 * const outcome = runner.run();
 * ```
 *
 * A runner runs once; a new run is a new runner. Same files, seed and host answers give the same calls to the host in the
 * same order, whatever breakpoints and pauses there are.
 */
import { invariant } from '../bits/invariant.ts';
import { compileProblems } from './compile-check.ts';
import { ModuleGraph } from './module-graph.ts';
import { NO_PAUSE } from './pause-port.ts';
import { compileQuickJs } from './quickjs-abi.ts';
import type { WasmModule } from './quickjs-abi.ts';
import { CONSOLE_LIMITS, consoleModule } from './script-console.ts';
import { snap } from './script-debugger.ts';
import type { Breakpoint } from './script-debugger.ts';
import type { ScriptProblem } from './script-problem.ts';
import { ScriptSession } from './script-session.ts';
import type { ScriptLimits, ScriptOutcome, ScriptPorts } from './script-session.ts';
import type { SdkModule } from './sdk/sdk-module.ts';
import { transpile } from './transpile.ts';
import type { TranspiledScript } from './transpile.ts';

export type { Breakpoint } from './script-debugger.ts';
export type { ScriptFailure } from './script-failure.ts';
export type { ScriptProblem } from './script-problem.ts';
export type { ScriptLimits, ScriptOutcome, ScriptPorts, StopReason } from './script-session.ts';

/** Bytes of `quickjs.wasm`, or the module compiled from them. How they are found is the host's business. */
export type LoadWasm = () => Uint8Array | WasmModule;

/** The compiled engine: make one and share it between runs. */
export interface ScriptEngine {
  readonly wasm: WasmModule;
}

export function createScriptEngine(loadWasm: LoadWasm): ScriptEngine {
  let compiled: WasmModule | undefined = undefined;
  return {
    get wasm() {
      compiled ??= compileQuickJs(loadWasm());
      return compiled;
    },
  };
}

export interface ScriptFile {
  readonly path: string;
  readonly source: string;
  /** Role of the code in it: `host-driver`, `vdcm`, `guest-driver`, `application`. */
  readonly actor: string;
}

export const SCRIPT_LIMITS: ScriptLimits = {
  memoryBytes: 16 << 20,
  stackBytes: 256 << 10,
  statements: 50_000_000,
  probeValues: 1_000,
  console: CONSOLE_LIMITS,
};

export interface ScriptRunnerOptions {
  readonly engine: ScriptEngine;
  readonly files: readonly ScriptFile[];
  /** Paths of the files to run, in this order. Others run when they are imported. */
  readonly entry: readonly string[];
  readonly modules: readonly SdkModule[];
  readonly seed?: number;
  readonly limits?: Partial<ScriptLimits>;
  readonly ports: Partial<ScriptPorts>;
  readonly breakpoints?: readonly Breakpoint[];
  /** Stops before the statement with this number in the run's order; 1 is the very first. */
  readonly pauseAtStatement?: number;
}

export interface ScriptRunner {
  /** What is wrong with the files, without running them. */
  check(): readonly ScriptProblem[];
  /** Runs the entry files. Files with errors do not run: the outcome is then `failed` with the first of them. */
  run(): ScriptOutcome;
  /**
   * After `run`: host work that calls functions the scripts handed over (an op table, an interrupt handler), with the same
   * limits, debugger and outcomes as the run itself.
   */
  enter(work: () => void): ScriptOutcome;
  /** Replaces all breakpoints, also while the script runs or pauses. Answers the lines they really stop at. */
  setBreakpoints(breakpoints: readonly Breakpoint[]): readonly (number | null)[];
  /** Stops at the next statement. From another thread use the control word. */
  requestPause(): void;
  /** Statements begun so far. */
  readonly statementCount: number;
}

export function createScriptRunner(options: ScriptRunnerOptions): ScriptRunner {
  return new LabScriptRunner(options);
}

class LabScriptRunner implements ScriptRunner {
  readonly #options: ScriptRunnerOptions;
  readonly #scripts: ReadonlyMap<string, TranspiledScript>;
  readonly #modules: readonly SdkModule[];
  readonly #graph: ModuleGraph;
  readonly #actors: ReadonlyMap<string, string>;
  readonly #limits: ScriptLimits;
  #problems: readonly ScriptProblem[] | undefined = undefined;
  #session: ScriptSession | undefined = undefined;
  #breakpoints: readonly Breakpoint[];
  #hasRun = false;

  constructor(options: ScriptRunnerOptions) {
    const { files, entry, modules } = options;
    this.#options = options;
    this.#limits = { ...SCRIPT_LIMITS, ...options.limits };
    this.#actors = new Map(files.map((file) => [file.path, file.actor]));
    invariant(this.#actors.size === files.length, 'Two script files have the same path');
    for (const path of entry) {
      invariant(this.#actors.has(path), `There is no script file ${path} to run`);
    }
    this.#scripts = transpileAll(files);
    this.#modules = [consoleModule, ...modules];
    this.#graph = new ModuleGraph([...this.#scripts.values()], this.#modules);
    this.#breakpoints = options.breakpoints ?? [];
  }

  check(): readonly ScriptProblem[] {
    this.#problems ??= this.#findProblems();
    return this.#problems;
  }

  run(): ScriptOutcome {
    invariant(!this.#hasRun, 'A script runner runs once');
    this.#hasRun = true;
    const error = this.check().find((problem) => problem.severity === 'error');
    if (error !== undefined) {
      const { path, line, column, message } = error;
      return { kind: 'failed', error: { path, line, column, message, stack: [] } };
    }
    const { engine, seed = 0, ports, pauseAtStatement, entry } = this.#options;
    const session = new ScriptSession({
      wasm: engine.wasm,
      scripts: this.#scripts,
      graph: this.#graph,
      modules: this.#modules,
      actorOf: (path) => this.#actors.get(path) ?? '',
      limits: this.#limits,
      seed,
      ports: { onConsole: () => undefined, pause: NO_PAUSE, ...ports },
    });
    this.#session = session;
    session.debugger.setBreakpoints(this.#breakpoints);
    if (pauseAtStatement !== undefined) session.debugger.pauseAtStatement(pauseAtStatement);
    return session.runEntries(entry);
  }

  enter(work: () => void): ScriptOutcome {
    invariant(this.#session !== undefined, 'The scripts have not run yet');
    return this.#session.execute(work);
  }

  setBreakpoints(breakpoints: readonly Breakpoint[]): readonly (number | null)[] {
    this.#breakpoints = breakpoints;
    if (this.#session !== undefined) return this.#session.debugger.setBreakpoints(breakpoints);
    const statements = [...this.#scripts.values()].flatMap((script) => script.statements);
    return breakpoints.map(({ path, line }) => snap(statements, path, line)?.line ?? null);
  }

  requestPause(): void {
    this.#session?.debugger.requestPause();
  }

  get statementCount(): number {
    return this.#session?.statementCount ?? 0;
  }

  #findProblems(): readonly ScriptProblem[] {
    const problems = [
      ...[...this.#scripts.values()].flatMap((script) => script.problems),
      ...this.#graph.problems(),
    ];
    const hasError = problems.some((problem) => problem.severity === 'error');
    if (!hasError) {
      problems.push(...compileProblems(this.#options.engine.wasm, this.#scripts, this.#graph));
    }
    const order = [...this.#scripts.keys()];
    return problems.sort(
      (a, b) =>
        order.indexOf(a.path) - order.indexOf(b.path) || a.line - b.line || a.column - b.column,
    );
  }
}

/** Numbers statements, functions and probes through all files. */
function transpileAll(files: readonly ScriptFile[]): ReadonlyMap<string, TranspiledScript> {
  const scripts = new Map<string, TranspiledScript>();
  let firstStatement = 0;
  let firstFunction = 0;
  let firstProbe = 0;
  files.forEach((file, moduleIndex) => {
    const numbers = { firstStatement, firstFunction, firstProbe, moduleIndex };
    const script = transpile(file, numbers);
    scripts.set(file.path, script);
    firstStatement += script.statements.length;
    firstFunction += script.functionCount;
    firstProbe += script.probes.length;
  });
  return scripts;
}
