/** Column widths from the texts themselves, so that rows line up although only some of them are in the page. */
import type { TableCell, TableColumn, TableRow } from '../../../src-main/protocol/views.ts';

const MAX_MONO_CHARS = 42;
const MAX_TEXT_CHARS = 26;
const PADDING_CHARS = 3;
const SAMPLE_ROWS = 2_000;

export function toCell(cell: string | TableCell | undefined): TableCell {
  if (cell === undefined) return { text: '' };
  return typeof cell === 'string' ? { text: cell } : cell;
}

/** Grouped hexadecimal numbers are a little wider than their digits. */
function widthOf(cell: TableCell): number {
  const gaps = /0x[0-9a-f]{5,}/i.test(cell.text) ? cell.text.length / 10 : 0;
  const mark = cell.tone === undefined || cell.tone === 'neutral' ? 0 : 2;
  return cell.text.length + gaps + mark;
}

export function gridTemplate(columns: readonly TableColumn[], rows: readonly TableRow[]): string {
  const sample = rows.slice(0, SAMPLE_ROWS);
  const hasGrow = columns.some((column) => (column.grow ?? 0) > 0);
  return columns
    .map((column, index) => {
      const cap = column.isMono === true ? MAX_MONO_CHARS : MAX_TEXT_CHARS;
      const longest = sample.reduce(
        (width, row) => Math.max(width, widthOf(toCell(row.cells[index]))),
        column.title.length,
      );
      const chars = Math.ceil(Math.min(longest, cap) + PADDING_CHARS);
      const fallback = column.isMono === true && index < columns.length - 1 ? 0 : 1;
      const grow = hasGrow ? (column.grow ?? 0) : fallback;
      return grow > 0 ? `minmax(${String(chars)}ch, ${String(grow)}fr)` : `${String(chars)}ch`;
    })
    .join(' ');
}
