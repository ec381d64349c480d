/** The caches themselves: tags, sizes, replacement, what is kept with an entry. VT-d 5.10 sections 6.2.1 to 6.2.5. */
import { describe, expect, it } from 'vitest';
import { ACCESS } from '../../../../src-main/sim/iommu/first-stage-walk.ts';
import { EntryCache } from '../../../../src-main/sim/iommu/entry-cache.ts';
import { IOTLB_FLAG, Iotlb } from '../../../../src-main/sim/iommu/iotlb.ts';
import { PagingStructureCache } from '../../../../src-main/sim/iommu/paging-structure-cache.ts';
import { HIGH_RAM_BASE, NO_CACHES } from '../../../support/iommu-bench.ts';
import { IOVA, OUTPUT, TranslatingUnit, hpaOf } from '../../../support/iommu-setup.ts';
import { SECOND_STAGE } from '../../../support/iommu-tables.ts';

const RID = 0x18;
const RW = IOTLB_FLAG.read | IOTLB_FLAG.write;

function filled(iotlb: Iotlb, page: number, shift = 12, pasid = 5, rid = RID): void {
  iotlb.fill(rid, pasid, 0, page, shift, 1, page, RW, 7, pasid);
}

describe('the IOTLB', () => {
  it.each([
    [0, 0],
    [3, 0],
    [4, 4],
    [7, 4],
    [1000, 512],
  ])('of %i entries has %i: sets of four, a power of two of them', (capacity, expected) => {
    expect(new Iotlb(capacity).capacity).toBe(expected);
  });

  it('replaces what was used least recently', () => {
    const iotlb = new Iotlb(4);
    const pages = [0x1000, 0x2000, 0x3000, 0x4000];
    pages.forEach((page) => filled(iotlb, page));
    iotlb.lookup(RID, 5, 0, 0x1000);
    filled(iotlb, 0x5000);
    const has = [...pages, 0x5000].map((page) => iotlb.lookup(RID, 5, 0, page));
    expect(has).toEqual([true, false, true, true, true]);
  });

  it('tells requesters, PASIDs and requests without PASID apart', () => {
    const iotlb = new Iotlb(64);
    filled(iotlb, 0x1000);
    expect(iotlb.lookup(RID, 5, 0, 0x1abc)).toBe(true);
    expect(iotlb.lookup(RID, 6, 0, 0x1000)).toBe(false);
    expect(iotlb.lookup(RID, -1, 0, 0x1000)).toBe(false);
    expect(iotlb.lookup(0x19, 5, 0, 0x1000)).toBe(false);
    expect(iotlb.lookup(RID, 5, 1, 0x1000)).toBe(false);
  });

  it.each([12, 21, 30])('answers for a whole page of 2^%i bytes', (shift) => {
    const iotlb = new Iotlb(64);
    filled(iotlb, 0x4000_0000, shift);
    const last = 0x4000_0000 + 2 ** shift - 4;
    expect(iotlb.lookup(RID, 5, 0, last)).toBe(true);
    expect([iotlb.outHigh, iotlb.outLow >>> 0, iotlb.shift]).toEqual([1, last, shift]);
    expect(iotlb.lookup(RID, 5, 0, last + 4)).toBe(false);
  });

  it('fills an entry in its place again', () => {
    const iotlb = new Iotlb(64);
    filled(iotlb, 0x1000);
    iotlb.fill(RID, 5, 0, 0x1000, 12, 2, 0x9000, RW, 7, 5);
    expect(iotlb.entries()).toHaveLength(1);
    iotlb.lookup(RID, 5, 0, 0x1000);
    expect([iotlb.outHigh, iotlb.outLow]).toEqual([2, 0x9000]);
  });

  it.each([
    ['a page of it', 12, 0x4012_3000, 12, true],
    ['another page', 12, 0x4012_4000, 12, false],
    ['a region around it', 12, 0x4010_0000, 21, true],
    ['a page within a large one', 21, 0x4012_3000, 12, true],
    ['the page after a large one', 21, 0x4020_0000, 12, false],
    ['a region of 4 GB', 12, 0, 32, true],
    ['everything', 12, 0, 64, true],
  ])('drops by range: %s', (_name, shift, low, sizeShift, isDropped) => {
    const iotlb = new Iotlb(64);
    filled(iotlb, shift === 12 ? 0x4012_3000 : 0x4000_0000, shift);
    const dropped = iotlb.invalidateRange(
      0,
      low,
      sizeShift,
      () => true,
      () => -1,
    );
    expect(dropped).toBe(isDropped ? 1 : 0);
  });
});

describe('the context and PASID caches', () => {
  it('replace what was used least recently and keep the flags of an entry', () => {
    const cache = new EntryCache(4, 2);
    for (let key = 1; key <= 4; key++) {
      cache.fill(key, 0, Uint32Array.of(key, key + 1), 0, key & 1);
    }
    cache.lookup(1, 0);
    cache.fill(5, 0, Uint32Array.of(9, 9), 0, 1);
    expect([1, 2, 3, 4, 5].map((key) => cache.lookup(key, 0) >= 0)).toEqual([
      true,
      false,
      true,
      true,
      true,
    ]);
    const at = cache.lookup(3, 0);
    expect([cache.words[at], cache.words[at + 1], cache.flagsAt(at)]).toEqual([3, 4, 1]);
  });
});

describe('paging-structure caches', () => {
  it('start as near to the leaf as they can', () => {
    const cache = new PagingStructureCache(64);
    cache.fill(4, 7, 5, 0x7f00, 0x20_0000, 0, 0x1000, 3);
    expect([cache.lookup(7, 5, 4, 0x7f00, 0x20_0000), cache.level]).toEqual([true, 3]);
    cache.fill(2, 7, 5, 0x7f00, 0x20_0000, 0, 0x3000, 1);
    cache.lookup(7, 5, 4, 0x7f00, 0x20_1000);
    expect([cache.level, cache.tableLow, cache.rights]).toEqual([1, 0x3000, 1]);
    expect(cache.lookup(7, 6, 4, 0x7f00, 0x20_0000)).toBe(false);
    expect(cache.lookup(8, 5, 4, 0x7f00, 0x20_0000)).toBe(false);
  });

  const CACHED = { ...NO_CACHES, pagingStructure: 64 };
  const NEXT = IOVA + 0x1000n;

  function withNeighbour(options = {}): TranslatingUnit {
    const unit = new TranslatingUnit({ caches: CACHED, ...options });
    const second = { leaf: 3n, table: unit.bench.memory.read64(unit.secondStageEntry(4)) & 3n };
    unit.tables.map(unit.secondTop, 4, NEXT, OUTPUT + 0x1000n, second);
    return unit;
  }

  it('keep the way to a table after the entries above it are gone', () => {
    const unit = withNeighbour();
    unit.request('UP');
    unit.bench.memory.write64(unit.secondStageEntry(4), 0n);
    expect(hpaOf(unit.request('UP', { address: NEXT }).answer)).toBe(OUTPUT + 0x1000n);
  });

  it('keep the rights of the entries above it', () => {
    const unit = withNeighbour({ secondStageTable: SECOND_STAGE.R });
    unit.request('UP');
    unit.request('UP', { address: NEXT, kind: ACCESS.write });
    expect(unit.bench.recordAt(0).FR).toBe(0x85);
  });

  it('keep no leaf: a changed one counts at once', () => {
    const unit = withNeighbour();
    unit.request('UP');
    unit.tables.point(unit.secondStageEntry(1), HIGH_RAM_BASE + 0x9000);
    expect(hpaOf(unit.request('UP').answer)).toBe(BigInt(HIGH_RAM_BASE) + 0x9000n);
  });

  it('keep nothing of a walk that faults', () => {
    const unit = withNeighbour();
    unit.tables.patch(unit.secondStageEntry(1), 0n, 3n);
    unit.request('UP');
    expect(unit.bench.unit.translation.secondStageCache.entries()).toEqual([]);
  });
});

describe('faulting structures', () => {
  it('are never cached: a repaired entry counts at once', () => {
    const unit = new TranslatingUnit({
      caches: { ...NO_CACHES, context: 16, pasid: 16 },
      entry: { P: 0 },
    });
    unit.request('UP');
    expect(unit.bench.recordAt(0).FR).toBe(0x59);
    unit.setEntries({});
    expect(unit.request('UP').status).toBe(0);
  });
});
