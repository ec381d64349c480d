import { describe, expect, it } from 'vitest';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { GroupArbiter } from '../../../../../src-main/sim/devices/dsa/group-arbiter.ts';
import { DEDICATED, DsaDriver, descriptor } from '../../../../support/dsa-driver.ts';

/** Queues with endless work: the order in which the arbiter serves them. */
function serve(
  priorities: readonly number[],
  rounds: number,
  depth = Number.POSITIVE_INFINITY,
): readonly number[] {
  const left = priorities.map(() => depth);
  const arbiter = new GroupArbiter(
    1,
    Int32Array.from(priorities, () => 0),
    Uint8Array.from(priorities),
  );
  priorities.forEach((_, wq) => {
    arbiter.add(wq);
  });
  return Array.from({ length: rounds }, () => {
    const wq = arbiter.take(0);
    if (wq >= 0) {
      left[wq] = (left[wq] as number) - 1;
      arbiter.spend(wq, (left[wq] as number) > 0);
    }
    return wq;
  });
}

const count = (served: readonly number[], wq: number): number =>
  served.filter((s) => s === wq).length;

describe('group arbiter', () => {
  it('serves equal priorities in turn', () => {
    expect(serve([1, 1, 1], 6)).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it('spends priorities within a round, and then reloads all', () => {
    expect(serve([3, 1], 8)).toEqual([0, 1, 0, 0, 1, 0, 0, 0]);
  });

  it.each([
    [[10, 5], 2],
    [[15, 5, 1], 3],
  ])('gives queues of priorities %j their share in the long run', (priorities) => {
    const sum = priorities.reduce((a, b) => a + b, 0);
    const served = serve(priorities, sum * 20);
    priorities.forEach((priority, wq) => {
      expect(count(served, wq)).toBe(priority * 20);
    });
  });

  it('costs nothing for queues that are empty', () => {
    const served = serve([2, 2, 2], 7, 2);
    expect(served.slice(0, 6).sort()).toEqual([0, 0, 1, 1, 2, 2]);
    expect(served[6]).toBe(-1);
  });

  it('lets a queue that gets work wait for at most one round', () => {
    const arbiter = new GroupArbiter(1, new Int32Array(4), Uint8Array.of(4, 4, 4, 4));
    [0, 1, 2].forEach((wq) => {
      arbiter.add(wq);
    });
    const order: number[] = [];
    for (let i = 0; i < 12; i++) {
      if (i === 5) {
        arbiter.add(3);
      }
      const wq = arbiter.take(0);
      order.push(wq);
      arbiter.spend(wq, true);
    }
    expect(order.indexOf(3)).toBeLessThanOrEqual(8);
  });

  it('parks a queue and takes it back', () => {
    const arbiter = new GroupArbiter(1, new Int32Array(2), Uint8Array.of(1, 1));
    arbiter.add(0);
    arbiter.add(1);
    expect(arbiter.take(0)).toBe(0);
    arbiter.park(0);
    expect(arbiter.take(0)).toBe(1);
    arbiter.spend(1, false);
    expect(arbiter.take(0)).toBe(-1);
    expect(arbiter.unpark(0)).toBe(true);
    expect(arbiter.take(0)).toBe(0);
  });

  it('removes a queue from wherever it is', () => {
    const arbiter = new GroupArbiter(1, new Int32Array(3), Uint8Array.of(1, 1, 1));
    [0, 1, 2].forEach((wq) => {
      arbiter.add(wq);
    });
    arbiter.remove(1);
    arbiter.remove(2);
    arbiter.add(2);
    expect([arbiter.take(0), arbiter.take(0), arbiter.take(0)]).toEqual([0, 2, -1]);
  });

  it('restores to the same future', () => {
    const group = Int32Array.of(0, 0, 0, 1);
    const priority = Uint8Array.of(3, 2, 1, 5);
    const arbiter = new GroupArbiter(2, group, priority);
    [0, 1, 2, 3].forEach((wq) => {
      arbiter.add(wq);
    });
    for (let i = 0; i < 5; i++) {
      arbiter.spend(arbiter.take(0), true);
    }
    const twin = new GroupArbiter(2, group, priority);
    twin.restore(arbiter.snapshot());
    const next = (a: GroupArbiter): number => {
      const wq = a.take(0);
      a.spend(wq, true);
      return wq;
    };
    expect(Array.from({ length: 20 }, () => next(twin))).toEqual(
      Array.from({ length: 20 }, () => next(arbiter)),
    );
  });
});

describe('priorities of a device', () => {
  it('share an engine in the ratio of the priorities', () => {
    const driver = new DsaDriver({ config: { engines: 1 } }).setUp([
      { ...DEDICATED, size: 60, priority: 15 },
      { ...DEDICATED, size: 60, priority: 5 },
    ]);
    const noop = descriptor(OPCODE.noop);
    [0, 1].forEach((wq) => {
      driver.device.migration.pause(wq);
      for (let i = 0; i < 60; i++) {
        driver.submit(wq, noop);
      }
    });
    [0, 1].forEach((wq) => {
      driver.device.migration.resume(wq);
    });
    driver.run();
    const first = driver
      .records('dsa.descriptor.dispatched')
      .slice(0, 40)
      .map((r) => r.values[0]);
    expect(first.filter((wq) => wq === 0)).toHaveLength(30);
  });

  it('keep groups apart', () => {
    const driver = new DsaDriver();
    driver.setUpFunction();
    driver.writeGroup(0, { wqs: 0b01n, engines: 0b0001n, readBuffersAllowed: 96 });
    driver.writeGroup(1, { wqs: 0b10n, engines: 0b1110n, readBuffersAllowed: 96 });
    const wq = {
      size: 16,
      threshold: 16,
      priority: 10,
      maxTransferShift: 21,
      maxBatchShift: 5,
      ...DEDICATED,
    };
    driver.writeWq(0, wq);
    driver.writeWq(1, wq);
    driver.command(1);
    driver.command(6, 0);
    driver.command(6, 1);
    for (let i = 0; i < 10; i++) {
      driver.submit(0, descriptor(OPCODE.noop));
      driver.submit(1, descriptor(OPCODE.noop));
    }
    driver.run();
    const engines = (queue: number): readonly number[] =>
      [
        ...new Set(
          driver.device.inspect
            .completed()
            .filter((c) => c.wq === queue)
            .map((c) => c.engine),
        ),
      ].sort();
    expect(engines(0)).toEqual([0]);
    expect(engines(1)).toEqual([1, 2, 3]);
  });
});
