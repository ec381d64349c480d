/** The event log: what is kept when the ring is full, and a hash that covers what is not. */
import { describe, expect, it } from 'vitest';
import { Trace } from '../../../../src-main/sim/core/trace.ts';
import { MEMORY_STORED } from '../../../../src-main/spec/events/platform.ts';

/** More than two segments of records. */
const MANY = 40_000;

function fill(trace: Trace, count: number): void {
  const source = trace.source('test');
  for (let i = 0; i < count; i++) {
    trace.nowNs = i;
    trace.record(MEMORY_STORED, source, i * 2 ** 21, 8, 1n);
  }
}

function filled(count: number, capacity: number): Trace {
  const trace = new Trace({ mode: 'store', capacity });
  fill(trace, count);
  return trace;
}

describe('a ring that is full', () => {
  const trace = filled(MANY, 1000);

  it('keeps the newest records, at least as many as its capacity', () => {
    expect(trace.head).toBe(MANY);
    expect(trace.head - trace.tail).toBeGreaterThanOrEqual(1000);
    expect(trace.tail).toBeGreaterThan(0);
  });

  it('reads each of them as it was written, and none of those before', () => {
    for (const seq of [trace.tail, trace.tail + 1, trace.head - 1]) {
      expect(trace.read(seq)).toMatchObject({ seq, timeNs: seq });
    }
    expect(trace.read(trace.tail - 1)).toBeUndefined();
    expect(trace.read(trace.head)).toBeUndefined();
  });
});

describe('the hash', () => {
  it('covers records that are not kept any more', () => {
    expect(filled(MANY, 1000).hash()).toBe(filled(MANY, MANY).hash());
  });

  it('does not depend on when it was asked for before', () => {
    const asked = new Trace({ mode: 'store', capacity: 1000 });
    for (const part of [1, 2, 20_000, MANY - 20_003]) {
      const source = asked.source('test');
      for (let i = 0; i < part; i++) {
        const seq = asked.head;
        asked.nowNs = seq;
        asked.record(MEMORY_STORED, source, seq * 2 ** 21, 8, 1n);
      }
      asked.hash();
    }
    expect(asked.hash()).toBe(filled(MANY, 1000).hash());
  });

  it('changes with any value, in its low and in its high part', () => {
    const hashOf = (value: number): string => {
      const trace = new Trace({ mode: 'store' });
      trace.record(MEMORY_STORED, trace.source('test'), value, 8, 1n);
      return trace.hash();
    };
    const values = [0, 1, 2, 2 ** 31, 2 ** 32, 2 ** 52 + 1, 2 ** 52 + 2];
    expect(new Set(values.map(hashOf)).size).toBe(values.length);
  });
});
