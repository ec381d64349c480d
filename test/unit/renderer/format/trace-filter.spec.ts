import { describe, expect, it } from 'vitest';
import { formatExactNs, formatSimTime } from '../../../../src-renderer/format/time.ts';
import { parseTraceFilter } from '../../../../src-renderer/format/trace-filter.ts';

describe('parseTraceFilter', () => {
  it('takes words, exclusions and named terms apart', () => {
    expect(
      parseTraceFilter('fault -debug pasid:0x11 rid:6a:01.0 kind:a.b level:guest-error').filter,
    ).toEqual({
      text: 'fault -debug',
      pasid: 17,
      rid: '0x6a08',
      kinds: ['a.b'],
      levels: ['guest-error'],
    });
  });

  it('reports terms it does not understand and does not filter by them', () => {
    const parsed = parseTraceFilter('pasid:x level:loud walk');
    expect(parsed.rejected).toEqual(['pasid:x', 'level:loud']);
    expect(parsed.filter).toEqual({ text: 'walk' });
  });

  it('is empty for an empty box', () => {
    expect(parseTraceFilter('  ')).toEqual({ filter: {}, rejected: [] });
  });
});

describe('simulated time', () => {
  it.each([
    [0, '0 ns'],
    [999, '999 ns'],
    [1_000, '1.000 µs'],
    [17_440, '17.440 µs'],
    [1_500_000, '1.500 ms'],
    [2_000_000_000, '2.000 s'],
  ])('shows %i ns in the unit that fits', (ns, text) => {
    expect(formatSimTime(ns)).toBe(text);
  });

  it('can be exact', () => {
    expect(formatExactNs(1_234_567)).toBe('1\u2009234\u2009567 ns');
  });
});
