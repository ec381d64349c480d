/** Runs the checks of a lab over a finished run and words their results. */
import type { CheckResult } from '../../protocol/lab-api.ts';
import { toHex } from '../../bits/hex.ts';
import { invariant } from '../../bits/invariant.ts';
import type { CheckTexts } from '../package/translation.ts';
import type { LabRun } from '../run/lab-run.ts';
import { countsForPassing, type Check } from '../sdk/check.ts';
import { RunFacts } from '../sdk/run-facts.ts';
import type { TraceQuery } from '../sdk/trace-query.ts';
import { ANSWERS, type Failed, type Passed, type Shown } from '../sdk/verdict.ts';
import type { LabStatus } from './lab-status.ts';

/** Sentences in another language, by the id of the check. */
export type Wording = Readonly<Record<string, CheckTexts>>;

/** Checks before any run. */
export function notRun(checks: readonly Check[], wording: Wording = {}): readonly CheckResult[] {
  return checks.map((check) => ({ ...headOf(check, wording), status: 'notRun', message: '' }));
}

export function runChecks(
  checks: readonly Check[],
  run: LabRun,
  wording: Wording = {},
): readonly CheckResult[] {
  const facts = new RunFacts(run);
  const results: CheckResult[] = [];
  for (const check of checks) {
    const blocker = results.find(
      ({ id, status }) => check.after?.includes(id) === true && status !== 'pass',
    );
    results.push(
      blocker === undefined ? runCheck(check, facts, wording) : waitFor(check, blocker, wording),
    );
  }
  return results;
}

export function labStatus(checks: readonly Check[], results: readonly CheckResult[]): LabStatus {
  if (results.some((result) => result.status === 'error')) return 'error';
  const needed = new Set(checks.filter(countsForPassing).map((check) => check.id));
  return results.every((result) => result.status === 'pass' || !needed.has(result.id))
    ? 'pass'
    : 'fail';
}

type ResultHead = Pick<CheckResult, 'id' | 'step' | 'kind' | 'title'>;

function headOf({ id, step, kind = 'essential', title }: Check, wording: Wording): ResultHead {
  return { id, step, kind, title: wording[id]?.title ?? title };
}

function waitFor(check: Check, blocker: CheckResult, wording: Wording): CheckResult {
  return { ...headOf(check, wording), status: 'notRun', message: `Waits for: ${blocker.title}` };
}

function runCheck(check: Check, facts: RunFacts, wording: Wording): CheckResult {
  const head = headOf(check, wording);
  try {
    const verdict = check.test(facts, ANSWERS);
    return verdict.status === 'pass'
      ? passed(head, verdict, wording[check.id]?.pass ?? check.pass)
      : failed(head, verdict, { check, facts, wording });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ...head, status: 'error', message: `The check itself failed: ${message}` };
  }
}

function passed(head: ResultHead, verdict: Passed, sentence: string): CheckResult {
  const { at, evidence } = verdict;
  return {
    ...head,
    status: 'pass',
    message: fillTemplate(sentence, verdict.values),
    ...(at === undefined ? {} : { at: { event: at.seq } }),
    ...(evidence === undefined ? {} : { evidence: evidence.map((record) => record.seq) }),
  };
}

function failed(
  head: ResultHead,
  { name, mismatch }: Failed,
  {
    check,
    facts,
    wording,
  }: { readonly check: Check; readonly facts: RunFacts; readonly wording: Wording },
): CheckResult {
  const { object, field, expected, actual, at, evidence, values } = mismatch;
  const original = check.fail[name];
  invariant(original !== undefined, `${check.id} has no sentence for ${name}`);
  const sentence = wording[check.id]?.fail[name] ?? original;
  const proof = [...(at === undefined ? [] : [at]), ...(evidence ?? [])].map(
    (record) => record.seq,
  );
  return {
    ...head,
    status: 'fail',
    message: fillTemplate(sentence, { ...values, object, field, expected, actual }),
    expected: showValue(expected),
    actual: showValue(actual),
    at: placeOf(mismatch, facts.trace),
    ...(proof.length === 0 ? {} : { evidence: [...new Set(proof)].sort((a, b) => a - b) }),
    ...(check.hint === undefined ? {} : { next: check.hint }),
  };
}

function placeOf(
  { object, field, at, link }: Failed['mismatch'],
  trace: TraceQuery,
): NonNullable<CheckResult['at']> {
  const script = at === undefined ? undefined : trace.scriptLine(at);
  return {
    ...(at === undefined ? {} : { event: at.seq }),
    object,
    field,
    ...(link === undefined ? {} : { link }),
    ...(script === undefined ? {} : { script }),
  };
}

/** BigInts are registers and addresses, so they are shown in hexadecimal. */
function showValue(value: Shown): string {
  return typeof value === 'bigint' ? toHex(value) : String(value);
}

export function placesOf(sentence: string): readonly string[] {
  return [...sentence.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
}

export function fillTemplate(sentence: string, values: Readonly<Record<string, Shown>>): string {
  return sentence.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    invariant(value !== undefined, `The sentence "${sentence}" names ${name}, which has no value`);
    return showValue(value);
  });
}
