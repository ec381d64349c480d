/** Issues of a valibot schema as lab issues: every one, with the place and a suggestion for a misspelt name. */
import type * as v from 'valibot';
import { didYouMean } from '../closest.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import { schemaNames } from './schema-names.ts';

type Keys = readonly (string | number)[];

export interface IssuePlace {
  readonly file: string;
  /** Line of a field in the file, given its keys from the top; undefined when it is not known. */
  readonly lineOf?: (keys: Keys) => number | undefined;
}

/** `machine.json#devices.0.bdf`, or `lab.md:7` where lines say more. */
export function placeText(place: IssuePlace, keys: Keys): string {
  const line = place.lineOf?.(keys);
  if (line !== undefined) return `${place.file}:${String(line)}`;
  return keys.length === 0 ? place.file : `${place.file}#${keys.join('.')}`;
}

function isUnknownName(found: v.BaseIssue<unknown>): boolean {
  return found.type === 'strict_object' && found.expected === 'never';
}

function messageOf(found: v.BaseIssue<unknown>, keys: Keys): string {
  const name = keys.length === 0 ? 'The document' : keys.join('.');
  if (isUnknownName(found)) return `${name} is no known setting`;
  if (found.received === 'undefined') return `${name} is missing`;
  // What a validation of ours says stands by itself; valibot's own words begin with "Invalid".
  const expected = found.message.startsWith('Invalid ')
    ? `expected ${plainList(found.expected ?? 'another value')}`
    : found.message;
  return `${name}: ${expected}, found ${found.received}`;
}

/** `("x" | "y")` as `x or y`. */
function plainList(expected: string): string {
  const options = [...expected.matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? '');
  if (options.length === 0) return expected;
  return options.length === 1
    ? (options[0] ?? '')
    : `${options.slice(0, -1).join(', ')} or ${options.at(-1) ?? ''}`;
}

function hintOf(found: v.BaseIssue<unknown>, keys: Keys, schema: unknown): string | undefined {
  const last = keys.at(-1);
  if (isUnknownName(found) && typeof last === 'string') {
    const names = schemaNames(schema, keys.slice(0, -1));
    return didYouMean(last, names) ?? `Known: ${names.join(', ')}`;
  }
  if (typeof found.input !== 'string' || found.expected === null) return undefined;
  const options = [...found.expected.matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? '');
  return options.length === 0 ? undefined : didYouMean(found.input, options);
}

export function schemaIssues(
  issues: readonly v.BaseIssue<unknown>[],
  schema: unknown,
  place: IssuePlace,
): readonly LabIssue[] {
  return issues.map((found) => {
    const keys = (found.path ?? []).map((item) => item.key as string | number);
    return issue(
      'schema',
      placeText(place, keys),
      messageOf(found, keys),
      hintOf(found, keys, schema),
    );
  });
}
