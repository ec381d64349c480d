import { describe, expect, it } from 'vitest';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { STATUS } from '../../../../../src-main/spec/dsa/status-codes.ts';
import { DEDICATED, DsaDriver, RECORD, descriptor } from '../../../../support/dsa-driver.ts';

const SOURCE = 0x1_0000;
const SOURCE2 = 0x4_0000;
const TARGET = 0x8_0000;
const TARGET2 = 0xa_0000;
const DELTA = 0xc_0000;
const AT = 0x2000;

type Values = Readonly<Record<string, number | bigint>>;

function driverWith(profile: 'v1' | 'v2' | 'v3' = 'v1'): DsaDriver {
  return new DsaDriver({ config: { profile } }).setUp([{ ...DEDICATED, blockOnFault: 1 }]);
}

function pattern(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 16;
  });
}

function run(
  driver: DsaDriver,
  opcode: number,
  values: Values,
  flags = 0,
): Record<string, number | bigint> {
  return driver.execute(
    descriptor(opcode, { recordAddress: BigInt(AT), ...values }, RECORD | flags),
  );
}

const SUCCESS = { status: STATUS.success, bytesCompleted: 0, faultAddress: 0n };

describe('No-op', () => {
  it('only signals completion', () => {
    const driver = driverWith();
    expect(run(driver, OPCODE.noop, {})).toMatchObject(SUCCESS);
  });

  it('writes no record when none is requested', () => {
    const driver = driverWith();
    driver.fill(AT, [0]);
    expect(
      driver.submit(
        0,
        descriptor(OPCODE.noop, { recordAddress: BigInt(AT) }, FLAG.recordAddressValid),
      ),
    ).toBe('accepted');
    driver.run();
    expect(driver.bytes(AT, 32).every((b) => b === 0)).toBe(true);
    expect(driver.records('dsa.descriptor.completed')).toHaveLength(1);
  });
});

describe('Memory Move', () => {
  it.each([1, 63, 64, 4095, 4096, 4097, 20_000])('copies %i bytes at any alignment', (size) => {
    const driver = driverWith();
    const data = pattern(size);
    driver.fill(SOURCE + 13, data);
    const record = run(driver, OPCODE.memoryMove, {
      source: BigInt(SOURCE + 13),
      destination: BigInt(TARGET + 4001),
      size,
    });
    expect(record).toMatchObject(SUCCESS);
    expect(driver.bytes(TARGET + 4001, size)).toEqual(data);
    expect(driver.bytes(TARGET + 4000, 1)[0]).toBe(0);
    expect(driver.bytes(TARGET + 4001 + size, 1)[0]).toBe(0);
  });

  it.each([
    ['above', 100],
    ['below', -100],
    ['a page above', 4096],
    ['at', 0],
  ])('behaves as if through a buffer when the destination lies %s the source', (_, distance) => {
    const driver = driverWith();
    const data = pattern(10_000);
    driver.fill(SOURCE, data);
    expect(
      run(driver, OPCODE.memoryMove, {
        source: BigInt(SOURCE),
        destination: BigInt(SOURCE + distance),
        size: 10_000,
      }),
    ).toMatchObject({
      ...SUCCESS,
      result: 0,
    });
    expect(driver.bytes(SOURCE + distance, 10_000)).toEqual(data);
  });

  it('stops at a page border and can be continued (result 0)', () => {
    const driver = driverWith();
    const data = pattern(9000);
    driver.fill(SOURCE, data);
    driver.port.unmap(1, TARGET + 4096);
    const values = { source: BigInt(SOURCE), destination: BigInt(TARGET + 96), size: 9000 };
    expect(run(driver, OPCODE.memoryMove, values)).toMatchObject({
      status: STATUS.pageFault,
      result: 0,
      bytesCompleted: 4000,
      faultAddress: BigInt(TARGET + 4096),
      write: 1,
    });
    driver.port.map(1, TARGET + 4096);
    const rest = { source: BigInt(SOURCE + 4000), destination: BigInt(TARGET + 4096), size: 5000 };
    expect(run(driver, OPCODE.memoryMove, rest)).toMatchObject(SUCCESS);
    expect(driver.bytes(TARGET + 96, 9000)).toEqual(data);
  });

  it('tells result 1 when it copied from the end', () => {
    const driver = driverWith();
    const data = pattern(10_000);
    driver.fill(SOURCE, data);
    driver.port.unmap(1, SOURCE);
    const size = 10_000;
    const record = run(driver, OPCODE.memoryMove, {
      source: BigInt(SOURCE),
      destination: BigInt(SOURCE + 8),
      size,
    });
    expect(record).toMatchObject({ status: STATUS.pageFault, result: 1, write: 0 });
    driver.port.map(1, SOURCE);
    const left = size - Number(record['bytesCompleted']);
    expect(
      run(driver, OPCODE.memoryMove, {
        source: BigInt(SOURCE),
        destination: BigInt(SOURCE + 8),
        size: left,
      }),
    ).toMatchObject(SUCCESS);
    expect(driver.bytes(SOURCE + 8, size)).toEqual(data);
  });

  it('waits for a page with block on fault', () => {
    const driver = driverWith();
    const data = pattern(9000);
    driver.fill(SOURCE, data);
    driver.port.unmap(1, SOURCE + 4096);
    driver.port.onPageRequest = (request) => {
      driver.port.map(request.pasid, request.low);
      driver.device.pageResponse(request.pasid, request.groupIndex, 0);
    };
    const values = { source: BigInt(SOURCE), destination: BigInt(TARGET), size: 9000 };
    expect(run(driver, OPCODE.memoryMove, values, FLAG.blockOnFault)).toMatchObject(SUCCESS);
    expect(driver.bytes(TARGET, 9000)).toEqual(data);
    expect(driver.port.pageRequests).toMatchObject([
      {
        pasid: 1,
        isPrivileged: true,
        isRead: true,
        isWrite: false,
        isLastInGroup: true,
        low: SOURCE + 4096,
      },
    ]);
  });
});

describe('Fill', () => {
  it.each([1, 7, 8, 9, 4096, 5000])(
    'repeats an eight-byte pattern over %i bytes from byte 0',
    (size) => {
      const driver = driverWith();
      const record = run(driver, OPCODE.fill, {
        pattern: 0x0706_0504_0302_0100n,
        destination: BigInt(TARGET + 3),
        size,
      });
      expect(record).toMatchObject(SUCCESS);
      expect(driver.bytes(TARGET + 3, size)).toEqual(
        Uint8Array.from({ length: size }, (_, i) => i % 8),
      );
      expect(driver.bytes(TARGET + 3 + size, 1)[0]).toBe(0);
    },
  );

  it('repeats a sixteen-byte pattern on version 2', () => {
    const driver = driverWith('v2');
    const values = {
      pattern: 0x0706_0504_0302_0100n,
      patternHigh: 0x0f0e_0d0c_0b0a_0908n,
      pattern16: 1,
      destination: BigInt(TARGET + 4090),
      size: 100,
    };
    expect(run(driver, OPCODE.fill, values)).toMatchObject(SUCCESS);
    expect(driver.bytes(TARGET + 4090, 100)).toEqual(
      Uint8Array.from({ length: 100 }, (_, i) => i % 16),
    );
  });
});

describe('Compare', () => {
  const both = { source1: BigInt(SOURCE), source2: BigInt(SOURCE2 + 5), size: 9000 };

  function prepared(differsAt?: number): DsaDriver {
    const driver = driverWith();
    const data = pattern(9000);
    driver.fill(SOURCE, data);
    driver.fill(SOURCE2 + 5, data);
    if (differsAt !== undefined) {
      driver.fill(SOURCE2 + 5 + differsAt, [(data[differsAt] as number) ^ 1]);
    }
    return driver;
  }

  it('finds equal buffers equal', () => {
    expect(run(prepared(), OPCODE.compare, both)).toMatchObject({ ...SUCCESS, result: 0 });
  });

  it.each([0, 4095, 4096, 8999])('tells the offset of a difference at %i', (at) => {
    expect(run(prepared(at), OPCODE.compare, both)).toMatchObject({
      status: STATUS.success,
      result: 1,
      bytesCompleted: at,
    });
  });

  it.each([
    [undefined, 0, STATUS.success],
    [undefined, 1, STATUS.successFalsePredicate],
    [100, 1, STATUS.success],
    [100, 0, STATUS.successFalsePredicate],
  ])('checks the expected result (difference at %s, expected %i)', (at, expectedResult, status) => {
    expect(
      run(prepared(at), OPCODE.compare, { ...both, expectedResult }, FLAG.checkResult),
    ).toMatchObject({ status });
  });

  it('reports a difference before a fault that lies behind it', () => {
    const driver = prepared(100);
    driver.port.unmap(1, SOURCE + 4096);
    expect(run(driver, OPCODE.compare, both)).toMatchObject({
      status: STATUS.success,
      result: 1,
      bytesCompleted: 100,
    });
  });

  it('reports a fault before a difference that lies behind it', () => {
    const driver = prepared(5000);
    driver.port.unmap(1, SOURCE + 4096);
    expect(run(driver, OPCODE.compare, both)).toMatchObject({
      status: STATUS.pageFault,
      bytesCompleted: 4096,
      faultAddress: BigInt(SOURCE + 4096),
    });
  });
});

describe('Compare Pattern', () => {
  it('compares with a repeated pattern', () => {
    const driver = driverWith();
    driver.fill(
      SOURCE,
      Uint8Array.from({ length: 5000 }, (_, i) => i % 8),
    );
    const values = { source: BigInt(SOURCE), pattern: 0x0706_0504_0302_0100n, size: 5000 };
    expect(run(driver, OPCODE.comparePattern, values)).toMatchObject({ ...SUCCESS, result: 0 });
    driver.fill(SOURCE + 4100, [99]);
    expect(run(driver, OPCODE.comparePattern, values)).toMatchObject({
      status: STATUS.success,
      result: 1,
      bytesCompleted: 4100,
    });
  });
});

describe('delta records', () => {
  const size = 16_384;

  function prepared(changed: readonly number[]): { driver: DsaDriver; after: Uint8Array } {
    const driver = driverWith();
    const before = pattern(size);
    const after = before.slice();
    for (const block of changed) {
      after[block * 8 + 3] = (after[block * 8 + 3] as number) ^ 0xff;
    }
    driver.fill(SOURCE, before);
    driver.fill(SOURCE2, after);
    return { driver, after };
  }

  const create = {
    source1: BigInt(SOURCE),
    source2: BigInt(SOURCE2),
    size,
    delta: BigInt(DELTA + 4090),
    maxDeltaSize: 2000,
  };

  it('gives an empty record for equal buffers', () => {
    const { driver } = prepared([]);
    expect(run(driver, OPCODE.createDelta, create)).toMatchObject({
      ...SUCCESS,
      result: 0,
      deltaSize: 0,
    });
  });

  it('records each changed block as index and bytes, and applies it again', () => {
    const changed = [0, 1, 511, 512, 1023, 2047];
    const { driver, after } = prepared(changed);
    expect(run(driver, OPCODE.createDelta, create)).toMatchObject({
      ...SUCCESS,
      result: 1,
      deltaSize: 60,
    });
    const delta = driver.bytes(DELTA + 4090, 60);
    changed.forEach((block, i) => {
      expect((delta[i * 10] as number) | ((delta[i * 10 + 1] as number) << 8)).toBe(block);
      expect(delta.slice(i * 10 + 2, i * 10 + 10)).toEqual(after.slice(block * 8, block * 8 + 8));
    });
    const apply = { delta: BigInt(DELTA + 4090), destination: BigInt(SOURCE), size, deltaSize: 60 };
    expect(run(driver, OPCODE.applyDelta, apply)).toMatchObject(SUCCESS);
    expect(driver.bytes(SOURCE, size)).toEqual(after);
  });

  it('overflows with result 2 and what fitted', () => {
    const { driver } = prepared(Array.from({ length: 20 }, (_, i) => i * 100));
    expect(run(driver, OPCODE.createDelta, { ...create, maxDeltaSize: 80 })).toMatchObject({
      status: STATUS.success,
      result: 2,
      deltaSize: 80,
    });
  });

  it.each([
    [[], 0b001, STATUS.success],
    [[], 0b010, STATUS.successFalsePredicate],
    [[3], 0b010, STATUS.success],
    [[3], 0b101, STATUS.successFalsePredicate],
  ])('checks the result against the mask (%j, %i)', (changed, expectedMask, status) => {
    const { driver } = prepared(changed);
    expect(
      run(driver, OPCODE.createDelta, { ...create, expectedMask }, FLAG.checkResult),
    ).toMatchObject({ status });
  });

  it('does not count a difference that it could not store', () => {
    const changed = [0, 1, 2, 600];
    const { driver } = prepared(changed);
    driver.port.unmap(1, DELTA + 8192);
    // Room for two entries and a half before the missing page.
    const values = { ...create, delta: BigInt(DELTA + 8192 - 25) };
    expect(run(driver, OPCODE.createDelta, values)).toMatchObject({
      status: STATUS.pageFault,
      bytesCompleted: 16,
      deltaSize: 20,
      write: 1,
      faultAddress: BigInt(DELTA + 8192),
    });
  });

  it('goes on after the page of the record has arrived', () => {
    const changed = [0, 1, 2, 600];
    const { driver } = prepared(changed);
    driver.port.unmap(1, DELTA + 8192);
    driver.port.onPageRequest = (request) => {
      driver.port.map(request.pasid, request.low);
      driver.device.pageResponse(request.pasid, request.groupIndex, 0);
    };
    const values = { ...create, delta: BigInt(DELTA + 8192 - 25) };
    expect(run(driver, OPCODE.createDelta, values, FLAG.blockOnFault)).toMatchObject({
      ...SUCCESS,
      deltaSize: 40,
    });
    const delta = driver.bytes(DELTA + 8192 - 25, 40);
    expect(
      [0, 10, 20, 30].map((at) => (delta[at] as number) | ((delta[at + 1] as number) << 8)),
    ).toEqual(changed);
  });

  it('counts record bytes of a faulting apply', () => {
    const { driver } = prepared([0, 600, 1100]);
    run(driver, OPCODE.createDelta, create);
    driver.port.unmap(1, TARGET + 8192);
    const apply = { delta: BigInt(DELTA + 4090), destination: BigInt(TARGET), size, deltaSize: 30 };
    expect(run(driver, OPCODE.applyDelta, apply)).toMatchObject({
      status: STATUS.pageFault,
      bytesCompleted: 20,
      write: 1,
    });
  });
});

describe('Dualcast', () => {
  it('writes both destinations', () => {
    const driver = driverWith();
    const data = pattern(9000);
    driver.fill(SOURCE + 7, data);
    const values = {
      source: BigInt(SOURCE + 7),
      destination: BigInt(TARGET + 100),
      destination2: BigInt(TARGET2 + 100),
      size: 9000,
    };
    expect(run(driver, OPCODE.dualcast, values)).toMatchObject(SUCCESS);
    expect(driver.bytes(TARGET + 100, 9000)).toEqual(data);
    expect(driver.bytes(TARGET2 + 100, 9000)).toEqual(data);
  });

  it('advances both destinations together', () => {
    const driver = driverWith();
    driver.fill(SOURCE, pattern(9000));
    driver.port.unmap(1, TARGET2 + 4096);
    const values = {
      source: BigInt(SOURCE),
      destination: BigInt(TARGET),
      destination2: BigInt(TARGET2),
      size: 9000,
    };
    expect(run(driver, OPCODE.dualcast, values)).toMatchObject({
      status: STATUS.pageFault,
      bytesCompleted: 4096,
      write: 1,
    });
    expect(driver.bytes(TARGET + 4096, 1)[0]).toBe(0);
  });
});

describe('Cache Flush and Translation Fetch', () => {
  it('walks over the pages of a flush and changes nothing', () => {
    const driver = driverWith();
    driver.port.isRecording = true;
    expect(
      run(driver, OPCODE.cacheFlush, { destination: BigInt(TARGET + 100), size: 9000 }),
    ).toMatchObject(SUCCESS);
    expect(driver.port.translations.map((t) => t.low).filter((low) => low >= TARGET)).toEqual([
      TARGET,
      TARGET + 4096,
      TARGET + 8192,
    ]);
    expect(driver.port.accesses.filter((a) => a.address >= TARGET)).toEqual([]);
  });

  it('loads translations into the device TLB', () => {
    const driver = driverWith('v2');
    expect(
      run(driver, OPCODE.translationFetch, { region: BigInt(TARGET), size: 10 * 4096 }),
    ).toMatchObject(SUCCESS);
    const pages = driver.device.inspect.deviceTlb().map((e) => e.low);
    expect(
      Array.from({ length: 10 }, (_, i) => TARGET + i * 4096).every((page) => pages.includes(page)),
    ).toBe(true);
  });

  it('fetches one translation for each stride', () => {
    const driver = driverWith('v2');
    const values = { region: BigInt(TARGET), size: 0x8000, useStride: 1, stride: 0x4000 };
    expect(run(driver, OPCODE.translationFetch, values)).toMatchObject(SUCCESS);
    const pages = driver.device.inspect
      .deviceTlb()
      .map((e) => e.low)
      .filter((low) => low >= TARGET);
    expect([...pages].sort((a, b) => a - b)).toEqual([TARGET, TARGET + 0x4000]);
  });
});

describe('Drain', () => {
  it('waits for the earlier descriptors of a dedicated queue', () => {
    const driver = driverWith();
    const move = descriptor(
      OPCODE.memoryMove,
      {
        source: BigInt(SOURCE),
        destination: BigInt(TARGET),
        size: 0x4_0000,
        recordAddress: 0x3000n,
      },
      RECORD,
    );
    const drain = descriptor(OPCODE.drain, { recordAddress: BigInt(AT) }, RECORD);
    driver.submit(0, move);
    driver.submit(0, drain);
    driver.run(4_000);
    expect(driver.record(drain)['status']).toBe(0);
    driver.run();
    expect(driver.record(move)['status']).toBe(1);
    expect(driver.record(drain)['status']).toBe(1);
    const completed = driver.device.inspect.completed().map((c) => (c.words[1] as number) >>> 24);
    expect(completed).toEqual([OPCODE.memoryMove, OPCODE.drain]);
  });

  it('waits only for its own PASID in a shared queue', () => {
    const driver = new DsaDriver().setUp();
    const move = descriptor(
      OPCODE.memoryMove,
      {
        pasid: 7,
        source: BigInt(SOURCE),
        destination: BigInt(TARGET),
        size: 0x4_0000,
        recordAddress: 0x3000n,
      },
      RECORD,
    );
    const drain = descriptor(OPCODE.drain, { pasid: 8, recordAddress: BigInt(AT) }, RECORD);
    driver.submit(1, move);
    driver.submit(1, drain);
    driver.run(4_000);
    expect(driver.record(drain)['status']).toBe(1);
    expect(driver.record(move)['status']).toBe(0);
  });

  it('reads back the addresses it is given', () => {
    const driver = driverWith('v2');
    driver.port.isRecording = true;
    const values = {
      readback1Valid: 1,
      readback1: BigInt(TARGET),
      readback2Valid: 1,
      readback2: BigInt(TARGET2),
    };
    expect(run(driver, OPCODE.drain, values)).toMatchObject(SUCCESS);
    expect(driver.port.accesses.filter((a) => a.kind === 'read').map((a) => a.address)).toEqual([
      TARGET,
      TARGET2,
    ]);
  });
});

describe('destination readback', () => {
  it('reads zero bytes at the last destination address before the record', () => {
    const driver = driverWith();
    driver.port.isRecording = true;
    const values = { source: BigInt(SOURCE), destination: BigInt(TARGET), size: 100 };
    expect(run(driver, OPCODE.memoryMove, values, FLAG.cacheControl2)).toMatchObject(SUCCESS);
    expect(driver.port.accesses.map((a) => [a.kind, a.address, a.bytes])).toEqual([
      ['read', SOURCE, 100],
      ['write', TARGET, 100],
      ['read', TARGET + 99, 0],
      ['write', AT, 32],
    ]);
  });
});

describe('address modes', () => {
  const values = { source: BigInt(SOURCE), destination: BigInt(TARGET), size: 64 };

  it('asks with PASID and privilege of the queue, then sends translated requests without', () => {
    const driver = driverWith();
    driver.port.isRecording = true;
    run(driver, OPCODE.memoryMove, values);
    expect(
      driver.port.accesses.every((a) => a.pasid === -1 && !a.isPrivileged && a.addressType === 2),
    ).toBe(true);
    expect(driver.port.translations.map((t) => [t.pasid, t.isPrivileged, t.isNoWrite])).toEqual([
      [1, true, false],
      [1, true, true],
      [1, true, false],
    ]);
  });

  it('sends untranslated requests with PASID without ATS', () => {
    const driver = new DsaDriver().setUp([DEDICATED], { ats: false, pri: false });
    driver.port.isRecording = true;
    expect(run(driver, OPCODE.memoryMove, values)).toMatchObject(SUCCESS);
    expect(driver.port.translations).toEqual([]);
    expect(driver.port.accesses.map((a) => [a.kind, a.addressType, a.pasid])).toEqual([
      ['read', 0, 1],
      ['write', 0, 1],
      ['write', 0, 1],
    ]);
  });

  it('sends requests without PASID where the queue has none', () => {
    const driver = new DsaDriver().setUp([{ mode: 1 }], { pasid: false, ats: false, pri: false });
    driver.port.isRecording = true;
    expect(run(driver, OPCODE.memoryMove, values)).toMatchObject(SUCCESS);
    expect(driver.port.accesses.every((a) => a.pasid === -1 && !a.isPrivileged)).toBe(true);
  });

  it('uses no device TLB for a queue with ATS disabled', () => {
    const driver = new DsaDriver().setUp([{ ...DEDICATED, atsDisable: 1 }]);
    driver.port.isRecording = true;
    expect(run(driver, OPCODE.memoryMove, values)).toMatchObject(SUCCESS);
    expect(driver.port.translations).toEqual([]);
  });

  it('takes PASID and privilege of a shared queue from the descriptor', () => {
    const driver = new DsaDriver().setUp();
    driver.port.isRecording = true;
    const words = descriptor(
      OPCODE.memoryMove,
      { ...values, pasid: 0x1_2345, priv: 0, recordAddress: BigInt(AT) },
      RECORD,
    );
    expect(driver.execute(words, 1)).toMatchObject(SUCCESS);
    expect(driver.port.translations.every((t) => t.pasid === 0x1_2345 && !t.isPrivileged)).toBe(
      true,
    );
  });

  it('ignores PASID and privilege in the descriptor of a dedicated queue', () => {
    const driver = driverWith();
    driver.port.isRecording = true;
    const words = descriptor(
      OPCODE.memoryMove,
      { ...values, pasid: 0x1_2345, recordAddress: BigInt(AT) },
      RECORD,
    );
    driver.execute(words);
    expect(driver.port.translations.every((t) => t.pasid === 1)).toBe(true);
  });

  it('reports success for a write that was refused without ATS, and tells only the trace', () => {
    const driver = new DsaDriver().setUp([DEDICATED], { ats: false, pri: false });
    driver.port.breakPage(TARGET);
    expect(run(driver, OPCODE.memoryMove, values)).toMatchObject(SUCCESS);
    expect(driver.records('dsa.write.lost')).toHaveLength(1);
  });

  it('selects the traffic class of each operand', () => {
    const driver = new DsaDriver().setUp([DEDICATED], {}, { tcA: 1, tcB: 2 });
    driver.port.isRecording = true;
    run(driver, OPCODE.memoryMove, values, FLAG.tc2 | FLAG.tcRecord);
    expect(driver.port.accesses.map((a) => a.trafficClass)).toEqual([1, 2, 2]);
  });
});
