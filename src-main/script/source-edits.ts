/**
 * Insertions into a source text that keep its line numbers, and the way back from positions in the result to positions in
 * the source.
 */

interface Insertion {
  readonly offset: number;
  readonly text: string;
}

/** One-based line, one-based column in UTF-16 units. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

export class SourceEdits {
  readonly #insertions: Insertion[] = [];

  /** Inserts text without line breaks in front of `offset`. At one offset, earlier calls come first. */
  insert(offset: number, text: string): void {
    this.#insertions.push({ offset, text });
  }

  /** These insertions in front of the others'. */
  followedBy(others: SourceEdits): SourceEdits {
    const all = new SourceEdits();
    all.#insertions.push(...this.#insertions, ...others.#insertions);
    return all;
  }

  apply(source: string): EditedSource {
    const insertions = this.#insertions
      .map((insertion, order) => ({ ...insertion, order }))
      .sort((a, b) => a.offset - b.offset || a.order - b.order);
    const parts: string[] = [];
    const shifts: Shift[] = [];
    let from = 0;
    let length = 0;
    for (const { offset, text } of insertions) {
      parts.push(source.slice(from, offset), text);
      length += offset - from;
      shifts.push({ start: length, end: length + text.length, source: offset });
      length += text.length;
      from = offset;
    }
    parts.push(source.slice(from));
    return new EditedSource(source, parts.join(''), shifts);
  }
}

/** Text from `start` to `end` of the result was inserted in front of offset `source`. */
interface Shift {
  readonly start: number;
  readonly end: number;
  readonly source: number;
}

export class EditedSource {
  readonly text: string;
  readonly #source: LineIndex;
  readonly #result: LineIndex;
  readonly #shifts: readonly Shift[];

  constructor(source: string, text: string, shifts: readonly Shift[]) {
    this.text = text;
    this.#source = new LineIndex(source);
    this.#result = new LineIndex(text);
    this.#shifts = shifts;
  }

  /** Source offset of an offset in the result; within inserted text, the place it was inserted at. */
  sourceOffset(offset: number): number {
    let low = 0;
    let high = this.#shifts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const shift = this.#shifts[middle];
      if (shift !== undefined && shift.start <= offset) low = middle + 1;
      else high = middle;
    }
    const before = this.#shifts[low - 1];
    if (before === undefined) return offset;
    return before.source + Math.max(0, offset - before.end);
  }

  sourcePosition(offset: number): TextPosition {
    return this.#source.positionOf(this.sourceOffset(offset));
  }

  /** Source position of a place the engine reports: a line, and a column counted in UTF-8 bytes. */
  positionOfEngine(line: number, byteColumn: number): TextPosition {
    const offset = this.#result.offsetOfBytes(line, byteColumn);
    const position = this.sourcePosition(offset);
    // Insertions never cross lines, so the engine's line is the source's line.
    return position.line === line ? position : { line, column: 1 };
  }
}

export class LineIndex {
  readonly #text: string;
  readonly #starts: readonly number[];

  constructor(text: string) {
    this.#text = text;
    const starts = [0];
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      const isReturn = unit === 0x0d && text.charCodeAt(i + 1) !== 0x0a;
      if (unit === 0x0a || isReturn || unit === 0x2028 || unit === 0x2029) starts.push(i + 1);
    }
    this.#starts = starts;
  }

  positionOf(offset: number): TextPosition {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return { line: low, column: offset - (this.#starts[low - 1] ?? 0) + 1 };
  }

  offsetOfBytes(line: number, byteColumn: number): number {
    const start = this.#starts[line - 1] ?? this.#text.length;
    const end = this.#starts[line] ?? this.#text.length;
    let bytes = 1;
    let offset = start;
    while (offset < end && bytes < byteColumn) {
      const point = this.#text.codePointAt(offset) ?? 0;
      bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      offset += point < 0x10000 ? 1 : 2;
    }
    return offset;
  }
}
