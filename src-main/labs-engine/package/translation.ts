/**
 * A lab in another language: `i18n/zh-CN.md`. Front matter holds title, summary and the sentences of checks; the body has
 * the same steps, by id, with the same directives in the same order.
 */
import * as v from 'valibot';
import type { GuideBlock, GuideStep } from '../../protocol/lab-api.ts';
import { didYouMean } from '../closest.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import { splitFrontMatter } from './front-matter.ts';
import { parseGuide, type PlacedStep } from './guide.ts';
import type { Locale } from './locale.ts';
import { schemaIssues } from './schema-issues.ts';
import { parseYaml } from './yaml-text.ts';

const Text = v.pipe(v.string(), v.trim(), v.minLength(1, 'Expected some text'));
const Schema = v.strictObject({
  title: Text,
  summary: Text,
  checks: v.optional(
    v.record(
      v.string(),
      v.strictObject({ title: Text, pass: Text, fail: v.record(v.string(), Text) }),
    ),
    {},
  ),
});

/** Sentences of one check; `fail` by the name of the failure. */
export interface CheckTexts {
  readonly title: string;
  readonly pass: string;
  readonly fail: Readonly<Record<string, string>>;
}

export interface LabTranslation {
  readonly locale: Locale;
  readonly file: string;
  readonly title: string;
  readonly summary: string;
  readonly steps: readonly PlacedStep[];
  readonly checks: Readonly<Record<string, CheckTexts>>;
}

export interface ParsedTranslation {
  readonly translation: LabTranslation | undefined;
  readonly issues: readonly LabIssue[];
}

export function parseTranslation(locale: Locale, file: string, text: string): ParsedTranslation {
  const split = splitFrontMatter(text);
  if (split === undefined) {
    const hint = 'Begin with --- and title, summary and checks';
    return {
      translation: undefined,
      issues: [issue('schema', `${file}:1`, 'Expected front matter', hint)],
    };
  }
  const yaml = parseYaml(file, split.frontMatter, 2);
  const guide = parseGuide(file, split.body, split.bodyLine);
  const parsed = v.safeParse(Schema, yaml.value ?? {});
  if (yaml.issues.length > 0 || !parsed.success) {
    const lineOf = (keys: readonly (string | number)[]): number => yaml.lineOf(keys);
    const wrong =
      yaml.issues.length > 0
        ? yaml.issues
        : schemaIssues(parsed.issues ?? [], Schema, { file, lineOf });
    return { translation: undefined, issues: [...wrong, ...guide.issues] };
  }
  return {
    translation: { locale, file, ...parsed.output, steps: guide.steps },
    issues: guide.issues,
  };
}

/** What the translation lacks, and where it tells of things that the original has not. */
export function compareSteps(
  original: readonly GuideStep[],
  { file, steps }: LabTranslation,
): readonly LabIssue[] {
  const missing = original
    .filter((step) => !steps.some((own) => own.id === step.id))
    .map((step) => issue('translation-missing', file, `Step ${step.id} is not translated`));
  const others = steps.flatMap((own) => {
    const step = original.find((known) => known.id === own.id);
    return step === undefined
      ? [unknownStep(file, own, original)]
      : compareBlocks(file, own, step.blocks);
  });
  return [...missing, ...others];
}

function unknownStep(file: string, own: PlacedStep, original: readonly GuideStep[]): LabIssue {
  const ids = original.map((step) => step.id);
  const place = `${file}:${String(own.line)}`;
  return issue('dead-link', place, `The lab has no step ${own.id}`, didYouMean(own.id, ids));
}

/** What of a block must be the same in every language. */
function identityOf(block: GuideBlock): string {
  switch (block.kind) {
    case 'check':
      return `:::check ${block.checkId}`;
    case 'hint':
      return `:::hint ${block.id} (level ${String(block.level)})`;
    case 'predict':
      return `:::predict ${block.id} (${String(block.options?.length ?? 0)} options)`;
    case 'spec':
      return `:::spec "${block.source}"`;
    case 'note':
    case 'why':
      return `:::${block.kind}`;
    case 'markdown':
      return 'text';
  }
}

function compareBlocks(
  file: string,
  own: PlacedStep,
  blocks: readonly GuideBlock[],
): readonly LabIssue[] {
  const wanted = blocks.map(identityOf).filter((name) => name !== 'text');
  const found = own.blocks.map(identityOf).filter((name) => name !== 'text');
  const at = wanted.findIndex((name, index) => found[index] !== name);
  if (at < 0 && wanted.length === found.length) return [];
  const expected = wanted[at < 0 ? wanted.length : at] ?? 'the end of the step';
  const actual = found[at < 0 ? wanted.length : at] ?? 'the end of the step';
  const message = `Step ${own.id}: expected ${expected}, found ${actual}`;
  return [issue('translation-missing', `${file}:${String(own.line)}`, message)];
}
