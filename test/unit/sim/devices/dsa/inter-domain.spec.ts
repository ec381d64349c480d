import { describe, expect, it } from 'vitest';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { IDPT_TYPE, IdptEntry } from '../../../../../src-main/spec/dsa/inter-domain.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { STATUS } from '../../../../../src-main/spec/dsa/status-codes.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  SHARED,
  descriptor,
  expectSuccess,
} from '../../../../support/dsa-driver.ts';

const AT = 0x2000;
/** Where the owner's address space (PASID 9) starts in the array. */
const OWNER_BASE = 0x10_0000;
const WINDOW = 0x4_0000;
const LOCAL = 0x8_0000;

type Values = Readonly<Record<string, number | bigint>>;

function driverWith(entry: Values = {}, handles: readonly number[] = [3]): DsaDriver {
  const driver = new DsaDriver({ config: { profile: 'v2' } }).setUp([
    { ...DEDICATED, blockOnFault: 1 },
    SHARED,
  ]);
  driver.port.spaces.set(9, OWNER_BASE);
  writeEntry(driver, 3, entry);
  handles.forEach((index) => {
    expectSuccess(driver.command(COMMAND.requestIdptHandle, index), 'Request IDPT Handle');
  });
  return driver;
}

function writeEntry(driver: DsaDriver, index: number, entry: Values): void {
  const words = IdptEntry.encode({
    usable: 1,
    submitterPasid: 1,
    read: 1,
    write: 1,
    accessPasid: 9,
    windowEnable: 1,
    windowBase: BigInt(WINDOW),
    windowSize: 0x8000n,
    ...entry,
  });
  const base = driver.table(5) + index * 32;
  for (let i = 7; i >= 0; i--) {
    driver.write(base + 4 * i, words[i] as number);
  }
}

function run(
  driver: DsaDriver,
  opcode: number,
  values: Values,
  wq = 0,
  flags = 0,
): Record<string, number | bigint> {
  return driver.execute(
    descriptor(opcode, { recordAddress: BigInt(AT), ...values }, RECORD | flags),
    wq,
  );
}

const IN: Values = {
  alternateSource: 1,
  sourceHandle: 3,
  source: BigInt(WINDOW + 100),
  destination: BigInt(LOCAL),
  size: 5000,
};
const OUT: Values = {
  alternateDestination: 1,
  destinationHandle: 3,
  source: BigInt(LOCAL),
  destination: BigInt(WINDOW + 100),
  size: 5000,
};
const data = Uint8Array.from({ length: 5000 }, (_, i) => (i * 11) & 0xff);

describe('inter-domain operations', () => {
  it('copy out of the other address space', () => {
    const driver = driverWith();
    driver.fill(OWNER_BASE + WINDOW + 100, data);
    expect(run(driver, OPCODE.interDomainCopy, IN)).toMatchObject({ status: STATUS.success });
    expect(driver.bytes(LOCAL, 5000)).toEqual(data);
  });

  it('copy into the other address space, with its PASID on the requests and their own on the record', () => {
    const driver = driverWith();
    driver.fill(LOCAL, data);
    driver.port.isRecording = true;
    expect(run(driver, OPCODE.interDomainCopy, OUT)).toMatchObject({ status: STATUS.success });
    expect(driver.bytes(OWNER_BASE + WINDOW + 100, 5000)).toEqual(data);
    const asked = driver.port.translations.map((t) => [t.pasid, t.isPrivileged, t.isNoWrite]);
    expect(asked.filter(([pasid]) => pasid === 9)).toEqual([
      [9, false, false],
      [9, false, false],
    ]);
    expect(asked.at(-1)?.[0]).toBe(1);
    expect(driver.port.accesses.filter((a) => a.kind === 'write').at(-1)?.address).toBe(AT);
  });

  it('add the window base to offsets', () => {
    const driver = driverWith({ offsetMode: 1 });
    driver.fill(OWNER_BASE + WINDOW + 7, data);
    expect(run(driver, OPCODE.interDomainCopy, { ...IN, source: 7n })).toMatchObject({
      status: STATUS.success,
    });
    expect(driver.bytes(LOCAL, 5000)).toEqual(data);
    expect(run(driver, OPCODE.interDomainCopy, { ...IN, source: 0x7000n })).toMatchObject({
      status: STATUS.windowRange,
    });
  });

  it('reach everything without a window', () => {
    const driver = driverWith({ windowEnable: 0 });
    driver.fill(OWNER_BASE + 0x100, data);
    expect(run(driver, OPCODE.interDomainCopy, { ...IN, source: 0x100n })).toMatchObject({
      status: STATUS.success,
    });
    expect(driver.bytes(LOCAL, 5000)).toEqual(data);
  });

  it('fill and compare there', () => {
    const driver = driverWith();
    const fill = {
      alternateDestination: 1,
      destinationHandle: 3,
      pattern: 0x0101_0101_0101_0101n,
      destination: BigInt(WINDOW),
      size: 64,
    };
    expect(run(driver, OPCODE.interDomainFill, fill)).toMatchObject({ status: STATUS.success });
    expect(driver.bytes(OWNER_BASE + WINDOW, 64).every((b) => b === 1)).toBe(true);
    const pattern = {
      alternateSource: 1,
      sourceHandle: 3,
      source: BigInt(WINDOW),
      pattern: 0x0101_0101_0101_0101n,
      size: 64,
    };
    expect(run(driver, OPCODE.interDomainComparePattern, pattern)).toMatchObject({
      status: STATUS.success,
      result: 0,
    });
    driver.fill(LOCAL, new Uint8Array(64).fill(1));
    driver.fill(LOCAL + 40, [2]);
    const compare = {
      alternateSource: 1,
      sourceHandle: 3,
      source1: BigInt(WINDOW),
      source2: BigInt(LOCAL),
      size: 64,
    };
    expect(run(driver, OPCODE.interDomainCompare, compare)).toMatchObject({
      status: STATUS.success,
      result: 1,
      bytesCompleted: 40,
    });
  });

  it('ask for pages of the other address space', () => {
    const driver = driverWith();
    driver.port.unmap(9, WINDOW);
    driver.port.onPageRequest = (request) => {
      driver.port.map(request.pasid, request.low);
      driver.device.pageResponse(request.pasid, request.groupIndex, 0);
    };
    expect(run(driver, OPCODE.interDomainCopy, IN, 0, FLAG.blockOnFault)).toMatchObject({
      status: STATUS.success,
    });
    expect(driver.port.pageRequests).toMatchObject([{ pasid: 9, low: WINDOW }]);
  });

  it.each<readonly [string, Values, number, number]>([
    ['source', IN, WINDOW, 3],
    ['destination', OUT, WINDOW, 3],
    ['own side', OUT, LOCAL, 0],
  ])('name the handle behind which the page of the %s is missing', (_, values, page, handle) => {
    const driver = driverWith();
    driver.port.unmap(page === LOCAL ? 1 : 9, page);
    expect(run(driver, OPCODE.interDomainCopy, values)).toMatchObject({
      status: STATUS.pageFault,
      invalidFlags: handle,
    });
  });

  it('need at least one alternate address', () => {
    const driver = driverWith();
    expect(
      run(driver, OPCODE.interDomainCopy, { source: 0n, destination: 0x9000n, size: 8 }),
    ).toMatchObject({ status: STATUS.flags });
  });

  it.each<readonly [string, Values, number]>([
    ['another submitter', { submitterPasid: 2 }, STATUS.idptHandle],
    ['an entry that is not usable', { usable: 0 }, STATUS.idptHandle],
    ['an entry of an unknown type', { type: 3 }, STATUS.idptHandle],
    ['an entry without read permission', { read: 0 }, STATUS.idptPermission],
  ])('refuse %s and name the handle', (_, entry, status) => {
    expect(run(driverWith(entry), OPCODE.interDomainCopy, IN)).toMatchObject({
      status,
      invalidFlags: 3,
    });
  });

  it('refuse writes without write permission', () => {
    expect(run(driverWith({ write: 0 }), OPCODE.interDomainCopy, OUT)).toMatchObject({
      status: STATUS.idptPermission,
    });
  });

  it('refuse a handle that was not requested, or was released', () => {
    const driver = driverWith({}, []);
    expect(run(driver, OPCODE.interDomainCopy, IN)).toMatchObject({ status: STATUS.idptHandle });
    driver.command(COMMAND.requestIdptHandle, 3);
    expect(driver.device.inspect.idptHandles()).toEqual([3]);
    expect(run(driver, OPCODE.interDomainCopy, IN)).toMatchObject({ status: STATUS.success });
    expect(driver.command(COMMAND.releaseIdptHandle, 3).error).toBe(0);
    expect(run(driver, OPCODE.interDomainCopy, IN)).toMatchObject({ status: STATUS.idptHandle });
  });
});

describe('submitter bitmaps', () => {
  it('let the PASIDs in whose bit is set, and are cached until invalidated', () => {
    const driver = driverWith({ type: IDPT_TYPE.submitterBitmap, bitmapAddress: 0x3000n });
    expect(run(driver, OPCODE.interDomainCopy, { ...IN, pasid: 77 }, 1)).toMatchObject({
      status: STATUS.idptHandle,
    });
    driver.fill(0x3000 + (77 >>> 3), [1 << (77 & 7)]);
    expect(run(driver, OPCODE.interDomainCopy, { ...IN, pasid: 77 }, 1)).toMatchObject({
      status: STATUS.idptHandle,
    });
    expect(driver.command(COMMAND.invalidateBitmapCache, 0x100).error).toBe(0);
    expect(run(driver, OPCODE.interDomainCopy, { ...IN, pasid: 77 }, 1)).toMatchObject({
      status: STATUS.success,
    });
    expect(run(driver, OPCODE.interDomainCopy, { ...IN, pasid: 78 }, 1)).toMatchObject({
      status: STATUS.idptHandle,
    });
  });

  it('grant nothing when they cannot be read', () => {
    const driver = driverWith({ type: IDPT_TYPE.submitterBitmap, bitmapAddress: 0x3000n });
    driver.port.breakPage(0x3000);
    expect(run(driver, OPCODE.interDomainCopy, { ...IN, pasid: 77 }, 1)).toMatchObject({
      status: STATUS.idptHandle,
    });
  });
});

describe('permission table', () => {
  it('locks an entry while it is usable', () => {
    const driver = driverWith();
    const base = driver.table(5) + 3 * 32;
    driver.write(base + 4, 0);
    expect(driver.device.inspect.idpt(3).read).toBe(1);
    driver.write(base, 0);
    driver.write(base + 4, 0);
    expect(driver.device.inspect.idpt(3)).toMatchObject({ usable: 0, read: 0 });
  });
});

describe('Update Window', () => {
  const update: Values = {
    pasid: 9,
    windowBase: 0x1_0000n,
    windowSize: 0x2000n,
    windowEnable: 1,
    handle: 3,
    recordAddress: BigInt(AT),
  };

  /** Status of a record in the address space of the owner. */
  const ownerStatus = (driver: DsaDriver, at: number): number =>
    driver.bytes(OWNER_BASE + at, 1)[0] ?? 0;

  /** Runs as the owner, unless `values` name somebody else. */
  function updateAs(driver: DsaDriver, values: Values = {}): number {
    driver.submit(1, descriptor(OPCODE.updateWindow, { ...update, ...values }, RECORD));
    driver.run();
    return values['pasid'] === undefined ? ownerStatus(driver, AT) : (driver.bytes(AT, 1)[0] ?? 0);
  }

  it('lets the owner move the window', () => {
    const driver = driverWith({ allowUpdate: 1 });
    driver.fill(OWNER_BASE + 0x1_0000, data.subarray(0, 100));
    const copy = { ...IN, source: 0x1_0000n, size: 100 };
    expect(run(driver, OPCODE.interDomainCopy, copy)).toMatchObject({ status: STATUS.windowRange });
    expect(updateAs(driver)).toBe(STATUS.success);
    expect(run(driver, OPCODE.interDomainCopy, copy)).toMatchObject({ status: STATUS.success });
    expect(driver.bytes(LOCAL, 100)).toEqual(data.subarray(0, 100));
    expect(driver.records('dsa.window.updated')).toHaveLength(1);
  });

  it.each<readonly [string, Values, Values, number]>([
    ['somebody else', { allowUpdate: 1 }, { pasid: 8 }, STATUS.updateWindowDenied],
    ['an entry that may not change', { allowUpdate: 0 }, {}, STATUS.updateWindowDenied],
    [
      'an offset window that is not enabled',
      { allowUpdate: 1 },
      { windowEnable: 0, offsetMode: 1 },
      STATUS.updateWindowFields,
    ],
    [
      'a window behind the end',
      { allowUpdate: 1 },
      { windowBase: (1n << 64n) - 1n },
      STATUS.updateWindowFields,
    ],
    ['an unknown handle', { allowUpdate: 1 }, { handle: 4 }, STATUS.idptHandle],
  ])('refuses %s', (_, entry, values, status) => {
    expect(updateAs(driverWith(entry), values)).toBe(status);
  });

  it('waits for descriptors that use other domains unless told not to', () => {
    const driver = driverWith({ allowUpdate: 1, windowSize: 0x10_0000n });
    const long = descriptor(
      OPCODE.interDomainCopy,
      { ...IN, size: 0x4_0000, recordAddress: 0x3000n },
      RECORD,
    );
    driver.submit(0, long);
    driver.run(300);
    driver.submit(1, descriptor(OPCODE.updateWindow, update, RECORD));
    driver.submit(
      1,
      descriptor(
        OPCODE.updateWindow,
        { ...update, suppressDrain: 1, recordAddress: 0x4000n },
        RECORD,
      ),
    );
    driver.run(2_000);
    expect([
      ownerStatus(driver, AT),
      ownerStatus(driver, 0x4000),
      driver.record(long)['status'],
    ]).toEqual([0, 1, 0]);
    driver.run();
    expect([ownerStatus(driver, AT), driver.record(long)['status']]).toEqual([1, 1]);
  });
});
