/** What translations and PASIDs cost in memory. */
import { lazily, type BenchContext, type BenchGroup } from './bench-group.ts';
import { Lookups, scatteredPages } from './lookups.ts';
import { translateAll } from './translate-all.ts';
import { createFlatScene } from './walk-benchmarks.ts';
import { WalkScene } from './walk-scene.ts';

const PASID = 1;
const MILLION = 1_000_000;
export function translateHeapBenchmark({ host, sizes }: BenchContext): BenchGroup {
  const pages = scatteredPages(sizes.pages);
  const lookups = new Lookups(pages, sizes.lookups);
  const flat = lazily(() => createFlatScene(pages));
  /** So few translations between two looks at the heap that no collection comes between unseen. */
  const slice = { from: 0, to: Math.min(10_000, lookups.all.to) };
  /** Growth over slices of work. A slice with a collection in it counts again. */
  const growth = (slices: number, work: () => void): number => {
    let grown = 0;
    let left = slices;
    while (left > 0) {
      const before = host.heapBytes();
      work();
      const after = host.heapBytes();
      if (after >= before) {
        grown += after - before;
        left--;
      }
    }
    return grown;
  };
  return {
    'translate.heap': () => ({
      metric: 'translate.heap',
      warmUps: 1,
      runs: sizes.longRuns,
      sample: () => {
        const { scene } = flat();
        const slices = Math.ceil(sizes.heapTranslations / slice.to);
        host.collectGarbage();
        // Looking at the heap allocates as well.
        const looking = growth(slices, () => undefined);
        const working = growth(slices, () => {
          translateAll(scene, lookups, slice, PASID);
        });
        return Math.max(0, working - looking) * (MILLION / (slices * slice.to));
      },
    }),
  };
}

export function pasidMemoryBenchmark({ host, sizes }: BenchContext): BenchGroup {
  const kept: WalkScene[] = [];
  return {
    'pasids-1m.memory': () => ({
      metric: 'pasids-1m.memory',
      warmUps: 0,
      runs: sizes.longRuns,
      sample: () => {
        // The scene of the last run goes first, and this one stays until its memory is counted.
        kept.length = 0;
        // Buffers are given back behind a collection, and at the latest before the next one.
        host.collectGarbage();
        const scene = new WalkScene();
        kept.push(scene);
        const secondStage = scene.space.allocate();
        host.collectGarbage();
        const before = host.residentBytes();
        scene.bindAll(0, sizes.pasids, { type: 'secondStage', secondStage });
        host.collectGarbage();
        return host.residentBytes() - before;
      },
    }),
  };
}
