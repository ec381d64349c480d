/** Runs a property with the suite's seed; a failure prints seed and path, which repeat it. */
import fc from 'fast-check';

const DEFAULT_SEED = 20_190_830;
const DEFAULT_RUNS = 25;

/** `PROPERTY_SEED` repeats a failure, `PROPERTY_RUNS` makes the nightly run longer. */
export function propertyOptions(): { seed: number; numRuns: number } {
  const { PROPERTY_SEED: seed, PROPERTY_RUNS: runs } = process.env;
  return {
    seed: seed === undefined ? DEFAULT_SEED : Number(seed),
    numRuns: runs === undefined ? DEFAULT_RUNS : Number(runs),
  };
}

export function checkProperty<T>(property: fc.IProperty<T>): void {
  fc.assert(property, propertyOptions());
}
