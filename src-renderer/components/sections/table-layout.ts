/** Column widths from the texts themselves, so that rows line up although only some of them are in the page. */
import type { TableCell, TableColumn, TableRow } from '../../../src-main/protocol/views.ts';
import { unbrokenText } from '../../format/hex.ts';
import { TONE_ICONS } from '../tones.ts';
import { textWidth } from './text-width.ts';

const MAX_MONO_PX = 320;
const MAX_TEXT_PX = 300;
/** A text column that grows may also shrink: its texts wrap. */
const GROWING_TEXT_PX = 120;
const GROWING_MONO_PX = 200;
const PADDING_PX = 18;
const MARK_PX = 20;
const ARROW_PX = 2;
/** Between the groups of 64 bits. */
const GAPS_PX = 12;
const SAMPLE_ROWS = 2_000;

export function toCell(cell: string | TableCell | undefined): TableCell {
  if (cell === undefined) return { text: '' };
  return typeof cell === 'string' ? { text: cell } : cell;
}

/** Grouped hexadecimal numbers lose their separators and get gaps; marks stand before the text. */
function widthPx(cell: TableCell, isMono: boolean, maxPx: number): number {
  const hasMark = cell.tone !== undefined && cell.tone !== 'neutral' && cell.tone !== 'muted';
  const unbroken = unbrokenText(cell.text);
  // Lines of a number that breaks shall all be of the same length: the gaps count there.
  const gaps = unbroken === cell.text ? 0 : GAPS_PX;
  const text = Math.min(textWidth(unbroken, isMono) + gaps, maxPx);
  return text + (hasMark ? MARK_PX : 0) + ARROW_PX;
}

/** Marks before the first cell: that the row changed, and its tone. */
function rowMarks(rows: readonly TableRow[]): number {
  const hasChanges = rows.some((row) => row.isChanged === true);
  const hasTones = rows.some((row) => row.tone !== undefined && TONE_ICONS[row.tone] !== null);
  return (hasChanges ? MARK_PX : 0) + (hasTones ? MARK_PX : 0);
}

function limitOf(isMono: boolean, isGrowing: boolean): number {
  if (isGrowing) return isMono ? GROWING_MONO_PX : GROWING_TEXT_PX;
  return isMono ? MAX_MONO_PX : MAX_TEXT_PX;
}

/** Columns are as wide as what stands in them; those that may grow share what is left. */
export function gridTemplate(columns: readonly TableColumn[], rows: readonly TableRow[]): string {
  const sample = rows.slice(0, SAMPLE_ROWS);
  return columns
    .map((column, index) => {
      const isMono = column.isMono === true;
      const grow = column.grow ?? 0;
      const limit = limitOf(isMono, grow > 0);
      const rowMark = index === 0 ? rowMarks(sample) : 0;
      const longest = sample.reduce(
        (width, row) => Math.max(width, widthPx(toCell(row.cells[index]), isMono, limit)),
        textWidth(column.title, false) + ARROW_PX,
      );
      const least = `${String(Math.ceil(longest + rowMark + PADDING_PX))}px`;
      return grow > 0 ? `minmax(${least}, ${String(grow)}fr)` : least;
    })
    .join(' ');
}
