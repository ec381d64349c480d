/** How long it takes to show another instant of a long run. */
import { Recorder, SeededRandom } from '../../sim/index.ts';
import { Timeline } from '../timeline/timeline.ts';
import { lazily, type BenchContext, type BenchGroup } from './bench-group.ts';
import { DsaScene, IN_FLIGHT } from './dsa-scene.ts';
import { timed } from './probe.ts';

const NS_PER_MS = 1e6;
const ADIS = 8;
/** Simulated time in which the descriptors of a round complete. */
const ROUND_NS = 100_000;

/** A run of at least so many events: descriptors on eight ADIs, recorded as those of a script would be. */
function longRun(events: number): Timeline {
  const scene = new DsaScene({ adis: ADIS, traceRecords: events + 2 ** 16 });
  const recorder = new Recorder(scene.machine);
  while (scene.machine.trace.head < events) {
    for (let i = 0; i < IN_FLIGHT; i++) scene.submit(recorder);
    recorder.advance(ROUND_NS);
  }
  return new Timeline(recorder);
}

export function seekBenchmark({ host, sizes }: BenchContext): BenchGroup {
  const timeline = lazily(() => longRun(sizes.events));
  const random = new SeededRandom(1);
  return {
    'seek.1m': () => ({
      metric: 'seek.1m',
      warmUps: 1,
      runs: sizes.longRuns,
      sample: () => {
        const run = timeline();
        const times = Array.from({ length: sizes.seeks }, () =>
          timed(host, () => {
            run.seek(random.below(run.head));
            run.machine();
          }),
        );
        return Math.max(...times) / NS_PER_MS;
      },
    }),
  };
}
