/** Descriptors a second, end to end: portal write, engine, translations, data, completion record. */
import { invariant } from '../../bits/invariant.ts';
import type { BenchContext, BenchGroup } from './bench-group.ts';
import { DsaScene } from './dsa-scene.ts';
import type { MetricName } from './metrics.ts';
import { timed, type Probe } from './probe.ts';

const NS_PER_SECOND = 1e9;
/** Translations of one ADI: source, destination, completion record, rounded up. Every cache holds those of all ADIs. */
const TRANSLATIONS_PER_ADI = 4;

export function descriptorBenchmarks({ host, sizes }: BenchContext): BenchGroup {
  const cacheEntries = 2 ** Math.ceil(Math.log2(sizes.adis * TRANSLATIONS_PER_ADI));
  const probe = (metric: MetricName, adis: number): Probe => {
    const scene = new DsaScene({ adis, cacheEntries });
    const expected = Math.min(adis, sizes.descriptors);
    return {
      metric,
      warmUps: sizes.warmUps,
      runs: sizes.runs,
      sample: () => {
        const took = timed(host, () => scene.move(sizes.descriptors));
        invariant(scene.takeSuccesses() >= expected, `${metric}: a descriptor failed`);
        return (sizes.descriptors * NS_PER_SECOND) / took;
      },
    };
  };
  return {
    'descriptors.end-to-end': () => probe('descriptors.end-to-end', 1),
    'descriptors.1024-adis': () => probe('descriptors.1024-adis', sizes.adis),
  };
}
