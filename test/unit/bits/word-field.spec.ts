import { describe, expect, it } from 'vitest';
import { bit, bits, reserved, wide } from '../../../src-main/bits/field.ts';
import { buildLayout } from '../../../src-main/bits/layout.ts';
import { fieldOf, isFieldSet, withField, wordField } from '../../../src-main/bits/word-field.ts';

const layout = buildLayout('Sample', 96, {
  LOW: bits(7, 0, 'Low'),
  FLAG: bit(31, 'Flag'),
  _r0: reserved(30, 8),
  WORD: bits(63, 32, 'Whole word'),
  _r1: reserved(67, 64),
  MIDDLE: bits(75, 68, 'Middle'),
  _r2: reserved(95, 76),
});

describe('wordField', () => {
  it('finds word, shift and mask', () => {
    expect(wordField(layout, 'MIDDLE')).toEqual({ word: 2, shift: 4, mask: 0xff0 });
    expect(wordField(layout, 'WORD')).toEqual({ word: 1, shift: 0, mask: 0xffff_ffff });
  });

  it('refuses fields that cross words', () => {
    const crossing = buildLayout('Crossing', 64, { A: wide(35, 0, 'A'), _r: reserved(63, 36) });
    expect(() => wordField(crossing, 'A')).toThrow(/not within one word/);
  });

  it('reads and writes unsigned values, bit 31 included', () => {
    const flag = wordField(layout, 'FLAG');
    const word = wordField(layout, 'WORD');
    expect(withField(0, flag, 1)).toBe(0x8000_0000);
    expect(fieldOf(0x8000_0000, flag)).toBe(1);
    expect(isFieldSet(0x7fff_ffff, flag)).toBe(false);
    expect(withField(0x1234, word, 0xffff_fffe)).toBe(0xffff_fffe);
    expect(fieldOf(0xffff_fffe, word)).toBe(0xffff_fffe);
  });

  it('leaves other bits alone and drops what does not fit', () => {
    const middle = wordField(layout, 'MIDDLE');
    expect(withField(0xffff_ffff, middle, 0)).toBe(0xffff_f00f);
    expect(withField(0, middle, 0x1ab)).toBe(0xab0);
  });
});
