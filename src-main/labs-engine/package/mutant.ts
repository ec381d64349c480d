/**
 * A broken solution that a lab's checks must reject: a patch of the solution, or a whole file.
 *
 * The lines before the diff, or the comment at the top of the file, say what it proves:
 *
 * ```
 * check: pasid-attached
 * message: Domain 3 is attached to PASID 0 of 6a:01.0, expected 2
 * ```
 *
 * `profile:` names the kernel profile it runs under when that is not the first of the lab.
 *
 * A whole file stands for the script of the same name (`driver.ts`), the one it names in `file:`, or the only one that is
 * edited.
 */
import { didYouMean } from '../closest.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import type { KernelProfile } from '../../protocol/lab-api.ts';
import { KERNEL_PROFILES } from './front-matter.ts';
import { splitRegions } from './solution-regions.ts';
import { applyPatch, parsePatch } from './unified-patch.ts';

export interface Mutant {
  /** File name without its ending. */
  readonly name: string;
  readonly path: string;
  /** The script it replaces, and the whole text. */
  readonly file: string;
  readonly text: string;
  /** The check that must fail, undefined when the mutant does not say. */
  readonly check: string | undefined;
  /** The sentence that check must say, undefined when the mutant does not say. */
  readonly message: string | undefined;
  /** Kernel profile of the run, undefined for the first of the lab. */
  readonly profile: KernelProfile | undefined;
}

export interface MutantSource {
  readonly path: string;
  readonly text: string;
}

/** Solutions by script path. */
export type Solutions = ReadonlyMap<string, { readonly text: string; readonly isEdited: boolean }>;

export interface ParsedMutant {
  readonly mutant: Mutant | undefined;
  readonly issues: readonly LabIssue[];
}

interface Header {
  readonly check: string | undefined;
  readonly message: string | undefined;
  readonly file: string | undefined;
  readonly profile: string | undefined;
}

const SETTING = /^\s*(?:\/\/|#)?\s*(check|message|file|profile):\s*(.+?)\s*$/;

export function parseMutant(source: MutantSource, solutions: Solutions): ParsedMutant {
  return source.path.endsWith('.patch')
    ? fromPatch(source, solutions)
    : fromFile(source, solutions);
}

function fromPatch(source: MutantSource, solutions: Solutions): ParsedMutant {
  const patch = parsePatch(source.text);
  const header = headerOf(patch.preamble);
  const file = header.file ?? patch.path ?? onlyEdited(solutions);
  const solution = file === undefined ? undefined : solutions.get(file);
  if (file === undefined || solution === undefined) return unknownFile(source, file, solutions);
  const result = applyPatch(solution.text, patch);
  if ('problem' in result) {
    const hint = `It must apply to the solution of ${file}, without region lines`;
    return { mutant: undefined, issues: [issue('schema', source.path, result.problem, hint)] };
  }
  return named(source, { file, text: result.text, header });
}

function fromFile(source: MutantSource, solutions: Solutions): ParsedMutant {
  const lines = source.text.split('\n');
  const end = lines.findIndex((line) => line.trim() !== '' && !line.trimStart().startsWith('//'));
  const header = headerOf(end < 0 ? lines : lines.slice(0, end));
  const ownName = source.path.slice(source.path.lastIndexOf('/') + 1);
  const file = header.file ?? (solutions.has(ownName) ? ownName : onlyEdited(solutions));
  if (file === undefined || !solutions.has(file)) return unknownFile(source, file, solutions);
  // A copy of the lab's own file, regions and all, is as good as a copy of its solution.
  const { solution: text } = splitRegions(source.path, source.text);
  return named(source, { file, text: text.text, header });
}

function named(
  { path }: MutantSource,
  { file, text, header }: { readonly file: string; readonly text: string; readonly header: Header },
): ParsedMutant {
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/\.(patch|ts)$/, '');
  const { check, message } = header;
  const profile = KERNEL_PROFILES.find((known) => known === header.profile);
  if (header.profile !== undefined && profile === undefined) {
    const hint = didYouMean(header.profile, KERNEL_PROFILES);
    return {
      mutant: undefined,
      issues: [issue('schema', path, `There is no kernel profile ${header.profile}`, hint)],
    };
  }
  return { mutant: { name, path, file, text, check, message, profile }, issues: [] };
}

function headerOf(lines: readonly string[]): Header {
  const settings = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = SETTING.exec(line) ?? [];
    if (name !== undefined && value !== undefined) settings.set(name, value);
  }
  return {
    check: settings.get('check'),
    message: settings.get('message'),
    file: settings.get('file'),
    profile: settings.get('profile'),
  };
}

function onlyEdited(solutions: Solutions): string | undefined {
  const edited = [...solutions].filter(([, { isEdited }]) => isEdited);
  return edited.length === 1 ? edited[0]?.[0] : undefined;
}

function unknownFile(
  { path }: MutantSource,
  file: string | undefined,
  solutions: Solutions,
): ParsedMutant {
  const known = [...solutions.keys()];
  const message =
    file === undefined
      ? 'The mutant does not say which script it changes'
      : `The lab has no script ${file}`;
  const hint = file === undefined ? `file: ${known[0] ?? 'driver.ts'}` : didYouMean(file, known);
  return { mutant: undefined, issues: [issue('schema', path, message, hint)] };
}
