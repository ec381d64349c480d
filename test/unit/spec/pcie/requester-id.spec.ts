import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  busOf,
  devfnOf,
  formatBdf,
  parseBdf,
  requesterId,
  requesterIdParts,
} from '../../../../src-main/spec/pcie/requester-id.ts';
import {
  COMPLETION_STATUS,
  completionStatusInfo,
  TLP_KINDS,
} from '../../../../src-main/spec/pcie/tlp.ts';
import { checkProperty } from '../../../support/check-property.ts';

describe('requester identifiers', () => {
  it('hold bus, device and function', () => {
    expect(requesterId(3, 3, 0)).toBe(0x0318);
    expect(requesterIdParts(0x6a0f)).toEqual({ bus: 0x6a, device: 1, function: 7 });
    expect(busOf(0x6a0f)).toBe(0x6a);
    expect(devfnOf(0x6a0f)).toBe(0x0f);
  });

  it('print and parse as lspci does', () => {
    expect(formatBdf(0x6a01)).toBe('6a:00.1');
    expect(formatBdf(0x6a01, 1)).toBe('0001:6a:00.1');
    expect(parseBdf('0000:6A:00.1')).toBe(0x6a01);
    checkProperty(
      fc.property(fc.nat({ max: 0xffff }), (rid) => {
        expect(parseBdf(formatBdf(rid))).toBe(rid);
        const { bus, device, function: fn } = requesterIdParts(rid);
        expect(requesterId(bus, device, fn)).toBe(rid);
      }),
    );
  });

  it.each(['', '6a:20.0', '6a:00.8', '1:6a:00.1', 'zz:00.0'])('refuse %j', (text) => {
    expect(parseBdf(text)).toBeUndefined();
  });
});

describe('transaction layer packets', () => {
  it('name completion status by code', () => {
    expect(completionStatusInfo(COMPLETION_STATUS.retry)?.abbreviation).toBe('RRS');
    expect(completionStatusInfo(0)?.abbreviation).toBe('SC');
    expect(completionStatusInfo(3)).toBeUndefined();
  });

  it('make deferrable writes non-posted and plain writes posted', () => {
    expect(TLP_KINDS.DMWr.class).toBe('non-posted');
    expect(TLP_KINDS.MWr.class).toBe('posted');
  });
});
