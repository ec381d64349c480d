/**
 * A unit with caches against one without: alike whenever software invalidates as VT-d 5.10 section 6.5.3.3 demands, and
 * different in the specified way when it does not.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { propertyOptions } from '../support/check-property.ts';
import { DEFAULT_IOMMU_CACHES } from '../../src-main/sim/machine-config.ts';
import {
  PAGES,
  RIDS,
  SMALL_CACHES,
  TENANTS,
  TwinWorlds,
  type Access,
  type EntryChange,
  type LeafChange,
} from '../support/iommu-twin-worlds.ts';

/** Machines are built by the hundred. */
const PATIENT = { timeout: 120_000 };

const tenant = fc.nat(TENANTS.length - 1);
const page = fc.nat(PAGES.length - 1);
const rid = fc.nat(RIDS.length - 1);

const access: fc.Arbitrary<Access> = fc.record({ rid, tenant, page, isWrite: fc.boolean() });
const leaf: fc.Arbitrary<LeafChange> = fc.record({
  tenant,
  page,
  frame: fc.nat(7),
  rights: fc.constantFrom(3, 3, 3, 1, 2, 0),
});
const entry = fc.constantFrom<EntryChange>(
  'present',
  'present',
  'absent',
  'write-protect',
  'snoop',
);

type Operation =
  | { readonly op: 'access'; readonly access: Access }
  | { readonly op: 'leaf' | 'table'; readonly change: LeafChange }
  | { readonly op: 'entry'; readonly tenant: number; readonly change: EntryChange }
  | { readonly op: 'context'; readonly rid: number; readonly isPresent: boolean };

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 14, arbitrary: fc.record({ op: fc.constant('access' as const), access }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('leaf' as const), change: leaf }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('table' as const), change: leaf }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('entry' as const), tenant, change: entry }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('context' as const),
      rid: fc.constantFrom(...RIDS),
      isPresent: fc.constantFrom(true, true, true, false),
    }),
  },
);

function run(worlds: TwinWorlds, operations: readonly Operation[]): void {
  for (const operation of operations) {
    switch (operation.op) {
      case 'access': {
        const [cached, plain] = worlds.access(operation.access);
        expect(cached).toEqual(plain);
        break;
      }
      case 'leaf':
        worlds.setLeaf(operation.change);
        break;
      case 'table':
        worlds.moveTable(operation.change);
        break;
      case 'entry':
        worlds.changeEntry(operation.tenant, operation.change);
        break;
      default:
        worlds.changeContext(operation.rid, operation.isPresent);
    }
  }
}

/** Everything mapped once, so that runs do not begin with faults alone. */
function mapped(caches = SMALL_CACHES): TwinWorlds {
  const worlds = new TwinWorlds(caches);
  TENANTS.forEach((_, t) =>
    PAGES.forEach((__, p) => worlds.setLeaf({ tenant: t, page: p, frame: (t + p) & 7, rights: 3 })),
  );
  return worlds;
}

describe('caches', () => {
  it.each([
    ['small', SMALL_CACHES],
    ['default', DEFAULT_IOMMU_CACHES],
  ])('cannot be seen while software invalidates as it must: %s', PATIENT, (_name, caches) => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 20, maxLength: 250 }), (operations) => {
        run(mapped(caches), operations);
      }),
      propertyOptions(),
    );
  });

  it('are used in these runs', PATIENT, () => {
    const worlds = mapped(DEFAULT_IOMMU_CACHES);
    const operations = fc.sample(operation, { seed: 3, numRuns: 400 });
    run(worlds, operations);
    const { counters } = worlds.cached.bench.unit.translation;
    expect(counters.iotlbHits).toBeGreaterThan(10);
    expect(counters.pasidHits).toBeGreaterThan(20);
    expect(worlds.cached.bench.field('FSTS_REG', 'IQE')).toBe(0);
  });
});

describe('without the invalidation', () => {
  const stale = fc.record({
    access: access.map((a) => ({ ...a, isWrite: false })),
    frame: fc.nat(6),
  });

  it('the old page is reached until it comes, and the new one after it', PATIENT, () => {
    fc.assert(
      fc.property(stale, ({ access: a, frame }) => {
        const worlds = mapped(DEFAULT_IOMMU_CACHES);
        const [before] = worlds.access(a);
        const old = Number((before.hpa >> 12n) & 7n);
        const change = {
          tenant: a.tenant,
          page: a.page,
          frame: frame >= old ? frame + 1 : frame,
          rights: 3,
        };
        worlds.setLeaf(change, false);
        const [cached, plain] = worlds.access(a);
        expect(cached).toEqual(before);
        expect(plain.hpa).not.toBe(before.hpa);
        worlds.invalidatePage(a.tenant, a.page, 0, 1);
        const [after, plainAfter] = worlds.access(a);
        expect(after).toEqual(plainAfter);
        expect(after.hpa).toBe(plain.hpa);
      }),
      propertyOptions(),
    );
  });

  it('a page that was taken away is still reached', PATIENT, () => {
    fc.assert(
      fc.property(stale, ({ access: a }) => {
        const worlds = mapped(DEFAULT_IOMMU_CACHES);
        const [before] = worlds.access(a);
        worlds.setLeaf({ tenant: a.tenant, page: a.page, frame: 0, rights: 0 }, false);
        const [cached, plain] = worlds.access(a);
        expect(cached).toEqual(before);
        expect(plain.reason).not.toBe(0);
      }),
      propertyOptions(),
    );
  });

  it('a page that was not there needs none (CM=0)', PATIENT, () => {
    fc.assert(
      fc.property(stale, ({ access: a, frame }) => {
        const worlds = new TwinWorlds(DEFAULT_IOMMU_CACHES);
        worlds.access(a);
        worlds.setLeaf({ tenant: a.tenant, page: a.page, frame, rights: 3 }, false);
        const [cached, plain] = worlds.access(a);
        expect(cached).toEqual(plain);
        expect(cached.reason).toBe(0);
      }),
      propertyOptions(),
    );
  });
});
