/** The engine's walkers against one written straight from the specification, over random tables and requests. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bigOf } from '../../src-main/bits/u64.ts';
import { StateHash } from '../../src-main/sim/core/hash.ts';
import { ACCESS } from '../../src-main/sim/iommu/first-stage-walk.ts';
import type { IommuAnswer } from '../../src-main/sim/iommu/request.ts';
import { DEFAULT_IOMMU_CACHES, type IommuCacheConfig } from '../../src-main/sim/machine-config.ts';
import { ADDRESS_TYPE } from '../../src-main/sim/pcie/ports.ts';
import { TTM } from '../../src-main/spec/vtd/registers/global-command.ts';
import { propertyOptions } from '../support/check-property.ts';
import { profileWith } from '../support/interrupt-bench.ts';
import { HIGH_RAM_BASE, HOLE, IommuBench, ROM_BASE } from '../support/iommu-bench.ts';
import { NaiveWalker, type NaiveRequest } from '../support/iommu-naive-walker.ts';
import { IommuTables } from '../support/iommu-tables.ts';

/** Machines are built by the hundred. */
const PATIENT = { timeout: 120_000 };
const RID = 0x0398;
const PASID = 5;
const RID_PASID = 9;
const ADDRESS = 0x000f_ffff_ffff_f000n;

/** What an entry of a table is like: flags, and perhaps something wrong with it. */
interface EntryPlan {
  readonly flags: number;
  readonly trouble: 'none' | 'absent' | 'reserved' | 'hole' | 'rom' | 'beyond';
  readonly reservedBit: number;
}

interface Plan {
  readonly pgtt: number;
  readonly aw: number;
  readonly fspm: number;
  readonly firstLeaf: number;
  readonly secondLeaf: number;
  readonly first: readonly EntryPlan[];
  /** For the output page, and for the pages of first-stage tables. */
  readonly second: readonly EntryPlan[];
  readonly tables: EntryPlan;
  readonly entryFlags: number;
  readonly contextFlags: number;
  readonly entryTrouble: number;
  readonly input: bigint;
  readonly output: bigint;
  readonly request: Omit<NaiveRequest, 'rid' | 'address'>;
}

const often = <T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>, weight = 12): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: rare });

const entryPlan: fc.Arbitrary<EntryPlan> = fc.record({
  flags: often(fc.constant(0xfff), fc.integer({ min: 0, max: 0xfff }), 7),
  trouble: often(
    fc.constant<EntryPlan['trouble']>('none'),
    fc.constantFrom<EntryPlan['trouble']>('absent', 'reserved', 'hole', 'rom', 'beyond'),
    20,
  ),
  reservedBit: fc.integer({ min: 7, max: 62 }),
});

const input = often(
  fc.oneof(fc.bigInt(0n, (1n << 39n) - 1n), fc.bigInt(0n, (1n << 47n) - 1n)),
  fc.oneof(
    fc.bigInt(0n, (1n << 56n) - 1n),
    fc.bigInt(0xffff_8000_0000_0000n, (1n << 64n) - 1n),
    fc.bigInt(0xff00_0000_0000_0000n, (1n << 64n) - 1n),
    fc.bigInt(0xfee0_0000n, 0xfeef_ffffn),
    fc.bigInt(0n, (1n << 64n) - 1n),
  ),
  4,
);

const output = often(
  fc.integer({ min: 0, max: 0xfff }).map((page) => BigInt(HIGH_RAM_BASE + page * 4096)),
  fc.constantFrom(0xfee0_3000n, 0xc000_0000n, 0n, 1n << 46n),
  8,
);

const request: fc.Arbitrary<Plan['request']> = fc.record({
  pasid: often(fc.constantFrom(PASID, -1), fc.constantFrom(RID_PASID, 0x2000, 0xfffff, 6), 10),
  kind: fc.constantFrom('read' as const, 'write' as const, 'atomic' as const),
  isTranslation: fc.boolean(),
  isPrivileged: often(fc.constant(false), fc.constant(true), 3),
  isNoWrite: fc.boolean(),
  isZeroLength: fc.boolean(),
});

const plan: fc.Arbitrary<Plan> = fc.record({
  pgtt: often(fc.constantFrom(1, 2, 3, 3), fc.constantFrom(0, 4, 4, 5, 7), 8),
  aw: often(fc.constantFrom(2, 3), fc.constantFrom(0, 1, 4, 7)),
  fspm: often(fc.constantFrom(0, 1), fc.constantFrom(2, 3)),
  firstLeaf: fc.constantFrom(1, 1, 2, 3),
  secondLeaf: fc.constantFrom(1, 1, 2, 3),
  first: fc.array(entryPlan, { minLength: 5, maxLength: 5 }),
  second: fc.array(entryPlan, { minLength: 5, maxLength: 5 }),
  tables: entryPlan,
  entryFlags: often(fc.constantFrom(0x11, 0x39, 0x1b), fc.integer({ min: 0, max: 0xff }), 2),
  contextFlags: often(fc.constant(0x1c), fc.integer({ min: 0, max: 0x7f })),
  entryTrouble: often(fc.constant(-1), fc.integer({ min: 0, max: 511 }), 20),
  input,
  output,
  request,
});

/** Flags of a plan in the entry's own places: rights in the low bits, A, D, EA and SNP above. */
function valueOf(entry: EntryPlan, address: bigint, isFirst: boolean, isLeaf: boolean): bigint {
  const usual = isFirst ? 0x7n : 0x3n;
  const optional = isFirst ? 0x460n : isLeaf ? 0xb00n : 0x300n;
  const flags = entry.flags === 0xfff ? usual : BigInt(entry.flags) & (usual | optional);
  const target = {
    none: address,
    absent: address,
    reserved: address,
    hole: BigInt(HOLE),
    rom: BigInt(ROM_BASE),
    beyond: address | (1n << 47n),
  }[entry.trouble];
  const value = target | flags | (isFirst ? 1n : 0n);
  if (entry.trouble === 'absent') {
    return value & ~(isFirst ? 1n : 3n);
  }
  return entry.trouble === 'reserved' ? value | (1n << BigInt(entry.reservedBit)) : value;
}

class World {
  readonly bench: IommuBench;
  readonly tables: IommuTables;

  constructor(p: Plan, options: { readonly fs5: boolean; readonly caches?: IommuCacheConfig }) {
    const flags = { FS5LP: options.fs5, PTRS: true };
    this.bench = new IommuBench({
      profile: profileWith(flags),
      rom: ROM,
      ...(options.caches === undefined ? {} : { caches: options.caches }),
    });
    this.tables = new IommuTables(this.bench.memory, 0x10_0000);
    const directory = this.tables.page();
    const first = this.tables.page();
    const second = this.tables.page();
    this.#mapSecond(p, second, p.pgtt === 3 ? GUEST_OUTPUT(p) : p.input);
    this.#mapFirst(p, first);
    if (p.pgtt === 3) {
      this.#mapTables(p, second);
    }
    this.#structures(p, directory, first, second);
    this.bench.setRoot(this.tables.root, TTM.scalable);
    this.bench.command('TE');
  }

  #levels(aw: number): number {
    return aw === 1 ? 3 : aw === 3 ? 5 : 4;
  }

  #map(
    top: number,
    levels: number,
    address: bigint,
    target: bigint,
    lastLevel: number,
    plans: readonly EntryPlan[],
    isFirst: boolean,
  ): void {
    let at = top;
    for (let level = levels; ; level--) {
      const index = Number((address >> BigInt(12 + (level - 1) * 9)) & 511n);
      const isLeaf = level === lastLevel;
      const entryAt = at + index * 8;
      const present = this.bench.memory.read64(entryAt) & ADDRESS;
      const next = isLeaf
        ? (target & ~((1n << BigInt(12 + (level - 1) * 9)) - 1n)) | (level > 1 ? 0x80n : 0n)
        : present !== 0n && !isFirst
          ? present
          : BigInt(this.tables.page());
      this.bench.memory.write64(
        entryAt,
        valueOf(plans[level - 1] as EntryPlan, next, isFirst, isLeaf),
      );
      if (isLeaf) {
        return;
      }
      at = Number(next & ADDRESS);
    }
  }

  #mapSecond(p: Plan, top: number, address: bigint): void {
    this.#map(top, this.#levels(p.aw), address, p.output, p.secondLeaf, p.second, false);
  }

  #mapFirst(p: Plan, top: number): void {
    const levels = p.fspm === 1 ? 5 : 4;
    const target = p.pgtt === 3 ? GUEST_OUTPUT(p) : p.output;
    this.#map(top, levels, p.input, target, p.firstLeaf, p.first, true);
  }

  /** Nested: first-stage tables have guest addresses equal to their host addresses; the second stage maps those pages. */
  #mapTables(p: Plan, top: number): void {
    const good: EntryPlan = { flags: 0xfff, trouble: 'none', reservedBit: 7 };
    for (let page = 0x10_0000; page < 0x11_0000; page += 4096) {
      const plans = [p.tables, good, good, good, good];
      this.#map(top, this.#levels(p.aw), BigInt(page), BigInt(page), 1, plans, false);
    }
  }

  #structures(p: Plan, directory: number, first: number, second: number): void {
    const contextAt = this.tables.setContext(RID, {
      PASIDDIRPTR: BigInt(directory),
      RID_PASID,
      RID_PRIV: (p.entryFlags >> 6) & 1,
    });
    this.tables.patch(contextAt, BigInt(p.contextFlags & 0x7e));
    for (const pasid of [PASID, RID_PASID]) {
      const at = this.tables.setPasidEntry(directory, pasid, {
        PGTT: p.pgtt,
        AW: p.aw,
        SSPTPTR: BigInt(second),
        FSPTPTR: BigInt(first),
        FSPM: p.fspm,
        DID: 3,
        SRE: p.entryFlags & 1,
        WPE: (p.entryFlags >> 1) & 1,
        EAFE: (p.entryFlags >> 2) & 1,
        SSADE: (p.entryFlags >> 3) & 1,
        PWSNP: (p.entryFlags >> 4) & 1,
        PGSNP: (p.entryFlags >> 5) & 1,
        FPD: (p.entryFlags >> 7) & 1,
      });
      if (p.entryTrouble >= 0) {
        const wordAt = at + (p.entryTrouble >>> 6) * 8;
        this.tables.patch(wordAt, 1n << BigInt(p.entryTrouble & 63));
      }
    }
  }

  hash(): string {
    const hash = new StateHash();
    this.bench.memory.hashInto(hash);
    return hash.digest();
  }
}

/** Nested: an address within every width, apart from the tables. */
function GUEST_OUTPUT(p: Plan): bigint {
  return 0x10_0000_0000n | (p.output & 0x3fff_f000n);
}

/** A ROM full of entries that grant everything and whose flags are not set. */
const ROM = (() => {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 512; i++) {
    view.setBigUint64(i * 8, BigInt(HIGH_RAM_BASE) + BigInt(i * 4096) + 7n, true);
  }
  return bytes;
})();

function compare(p: Plan, fs5: boolean, caches?: IommuCacheConfig): void {
  const ours = new World(p, { fs5, ...(caches === undefined ? {} : { caches }) });
  const theirs = new World(p, { fs5 });
  const { capability } = ours.bench.unit.limits;
  const naive = new NaiveWalker(theirs.bench.memory, capability, theirs.tables.root);
  const request: NaiveRequest = {
    ...p.request,
    rid: RID,
    address: p.input,
    kind: p.request.isTranslation ? 'read' : p.request.kind,
  };
  const expected = naive.translate(request);
  const again = {
    rid: RID,
    pasid: request.pasid,
    address: request.address,
    kind: ACCESS[request.kind],
    bytes: request.isZeroLength && request.kind === 'read' ? 0 : 8,
    addressType: request.isTranslation
      ? ADDRESS_TYPE.translationRequest
      : ADDRESS_TYPE.untranslated,
    isPrivileged: request.isPrivileged,
    isNoWrite: request.isNoWrite,
  };
  const { answer } = ours.bench.request(again);
  expect(answer.reason).toBe(expected.reason);
  if (expected.reason !== 0) {
    const isRecorded = ours.bench.records().length === 1;
    expect(isRecorded).toBe(answer.isRecorded);
    if (!request.isTranslation) {
      const isQualified = ![0x29, 0x38, 0x39, 0x3a, 0x40, 0x50, 0x58].includes(expected.reason);
      expect(isRecorded).toBe(!(isQualified && expected.isSilent));
    }
    return;
  }
  expect({
    hpa: bigOf(answer.high, answer.low),
    shift: answer.pageShift,
    canRead: answer.canRead,
    canWrite: answer.canWrite,
    isSnooped: answer.isSnooped,
  }).toEqual({
    hpa: expected.hpa,
    shift: expected.shift,
    canRead: expected.canRead,
    canWrite: expected.canWrite,
    isSnooped: expected.isSnooped,
  });
  expect(ours.bench.records()).toEqual([]);
  expect(ours.hash()).toBe(theirs.hash());
  // What is cached by now answers alike.
  const second = ours.bench.request(again).answer;
  const comparable = (a: IommuAnswer): IommuAnswer => ({
    ...a,
    low: a.low >>> 0,
    isIotlbHit: false,
  });
  expect(comparable(second)).toEqual(comparable(answer));
}

/** Requests without PASID into the interrupt range have rules of their own, and reads of no length pass there. */
function isSpecial(p: Plan): boolean {
  return p.request.pasid < 0 && p.input >> 20n === 0xfeen;
}

describe('translation', () => {
  it.each([
    ['five levels, no caches', true, undefined],
    ['four levels, no caches', false, undefined],
    ['five levels, with caches', true, DEFAULT_IOMMU_CACHES],
  ] as const)('agrees with a walker written from the text: %s', PATIENT, (_name, fs5, caches) => {
    fc.assert(
      fc.property(
        plan.filter((p) => !isSpecial(p)),
        (p) => compare(p, fs5, caches),
      ),
      { ...propertyOptions(), numRuns: propertyOptions().numRuns * 16 },
    );
  });

  it('is compared on requests that pass as well as on many faults', PATIENT, () => {
    const seen = new Map<number, number>();
    for (const p of fc.sample(plan, { seed: 7, numRuns: 300 })) {
      const world = new World(p, { fs5: true });
      const walker = new NaiveWalker(
        world.bench.memory,
        world.bench.unit.limits.capability,
        world.tables.root,
      );
      const { reason } = walker.translate({
        ...p.request,
        rid: RID,
        address: p.input,
        kind: p.request.isTranslation ? 'read' : p.request.kind,
      });
      seen.set(reason, (seen.get(reason) ?? 0) + 1);
    }
    expect(seen.get(0) ?? 0).toBeGreaterThan(60);
    expect(seen.size).toBeGreaterThan(15);
  });
});
