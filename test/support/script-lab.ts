/** Runs learner scripts in tests and collects what they did. */
import type { ConsoleMessage } from '../../src-main/script/script-console.ts';
import { createScriptEngine, createScriptRunner } from '../../src-main/script/script-runner.ts';
import type {
  ScriptFile,
  ScriptOutcome,
  ScriptRunner,
  ScriptRunnerOptions,
} from '../../src-main/script/script-runner.ts';
import type { ProbeReport } from '../../src-main/script/probe-log.ts';
import { loadWasmFromPackage } from '../../src-main/script/wasm-node.ts';
import { createDemoBus } from './demo-module.ts';
import type { DemoBus } from './demo-module.ts';

export const testEngine = createScriptEngine(loadWasmFromPackage);

export interface ScriptLab {
  readonly runner: ScriptRunner;
  readonly bus: DemoBus;
  readonly messages: ConsoleMessage[];
  readonly probes: ProbeReport[];
  /** Console texts alone. */
  readonly texts: () => readonly string[];
  readonly run: () => ScriptOutcome;
}

/** One file named `a.ts`, or several by path; the first is the entry unless `entry` says otherwise. */
export function scriptLab(
  source: string | Readonly<Record<string, string>>,
  options: Partial<ScriptRunnerOptions> = {},
): ScriptLab {
  const sources = typeof source === 'string' ? { 'a.ts': source } : source;
  const files: readonly ScriptFile[] = Object.entries(sources).map(([path, text], index) => ({
    path,
    source: text,
    actor: index === 0 ? 'host-driver' : 'vdcm',
  }));
  const bus = createDemoBus();
  const messages: ConsoleMessage[] = [];
  const probes: ProbeReport[] = [];
  const runner = createScriptRunner({
    engine: testEngine,
    files,
    entry: [files[0]?.path ?? ''],
    modules: [bus.module],
    seed: 1,
    ...options,
    ports: {
      onConsole: (message) => messages.push(message),
      onProbe: (report) => probes.push(report),
      ...options.ports,
    },
  });
  return {
    runner,
    bus,
    messages,
    probes,
    texts: () => messages.map((message) => message.text),
    run: () => runner.run(),
  };
}

/** Console texts of a script that must finish. */
export function outputOf(
  source: string | Readonly<Record<string, string>>,
  options: Partial<ScriptRunnerOptions> = {},
): readonly string[] {
  const lab = scriptLab(source, options);
  const outcome = lab.run();
  if (outcome.kind !== 'finished') throw new Error(JSON.stringify(outcome));
  return lab.texts();
}

/** `a.ts:3: TypeError: ...` of a script that must fail. */
export function failureOf(
  source: string | Readonly<Record<string, string>>,
  options: Partial<ScriptRunnerOptions> = {},
): string {
  const outcome = scriptLab(source, options).run();
  if (outcome.kind !== 'failed') throw new Error(JSON.stringify(outcome));
  const { path, line, message } = outcome.error;
  return `${path}:${String(line)}: ${message}`;
}
