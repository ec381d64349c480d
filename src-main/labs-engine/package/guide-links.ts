/** Links and pictures of a guide: which exist, and which lead nowhere. */
import { parseBdf } from '../../spec/pcie/requester-id.ts';
import { eventCatalogue } from '../../spec/events/event.ts';
import { didYouMean } from '../closest.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import type { LabVocabulary } from '../lab-library.ts';
import type { PlacedStep } from './guide.ts';
import { markdownLines, withoutCodeSpans } from './markdown-lines.ts';

export interface GuideLink {
  readonly target: string;
  readonly isPicture: boolean;
  readonly line: number;
}

/** What a link may lead to. */
export interface LinkTargets {
  readonly vocabulary: LabVocabulary;
  readonly terms: readonly string[];
  readonly labs: readonly string[];
  /** Script files with the number of lines a learner sees. */
  readonly scripts: ReadonlyMap<string, number>;
  /** Files of the folder. */
  readonly files: readonly string[];
  /** Requester IDs of the machine's functions, of every variant. */
  readonly rids: ReadonlySet<number>;
}

const INLINE =
  /(!?)\[(?:[^[\]]|\[[^[\]]*\])*\]\(\s*<?([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+"[^"]*")?\s*\)/g;
const AUTOLINK = /<([a-z][a-z0-9+.-]*:[^\s<>]*)>/gi;
const BARE_ADDRESS = /(?<![("<\w])https?:\/\/[^\s)>\]]+/g;

export function linksOf(steps: readonly PlacedStep[]): readonly GuideLink[] {
  return steps.flatMap((step) =>
    step.blocks.flatMap((block, index) => {
      const text = 'text' in block ? block.text : block.kind === 'predict' ? block.question : '';
      return linksIn(text, step.blockLines[index] ?? step.line);
    }),
  );
}

function linksIn(text: string, firstLine: number): readonly GuideLink[] {
  return markdownLines(text, firstLine)
    .filter((line) => !line.isCode)
    .flatMap((line) => {
      const plain = withoutCodeSpans(line.text);
      const inline = [...plain.matchAll(INLINE)].map(([, mark, target = '']) => ({
        target,
        isPicture: mark === '!',
        line: line.number,
      }));
      const others = [...plain.matchAll(AUTOLINK)].map(([, target = '']) => target);
      const bare = [...plain.matchAll(BARE_ADDRESS)].map(([target]) => target);
      return [
        ...inline,
        ...[...others, ...bare].map((target) => ({ target, isPicture: false, line: line.number })),
      ];
    });
}

export function linkIssues(
  file: string,
  steps: readonly PlacedStep[],
  targets: LinkTargets,
): readonly LabIssue[] {
  return linksOf(steps).flatMap((link) => {
    const found = problemOf(link, targets);
    return found === undefined
      ? []
      : [issue(found.code, `${file}:${String(link.line)}`, found.message, found.hint)];
  });
}

interface LinkProblem {
  readonly code: 'dead-link' | 'unknown-term' | 'needs-network';
  readonly message: string;
  readonly hint?: string | undefined;
}

function problemOf(
  { target, isPicture }: GuideLink,
  targets: LinkTargets,
): LinkProblem | undefined {
  if (/^(https?:)?\/\//i.test(target)) {
    return {
      code: 'needs-network',
      message: `${target} is not on this machine`,
      hint: isPicture
        ? 'Put the picture into the folder of the lab'
        : 'Name the document and its section instead',
    };
  }
  if (isPicture) {
    return targets.files.includes(target)
      ? undefined
      : dead(`There is no picture ${target}`, didYouMean(target, targets.files));
  }
  const at = target.indexOf(':');
  const scheme = target.slice(0, Math.max(0, at));
  const rest = target.slice(at + 1);
  switch (scheme) {
    case 'view':
      return viewProblem(rest, targets);
    case 'term':
      return targets.terms.includes(rest)
        ? undefined
        : {
            code: 'unknown-term',
            message: `The glossary has no term ${rest}`,
            hint: didYouMean(rest, targets.terms),
          };
    case 'event':
      return eventProblem(rest);
    case 'lab':
      return targets.labs.includes(rest)
        ? undefined
        : dead(`There is no lab ${rest}`, didYouMean(rest, targets.labs));
    case 'script':
      return scriptProblem(rest, targets);
    default:
      return dead(
        `${target === '' ? 'An empty link' : target} leads nowhere`,
        'Links begin with view:, term:, event:, lab: or script:',
      );
  }
}

function dead(message: string, hint?: string): LinkProblem {
  return { code: 'dead-link', message, hint };
}

function viewProblem(text: string, { vocabulary, rids }: LinkTargets): LinkProblem | undefined {
  const [view = '', query = ''] = text.split('?', 2);
  if (!vocabulary.views.includes(view)) {
    return dead(`There is no view ${view}`, didYouMean(view, vocabulary.views));
  }
  for (const pair of query === '' ? [] : query.split('&')) {
    const [name = '', value = ''] = pair.split('=', 2);
    if (!vocabulary.viewParams.includes(name)) {
      return dead(`A view has no parameter ${name}`, didYouMean(name, vocabulary.viewParams));
    }
    const rid = name === 'rid' ? ridOf(value) : undefined;
    if (name === 'rid' && (rid === undefined || !rids.has(rid))) {
      return dead(`The machine has no function ${value}`);
    }
    const isCount = name === 'pasid' || name === 'event' || name === 'length';
    if (isCount && !/^\d+$/.test(value)) {
      return dead(`${name} must be a whole number, found ${value}`);
    }
  }
  return undefined;
}

function ridOf(text: string): number | undefined {
  return /^0x[0-9a-f]{1,4}$/i.test(text) ? Number(text) : parseBdf(text);
}

function eventProblem(text: string): LinkProblem | undefined {
  if (/^\d+$/.test(text)) return undefined;
  const kind = /^last\(([a-z0-9.*-]+)\)$/.exec(text)?.[1];
  if (kind === undefined) {
    return dead(`event:${text} names no record`, 'event:last(iommu.fault.recorded)');
  }
  const pattern = new RegExp(`^${kind.replaceAll('.', String.raw`\.`).replaceAll('*', '.*')}$`);
  const kinds = eventCatalogue().map((declared) => declared.kind);
  return kinds.some((known) => pattern.test(known))
    ? undefined
    : dead(`There is no event kind ${kind}`, didYouMean(kind, kinds));
}

function scriptProblem(text: string, { scripts }: LinkTargets): LinkProblem | undefined {
  const [, path = '', line = '1'] = /^([A-Za-z0-9._-]+\.ts)(?:[:#]L?(\d+))?$/.exec(text) ?? [];
  const lines = scripts.get(path);
  if (lines === undefined) {
    return dead(`There is no script file ${text}`, didYouMean(path, [...scripts.keys()]));
  }
  return Number(line) >= 1 && Number(line) <= lines
    ? undefined
    : dead(`${path} has ${String(lines)} lines, found line ${line}`);
}
