/**
 * Random traffic for device models, in rounds. Each round is one seed on a fresh device; seeds that once found an error are
 * kept in `test/fuzz/device-seeds.json` and run first, whatever the budget.
 *
 * `FUZZ_OPERATIONS` sets the operations of a suite, `FUZZ_SEED` runs one seed alone. A failure names seed and operation.
 */
import { StateHash } from '../../src-main/sim/core/hash.ts';
import { SeededRandom } from '../../src-main/sim/core/random.ts';
import type { Snapshotable } from '../../src-main/sim/core/snapshot.ts';
import type { Trace } from '../../src-main/sim/core/trace.ts';
import { eventKindOf } from '../../src-main/spec/events/event.ts';
import seeds from '../fuzz/device-seeds.json' with { type: 'json' };

const MODEST = 100_000;
const THOROUGH = 1_000_000;
const OPERATIONS_PER_ROUND = 5_000;
const CHECK_EVERY = 500;
/** Generous: the budget is there to end a hang, not to measure. */
const BASE_TIMEOUT_MS = 60_000;
const OPERATIONS_PER_MS = 4;

export type FuzzSuite = 'dsa' | 'machine' | 'nic' | 'qat' | 'sriov';

const keptSeeds: Readonly<Record<FuzzSuite, readonly number[]>> = seeds;

/** One device under traffic. */
export interface FuzzTarget {
  step(): void;
  /** Throws when something that always holds does not. */
  check(): void;
  /** At the end of a round: gives how much of the device's real work was done, so that idle traffic is noticed. */
  finish(): number;
}

const budget = Number(
  process.env['FUZZ_OPERATIONS'] ?? (process.env['CI'] === undefined ? MODEST : THOROUGH),
);

/** Time that a suite with a share of the budget may take. */
export function fuzzTimeoutMs(): number {
  return BASE_TIMEOUT_MS + budget / OPERATIONS_PER_MS;
}

/** Seeds of a suite, those kept first. `parts` suites share the budget. */
function seedsOf(suite: FuzzSuite, parts: number): readonly number[] {
  const only = process.env['FUZZ_SEED'];
  if (only !== undefined) {
    return [Number(only)];
  }
  const kept = keptSeeds[suite];
  const rounds = Math.ceil(budget / parts / OPERATIONS_PER_ROUND);
  const fresh = Array.from({ length: rounds }, (_, i) => i + 1).filter((s) => !kept.includes(s));
  return [...kept, ...fresh.slice(0, Math.max(0, rounds - kept.length))];
}

function runRound(target: FuzzTarget, suite: FuzzSuite, seed: number): number {
  let operation = 0;
  try {
    for (; operation < OPERATIONS_PER_ROUND; operation++) {
      target.step();
      if (operation % CHECK_EVERY === 0) {
        target.check();
      }
    }
    target.check();
    return target.finish();
  } catch (cause) {
    throw new Error(`${suite}: seed ${seed} failed at operation ${operation}`, { cause });
  }
}

/** Runs all rounds of a suite; gives the work done in each. */
export function runFuzz(
  suite: FuzzSuite,
  parts: number,
  create: (seed: number) => FuzzTarget,
): readonly number[] {
  return seedsOf(suite, parts).map((seed) => runRound(create(seed), suite, seed));
}

const INTERESTING = [
  0, 1, 2, 3, 0x7f, 0x80, 0xff, 0xfff, 0x1000, 0xffff, 0x8000_0000, 0xffff_ffff, 0xfee0_0000,
];

/** Random values in the shapes that register traffic has. */
export class FuzzValues {
  readonly random: SeededRandom;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  below(limit: number): number {
    return this.random.below(limit);
  }

  isOneIn(count: number): boolean {
    return this.random.below(count) === 0;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.random.below(values.length)] as T;
  }

  /** A word: anything, or one of the values at which things change. */
  word(): number {
    return this.isOneIn(2) ? this.random.next32() : this.pick(INTERESTING);
  }

  /** A value of 1 to 8 bytes. */
  value(bytes: number): bigint {
    const wide = (BigInt(this.word()) << 32n) | BigInt(this.word());
    return BigInt.asUintN(bytes * 8, wide);
  }

  words(count: number): Uint32Array {
    return Uint32Array.from({ length: count }, () => this.word());
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.random.below(256));
  }
}

/** Putting a device's own state back changes nothing. */
export function checkRestoreIdentity<S>(device: Snapshotable<S>): void {
  const before = hashOf(device.snapshot());
  device.restore(structuredClone(device.snapshot()));
  if (hashOf(device.snapshot()) !== before) {
    throw new Error('The restored state is not the saved one');
  }
}

function hashOf(state: unknown): string {
  const hash = new StateHash();
  hash.value(state);
  return hash.digest();
}

/** Every record has the slots that its declaration says. */
export function checkTraceShape(trace: Trace): void {
  for (let seq = trace.tail; seq < trace.head; seq++) {
    const record = trace.read(seq);
    const kind = eventKindOf(record?.kind ?? -1);
    const slots = (kind?.fields ?? []).reduce(
      (sum, field) => sum + (field.type === 'u64' ? 2 : 1),
      0,
    );
    if (record?.slots.length !== slots) {
      throw new Error(
        `${kind?.kind ?? '?'} has ${record?.slots.length ?? 0} slots, expected ${slots}`,
      );
    }
  }
}
