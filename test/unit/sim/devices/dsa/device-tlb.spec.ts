import { describe, expect, it } from 'vitest';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { STATUS } from '../../../../../src-main/spec/dsa/status-codes.ts';
import {
  AddressTranslationCache,
  isSameRegion,
} from '../../../../../src-main/sim/pcie/address-translation-cache.ts';
import {
  COMPLETION,
  createTranslationCompletion,
  type InvalidateRequest,
} from '../../../../../src-main/sim/pcie/ports.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  SHARED,
  descriptor,
} from '../../../../support/dsa-driver.ts';

const ALL: InvalidateRequest = {
  itag: 3,
  pasid: 1,
  isGlobal: false,
  high: 0,
  low: 0,
  sizeShift: 64,
};

function answer(
  high: number,
  low: number,
  pageShift = 12,
  isWritable = true,
): ReturnType<typeof createTranslationCompletion> {
  return { ...createTranslationCompletion(), isReadable: true, isWritable, pageShift, high, low };
}

function moveOf(
  size: number,
  values: Readonly<Record<string, number | bigint>> = {},
  flags = 0,
): Uint32Array {
  return descriptor(
    OPCODE.memoryMove,
    { source: 0x1_0000n, destination: 0x8_0000n, size, recordAddress: 0x2000n, ...values },
    RECORD | flags,
  );
}

describe('device TLB', () => {
  it('finds what was inserted, for the same PASID and privilege only', () => {
    const atc = new AddressTranslationCache(16);
    atc.insert(5, false, 1, 0x1000, answer(2, 0x9000));
    expect(atc.lookup(5, false, 1, 0x1abc, false)).toBe(true);
    expect([atc.high, atc.low]).toEqual([2, 0x9abc]);
    expect(atc.lookup(6, false, 1, 0x1abc, false)).toBe(false);
    expect(atc.lookup(5, true, 1, 0x1abc, false)).toBe(false);
    expect(atc.lookup(-1, false, 1, 0x1abc, false)).toBe(false);
    expect(atc.lookup(5, false, 0, 0x1abc, false)).toBe(false);
  });

  it('does not find a right that the translation lacks, and replaces the entry when it comes', () => {
    const atc = new AddressTranslationCache(16);
    atc.insert(5, false, 0, 0x1000, answer(0, 0x9000, 12, false));
    expect(atc.lookup(5, false, 0, 0x1000, true)).toBe(false);
    atc.insert(5, false, 0, 0x1000, answer(0, 0x9000));
    expect(atc.lookup(5, false, 0, 0x1000, true)).toBe(true);
    expect(atc.entries()).toHaveLength(1);
  });

  it.each([
    [12, 12],
    [16, 12],
    [21, 21],
    [24, 21],
    [30, 30],
    [39, 30],
  ])('keeps a region of 2^%i bytes as one of 2^%i', (given, kept) => {
    const atc = new AddressTranslationCache(64);
    const low = 0x7654_3210;
    atc.insert(5, false, 0x12, low & ~0xfff, answer(0x7f80, 0, given));
    expect(atc.entries()).toMatchObject([{ pageShift: kept }]);
    expect(atc.lookup(5, false, 0x12, low, false)).toBe(true);
    const offsetHigh = given > 32 ? 0x12 & (2 ** (given - 32) - 1) : 0;
    const offsetLow = given >= 32 ? low : low & (2 ** given - 1);
    expect([atc.high, atc.low]).toEqual([0x7f80 | offsetHigh, offsetLow]);
  });

  it('drops the least recently used entry of a full set', () => {
    const atc = new AddressTranslationCache(4);
    [1, 2, 3, 4].forEach((page) => {
      atc.insert(5, false, 0, page * 0x1000, answer(0, page * 0x1000));
    });
    expect(atc.lookup(5, false, 0, 0x1000, false)).toBe(true);
    atc.insert(5, false, 0, 0x5000, answer(0, 0x5000));
    expect(atc.lookup(5, false, 0, 0x1000, false)).toBe(true);
    expect(atc.lookup(5, false, 0, 0x2000, false)).toBe(false);
  });

  it.each<readonly [string, Partial<InvalidateRequest>, readonly number[]]>([
    ['everything of a PASID', {}, [2, 3]],
    ['one page of a PASID', { low: 0x1000, sizeShift: 12 }, [1, 2, 3]],
    ['a range of a PASID', { low: 0, sizeShift: 20 }, [2, 3]],
    ['a page in all PASIDs', { isGlobal: true, low: 0x1000, sizeShift: 12 }, [1, 3]],
    ['everything', { isGlobal: true }, []],
    ['what has no PASID', { pasid: -1 }, [0, 1, 2]],
    ['another PASID', { pasid: 77 }, [0, 1, 2, 3]],
  ])('invalidates %s', (_, request, left) => {
    const atc = new AddressTranslationCache(64);
    const entries = [
      [1, 0x1000],
      [1, 0x2000],
      [2, 0x1000],
      [-1, 0x3000],
    ] as const;
    for (const [pasid, low] of entries) {
      atc.insert(pasid, false, 0, low, answer(0, low));
    }
    const epoch = atc.epoch;
    expect(atc.invalidate({ ...ALL, ...request })).toBe(4 - left.length);
    expect(atc.epoch).toBe(epoch + 1);
    const found = entries.map(([pasid, low]) => atc.lookup(pasid, false, 0, low, false));
    expect(found).toEqual(entries.map((__, i) => left.includes(i)));
  });

  it('drops a large entry for an invalidation of any page in it', () => {
    const atc = new AddressTranslationCache(16);
    atc.insert(1, false, 0, 0x20_0000, answer(0, 0x4000_0000, 21));
    expect(atc.invalidate({ ...ALL, low: 0x21_0000, sizeShift: 12 })).toBe(1);
    expect(atc.lookup(1, false, 0, 0x20_0000, false)).toBe(false);
  });

  it('compares regions up to the whole space', () => {
    expect(isSameRegion(0, 0x1000, 0, 0x1fff, 12)).toBe(true);
    expect(isSameRegion(0, 0x1000, 0, 0x2000, 12)).toBe(false);
    expect(isSameRegion(1, 0, 1, 0xffff_ffff, 32)).toBe(true);
    expect(isSameRegion(1, 0, 2, 0, 32)).toBe(false);
    expect(isSameRegion(1, 0, 2, 0, 34)).toBe(true);
    expect(isSameRegion(0, 0, 0xffff_ffff, 0, 64)).toBe(true);
  });
});

describe('translations of a device', () => {
  it('are asked for once', () => {
    const driver = new DsaDriver().setUp([DEDICATED]);
    driver.port.isRecording = true;
    driver.execute(moveOf(64));
    driver.execute(moveOf(64));
    expect(driver.port.translations).toHaveLength(3);
    expect(driver.device.inspect.wq(0).counters).toMatchObject({ translations: 3, atcHits: 3 });
  });

  it('are dropped by an invalidation, which is answered', () => {
    const driver = new DsaDriver().setUp([DEDICATED]);
    driver.execute(moveOf(64));
    driver.device.atsInvalidate(ALL);
    expect(driver.device.inspect.deviceTlb()).toEqual([]);
    expect(driver.port.invalidated).toEqual([]);
    driver.run();
    expect(driver.port.invalidated).toEqual([{ vector: 8, count: 1 }]);
    expect(driver.records('pcie.device-tlb.invalidated').map((r) => r.values.slice(-2))).toEqual([
      [3, 3],
    ]);
  });

  it('are not used after an invalidation that comes while a chunk is under way', () => {
    const driver = new DsaDriver().setUp([DEDICATED]);
    driver.fill(0x1_0000, new Uint8Array(64).fill(7));
    driver.execute(moveOf(64));
    driver.submit(0, moveOf(64, { destination: 0x8_0000n }));
    driver.queue.runNext(Number.POSITIVE_INFINITY);
    driver.port.unmap(1, 0x8_0000);
    driver.device.atsInvalidate(ALL);
    driver.fill(0x8_0000, new Uint8Array(64));
    driver.run();
    expect(driver.record(moveOf(64))).toMatchObject({ status: STATUS.pageFault });
    expect(driver.bytes(0x8_0000, 1)[0]).toBe(0);
  });

  it('stay valid for other address spaces', () => {
    const driver = new DsaDriver().setUp([DEDICATED, SHARED]);
    driver.execute(moveOf(64));
    driver.execute(moveOf(64, { pasid: 9 }), 1);
    driver.device.atsInvalidate(ALL);
    driver.run();
    expect(driver.device.inspect.deviceTlb().map((e) => e.pasid)).toEqual([9, 9, 9]);
  });

  it('are used untranslated where the answer says so', () => {
    const driver = new DsaDriver().setUp([DEDICATED]);
    driver.port.isUntranslatedOnly = true;
    driver.port.isRecording = true;
    expect(driver.execute(moveOf(64))).toMatchObject({ status: 1 });
    expect(driver.port.accesses.every((a) => a.addressType === 0)).toBe(true);
  });

  it('reach the place of their own address space', () => {
    const driver = new DsaDriver().setUp([DEDICATED, SHARED]);
    driver.port.spaces.set(9, 0x10_0000);
    driver.fill(0x11_0000, new Uint8Array(64).fill(5));
    driver.submit(1, moveOf(64, { pasid: 9 }));
    driver.run();
    expect(driver.bytes(0x18_0000, 1)[0]).toBe(5);
    expect(driver.bytes(0x8_0000, 1)[0]).toBe(0);
  });

  it('are forgotten when ATS is switched off', () => {
    const driver = new DsaDriver().setUp([DEDICATED]);
    driver.execute(moveOf(64));
    driver.command(2);
    driver.device.configWrite(0x226, 2, 0);
    expect(driver.device.inspect.deviceTlb()).toEqual([]);
  });

  it('end with 22h when they are refused', () => {
    const driver = new DsaDriver().setUp([DEDICATED]);
    driver.execute(moveOf(64));
    driver.port.translationStatus = COMPLETION.unsupportedRequest;
    expect(driver.execute(moveOf(64, { source: 0x3_0000n }))).toMatchObject({
      status: STATUS.translation,
    });
  });
});

describe('page requests', () => {
  const bofMove = (values: Readonly<Record<string, number | bigint>> = {}): Uint32Array =>
    moveOf(64, values, FLAG.blockOnFault);

  function driverWithFaults(setup = {}): DsaDriver {
    const driver = new DsaDriver().setUp([{ ...DEDICATED, blockOnFault: 1 }], setup);
    for (let page = 0; page < 8; page++) {
      driver.port.unmap(1, 0x1_0000 + page * 0x1000);
    }
    return driver;
  }

  it('are shared by descriptors that miss the same page', () => {
    const driver = driverWithFaults();
    [0x2000n, 0x2020n, 0x2040n].forEach((recordAddress) => {
      driver.submit(0, bofMove({ recordAddress }));
    });
    driver.run(50_000);
    expect(driver.port.pageRequests).toHaveLength(1);
    driver.port.map(1, 0x1_0000);
    driver.device.pageResponse(1, 0, 0);
    driver.run();
    expect([0x2000, 0x2020, 0x2040].map((at) => driver.bytes(at, 1)[0])).toEqual([1, 1, 1]);
  });

  it('keep to the allocation and number their groups', () => {
    const driver = driverWithFaults({ pageRequests: 2 });
    for (let i = 0; i < 4; i++) {
      driver.submit(
        0,
        bofMove({ source: BigInt(0x1_0000 + i * 0x1000), recordAddress: BigInt(0x2000 + i * 32) }),
      );
    }
    driver.run(50_000);
    expect(driver.port.pageRequests.map((r) => [r.groupIndex, r.low])).toEqual([
      [0, 0x1_0000],
      [1, 0x1_1000],
    ]);
    driver.port.map(1, 0x1_0000);
    driver.device.pageResponse(1, 0, 0);
    driver.run(50_000);
    expect(driver.port.pageRequests.map((r) => r.groupIndex)).toEqual([0, 1, 2]);
    expect(driver.device.inspect.pageRequests().map((r) => r.group)).toEqual([1, 2]);
  });

  it('find an answer to nothing unexpected', () => {
    const driver = driverWithFaults();
    driver.device.pageResponse(1, 5, 0);
    driver.run();
    expect(driver.device.configRead(0x246, 2)).toBe(0x8002);
    expect(driver.records('pcie.page-response.unexpected')).toHaveLength(1);
    driver.device.configWrite(0x246, 2, 0x0002);
    expect(driver.device.configRead(0x246, 2)).toBe(0x8000);
  });

  it('stop for the whole function on response failure', () => {
    const driver = driverWithFaults();
    driver.submit(0, bofMove());
    driver.submit(0, bofMove({ source: 0x1_1000n, recordAddress: 0x2020n }));
    driver.run(50_000);
    driver.device.pageResponse(1, 0, 15);
    driver.run();
    expect([0x2000, 0x2020].map((at) => (driver.bytes(at, 1)[0] ?? 0) & 0x3f)).toEqual([
      STATUS.translation,
      STATUS.translation,
    ]);
    expect(driver.device.configRead(0x246, 2)).toBe(0x8101);
    // A later fault finds page requests off.
    expect(driver.execute(bofMove({ source: 0x1_2000n }))).toMatchObject({
      status: STATUS.translation,
    });
    expect(driver.port.pageRequests).toHaveLength(2);
  });

  it('go on once software has cleared the failure, which is no change of the enable', () => {
    const driver = driverWithFaults();
    driver.submit(0, bofMove());
    driver.run(50_000);
    driver.device.pageResponse(1, 0, 15);
    driver.run();
    driver.device.configWrite(0x246, 2, 0x0001);
    expect(driver.read(0x90)).toBe(1);
    driver.port.onPageRequest = (request) => {
      driver.port.map(request.pasid, request.low);
      driver.device.pageResponse(request.pasid, request.groupIndex, 0);
    };
    expect(driver.execute(bofMove())).toMatchObject({ status: STATUS.success });
  });

  it('are not sent by a halted device', () => {
    const driver = driverWithFaults({ pageRequests: 1 });
    driver.submit(0, bofMove());
    driver.submit(0, bofMove({ source: 0x1_1000n, recordAddress: 0x2020n }));
    driver.run(50_000);
    driver.device.injectHalt('command');
    driver.device.configWrite(0x24c, 4, 8);
    expect(driver.port.pageRequests).toHaveLength(1);
  });

  it('show Stopped only while disabled and idle', () => {
    const driver = new DsaDriver();
    expect(driver.device.configRead(0x246, 2)).toBe(0x8100);
    driver.setUpFunction();
    expect(driver.device.configRead(0x246, 2)).toBe(0x8000);
    driver.device.configWrite(0x244, 2, 0);
    expect(driver.device.configRead(0x246, 2)).toBe(0x8100);
  });
});
