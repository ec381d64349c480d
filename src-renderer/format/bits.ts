/** Geometry of a bit ruler: which fields lie in which row of bits. */
import type { FieldRow } from '../../src-main/protocol/views.ts';

export interface RulerSegment {
  readonly field: FieldRow;
  readonly index: number;
  /** Bits of this segment, absolute within the structure. */
  readonly high: number;
  readonly low: number;
  /** The part that carries the name: where the field's highest bits lie. */
  readonly isFirst: boolean;
}

export interface RulerRow {
  readonly high: number;
  readonly low: number;
  /** High to low, as the specifications draw them. */
  readonly segments: readonly RulerSegment[];
  /** Nothing but reserved bits that are zero and unchanged. */
  readonly isIdle: boolean;
}

interface BitRange {
  readonly high: number;
  readonly low: number;
}

/** Bit ranges of a field; several parts are written `[63:12],[7:0]`. */
export function fieldRanges(field: FieldRow): readonly BitRange[] {
  const ranges: BitRange[] = [];
  for (const match of field.bits.matchAll(/(\d+)(?::(\d+))?/g)) {
    const high = Number(match[1]);
    ranges.push({ high, low: match[2] === undefined ? high : Number(match[2]) });
  }
  return ranges.length > 0 ? ranges : [{ high: field.high, low: field.low }];
}

export function isZero(raw: string): boolean {
  return /^0x[0_]*$/i.test(raw);
}

function isQuiet(field: FieldRow): boolean {
  return (
    field.isReserved && isZero(field.raw) && field.isChanged !== true && field.isViolated !== true
  );
}

/** Lays fields out in rows of `rowBits`, lowest row first. Bits that no field claims stay empty. */
export function layoutRuler(
  fields: readonly FieldRow[],
  widthBits: number,
  rowBits: number,
): readonly RulerRow[] {
  const rows: RulerRow[] = [];
  for (let low = 0; low < widthBits; low += rowBits) {
    const high = Math.min(low + rowBits, widthBits) - 1;
    const segments = segmentsWithin(fields, { high, low });
    rows.push({ high, low, segments, isIdle: segments.every((segment) => isQuiet(segment.field)) });
  }
  return rows;
}

function segmentsWithin(fields: readonly FieldRow[], row: BitRange): readonly RulerSegment[] {
  const segments: RulerSegment[] = [];
  fields.forEach((field, index) => {
    const ranges = fieldRanges(field);
    const top = Math.max(...ranges.map((range) => range.high));
    for (const range of ranges) {
      const high = Math.min(range.high, row.high);
      const low = Math.max(range.low, row.low);
      if (high < low) continue;
      segments.push({ field, index, high, low, isFirst: high === top });
    }
  });
  return segments.sort((a, b) => b.high - a.high);
}

export interface RulerBand {
  readonly rows: readonly RulerRow[];
  readonly isIdle: boolean;
}

/** Joins neighbouring idle rows, so that half a kilobit of reserved zeros takes one line. */
export function joinIdleRows(rows: readonly RulerRow[]): readonly RulerBand[] {
  const bands: { rows: RulerRow[]; isIdle: boolean }[] = [];
  for (const row of rows) {
    const last = bands.at(-1);
    if (last !== undefined && last.isIdle && row.isIdle) last.rows.push(row);
    else bands.push({ rows: [row], isIdle: row.isIdle });
  }
  return bands;
}
