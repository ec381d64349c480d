/** The lines of a Markdown text with what matters to a reader of structure: which of them are code. */

export interface MarkdownLine {
  readonly text: string;
  /** Line of the file. */
  readonly number: number;
  /** Inside a fenced block, or one of its fences. */
  readonly isCode: boolean;
}

export function markdownLines(text: string, firstLine: number): readonly MarkdownLine[] {
  let fence: string | undefined;
  return text.split('\n').map((line, index) => {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    const isInside = fence !== undefined;
    if (fence === undefined) fence = mark;
    else if (mark !== undefined && isClosing(mark, fence, line)) fence = undefined;
    return {
      text: line.trimEnd(),
      number: firstLine + index,
      isCode: isInside || mark !== undefined,
    };
  });
}

/** The text without code spans, which may hold anything; columns stay. */
export function withoutCodeSpans(text: string): string {
  return text.replaceAll(/(`+)(?!`)(.*?[^`])\1(?!`)/g, (span) => ' '.repeat(span.length));
}

function isClosing(mark: string, fence: string, line: string): boolean {
  return mark[0] === fence[0] && mark.length >= fence.length && line.trim() === mark;
}
