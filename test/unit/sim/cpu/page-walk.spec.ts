import { describe, expect, it } from 'vitest';
import { PageFaultErrorCode } from '../../../../src-main/spec/cpu/exception.ts';
import {
  PAGE_ENTRY_MARKED,
  PAGE_FAULTED,
  PAGE_FAULT_CAUSE,
} from '../../../../src-main/spec/events/cpu.ts';
import { highOfBig, lowOfBig } from '../../../../src-main/bits/u64.ts';
import { MSR_INDEX } from '../../../../src-main/spec/cpu/msr.ts';
import {
  PageWalker,
  isCanonical,
  type PageAccess,
  type PageWalk,
  type PagingContext,
} from '../../../../src-main/sim/cpu/page-walk.ts';
import { Trace } from '../../../../src-main/sim/core/trace.ts';
import { createCpuBench, createMemory } from '../../../support/cpu-bench.ts';
import { lastOf, recordsOf } from '../../../support/trace-records.ts';

const P = 1n;
const RW = 2n;
const US = 4n;
const A = 0x20n;
const D = 0x40n;
const PS = 0x80n;
const XD = 1n << 63n;
const USER = P | RW | US;

const TABLES = { top: 0x1000, l4: 0x2000, l3: 0x3000, l2: 0x4000, l1: 0x5000 } as const;
const PAGE = 0x80_0000n;
const CONTEXT: PagingContext = {
  cr3: TABLES.l4,
  levels: 4,
  isWriteProtected: true,
  isExecuteDisableEnabled: true,
};

function createBench() {
  const memory = createMemory();
  const trace = new Trace({ mode: 'store' });
  const walker = new PageWalker(memory, 46, trace, 'cpu0');
  const walk = (
    address: bigint,
    access: PageAccess = 'read',
    isUser = true,
    context: Partial<PagingContext> = {},
  ): PageWalk =>
    walker.walk({ ...CONTEXT, ...context }, highOfBig(address), lowOfBig(address), access, isUser);
  return { memory, trace, walk };
}

type Bench = ReturnType<typeof createBench>;

function indexOf(address: bigint, level: bigint): number {
  return Number((address >> (12n + 9n * (level - 1n))) & 511n);
}

/** Four levels of present entries to `PAGE`, each with its own flags. */
function map4K(bench: Bench, address: bigint, flags: readonly bigint[] = [USER, USER, USER, USER]) {
  const tables = [TABLES.l4, TABLES.l3, TABLES.l2, TABLES.l1];
  const targets = [TABLES.l3, TABLES.l2, TABLES.l1].map(BigInt);
  return tables.map((table, i) => {
    const at = table + indexOf(address, BigInt(4 - i)) * 8;
    bench.memory.write64(at, (targets[i] ?? PAGE) | flags[i]!);
    return at;
  });
}

function physical(walk: PageWalk): number {
  return walk.high * 2 ** 32 + walk.low;
}

const ADDRESS = 0x0000_7f12_3456_7abcn;

describe('translation', () => {
  it('walks four levels and keeps the page offset', () => {
    const bench = createBench();
    const entries = map4K(bench, ADDRESS);
    const walk = bench.walk(ADDRESS);
    expect(walk).toMatchObject({ outcome: 'mapped', pageShift: 12, steps: 4, isWritable: true });
    expect(physical(walk)).toBe(Number(PAGE) + 0xabc);
    expect([...walk.entryAddresses].slice(0, 4)).toEqual(entries);
  });

  it('walks five levels with LA57', () => {
    const bench = createBench();
    const address = 0x0012_7f12_3456_7abcn;
    map4K(bench, address);
    bench.memory.write64(TABLES.top + indexOf(address, 5n) * 8, BigInt(TABLES.l4) | USER);
    expect(bench.walk(address).outcome).toBe('not-canonical');
    const walk = bench.walk(address, 'read', true, { cr3: TABLES.top, levels: 5 });
    expect(walk).toMatchObject({ outcome: 'mapped', steps: 5 });
    expect(physical(walk)).toBe(Number(PAGE) + 0xabc);
  });

  it('ends at 2 MB and 1 GB leaves', () => {
    const bench = createBench();
    const entries = map4K(bench, ADDRESS);
    bench.memory.write64(entries[2]!, 0x1_2340_0000n | USER | PS);
    const large = bench.walk(ADDRESS);
    expect(large).toMatchObject({ outcome: 'mapped', pageShift: 21, steps: 3 });
    expect(physical(large)).toBe(0x1_2340_0000 + Number(ADDRESS & 0x1f_ffffn));
    bench.memory.write64(entries[1]!, 0x2_4000_0000n | USER | PS);
    const huge = bench.walk(ADDRESS);
    expect(huge).toMatchObject({ outcome: 'mapped', pageShift: 30, steps: 2 });
    expect(physical(huge)).toBe(0x2_4000_0000 + Number(ADDRESS & 0x3fff_ffffn));
  });

  it('ignores the low twelve bits of CR3', () => {
    const bench = createBench();
    map4K(bench, ADDRESS);
    expect(bench.walk(ADDRESS, 'read', true, { cr3: TABLES.l4 + 0x18 }).outcome).toBe('mapped');
  });

  it('takes negative canonical addresses and no others', () => {
    const bench = createBench();
    const address = 0xffff_ff12_3456_7abcn;
    map4K(bench, address);
    expect(bench.walk(address).outcome).toBe('mapped');
    expect(bench.walk(0x0000_8000_0000_0000n).outcome).toBe('not-canonical');
    expect(isCanonical(0xffff_8000, 4)).toBe(true);
    expect(isCanonical(0xffff_7fff, 4)).toBe(false);
    expect(isCanonical(0x00ff_ffff, 5)).toBe(true);
    expect(isCanonical(0x0100_0000, 5)).toBe(false);
    expect(isCanonical(0xff00_0000, 5)).toBe(true);
  });
});

/** Error code bits by name. */
function code(fields: { P?: 1; WR?: 1; US?: 1; RSVD?: 1; ID?: 1 }): number {
  return PageFaultErrorCode.encode(fields)[0]!;
}

describe('page faults', () => {
  it.each([0, 1, 2, 3])('a missing entry at step %i', (step) => {
    const bench = createBench();
    const entries = map4K(bench, ADDRESS);
    bench.memory.write64(entries[step]!, USER & ~P);
    const walk = bench.walk(ADDRESS, 'write');
    expect(walk).toMatchObject({
      outcome: 'page-fault',
      cause: PAGE_FAULT_CAUSE.notPresent,
      steps: step + 1,
      errorCode: code({ WR: 1, US: 1 }),
    });
    expect(lastOf(bench.trace, PAGE_FAULTED).values).toEqual({
      address: ADDRESS,
      errorCode: code({ WR: 1, US: 1 }),
      cause: PAGE_FAULT_CAUSE.notPresent,
      level: 4 - step,
      entry: BigInt(entries[step]!),
    });
  });

  it.each([
    ['bit 46 of a PML4E', 0, 1n << 46n],
    ['bit 51 of a PTE', 3, 1n << 51n],
    ['PS of a PML4E', 0, PS],
    ['address bits of a 2 MB page', 2, PS | (1n << 13n)],
    ['address bits of a 1 GB page', 1, PS | (1n << 29n)],
  ])('a reserved bit: %s', (_name, step, bits) => {
    const bench = createBench();
    const entries = map4K(bench, ADDRESS);
    bench.memory.write64(entries[step]!, USER | bits);
    expect(bench.walk(ADDRESS, 'read', false)).toMatchObject({
      outcome: 'page-fault',
      cause: PAGE_FAULT_CAUSE.reservedBit,
      errorCode: code({ P: 1, RSVD: 1 }),
    });
  });

  it('XD is reserved while NXE is off', () => {
    const bench = createBench();
    map4K(bench, ADDRESS, [USER, USER, USER, USER | XD]);
    expect(bench.walk(ADDRESS, 'read').outcome).toBe('mapped');
    expect(bench.walk(ADDRESS, 'read', true, { isExecuteDisableEnabled: false })).toMatchObject({
      outcome: 'page-fault',
      cause: PAGE_FAULT_CAUSE.reservedBit,
    });
  });

  it('fetching all ones, where there is no memory, is a reserved-bit fault', () => {
    const bench = createBench();
    expect(bench.walk(ADDRESS, 'read', true, { cr3: 0x4000_0000 })).toMatchObject({
      outcome: 'page-fault',
      cause: PAGE_FAULT_CAUSE.reservedBit,
    });
  });

  it.each([0, 1, 2, 3])('the user right counts in every entry (step %i)', (step) => {
    const bench = createBench();
    const flags = [USER, USER, USER, USER];
    flags[step] = P | RW;
    map4K(bench, ADDRESS, flags);
    expect(bench.walk(ADDRESS, 'read', true)).toMatchObject({
      outcome: 'page-fault',
      cause: PAGE_FAULT_CAUSE.userRight,
      errorCode: code({ P: 1, US: 1 }),
    });
    expect(bench.walk(ADDRESS, 'write', false)).toMatchObject({ outcome: 'mapped', isUser: false });
  });

  it.each([0, 1, 2, 3])('the write right counts in every entry (step %i)', (step) => {
    const bench = createBench();
    const flags = [USER, USER, USER, USER];
    flags[step] = P | US;
    map4K(bench, ADDRESS, flags);
    expect(bench.walk(ADDRESS, 'write', true)).toMatchObject({
      outcome: 'page-fault',
      cause: PAGE_FAULT_CAUSE.writeRight,
      errorCode: code({ P: 1, WR: 1, US: 1 }),
    });
    expect(bench.walk(ADDRESS, 'write', false).outcome).toBe('page-fault');
    expect(bench.walk(ADDRESS, 'write', false, { isWriteProtected: false }).outcome).toBe('mapped');
    // CR0.WP does not help user code.
    expect(bench.walk(ADDRESS, 'write', true, { isWriteProtected: false }).outcome).toBe(
      'page-fault',
    );
    expect(bench.walk(ADDRESS, 'read', true)).toMatchObject({
      outcome: 'mapped',
      isWritable: false,
    });
  });

  it('instruction fetches need XD=0 in every entry', () => {
    const bench = createBench();
    map4K(bench, ADDRESS, [USER, USER | XD, USER, USER]);
    expect(bench.walk(ADDRESS, 'execute')).toMatchObject({
      outcome: 'page-fault',
      cause: PAGE_FAULT_CAUSE.executeRight,
      errorCode: code({ P: 1, US: 1, ID: 1 }),
    });
    expect(bench.walk(ADDRESS, 'write').outcome).toBe('mapped');
  });
});

describe('accessed and dirty', () => {
  const flagsAt = (bench: Bench, entries: readonly number[]) =>
    entries.map((at) => bench.memory.read64(at) & (A | D));

  it('a read sets A on the whole path and D nowhere', () => {
    const bench = createBench();
    const entries = map4K(bench, ADDRESS);
    bench.walk(ADDRESS);
    expect(flagsAt(bench, entries)).toEqual([A, A, A, A]);
    const before = recordsOf(bench.trace).length;
    bench.walk(ADDRESS);
    expect(recordsOf(bench.trace)).toHaveLength(before);
  });

  it('a write also sets D in the leaf', () => {
    const bench = createBench();
    const entries = map4K(bench, ADDRESS);
    bench.walk(ADDRESS);
    bench.walk(ADDRESS, 'write');
    expect(flagsAt(bench, entries)).toEqual([A, A, A, A | D]);
    expect(lastOf(bench.trace, PAGE_ENTRY_MARKED).values).toEqual({
      entry: BigInt(entries[3]!),
      level: 1,
      isDirty: 1,
    });
  });

  it('a fault sets nothing', () => {
    const bench = createBench();
    const entries = map4K(bench, ADDRESS, [USER, USER, USER, P | US]);
    bench.walk(ADDRESS, 'write');
    expect(flagsAt(bench, entries)).toEqual([0n, 0n, 0n, 0n]);
  });
});

describe('through a CPU', () => {
  it('uses its CR3, its privilege level and IA32_EFER.NXE, and restores them', () => {
    const { complex, memory, trace } = createCpuBench();
    const cpu = complex.cpu(0);
    const bench = { memory, trace, walk: createBench().walk };
    map4K(bench, ADDRESS, [USER, USER, USER, P | RW | XD]);
    cpu.setPaging({ cr3: TABLES.l4 });
    const translate = () => cpu.translate(highOfBig(ADDRESS), lowOfBig(ADDRESS), 'read').outcome;
    expect(translate()).toBe('mapped');
    const state = structuredClone(complex.snapshot());
    cpu.setPrivilegeLevel(3);
    expect(translate()).toBe('page-fault');
    cpu.setPrivilegeLevel(0);
    cpu.writeMsr(MSR_INDEX.IA32_EFER, 0x501n);
    expect(translate()).toBe('page-fault');
    complex.restore(state);
    expect(translate()).toBe('mapped');
  });
});
