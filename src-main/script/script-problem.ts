/** What is wrong with a learner's file, found before it runs. */

export type ScriptProblemCode =
  | 'syntax'
  | 'unsupported-syntax'
  | 'unknown-module'
  | 'unknown-export'
  | 'reserved-module'
  | 'probe-without-value'
  | 'engine-syntax';

export interface ScriptProblem {
  readonly path: string;
  /** One-based. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly code: ScriptProblemCode;
  /** An error keeps the script from running; a warning does not. */
  readonly severity: 'error' | 'warning';
}

/** Numbers `[0, 1, 2, ...]` of a Levenshtein table's first row. */
function firstRow(length: number): number[] {
  return Array.from({ length: length + 1 }, (_, index) => index);
}

function editDistance(a: string, b: string): number {
  let previous = firstRow(b.length);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}

/** The candidate most like `wanted`, if one is close enough to be what was meant. */
export function closestMatch(wanted: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.max(2, Math.floor(wanted.length / 3));
  let best: string | undefined = undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean X?` or nothing, to end a message with. */
export function suggestion(wanted: string, candidates: Iterable<string>): string {
  const match = closestMatch(wanted, candidates);
  return match === undefined ? '' : `; did you mean ${match}?`;
}
