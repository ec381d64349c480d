import { describe, expect, it } from 'vitest';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { DEVICE_ERROR } from '../../../../../src-main/spec/dsa/status-codes.ts';
import { COMPLETION } from '../../../../../src-main/sim/pcie/ports.ts';
import { DsaDriver, descriptor } from '../../../../support/dsa-driver.ts';

/** DSA 3.0 appendix C: offset, bytes, reset value. */
const RESET_VALUES: readonly (readonly [number, 1 | 2 | 4, number])[] = [
  [0x00, 2, 0x8086],
  [0x02, 2, 0x0b25],
  [0x04, 2, 0x0000],
  [0x06, 2, 0x0010],
  [0x08, 4, 0x0880_0000],
  [0x0c, 4, 0],
  [0x10, 4, 0xc],
  [0x14, 4, 0],
  [0x18, 4, 0xc],
  [0x1c, 4, 0],
  [0x20, 4, 0],
  [0x24, 4, 0],
  [0x2c, 4, 0x0000_8086],
  [0x34, 1, 0x40],
  [0x3c, 4, 0],
  [0x40, 4, 0x0092_8010],
  [0x44, 4, 0x1000_8022],
  [0x48, 2, 0x2910],
  [0x64, 4, 0x1073_0810],
  [0x80, 4, 0x0008_9011],
  [0x84, 4, 0x0000_2000],
  [0x88, 4, 0x0000_3000],
  [0x90, 4, 0x0003_0001],
  [0x94, 4, 0x08],
  [0x100, 4, 0x1502_0001],
  [0x104, 4, 0],
  [0x108, 4, 0x0040_0000],
  [0x10c, 4, 0x0044_0000],
  [0x150, 4, 0x1601_0018],
  [0x160, 4, 0x1701_0017],
  [0x164, 4, 0x0001_0205],
  [0x170, 4, 0x2001_0002],
  [0x184, 4, 0x8000_00ff],
  [0x190, 4, 0x0100_0000],
  [0x200, 4, 0x2201_0023],
  [0x204, 4, 0x0180_8086],
  [0x208, 2, 0x0005],
  [0x20a, 1, 0x00],
  [0x20b, 1, 0x00],
  [0x20c, 4, 0x1],
  [0x210, 4, 0x1],
  [0x214, 4, 0x1],
  [0x220, 4, 0x2301_000f],
  [0x224, 2, 0x0060],
  [0x226, 2, 0],
  [0x230, 4, 0x2401_001b],
  [0x234, 2, 0x1404],
  [0x236, 2, 0],
  [0x240, 4, 0x0001_0013],
  [0x244, 2, 0],
  [0x246, 2, 0x8100],
  [0x248, 4, 0x200],
  [0x24c, 4, 0],
];

describe('configuration space of the accelerator', () => {
  it.each(RESET_VALUES)('reads %x (%i bytes) as %x after reset', (offset, bytes, value) => {
    const { device } = new DsaDriver();
    expect(device.configRead(offset, bytes)).toBe(value);
  });

  it('lists its capabilities in the order of real machines', () => {
    const driver = new DsaDriver();
    expect([0x10, 0x11, 0x01].map((id) => driver.findCapability(id))).toEqual([0x40, 0x80, 0x90]);
    expect(
      [0x01, 0x18, 0x17, 0x02, 0x23, 0x0f, 0x1b, 0x13].map((id) =>
        driver.findExtendedCapability(id),
      ),
    ).toEqual([0x100, 0x150, 0x160, 0x170, 0x200, 0x220, 0x230, 0x240]);
    expect(driver.findExtendedCapability(0x10)).toBeUndefined();
  });

  it('lets only memory enable, bus mastering, parity response and SERR be written', () => {
    const { device } = new DsaDriver();
    device.configWrite(0x04, 2, 0xffff);
    expect(device.configRead(0x04, 2)).toBe(0x0146);
  });

  it('tells the size of its BARs', () => {
    const driver = new DsaDriver();
    const { device } = driver;
    const size = (offset: number): bigint => {
      device.configWrite(offset, 4, 0xffff_ffff);
      device.configWrite(offset + 4, 4, 0xffff_ffff);
      const low = BigInt(device.configRead(offset, 4));
      const high = BigInt(device.configRead(offset + 4, 4));
      expect(low & 0xfn).toBe(0xcn);
      return (~((high << 32n) | (low & ~0xfn)) & 0xffff_ffff_ffff_ffffn) + 1n;
    };
    expect(size(0x10)).toBe(0x1_0000n);
    expect(size(0x18)).toBe(0x2_0000n);
    expect(device.barBytes).toEqual([0x1_0000, 0, 0x2_0000, 0, 0, 0]);
    expect(driver.records('pcie.bar.placed')).toEqual([]);
  });

  it('reports where a BAR is placed', () => {
    const driver = new DsaDriver();
    driver.device.configWrite(0x18, 4, 0x2000_0000);
    driver.device.configWrite(0x1c, 4, 0x20);
    expect(driver.records('pcie.bar.placed').map((r) => r.values)).toEqual([
      [2, 0x20, 0x2000_0000, 0x2_0000],
    ]);
  });

  it.each([
    ['a read is refused', 1 << 13, (driver: DsaDriver) => driver.port.breakPage(0x1_0000)],
    [
      'a translation is refused',
      1 << 13,
      (driver: DsaDriver) => (driver.port.translationStatus = COMPLETION.unsupportedRequest),
    ],
    [
      'a translation is aborted',
      1 << 12,
      (driver: DsaDriver) => (driver.port.translationStatus = COMPLETION.completerAbort),
    ],
    ['a posted write is lost', 0, (driver: DsaDriver) => driver.port.breakPage(0x8_0000)],
  ])('shows in the status register when %s', (_, bits, refuse) => {
    const driver = new DsaDriver().setUp();
    refuse(driver);
    driver.submit(
      0,
      descriptor(OPCODE.memoryMove, { source: 0x1_0000n, destination: 0x8_0000n, size: 64 }),
    );
    driver.run();
    expect(driver.device.configRead(0x06, 2)).toBe(0x0010 | bits);
    driver.device.configWrite(0x06, 2, bits);
    expect(driver.device.configRead(0x06, 2)).toBe(0x0010);
  });

  it('refuses misaligned and narrow-read-only writes with a word', () => {
    const driver = new DsaDriver();
    const { device } = driver;
    device.configWrite(0x05, 2, 0xff);
    expect(device.configRead(0x05, 2)).toBe(0xffff);
    device.configWrite(0x00, 4, 0xdead_beef);
    expect(device.configRead(0x00, 4)).toBe(0x0b25_8086);
    expect(driver.records('pcie.config.write-ignored')).toHaveLength(2);
  });

  it('clears status bits that are written as 1', () => {
    const { device } = new DsaDriver();
    device.configWrite(0x06, 2, 0xf900);
    expect(device.configRead(0x06, 2)).toBe(0x0010);
  });

  it.each([
    ['PASID', 0x236, 0],
    ['ATS', 0x226, 0],
    ['PRI', 0x244, 0],
    ['bus mastering', 0x04, 2],
  ])('halts with error 51h when %s changes on an enabled device', (_, offset, value) => {
    const driver = new DsaDriver().setUp();
    driver.device.configWrite(offset, 2, value);
    expect(driver.read(0x90) & 0xf).toBe(0b0111);
    const [low] = [driver.read(0xc0)];
    expect((low >>> 8) & 0xff).toBe(DEVICE_ERROR.configurationChange);
    expect(driver.records('dsa.device.halted')).toHaveLength(1);
    expect(driver.command(COMMAND.drainAll).error).toBe(0x05);
  });

  it('does not mind such changes while it is Disabled', () => {
    const driver = new DsaDriver();
    driver.setUpFunction();
    driver.device.configWrite(0x226, 2, 0);
    driver.device.configWrite(0x236, 2, 0);
    expect(driver.read(0x90)).toBe(0);
    expect(driver.read(0xc0)).toBe(0);
  });

  it('forgets everything on function level reset', () => {
    const driver = new DsaDriver().setUp();
    driver.device.configWrite(0x48, 2, 0x2910 | 0x8000);
    expect(driver.device.configRead(0x48, 2)).toBe(0x2910);
    expect(driver.device.configRead(0x04, 2)).toBe(0);
    expect(driver.read(0x90)).toBe(0);
    expect(driver.readWq(0)).toMatchObject({ size: 0, state: 0, pasid: 0 });
    expect(driver.records('pcie.function.reset')).toHaveLength(1);
    // It can be set up again.
    driver.setUp();
    expect(driver.read(0x90)).toBe(1);
  });

  it('keeps sticky error bits over function level reset, but not over power-on', () => {
    const { device } = new DsaDriver();
    device.configWrite(0x108, 4, 0);
    device.reset('function-level');
    expect(device.configRead(0x108, 4)).toBe(0);
    device.reset('power-on');
    expect(device.configRead(0x108, 4)).toBe(0x0040_0000);
  });

  it('reports pending transactions while a descriptor is in progress', () => {
    const driver = new DsaDriver().setUp();
    driver.port.memory[0] = 1;
    driver.submit(
      0,
      new Uint32Array(16)
        .fill(0)
        .map((_, i) => (i === 1 ? 0x0300_0000 : i === 8 ? 4096 : i === 6 ? 0x8000 : 0)),
    );
    driver.queue.runNext(Number.POSITIVE_INFINITY);
    expect(driver.device.configRead(0x4a, 2)).toBe(0x20);
    driver.run();
    expect(driver.device.configRead(0x4a, 2)).toBe(0);
  });
});
