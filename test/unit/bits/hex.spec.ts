import { describe, expect, it } from 'vitest';
import {
  bytesToHex,
  hexOfHalves,
  hexToBytes,
  toGroupedHex,
  toHex,
  wordHex,
} from '../../../src-main/bits/hex.ts';

describe('hexadecimal text', () => {
  it('pads on request', () => {
    expect(toHex(31)).toBe('0x1f');
    expect(toHex(31n, 4)).toBe('0x001f');
    expect(wordHex(-1)).toBe('ffffffff');
    expect(wordHex(0x1f)).toBe('0000001f');
  });

  it('groups by four digits from the right', () => {
    expect(toGroupedHex(0x7f00_0020_1000n)).toBe('0x0000_7f00_0020_1000');
    expect(toGroupedHex(0x1_2345, 5)).toBe('0x1_2345');
  });

  it('prints halves as one number', () => {
    expect(hexOfHalves(0, 0)).toBe('0x0');
    expect(hexOfHalves(0, 0xffff_ffff)).toBe('0xffffffff');
    expect(hexOfHalves(1, 2)).toBe('0x100000002');
    expect(hexOfHalves(-1, -1)).toBe('0xffffffffffffffff');
  });

  it('turns bytes into text and back', () => {
    expect(bytesToHex(Uint8Array.of(0, 1, 0xfe))).toBe('0001fe');
    expect(hexToBytes('0001FE')).toEqual(Uint8Array.of(0, 1, 0xfe));
    expect(hexToBytes('')).toEqual(new Uint8Array(0));
    expect(hexToBytes('123')).toBeUndefined();
    expect(hexToBytes('0g')).toBeUndefined();
  });
});
