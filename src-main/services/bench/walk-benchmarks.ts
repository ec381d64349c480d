/** What a translation costs: with nothing cached, from the IOTLB, with a million PASIDs, with the trace on. */
import { invariant } from '../../bits/invariant.ts';
import { DEFAULT_IOMMU_CACHES } from '../../sim/index.ts';
import { BareNestedWalker, BareWalker } from './bare-walk.ts';
import { lazily, type BenchContext, type BenchGroup } from './bench-group.ts';
import { Lookups, scatteredPages, type Span } from './lookups.ts';
import type { MetricName } from './metrics.ts';
import { FIRST_STAGE, GuestSpace, PAGE, PagingTables, SECOND_STAGE } from './paging-tables.ts';
import { timed, type Probe } from './probe.ts';
import { translateAll, translateForMany, walkAll, walkAllNested } from './translate-all.ts';
import { WalkScene, type SceneOptions } from './walk-scene.ts';

const MIB = 2 ** 20;
const SECOND_STAGE_PASID = 1;
const FIRST_STAGE_PASID = 2;
/** How many times as long as a walk the slower benchmarks take, about. */
const SLOWER = 4;
/** Frames that pages lead to; no request goes on to them, so they need no memory. */
const OUTPUT_FRAMES = 400_000;
/** Spreads neighbouring pages over the frames: an odd number without a common factor. */
const OUTPUT_STRIDE = 40_503;
const FIRST_GUEST_PAGE = 5 * 2 ** 30;

export interface FlatScene extends WalkScenePart {
  readonly firstStage: PagingTables;
}
interface WalkScenePart {
  readonly scene: WalkScene;
  readonly secondStage: PagingTables;
}

/** The pages behind a PASID of either stage. */
export function createFlatScene(pages: readonly number[], options: SceneOptions = {}): FlatScene {
  const scene = new WalkScene(options);
  const secondStage = new PagingTables(scene.space, SECOND_STAGE);
  const firstStage = new PagingTables(scene.space, FIRST_STAGE);
  pages.forEach((page, i) => {
    const frame = MIB + ((i * OUTPUT_STRIDE) % OUTPUT_FRAMES) * PAGE;
    secondStage.map(page, frame);
    firstStage.map(page, frame);
  });
  scene.bind(SECOND_STAGE_PASID, { type: 'secondStage', secondStage: secondStage.root });
  scene.bind(FIRST_STAGE_PASID, {
    type: 'firstStage',
    firstStage: firstStage.root,
    domain: FIRST_STAGE_PASID,
  });
  return { scene, secondStage, firstStage };
}

/** First-stage tables and pages in the memory of a guest. */
export function createNestedScene(pages: readonly number[]): FlatScene {
  const scene = new WalkScene();
  const secondStage = new PagingTables(scene.space, SECOND_STAGE);
  const guest = new GuestSpace(scene.space, secondStage, FIRST_GUEST_PAGE);
  const firstStage = new PagingTables(guest, FIRST_STAGE);
  pages.forEach((page) => firstStage.map(page, guest.allocate()));
  scene.bind(SECOND_STAGE_PASID, {
    type: 'nested',
    firstStage: firstStage.root,
    secondStage: secondStage.root,
  });
  return { scene, secondStage, firstStage };
}

export function walkBenchmarks({ host, sizes }: BenchContext): BenchGroup {
  const pages = scatteredPages(sizes.pages);
  const lookups = new Lookups(pages, sizes.lookups);
  const nestedPages = scatteredPages(sizes.nestedPages);
  // Runs of a millisecond or two, so that most of them are left alone.
  const fewLookups = sizes.lookups / SLOWER;
  const nestedLookups = new Lookups(nestedPages, fewLookups);
  const flat = lazily(() => createFlatScene(pages));
  const nested = lazily(() => createNestedScene(nestedPages));

  /** `body` gives -1 when a request was refused: that would be no measurement. */
  const probe = (metric: MetricName, of: Lookups, body: (span: Span) => number): Probe => ({
    metric,
    warmUps: sizes.warmUps,
    runs: sizes.runs,
    sample: (round) => {
      const span = of.ofRun(round);
      // What ran before has filled the processor's caches with other things.
      body({ from: span.from, to: span.from + Math.floor((span.to - span.from) / 2) });
      const took = timed(host, () => {
        invariant(body(span) !== -1, `${metric}: a request was refused`);
      });
      return took / (span.to - span.from);
    },
  });

  const crowded = lazily(() => {
    const { scene, secondStage } = createFlatScene(pages);
    scene.bindAll(0, sizes.pasids, { type: 'secondStage', secondStage: secondStage.root });
    return scene;
  });
  const manyPasids = (metric: MetricName, perRun: number, busy: number): Probe => {
    const scene = crowded();
    // PASID 0 is bound as well, but it is RID_PASID: requests cannot name it.
    const many = new Lookups(pages, perRun, { bound: sizes.pasids - 1, busy });
    return probe(metric, many, (span) => translateForMany(scene, many, span));
  };

  return {
    'walk.bare': () => {
      const { scene, secondStage } = flat();
      const walker = new BareWalker(scene.memory, secondStage.root);
      return probe('walk.bare', lookups, (span) => walkAll(walker, lookups, span));
    },
    'walk.second-stage': () => {
      const { scene } = flat();
      return probe('walk.second-stage', lookups, (span) =>
        translateAll(scene, lookups, span, SECOND_STAGE_PASID),
      );
    },
    'walk.first-stage': () => {
      const { scene } = flat();
      return probe('walk.first-stage', lookups, (span) =>
        translateAll(scene, lookups, span, FIRST_STAGE_PASID),
      );
    },
    'walk.nested': () => {
      const { scene } = nested();
      return probe('walk.nested', nestedLookups, (span) =>
        translateAll(scene, nestedLookups, span, SECOND_STAGE_PASID),
      );
    },
    'walk.nested.bare': () => {
      const { scene, firstStage, secondStage } = nested();
      const walker = new BareNestedWalker(scene.memory, firstStage.root, secondStage.root);
      return probe('walk.nested.bare', nestedLookups, (span) =>
        walkAllNested(walker, nestedLookups, span),
      );
    },
    'iotlb.hit': () => {
      const hot = Array.from({ length: sizes.hotPages }, (_, i) => i * PAGE);
      const hotLookups = new Lookups(hot, sizes.lookups);
      const { scene } = createFlatScene(hot, { caches: DEFAULT_IOMMU_CACHES });
      return probe('iotlb.hit', hotLookups, (span) =>
        translateAll(scene, hotLookups, span, SECOND_STAGE_PASID),
      );
    },
    // As many lookups in a run as with one PASID: a run of fewer finds less of its tables in the processor's caches.
    'walk.pasids-1m': () => manyPasids('walk.pasids-1m', sizes.lookups, sizes.busyPasids),
    // Each request then names another PASID.
    'walk.pasids-1m.cold': () => manyPasids('walk.pasids-1m.cold', fewLookups, fewLookups),
    'trace.on': () => {
      const { scene } = createFlatScene(pages, { traceRecords: sizes.traceRecords });
      // A ring that is full: the usual state of a long run.
      for (let kept = 0; kept < sizes.traceRecords; kept += lookups.all.to) {
        translateAll(scene, lookups, lookups.all, SECOND_STAGE_PASID);
      }
      const few = new Lookups(pages, fewLookups);
      return probe('trace.on', few, (span) => translateAll(scene, few, span, SECOND_STAGE_PASID));
    },
  };
}
