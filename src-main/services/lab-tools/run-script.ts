/** `run FILE`: a script without a lab, on a machine of its own. */
import { AppError } from '../../protocol/app-error.ts';
import { didYouMean } from '../../labs-engine/closest.ts';
import { ACTORS, KERNEL_PROFILES } from '../../labs-engine/package/front-matter.ts';
import {
  parseTemplate,
  resolveMachine,
  type MachineDraft,
} from '../../labs-engine/package/machine-variants.ts';
import { LabRun } from '../../labs-engine/run/lab-run.ts';
import { planRun, type PlannedScript } from '../../labs-engine/run/run-plan.ts';
import { createScriptEngine, type LoadWasm, type ScriptPorts } from '../../script/script-runner.ts';
import type { CryptoPort } from '../ports.ts';
import { DEFAULT_MACHINE } from './default-machine.ts';
import { isUnusable, numbersOf, type RunNumbers } from './run-numbers.ts';

export interface ScriptRunRequest {
  /** Absent: only the machine boots. */
  readonly script?: { readonly path: string; readonly text: string } | undefined;
  /** Text of a `machine.json`; the default machine when absent. */
  readonly machine?: { readonly path: string; readonly text: string } | undefined;
  readonly seed?: number | undefined;
  readonly profile?: string | undefined;
  /** Role of the script. */
  readonly actor?: string | undefined;
  readonly ports?: Partial<ScriptPorts>;
}

export interface ScriptHost {
  readonly loadSandbox: LoadWasm;
  readonly crypto?: CryptoPort;
}

export interface ScriptRunReport extends RunNumbers {
  readonly status: 'pass' | 'fail' | 'error';
}

export interface ScriptRunResult {
  readonly report: ScriptRunReport;
  readonly run: LabRun;
}

/** `pass`: it ran to its end; `fail`: it threw or was stopped; `error`: it could not start. */
export function runScript(host: ScriptHost, request: ScriptRunRequest): ScriptRunResult {
  const { script, seed = 1, ports } = request;
  const actor = oneOf('actor', request.actor ?? 'host-driver', ACTORS);
  const scripts: readonly PlannedScript[] =
    script === undefined ? [] : [{ path: script.path, text: script.text, actor }];
  const run = new LabRun({
    engine: createScriptEngine(host.loadSandbox),
    ...(host.crypto === undefined ? {} : { crypto: host.crypto }),
    plan: planRun({
      machine: machineOf(request.machine, seed),
      seed,
      profile: oneOf('profile', request.profile ?? 'iommufd', KERNEL_PROFILES),
      scripts,
    }),
    ...(ports === undefined ? {} : { ports }),
  });
  const outcome = run.start();
  const status = isUnusable(run) ? 'error' : outcome.kind === 'finished' ? 'pass' : 'fail';
  return { run, report: { status, ...numbersOf(run) } };
}

function machineOf(source: ScriptRunRequest['machine'], seed: number): MachineDraft {
  const { path, text } = source ?? { path: 'machine.json', text: DEFAULT_MACHINE };
  const { template, issues } = parseTemplate(path, text, []);
  const resolved = template === undefined ? undefined : resolveMachine(template, seed);
  if (resolved?.machine !== undefined) return resolved.machine;
  const all = [...issues, ...(resolved?.issues ?? [])];
  throw new AppError('ERR_MACHINE', `${path} describes no machine`, { issues: all });
}

function oneOf<T extends string>(what: string, given: string, known: readonly T[]): T {
  const found = known.find((name) => name === given);
  if (found !== undefined) return found;
  const hint = didYouMean(given, known) ?? `Known: ${known.join(', ')}`;
  throw new AppError('ERR_CHOICE', `There is no ${what} ${given}`, { hint });
}
