import { describe, expect, it } from 'vitest';
import {
  fieldRanges,
  isZero,
  joinIdleRows,
  layoutRuler,
} from '../../../../src-renderer/format/bits.ts';
import { fakePasidEntry, field } from '../../../support/fake-lab/structures.ts';

const entry = fakePasidEntry(0x11, true);

describe('layoutRuler', () => {
  it('puts each bit of a structure into exactly one place', () => {
    const rows = layoutRuler(entry.fields, entry.widthBits, 32);
    expect(rows).toHaveLength(16);
    for (const row of rows) {
      const bits = row.segments.flatMap((segment) =>
        Array.from({ length: segment.high - segment.low + 1 }, (_, at) => segment.high - at),
      );
      expect(bits).toEqual(Array.from({ length: 32 }, (_, at) => row.high - at));
    }
  });

  it('cuts a field that crosses rows and names its upper part once', () => {
    const rows = layoutRuler(entry.fields, entry.widthBits, 32);
    const parts = rows
      .flatMap((row) => row.segments)
      .filter((segment) => segment.field.name === 'SLPTPTR');
    expect(parts.map((part) => [part.high, part.low, part.isFirst])).toEqual([
      [31, 12, false],
      [63, 32, true],
    ]);
  });

  it('splits fields of several parts', () => {
    const split = {
      ...field({ name: 'IH', title: 'Handle', high: 19, low: 2, raw: '0x0' }),
      bits: '[19:5],[2]',
    };
    expect(fieldRanges(split)).toEqual([
      { high: 19, low: 5 },
      { high: 2, low: 2 },
    ]);
    const [row] = layoutRuler([split], 32, 32);
    expect(row?.segments.map((part) => part.isFirst)).toEqual([true, false]);
  });
});

describe('joinIdleRows', () => {
  it('joins neighbouring reserved zeros and nothing else', () => {
    const bands = joinIdleRows(layoutRuler(entry.fields, entry.widthBits, 64));
    expect(bands.map((band) => [band.isIdle, band.rows.length])).toEqual([
      [false, 1],
      [false, 1],
      [false, 1],
      [true, 5],
    ]);
  });

  it('keeps a reserved row that is violated or changed in sight', () => {
    const bad = field({
      name: '_r',
      title: 'Reserved',
      high: 31,
      low: 0,
      raw: '0x1',
      marks: { isViolated: true },
    });
    expect(joinIdleRows(layoutRuler([bad], 32, 32))[0]?.isIdle).toBe(false);
  });
});

describe('isZero', () => {
  it.each([
    ['0x0', true],
    ['0x0000_0000', true],
    ['0x10', false],
  ])('reads %s', (raw, expected) => {
    expect(isZero(raw)).toBe(expected);
  });
});
