import fc from 'fast-check';
import { expect, it } from 'vitest';
import { highOfBig, lowOfBig } from '../../src-main/bits/u64.ts';
import { PageWalker, type PageAccess } from '../../src-main/sim/cpu/page-walk.ts';
import { Trace } from '../../src-main/sim/core/trace.ts';
import { createMemory } from '../support/cpu-bench.ts';

const MAXPHYADDR = 46n;
const bitOf = (value: bigint, index: bigint): boolean => ((value >> index) & 1n) === 1n;

interface Given {
  readonly cr3: bigint;
  readonly levels: 4 | 5;
  readonly address: bigint;
  readonly access: PageAccess;
  readonly isUser: boolean;
  readonly wp: boolean;
  readonly nxe: boolean;
}

/** A walk written straight from the manual, with bigints and no state. */
function naiveWalk(read: (address: bigint) => bigint, given: Given): string {
  const width = given.levels === 4 ? 48n : 57n;
  const top = given.address >> (width - 1n);
  if (top !== 0n && top !== (1n << (65n - width)) - 1n) {
    return 'not canonical';
  }
  let table = given.cr3;
  let writable = true;
  let user = true;
  let executable = true;
  const base = (given.access === 'write' ? 2 : 0) + (given.isUser ? 4 : 0);
  const fetch = given.access === 'execute' && given.nxe ? 16 : 0;
  for (let level = BigInt(given.levels); level >= 1n; level--) {
    const shift = 12n + 9n * (level - 1n);
    const entry = read(table + 8n * ((given.address >> shift) & 511n));
    if (!bitOf(entry, 0n)) {
      return `fault ${base + fetch}`;
    }
    const isLarge = bitOf(entry, 7n) && (level === 2n || level === 3n);
    let reserved = ((1n << 52n) - 1n) & ~((1n << MAXPHYADDR) - 1n);
    if (level > 3n) {
      reserved |= 0x80n;
    }
    if (isLarge) {
      reserved |= ((1n << shift) - 1n) & ~0x1fffn;
    }
    if (!given.nxe) {
      reserved |= 1n << 63n;
    }
    if ((entry & reserved) !== 0n) {
      return `fault ${base + fetch + 1 + 8}`;
    }
    writable &&= bitOf(entry, 1n);
    user &&= bitOf(entry, 2n);
    executable &&= !bitOf(entry, 63n);
    if (level === 1n || isLarge) {
      const denied =
        (given.isUser && !user) ||
        (given.access === 'write' && !writable && (given.isUser || given.wp)) ||
        (given.access === 'execute' && !executable);
      const page = entry & ((1n << MAXPHYADDR) - 1n) & ~((1n << shift) - 1n);
      return denied
        ? `fault ${base + fetch + 1}`
        : `page ${(page | (given.address & ((1n << shift) - 1n))).toString(16)}`;
    }
    table = entry & 0x000f_ffff_ffff_f000n;
  }
  return 'unreachable';
}

const TABLES = 8;

/** Entries mostly present and pointing at another table of the small pool, so that walks get deep. */
const entry = fc
  .record({
    table: fc.integer({ min: 1, max: TABLES }),
    flags: fc.constantFrom(0x7n, 0x7n, 0x7n, 0x7n, 0x87n, 0x5n, 0x3n, 0x1n, 0x0n, 0x67n),
    noise: fc.constantFrom(0n, 0n, 0n, 0n, 1n << 63n, 1n << 46n, 1n << 13n, 0xf00n, 1n << 52n),
  })
  .map(({ table, flags, noise }) => (BigInt(table) << 12n) | flags | noise);

it('agrees with a naive walk and never throws', () => {
  const arbitrary = fc.record({
    entries: fc.array(entry, { minLength: 4, maxLength: 16 }),
    address: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    isCanonical: fc.boolean(),
    levels: fc.constantFrom<4 | 5>(4, 5),
    access: fc.constantFrom<PageAccess>('read', 'write', 'execute'),
    isUser: fc.boolean(),
    wp: fc.boolean(),
    nxe: fc.boolean(),
  });
  fc.assert(
    fc.property(arbitrary, ({ entries, address: raw, isCanonical, ...rest }) => {
      const address = isCanonical ? raw & ((1n << 47n) - 1n) : raw;
      const memory = createMemory();
      for (let table = 1; table <= TABLES; table++) {
        for (let i = 0; i < 512; i++) {
          memory.write64(table * 4096 + i * 8, entries[(table * 7 + i) % entries.length]!);
        }
      }
      const given: Given = { cr3: 4096n, address, ...rest };
      const expected = naiveWalk((at) => memory.read64(Number(at)), given);
      const walker = new PageWalker(memory, Number(MAXPHYADDR), new Trace({ mode: 'off' }), 'cpu');
      const walk = walker.walk(
        {
          cr3: 4096,
          levels: rest.levels,
          isWriteProtected: rest.wp,
          isExecuteDisableEnabled: rest.nxe,
        },
        highOfBig(address),
        lowOfBig(address),
        rest.access,
        rest.isUser,
      );
      const found =
        walk.outcome === 'mapped'
          ? `page ${((BigInt(walk.high) << 32n) | BigInt(walk.low)).toString(16)}`
          : walk.outcome === 'page-fault'
            ? `fault ${walk.errorCode}`
            : 'not canonical';
      expect(found).toBe(expected);
    }),
    { numRuns: 300, seed: 20_191_031 },
  );
});
