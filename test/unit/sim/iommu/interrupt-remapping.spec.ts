import { describe, expect, it } from 'vitest';
import { COMPLETION } from '../../../../src-main/sim/pcie/ports.ts';
import {
  INTERRUPT_BLOCKED,
  INTERRUPT_ENTRY_FETCHED,
  INTERRUPT_PASSED,
  INTERRUPT_REMAPPED,
  INTERRUPT_REQUESTED,
} from '../../../../src-main/spec/events/interrupt.ts';
import {
  InterruptBench,
  SID,
  TABLE,
  postedEntry,
  remappedEntry,
  withBit,
  xapicEntry,
  type InterruptBenchOptions,
} from '../../../support/interrupt-bench.ts';
import { ROM_BASE } from '../../../support/cpu-bench.ts';
import { fromQwords } from '../../../support/qwords.ts';
import { kindsOf, lastOf, recordsOf } from '../../../support/trace-records.ts';

const UR = COMPLETION.unsupportedRequest;
const OK = COMPLETION.success;

describe('published vectors', () => {
  it('IRTE with vector 41h for x2APIC id 3 gives address FEE0_3000h and data 4041h', () => {
    const bench = new InterruptBench();
    const words = fromQwords('0000000300410001 0000000000040318');
    expect(words).toEqual(remappedEntry());
    bench.setEntry(5, words);
    expect(bench.request(5)).toBe(OK);
    expect(bench.delivered).toEqual([{ address: 0xfee0_3000n, data: 0x4041 }]);
  });

  it('the same for xAPIC id 3 with EIME=0', () => {
    const bench = new InterruptBench({ isExtended: false });
    const words = fromQwords('0000030000410001 0000000000040318');
    expect(words).toEqual(xapicEntry());
    bench.setEntry(5, words);
    expect(bench.request(5)).toBe(OK);
    expect(bench.delivered).toEqual([{ address: 0xfee0_3000n, data: 0x4041 }]);
  });

  it.each([
    ['fee000b8', 0, 5],
    ['fee000bc', 0, 0x8005],
    ['fee000b0', 0xffff_ffff, 5],
  ])('MSI address %s with data %i selects entry %i', (address, data, index) => {
    const bench = new InterruptBench();
    bench.setEntry(index, remappedEntry());
    expect(bench.remapping.remap(SID, 0, Number.parseInt(address, 16), data)).toBe(OK);
    expect(lastOf(bench.trace, INTERRUPT_REMAPPED).values).toMatchObject({ index });
  });
});

describe('delivered message', () => {
  it('carries the fields of the entry, not those of the request', () => {
    const bench = new InterruptBench();
    bench.setEntry(
      1,
      remappedEntry({ V: 0xd3, DST: 0x1234_5678, DM: 1, RH: 1, TM: 1, DLM: 1, SVT: 0 }),
    );
    expect(bench.request(0, 1, 0x4711)).toBe(OK);
    expect(bench.delivered).toEqual([
      { address: 0x1234_5600_fee7_800cn, data: 0xd3 | (1 << 8) | (1 << 14) | (1 << 15) },
    ]);
  });

  it('xAPIC destinations are bits 47:40 of the entry', () => {
    const bench = new InterruptBench({ isExtended: false });
    bench.setEntry(1, xapicEntry({ DST: 0xab }));
    bench.request(1);
    expect(bench.delivered).toEqual([{ address: 0xfeea_b000n, data: 0x4041 }]);
  });

  it('ignores the bits left to software', () => {
    const bench = new InterruptBench();
    bench.setEntry(
      1,
      [8, 9, 10, 11].reduce((words, bit) => withBit(words, bit), remappedEntry()),
    );
    expect(bench.request(1)).toBe(OK);
  });
});

describe('index', () => {
  it('is handle plus subhandle', () => {
    const bench = new InterruptBench();
    bench.setEntry(0x17, remappedEntry());
    expect(bench.request(0x10, 7)).toBe(OK);
  });

  it('is computed in more than 16 bits: a sum does not wrap to entry 0', () => {
    const bench = new InterruptBench();
    bench.setEntry(0, remappedEntry());
    expect(bench.request(0xffff, 1)).toBe(UR);
    expect(bench.faults).toMatchObject([{ reason: 0x21, high: 0 }]);
    expect(lastOf(bench.trace, INTERRUPT_BLOCKED).values).toMatchObject({ index: 0x1_0000 });
  });

  it.each([0, 3, 7, 15])('must be below 2^(S+1) with S=%i', (size) => {
    const bench = new InterruptBench({ size });
    const last = 2 ** (size + 1) - 1;
    bench.setEntry(last, remappedEntry());
    expect(bench.request(last)).toBe(OK);
    expect(bench.request(last, 1)).toBe(UR);
    expect(bench.faults.map((f) => f.reason)).toEqual([0x21]);
  });
});

describe('formats and modes', () => {
  const compatibility = 0xfee0_1000;

  it('everything passes while remapping is disabled', () => {
    const bench = new InterruptBench({ isEnabled: false });
    expect(bench.remapping.remap(SID, 0, compatibility, 0x31)).toBe(OK);
    expect(bench.remapping.remap(SID, 0, 0xfee0_0030, 0x31)).toBe(OK);
    expect(bench.delivered).toEqual([
      { address: BigInt(compatibility), data: 0x31 },
      { address: 0xfee0_0030n, data: 0x31 },
    ]);
    expect(kindsOf(bench.trace)).not.toContain(INTERRUPT_ENTRY_FETCHED.kind);
  });

  it('compatibility format passes with CFIS=1 and EIME=0, unchanged', () => {
    const bench = new InterruptBench({ isExtended: false, isCompatibilityPassed: true });
    expect(bench.remapping.remap(SID, 0, compatibility, 0x31)).toBe(OK);
    expect(bench.delivered).toEqual([{ address: BigInt(compatibility), data: 0x31 }]);
    expect(lastOf(bench.trace, INTERRUPT_PASSED).values).toMatchObject({ rid: SID, data: 0x31 });
  });

  it.each<[string, InterruptBenchOptions]>([
    ['CFIS=0', { isExtended: false }],
    ['EIME=1', { isExtended: true, isCompatibilityPassed: true }],
  ])('compatibility format is blocked with %s', (_name, options) => {
    const bench = new InterruptBench(options);
    expect(bench.remapping.remap(SID, 0, compatibility, 0x31)).toBe(UR);
    expect(bench.faults).toMatchObject([{ reason: 0x25, rid: SID, high: 0, low: 0 }]);
    expect(bench.delivered).toEqual([]);
  });
});

interface FaultCase {
  readonly name: string;
  readonly reason: number;
  readonly options?: InterruptBenchOptions;
  /** Entry 5, none for zeros. */
  readonly entry?: Uint32Array;
  /** FPD of the entry silences the record. */
  readonly isQualified?: boolean;
  readonly send?: (bench: InterruptBench) => number;
  /** The record has no index. */
  readonly hasNoIndex?: boolean;
}

const FAULTS: readonly FaultCase[] = [
  {
    name: 'data bits 31:16 with SHV=1',
    reason: 0x20,
    entry: remappedEntry(),
    hasNoIndex: true,
    send: (bench) => bench.remapping.remap(SID, 0, 0xfee0_00b8, 0x1_0000),
  },
  {
    name: 'an entry above the host address width',
    reason: 0x21,
    options: { table: 2 ** 46 },
  },
  {
    name: 'a table whose end is above the host address width',
    reason: 0x21,
    options: { table: 2 ** 46 - 4096 },
    send: (bench) => bench.request(256),
  },
  { name: 'P=0', reason: 0x22, isQualified: true, entry: remappedEntry({ P: 0 }) },
  { name: 'no memory behind the table', reason: 0x23, options: { table: 0x4000_0000 } },
  ...[12, 13, 14, 24, 31, 84, 95, 96, 127].map((bit) => ({
    name: `reserved bit ${bit}`,
    reason: 0x24,
    isQualified: true,
    entry: withBit(remappedEntry(), bit),
  })),
  ...[32, 39, 48, 63].map((bit) => ({
    name: `destination bit ${bit} with EIME=0`,
    reason: 0x24,
    isQualified: true,
    options: { isExtended: false },
    entry: withBit(xapicEntry(), bit),
  })),
  ...[3, 6].map((DLM) => ({
    name: `reserved delivery mode ${DLM}`,
    reason: 0x24,
    isQualified: true,
    entry: remappedEntry({ DLM }),
  })),
  { name: 'SVT=11b', reason: 0x24, isQualified: true, entry: remappedEntry({ SVT: 3 }) },
  {
    name: 'a posted entry without CAP_REG.PI',
    reason: 0x24,
    isQualified: true,
    options: { flags: { PI: false } },
    entry: postedEntry(),
  },
  ...[2, 7, 12, 13, 24, 37, 84].map((bit) => ({
    name: `reserved bit ${bit} of a posted entry`,
    reason: 0x24,
    isQualified: true,
    entry: withBit(postedEntry(), bit),
  })),
  {
    name: 'a descriptor above the host address width',
    reason: 0x24,
    isQualified: true,
    entry: withBit(postedEntry(), 96 + 14),
  },
  {
    name: 'compatibility format',
    reason: 0x25,
    hasNoIndex: true,
    send: (bench) => bench.remapping.remap(SID, 0, 0xfee0_1000, 0x31),
  },
  {
    name: 'another requester',
    reason: 0x26,
    isQualified: true,
    entry: remappedEntry({ SID: 0x0319 }),
  },
  {
    name: 'no memory behind the descriptor',
    reason: 0x27,
    isQualified: true,
    entry: postedEntry({ PDA: 0x4000_0000n }),
  },
  {
    name: 'a descriptor in ROM',
    reason: 0x27,
    isQualified: true,
    entry: postedEntry({ PDA: BigInt(ROM_BASE) }),
  },
  {
    name: 'EIME=0 where 32-bit destinations are required',
    reason: 0x2a,
    options: { isExtended: false, flags: { EIMER: true } },
    hasNoIndex: true,
  },
  {
    name: 'remapping disabled where it is required',
    reason: 0x2b,
    options: { isEnabled: false, flags: { IRREQ: true } },
    hasNoIndex: true,
  },
];

describe('faults', () => {
  it.each(FAULTS)('$reason: $name', ({ reason, options, entry, send, hasNoIndex }) => {
    const bench = new InterruptBench(options);
    if (entry !== undefined) {
      bench.setEntry(5, entry);
    }
    const status = send?.(bench) ?? bench.request(5);
    expect(status).toBe(UR);
    expect(bench.delivered).toEqual([]);
    expect(bench.faults).toHaveLength(1);
    const [fault] = bench.faults;
    expect(fault).toMatchObject({ reason, rid: SID, pasid: -1, low: 0, kind: 'interrupt' });
    if (send === undefined) {
      expect(fault?.high).toBe(hasNoIndex === true ? 0 : 5 * 2 ** 16);
    }
    expect(lastOf(bench.trace, INTERRUPT_BLOCKED).values).toMatchObject({ reason, isRecorded: 1 });
    expect(bench.remapping.counters).toMatchObject({ requests: 1, blocked: 1, remapped: 0 });
  });

  const withEntry = FAULTS.filter((f) => f.entry !== undefined && f.send === undefined);
  it.each(withEntry)('$reason: FPD=1 silences it if qualified ($name)', (fault) => {
    const bench = new InterruptBench(fault.options);
    bench.setEntry(5, withBit(fault.entry!, 1));
    expect(bench.request(5)).toBe(UR);
    expect(bench.faults).toHaveLength(fault.isQualified === true ? 0 : 1);
    expect(lastOf(bench.trace, INTERRUPT_BLOCKED).values).toMatchObject({
      isRecorded: fault.isQualified === true ? 0 : 1,
    });
  });

  it('22h of interrupt index 20h reports the index in bits 63:48', () => {
    const bench = new InterruptBench();
    bench.request(0x20);
    expect(bench.faults).toMatchObject([{ reason: 0x22, rid: SID, high: 0x0020_0000, low: 0 }]);
  });

  it('28h: reserved bits of the descriptor, and nothing is changed', () => {
    for (const bit of [258, 271, 280, 287, 320, 511]) {
      const bench = new InterruptBench();
      bench.setEntry(5, postedEntry());
      const words = withBit(new Uint32Array(16), bit);
      bench.memory.writeWords(0x30_0040, words);
      expect(bench.request(5), `bit ${bit}`).toBe(UR);
      expect(bench.faults).toMatchObject([{ reason: 0x28, high: 5 * 2 ** 16 }]);
      const after = new Uint32Array(16);
      bench.memory.readWords(0x30_0040, after);
      expect(after).toEqual(words);
    }
  });
});

describe('order of checks', () => {
  it('source before reserved bits: 26h, not 24h', () => {
    const bench = new InterruptBench();
    bench.setEntry(5, withBit(remappedEntry({ SID: 0x0400 }), 12));
    bench.request(5);
    expect(bench.faults.map((f) => f.reason)).toEqual([0x26]);
  });

  it('presence before source: 22h, not 26h', () => {
    const bench = new InterruptBench();
    bench.setEntry(5, remappedEntry({ P: 0, SID: 0x0400 }));
    bench.request(5);
    expect(bench.faults.map((f) => f.reason)).toEqual([0x22]);
  });

  it('reserved request bits before the index: 20h, not 21h', () => {
    const bench = new InterruptBench({ size: 0 });
    bench.remapping.remap(SID, 0, 0xfee0_00b8, 0x1_0000);
    expect(bench.faults.map((f) => f.reason)).toEqual([0x20]);
  });

  it('the required extended mode before the format: 2Ah, not 25h', () => {
    const bench = new InterruptBench({ isExtended: false, flags: { EIMER: true } });
    bench.remapping.remap(SID, 0, 0xfee0_1000, 0x31);
    expect(bench.faults.map((f) => f.reason)).toEqual([0x2a]);
  });
});

describe('source validation', () => {
  const request = (values: Parameters<typeof remappedEntry>[0], rid: number): number => {
    const bench = new InterruptBench();
    bench.setEntry(5, remappedEntry(values));
    return bench.request(5, undefined, rid);
  };

  it('SVT=00b takes anybody', () => {
    expect(request({ SVT: 0, SID: 0 }, 0xffff)).toBe(OK);
  });

  it.each([
    [0, [0x0318]],
    [1, [0x0318, 0x031c]],
    [2, [0x0318, 0x031a, 0x031c, 0x031e]],
    [3, [0x0318, 0x0319, 0x031a, 0x031b, 0x031c, 0x031d, 0x031e, 0x031f]],
  ])('SQ=%i leaves function bits out', (SQ, allowed) => {
    for (let rid = 0x0310; rid < 0x0328; rid++) {
      const expected = allowed.includes(rid) ? OK : UR;
      expect(request({ SQ }, rid), rid.toString(16)).toBe(expected);
    }
    expect(request({ SQ }, 0x0418)).toBe(UR);
  });

  it('SVT=10b compares the bus with first and last, both included', () => {
    const range = { SVT: 2, SID: 0x1015 };
    expect(request(range, 0x0fff)).toBe(UR);
    expect(request(range, 0x1000)).toBe(OK);
    expect(request(range, 0x15ff)).toBe(OK);
    expect(request(range, 0x1600)).toBe(UR);
  });

  it('an empty bus range blocks everybody', () => {
    expect(request({ SVT: 2, SID: 0x1510 }, 0x1200)).toBe(UR);
  });

  it('posted entries are checked too', () => {
    const bench = new InterruptBench();
    bench.setEntry(5, postedEntry());
    expect(bench.request(5, undefined, 0x0400)).toBe(UR);
    expect(bench.descriptor().PIR).toBe(0n);
  });
});

describe('table location', () => {
  it('works from ROM: entries are only read', () => {
    const bench = new InterruptBench({ table: ROM_BASE });
    bench.memory.loadRom(ROM_BASE, new Uint8Array(remappedEntry().buffer));
    expect(bench.request(0)).toBe(OK);
  });

  it('follows SIRTP at once when the cache is off', () => {
    const bench = new InterruptBench();
    bench.setEntry(1, remappedEntry());
    bench.setEntry(1, remappedEntry({ V: 0x99 }), TABLE + 0x1000);
    bench.request(1);
    bench.remapping.latchTable(0, TABLE + 0x1000, 15, true);
    bench.request(1);
    expect(bench.delivered.map((d) => d.data & 0xff)).toEqual([0x41, 0x99]);
  });
});

describe('story', () => {
  it('chains request, entry and delivery by cause', () => {
    const bench = new InterruptBench();
    bench.setEntry(5, remappedEntry());
    let causeAtSink = -2;
    bench.delivered.push = (...items) => {
      causeAtSink = bench.trace.cause;
      return items.length;
    };
    bench.request(5);
    const [request] = recordsOf(bench.trace).filter((r) => r.kind === INTERRUPT_REQUESTED.kind);
    const fetched = lastOf(bench.trace, INTERRUPT_ENTRY_FETCHED);
    const remapped = lastOf(bench.trace, INTERRUPT_REMAPPED);
    expect(fetched.cause).toBe(request?.seq);
    expect(remapped.cause).toBe(request?.seq);
    expect(causeAtSink).toBe(remapped.seq);
    expect(bench.trace.cause).toBe(-1);
    expect(fetched.values).toEqual({
      index: 5,
      address: BigInt(TABLE + 5 * 16),
      low: 0x0000_0003_0041_0001n,
      high: 0x0000_0000_0004_0318n,
    });
  });

  it('restores tables, modes, cache and counters', () => {
    const bench = new InterruptBench({ cacheEntries: 16 });
    bench.setEntry(5, remappedEntry());
    bench.setEntry(6, postedEntry());
    bench.request(5);
    bench.request(6);
    bench.request(7);
    const state = structuredClone(bench.remapping.snapshot());
    bench.remapping.latchTable(0, 0, 0, false);
    bench.remapping.setEnabled(false);
    bench.remapping.setCompatibilityFormat(true);
    bench.remapping.invalidateAll();
    bench.request(5);
    bench.remapping.restore(state);
    expect(bench.remapping.snapshot()).toEqual(state);
    expect(bench.remapping.counters).toEqual({
      requests: 3,
      remapped: 1,
      posted: 1,
      passed: 0,
      blocked: 1,
      notifications: 1,
    });
    bench.setEntry(5, new Uint32Array(4));
    expect(bench.request(5)).toBe(OK);
  });
});
