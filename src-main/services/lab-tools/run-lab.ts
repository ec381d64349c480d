/** `lab run`: one graded run of a lab. */
import { AppError } from '../../protocol/app-error.ts';
import { didYouMean } from '../../labs-engine/closest.ts';
import type { LabPackage } from '../../labs-engine/package/lab-package.ts';
import { runAndGrade } from '../../labs-engine/prove/run-and-grade.ts';
import type { LabRun } from '../../labs-engine/run/lab-run.ts';
import { scriptTexts } from '../../labs-engine/run/run-plan.ts';
import type { LabTools } from './lab-tools.ts';
import { numbersOf, type RunNumbers } from './run-numbers.ts';

/** A file of the learner's for one of the lab's scripts. */
export interface GivenFile {
  /** Name of the file, or the script it stands for. */
  readonly name: string;
  readonly text: string;
}

export interface RunLabRequest {
  readonly lab: string;
  readonly files?: readonly GivenFile[];
  readonly isSolution?: boolean;
  readonly seed?: number | undefined;
  readonly profile?: string | undefined;
}

export interface CheckReport {
  readonly id: string;
  readonly step: string;
  readonly status: 'pass' | 'fail' | 'error' | 'notRun';
  readonly title: string;
  readonly message: string;
  readonly expected: string | null;
  readonly actual: string | null;
  readonly at: {
    readonly event: number | null;
    readonly object: string | null;
    readonly field: string | null;
    readonly script: { readonly file: string; readonly line: number } | null;
  };
}

export interface LabRunReport extends RunNumbers {
  readonly lab: string;
  readonly seed: number;
  readonly profile: string;
  readonly status: 'pass' | 'fail' | 'error';
  readonly checks: readonly CheckReport[];
}

export interface LabRunResult {
  readonly report: LabRunReport;
  readonly run: LabRun;
}

export async function runLab(tools: LabTools, request: RunLabRequest): Promise<LabRunResult> {
  const lab = tools.usable(request.lab);
  const checks = await tools.checks(lab);
  const seed = request.seed ?? lab.seeds[0] ?? 1;
  const profile = tools.profileOf(lab, request.profile) ?? lab.profiles[0] ?? 'iommufd';
  const texts = textsOf(lab, request);
  const { run, results, status } = runAndGrade({
    lab,
    checks,
    tools: tools.runTools,
    choice: { seed, profile, texts },
  });
  return {
    run,
    report: {
      lab: lab.id,
      seed,
      profile,
      status,
      checks: results.map(
        ({ id, step, status: outcome, title, message, expected, actual, at }) => ({
          id,
          step,
          status: outcome,
          title,
          message,
          expected: expected ?? null,
          actual: actual ?? null,
          at: {
            event: at?.event ?? null,
            object: at?.object ?? null,
            field: at?.field ?? null,
            script:
              at?.script === undefined ? null : { file: at.script.path, line: at.script.line },
          },
        }),
      ),
      ...numbersOf(run),
    },
  };
}

function textsOf(
  lab: LabPackage,
  { files = [], isSolution = false }: RunLabRequest,
): ReadonlyMap<string, string> {
  const texts = new Map(scriptTexts(lab, isSolution ? 'solution' : 'starter'));
  for (const { name, text } of files) texts.set(scriptFor(lab, name), text);
  return texts;
}

/** By name; a lab with a single script to edit takes a file of any name for it. */
function scriptFor(lab: LabPackage, name: string): string {
  const editable = lab.scripts
    .filter((script) => script.role === 'edit')
    .map((script) => script.path);
  if (editable.includes(name)) return name;
  const [only] = editable;
  if (only !== undefined && editable.length === 1) return only;
  const hint = didYouMean(name, editable) ?? `Name one of them: --file ${only ?? 'driver.ts'}=PATH`;
  throw new AppError(
    'ERR_LAB_FILE',
    `Lab ${lab.id} has no file ${name} to edit, it has ${editable.join(', ')}`,
    {
      hint,
    },
  );
}
