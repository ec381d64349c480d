import { describe, expect, it } from 'vitest';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import {
  DEVICE_ERROR,
  OPERAND,
  STATUS,
  STATUS_TEXTS,
} from '../../../../../src-main/spec/dsa/status-codes.ts';
import { COMPLETION } from '../../../../../src-main/sim/pcie/ports.ts';
import { DEDICATED, DsaDriver, RECORD, descriptor } from '../../../../support/dsa-driver.ts';
import {
  AT,
  CROSS,
  D,
  DEVICE_ERROR_SCENARIOS,
  batchAfterRecordFault,
  drainAfterRecordFault,
  LOG,
  MOVE,
  S,
  STATUS_SCENARIOS,
  interDomain,
  logEntry,
  logging,
  plain,
  readSoftwareError,
  respond,
  run,
  softwareError,
} from '../../../../support/dsa-status-scenarios.ts';

describe('completion status', () => {
  it('has a scenario for every status and a text for every code', () => {
    const codes = Object.values(STATUS).map(String).sort();
    expect(Object.keys(STATUS_SCENARIOS).sort()).toEqual(codes);
    const all = [...Object.values(STATUS), ...Object.values(DEVICE_ERROR)].map(String).sort();
    expect(Object.keys(STATUS_TEXTS).sort()).toEqual(all);
  });

  it.each(Object.entries(STATUS))('ends with %s (%i)', (_, status) => {
    expect(STATUS_SCENARIOS[status]?.()).toBe(status);
  });

  it('has a scenario for every error that is of no descriptor', () => {
    const codes = Object.values(DEVICE_ERROR).map(String).sort();
    expect(Object.keys(DEVICE_ERROR_SCENARIOS).sort()).toEqual(codes);
  });

  it.each(Object.entries(DEVICE_ERROR))('of no descriptor tells %s (%i)', (_, code) => {
    expect(DEVICE_ERROR_SCENARIOS[code]?.()).toBe(code);
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

  it('asks software to write records in the order that a drain promises', () => {
    const driver = drainAfterRecordFault();
    expect(logEntry(driver, 0)).toMatchObject({
      code: STATUS.recordFault,
      recordRequired: 1,
      recordHead: 1,
      address: 0x4000n,
      operand: OPERAND.record,
    });
    expect(logEntry(driver, 1)).toMatchObject({ recordRequired: 1, address: BigInt(AT) });
  });

  it('joins the record of a batch to those of its members', () => {
    const driver = batchAfterRecordFault();
    expect(logEntry(driver, 0)).toMatchObject({
      code: STATUS.recordFault,
      batch: 1,
      batchIndex: 0,
      firstInBatch: 1,
    });
    expect(logEntry(driver, 1).batchId).toBe(logEntry(driver, 0).batchId);
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
