/** Grades a run of a lab with the checks that come with the lab. */
import type { CheckResult } from '../../protocol/lab-api.ts';
import type { LabPackage } from '../package/lab-package.ts';
import type { Locale } from '../package/locale.ts';
import type { LabRun } from '../run/lab-run.ts';
import { countsForPassing } from '../sdk/check.ts';
import { checksOf } from './check-registry.ts';
import { notRun, runChecks, type Wording } from './run-checks.ts';

/** Sentences of the lab's checks in a language; English ones are those of the checks. */
export function wordingOf(lab: LabPackage, locale: Locale | undefined): Wording {
  return (locale === undefined ? undefined : lab.translations.get(locale)?.checks) ?? {};
}

/** How many checks must pass for the lab to be passed. */
export function countChecks(lab: LabPackage): number {
  return checksOf(lab).filter(countsForPassing).length;
}

export function notRunChecks(lab: LabPackage, locale?: Locale): readonly CheckResult[] {
  return notRun(checksOf(lab), wordingOf(lab, locale));
}

/** Scripts that could not start have proved nothing: every check stays as it was before the run. */
export function gradeRun(lab: LabPackage, run: LabRun, locale?: Locale): readonly CheckResult[] {
  const isUnusable = run.problems().some((problem) => problem.severity === 'error');
  if (isUnusable) return notRunChecks(lab, locale);
  return runChecks(checksOf(lab), run, wordingOf(lab, locale));
}
