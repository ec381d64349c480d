/**
 * The guide of a lab: steps under `## Title {#id}`, in them Markdown and container directives.
 *
 * Blocks have the shape that the window draws. Text stays Markdown; nothing is turned into HTML here.
 */
import type { GuideBlock, GuideStep } from '../../protocol/lab-api.ts';
import { issue, type LabIssue } from '../lab-issue.ts';
import { parseDirective, type DirectiveHead } from './directives.ts';
import { markdownLines, withoutCodeSpans, type MarkdownLine } from './markdown-lines.ts';

/** A step with the lines its parts come from, for messages. */
export interface PlacedStep extends GuideStep {
  readonly line: number;
  /** First line of each block's text. */
  readonly blockLines: readonly number[];
}

export interface ParsedGuide {
  readonly steps: readonly PlacedStep[];
  readonly issues: readonly LabIssue[];
}

const STEP = /^## +(.*?)(?: *\{#([^}]*)\})? *#* *$/;
const STEP_ID = /^[a-z0-9]+(-[a-z0-9]+)*$/;

export function parseGuide(file: string, text: string, firstLine = 1): ParsedGuide {
  return new GuideParser(file).parse(markdownLines(text, firstLine));
}

class GuideParser {
  readonly #file: string;
  readonly #issues: LabIssue[] = [];
  readonly #steps: PlacedStep[] = [];
  readonly #ids = new Map<string, number>();

  constructor(file: string) {
    this.#file = file;
  }

  parse(lines: readonly MarkdownLine[]): ParsedGuide {
    const starts = lines.filter((line) => !line.isCode && STEP.test(line.text));
    const first = starts[0]?.number ?? Number.POSITIVE_INFINITY;
    const lost = lines.find((line) => line.number < first && line.text !== '');
    if (lost !== undefined) {
      this.#problem(
        lost.number,
        'Text before the first step would never be shown',
        'Begin with ## Title {#step-id}',
      );
    }
    if (starts.length === 0) {
      this.#problem(1, 'The guide has no step', 'A step begins with ## Title {#step-id}');
    }
    starts.forEach((start, index) => {
      const end = starts[index + 1]?.number ?? Number.POSITIVE_INFINITY;
      this.#step(
        start,
        lines.filter((line) => line.number > start.number && line.number < end),
      );
    });
    return { steps: this.#steps, issues: this.#issues };
  }

  #step(start: MarkdownLine, lines: readonly MarkdownLine[]): void {
    const [, title = '', id = ''] = STEP.exec(start.text) ?? [];
    if (!STEP_ID.test(id)) {
      const found = id === '' ? 'none' : id;
      this.#problem(
        start.number,
        `Step "${title}" needs an id of lower-case words joined by hyphens, found ${found}`,
        `## ${title} {#step-id}`,
      );
    }
    this.#claim('step', id, start.number);
    this.#rejectHtml(lines);
    const blocks: GuideBlock[] = [];
    const blockLines: number[] = [];
    const add = (block: GuideBlock | undefined, line: number): void => {
      if (block === undefined) return;
      blocks.push(block);
      blockLines.push(line);
    };
    let at = 0;
    while (at < lines.length) {
      const line = lines[at];
      if (line === undefined) break;
      if (line.isCode || !line.text.startsWith(':::')) {
        const end = nextDirective(lines, at);
        const body = textOf(lines.slice(at, end));
        if (body !== '') {
          add({ kind: 'markdown', text: body }, firstTextLine(lines, at) ?? line.number);
        }
        at = end;
        continue;
      }
      const end = closingOf(lines, at);
      if (end < 0) {
        this.#problem(line.number, `${line.text} is never closed`, 'Close it with a line of :::');
        at = lines.length;
        continue;
      }
      const body = lines.slice(at + 1, end);
      add(this.#directive(line, body, id, blocks), firstTextLine(body, 0) ?? line.number);
      at = end + 1;
    }
    this.#steps.push({ id, title, blocks, line: start.number, blockLines });
  }

  #directive(
    line: MarkdownLine,
    body: readonly MarkdownLine[],
    step: string,
    earlier: readonly GuideBlock[],
  ): GuideBlock | undefined {
    const parsed = parseDirective(line.text);
    if ('problem' in parsed) {
      this.#problem(line.number, parsed.problem, parsed.hint);
      return undefined;
    }
    const nested = body.find((inner) => !inner.isCode && inner.text.startsWith(':::'));
    if (nested !== undefined) {
      this.#problem(nested.number, 'A directive cannot stand inside another one');
    }
    const text = textOf(body);
    const isEmptyWanted = parsed.head.name === 'check';
    if (isEmptyWanted !== (text === '')) {
      const wanted = isEmptyWanted ? 'no text of its own' : 'text up to its closing :::';
      this.#problem(line.number, `:::${parsed.head.name} takes ${wanted}`);
    }
    return this.#block(parsed.head, text, line.number, step, earlier);
  }

  #block(
    head: DirectiveHead,
    text: string,
    line: number,
    step: string,
    earlier: readonly GuideBlock[],
  ): GuideBlock {
    switch (head.name) {
      case 'note':
      case 'why':
        return { kind: head.name, text };
      case 'spec':
        return { kind: 'spec', source: head.source, text };
      case 'check':
        return { kind: 'check', checkId: head.id };
      case 'hint': {
        const id = head.id ?? `${step}-hint-${String(head.level)}`;
        this.#claim('hint', id, line);
        return { kind: 'hint', id, level: head.level, text };
      }
      case 'predict': {
        const count = earlier.filter((block) => block.kind === 'predict').length;
        const id = head.id ?? `${step}-predict-${String(count + 1)}`;
        this.#claim('prediction', id, line);
        const { question, options } = splitOptions(text);
        return {
          kind: 'predict',
          id,
          field: head.field,
          question,
          ...(options.length === 0 ? {} : { options }),
        };
      }
    }
  }

  #claim(what: string, id: string, line: number): void {
    const key = `${what} ${id}`;
    const other = this.#ids.get(key);
    if (other === undefined) {
      this.#ids.set(key, line);
      return;
    }
    const message = `The ${what} id ${id} is taken by line ${String(other)}`;
    this.#issues.push(
      issue('duplicate-id', `${this.#file}:${String(line)}`, message, 'Give it another id'),
    );
  }

  #rejectHtml(lines: readonly MarkdownLine[]): void {
    for (const line of lines) {
      if (line.isCode) continue;
      const tag = /<(?:!--|\/?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>]*)?\/?>)/.exec(
        withoutCodeSpans(line.text),
      );
      if (tag !== null) {
        this.#problem(
          line.number,
          `Raw HTML is not shown, found ${tag[0]}`,
          'Write Markdown, or put it into backquotes',
        );
      }
    }
  }

  #problem(line: number, message: string, hint?: string): void {
    this.#issues.push(issue('schema', `${this.#file}:${String(line)}`, message, hint));
  }
}

function nextDirective(lines: readonly MarkdownLine[], from: number): number {
  const found = lines.findIndex(
    (line, index) => index >= from && !line.isCode && line.text.startsWith(':::'),
  );
  return found < 0 ? lines.length : found;
}

function closingOf(lines: readonly MarkdownLine[], from: number): number {
  return lines.findIndex((line, index) => index > from && !line.isCode && /^:::+$/.test(line.text));
}

function firstTextLine(lines: readonly MarkdownLine[], from: number): number | undefined {
  return lines.find((line, index) => index >= from && line.text !== '')?.number;
}

function textOf(lines: readonly MarkdownLine[]): string {
  return lines
    .map((line) => line.text)
    .join('\n')
    .replace(/^\n+|\n+$/g, '');
}

/** A question, then the answers to choose from as a list at its end. */
function splitOptions(text: string): {
  readonly question: string;
  readonly options: readonly string[];
} {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => /^[-*] /.test(line));
  if (first < 0) return { question: text, options: [] };
  return {
    question: lines.slice(0, first).join('\n').trim(),
    options: lines
      .slice(first)
      .filter((line) => line.trim() !== '')
      .map((line) => line.replace(/^[-*] +/, '').trim()),
  };
}
