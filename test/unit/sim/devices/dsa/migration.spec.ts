/** Moving one work queue, with what it holds, to another device. */
import { describe, expect, it } from 'vitest';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { STATUS } from '../../../../../src-main/spec/dsa/status-codes.ts';
import { StateHash } from '../../../../../src-main/sim/core/hash.ts';
import type { WqMigrationState } from '../../../../../src-main/sim/devices/dsa/wq-migration.ts';
import { CRC32C, expectedCrc } from '../../../../support/crc-reference.ts';
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

describe('migration of one queue', () => {
  function paused(): DsaDriver {
    const driver = new DsaDriver().setUp(QUEUES);
    driver.submit(1, fill(0x4000, 1, { pasid: 5 }));
    driver.run();
    driver.device.migration.pause(1);
    for (let i = 1; i < 4; i++) {
      driver.submit(
        1,
        fill(0x4000 + i * 8, i + 1, { pasid: 5, recordAddress: BigInt(0x5000 + i * 32) }),
      );
    }
    return driver;
  }

  it('moves waiting descriptors to another device, with another PASID', () => {
    const from = paused();
    const state = from.device.migration.save(1) as WqMigrationState;
    expect(state).toMatchObject({ version: 1 });
    expect(state.descriptors).toHaveLength(3);
    expect(state.stagedWords[1]).toBe(fill(0, 0)[1]);
    const to = new DsaDriver().setUp(QUEUES);
    to.port.isRecording = true;
    expect(to.device.migration.restore(1, state, (pasid) => pasid + 100)).toBeUndefined();
    to.run();
    expect([1, 2, 3].map((i) => to.bytes(0x4000 + i * 8, 1)[0])).toEqual([2, 3, 4]);
    expect(to.port.translations.every((t) => t.pasid === 105)).toBe(true);
    expect(to.records('dsa.wq.restored')).toHaveLength(1);
  });

  it('loses and doubles nothing on the same device', () => {
    const driver = paused();
    const state = driver.device.migration.save(1) as WqMigrationState;
    driver.command(COMMAND.abortWq, 0b10);
    expect(driver.device.inspect.queued(1)).toEqual([]);
    driver.device.migration.restore(1, state);
    expect(driver.device.inspect.queued(1)).toHaveLength(3);
    driver.device.migration.resume(1);
    driver.run();
    expect(driver.device.inspect.completed()).toHaveLength(4);
  });

  it('says why it cannot be done', () => {
    const driver = new DsaDriver().setUp(QUEUES);
    const { migration } = driver.device;
    expect(migration.save(0)).toBe('not paused');
    driver.submit(
      0,
      descriptor(OPCODE.memoryMove, { source: 0n, destination: 0x10_0000n, size: 0x4_0000 }),
    );
    driver.queue.runNext(Number.POSITIVE_INFINITY);
    migration.pause(0);
    expect(migration.save(0)).toBe('in progress');
    driver.run();
    const dedicated = migration.save(0) as WqMigrationState;
    expect(migration.restore(1, dedicated)).toBe('other mode');
    expect(migration.restore(5, dedicated)).toBe('not enabled');
    const shared = paused().device.migration.save(1) as WqMigrationState;
    const many = {
      ...shared,
      descriptors: Array.from(
        { length: 9 },
        () => shared.descriptors[0] as (typeof shared.descriptors)[number],
      ),
    };
    expect(migration.restore(1, many)).toBe('no room');
  });

  it('takes descriptors while paused, and dispatches none', () => {
    const driver = paused();
    driver.run();
    expect(driver.device.inspect.wq(1)).toMatchObject({
      occupancy: 3,
      inProgress: 0,
      isPaused: true,
    });
  });
});

describe('descriptors that wait for pages', () => {
  const S = 0x1_0000;
  const SIZE = 0x4000;
  const AT = 0x2000n;
  const BOF = RECORD | FLAG.blockOnFault;
  const data = Uint8Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
  const queues = [{ ...DEDICATED, blockOnFault: 1 }, SHARED];

  function device(): DsaDriver {
    const driver = new DsaDriver().setUp(queues);
    driver.fill(S, data);
    return driver;
  }

  /** The queue pauses while its descriptor waits for a page, and gives it back. */
  function stopped(words: Uint32Array, page: number): DsaDriver {
    const driver = device();
    driver.port.unmap(1, page);
    driver.submit(0, words);
    driver.run(50_000);
    driver.device.migration.pause(0);
    expect(driver.device.migration.save(0)).toBe('in progress');
    expect(driver.device.migration.withdraw(0)).toBe(1);
    expect(driver.device.inspect.queued(0)).toMatchObject([{ words }]);
    return driver;
  }

  /** A device with the memory and the queue of another one. */
  function movedTo(from: DsaDriver): DsaDriver {
    const state = from.device.migration.save(0) as WqMigrationState;
    const to = new DsaDriver().setUp(queues);
    to.fill(0, from.port.memory);
    to.port.isRecording = true;
    expect(to.device.migration.restore(0, structuredClone(state))).toBeUndefined();
    to.run();
    return to;
  }

  it('go on where they stopped', () => {
    const words = descriptor(
      OPCODE.memoryMove,
      { source: BigInt(S), destination: 0x8_0000n, size: SIZE, recordAddress: AT },
      BOF,
    );
    const to = movedTo(stopped(words, S + 0x2000));
    expect(to.record(words)).toMatchObject({ status: STATUS.success });
    expect(to.bytes(0x8_0000, SIZE)).toEqual(data);
    const read = to.port.accesses.filter((a) => a.kind === 'read').map((a) => a.address);
    expect(read).toEqual([S + 0x2000, S + 0x3000]);
    expect(to.device.inspect.wq(0).counters).toMatchObject({ dispatched: 1, completed: 1 });
  });

  it('keep what they have computed', () => {
    const words = descriptor(OPCODE.crc, { source: BigInt(S), size: SIZE, recordAddress: AT }, BOF);
    const to = movedTo(stopped(words, S + 0x3000));
    expect(to.record(words)).toMatchObject({
      status: STATUS.success,
      crc: expectedCrc(CRC32C, 0n, data),
    });
  });

  it('keep the direction of an overlapping copy', () => {
    const destination = S + 0x800;
    const words = descriptor(
      OPCODE.memoryMove,
      { source: BigInt(S), destination: BigInt(destination), size: SIZE, recordAddress: AT },
      BOF,
    );
    const to = movedTo(stopped(words, S + 0x1000));
    expect(to.record(words)).toMatchObject({ status: STATUS.success });
    expect(to.bytes(destination, SIZE)).toEqual(data);
  });

  it('are not executed twice when only the record is missing', () => {
    const driver = device();
    const words = descriptor(
      OPCODE.memoryMove,
      { source: BigInt(S), destination: 0x8_0000n, size: SIZE, recordAddress: AT },
      RECORD,
    );
    driver.submit(0, words);
    driver.run(400);
    driver.port.unmap(1, Number(AT));
    const invalidation = { itag: 0, pasid: 1, isGlobal: false, high: 0, low: 0, sizeShift: 64 };
    driver.device.atsInvalidate(invalidation);
    driver.run(50_000);
    expect(driver.port.pageRequests).toMatchObject([{ low: Number(AT) }]);
    driver.device.migration.pause(0);
    expect(driver.device.migration.withdraw(0)).toBe(1);
    const to = movedTo(driver);
    expect(to.record(words)).toMatchObject({ status: STATUS.success });
    expect(to.port.accesses.map((a) => [a.kind, a.address])).toEqual([['write', Number(AT)]]);
  });

  it('take the drain behind them along, in order', () => {
    const words = descriptor(
      OPCODE.memoryMove,
      { source: BigInt(S), destination: 0x8_0000n, size: SIZE, recordAddress: AT },
      BOF,
    );
    const drain = descriptor(OPCODE.drain, { recordAddress: 0x3000n }, RECORD);
    const driver = device();
    driver.port.unmap(1, S);
    driver.submit(0, words);
    driver.submit(0, drain);
    driver.run(50_000);
    driver.device.migration.pause(0);
    expect(driver.device.migration.withdraw(0)).toBe(2);
    const to = movedTo(driver);
    const records = to.port.accesses.filter((a) => a.bytes === 32).map((a) => a.address);
    expect(records).toEqual([Number(AT), 0x3000]);
  });

  it('find their answer at home when the migration is called off', () => {
    const words = descriptor(
      OPCODE.memoryMove,
      { source: BigInt(S), destination: 0x8_0000n, size: SIZE, recordAddress: AT },
      BOF,
    );
    const driver = stopped(words, S + 0x2000);
    driver.port.map(1, S + 0x2000);
    driver.device.pageResponse(1, 0, 0);
    driver.run();
    expect(driver.records('pcie.page-response.unexpected')).toEqual([]);
    expect(driver.bytes(Number(AT), 1)[0]).toBe(0);
    driver.device.migration.resume(0);
    driver.run();
    expect(driver.record(words)).toMatchObject({ status: STATUS.success });
    expect(driver.bytes(0x8_0000, SIZE)).toEqual(data);
  });

  it('are waited for by a drain and dropped by an abort, as if they waited in the queue', () => {
    const words = descriptor(OPCODE.fill, { destination: 0x8_0000n, size: 8, pattern: 1n }, BOF);
    words[2] = Number(AT);
    const driver = stopped(words, 0x8_0000);
    driver.startCommand(COMMAND.drainWq, 1);
    driver.run();
    expect(driver.commandStatus().isActive).toBe(true);
    driver.port.map(1, 0x8_0000);
    driver.device.migration.resume(0);
    driver.run();
    expect(driver.commandStatus()).toMatchObject({ isActive: false, error: 0 });
    expect(driver.record(words)).toMatchObject({ status: STATUS.success });
    const other = stopped(words, 0x8_0000);
    expect(other.command(COMMAND.abortWq, 1).error).toBe(0);
    other.device.migration.resume(0);
    other.run();
    expect(other.bytes(Number(AT), 1)[0]).toBe(0);
    expect(other.device.inspect.wq(0).counters).toMatchObject({ dropped: 1, completed: 0 });
  });

  it('stay in their engines when they belong to a batch', () => {
    const driver = device();
    const member = descriptor(OPCODE.fill, { destination: 0x8_0000n, size: 8 }, FLAG.blockOnFault);
    [member, member].forEach((m, i) => {
      driver.fill(0x6_0000 + i * 64, new Uint8Array(m.buffer));
    });
    driver.port.unmap(1, 0x8_0000);
    driver.submit(0, descriptor(OPCODE.batch, { list: 0x6_0000n, count: 2 }));
    driver.run(50_000);
    driver.device.migration.pause(0);
    expect(driver.device.migration.withdraw(0)).toBe(0);
    expect(driver.device.migration.save(0)).toBe('in progress');
  });

  it('are part of the state of the device', () => {
    const words = descriptor(OPCODE.fill, { destination: 0x8_0000n, size: 8, pattern: 7n }, BOF);
    words[2] = Number(AT);
    const driver = stopped(words, 0x8_0000);
    const hashOf = (state: unknown): string => {
      const hash = new StateHash();
      hash.value(state);
      return hash.digest();
    };
    const twin = new DsaDriver();
    twin.device.restore(structuredClone(driver.device.snapshot()));
    twin.queue.restore(driver.queue.snapshot());
    expect(hashOf(twin.device.snapshot())).toBe(hashOf(driver.device.snapshot()));
    twin.device.migration.resume(0);
    twin.run();
    expect(twin.bytes(0x8_0000, 1)[0]).toBe(7);
  });
});
