/** The benchmarks measure what they say: unit and bare walkers find the same pages. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_IOMMU_CACHES } from '../../../../src-main/sim/index.ts';
import { BareNestedWalker, BareWalker } from '../../../../src-main/services/bench/bare-walk.ts';
import { DsaScene } from '../../../../src-main/services/bench/dsa-scene.ts';
import { Lookups, scatteredPages } from '../../../../src-main/services/bench/lookups.ts';
import {
  translateAll,
  translateForMany,
  walkAll,
  walkAllNested,
} from '../../../../src-main/services/bench/translate-all.ts';
import {
  createFlatScene,
  createNestedScene,
} from '../../../../src-main/services/bench/walk-benchmarks.ts';

const pages = scatteredPages(256);
const lookups = new Lookups(pages, 128);

describe('scattered pages', () => {
  it('are 16,384 different ones that take 769 tables', () => {
    const all = scatteredPages(16_384);
    expect(new Set(all).size).toBe(16_384);
    const spans = [2 ** 39, 2 ** 30, 2 ** 21];
    const tables = spans.map((span) => new Set(all.map((page) => Math.floor(page / span))).size);
    expect(1 + tables.reduce((sum, count) => sum + count)).toBe(769);
  });
});

describe('the flat scene', () => {
  const { scene, secondStage, firstStage } = createFlatScene(pages);
  const found = walkAll(new BareWalker(scene.memory, secondStage.root), lookups, lookups.all);

  it.each([
    ['second stage', 1],
    ['first stage', 2],
  ])('translates by the %s to what the bare walk finds', (_name, pasid) => {
    expect(found).not.toBe(-1);
    expect(translateAll(scene, lookups, lookups.all, pasid)).toBe(found);
    expect(walkAll(new BareWalker(scene.memory, firstStage.root), lookups, lookups.all)).toBe(
      found,
    );
  });

  it('walks for every request', () => {
    const { counters } = scene.unit.translation;
    const before = counters.walks;
    translateAll(scene, lookups, lookups.ofRun(0), 1);
    expect(counters.walks - before).toBe(128);
    expect(counters.iotlbHits).toBe(0);
  });

  it('refuses a PASID that is not bound', () => {
    expect(translateAll(scene, lookups, lookups.ofRun(0), 3)).toBe(-1);
  });

  it('binds many PASIDs to the same pages', () => {
    const many = new Lookups(pages, 128, { bound: 999, busy: 999 });
    scene.bindAll(0, 1000, { type: 'secondStage', secondStage: secondStage.root });
    expect(translateForMany(scene, many, many.all)).toBe(
      walkAll(new BareWalker(scene.memory, secondStage.root), many, many.all),
    );
  });
});

it('with caches, hot pages are answered by the IOTLB', () => {
  const hot = Array.from({ length: 64 }, (_, i) => i * 4096);
  const { scene } = createFlatScene(hot, { caches: DEFAULT_IOMMU_CACHES });
  const hotLookups = new Lookups(hot, 1000);
  translateAll(scene, hotLookups, hotLookups.all, 1);
  const { counters } = scene.unit.translation;
  expect(counters.walks).toBe(64);
  expect(counters.iotlbHits).toBe(counters.requests - 64);
});

it('nested, unit and bare walker find the same host pages', () => {
  const { scene, firstStage, secondStage } = createNestedScene(pages);
  const walker = new BareNestedWalker(scene.memory, firstStage.root, secondStage.root);
  const found = walkAllNested(walker, lookups, lookups.all);
  expect(found).not.toBe(-1);
  expect(translateAll(scene, lookups, lookups.all, 1)).toBe(found);
});

describe('the accelerator scene', () => {
  it.each([1, 3, 300])('completes moves on each of %i ADIs', (adis) => {
    const scene = new DsaScene({ adis, cacheEntries: 4096 });
    scene.move(512);
    expect(scene.takeSuccesses()).toBe(adis);
    expect(scene.takeSuccesses()).toBe(0);
  });
});
