import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBdf,
  isEmptyRefs,
  parseRid,
  refersToSame,
  toRefChips,
} from '../../../../src-renderer/format/refs.ts';

describe('requester IDs', () => {
  it('shows bus, device and function', () => {
    expect(formatBdf('0x6a08')).toBe('6a:01.0');
    expect(formatBdf('0xffff')).toBe('ff:1f.7');
    expect(formatBdf('dsa0')).toBe('dsa0');
  });

  it('reads back what it shows, for every requester ID', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), (rid) => {
        expect(Number(parseRid(formatBdf(`0x${rid.toString(16)}`)))).toBe(rid);
      }),
    );
  });

  it('takes a segment and refuses devices beyond 1f', () => {
    expect(parseRid('0000:6a:01.0')).toBe('0x6a08');
    expect(parseRid('6a:20.0')).toBeNull();
    expect(parseRid('hello')).toBeNull();
  });
});

describe('refersToSame', () => {
  const entry = { rid: '0x6a08', pasid: 0x11, unit: 'dmar0', address: '0x1a02440' };

  it.each([
    ['the same PASID of one function', { pasid: 0x11 }, true],
    ['another PASID of the same function', { rid: '0x6a08', pasid: 0x12 }, false],
    ['the function alone', { rid: '0x6A08' }, true],
    ['the unit alone, which everything of it shares', { unit: 'dmar0' }, false],
    ['another unit', { unit: 'dmar1', pasid: 0x11 }, false],
    ['the same bytes', { address: '0x0000000001a02440' }, true],
    ['other bytes', { address: '0x1a02480' }, false],
    ['a queue, which it does not name', { queue: 'dsa0/wq1' }, false],
  ])('compares with %s', (_what, other, expected) => {
    expect(refersToSame(entry, other)).toBe(expected);
  });

  it('takes the unit when nothing else is selected', () => {
    expect(refersToSame({ unit: 'dmar0' }, entry)).toBe(true);
  });

  it('compares script lines', () => {
    const script = { path: 'driver.ts', line: 9 };
    expect(refersToSame({ script }, { script: { ...script } })).toBe(true);
    expect(refersToSame({ script }, { script: { ...script, line: 10 } })).toBe(false);
  });

  it('never matches another event', () => {
    expect(refersToSame({ event: 5, pasid: 1 }, { event: 6, pasid: 1 })).toBe(false);
  });
});

describe('chips', () => {
  it('lists the parts of a reference as text', () => {
    const chips = toRefChips({
      rid: '0x6a08',
      pasid: 17,
      event: 4,
      script: { path: 'a.ts', line: 2 },
    });
    expect(chips.map((chip) => chip.value)).toEqual(['6a:01.0', '17', 'a.ts:2', '#4']);
  });

  it('knows empty references', () => {
    expect(isEmptyRefs({})).toBe(true);
    expect(isEmptyRefs(undefined)).toBe(true);
    expect(isEmptyRefs({ unit: 'dmar0' })).toBe(false);
  });
});
