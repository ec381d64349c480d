/**
 * Checks of a lab as data.
 *
 * ```ts
 * export const checks = defineChecks([
 *   check({
 *     id: 'pasid-attached',
 *     step: 'attach',
 *     title: 'The domain is attached to the PASID',
 *     pass: 'PASID {pasid} of {device} uses domain {did}',
 *     fail: { absent: '{object}: {field} is {actual}, expected {expected}. Attach the domain first' },
 *     test: ({ tables }, { pass, fail }) => { ... },
 *   }),
 * ]);
 * ```
 *
 * Sentences are templates. A failing one must name `{object}`, `{field}`, `{expected}` and `{actual}`; translations replace
 * the sentences, never the tests.
 */
import { invariant } from '../../bits/invariant.ts';
import type { RunFacts } from './run-facts.ts';
import type { Answers, Verdict } from './verdict.ts';

/**
 * `essential` must pass, `actionable` too, with a clear next move; `informative` and `celebratory` tell something and never
 * keep a lab from being passed.
 */
export type CheckKind = 'essential' | 'actionable' | 'informative' | 'celebratory';

export interface CheckDeclaration<Name extends string> {
  readonly id: string;
  /** Step of the guide it belongs to. */
  readonly step: string;
  readonly title: string;
  readonly kind?: CheckKind;
  /** Checks without which this one says nothing; it is not run while one of them fails. */
  readonly after?: readonly string[];
  /** Hint to open next when it fails. */
  readonly hint?: string;
  readonly pass: string;
  /** Sentences by the name of the failure. */
  readonly fail: Readonly<Record<Name, string>>;
  readonly test: (facts: RunFacts, answers: Answers<Name>) => Verdict<Name>;
}

export type Check = CheckDeclaration<string>;

/** Keeps the names of failures for `fail()` inside the test. */
export function check<const Name extends string>(declaration: CheckDeclaration<Name>): Check {
  return declaration as unknown as Check;
}

/** What every failing sentence must name. */
export const REQUIRED_PLACES = ['object', 'field', 'expected', 'actual'] as const;

export function defineChecks(checks: readonly Check[]): readonly Check[] {
  const ids = new Set<string>();
  for (const { id, fail, after = [] } of checks) {
    invariant(!ids.has(id), `Check ${id} is declared twice`);
    for (const earlier of after) {
      invariant(
        ids.has(earlier),
        `Check ${id} comes after ${earlier}, which is not declared before it`,
      );
    }
    for (const [name, sentence] of Object.entries(fail)) {
      const missing = REQUIRED_PLACES.filter((place) => !sentence.includes(`{${place}}`));
      invariant(
        missing.length === 0,
        `Check ${id}: the sentence ${name} does not name ${missing.join(', ')}`,
      );
    }
    ids.add(id);
  }
  return checks;
}

export function countsForPassing({ kind = 'essential' }: Check): boolean {
  return kind === 'essential' || kind === 'actionable';
}
