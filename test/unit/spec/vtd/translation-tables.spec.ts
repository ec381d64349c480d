/** Reserved rules of the translation tables: which bits count depends on what the unit reports. */
import { describe, expect, it } from 'vitest';
import type { FieldMap, Layout, LayoutContext } from '../../../../src-main/bits/layout.ts';
import {
  decodeCapability,
  DEFAULT_PROFILE,
} from '../../../../src-main/spec/vtd/capability-profile.ts';
import {
  LegacyContextEntry,
  ScalableContextEntry,
} from '../../../../src-main/spec/vtd/context-entry.ts';
import {
  largestPasid,
  pasidDirectoryEntries,
} from '../../../../src-main/spec/vtd/pasid-directory-entry.ts';
import { PasidTableEntry } from '../../../../src-main/spec/vtd/pasid-table-entry.ts';
import { RootEntry, ScalableRootEntry } from '../../../../src-main/spec/vtd/root-entry.ts';
import { contextWithout, RICH_CONTEXT } from '../../../support/iommu-context.ts';

const { context } = decodeCapability(DEFAULT_PROFILE);

/** Ones in every bit of the fields, nothing elsewhere. */
function onesIn<F extends FieldMap>(layout: Layout<F>, names: readonly string[]): Uint32Array {
  const words = new Uint32Array(layout.words);
  for (const name of names) {
    for (const piece of layout.field(name).pieces) {
      words[piece.word] = ((words[piece.word] ?? 0) | piece.mask) >>> 0;
    }
  }
  return words;
}

function violated<F extends FieldMap>(
  layout: Layout<F>,
  names: readonly string[],
  in_: LayoutContext,
): readonly string[] {
  return layout.violations(onesIn(layout, names), in_).map((f) => f.name);
}

describe('context entries', () => {
  it.each([
    [['DT', 'PRS'], 'DTE'],
    [['PASID'], 'PASIDE'],
    [['PRS'], 'PRE'],
    [['HPTS'], 'HPTE'],
    [['PTRS'], 'EPTR'],
    [['RPS'], 'RID_PASID'],
    [['RPRIVS'], 'RID_PRIV'],
  ])('without %j, %s is reserved', (capabilities, field) => {
    expect(violated(ScalableContextEntry, [field], contextWithout(...capabilities))).toEqual([
      field,
    ]);
    expect(violated(ScalableContextEntry, [field], RICH_CONTEXT)).toEqual([]);
  });

  it('bound the domain of legacy entries by the supported width', () => {
    const narrow: LayoutContext = { has: () => true, width: (n) => (n === 'DID_WIDTH' ? 8 : 52) };
    const words = LegacyContextEntry.encode({ DID: 0x100 });
    expect(LegacyContextEntry.violations(words, narrow).map((f) => f.name)).toEqual(['DID']);
    expect(LegacyContextEntry.violations(words, context)).toEqual([]);
  });

  it('ignore the bits left to software', () => {
    expect(violated(LegacyContextEntry, ['_i0'], context)).toEqual([]);
  });
});

describe('root entries', () => {
  it('bound each table pointer by the host address width', () => {
    const beyond = 1n << 52n;
    expect(RootEntry.violations(RootEntry.encode({ CTP: beyond }), context)).toHaveLength(1);
    const upper = ScalableRootEntry.encode({ UCTP: beyond, LCTP: beyond - 4096n });
    expect(ScalableRootEntry.violations(upper, context).map((f) => f.name)).toEqual(['UCTP']);
  });
});

describe('PASID table entries', () => {
  it.each([
    [['SSTS'], ['AW', 'SSADE', 'SSPTPTR']],
    [['SSADS'], ['SSADE']],
    [['FSTS'], ['FSPM', 'WPE', 'FSPTPTR']],
    [['SMPWCS'], ['PWSNP']],
    [['SC'], ['PGSNP']],
    [['MTS'], ['CD', 'EMTE', 'PAT']],
    [['SRS'], ['SRE']],
    [['EAFS'], ['EAFE']],
    [['HPTS'], ['HPTSZ', 'HPTPFD', 'HPTDID']],
  ])('without %j, %j are reserved', (capabilities, fields) => {
    expect(violated(PasidTableEntry, fields, contextWithout(...capabilities))).toEqual(fields);
    const legal = PasidTableEntry.fields.filter((f) => f.spec.role === 'value').map((f) => f.name);
    const others = legal.filter((n) => !fields.includes(n) && !n.endsWith('PTR'));
    expect(violated(PasidTableEntry, others, contextWithout(...capabilities))).toEqual([]);
  });

  it('keep withdrawn execute controls reserved or ignored', () => {
    const at = (bit: number): readonly string[] => {
      const words = new Uint32Array(PasidTableEntry.words);
      words[Math.floor(bit / 32)] = (1 << (bit % 32)) >>> 0;
      return PasidTableEntry.violations(words, RICH_CONTEXT).map((f) => f.name);
    };
    expect([5, 91, 94, 95, 129].map((b) => at(b).length)).toEqual([1, 1, 1, 1, 1]);
    expect([133, 134].map((b) => at(b).length)).toEqual([0, 0]);
  });

  it.each(['SSPTPTR', 'FSPTPTR', 'HPTPTR'] as const)('bound %s by the host width', (pointer) => {
    const top = PasidTableEntry.encode({ [pointer]: 1n << 52n });
    const legal = PasidTableEntry.encode({ [pointer]: (1n << 52n) - 4096n });
    expect(PasidTableEntry.violations(top, RICH_CONTEXT).map((f) => f.name)).toEqual([pointer]);
    expect(PasidTableEntry.violations(legal, RICH_CONTEXT)).toEqual([]);
  });
});

describe('PASID directories', () => {
  it.each([
    [0, 128, 13],
    [1, 256, 14],
    [2, 512, 15],
    [3, 1024, 16],
    [4, 2048, 17],
    [5, 4096, 18],
    [6, 8192, 19],
    [7, 16_384, 20],
  ])('PDTS %i has %i entries and reaches PASIDs of %i bits', (pdts, entries, pasidBits) => {
    expect(pasidDirectoryEntries(pdts)).toBe(entries);
    expect(largestPasid(pdts)).toBe(2 ** pasidBits - 1);
  });
});
