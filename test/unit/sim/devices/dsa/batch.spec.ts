import { describe, expect, it } from 'vitest';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { STATUS } from '../../../../../src-main/spec/dsa/status-codes.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  SHARED,
  descriptor,
} from '../../../../support/dsa-driver.ts';

const LIST = 0x6_0000;
const AT = 0x2000;
const MEMBER_RECORDS = 0x4000;

type Values = Readonly<Record<string, number | bigint>>;

function driverWith(profile: 'v1' | 'v2' | 'v3' = 'v1', wq: Values = {}): DsaDriver {
  return new DsaDriver({ config: { profile } }).setUp([
    { ...DEDICATED, maxBatchShift: 10, ...wq },
    SHARED,
  ]);
}

function fillOf(index: number, flags = 0, values: Values = {}): Uint32Array {
  const fields = {
    pattern: BigInt(index + 1),
    destination: BigInt(0x8_0000 + index * 8),
    size: 8,
    recordAddress: BigInt(MEMBER_RECORDS + index * 32),
  };
  return descriptor(OPCODE.fill, { ...fields, ...values }, RECORD | flags);
}

function runBatch(
  driver: DsaDriver,
  members: readonly Uint32Array[],
  values: Values = {},
  list = LIST,
): Record<string, number | bigint> {
  members.forEach((member, i) => {
    driver.fill(list + i * 64, new Uint8Array(member.buffer));
  });
  return driver.execute(
    descriptor(
      OPCODE.batch,
      { list: BigInt(list), count: members.length, recordAddress: BigInt(AT), ...values },
      RECORD,
    ),
  );
}

const results = (driver: DsaDriver, count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => driver.bytes(0x8_0000 + i * 8, 1)[0] ?? 0);
const statuses = (driver: DsaDriver, count: number): readonly number[] =>
  Array.from(
    { length: count },
    (_, i) => (driver.bytes(MEMBER_RECORDS + i * 32, 1)[0] ?? 0) & 0x3f,
  );

describe('a batch', () => {
  it.each([2, 63, 64, 65, 300, 1024])('executes %i members from a list of any length', (count) => {
    const driver = new DsaDriver({ config: { profile: 'v1' } }).setUp([
      { ...DEDICATED, maxBatchShift: 10 },
    ]);
    const members = Array.from({ length: count }, (_, i) =>
      descriptor(OPCODE.fill, {
        pattern: BigInt(i & 0xff),
        destination: BigInt(0x10_0000 + i * 8),
        size: 8,
      }),
    );
    const record = runBatch(driver, members, {}, LIST + 0xfc0);
    expect(record).toMatchObject({ status: STATUS.success, bytesCompleted: count, result: 0 });
    expect(Array.from({ length: count }, (_, i) => driver.bytes(0x10_0000 + i * 8, 1)[0])).toEqual(
      Array.from({ length: count }, (_, i) => i & 0xff),
    );
  });

  it('writes the records of its members', () => {
    const driver = driverWith();
    runBatch(
      driver,
      [0, 1, 2].map((i) => fillOf(i)),
    );
    expect(statuses(driver, 3)).toEqual([1, 1, 1]);
    expect(results(driver, 3)).toEqual([1, 2, 3]);
  });

  it('gives its members its own PASID and privilege, whatever they say', () => {
    const driver = driverWith();
    driver.port.isRecording = true;
    const member = fillOf(0);
    member[0] = 0x8000_0777;
    const batch = descriptor(
      OPCODE.batch,
      { pasid: 4, list: BigInt(LIST), count: 2, recordAddress: BigInt(AT) },
      RECORD,
    );
    [member, fillOf(1)].forEach((m, i) => {
      driver.fill(LIST + i * 64, new Uint8Array(m.buffer));
    });
    driver.execute(batch, 1);
    expect(driver.port.accesses.length).toBeGreaterThan(4);
    expect(driver.port.translations.every((t) => t.pasid === 4 && !t.isPrivileged)).toBe(true);
  });

  it.each([
    [
      'a batch',
      descriptor(
        OPCODE.batch,
        { list: 0x7_0000n, count: 2, recordAddress: BigInt(MEMBER_RECORDS) },
        RECORD,
      ),
    ],
    ['a drain', descriptor(OPCODE.drain, { recordAddress: BigInt(MEMBER_RECORDS) }, RECORD)],
  ])('does not take %s as a member', (_, member) => {
    const driver = driverWith();
    expect(runBatch(driver, [member, fillOf(1)])).toMatchObject({
      status: STATUS.batchMemberFailed,
      bytesCompleted: 2,
    });
    expect(statuses(driver, 2)).toEqual([STATUS.opcode, 1]);
  });

  it('counts a false predicate as not successful', () => {
    const driver = driverWith();
    const compare = descriptor(
      OPCODE.compare,
      {
        source1: 0x1000n,
        source2: 0x9000n,
        size: 8,
        expectedResult: 1,
        recordAddress: BigInt(MEMBER_RECORDS),
      },
      RECORD | FLAG.checkResult,
    );
    expect(runBatch(driver, [compare, fillOf(1)])).toMatchObject({
      status: STATUS.batchMemberFailed,
    });
  });

  it('tells result 1 where continuation is supported', () => {
    const driver = driverWith('v2');
    expect(runBatch(driver, [descriptor(0x3f), fillOf(1)])).toMatchObject({
      status: STATUS.batchMemberFailed,
      result: 1,
    });
    expect(runBatch(driver, [fillOf(0), fillOf(1)], { batchError: 1 })).toMatchObject({
      status: STATUS.batchMemberFailed,
      result: 1,
    });
    expect(runBatch(driver, [fillOf(0), fillOf(1)])).toMatchObject({
      status: STATUS.success,
      result: 0,
    });
  });

  it('may hold a single descriptor on version 3', () => {
    expect(runBatch(driverWith('v3'), [fillOf(0)])).toMatchObject({
      status: STATUS.success,
      bytesCompleted: 1,
    });
    expect(runBatch(driverWith('v2'), [fillOf(0)])).toMatchObject({
      status: STATUS.descriptorCount,
    });
  });

  it('is bounded by the queue', () => {
    const driver = driverWith('v1', { maxBatchShift: 2 });
    expect(
      runBatch(
        driver,
        [0, 1, 2, 3].map((i) => fillOf(i)),
      ),
    ).toMatchObject({ status: STATUS.success });
    expect(
      runBatch(
        driver,
        [0, 1, 2, 3, 4].map((i) => fillOf(i)),
      ),
    ).toMatchObject({ status: STATUS.descriptorCount });
  });
});

describe('a fence', () => {
  it('waits for the members before it', () => {
    const driver = driverWith();
    const copy = descriptor(
      OPCODE.memoryMove,
      {
        source: 0x8_0000n,
        destination: 0x9_0000n,
        size: 8,
        recordAddress: BigInt(MEMBER_RECORDS + 64),
      },
      RECORD | FLAG.fence,
    );
    runBatch(driver, [fillOf(0), fillOf(1), copy]);
    expect(driver.bytes(0x9_0000, 1)[0]).toBe(1);
    const order = driver.device.inspect.completed().map((c) => c.memberIndex);
    expect(order.indexOf(2)).toBe(2);
  });

  it('drops itself and the rest when one of them failed, without records', () => {
    const driver = driverWith();
    const bad = fillOf(1, 0, { size: 0 });
    const record = runBatch(driver, [fillOf(0), bad, fillOf(2, FLAG.fence), fillOf(3)]);
    expect(record).toMatchObject({ status: STATUS.batchMemberFailed, bytesCompleted: 2 });
    expect(statuses(driver, 4)).toEqual([1, STATUS.transferSize, 0, 0]);
    expect(results(driver, 4)).toEqual([1, 0, 0, 0]);
    expect(driver.records('dsa.batch.fence-failed').map((r) => r.values)).toEqual([[0, 2, 2]]);
  });

  it('does not drop members before it', () => {
    const driver = driverWith();
    const bad = fillOf(0, 0, { size: 0 });
    runBatch(driver, [bad, fillOf(1), fillOf(2), fillOf(3, FLAG.fence)]);
    expect(results(driver, 4)).toEqual([0, 2, 3, 0]);
  });
});

describe('faults of a batch', () => {
  it('reports how far the list could be read', () => {
    const driver = driverWith();
    driver.port.unmap(1, LIST + 4096);
    driver.port.onPageRequest = (r) => {
      driver.device.pageResponse(r.pasid, r.groupIndex, 1);
    };
    const record = runBatch(
      driver,
      Array.from({ length: 4 }, (_, i) => fillOf(i)),
      {},
      LIST + 4096 - 128,
    );
    expect(record).toMatchObject({
      status: STATUS.batchListFault,
      bytesCompleted: 2,
      faultAddress: BigInt(LIST + 4096),
    });
    expect(results(driver, 4)).toEqual([1, 2, 0, 0]);
  });

  it('asks for the page of the list even without block on fault', () => {
    const driver = driverWith();
    driver.port.unmap(1, LIST);
    driver.port.onPageRequest = (r) => {
      driver.port.map(r.pasid, r.low);
      driver.device.pageResponse(r.pasid, r.groupIndex, 0);
    };
    expect(runBatch(driver, [fillOf(0), fillOf(1)])).toMatchObject({
      status: STATUS.success,
      bytesCompleted: 2,
    });
    expect(driver.port.pageRequests).toHaveLength(1);
  });

  it('reports a list that memory refuses', () => {
    const driver = driverWith();
    driver.port.breakPage(LIST);
    expect(runBatch(driver, [fillOf(0), fillOf(1)])).toMatchObject({
      status: STATUS.hardwareRead,
      bytesCompleted: 0,
    });
  });

  it('lets members have faults of their own', () => {
    const driver = driverWith();
    driver.port.unmap(1, 0x8_0000);
    const far = fillOf(1, 0, { destination: 0x9_0000n });
    expect(runBatch(driver, [fillOf(0), far])).toMatchObject({
      status: STATUS.batchMemberFailed,
      bytesCompleted: 2,
    });
    expect(statuses(driver, 2)).toEqual([STATUS.pageFault, 1]);
  });
});

describe('batches and queues together', () => {
  it('lets descriptors of queues pass a long batch', () => {
    const driver = new DsaDriver({ config: { engines: 1 } }).setUp([
      { ...DEDICATED, maxBatchShift: 10 },
      SHARED,
    ]);
    const members = Array.from({ length: 500 }, (_, i) =>
      descriptor(OPCODE.fill, { pattern: 1n, destination: BigInt(0x10_0000 + i * 8), size: 8 }),
    );
    members.forEach((member, i) => {
      driver.fill(LIST + i * 64, new Uint8Array(member.buffer));
    });
    driver.submit(
      0,
      descriptor(
        OPCODE.batch,
        { list: BigInt(LIST), count: 500, recordAddress: BigInt(AT) },
        RECORD,
      ),
    );
    driver.run(2_000);
    driver.submit(1, descriptor(OPCODE.noop, { pasid: 2, recordAddress: 0x3000n }, RECORD));
    driver.run(1_000);
    expect(driver.bytes(0x3000, 1)[0]).toBe(1);
    expect(driver.bytes(AT, 1)[0]).toBe(0);
    driver.run();
    expect(driver.bytes(AT, 1)[0]).toBe(1);
  });

  it('parks batches beyond the slots of the engines and lets other queues work', () => {
    const driver = new DsaDriver({ config: { profile: 'v2', engines: 1, totalWqSize: 256 } });
    driver.setUpFunction();
    driver.setUpQueues([{ ...DEDICATED, size: 64 }, SHARED], { batchLimit: 3 });
    driver.port.unmap(1, LIST);
    const batch = descriptor(OPCODE.batch, { list: BigInt(LIST), count: 2 });
    for (let i = 0; i < 8; i++) {
      driver.submit(0, batch);
    }
    driver.run(10_000);
    expect(driver.device.inspect.engines()[0]).toMatchObject({
      batchesInProgress: 2,
      batchLimit: 2,
    });
    expect(driver.readWq(0).occupancy).toBe(6);
    driver.submit(1, descriptor(OPCODE.noop, { pasid: 2, recordAddress: 0x3000n }, RECORD));
    driver.run(10_000);
    expect(driver.bytes(0x3000, 1)[0]).toBe(1);
    driver.port.map(1, LIST);
    driver.port.onPageRequest = (r) => {
      driver.device.pageResponse(r.pasid, r.groupIndex, 0);
    };
    driver.port.pageRequests.forEach((r) => {
      driver.device.pageResponse(r.pasid, r.groupIndex, 0);
    });
    driver.run();
    expect(driver.readWq(0).occupancy).toBe(0);
    expect(driver.device.inspect.engines()[0]).toMatchObject({
      batchesInProgress: 0,
      workInProgress: 0,
    });
  });

  it('does not starve a batch behind many drains', () => {
    const driver = new DsaDriver({ config: { profile: 'v2', engines: 1, totalWqSize: 512 } });
    driver.setUpFunction();
    driver.setUpQueues([{ ...DEDICATED, size: 256 }], { workLimit: 3 });
    [fillOf(0), fillOf(1)].forEach((m, i) => {
      driver.fill(LIST + i * 64, new Uint8Array(m.buffer));
    });
    driver.submit(
      0,
      descriptor(OPCODE.batch, { list: BigInt(LIST), count: 2, recordAddress: BigInt(AT) }, RECORD),
    );
    const drain = descriptor(OPCODE.drain, { recordAddress: 0x3000n }, RECORD);
    for (let i = 0; i < 60; i++) {
      driver.submit(0, drain);
    }
    driver.run();
    expect(driver.bytes(AT, 1)[0]).toBe(1);
    expect(driver.device.inspect.completed()).toHaveLength(63);
  });
});
