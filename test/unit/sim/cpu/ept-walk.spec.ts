import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { bigOf } from '../../../../src-main/bits/u64.ts';
import {
  EPT_MEMORY_TYPE,
  Ept1GLeaf,
  Ept2MLeaf,
  Ept4KLeaf,
  EptPointer,
  EptTableEntry,
} from '../../../../src-main/spec/cpu/ept.ts';
import { walkEpt, type EptAccess } from '../../../../src-main/sim/cpu/ept-walk.ts';
import type { PhysicalMemory } from '../../../../src-main/sim/memory/physical-memory.ts';
import { createMemory } from '../../../support/cpu-bench.ts';

const ROOT = 0x10_0000;
const TABLES = [0x10_1000, 0x10_2000, 0x10_3000] as const;
const WIDTH = 46;
const GIB = 2 ** 30;
const ALL = { R: 1, W: 1, X: 1 } as const;

const pointerWords = EptPointer.encode({ MT: 6, WALK: 3, ADDR: BigInt(ROOT) });
const eptPointer = bigOf(pointerWords[1] ?? 0, pointerWords[0] ?? 0);

function indexOf(gpa: number, level: number): number {
  return Math.floor(gpa / 2 ** (12 + (level - 1) * 9)) % 512;
}

/** Tables down to `leafLevel` for one address; entry `level` can be replaced. */
function prepare(
  gpa: number,
  leafLevel: number,
  leaf: Uint32Array,
  replaced?: { level: number; words: Uint32Array },
) {
  const memory = createMemory();
  let table = ROOT;
  for (let level = 4; level >= leafLevel; level--) {
    const next = TABLES[4 - level] ?? 0;
    const words = level === leafLevel ? leaf : EptTableEntry.encode({ ...ALL, ADDR: BigInt(next) });
    memory.writeWords(
      table + indexOf(gpa, level) * 8,
      replaced?.level === level ? replaced.words : words,
    );
    table = next;
  }
  return memory;
}

function walk(memory: PhysicalMemory, gpa: number, access: EptAccess = 'read') {
  return walkEpt({ memory, eptPointer, physicalAddressBits: WIDTH }, gpa, access);
}

const leaf4K = (values: object = ALL) =>
  Ept4KLeaf.encode({ MT: EPT_MEMORY_TYPE.WB, ADDR: 0x1234_5000n, ...values });

describe('EPT walk', () => {
  it.each([
    [1, 2 ** 12, leaf4K(), 0x1234_5000],
    [2, 2 ** 21, Ept2MLeaf.encode({ ...ALL, MT: 6, PS: 1, ADDR: 0x4020_0000n }), 0x4020_0000],
    [3, 2 ** 30, Ept1GLeaf.encode({ ...ALL, MT: 0, PS: 1, ADDR: 0x8000_0000n }), 0x8000_0000],
  ])('ends at a leaf of level %i that maps %i bytes', (level, bytes, leaf, base) => {
    fc.assert(
      fc.property(fc.nat({ max: 511 }), fc.nat({ max: bytes - 1 }), (top, offset) => {
        const gpa = top * 512 * GIB + 5 * GIB + offset;
        const found = walk(prepare(gpa, level, leaf), gpa);
        expect(found).toMatchObject({
          kind: 'mapped',
          pageBytes: bytes,
          address: base + (gpa % bytes),
        });
        expect(found.path.map((read) => read.level)).toEqual([4, 3, 2, 1].slice(0, 5 - level));
      }),
      { numRuns: 40, seed: 7 },
    );
  });

  it.each([4, 3, 2, 1])('is a violation where the entry of level %i grants nothing', (level) => {
    const memory = prepare(0x1000, 1, leaf4K(), { level, words: new Uint32Array(2) });
    const found = walk(memory, 0x1000);
    expect(found.kind).toBe('violation');
    expect(found.path).toHaveLength(5 - level);
  });

  it.each([4, 3, 2])('ANDs rights: no write through a read-only entry of level %i', (level) => {
    const words = EptTableEntry.encode({ R: 1, X: 1, ADDR: BigInt(TABLES[4 - level] ?? 0) });
    const memory = prepare(0x1000, 1, leaf4K(), { level, words });
    expect(walk(memory, 0x1000, 'write').kind).toBe('violation');
    expect(walk(memory, 0x1000, 'read')).toMatchObject({ kind: 'mapped', isWritable: false });
  });

  it.each([
    ['write without read', 1, leaf4K({ W: 1, X: 1 })],
    ['a reserved memory type', 1, leaf4K({ ...ALL, MT: 2 })],
    ['an address beyond the physical width', 1, leaf4K({ ...ALL, ADDR: 2n ** 47n })],
    [
      'a reserved bit of a table entry',
      3,
      EptTableEntry.encode({ ...ALL, ADDR: 0x10_2000n }).map((w, i) => (i === 0 ? w | 8 : w)),
    ],
    [
      'a page size bit in the top table',
      4,
      EptTableEntry.encode({ ...ALL, PS: 1, ADDR: 0x10_1000n }),
    ],
  ])('is a misconfiguration with %s', (_what, level, words) => {
    expect(walk(prepare(0x1000, 1, leaf4K(), { level, words }), 0x1000).kind).toBe(
      'misconfiguration',
    );
  });

  it('has nothing beyond 48 bits', () => {
    expect(walk(prepare(0, 1, leaf4K()), 2 ** 48).kind).toBe('violation');
  });

  it('allows execution only with X', () => {
    expect(walk(prepare(0, 1, leaf4K({ R: 1, W: 1 })), 0, 'execute').kind).toBe('violation');
    expect(walk(prepare(0, 1, leaf4K()), 0, 'execute').kind).toBe('mapped');
  });
});
