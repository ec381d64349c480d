import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { eventCatalogue } from '../../../src-main/spec/events/event.ts';
import { StateHash } from '../../../src-main/sim/core/hash.ts';
import { checkProperty } from '../../support/check-property.ts';
import type { DsaDriver } from '../../support/dsa-driver.ts';
import { Workload, workloadDriver } from '../../support/dsa-workload.ts';

function hashOf(driver: DsaDriver): string {
  const hash = new StateHash();
  hash.value(driver.device.snapshot());
  hash.value(driver.queue.snapshot());
  hash.value(driver.port.memory);
  return hash.digest();
}

/** Records from a sequence number on, with texts in place of their numbers, causes relative to the start. */
function story(driver: DsaDriver, from: number): readonly string[] {
  const kinds = eventCatalogue();
  return driver
    .allRecords()
    .filter((record) => record.seq >= from)
    .map((record) => {
      const kind = kinds.find((k) => k.kind === record.kind);
      let slot = 0;
      const values = (kind?.fields ?? []).map((field) => {
        const value = record.values[slot] ?? 0;
        slot += field.type === 'u64' ? 2 : 1;
        return field.type === 'text'
          ? driver.trace.textOf(value)
          : `${value}/${record.values[slot - 1] ?? ''}`;
      });
      return `${record.timeNs} ${record.kind} ${values.join(' ')}`;
    });
}

/** A driver in the state of another, built anew. */
function twinOf(driver: DsaDriver, seed: number, trace: 'off' | 'store'): DsaDriver {
  const twin = workloadDriver({ seed, trace: { mode: trace } });
  twin.device.restore(driver.device.snapshot());
  twin.queue.restore(driver.queue.snapshot());
  twin.port.copyFrom(driver.port);
  return twin;
}

describe('snapshot and restore of an accelerator', () => {
  it('is the identity at any instant, and has the same future', () => {
    checkProperty(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.integer({ min: 1, max: 150 }),
        (seed, steps) => {
          const driver = workloadDriver({ seed });
          const workload = new Workload(seed);
          for (let i = 0; i < steps; i++) {
            workload.step(driver);
          }
          const twin = twinOf(driver, seed, 'off');
          expect(hashOf(twin)).toBe(hashOf(driver));
          const later = new Workload(seed);
          later.restore(workload.snapshot());
          for (let i = 0; i < 60; i++) {
            workload.step(driver);
            later.step(twin);
          }
          workload.finish(driver);
          later.finish(twin);
          expect(hashOf(twin)).toBe(hashOf(driver));
        },
      ),
    );
  });

  it('tells the same story afterwards', () => {
    checkProperty(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.integer({ min: 1, max: 100 }),
        (seed, steps) => {
          const driver = workloadDriver({ seed, trace: { mode: 'store' } });
          const workload = new Workload(seed);
          for (let i = 0; i < steps; i++) {
            workload.step(driver);
          }
          const twin = twinOf(driver, seed, 'store');
          const [head, twinHead] = [driver.trace.head, twin.trace.head];
          const later = new Workload(seed);
          later.restore(workload.snapshot());
          for (let i = 0; i < 40; i++) {
            workload.step(driver);
            later.step(twin);
          }
          expect(story(twin, twinHead)).toEqual(story(driver, head));
        },
      ),
    );
  });

  it('shares nothing with the device', () => {
    const driver = workloadDriver({ seed: 1 });
    const workload = new Workload(1);
    for (let i = 0; i < 80; i++) {
      workload.step(driver);
    }
    const state = driver.device.snapshot();
    const hash = new StateHash();
    hash.value(state);
    const before = hash.digest();
    for (let i = 0; i < 80; i++) {
      workload.step(driver);
    }
    const again = new StateHash();
    again.value(state);
    expect(again.digest()).toBe(before);
    expect(structuredClone(state)).toEqual(state);
  });
});

describe('determinism', () => {
  it('gives the same trace for the same work', () => {
    const hashes = [1, 2].map(() => {
      const driver = workloadDriver({ seed: 7, trace: { mode: 'store' } });
      const workload = new Workload(7);
      for (let i = 0; i < 400; i++) {
        workload.step(driver);
      }
      workload.finish(driver);
      return driver.trace.hash();
    });
    expect(hashes[0]).toBe(hashes[1]);
  });

  it('does the same work with and without a trace', () => {
    const results = (['off', 'store', 'count'] as const).map((mode) => {
      const driver = workloadDriver({ seed: 9, trace: { mode } });
      const workload = new Workload(9);
      for (let i = 0; i < 300; i++) {
        workload.step(driver);
      }
      workload.finish(driver);
      const hash = new StateHash();
      hash.value(driver.port.memory);
      return [driver.queue.nowNs, hash.digest(), driver.device.inspect.completed().length];
    });
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });
});

describe('work', () => {
  it('always comes to an end', () => {
    checkProperty(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
        const driver = workloadDriver({ seed });
        const workload = new Workload(seed);
        for (let i = 0; i < 200; i++) {
          workload.step(driver);
        }
        workload.finish(driver);
        const { inspect } = driver.device;
        expect(inspect.running()).toEqual([]);
        expect(inspect.wqs().every((wq) => wq.occupancy === 0 && wq.inProgress === 0)).toBe(true);
        expect(
          inspect.engines().every((e) => e.workInProgress === 0 && e.batchesInProgress === 0),
        ).toBe(true);
        expect(driver.commandStatus().isActive).toBe(false);
      }),
    );
  });
});
