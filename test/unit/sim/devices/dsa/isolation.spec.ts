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

const QUEUES = [
  DEDICATED,
  { ...SHARED, size: 8 },
  { ...DEDICATED, pasid: 2 },
  { ...DEDICATED, pasid: 3, size: 4 },
];

function fill(
  at: number,
  value: number,
  values: Readonly<Record<string, number | bigint>> = {},
): Uint32Array {
  return descriptor(
    OPCODE.fill,
    {
      pattern: BigInt(value),
      destination: BigInt(at),
      size: 8,
      recordAddress: BigInt(at + 0x1000),
      ...values,
    },
    RECORD,
  );
}

/** Everything of a queue that its owner can see or that belongs to it. */
function queueState(driver: DsaDriver, wq: number): unknown {
  const { inspect } = driver.device;
  return {
    view: inspect.wq(wq),
    queued: inspect.queued(wq),
    staged: [...inspect.stagedPortalWords(wq)],
  };
}

describe('reset of one queue', () => {
  it('leaves its siblings bit-identical', () => {
    const driver = new DsaDriver().setUp(QUEUES);
    [1, 2, 3].forEach((wq) => {
      driver.device.migration.pause(wq);
    });
    for (let i = 0; i < 4; i++) {
      driver.submit(1, fill(0x4000, 1, { pasid: 5 }), 1);
      driver.submit(2, fill(0x4100, 2));
      driver.submit(3, fill(0x4200, 3));
    }
    driver.submit(0, fill(0x4300, 4));
    driver.run();
    const before = [1, 2, 3].map((wq) => queueState(driver, wq));
    expect(driver.command(COMMAND.resetWq, 0b0001).error).toBe(0);
    expect([1, 2, 3].map((wq) => queueState(driver, wq))).toEqual(before);
  });

  it('leaves nothing of the former owner behind', () => {
    const driver = new DsaDriver().setUp(QUEUES);
    const canary = descriptor(OPCODE.memoryMove, {
      source: 0xdead_beefn,
      destination: 0xfeed_f00dn,
      size: 64,
    });
    driver.device.migration.pause(3);
    driver.submit(3, canary);
    driver.submit(3, canary);
    expect(driver.command(COMMAND.resetWq, 0b1000).error).toBe(0);
    expect(driver.records('dsa.descriptor.dropped')).toHaveLength(2);
    const { inspect } = driver.device;
    expect([...inspect.stagedPortalWords(3)].every((w) => w === 0)).toBe(true);
    expect(inspect.queued(3)).toEqual([]);
    expect(Object.values(inspect.wq(3).counters).every((n) => n === 0)).toBe(true);
    expect(inspect.wq(3)).toMatchObject({ state: 0, occupancy: 0, isPaused: false, size: 4 });
    const { words } = driver.device.snapshot().wqs.arrays;
    expect(Array.from(words ?? []).includes(0xdead_beef)).toBe(false);
  });

  it('of one PASID leaves the other users of a shared queue alone', () => {
    const driver = new DsaDriver().setUp(QUEUES);
    driver.device.migration.pause(1);
    [5, 6, 5, 6].forEach((pasid, i) => {
      driver.submit(
        1,
        fill(0x4000 + i * 8, i + 1, { pasid, recordAddress: BigInt(0x5000 + i * 32) }),
      );
    });
    driver.command(COMMAND.abortPasid, 5);
    driver.device.migration.resume(1);
    driver.run();
    expect([0, 1, 2, 3].map((i) => driver.bytes(0x4000 + i * 8, 1)[0])).toEqual([0, 2, 0, 4]);
  });
});

describe('counters', () => {
  it('tell what each queue, engine and PASID did', () => {
    const driver = new DsaDriver({ config: { engines: 1 } }).setUp(QUEUES);
    driver.submit(0, fill(0x4000, 1));
    driver.submit(1, fill(0x4100, 1, { pasid: 5 }));
    driver.submit(1, fill(0x4200, 1, { pasid: 5, size: 0 }));
    driver.run();
    const { inspect } = driver.device;
    expect(inspect.wq(0).counters).toMatchObject({
      dwqAccept: 1,
      dispatched: 1,
      completed: 1,
      failed: 0,
      bytesWritten: 8 + 32,
      records: 1,
    });
    expect(inspect.wq(1).counters).toMatchObject({
      swqAcceptUnlimited: 2,
      completed: 2,
      failed: 1,
    });
    expect(inspect.engineCounters(0)).toMatchObject({ dispatched: 3, completed: 3 });
    const five = inspect.pasidCounters().find((row) => row.pasid === 5);
    expect(five?.counters).toMatchObject({ completed: 2, failed: 1, swqAcceptUnlimited: 2 });
    expect(inspect.operationCounts()).toEqual([{ code: OPCODE.fill, title: 'Fill', count: 2 }]);
  });

  it('never count the event log of the device to a tenant, also after a reset', () => {
    const driver = new DsaDriver({ config: { profile: 'v2' } });
    driver.setUpFunction();
    driver.command(COMMAND.resetDevice);
    driver.write(0x80, driver.read(0x80) | (1 << 13));
    driver.write(0xe0, 0x1c_0000);
    driver.write(0xe8, 64);
    driver.setUpQueues([DEDICATED]);
    // No record address, so the error goes to the log, and nothing is written for the tenant.
    driver.submit(0, descriptor(OPCODE.fill));
    driver.run();
    const bytesOf = (pasid: number): number | undefined =>
      driver.device.inspect.pasidCounters().find((row) => row.pasid === pasid)?.counters
        .bytesWritten;
    expect([bytesOf(1), bytesOf(-1)]).toEqual([0, 64]);
  });
});
