import { describe, expect, it } from 'vitest';
import { COMPLETION } from '../../../../src-main/sim/pcie/ports.ts';
import {
  INTERRUPT_ENTRIES_INVALIDATED,
  INTERRUPT_ENTRY_CACHED,
  INTERRUPT_ENTRY_FETCHED,
  INTERRUPT_ENTRY_HIT,
} from '../../../../src-main/spec/events/interrupt.ts';
import {
  InterruptBench,
  SID,
  postedEntry,
  remappedEntry,
} from '../../../support/interrupt-bench.ts';
import { kindsOf, lastOf } from '../../../support/trace-records.ts';

function vectors(bench: InterruptBench): readonly number[] {
  return bench.delivered.map((d) => d.data & 0xff);
}

describe('interrupt entry cache', () => {
  it('keeps remapping with the old entry until it is invalidated', () => {
    const bench = new InterruptBench({ cacheEntries: 16 });
    bench.setEntry(5, remappedEntry());
    bench.request(5);
    bench.setEntry(5, remappedEntry({ V: 0x99 }));
    bench.request(5);
    expect(bench.remapping.cachedEntries()).toMatchObject([{ index: 5, isStale: true }]);
    expect(bench.remapping.invalidateIndex(5, 0)).toBe(1);
    bench.request(5);
    expect(vectors(bench)).toEqual([0x41, 0x41, 0x99]);
    expect(bench.remapping.cacheCounters).toEqual({
      hits: 1,
      misses: 2,
      fills: 2,
      invalidated: 1,
    });
    expect(bench.remapping.cachedEntries()).toMatchObject([{ index: 5, isStale: false }]);
  });

  it('keeps a freed entry alive: P=0 in memory blocks nothing before the invalidation', () => {
    const bench = new InterruptBench({ cacheEntries: 16 });
    bench.setEntry(5, remappedEntry());
    bench.request(5);
    bench.setEntry(5, new Uint32Array(4));
    expect(bench.request(5)).toBe(COMPLETION.success);
    bench.remapping.invalidateAll();
    expect(bench.request(5)).toBe(COMPLETION.unsupportedRequest);
    expect(bench.faults.map((f) => f.reason)).toEqual([0x22]);
  });

  it('reads memory every time with capacity 0', () => {
    const bench = new InterruptBench({ cacheEntries: 0 });
    bench.setEntry(5, remappedEntry());
    bench.request(5);
    bench.setEntry(5, remappedEntry({ V: 0x99 }));
    bench.request(5);
    expect(vectors(bench)).toEqual([0x41, 0x99]);
    expect(kindsOf(bench.trace)).not.toContain(INTERRUPT_ENTRY_CACHED.kind);
    expect(bench.remapping.cachedEntries()).toEqual([]);
  });

  it('caches posted entries as well', () => {
    const bench = new InterruptBench({ cacheEntries: 16 });
    bench.setEntry(5, postedEntry());
    bench.request(5);
    bench.setEntry(5, new Uint32Array(4));
    bench.request(5);
    expect(bench.remapping.counters).toMatchObject({ posted: 2 });
    expect(lastOf(bench.trace, INTERRUPT_ENTRY_HIT).values).toEqual({ index: 5 });
  });

  it('never caches faulting entries', () => {
    const bench = new InterruptBench({ cacheEntries: 16 });
    bench.setEntry(4, remappedEntry({ P: 0 }));
    bench.setEntry(5, remappedEntry({ DLM: 3 }));
    bench.setEntry(6, remappedEntry({ SID: 0x0400 }));
    for (const index of [4, 5, 6]) {
      bench.request(index);
    }
    expect(bench.remapping.cachedEntries()).toEqual([]);
    bench.setEntry(4, remappedEntry());
    expect(bench.request(4)).toBe(COMPLETION.success);
  });

  it('checks the source on every hit', () => {
    const bench = new InterruptBench({ cacheEntries: 16 });
    bench.setEntry(5, remappedEntry());
    bench.request(5);
    expect(bench.request(5, undefined, SID + 1)).toBe(COMPLETION.unsupportedRequest);
    expect(bench.faults).toMatchObject([{ reason: 0x26, rid: SID + 1 }]);
    expect(kindsOf(bench.trace).filter((k) => k === INTERRUPT_ENTRY_FETCHED.kind)).toHaveLength(1);
  });

  it('checks the table size before it looks', () => {
    const bench = new InterruptBench({ cacheEntries: 16 });
    bench.setEntry(5, remappedEntry());
    bench.request(5);
    bench.remapping.latchTable(0, bench.remapping.table.low, 0, true);
    bench.request(5);
    expect(bench.faults.map((f) => f.reason)).toEqual([0x21]);
  });

  it.each([
    [0, [0x20]],
    [1, [0x20, 0x21]],
    [3, [0x20, 0x21, 0x24, 0x27]],
    [5, [0x20, 0x21, 0x24, 0x27, 0x3f]],
    [16, [0x10, 0x20, 0x21, 0x24, 0x27, 0x3f, 0x40]],
  ])('index 21h with IM=%i drops the aligned group', (maskBits, expected) => {
    const bench = new InterruptBench({ cacheEntries: 64 });
    const indexes = [0x10, 0x20, 0x21, 0x24, 0x27, 0x3f, 0x40];
    for (const index of indexes) {
      bench.setEntry(index, remappedEntry());
      bench.request(index);
    }
    expect(bench.remapping.invalidateIndex(maskBits === 0 ? 0x20 : 0x21, maskBits)).toBe(
      expected.length,
    );
    expect(bench.remapping.cachedEntries().map((e) => e.index)).toEqual(
      indexes.filter((index) => !expected.includes(index)),
    );
    expect(lastOf(bench.trace, INTERRUPT_ENTRIES_INVALIDATED).values).toMatchObject({
      isGlobal: 0,
      mask: maskBits,
      dropped: expected.length,
    });
  });

  it('evicts when it is full and stays right', () => {
    const bench = new InterruptBench({ cacheEntries: 8 });
    for (let index = 0; index < 64; index++) {
      bench.setEntry(index, remappedEntry({ V: 0x40 + index }));
      bench.request(index);
    }
    expect(bench.remapping.cachedEntries().length).toBeLessThanOrEqual(8);
    for (let index = 0; index < 64; index++) {
      bench.request(index);
    }
    expect(vectors(bench).slice(64)).toEqual(vectors(bench).slice(0, 64));
  });
});
