import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  asU64,
  bigOf,
  highOf,
  highOfBig,
  lowOf,
  lowOfBig,
  maskOf,
  numberOf,
} from '../../../src-main/bits/u64.ts';
import { checkProperty } from '../../support/check-property.ts';

describe('64-bit values', () => {
  it('split and join numbers below 2^53', () => {
    checkProperty(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(numberOf(highOf(value), lowOf(value))).toBe(value);
        expect(bigOf(highOf(value), lowOf(value))).toBe(BigInt(value));
      }),
    );
  });

  it('split and join bigints, wrapping to 64 bits', () => {
    checkProperty(
      fc.property(fc.bigInt({ min: -(1n << 70n), max: 1n << 70n }), (value) => {
        const wrapped = BigInt.asUintN(64, value);
        expect(asU64(value)).toBe(wrapped);
        expect(bigOf(highOfBig(wrapped), lowOfBig(wrapped))).toBe(wrapped);
      }),
    );
  });

  it('takes signed halves as unsigned', () => {
    expect(bigOf(-1, -1)).toBe(0xffff_ffff_ffff_ffffn);
    expect(numberOf(0, -1)).toBe(0xffff_ffff);
  });

  it('makes masks of any run of bits in a word', () => {
    const range = fc.tuple(fc.nat({ max: 31 }), fc.nat({ max: 31 }));
    checkProperty(
      fc.property(range, ([a, b]) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        const expected = ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
        expect(BigInt(maskOf(high, low))).toBe(expected);
      }),
    );
  });
});
