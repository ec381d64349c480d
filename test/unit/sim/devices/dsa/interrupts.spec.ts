import { describe, expect, it } from 'vitest';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
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

const AT = 0x2000;
const IMS = 0x8000;
const MSIX = 0x2000;
const PERMISSIONS = 0x400;

const CONTROL = { mask: 1, pending: 2, ignore: 4, pasidEnable: 8 } as const;

function programIms(driver: DsaDriver, index: number, pasid: number, control = 0): void {
  driver.write(IMS + index * 16, 0xfee0_1000 + index * 4);
  driver.write(IMS + index * 16 + 8, 0x40 + index);
  driver.write(IMS + index * 16 + 12, (pasid << 12) | CONTROL.pasidEnable | control);
}

function programMsix(driver: DsaDriver, index: number, permission: number, mask = 0): void {
  driver.write(MSIX + index * 16, 0xfee0_0000);
  driver.write(MSIX + index * 16 + 8, 0x80 + index);
  driver.write(MSIX + index * 16 + 12, mask);
  driver.write(PERMISSIONS + index * 8, permission);
}

function interrupting(
  interruptHandle: number,
  values: Readonly<Record<string, number>> = {},
): Uint32Array {
  return descriptor(
    OPCODE.noop,
    { interruptHandle, recordAddress: BigInt(AT), ...values },
    RECORD | FLAG.requestInterrupt,
  );
}

function run(driver: DsaDriver, words: Uint32Array, wq: number, page: number): number {
  driver.fill(AT, new Uint8Array(32));
  driver.submit(wq, words, page);
  driver.run();
  return (driver.bytes(AT, 1)[0] ?? 0) & 0x3f;
}

describe('completion interrupts', () => {
  it('use the MSI-X entry of the handle through an MSI-X portal', () => {
    const driver = new DsaDriver().setUp();
    programMsix(driver, 3, (1 << 12) | CONTROL.pasidEnable);
    expect(run(driver, interrupting(3), 0, 0)).toBe(STATUS.success);
    expect(driver.port.interrupts).toEqual([{ address: 0xfee0_0000, data: 0x83 }]);
    // No cause register for entries other than 0.
    expect(driver.read(0x98)).toBe(0);
  });

  it('use the IMS entry of the handle through an IMS portal', () => {
    const driver = new DsaDriver().setUp();
    programIms(driver, 200, 1);
    expect(run(driver, interrupting(200), 0, 2)).toBe(STATUS.success);
    expect(driver.port.interrupts).toEqual([{ address: 0xfee0_1320, data: 0x40 + 200 }]);
  });

  it.each([
    ['another PASID', 2, 0],
    ['no PASID', 1, CONTROL.pasidEnable],
  ])('are refused before execution when the entry belongs to %s', (_, pasid, without) => {
    const driver = new DsaDriver().setUp();
    programIms(driver, 5, pasid);
    driver.write(IMS + 5 * 16 + 12, driver.read(IMS + 5 * 16 + 12) & ~without);
    const fill = descriptor(
      OPCODE.fill,
      {
        interruptHandle: 5,
        pattern: 0xffn,
        destination: 0x9000n,
        size: 8,
        recordAddress: BigInt(AT),
      },
      RECORD | FLAG.requestInterrupt,
    );
    expect(run(driver, fill, 0, 2)).toBe(STATUS.interruptHandle);
    expect(driver.port.interrupts).toEqual([]);
    expect(driver.bytes(0x9000, 1)[0]).toBe(0);
  });

  it('are refused for a handle that is out of range', () => {
    const driver = new DsaDriver().setUp();
    expect(run(driver, interrupting(9), 0, 0)).toBe(STATUS.interruptHandle);
    expect(run(driver, interrupting(2048), 0, 2)).toBe(STATUS.interruptHandle);
  });

  it('need an entry without PASID for a queue without PASID', () => {
    const driver = new DsaDriver().setUp([{ mode: 1 }]);
    programMsix(driver, 1, 0);
    programMsix(driver, 2, CONTROL.pasidEnable);
    expect(run(driver, interrupting(1), 0, 0)).toBe(STATUS.success);
    expect(run(driver, interrupting(2), 0, 0)).toBe(STATUS.interruptHandle);
  });

  it('are a reserved flag for unprivileged users unless enabled', () => {
    const driver = new DsaDriver().setUp([DEDICATED, SHARED]);
    programMsix(driver, 1, (6 << 12) | CONTROL.pasidEnable);
    const words = interrupting(1, { pasid: 6 });
    expect(run(driver, words, 1, 0)).toBe(STATUS.flags);
    const other = new DsaDriver();
    other.write(0x80, other.read(0x80) | (1 << 12));
    other.setUp([DEDICATED, SHARED]);
    programMsix(other, 1, (6 << 12) | CONTROL.pasidEnable);
    expect(run(other, words, 1, 0)).toBe(STATUS.success);
    expect(other.port.interrupts).toHaveLength(1);
  });

  it('come after the record', () => {
    const driver = new DsaDriver().setUp();
    programMsix(driver, 3, (1 << 12) | CONTROL.pasidEnable);
    driver.port.isRecording = true;
    run(driver, interrupting(3), 0, 0);
    const sent = driver.records('dsa.interrupt.sent').at(-1)?.seq ?? 0;
    const completed = driver.records('dsa.descriptor.completed').at(-1)?.seq ?? 0;
    expect(sent).toBeLessThan(completed);
    expect(driver.port.accesses.at(-1)).toMatchObject({ kind: 'write', address: AT });
  });

  it('are sent for errors too', () => {
    const driver = new DsaDriver().setUp();
    programMsix(driver, 3, (1 << 12) | CONTROL.pasidEnable);
    const bad = descriptor(0x3f, {}, RECORD | FLAG.requestInterrupt);
    bad[2] = AT;
    bad[9] = 3;
    expect(run(driver, bad, 0, 0)).toBe(STATUS.opcode);
    expect(driver.port.interrupts).toHaveLength(1);
  });

  it('of batch members use the portal of the batch', () => {
    const driver = new DsaDriver().setUp();
    programIms(driver, 4, 1);
    const member = descriptor(OPCODE.noop, { interruptHandle: 4 }, FLAG.requestInterrupt);
    [member, member].forEach((m, i) => {
      driver.fill(0x6_0000 + i * 64, new Uint8Array(m.buffer));
    });
    driver.submit(0, descriptor(OPCODE.batch, { list: 0x6_0000n, count: 2 }), 2);
    driver.run();
    expect(driver.port.interrupts).toHaveLength(2);
  });
});

describe('mask, pending and ignore', () => {
  it('remembers a masked interrupt and sends it once when unmasked', () => {
    const driver = new DsaDriver().setUp();
    programIms(driver, 5, 1, CONTROL.mask);
    run(driver, interrupting(5), 0, 2);
    run(driver, interrupting(5), 0, 2);
    expect(driver.port.interrupts).toEqual([]);
    expect(driver.read(IMS + 5 * 16 + 12) & CONTROL.pending).toBe(CONTROL.pending);
    driver.write(IMS + 5 * 16 + 12, (1 << 12) | CONTROL.pasidEnable);
    expect(driver.port.interrupts).toHaveLength(1);
    expect(driver.read(IMS + 5 * 16 + 12) & CONTROL.pending).toBe(0);
  });

  it('sends nothing and remembers nothing when ignored', () => {
    const driver = new DsaDriver().setUp();
    programIms(driver, 5, 1, CONTROL.ignore | CONTROL.mask);
    expect(run(driver, interrupting(5), 0, 2)).toBe(STATUS.success);
    expect(driver.read(IMS + 5 * 16 + 12) & CONTROL.pending).toBe(0);
  });

  it('sends a pending interrupt on unmask even if it is ignored now', () => {
    const driver = new DsaDriver().setUp();
    programIms(driver, 5, 1, CONTROL.mask);
    run(driver, interrupting(5), 0, 2);
    driver.write(IMS + 5 * 16 + 12, (1 << 12) | CONTROL.pasidEnable | CONTROL.ignore);
    expect(driver.port.interrupts).toHaveLength(1);
  });

  it('shows pending MSI-X entries in the pending bit array', () => {
    const driver = new DsaDriver().setUp();
    programMsix(driver, 3, (1 << 12) | CONTROL.pasidEnable, 1);
    run(driver, interrupting(3), 0, 0);
    expect(driver.read64(0x3000)).toBe(1n << 3n);
    driver.write(MSIX + 3 * 16 + 12, 0);
    expect(driver.read64(0x3000)).toBe(0n);
    expect(driver.port.interrupts).toHaveLength(1);
  });

  it('holds everything while the function mask is set', () => {
    const driver = new DsaDriver().setUp();
    programMsix(driver, 0, 0);
    driver.device.configWrite(0x82, 2, 0xc000);
    driver.command(COMMAND.drainAll, 0, 0x8000_0000);
    expect(driver.port.interrupts).toEqual([]);
    driver.device.configWrite(0x82, 2, 0x8000);
    expect(driver.port.interrupts).toHaveLength(1);
  });

  it('sends nothing while MSI-X is disabled', () => {
    const driver = new DsaDriver().setUp();
    programMsix(driver, 0, 0);
    driver.device.configWrite(0x82, 2, 0);
    driver.command(COMMAND.drainAll, 0, 0x8000_0000);
    driver.device.configWrite(0x82, 2, 0x8000);
    expect(driver.port.interrupts).toEqual([]);
    expect(driver.records('dsa.interrupt.held')).toHaveLength(1);
  });
});

describe('IMS entries', () => {
  it('refuse addresses outside the interrupt range', () => {
    const driver = new DsaDriver().setUp();
    driver.write(IMS, 0x1234_5678);
    driver.write(IMS + 4, 1);
    expect(driver.read64(IMS)).toBe(0xfee0_0000n);
    driver.write(IMS, 0xfee0_100fn, 8);
    expect(driver.read64(IMS)).toBe(0xfee0_100cn);
    expect(driver.records('dsa.register.write-ignored')).toHaveLength(2);
  });

  it('drop a whole quadword whose upper half is none of the interrupt range', () => {
    const driver = new DsaDriver().setUp();
    driver.write(IMS, 0x1_fee0_1000n, 8);
    expect(driver.read64(IMS)).toBe(0xfee0_0000n);
    expect(driver.records('dsa.register.write-ignored')).toHaveLength(1);
  });

  it('keep the PASID while it is not enabled', () => {
    const driver = new DsaDriver().setUp();
    driver.write(IMS + 12, (0x5_4321 << 12) >>> 0);
    expect(driver.read(IMS + 12)).toBe((0x5_4321 << 12) >>> 0);
    expect(driver.device.inspect.imsEntry(0).pasid).toBeUndefined();
  });
});

describe('handles', () => {
  it('must be live: a released or revoked one ends with 19h', () => {
    const driver = new DsaDriver({ config: { interruptHandles: 4 } }).setUp();
    programIms(driver, 5, 1);
    const { result } = driver.command(COMMAND.requestInterruptHandle, 0x1_0005);
    expect(result).not.toBe(5);
    expect(run(driver, interrupting(result), 0, 2)).toBe(STATUS.success);
    expect(run(driver, interrupting(5), 0, 2)).toBe(STATUS.interruptHandle);
    driver.device.revokeInterruptHandles();
    expect(run(driver, interrupting(result), 0, 2)).toBe(STATUS.interruptHandle);
    const again = driver.command(COMMAND.requestInterruptHandle, 0x1_0005);
    expect(again.result).not.toBe(result);
    expect(run(driver, interrupting(again.result), 0, 2)).toBe(STATUS.success);
  });

  it('belong to one table', () => {
    const driver = new DsaDriver({ config: { interruptHandles: 4 } }).setUp();
    programMsix(driver, 5, (1 << 12) | CONTROL.pasidEnable);
    const { result } = driver.command(COMMAND.requestInterruptHandle, 0x1_0005);
    expect(run(driver, interrupting(result), 0, 0)).toBe(STATUS.interruptHandle);
  });
});
