/**
 * Whatever several tenants do in whatever order: when all have left, nothing of them is left, and on the way there both
 * kernel profiles have the same PASID table.
 *
 * `PROPERTY_SEED` is the first seed, `PROPERTY_RUNS` the number of sequences; a failure names the seed and its steps.
 */
import { describe, expect, it } from 'vitest';
import { TenantSequence, TenantWorld, type TenantStep } from '../support/linux-tenants.ts';

const PROFILES = ['iommufd', 'kvmforum2019'] as const;
const FIRST_SEED = Number(process.env['PROPERTY_SEED'] ?? 20_191_030);
const SEQUENCES = Number(process.env['PROPERTY_RUNS'] ?? 10_000);
const BATCHES = 10;
const BATCH = Math.ceil(SEQUENCES / BATCHES);
const LONG_MS = 600_000;
const SHORTEST = 3;
const LENGTHS = 7;
/** More than any sequence can have at once. */
const PASIDS = 16;

/** P is bit 0 of the first word. */
const PRESENT = /^\d+: [0-9a-f]*[13579bdf] /;

function lengthOf(seed: number): number {
  return SHORTEST + (seed % LENGTHS);
}

function text(steps: readonly TenantStep[]): string {
  return steps
    .map(({ op, ...more }) => [op, ...Object.values(more as Record<string, unknown>)].join(' '))
    .join(', ');
}

/** Names the sequence in whatever goes wrong in it. */
function within<T>(seed: number, steps: readonly TenantStep[], where: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed}, ${where}: ${said}\nsteps: ${text(steps)}`, { cause: error });
  }
}

/** Entries that were present when the sequence ended. */
function runSequence(
  worlds: readonly TenantWorld[],
  seed: number,
  expected: readonly string[],
): number {
  const { steps } = new TenantSequence(seed, lengthOf(seed));
  const tables = worlds.map((world, i) => {
    const profile = PROFILES[i] ?? '';
    steps.forEach((step) => {
      within(seed, steps, `${profile}, ${step.op}`, () => world.do(step));
    });
    return world.pasidTable(PASIDS);
  });
  within(seed, steps, 'PASID tables', () => expect(tables[1]).toEqual(tables[0]));
  worlds.forEach((world, i) => {
    within(seed, steps, `${PROFILES[i] ?? ''}, end`, () => {
      world.end();
      const left = JSON.stringify(world.inventory());
      if (left !== expected[i]) {
        expect(JSON.parse(left)).toEqual(JSON.parse(expected[i] ?? ''));
      }
    });
  });
  return tables[0]?.filter((entry) => PRESENT.test(entry)).length ?? 0;
}

describe('tenants of one accelerator', () => {
  it.each(Array.from({ length: BATCHES }, (_, batch) => FIRST_SEED + batch * BATCH))(
    'leave nothing behind, and both profiles have one PASID table: seeds from %i',
    (first) => {
      const worlds = PROFILES.map((profile) => new TenantWorld(profile));
      // The tables of the first sequence stay: PASID tables are not freed before their function goes.
      const warmUp = new TenantSequence(first, lengthOf(first) * SHORTEST);
      worlds.forEach((world) => {
        warmUp.steps.forEach((step) => world.do(step));
        world.end();
      });
      const expected = worlds.map((world) => JSON.stringify(world.inventory()));
      let present = 0;
      for (let seed = first; seed < first + BATCH; seed++) {
        present += runSequence(worlds, seed, expected);
      }
      // The kernel's own two are always there; tenants have to have had some.
      expect(present).toBeGreaterThan(2 * BATCH);
    },
    LONG_MS,
  );
});
