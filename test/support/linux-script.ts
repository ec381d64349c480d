/** Runs learner scripts against a kernel over a whole machine. */
import {
  createScriptRunner,
  type ScriptOutcome,
  type ScriptRunnerOptions,
} from '../../src-main/script/script-runner.ts';
import { createSdkModules } from '../../src-main/script/sdk/sdk-modules.ts';
import type { ScriptValue } from '../../src-main/script/sdk/sdk-module.ts';
import { VirtualMachines } from '../../src-main/vmm/virtual-machines.ts';
import { bootLab, type Lab, type LabOptions } from './linux-machine.ts';
import { testEngine } from './script-lab.ts';

export interface ScriptRun extends Lab {
  readonly outcome: ScriptOutcome;
  readonly texts: readonly string[];
  readonly reports: Readonly<Record<string, ScriptValue>>;
}

/** Runs one file, or several by path as `{ 'driver.ts': ... }`; the first is the entry. */
export function runScript(
  source: string | Readonly<Record<string, string>>,
  options: LabOptions = {},
  actors: Readonly<Record<string, string>> = {},
  limits: ScriptRunnerOptions['limits'] = {},
): ScriptRun {
  const lab = bootLab(options);
  const sources = typeof source === 'string' ? { 'driver.ts': source } : source;
  const texts: string[] = [];
  const reports: Record<string, ScriptValue> = {};
  const application = lab.kernel.processes.create('app', { capabilities: ['CAP_IPC_LOCK'] });
  const runner = createScriptRunner({
    engine: testEngine,
    files: Object.entries(sources).map(([path, text]) => ({
      path,
      source: text,
      actor: actors[path] ?? 'host-driver',
    })),
    entry: [Object.keys(sources)[0] ?? ''],
    modules: createSdkModules({
      kernelOf: () => lab.kernel,
      processOf: () => application,
      vms: new VirtualMachines(lab.kernel),
      trace: lab.machine.trace,
      onReport: (key, value) => {
        reports[key] = value;
      },
    }),
    ports: { onConsole: (message) => texts.push(message.text) },
    limits,
  });
  const problems = runner.check().filter((p) => p.severity === 'error');
  if (problems.length > 0) {
    throw new Error(problems.map((p) => `${p.path}:${p.line} ${p.message}`).join('\n'));
  }
  const outcome = runner.run();
  return { ...lab, outcome, texts, reports };
}

/** Reports of a script that must finish. */
export function reportsOf(
  source: string,
  options: LabOptions = {},
): Readonly<Record<string, ScriptValue>> {
  const run = runScript(source, options);
  if (run.outcome.kind !== 'finished') {
    throw new Error(JSON.stringify(run.outcome));
  }
  return run.reports;
}
