/** One problem of a lab package: a stable code, where it is, what was expected and found, what to do. */
export interface LabIssue {
  readonly code: ProblemCode;
  /** File of the lab, with the line where it is known: `lab.md:12`. For JSON, the field: `machine.json#devices.0.bdf`. */
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
}

/** Codes are API: scripts and graders match on them. */
export const PROBLEM_CODES = [
  'schema',
  'duplicate-id',
  'unknown-need',
  'unknown-term',
  'dead-link',
  'starter-passes',
  'starter-wrong-failure',
  'solution-fails',
  'mutant-survives',
  'mutant-wrong-check',
  'mutant-wrong-message',
  'check-without-mutant',
  'nondeterministic',
  'seed-unsolvable',
  'needs-network',
  'translation-missing',
  'over-time',
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

export function issue(code: ProblemCode, path: string, message: string, hint?: string): LabIssue {
  return { code, path, message, ...(hint === undefined ? {} : { hint }) };
}
