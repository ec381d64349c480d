import { describe, expect, it } from 'vitest';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  SHARED,
  descriptor,
} from '../../../../support/dsa-driver.ts';

const NOOP = descriptor(OPCODE.noop, { pasid: 5 });

describe('which write which queue takes', () => {
  it.each<readonly [string, number, 'posted' | 'deferrable', string]>([
    ['a dedicated queue and a posted write', 0, 'posted', 'accepted'],
    ['a dedicated queue and a deferrable write', 0, 'deferrable', 'retry'],
    ['a shared queue and a deferrable write', 1, 'deferrable', 'accepted'],
    ['a shared queue and a posted write', 1, 'posted', 'dropped'],
    ['a disabled queue and a posted write', 2, 'posted', 'dropped'],
    ['a disabled queue and a deferrable write', 2, 'deferrable', 'retry'],
    ['no queue and a posted write', 8, 'posted', 'dropped'],
    ['no queue and a deferrable write', 8, 'deferrable', 'retry'],
  ])('%s', (_, wq, kind, result) => {
    const driver = new DsaDriver().setUp();
    expect(driver.device.blockWrite(2, wq * 0x4000, NOOP, kind)).toBe(result);
    expect(driver.records('dsa.portal.ignored')).toHaveLength(result === 'dropped' ? 1 : 0);
    expect(driver.records('dsa.portal.retried')).toHaveLength(result === 'retry' ? 1 : 0);
    expect(driver.records('dsa.descriptor.enqueued')).toHaveLength(result === 'accepted' ? 1 : 0);
  });

  it('ignores address bits 11:6 and takes all four pages', () => {
    const driver = new DsaDriver().setUp();
    for (const offset of [0x0, 0x40, 0xfc0, 0x1000, 0x2f40, 0x3fc0]) {
      expect(driver.device.blockWrite(2, offset, NOOP, 'posted')).toBe('accepted');
    }
    driver.run();
    expect(driver.device.inspect.completed()).toHaveLength(6);
  });

  it('has no IMS portals without IMS', () => {
    const driver = new DsaDriver({ config: { imsEntries: 0 } }).setUp();
    expect(driver.submit(0, NOOP, 1)).toBe('accepted');
    expect(driver.submit(0, NOOP, 2)).toBe('dropped');
    expect(driver.device.configRead(0x214, 4)).toBe(0);
  });

  it('offers a dummy portal where no table lies', () => {
    const driver = new DsaDriver({ config: { profile: 'v2' } }).setUp();
    expect(driver.device.blockWrite(0, 0xf000, NOOP, 'deferrable')).toBe('retry');
    expect(driver.device.blockWrite(0, 0xffc0, NOOP, 'posted')).toBe('dropped');
    expect(driver.records('dsa.portal.ignored')).toHaveLength(1);
  });

  it('ignores narrow writes and lets reads find ones', () => {
    const driver = new DsaDriver().setUp();
    driver.device.mmioWrite(2, 0, 8, 0x0300_0000_0000_0000n);
    driver.run();
    expect(driver.device.inspect.completed()).toEqual([]);
    expect(driver.records('dsa.portal.ignored')).toHaveLength(1);
  });

  it('refuses everything while halted', () => {
    const driver = new DsaDriver().setUp();
    driver.device.injectHalt('functionLevel');
    expect(driver.submit(0, NOOP, 0, 'posted')).toBe('dropped');
    expect(driver.submit(1, NOOP, 0, 'deferrable')).toBe('retry');
  });
});

describe('admission', () => {
  function paused(wq: Readonly<Record<string, number>> = {}): DsaDriver {
    const driver = new DsaDriver().setUp([
      { ...DEDICATED },
      { ...SHARED, size: 4, threshold: 3, ...wq },
    ]);
    driver.device.migration.pause(1);
    return driver;
  }

  it('stops the limited portal at the threshold and the unlimited one at the size', () => {
    const driver = paused();
    const limited = [1, 2, 3, 4].map(() => driver.submit(1, NOOP, 1));
    expect(limited).toEqual(['accepted', 'accepted', 'accepted', 'retry']);
    expect([driver.submit(1, NOOP, 0), driver.submit(1, NOOP, 0)]).toEqual(['accepted', 'retry']);
    expect(driver.readWq(1).occupancy).toBe(4);
    const { counters } = driver.device.inspect.wq(1);
    expect(counters).toMatchObject({
      swqAcceptLimited: 3,
      swqRetryLimited: 1,
      swqAcceptUnlimited: 1,
      swqRetryUnlimited: 1,
    });
  });

  it('treats the IMS portals in the same way', () => {
    const driver = paused();
    expect([1, 2, 3, 4].map(() => driver.submit(1, NOOP, 3))).toEqual([
      'accepted',
      'accepted',
      'accepted',
      'retry',
    ]);
    expect(driver.submit(1, NOOP, 2)).toBe('accepted');
  });

  it('takes a threshold above the size as the size', () => {
    const driver = paused({ threshold: 100 });
    expect(
      [1, 2, 3, 4, 5].map(() => driver.submit(1, NOOP, 1)).filter((r) => r === 'accepted'),
    ).toHaveLength(4);
  });

  it('follows a threshold that changes while the queue works', () => {
    const driver = paused();
    driver.writeWq(1, { threshold: 1 });
    expect([driver.submit(1, NOOP, 1), driver.submit(1, NOOP, 1)]).toEqual(['accepted', 'retry']);
    driver.writeWq(1, { threshold: 4 });
    expect(driver.submit(1, NOOP, 1)).toBe('accepted');
  });

  it('frees the place when a descriptor is dispatched, not when it completes', () => {
    const driver = new DsaDriver().setUp();
    const move = descriptor(OPCODE.memoryMove, {
      source: 0x1_0000n,
      destination: 0x10_0000n,
      size: 0x4_0000,
    });
    driver.submit(0, move);
    expect(driver.readWq(0).occupancy).toBe(1);
    driver.queue.runNext(Number.POSITIVE_INFINITY);
    expect(driver.readWq(0).occupancy).toBe(0);
    expect(driver.device.inspect.running()).toHaveLength(1);
  });

  it('keeps descriptors of a queue apart from its sibling when both wrap around', () => {
    const driver = new DsaDriver().setUp([
      { ...DEDICATED, size: 3 },
      { ...SHARED, size: 3 },
    ]);
    for (let round = 0; round < 10; round++) {
      driver.submit(
        0,
        descriptor(OPCODE.fill, {
          pattern: BigInt(round),
          destination: BigInt(0x1000 + round * 8),
          size: 8,
        }),
      );
      driver.submit(
        1,
        descriptor(OPCODE.fill, {
          pattern: BigInt(100 + round),
          destination: BigInt(0x2000 + round * 8),
          size: 8,
        }),
      );
      driver.run();
    }
    expect(Array.from({ length: 10 }, (_, i) => driver.bytes(0x1000 + i * 8, 1)[0])).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
    expect(driver.bytes(0x2000 + 72, 1)[0]).toBe(109);
  });
});

describe('occupancy interrupt', () => {
  it('fires when the queue has drained to the limit, and once until armed again', () => {
    const driver = new DsaDriver().setUp([DEDICATED, SHARED]);
    driver.write(0x2000 + 12, 0);
    driver.device.migration.pause(0);
    driver.writeWq(0, { occupancyLimit: 1 });
    for (let i = 0; i < 4; i++) {
      driver.submit(0, NOOP);
    }
    driver.writeWq(0, { occupancyInterruptEnable: 1 });
    expect(driver.port.interrupts).toEqual([]);
    driver.device.migration.resume(0);
    driver.run();
    expect(driver.records('dsa.wq.occupancy-reached').map((r) => r.values)).toEqual([[0, 1, 1]]);
    expect(driver.readWq(0).occupancyInterruptGenerated).toBe(1);
    expect(driver.read(0x98)).toBe(0b100);
    expect(driver.port.interrupts).toHaveLength(1);
    // Writing 1 arms it again, and the limit is already reached.
    driver.write(driver.table(1) + 24, 0x1_0000);
    expect(driver.records('dsa.wq.occupancy-reached')).toHaveLength(2);
  });

  it('uses the entry that WQCFG names', () => {
    const driver = new DsaDriver();
    driver.write(0x8000 + 16 * 7 + 8, 0x99);
    driver.write(0x8000 + 16 * 7 + 12, 0);
    driver.setUp([
      { ...DEDICATED, occupancyTable: 1, occupancyHandle: 7, occupancyInterruptEnable: 1 },
    ]);
    expect(driver.port.interrupts).toEqual([{ address: 0xfee0_0000, data: 0x99 }]);
    // Only entry 0 has a cause register.
    expect(driver.read(0x98)).toBe(0);
    expect(driver.read64(0x3000)).toBe(0n);
  });
});

describe('trace of a submission', () => {
  it('makes the enqueued record the cause of what the engine does for it', () => {
    const driver = new DsaDriver().setUp();
    driver.execute(
      descriptor(
        OPCODE.memoryMove,
        { source: 0x1_0000n, destination: 0x2_0000n, size: 8192, recordAddress: 0x3000n },
        RECORD,
      ),
    );
    const [enqueued] = driver.records('dsa.descriptor.enqueued');
    const later = driver.allRecords().filter((r) => r.seq > (enqueued?.seq ?? 0));
    expect(later.length).toBeGreaterThan(5);
    expect(later.every((r) => r.cause === enqueued?.seq)).toBe(true);
    expect(later.at(-1)?.kind).toBe('dsa.descriptor.completed');
  });

  it('links commands in the same way', () => {
    const driver = new DsaDriver().setUp();
    driver.command(COMMAND.disableWq, 1);
    const started = driver.records('dsa.command.started').at(-1);
    expect(driver.records('dsa.wq.disabled').at(-1)?.cause).toBe(started?.seq);
    expect(driver.records('dsa.command.completed').at(-1)?.cause).toBe(started?.seq);
  });
});
