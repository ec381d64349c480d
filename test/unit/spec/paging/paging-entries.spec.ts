/** Reserved bits of paging entries, bit by bit, against the tables of the specification. */
import { describe, expect, it } from 'vitest';
import type { LayoutContext } from '../../../../src-main/bits/layout.ts';
import type { Structure } from '../../../../src-main/bits/structure.ts';
import { firstStageEntryAt } from '../../../../src-main/spec/paging/first-stage-entry.ts';
import {
  HostPermissionL1Entry,
  HostPermissionL2Entry,
  HostPermissionL3Entry,
  HostPermissionL4Entry,
} from '../../../../src-main/spec/paging/host-permission-entry.ts';
import { PAGING_LEVELS } from '../../../../src-main/spec/paging/levels.ts';
import { secondStageEntryAt } from '../../../../src-main/spec/paging/second-stage-entry.ts';
import {
  contextWith,
  decodeCapability,
  DEFAULT_PROFILE,
} from '../../../../src-main/spec/vtd/capability-profile.ts';
import { contextWithout } from '../../../support/iommu-context.ts';

const HAW = 46;
const unit = decodeCapability({ ...DEFAULT_PROFILE, haw: HAW });
const { context } = unit;

/** The same unit in a platform of 46-bit addresses. */
function at46(of: LayoutContext): LayoutContext {
  return {
    has: (name) => of.has(name),
    width: (name) => (name === 'HAW' ? HAW : of.width(name)),
  };
}

/** `51:46 7`: reserved bits, highest first. */
function reservedBits(structure: Structure, in_: LayoutContext): string {
  const words = structure.reservedMask(in_);
  const mask = words.reduce((sum, word, i) => sum | (BigInt(word) << BigInt(32 * i)), 0n);
  const runs: string[] = [];
  for (let top = structure.widthBits - 1; top >= 0; top--) {
    if (((mask >> BigInt(top)) & 1n) === 0n) {
      continue;
    }
    let end = top;
    while (end > 0 && ((mask >> BigInt(end - 1)) & 1n) === 1n) {
      end--;
    }
    runs.push(top === end ? `${top}` : `${top}:${end}`);
    top = end;
  }
  return runs.join(' ');
}

describe('first-stage entries', () => {
  it.each([
    [5, false, 'FirstStageUpperEntry', '51:46 7'],
    [4, true, 'FirstStageUpperEntry', '51:46 7'],
    [3, false, 'FirstStageTableEntry', '51:46'],
    [2, false, 'FirstStageTableEntry', '51:46'],
    [3, true, 'FirstStage1GLeaf', '51:46 29:13'],
    [2, true, 'FirstStage2MLeaf', '51:46 20:13'],
    [1, false, 'FirstStage4KLeaf', '51:46'],
    [1, true, 'FirstStage4KLeaf', '51:46'],
  ])('level %i with bit 7 %s is %s and reserves %s', (level, hasBit7, name, expected) => {
    const structure = firstStageEntryAt(level, hasBit7);
    expect(structure.name).toBe(name);
    expect(reservedBits(structure, context)).toBe(expected);
  });

  it('reserve the 1 GB page bit without FS1GP, never the 2 MB one', () => {
    const bare = at46(contextWithout('FS1GP'));
    expect(reservedBits(firstStageEntryAt(3, true), bare)).toBe('51:46 29:13 7');
    expect(reservedBits(firstStageEntryAt(2, true), bare)).toBe('51:46 20:13');
  });
});

describe('second-stage entries', () => {
  it.each([
    [5, false, 'SecondStageUpperEntry', '62 51:46 11 7'],
    [4, true, 'SecondStageUpperEntry', '62 51:46 11 7'],
    [3, false, 'SecondStageTableEntry', '62 51:46 11'],
    [2, false, 'SecondStageTableEntry', '62 51:46 11'],
    [3, true, 'SecondStage1GLeaf', '62 51:46 29:12'],
    [2, true, 'SecondStage2MLeaf', '62 51:46 20:12'],
    [1, false, 'SecondStage4KLeaf', '62 51:46'],
    [1, true, 'SecondStage4KLeaf', '62 51:46'],
  ])('level %i with bit 7 %s is %s and reserves %s', (level, hasBit7, name, expected) => {
    const structure = secondStageEntryAt(level, hasBit7);
    expect(structure.name).toBe(name);
    expect(reservedBits(structure, context)).toBe(expected);
  });

  it('reserve snoop without SC and page sizes that are not reported', () => {
    const bare = at46(contextWithout('SC', 'SSLPS'));
    expect(reservedBits(secondStageEntryAt(3, true), bare)).toBe('62 51:46 29:11 7');
    expect(reservedBits(secondStageEntryAt(2, true), bare)).toBe('62 51:46 20:11 7');
    expect(reservedBits(secondStageEntryAt(1, true), bare)).toBe('62 51:46 11');
  });

  it('use bit 62 once SSIRWE is latched', () => {
    const latched = contextWith(unit, { SSIRWE: true });
    expect(reservedBits(secondStageEntryAt(1, false), latched)).toBe('51:46');
  });
});

describe('host permission entries', () => {
  it('hold four bits a page, the upper two reserved', () => {
    const words = HostPermissionL1Entry.encode({ PP0: 1, PP8: 3, PP31: 2 });
    expect([...words].map((w) => w.toString(16))).toEqual(['1', '3', '0', '20000000']);
    expect(reservedBits(HostPermissionL1Entry as unknown as Structure, context)).toContain('63:62');
  });

  it.each([
    [4, HostPermissionL4Entry, '115:110 75:65 63:0'],
    [3, HostPermissionL3Entry, '115:110 75:65 63:30 27:26 23:22 19:18 15:14 11:10 7:6 3:2'],
    [
      2,
      HostPermissionL2Entry,
      '115:110 75:65 ' +
        Array.from({ length: 16 }, (_, i) => `${63 - 4 * i}:${62 - 4 * i}`).join(' '),
    ],
  ])('level %i reserves what it has no use for', (_level, structure, expected) => {
    expect(reservedBits(structure as unknown as Structure, context)).toBe(expected);
  });

  it('name the next table in the upper half', () => {
    const words = HostPermissionL3Entry.encode({ AV: 1, ADDR: 0x1000n, PP7: 3 });
    expect([...words].map((w) => w.toString(16))).toEqual(['30000000', '0', '1001', '0']);
  });
});

describe('levels', () => {
  it('use nine bits each from bit 12 up', () => {
    expect(PAGING_LEVELS.map((l) => `${l.secondStageName} ${l.indexHigh}:${l.indexLow}`)).toEqual([
      'SS-PTE 20:12',
      'SS-PDE 29:21',
      'SS-PDPE 38:30',
      'SS-PML4E 47:39',
      'SS-PML5E 56:48',
    ]);
  });
});
