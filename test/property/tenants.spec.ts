/**
 * Whatever several tenants do in whatever order, natively and in VMs, with work in the device, with migrations: nobody's
 * page is written for another, programs see the same under both kernel profiles, and when all have left, nothing of them is
 * left. Without guests even the PASID tables of both profiles are the same on the way there.
 *
 * `PROPERTY_SEED` is the first seed, `PROPERTY_RUNS` the number of sequences; a failure names the seed and the fewest of its
 * steps that still fail.
 */
import { describe, expect, it } from 'vitest';
import { TenantWorld } from '../support/linux-tenants.ts';
import { shrinkSteps, TenantSequence, type TenantStep } from '../support/tenant-sequence.ts';

const PROFILES = ['iommufd', 'kvmforum2019'] as const;
const FIRST_SEED = Number(process.env['PROPERTY_SEED'] ?? 20_191_030);
const SEQUENCES = Number(process.env['PROPERTY_RUNS'] ?? 10_000);
const BATCHES = 10;
const BATCH = Math.ceil(SEQUENCES / BATCHES);
/** One sequence of these many is for VMs too, which take far longer than everything else. */
const GUESTS_EVERY = 20;
const LONG_MS = 600_000;
const SHORTEST = 3;
const LENGTHS = 7;
/** One of these many is long enough for tenants to get to work, with interrupts. */
const LONG_EVERY = 50;
const LONG = 40;
/** More than any sequence can have at once. */
const PASIDS = 16;

/** P is bit 0 of the first word. */
const PRESENT = /^\d+: [0-9a-f]*[13579bdf] /;

type Kind = 'guests' | 'no guests';

/** Both eras side by side, with what each has when nobody is there. */
interface Pair {
  readonly kind: Kind;
  readonly worlds: readonly TenantWorld[];
  readonly empty: readonly string[];
}

function text(steps: readonly TenantStep[]): string {
  return steps
    .map(({ op, ...more }) => [op, ...Object.values(more as Record<string, unknown>)].join(' '))
    .join(', ');
}

function sequenceOf(
  kind: Kind,
  seed: number,
  length = seed % LONG_EVERY === 1 ? LONG : SHORTEST + (seed % LENGTHS),
): TenantSequence {
  return new TenantSequence(seed, length, { hasGuests: kind === 'guests' });
}

function bootPair(kind: Kind): Pair {
  const worlds = PROFILES.map((profile) => new TenantWorld(profile));
  // The tables of the first sequence stay: PASID tables are not freed before their function goes.
  const { steps } = sequenceOf(kind, FIRST_SEED, LENGTHS * SHORTEST);
  for (const world of worlds) {
    if (kind === 'guests') {
      world.guests.boot();
    }
    steps.forEach((step) => world.do(step));
    world.end();
    world.takeOutcomes();
  }
  return { kind, worlds, empty: worlds.map((world) => JSON.stringify(world.inventory())) };
}

function at<T>(where: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** Entries that were present when the sequence ended. */
function runSteps({ kind, worlds, empty }: Pair, steps: readonly TenantStep[]): number {
  const tables = worlds.map((world, i) => {
    steps.forEach((step) => at(`${PROFILES[i] ?? ''}, ${step.op}`, () => world.do(step)));
    return world.pasidTable(PASIDS);
  });
  // Guests get their PASIDs at other instants, and so other pages for their tables.
  if (kind === 'no guests') {
    at('PASID tables', () => expect(tables[1]).toEqual(tables[0]));
  }
  worlds.forEach((world, i) => {
    at(`${PROFILES[i] ?? ''}, end`, () => {
      world.end();
      const left = JSON.stringify(world.inventory());
      if (left !== empty[i]) {
        expect(JSON.parse(left)).toEqual(JSON.parse(empty[i] ?? ''));
      }
    });
  });
  const [now, then] = worlds.map((world) => world.takeOutcomes());
  at('outcomes', () => expect(then).toEqual(now));
  return tables[0]?.filter((entry) => PRESENT.test(entry)).length ?? 0;
}

function runSequence(pair: Pair, seed: number): number {
  const { steps } = sequenceOf(pair.kind, seed);
  try {
    return runSteps(pair, steps);
  } catch (error) {
    const fewest = shrinkSteps(steps, (fewer) => messageOf(pair.kind, fewer) !== undefined);
    const said =
      messageOf(pair.kind, fewest) ?? (error instanceof Error ? error.message : String(error));
    throw new Error(`seed ${seed}, ${said}\nsteps: ${text(fewest)}\nof: ${text(steps)}`, {
      cause: error,
    });
  }
}

/** What goes wrong with these steps on machines of their own, if anything. */
function messageOf(kind: Kind, steps: readonly TenantStep[]): string | undefined {
  try {
    runSteps(bootPair(kind), steps);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe('tenants of one accelerator', () => {
  it.each(Array.from({ length: BATCHES }, (_, batch) => FIRST_SEED + batch * BATCH))(
    'breach and leave nothing, and both profiles have one PASID table: seeds from %i',
    (first) => {
      const pair = bootPair('no guests');
      let present = 0;
      for (let seed = first; seed < first + BATCH; seed++) {
        present += seed % GUESTS_EVERY === 0 ? 2 : runSequence(pair, seed);
      }
      // The kernel's own two are always there; tenants have to have had some.
      expect(present).toBeGreaterThan(2 * BATCH);
    },
    LONG_MS,
  );

  it(
    'breach and leave nothing beside VMs whose programs use the device too, with the same PASIDs',
    () => {
      const bare = PROFILES.map((profile) => new TenantWorld(profile).inventory());
      const pair = bootPair('guests');
      const seeds = Array.from({ length: SEQUENCES }, (_, i) => FIRST_SEED + i);
      seeds.filter((seed) => seed % GUESTS_EVERY === 0).forEach((seed) => runSequence(pair, seed));
      // One VM is killed and one shut down with work in the device, and nothing of them is left either.
      pair.worlds.forEach((world, i) => {
        world.guests.retire();
        world.end();
        expect(world.inventory()).toEqual(bare[i]);
      });
    },
    LONG_MS,
  );
});
