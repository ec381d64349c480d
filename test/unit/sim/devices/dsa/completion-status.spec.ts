import { describe, expect, it } from 'vitest';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { EventLogEntry } from '../../../../../src-main/spec/dsa/event-log-entry.ts';
import { SWERROR } from '../../../../../src-main/spec/dsa/general-registers.ts';
import { IdptEntry } from '../../../../../src-main/spec/dsa/inter-domain.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import {
  DEVICE_ERROR,
  OPERAND,
  STATUS,
  STATUS_TEXTS,
} from '../../../../../src-main/spec/dsa/status-codes.ts';
import { COMPLETION } from '../../../../../src-main/sim/pcie/ports.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  SHARED,
  descriptor,
  expectSuccess,
} from '../../../../support/dsa-driver.ts';

type Values = Readonly<Record<string, number | bigint>>;

const S = 0x1_0000;
const D = 0x8_0000;
const AT = 0x2000;
const LIST = 0x6_0000;
const LOG = 0x1c_0000;

const MOVE: Values = { source: BigInt(S), destination: BigInt(D), size: 64 };

function plain(profile: 'v1' | 'v2' | 'v3' = 'v1', wq: Values = {}): DsaDriver {
  return new DsaDriver({ config: { profile } }).setUp([
    { ...DEDICATED, blockOnFault: 1, ...wq },
    SHARED,
  ]);
}

/** Version 2 with the event log on. */
function logging(wq: Values = {}, options: Values = {}): DsaDriver {
  const driver = new DsaDriver({ config: { profile: 'v2' } });
  driver.setUpFunction();
  driver.write(0x80, driver.read(0x80) | (1 << 13));
  driver.write(0xe0, LOG);
  driver.write(0xe8, 64);
  driver.setUpQueues([{ ...DEDICATED, ...wq }, SHARED], options);
  return driver;
}

function run(driver: DsaDriver, opcode: number, values: Values = MOVE, flags = 0, wq = 0): number {
  return Number(
    driver.execute(
      descriptor(opcode, { recordAddress: BigInt(AT), ...values }, RECORD | flags),
      wq,
    )['status'],
  );
}

/** Runs without looking at a record, and gives the error code of SWERROR. */
function softwareError(driver: DsaDriver, words: Uint32Array, wq = 0): number {
  driver.submit(wq, words);
  driver.run();
  return readSoftwareError(driver).code;
}

function readSoftwareError(driver: DsaDriver): ReturnType<typeof SWERROR.decode> {
  return SWERROR.decode(Uint32Array.from({ length: 8 }, (_, i) => driver.read(0xc0 + 4 * i)));
}

function logEntry(driver: DsaDriver, slot = 0): ReturnType<typeof EventLogEntry.decode> {
  const bytes = driver.bytes(LOG + slot * 64, 64);
  const view = new DataView(bytes.buffer);
  return EventLogEntry.decode(
    Uint32Array.from({ length: 16 }, (_, i) => view.getUint32(i * 4, true)),
  );
}

function writeList(driver: DsaDriver, members: readonly Uint32Array[]): void {
  members.forEach((member, i) => {
    driver.fill(LIST + i * 64, new Uint8Array(member.buffer));
  });
}

function respond(driver: DsaDriver, code: 0 | 1 | 15): void {
  driver.port.onPageRequest = (request) => {
    driver.device.pageResponse(request.pasid, request.groupIndex, code);
  };
}

/** An inter-domain driver: entry 3 lets PASID 1 read and write a window of PASID 9. */
function interDomain(entry: Values = {}): DsaDriver {
  const driver = plain('v2');
  const words = IdptEntry.encode({
    usable: 1,
    submitterPasid: 1,
    read: 1,
    write: 1,
    accessPasid: 9,
    windowEnable: 1,
    windowBase: BigInt(S),
    windowSize: 0x1000n,
    ...entry,
  });
  const base = driver.table(5) + 3 * 32;
  [...words].slice(1).forEach((word, i) => {
    driver.write(base + 4 * (i + 1), word);
  });
  driver.write(base, words[0] as number);
  expectSuccess(driver.command(COMMAND.requestIdptHandle, 3), 'Request IDPT Handle');
  return driver;
}

const CROSS: Values = { ...MOVE, alternateSource: 1, sourceHandle: 3 };

/** How each status comes about. */
const SCENARIOS: Readonly<Record<number, () => number>> = {
  [STATUS.success]: () => run(plain(), OPCODE.memoryMove),
  [STATUS.successFalsePredicate]: () => {
    const values = { source1: BigInt(S), source2: BigInt(D), size: 8, expectedResult: 1 };
    return run(plain(), OPCODE.compare, values, FLAG.checkResult);
  },
  [STATUS.pageFault]: () => {
    const driver = plain();
    driver.port.unmap(1, S);
    return run(driver, OPCODE.memoryMove);
  },
  [STATUS.pageRequestInvalid]: () => {
    const driver = plain();
    driver.port.unmap(1, S);
    respond(driver, 1);
    return run(driver, OPCODE.memoryMove, MOVE, FLAG.blockOnFault);
  },
  [STATUS.batchMemberFailed]: () => {
    const driver = plain();
    writeList(driver, [descriptor(OPCODE.noop), descriptor(0x3f)]);
    return run(driver, OPCODE.batch, { list: BigInt(LIST), count: 2 });
  },
  [STATUS.batchListFault]: () => {
    const driver = plain();
    driver.port.unmap(1, LIST);
    respond(driver, 1);
    return run(driver, OPCODE.batch, { list: BigInt(LIST), count: 2 });
  },
  [STATUS.deltaOffsetOrder]: () => {
    const driver = plain();
    driver.fill(LIST, [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0]);
    return run(driver, OPCODE.applyDelta, {
      delta: BigInt(LIST),
      destination: BigInt(D),
      size: 4096,
      deltaSize: 20,
    });
  },
  [STATUS.deltaOffsetRange]: () => {
    const driver = plain();
    driver.fill(LIST, [0, 2]);
    return run(driver, OPCODE.applyDelta, {
      delta: BigInt(LIST),
      destination: BigInt(D),
      size: 4096,
      deltaSize: 10,
    });
  },
  [STATUS.difError]: () => {
    const driver = plain();
    driver.fill(S, [1]);
    return run(driver, OPCODE.difCheck, { source: BigInt(S), size: 520 });
  },
  [STATUS.opcode]: () => run(plain(), 0x3f, {}),
  [STATUS.flags]: () => run(plain(), OPCODE.memoryMove, MOVE, FLAG.fence),
  [STATUS.reserved]: () => {
    const words = descriptor(OPCODE.memoryMove, { ...MOVE, recordAddress: BigInt(AT) }, RECORD);
    words[15] = 1;
    return Number(plain().execute(words)['status']);
  },
  [STATUS.transferSize]: () => run(plain(), OPCODE.memoryMove, { ...MOVE, size: 0 }),
  [STATUS.descriptorCount]: () => run(plain(), OPCODE.batch, { list: BigInt(LIST), count: 1 }),
  [STATUS.fieldValue]: () =>
    run(plain(), OPCODE.createDelta, {
      source1: BigInt(S),
      source2: BigInt(D),
      size: 8,
      delta: BigInt(LIST),
      maxDeltaSize: 70,
    }),
  [STATUS.overlap]: () =>
    run(plain(), OPCODE.copyCrc, { source: BigInt(S), destination: BigInt(S + 8), size: 64 }),
  [STATUS.dualcastOffset]: () =>
    run(plain(), OPCODE.dualcast, { ...MOVE, destination2: BigInt(D + 0x1_0001) }),
  [STATUS.listAlignment]: () => run(plain(), OPCODE.batch, { list: BigInt(LIST + 32), count: 2 }),
  [STATUS.interruptHandle]: () =>
    run(plain(), OPCODE.memoryMove, { ...MOVE, interruptHandle: 9 }, FLAG.requestInterrupt),
  [STATUS.recordFault]: () => {
    const driver = plain();
    driver.port.unmap(1, AT);
    respond(driver, 1);
    return softwareError(
      driver,
      descriptor(OPCODE.memoryMove, { ...MOVE, recordAddress: BigInt(AT) }, RECORD),
    );
  },
  [STATUS.recordAlignment]: () =>
    softwareError(
      plain(),
      descriptor(OPCODE.memoryMove, { ...MOVE, recordAddress: BigInt(AT + 16) }, RECORD),
    ),
  [STATUS.alignment]: () =>
    run(plain(), OPCODE.createDelta, {
      source1: BigInt(S + 4),
      source2: BigInt(D),
      size: 8,
      delta: BigInt(LIST),
      maxDeltaSize: 80,
    }),
  [STATUS.privilege]: () => {
    const driver = new DsaDriver().setUp([{ ...DEDICATED, priv: 0 }, SHARED], { priv: false });
    return softwareError(
      driver,
      descriptor(OPCODE.noop, { pasid: 4, priv: 1, recordAddress: BigInt(AT) }, RECORD),
      1,
    );
  },
  [STATUS.trafficClass]: () => {
    const driver = new DsaDriver();
    driver.setUpFunction();
    driver.device.configWrite(0x184, 4, 0x8000_0001);
    driver.setUpQueues([DEDICATED], { tcA: 0, tcB: 1 });
    return run(driver, OPCODE.memoryMove, MOVE, FLAG.tc2);
  },
  [STATUS.readbackFault]: () => {
    const driver = plain('v2');
    driver.port.unmap(1, D);
    respond(driver, 1);
    return run(driver, OPCODE.drain, { readback1Valid: 1, readback1: BigInt(D) });
  },
  [STATUS.hardwareRead]: () => {
    const driver = plain();
    driver.port.breakPage(S);
    return run(driver, OPCODE.memoryMove);
  },
  [STATUS.hardwareWrite]: () => {
    const driver = plain();
    driver.port.breakPage(D);
    return run(driver, OPCODE.memoryMove, MOVE, FLAG.cacheControl2);
  },
  [STATUS.translation]: () => {
    const driver = plain();
    driver.port.unmap(1, S);
    respond(driver, 15);
    return run(driver, OPCODE.memoryMove, MOVE, FLAG.blockOnFault);
  },
  [STATUS.drainAfterRecordFault]: () => {
    const driver = logging({ prsDisable: 1 });
    driver.port.unmap(1, 0x4000);
    driver.submit(0, descriptor(OPCODE.noop, { recordAddress: 0x4000n }, RECORD));
    driver.submit(0, descriptor(OPCODE.drain, { recordAddress: BigInt(AT) }, RECORD));
    driver.run();
    expect(logEntry(driver, 0)).toMatchObject({
      code: STATUS.recordFault,
      recordRequired: 1,
      recordHead: 1,
      address: 0x4000n,
      operand: OPERAND.record,
    });
    return logEntry(driver, 1).code;
  },
  [STATUS.batchAfterRecordFault]: () => {
    const driver = logging({ prsDisable: 1 });
    driver.port.unmap(1, 0x4000);
    writeList(driver, [
      descriptor(OPCODE.noop, { recordAddress: 0x4000n }, RECORD),
      descriptor(OPCODE.noop),
    ]);
    driver.submit(
      0,
      descriptor(OPCODE.batch, { list: BigInt(LIST), count: 2, recordAddress: BigInt(AT) }, RECORD),
    );
    driver.run();
    expect(logEntry(driver, 0)).toMatchObject({
      code: STATUS.recordFault,
      batch: 1,
      batchIndex: 0,
      firstInBatch: 1,
    });
    expect(logEntry(driver, 1).batchId).toBe(logEntry(driver, 0).batchId);
    return logEntry(driver, 1).code;
  },
  [STATUS.interDomainNoPasid]: () => {
    const driver = new DsaDriver({ config: { profile: 'v2' } }).setUp([{ mode: 1 }], {
      pasid: false,
      priv: false,
    });
    return run(driver, OPCODE.interDomainCopy, CROSS);
  },
  [STATUS.idptHandle]: () =>
    run(interDomain(), OPCODE.interDomainCopy, { ...CROSS, sourceHandle: 4 }),
  [STATUS.idptPermission]: () => run(interDomain({ read: 0 }), OPCODE.interDomainCopy, CROSS),
  [STATUS.windowRange]: () =>
    run(interDomain(), OPCODE.interDomainCopy, { ...CROSS, source: BigInt(S + 0xfff) }),
  [STATUS.updateWindowDenied]: () =>
    run(interDomain(), OPCODE.updateWindow, {
      windowBase: 0n,
      windowSize: 1n,
      windowEnable: 1,
      handle: 3,
    }),
  [STATUS.updateWindowFields]: () => {
    const driver = interDomain({ allowUpdate: 1, accessPasid: 1 });
    return run(driver, OPCODE.updateWindow, {
      windowBase: 0n,
      windowSize: 0n,
      windowEnable: 1,
      handle: 3,
    });
  },
  [STATUS.domainUnavailable]: () => {
    const driver = interDomain({ windowSize: 0x10_0000n });
    const words = descriptor(
      OPCODE.interDomainCopy,
      { ...CROSS, size: 0x4_0000, recordAddress: BigInt(AT) },
      RECORD,
    );
    driver.submit(0, words);
    // Something of the other address space keeps the abort busy meanwhile.
    driver.submit(
      1,
      descriptor(OPCODE.memoryMove, {
        ...MOVE,
        pasid: 9,
        source: 0x10_0000n,
        destination: 0x14_0000n,
        size: 0x4_0000,
      }),
      1,
    );
    driver.startCommand(COMMAND.abortPasid, 9);
    driver.run();
    return Number(driver.record(words)['status']);
  },
};

describe('completion status', () => {
  it('has a scenario for every status and a text for every code', () => {
    const codes = Object.values(STATUS).map(String).sort();
    expect(Object.keys(SCENARIOS).sort()).toEqual(codes);
    const all = [...Object.values(STATUS), ...Object.values(DEVICE_ERROR)].map(String).sort();
    expect(Object.keys(STATUS_TEXTS).sort()).toEqual(all);
  });

  it.each(Object.entries(STATUS))('ends with %s (%i)', (_, status) => {
    expect(SCENARIOS[status]?.()).toBe(status);
  });
});

describe('errors without a completion record', () => {
  it('reports a full dedicated queue (53h) and keeps the first error', () => {
    const driver = new DsaDriver().setUp([{ ...DEDICATED, size: 1 }]);
    driver.device.migration.pause(0);
    const noop = descriptor(OPCODE.noop);
    expect(driver.submit(0, noop)).toBe('accepted');
    expect(driver.submit(0, noop)).toBe('dropped');
    expect(readSoftwareError(driver)).toMatchObject({
      valid: 1,
      overflow: 0,
      code: DEVICE_ERROR.wqFull,
      wqValid: 1,
      wq: 0,
    });
    driver.submit(0, noop);
    expect(readSoftwareError(driver)).toMatchObject({ overflow: 1, code: DEVICE_ERROR.wqFull });
    driver.write(0xc0, 0b11);
    expect(readSoftwareError(driver)).toMatchObject({ valid: 0, overflow: 0 });
  });

  it('raises interrupt 0 for software errors only when enabled', () => {
    const driver = new DsaDriver().setUp([{ ...DEDICATED, size: 1 }]);
    driver.device.migration.pause(0);
    driver.write(0x200c, 0);
    driver.submit(0, descriptor(OPCODE.noop));
    driver.submit(0, descriptor(OPCODE.noop));
    expect(driver.read(0x98)).toBe(0);
    driver.write(0xc0, 0b11);
    driver.write(0x88, 1);
    driver.submit(0, descriptor(OPCODE.noop));
    expect(driver.read(0x98)).toBe(1);
    expect(driver.port.interrupts).toHaveLength(1);
  });

  it('reports errors of descriptors without a record address', () => {
    const driver = plain();
    driver.submit(0, descriptor(OPCODE.memoryMove, { ...MOVE, size: 0 }));
    driver.run();
    expect(readSoftwareError(driver)).toMatchObject({
      valid: 1,
      descriptorValid: 1,
      wqValid: 1,
      code: STATUS.transferSize,
      operation: OPCODE.memoryMove,
      pasid: 1,
      priv: 1,
    });
  });

  it('names the wrong flags in record and error information', () => {
    const driver = plain();
    const flags = FLAG.fence | FLAG.checkResult;
    const record = driver.execute(
      descriptor(OPCODE.memoryMove, { ...MOVE, recordAddress: BigInt(AT) }, RECORD | flags),
    );
    expect(record).toMatchObject({ status: STATUS.flags, invalidFlags: flags });
    driver.submit(0, descriptor(OPCODE.memoryMove, MOVE, flags));
    driver.run();
    expect(readSoftwareError(driver)).toMatchObject({
      informationValid: 1,
      information: flags,
      code: STATUS.flags,
    });
  });

  it.each([
    ['the source', S, OPERAND.source, 0],
    ['the destination', D, OPERAND.destination, 1],
  ])('names %s that has no page', (_, page, operand, write) => {
    const driver = plain();
    driver.port.unmap(1, page);
    expect(softwareError(driver, descriptor(OPCODE.memoryMove, MOVE))).toBe(STATUS.pageFault);
    expect(readSoftwareError(driver)).toMatchObject({
      informationValid: 1,
      information: (operand << 29) >>> 0,
      write,
      address: BigInt(page),
    });
  });

  it('names the IDPT handle of a page that is missing in another domain', () => {
    const driver = interDomain();
    driver.port.unmap(9, S);
    driver.submit(0, descriptor(OPCODE.interDomainCopy, CROSS));
    driver.run();
    expect(readSoftwareError(driver)).toMatchObject({
      code: STATUS.pageFault,
      information: ((OPERAND.source << 29) | 3) >>> 0,
    });
  });

  it('writes the record and reports the handle for status 19h', () => {
    const driver = plain();
    const words = descriptor(
      OPCODE.memoryMove,
      { ...MOVE, recordAddress: BigInt(AT), interruptHandle: 77 },
      RECORD | FLAG.requestInterrupt,
    );
    expect(driver.execute(words)).toMatchObject({ status: STATUS.interruptHandle });
    expect(readSoftwareError(driver)).toMatchObject({
      code: STATUS.interruptHandle,
      information: 77,
    });
    expect(driver.bytes(D, 64).every((b) => b === 0)).toBe(true);
  });
});

describe('event log', () => {
  const failing = (): Uint32Array => descriptor(OPCODE.memoryMove, { ...MOVE, size: 0 });

  it('takes errors of descriptors in place of SWERROR', () => {
    const driver = logging();
    driver.write(0x88, 0b100);
    driver.write(0x200c, 0);
    driver.submit(0, failing());
    driver.run();
    expect(readSoftwareError(driver).valid).toBe(0);
    expect(logEntry(driver)).toMatchObject({
      code: STATUS.transferSize,
      wq: 0,
      operation: OPCODE.memoryMove,
      pasid: 1,
    });
    expect(driver.read(0xf4)).toBe(1 | (1 << 30));
    expect(driver.read(0x98)).toBe(0b10_0000);
    expect(driver.port.interrupts).toHaveLength(1);
    // No further interrupt until software clears the pending bit.
    driver.submit(0, failing());
    driver.run();
    expect(driver.port.interrupts).toHaveLength(1);
    driver.write(0xf0, 2n | (1n << 62n), 8);
    expect(driver.read(0xf4)).toBe(2);
    driver.submit(0, failing());
    driver.run();
    expect(driver.port.interrupts).toHaveLength(2);
  });

  it('drops entries of a full log and reports 54h where overflow is supported', () => {
    const driver = logging({ size: 96 });
    for (let i = 0; i < 64; i++) {
      driver.submit(0, failing());
    }
    driver.run();
    expect(driver.read(0xf4)).toBe(63);
    expect(readSoftwareError(driver)).toMatchObject({
      valid: 1,
      code: DEVICE_ERROR.eventLogAppend,
    });
  });

  it('holds the device up at a full log where overflow is not supported', () => {
    const driver = new DsaDriver({ config: { profile: 'v2', hasEventLogOverflow: false } });
    driver.setUpFunction();
    driver.write(0x80, driver.read(0x80) | (1 << 13));
    driver.write(0xe0, LOG);
    driver.write(0xe8, 64);
    driver.setUpQueues([{ ...DEDICATED, size: 96 }]);
    for (let i = 0; i < 65; i++) {
      driver.submit(0, failing());
    }
    driver.run();
    expect(readSoftwareError(driver).valid).toBe(0);
    expect(driver.device.inspect.completed()).toHaveLength(63);
    driver.write(0xf0, 10);
    driver.run();
    expect(driver.device.inspect.completed()).toHaveLength(65);
    expect(driver.read(0xf4)).toBe(1);
  });

  it('reports 54h when the log cannot be translated', () => {
    const driver = logging();
    driver.port.translationStatus = COMPLETION.unsupportedRequest;
    driver.submit(0, failing());
    driver.run();
    expect(readSoftwareError(driver)).toMatchObject({
      valid: 1,
      code: DEVICE_ERROR.eventLogAppend,
    });
  });

  it('carries the record and the interrupt that software has to deliver', () => {
    const driver = logging({ prsDisable: 1 });
    driver.port.unmap(1, 0x4000);
    driver.write(0x400 + 8 * 3, 0b1000 | (1 << 12));
    driver.submit(
      0,
      descriptor(
        OPCODE.memoryMove,
        { ...MOVE, recordAddress: 0x4020n, interruptHandle: 3 },
        RECORD | FLAG.requestInterrupt,
      ),
    );
    driver.run();
    expect(logEntry(driver)).toMatchObject({
      code: STATUS.recordFault,
      recordRequired: 1,
      interruptRequired: 1,
      imsPortal: 0,
      handle: 3,
      address: 0x4020n,
      recordHead: 1,
    });
    expect(driver.port.interrupts).toEqual([]);
  });

  it('starts empty when the device is enabled', () => {
    const driver = logging();
    driver.submit(0, failing());
    driver.run();
    driver.command(COMMAND.disableDevice);
    driver.command(COMMAND.enableDevice);
    expect(driver.read64(0xf0)).toBe(0n);
  });
});

describe('page requests of the completion record', () => {
  it('waits for the page before execution', () => {
    const driver = plain();
    driver.port.unmap(1, AT);
    driver.port.onPageRequest = (request) => {
      expect(driver.bytes(D, 1)[0]).toBe(0);
      driver.port.map(request.pasid, request.low);
      driver.device.pageResponse(request.pasid, request.groupIndex, 0);
    };
    driver.fill(S, [1]);
    expect(run(driver, OPCODE.memoryMove)).toBe(STATUS.success);
    expect(driver.port.pageRequests).toMatchObject([{ isWrite: true, low: AT }]);
  });

  it('gives up a page that is granted in vain', () => {
    const driver = plain();
    driver.port.unmap(1, S);
    respond(driver, 0);
    expect(run(driver, OPCODE.memoryMove, MOVE, FLAG.blockOnFault)).toBe(STATUS.pageRequestInvalid);
    expect(driver.port.pageRequests).toHaveLength(9);
  });
});
