import { describe, expect, it } from 'vitest';
import { parseLabLink, toViewParam } from '../../../../src-renderer/format/links.ts';

describe('parseLabLink', () => {
  it('reads a view with its object, in the notation of guides', () => {
    expect(parseLabLink('view:pasid-table?rid=00:03.0&pasid=0x11')).toEqual({
      kind: 'view',
      view: 'pasid-table',
      params: { rid: '0x18', pasid: 17 },
    });
  });

  it.each([
    ['term:adi', { kind: 'term', id: 'adi' }],
    ['event:42', { kind: 'event', event: 42 }],
    ['event:last(iommu.fault.recorded)', { kind: 'last-event', eventKind: 'iommu.fault.recorded' }],
    ['script:driver.ts:8', { kind: 'file', path: 'driver.ts', line: 8 }],
    ['lab:020-vfs', { kind: 'lab', id: '020-vfs' }],
    ['https://example.org/x', { kind: 'external', url: 'https://example.org/x' }],
  ])('reads %s', (href, expected) => {
    expect(parseLabLink(href)).toEqual(expected);
  });

  it.each([
    'view:nothing',
    'javascript:alert(1)',
    'data:text/html,x',
    'event:last()',
    'plain',
    'term:',
  ])('refuses %s', (href) => {
    expect(parseLabLink(href)).toBeNull();
  });

  it('leaves out parameters that do not fit', () => {
    expect(parseLabLink('view:memory?address=zz&length=64')).toMatchObject({
      params: { length: 64 },
    });
  });
});

describe('toViewParam', () => {
  it('checks each parameter', () => {
    expect(toViewParam('address', '4000_0000')).toEqual({ address: '0x40000000' });
    expect(toViewParam('access', 'write')).toEqual({ access: 'write' });
    expect(toViewParam('access', 'fly')).toBeNull();
    expect(toViewParam('pasid', '-1')).toBeNull();
    expect(toViewParam('unit', 'dsa0')).toEqual({ unit: 'dsa0' });
  });
});
