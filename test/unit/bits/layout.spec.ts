import { describe, expect, it } from 'vitest';
import {
  address,
  bit,
  bits,
  ignored,
  reserved,
  split,
  splitAddress,
  wide,
  type FieldSpec,
} from '../../../src-main/bits/field.ts';
import { InvariantError } from '../../../src-main/bits/invariant.ts';
import { ANY_CONTEXT, buildLayout, type LayoutContext } from '../../../src-main/bits/layout.ts';

function context(
  present: readonly string[],
  widths: Readonly<Record<string, number>> = {},
): LayoutContext {
  return { has: (name) => present.includes(name), width: (name) => widths[name] ?? 64 };
}

const sample = buildLayout('sample', 128, {
  P: bit(0, 'Present'),
  KIND: bits(3, 1, 'Kind', { values: { one: 1, two: 2 } }),
  _r0: reserved(7, 4),
  LOW: bits(39, 8, 'A field across words'),
  _i0: ignored(43, 40),
  SPLIT: split(
    [
      [63, 60],
      [47, 44],
    ],
    'Two pieces',
  ),
  _r1: reserved(59, 48),
  ADDR: address(115, 64, 'Address', { validBits: 'HAW' }),
  GATED: bits(119, 116, 'Gated', { capability: 'ONE' }),
  BOTH: bits(123, 120, 'Gated twice', { capability: ['ONE', 'TWO'] }),
  ID: bits(127, 124, 'Narrow identifier', { validBits: 'ID' }),
});

describe('layout', () => {
  it('places fields at the bits they name, in little-endian words', () => {
    const words = sample.encode({
      P: 1,
      KIND: 2,
      LOW: 0x8000_0001,
      SPLIT: 0xa5,
      ADDR: 0x1234_5000n,
    });
    expect([...words].map((w) => w.toString(16))).toEqual(['105', 'a0005080', '12345', '0']);
  });

  it('sorts fields by their lowest bit', () => {
    expect(sample.fields.map((f) => f.name)).toEqual([
      'P',
      'KIND',
      '_r0',
      'LOW',
      '_i0',
      'SPLIT',
      '_r1',
      'ADDR',
      'GATED',
      'BOTH',
      'ID',
    ]);
  });

  it('decodes at an offset and keeps wide fields as bigint', () => {
    const words = new Uint32Array(6);
    words.set(sample.encode({ SPLIT: 0x12, ADDR: 0xf_0000_0000_f000n }), 2);
    expect(sample.decode(words, 2)).toEqual({
      P: 0,
      KIND: 0,
      LOW: 0,
      SPLIT: 0x12,
      ADDR: 0xf_0000_0000_f000n,
      GATED: 0,
      BOTH: 0,
      ID: 0,
    });
  });

  it('sets a field in place at an offset', () => {
    const words = Uint32Array.of(7, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff);
    sample.set(words, 'SPLIT', 0, 1);
    expect([...words].map((w) => w.toString(16))).toEqual([
      '7',
      'ffffffff',
      'fff0fff',
      'ffffffff',
      'ffffffff',
    ]);
  });

  it.each([
    ['too wide', { KIND: 8 }],
    ['negative', { KIND: -1 }],
    ['an address off its page', { ADDR: 0x1001n }],
    ['an address beyond its bits', { ADDR: 1n << 64n }],
  ])('refuses a value that is %s', (_what, values) => {
    expect(() => sample.encode(values)).toThrow(RangeError);
  });

  it('names field, width and value when it refuses one', () => {
    expect(() => sample.encode({ ADDR: 0x1001n })).toThrow(
      'sample.ADDR takes 52 bits, a multiple of 0x1000, found 0x1001',
    );
  });

  it('refuses to read a field that does not exist', () => {
    expect(() => sample.field('NONE' as 'P')).toThrow(InvariantError);
  });

  it('reserves only reserved fields when everything is present', () => {
    expect([...sample.reservedMask(ANY_CONTEXT)].map((w) => w.toString(16))).toEqual([
      'f0',
      'fff0000',
      '0',
      '0',
    ]);
  });

  it('reserves address bits from the host address width up', () => {
    const mask = sample.reservedMask(context(['ONE', 'TWO'], { HAW: 39 }));
    expect([...mask].map((w) => w.toString(16))).toEqual(['f0', 'fff0000', 'f8000000', 'fffff']);
  });

  it('reserves a field until all its capabilities are there', () => {
    const gates = (present: readonly string[]): readonly string[] =>
      sample.violations(Uint32Array.of(0, 0, 0, 0x0ff0_0000), context(present)).map((f) => f.name);
    expect(gates([])).toEqual(['GATED', 'BOTH']);
    expect(gates(['ONE'])).toEqual(['BOTH']);
    expect(gates(['TWO'])).toEqual(['GATED', 'BOTH']);
    expect(gates(['ONE', 'TWO'])).toEqual([]);
  });

  it('bounds identifiers by their own width', () => {
    const narrow = context(['ONE', 'TWO'], { ID: 2 });
    expect(sample.violations(sample.encode({ ID: 3 }), narrow)).toEqual([]);
    expect(sample.violations(sample.encode({ ID: 4 }), narrow).map((f) => f.name)).toEqual(['ID']);
  });

  it('bounds an address in two pieces across both', () => {
    const posted = buildLayout('posted', 64, {
      PDA: splitAddress(
        [
          [63, 32],
          [31, 6],
        ],
        'Address',
        { shift: 6, validBits: 'HAW' },
      ),
      _r0: reserved(5, 0),
    });
    const maskAt = (width: number): readonly string[] =>
      [...posted.reservedMask(context([], { HAW: width }))].map((w) => w.toString(16));
    expect(maskAt(64)).toEqual(['3f', '0']);
    expect(maskAt(46)).toEqual(['3f', 'ffffc000']);
    expect(maskAt(32)).toEqual(['3f', 'ffffffff']);
    expect(maskAt(20)).toEqual(['fff0003f', 'ffffffff']);
  });
});

describe('layout declarations', () => {
  function build(fields: Readonly<Record<string, FieldSpec>>, width = 32) {
    return () => buildLayout('bad', width, fields);
  }

  it.each([
    ['overlap', build({ A: bits(15, 0, 'a'), B: bits(31, 15, 'b') }), 'bit 15 is in A and in B'],
    ['a gap', build({ A: bits(15, 0, 'a'), B: bits(31, 17, 'b') }), 'bit 16 is neither'],
    ['a field outside', build({ A: bits(32, 0, 'a') }), 'do not fit in 32 bits'],
    ['reversed bits', build({ A: bits(0, 31, 'a') }), 'do not fit'],
    ['a width that is no word', build({ A: bits(15, 0, 'a') }, 16), 'not 1 to 16 words'],
    ['a narrow field that is too wide', build({ A: bits(63, 0, 'a') }, 64), 'need a wide field'],
    [
      'a value that does not fit',
      build({ A: bits(31, 0, 'a', { values: { x: 2 ** 32 } }) }),
      'x =',
    ],
    ['a reserved field without underscore', build({ A: reserved(31, 0) }), 'underscore'],
    ['a value field with underscore', build({ _a: wide(31, 0, 'a') }), 'underscore'],
  ])('refuse %s', (_what, declare, message) => {
    expect(declare).toThrow(InvariantError);
    expect(declare).toThrow(message);
  });
});
