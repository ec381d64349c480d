/** Column widths from the texts themselves, so that rows line up although only some of them are in the page. */
import type { TableCell, TableColumn, TableRow } from '../../../src-main/protocol/views.ts';

const MAX_MONO_CHARS = 42;
const MAX_TEXT_CHARS = 30;
/** A text column that grows may also shrink: its texts wrap. */
const GROWING_TEXT_CHARS = 18;
/** Advance of a character at the table's 12 px. */
const MONO_PX = 7.25;
const TEXT_PX = 6.3;
const PADDING_PX = 18;
const MARK_PX = 20;
const SAMPLE_ROWS = 2_000;

export function toCell(cell: string | TableCell | undefined): TableCell {
  if (cell === undefined) return { text: '' };
  return typeof cell === 'string' ? { text: cell } : cell;
}

/** Grouped hexadecimal numbers are a little wider than their digits; marks stand before the text. */
function widthPx(cell: TableCell, isMono: boolean, maxChars: number): number {
  const gaps = /0x[0-9a-f_]{5,}/i.test(cell.text) ? cell.text.length / 10 : 0;
  const chars = Math.min(cell.text.length + gaps, maxChars);
  const hasMark = cell.tone !== undefined && cell.tone !== 'neutral' && cell.tone !== 'muted';
  return chars * (isMono ? MONO_PX : TEXT_PX) + (hasMark ? MARK_PX : 0);
}

export function gridTemplate(columns: readonly TableColumn[], rows: readonly TableRow[]): string {
  const sample = rows.slice(0, SAMPLE_ROWS);
  const hasGrow = columns.some((column) => (column.grow ?? 0) > 0);
  return columns
    .map((column, index) => {
      const isMono = column.isMono === true;
      const fallback = isMono && index < columns.length - 1 ? 0 : 1;
      const grow = hasGrow ? (column.grow ?? 0) : fallback;
      const maxText = grow > 0 ? GROWING_TEXT_CHARS : MAX_TEXT_CHARS;
      const maxChars = isMono ? MAX_MONO_CHARS : maxText;
      const rowMark = index === 0 && sample.some((row) => row.isChanged === true) ? MARK_PX : 0;
      const longest = sample.reduce(
        (width, row) => Math.max(width, widthPx(toCell(row.cells[index]), isMono, maxChars)),
        column.title.length * TEXT_PX,
      );
      const least = `${String(Math.ceil(longest + rowMark + PADDING_PX))}px`;
      return grow > 0 ? `minmax(${least}, ${String(grow)}fr)` : least;
    })
    .join(' ');
}
