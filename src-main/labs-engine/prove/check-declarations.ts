/** The checks of a lab against its guide and its translations: whether everything they name is there. */
import { didYouMean } from '../closest.ts';
import { placesOf } from '../grade/run-checks.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import { LAB_TEXT, type LabPackage } from '../package/lab-package.ts';
import type { CheckTexts, LabTranslation } from '../package/translation.ts';
import type { Check } from '../sdk/check.ts';

export const CHECKS_FILE = 'checks.ts';

export function checkDeclarationIssues(
  lab: LabPackage,
  checks: readonly Check[],
): readonly LabIssue[] {
  return [
    ...(checks.length === 0 ? [issue('schema', CHECKS_FILE, 'The lab has no check')] : []),
    ...checks.flatMap((check) => placeIssues(lab, check)),
    ...guideIssues(lab, checks),
    ...starterIssues(lab, checks),
    ...[...lab.translations.values()].flatMap((translation) => wordingIssues(translation, checks)),
  ];
}

function placeIssues(lab: LabPackage, { id, step, hint }: Check): readonly LabIssue[] {
  const issues: LabIssue[] = [];
  const steps = lab.steps.map((known) => known.id);
  if (!steps.includes(step)) {
    const message = `Check ${id} belongs to step ${step}, which the guide does not have`;
    issues.push(issue('dead-link', CHECKS_FILE, message, didYouMean(step, steps)));
  }
  const hints = lab.steps.flatMap((known) =>
    known.blocks.flatMap((block) => (block.kind === 'hint' ? [block.id] : [])),
  );
  if (hint !== undefined && !hints.includes(hint)) {
    const message = `Check ${id} opens hint ${hint}, which the guide does not have`;
    issues.push(issue('dead-link', CHECKS_FILE, message, didYouMean(hint, hints)));
  }
  return issues;
}

/** Every check is shown in its step, and every check that is shown exists. */
function guideIssues(lab: LabPackage, checks: readonly Check[]): readonly LabIssue[] {
  const ids = checks.map((check) => check.id);
  const shown = lab.steps.flatMap((step) =>
    step.blocks.flatMap((block, index) =>
      block.kind === 'check'
        ? [{ id: block.checkId, step: step.id, line: step.blockLines[index] ?? step.line }]
        : [],
    ),
  );
  const unknown = shown
    .filter(({ id }) => !ids.includes(id))
    .map(({ id, line }) =>
      issue(
        'dead-link',
        `${LAB_TEXT}:${String(line)}`,
        `There is no check ${id}`,
        didYouMean(id, ids),
      ),
    );
  const lost = checks
    .filter(({ id, step }) => !shown.some((block) => block.id === id && block.step === step))
    .map(({ id, step }) =>
      issue('schema', LAB_TEXT, `Check ${id} is not shown in step ${step}`, `:::check id=${id}`),
    );
  return [...unknown, ...lost];
}

function starterIssues(lab: LabPackage, checks: readonly Check[]): readonly LabIssue[] {
  const { starterFailure } = lab;
  const ids = checks.map((check) => check.id);
  if (starterFailure === undefined || ids.includes(starterFailure.check)) return [];
  const place = `${LAB_TEXT}:${String(lab.lineOf(['starter', 'check']))}`;
  const message = `There is no check ${starterFailure.check}`;
  return [issue('dead-link', place, message, didYouMean(starterFailure.check, ids))];
}

function wordingIssues(
  { file, checks: texts }: LabTranslation,
  checks: readonly Check[],
): readonly LabIssue[] {
  const unknown = Object.keys(texts)
    .filter((id) => !checks.some((check) => check.id === id))
    .map((id) => issue('dead-link', file, `There is no check ${id}`));
  return [...unknown, ...checks.flatMap((check) => sentenceIssues(file, check, texts[check.id]))];
}

function sentenceIssues(
  file: string,
  check: Check,
  own: CheckTexts | undefined,
): readonly LabIssue[] {
  if (own === undefined) {
    return [
      issue('translation-missing', file, `The sentences of check ${check.id} are not translated`),
    ];
  }
  const pairs = [
    ['pass', check.pass, own.pass] as const,
    ...Object.entries(check.fail).map(
      ([name, text]) => [`fail.${name}`, text, own.fail[name]] as const,
    ),
  ];
  const wrong = pairs.flatMap(([name, text, translated]) => {
    if (translated === undefined) {
      return [
        issue(
          'translation-missing',
          file,
          `The sentence ${name} of check ${check.id} is not translated`,
        ),
      ];
    }
    const wanted = placesOf(text).toSorted().join(', ');
    const found = placesOf(translated).toSorted().join(', ');
    const message = `The sentence ${name} of check ${check.id} names ${found || 'nothing'}, expected ${wanted || 'nothing'}`;
    return wanted === found ? [] : [issue('translation-missing', file, message)];
  });
  const extra = Object.keys(own.fail)
    .filter((name) => !Object.hasOwn(check.fail, name))
    .map((name) => issue('dead-link', file, `Check ${check.id} has no sentence fail.${name}`));
  return [...wrong, ...extra];
}
