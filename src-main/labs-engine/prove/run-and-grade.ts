/** Runs a lab's scripts in one version and grades them: the unit of every proof. */
import type { CheckResult } from '../../protocol/lab-api.ts';
import type { ScriptOutcome } from '../../script/script-runner.ts';
import type { LabStatus } from '../grade/lab-status.ts';
import { labStatus, notRun, runChecks, type Wording } from '../grade/run-checks.ts';
import type { LabPackage } from '../package/lab-package.ts';
import { LabRun, type RunTools } from '../run/lab-run.ts';
import { planLabRun, type LabRunChoice } from '../run/run-plan.ts';
import type { Check } from '../sdk/check.ts';

export interface GradedRun {
  readonly run: LabRun;
  readonly outcome: ScriptOutcome;
  readonly results: readonly CheckResult[];
  readonly status: LabStatus;
}

export interface GradedRunOptions {
  readonly lab: LabPackage;
  readonly checks: readonly Check[];
  readonly tools: RunTools;
  readonly choice: LabRunChoice;
  readonly wording?: Wording;
}

/** Scripts that do not even start are an error of the files: no check has anything to say about them. */
export function runAndGrade({ lab, checks, tools, choice, wording }: GradedRunOptions): GradedRun {
  const run = new LabRun({ plan: planLabRun(lab, choice), ...tools });
  const outcome = run.start();
  const isUnusable = run.problems().some((problem) => problem.severity === 'error');
  if (isUnusable) return { run, outcome, results: notRun(checks, wording), status: 'error' };
  const results = runChecks(checks, run, wording);
  return { run, outcome, results, status: labStatus(checks, results) };
}

/** The failure a learner meets first: in the order of the checks. */
export function firstFailure(results: readonly CheckResult[]): CheckResult | undefined {
  return results.find((result) => result.status === 'fail' || result.status === 'error');
}
