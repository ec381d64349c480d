import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addHex,
  groupDigits,
  isSameHex,
  parseHex,
  splitHex,
  toHex,
} from '../../../../src-renderer/format/hex.ts';

describe('groupDigits', () => {
  it('groups by four from the right', () => {
    expect(groupDigits('12345')).toEqual(['1', '2345']);
    expect(groupDigits('00001234')).toEqual(['0000', '1234']);
    expect(groupDigits('')).toEqual([]);
  });

  it('keeps every digit in order', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-f]{0,32}$/), (digits) => {
        expect(groupDigits(digits).join('')).toBe(digits);
      }),
    );
  });
});

describe('splitHex', () => {
  it('finds long numbers inside a sentence and leaves short ones alone', () => {
    expect(splitHex('P = 0x1 at 0x1a02440, done')).toEqual([
      { kind: 'text', text: 'P = 0x1 at ' },
      { kind: 'hex', prefix: '0x', groups: ['1a0', '2440'] },
      { kind: 'text', text: ', done' },
    ]);
  });

  it('drops written separators, so that groups do not depend on who wrote the number', () => {
    expect(splitHex('0xfed9_0000')).toEqual([
      { kind: 'hex', prefix: '0x', groups: ['fed9', '0000'] },
    ]);
  });

  it('loses no text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const joined = splitHex(text)
          .map((part) => (part.kind === 'text' ? part.text : part.prefix + part.groups.join('')))
          .join('');
        expect(joined.replaceAll('_', '')).toBe(text.replaceAll('_', ''));
      }),
    );
  });
});

describe('addHex and parseHex', () => {
  it('adds beyond 2^53 exactly and keeps the width', () => {
    expect(addHex('0xfffffffffffff000', 16)).toBe('0xfffffffffffff010');
    expect(addHex('0x0000000001a02000', 0x40)).toBe('0x0000000001a02040');
  });

  it('accepts what people type', () => {
    expect(parseHex(' 0X1F_40 ')).toBe('0x1f40');
    expect(parseHex('fee0 0000')).toBe('0xfee00000');
    expect(parseHex('xyz')).toBeNull();
    expect(parseHex('0x1_0000_0000_0000_0000')).toBeNull();
  });

  it.each([
    ['0x0001_2345_6000', '0x123456000', true],
    ['0xABC', '0xabc', true],
    ['0x0', '0x0000', true],
    ['0x10', '0x1', false],
    ['second-stage', '0x2', false],
  ])('compares %s and %s as numbers', (a, b, expected) => {
    expect(isSameHex(a, b)).toBe(expected);
  });

  it('writes numbers at least as long as asked', () => {
    expect(toHex(0x1f, 4)).toBe('0x001f');
  });
});
