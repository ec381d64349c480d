/** What each invalidation drops and what it keeps: the effect matrix of VT-d 5.10 section 6.5.2, tables 23 and 24. */
import { describe, expect, it } from 'vitest';
import { PGTT } from '../../../../src-main/spec/vtd/pasid-table-entry.ts';
import {
  ContextCacheInvalidate,
  InterruptEntryCacheInvalidate,
  IotlbInvalidate,
  PASID_CACHE_GRANULARITY,
  PASID_IOTLB_GRANULARITY,
  PasidCacheInvalidate,
  PasidIotlbInvalidate,
} from '../../../../src-main/spec/vtd/descriptors/cache-descriptors.ts';
import {
  CONTEXT_GRANULARITY,
  IOTLB_GRANULARITY,
} from '../../../../src-main/spec/vtd/registers/register-invalidation.ts';
import { HIGH_RAM_BASE } from '../../../support/iommu-bench.ts';
import {
  CachedUnit,
  LegacyCachedUnit,
  PAGES,
  PASID_OF,
  RIDS,
  type CacheContents,
} from '../../../support/iommu-cached-unit.ts';

/** Kinds of cache, and a test on the names of their contents. */
type Dropped = Partial<Record<keyof CacheContents, (name: string | number) => boolean>>;

const all = (): boolean => true;
/** Names with this PASID in the second place. */
const ofPasid =
  (...pasids: readonly number[]) =>
  (name: string | number): boolean =>
    pasids.includes(Number(String(name).split(':')[1]));
/** Names with this PASID or domain in front. */
const headed =
  (...ids: readonly number[]) =>
  (name: string | number): boolean =>
    ids.includes(Number(String(name).split(':')[0]));
const at =
  (pasid: number, page: bigint) =>
  (name: string | number): boolean =>
    String(name).endsWith(`:${pasid}:${page.toString(16)}`);

const { first, second, nested } = PASID_OF;

interface Effect {
  readonly name: string;
  readonly words: Uint32Array;
  readonly dropped: Dropped;
}

const EFFECTS: readonly Effect[] = [
  {
    name: 'context cache, global',
    words: ContextCacheInvalidate.encode({ G: CONTEXT_GRANULARITY.global }),
    dropped: { contexts: all },
  },
  {
    name: 'context cache, domain: scalable entries have no domain',
    words: ContextCacheInvalidate.encode({ G: CONTEXT_GRANULARITY.domain, DID: 0x1234 }),
    dropped: { contexts: all },
  },
  {
    name: 'context cache, device, whatever the domain',
    words: ContextCacheInvalidate.encode({
      G: CONTEXT_GRANULARITY.device,
      SID: RIDS[0],
      DID: 0x1234,
    }),
    dropped: { contexts: (name) => name === '0318' },
  },
  {
    name: 'context cache, device with function mask',
    words: ContextCacheInvalidate.encode({ G: CONTEXT_GRANULARITY.device, SID: 0x031f, FM: 3 }),
    dropped: { contexts: all },
  },
  {
    name: 'PASID cache, domain',
    words: PasidCacheInvalidate.encode({ G: PASID_CACHE_GRANULARITY.domain, DID: second }),
    dropped: { entries: ofPasid(second) },
  },
  {
    name: 'PASID cache, PASID in domain',
    words: PasidCacheInvalidate.encode({
      G: PASID_CACHE_GRANULARITY.pasid,
      DID: first,
      PASID: first,
    }),
    dropped: { entries: ofPasid(first) },
  },
  {
    name: 'PASID cache, PASID in another domain',
    words: PasidCacheInvalidate.encode({
      G: PASID_CACHE_GRANULARITY.pasid,
      DID: second,
      PASID: first,
    }),
    dropped: {},
  },
  {
    name: 'PASID cache, global',
    words: PasidCacheInvalidate.encode({ G: PASID_CACHE_GRANULARITY.global }),
    dropped: { entries: all },
  },
  {
    name: 'IOTLB, global',
    words: IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.global }),
    dropped: { translations: all, firstStage: all, secondStage: all },
  },
  {
    name: 'IOTLB, domain of a second stage',
    words: IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.domain, DID: second }),
    dropped: { translations: ofPasid(second), secondStage: headed(second) },
  },
  {
    name: 'IOTLB, domain of a nested translation',
    words: IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.domain, DID: nested }),
    dropped: { translations: ofPasid(nested), firstStage: headed(nested) },
  },
  {
    name: 'IOTLB, page',
    words: IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.page, DID: second, ADDR: PAGES[1] }),
    dropped: { translations: at(second, PAGES[1]), secondStage: headed(second) },
  },
  {
    name: 'IOTLB, page with hint',
    words: IotlbInvalidate.encode({
      G: IOTLB_GRANULARITY.page,
      DID: second,
      ADDR: PAGES[1],
      IH: 1,
    }),
    dropped: { translations: at(second, PAGES[1]) },
  },
  {
    name: 'IOTLB, two pages',
    words: IotlbInvalidate.encode({
      G: IOTLB_GRANULARITY.page,
      DID: second,
      ADDR: PAGES[1],
      AM: 1,
      IH: 1,
    }),
    dropped: { translations: ofPasid(second) },
  },
  {
    name: 'IOTLB, page, address bits from MGAW up do not count',
    words: IotlbInvalidate.encode({
      G: IOTLB_GRANULARITY.page,
      DID: second,
      ADDR: PAGES[0] | (0x7fn << 57n),
      IH: 1,
    }),
    dropped: { translations: (name) => String(name).endsWith(`:${second}:40000000`) },
  },
  {
    name: 'IOTLB, page of a first-stage domain: all of the domain goes',
    words: IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.page, DID: first, ADDR: 0n, IH: 1 }),
    dropped: { translations: ofPasid(first), firstStage: headed(first) },
  },
  {
    name: 'IOTLB, page of a nested domain: all of the domain goes',
    words: IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.page, DID: nested, ADDR: 0n, IH: 1 }),
    dropped: { translations: ofPasid(nested), firstStage: headed(nested) },
  },
  {
    name: 'PASID-based IOTLB, PASID with a first stage',
    words: PasidIotlbInvalidate.encode({
      G: PASID_IOTLB_GRANULARITY.pasid,
      DID: first,
      PASID: first,
    }),
    dropped: { translations: ofPasid(first), firstStage: headed(first) },
  },
  {
    name: 'PASID-based IOTLB, PASID with a second stage: its tables stay cached',
    words: PasidIotlbInvalidate.encode({
      G: PASID_IOTLB_GRANULARITY.pasid,
      DID: second,
      PASID: second,
    }),
    dropped: { translations: ofPasid(second) },
  },
  {
    name: 'PASID-based IOTLB, pass-through PASID',
    words: PasidIotlbInvalidate.encode({
      G: PASID_IOTLB_GRANULARITY.pasid,
      DID: PASID_OF.pass,
      PASID: PASID_OF.pass,
    }),
    dropped: { translations: ofPasid(PASID_OF.pass) },
  },
  {
    name: 'PASID-based IOTLB, page with a first stage',
    words: PasidIotlbInvalidate.encode({
      G: PASID_IOTLB_GRANULARITY.page,
      DID: first,
      PASID: first,
      ADDR: PAGES[0],
    }),
    dropped: { translations: at(first, PAGES[0]), firstStage: headed(first) },
  },
  {
    name: 'PASID-based IOTLB, page with hint, nested',
    words: PasidIotlbInvalidate.encode({
      G: PASID_IOTLB_GRANULARITY.page,
      DID: nested,
      PASID: nested,
      ADDR: PAGES[0],
      IH: 1,
    }),
    dropped: { translations: at(nested, PAGES[0]) },
  },
  {
    name: 'PASID-based IOTLB, page, an unaligned address names the aligned region',
    words: PasidIotlbInvalidate.encode({
      G: PASID_IOTLB_GRANULARITY.page,
      DID: first,
      PASID: first,
      ADDR: PAGES[1],
      AM: 9,
      IH: 1,
    }),
    dropped: { translations: ofPasid(first) },
  },
  {
    name: 'PASID-based IOTLB, page with a second stage: nothing',
    words: PasidIotlbInvalidate.encode({
      G: PASID_IOTLB_GRANULARITY.page,
      DID: second,
      PASID: second,
      ADDR: PAGES[0],
    }),
    dropped: {},
  },
  {
    name: 'interrupt entry cache, global',
    words: InterruptEntryCacheInvalidate.encode({ G: 0 }),
    dropped: { interrupts: all },
  },
  {
    name: 'interrupt entry cache, two entries',
    words: InterruptEntryCacheInvalidate.encode({ G: 1, IIDX: 3, IM: 1 }),
    dropped: { interrupts: (index) => index === 2 || index === 3 },
  },
];

function without(contents: CacheContents, dropped: Dropped): CacheContents {
  const left = Object.entries(contents).map(([cache, names]) => {
    const goes = dropped[cache as keyof CacheContents];
    return [
      cache,
      (names as readonly (string | number)[]).filter((n) => goes === undefined || !goes(n)),
    ];
  });
  return Object.fromEntries(left) as CacheContents;
}

describe('a unit in use caches', () => {
  const { contents } = new CachedUnit();

  it('contexts by function, PASID entries by function and PASID', () => {
    expect(contents.contexts).toEqual(['0318', '0319']);
    expect(contents.entries).toEqual(['0318:1', '0318:2', '0318:3', '0318:4', '0318:5', '0319:2']);
  });

  it('translations of every type by function, PASID and page', () => {
    expect(contents.translations).toHaveLength(10);
    const unit = new CachedUnit();
    expect(unit.typesOf('first')).toEqual([PGTT.firstStage, PGTT.firstStage]);
    expect(unit.typesOf('nested')).toEqual([PGTT.nested, PGTT.nested]);
    expect(unit.typesOf('pass')).toContain(PGTT.passThrough);
  });

  it('entries that name tables, of the first stage by PASID, of the second by domain', () => {
    expect(contents.firstStage).toEqual(['1:2', '1:3', '1:4', '3:2', '3:3', '3:4']);
    expect(contents.secondStage).toEqual(['2:2', '2:3', '2:4', '5:2', '5:3', '5:4']);
    expect(contents.interrupts).toEqual([0, 1, 2, 3]);
  });
});

describe('invalidation', () => {
  it.each(EFFECTS)('$name', ({ words, dropped }) => {
    const unit = new CachedUnit();
    const before = unit.contents;
    unit.bench.submit(words);
    expect(unit.bench.field('FSTS_REG', 'IQE')).toBe(0);
    expect(unit.contents).toEqual(without(before, dropped));
  });

  it('lets a stale translation live until it comes', () => {
    const unit = new CachedUnit();
    const other = BigInt(HIGH_RAM_BASE) + 0x9000n;
    unit.tables.point(unit.tables.entryOf(unit.secondTop, 4, PAGES[0], 1), Number(other));
    expect(unit.access('second', PAGES[0])).toBe(BigInt(HIGH_RAM_BASE));
    unit.bench.submit(
      IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.page, DID: second, ADDR: PAGES[0] }),
    );
    expect(unit.access('second', PAGES[0])).toBe(other);
  });

  it('lets a stale PASID entry live until it comes', () => {
    const unit = new CachedUnit();
    unit.tables.patch(unit.tables.pasidEntryOf(unit.directory, first), 0n, 1n);
    const words = [
      IotlbInvalidate.encode({ G: IOTLB_GRANULARITY.domain, DID: first }),
      PasidCacheInvalidate.encode({
        G: PASID_CACHE_GRANULARITY.pasid,
        DID: first,
        PASID: first,
      }),
    ] as const;
    unit.bench.submit(words[0]);
    expect(unit.access('first', PAGES[0])).toBe(BigInt(HIGH_RAM_BASE));
    unit.bench.submit(words[1], words[0]);
    expect(unit.access('first', PAGES[0])).toBe(-0x59n);
  });
});

describe('invalidation of first-stage pages in the upper half', () => {
  const UPPER = 0xffff_8000_4000_0000n;

  it.each([
    ['canonical', UPPER],
    ['as wide as the tag of four levels', UPPER & 0xffff_ffff_ffffn],
  ])('takes an address that is %s', (_name, address) => {
    const unit = new CachedUnit();
    unit.tables.map(unit.firstTop, 4, UPPER, BigInt(HIGH_RAM_BASE), { leaf: 0x67n, table: 0x27n });
    unit.access('first', UPPER);
    const has = (): boolean =>
      unit.contents.translations.includes(`0318:${first}:${UPPER.toString(16)}`);
    expect(has()).toBe(true);
    unit.bench.submit(
      PasidIotlbInvalidate.encode({
        G: PASID_IOTLB_GRANULARITY.page,
        DID: first,
        PASID: first,
        ADDR: address,
        IH: 1,
      }),
    );
    expect(has()).toBe(false);
  });
});

describe('flushes by commands', () => {
  const EMPTY = {
    contexts: [],
    entries: [],
    translations: [],
    firstStage: [],
    secondStage: [],
  };

  it('SRTP drops all DMA caches where ESRTPS says so', () => {
    const unit = new CachedUnit();
    unit.bench.command('SRTP');
    expect(unit.contents).toEqual({ ...EMPTY, interrupts: [0, 1, 2, 3] });
  });

  it('disabling DMA remapping drops all DMA caches', () => {
    const unit = new CachedUnit();
    unit.bench.clear('TE');
    expect(unit.contents).toEqual({ ...EMPTY, interrupts: [0, 1, 2, 3] });
  });

  it.each(['SIRTP', 'IRE'] as const)('%s drops the interrupt entry cache alone', (command) => {
    const unit = new CachedUnit();
    const before = unit.contents;
    if (command === 'SIRTP') {
      unit.bench.command('SIRTP');
    } else {
      unit.bench.clear('IRE');
    }
    expect(unit.contents).toEqual({ ...before, interrupts: [] });
  });
});

describe('legacy mode', () => {
  const [A, B, C] = LegacyCachedUnit.functions.map((f) => f.rid) as [number, number, number];

  it.each([
    ['domain', { G: CONTEXT_GRANULARITY.domain, DID: 1 }, [C]],
    ['device of the domain', { G: CONTEXT_GRANULARITY.device, DID: 1, SID: A }, [B, C]],
    ['device of another domain', { G: CONTEXT_GRANULARITY.device, DID: 2, SID: A }, [A, B, C]],
    ['devices by mask', { G: CONTEXT_GRANULARITY.device, DID: 1, SID: A, FM: 3 }, [C]],
    ['global', { G: CONTEXT_GRANULARITY.global }, []],
  ] as const)('context entries carry their domain: %s', (_name, values, left) => {
    const unit = new LegacyCachedUnit();
    unit.bench.startQueue({ isWide: false });
    unit.bench.submit(ContextCacheInvalidate.encode(values));
    expect(unit.contexts).toEqual(left);
    expect(unit.translations).toEqual([A, B, C]);
  });

  it.each([
    ['global', { G: IOTLB_GRANULARITY.global }, []],
    ['domain', { G: IOTLB_GRANULARITY.domain, DID: 1 }, [C]],
    ['page', { G: IOTLB_GRANULARITY.page, DID: 1, ADDR: PAGES[0] }, [C]],
    ['another page', { G: IOTLB_GRANULARITY.page, DID: 1, ADDR: PAGES[1] }, [A, B, C]],
  ] as const)('every translation counts as second-stage: %s', (_name, values, left) => {
    const unit = new LegacyCachedUnit();
    unit.bench.startQueue({ isWide: false });
    unit.bench.submit(IotlbInvalidate.encode(values));
    expect(unit.translations).toEqual(left);
    expect(unit.contexts).toEqual([A, B, C]);
  });
});
