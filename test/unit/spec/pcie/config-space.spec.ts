/** The configuration space of a shipping accelerator, built from the declarations, against the values it reports. */
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../../../src-main/bits/invariant.ts';
import {
  resetWords,
  type Register,
  type RegisterBlock,
} from '../../../../src-main/bits/register-block.ts';
import { AerCapability } from '../../../../src-main/spec/pcie/aer.ts';
import { AtsCapability } from '../../../../src-main/spec/pcie/ats.ts';
import { placeCapability } from '../../../../src-main/spec/pcie/capability.ts';
import { barRegisters, configHeader } from '../../../../src-main/spec/pcie/config-header.ts';
import { configSpace } from '../../../../src-main/spec/pcie/config-space.ts';
import { ExpressCapability } from '../../../../src-main/spec/pcie/express.ts';
import { LatencyToleranceCapability } from '../../../../src-main/spec/pcie/latency-tolerance.ts';
import { MsiXCapability } from '../../../../src-main/spec/pcie/msi-x.ts';
import { PageRequestCapability } from '../../../../src-main/spec/pcie/page-request.ts';
import { PasidCapability } from '../../../../src-main/spec/pcie/pasid.ts';
import { PowerManagementCapability } from '../../../../src-main/spec/pcie/power-management.ts';
import { TphRequesterCapability } from '../../../../src-main/spec/pcie/tph-requester.ts';
import { VirtualChannelCapability } from '../../../../src-main/spec/pcie/virtual-channel.ts';
import { SiovDvsec } from '../../../../src-main/spec/siov/dvsec.ts';

const KB = 1024;

const accelerator = configSpace({
  name: 'accelerator',
  header: {
    vendorId: 0x8086,
    deviceId: 0x0b25,
    classCode: 0x08_8000,
    subsystemVendorId: 0x8086,
    bars: [
      { index: 0, bytes: 64 * KB, is64Bit: true, isPrefetchable: true },
      { index: 2, bytes: 128 * KB, is64Bit: true, isPrefetchable: true },
    ],
  },
  capabilities: [
    placeCapability(ExpressCapability, 0x40),
    placeCapability(MsiXCapability, 0x80, {
      control: { SIZE: 8 },
      table: { OFFSET: 0x2000n },
      pba: { OFFSET: 0x3000n },
    }),
    placeCapability(PowerManagementCapability, 0x90),
    placeCapability(AerCapability, 0x100),
    placeCapability(LatencyToleranceCapability, 0x150),
    placeCapability(TphRequesterCapability, 0x160),
    placeCapability(VirtualChannelCapability, 0x170),
    placeCapability(SiovDvsec, 0x200),
    placeCapability(AtsCapability, 0x220, { capability: { GLOBAL: 1 } }),
    placeCapability(PasidCapability, 0x230, { capability: { PRIV: 1, WIDTH: 20 } }),
    placeCapability(PageRequestCapability, 0x240, {
      status: { PASIDR: 1 },
      capacity: { CAPACITY: 0x200 },
    }),
  ],
});

function imageOf(block: RegisterBlock): DataView {
  const image = new DataView(new ArrayBuffer(0x1000));
  for (const register of block.registers) {
    const value = resetWords(register)[0] ?? 0;
    for (let i = 0; i < register.bytes; i++) {
      image.setUint8(register.offset + i, (value >>> (8 * i)) & 0xff);
    }
  }
  return image;
}

const image = imageOf(accelerator);

function registerNamed(block: RegisterBlock, name: string): Register {
  const found = block.registers.find((r) => r.name === name);
  if (found === undefined) {
    throw new Error(`no register ${name}`);
  }
  return found;
}

describe('configuration space of an accelerator', () => {
  it.each([
    ['vendor and device', 0x00, 0x0b25_8086],
    ['command and status', 0x04, 0x0010_0000],
    ['revision and class', 0x08, 0x0880_0000],
    ['cache line to BIST', 0x0c, 0x0000_0000],
    ['BAR0', 0x10, 0x0000_000c],
    ['BAR2', 0x18, 0x0000_000c],
    ['subsystem', 0x2c, 0x0000_8086],
    ['capabilities pointer', 0x34, 0x0000_0040],
    ['interrupt line and pin', 0x3c, 0x0000_0000],
    ['PCI Express header', 0x40, 0x0092_8010],
    ['device capabilities', 0x44, 0x1000_8022],
    ['device control', 0x48, 0x0000_2910],
    ['device capabilities 2', 0x64, 0x1073_0810],
    ['MSI-X header', 0x80, 0x0008_9011],
    ['MSI-X table', 0x84, 0x0000_2000],
    ['MSI-X pending bits', 0x88, 0x0000_3000],
    ['power management header', 0x90, 0x0003_0001],
    ['power management status', 0x94, 0x0000_0008],
    ['AER header', 0x100, 0x1502_0001],
    ['AER mask', 0x108, 0x0040_0000],
    ['AER severity', 0x10c, 0x0044_0000],
    ['LTR header', 0x150, 0x1601_0018],
    ['TPH header', 0x160, 0x1701_0017],
    ['TPH capability', 0x164, 0x0001_0205],
    ['VC header', 0x170, 0x2001_0002],
    ['VC0 control', 0x184, 0x8000_00ff],
    ['VC1 control', 0x190, 0x0100_0000],
    ['DVSEC header', 0x200, 0x2201_0023],
    ['DVSEC header 1', 0x204, 0x0180_8086],
    ['DVSEC header 2', 0x208, 0x0000_0005],
    ['DVSEC supported page sizes', 0x20c, 0x0000_0001],
    ['DVSEC system page size', 0x210, 0x0000_0001],
    ['DVSEC capabilities', 0x214, 0x0000_0001],
    ['ATS header', 0x220, 0x2301_000f],
    ['ATS capability and control', 0x224, 0x0000_0060],
    ['PASID header', 0x230, 0x2401_001b],
    ['PASID capability and control', 0x234, 0x0000_1404],
    ['PRI header', 0x240, 0x0001_0013],
    ['PRI control and status', 0x244, 0x8100_0000],
    ['PRI capacity', 0x248, 0x0000_0200],
    ['PRI allocation', 0x24c, 0x0000_0000],
  ])('%s', (_what, offset, value) => {
    expect(image.getUint32(offset, true).toString(16)).toBe(value.toString(16));
  });

  it('shows a virtual device the DVSEC without IMS', () => {
    const virtual = configSpace({
      name: 'virtual',
      header: { vendorId: 0x8086, deviceId: 0x0b25, classCode: 0x08_8000 },
      capabilities: [
        placeCapability(SiovDvsec, 0x100, { header1: { REVISION: 1 }, capabilities: { IMS: 0 } }),
      ],
    });
    const virtualImage = imageOf(virtual);
    expect(virtualImage.getUint32(0x100, true)).toBe(0x0001_0023);
    expect(virtualImage.getUint32(0x104, true)).toBe(0x0181_8086);
    expect(virtualImage.getUint32(0x114, true)).toBe(0);
  });

  it('keeps the writable bits of a BAR above its size', () => {
    const bar = registerNamed(accelerator, 'BAR0');
    expect(bar.field('BASE').low).toBe(16);
    expect(registerNamed(accelerator, 'BAR1').field('BASE').low).toBe(0);
    const [low, high] = barRegisters({ index: 0, bytes: 2 ** 34, is64Bit: true });
    expect(low?.fields.filter((f) => f.spec.access === 'RW')).toEqual([]);
    expect(high?.field('BASE').low).toBe(2);
  });

  it('leaves a virtual function only bus mastering', () => {
    const header = configHeader({
      vendorId: 0xffff,
      deviceId: 0xffff,
      classCode: 0,
      isVirtualFunction: true,
    });
    const command = header.find((r) => r.name === 'COMMAND');
    const writable = command?.fields.filter((f) => f.spec.access === 'RW').map((f) => f.name);
    expect(writable).toEqual(['BME']);
  });

  it('renames registers of a capability that occurs twice', () => {
    const block = configSpace({
      name: 'twice',
      header: { vendorId: 1, deviceId: 2, classCode: 0 },
      capabilities: [
        placeCapability(AtsCapability, 0x100),
        placeCapability(AtsCapability, 0x110, {}, { prefix: 'SECOND', version: 2 }),
      ],
    });
    expect(registerNamed(block, 'SECOND_CONTROL').offset).toBe(0x116);
    expect(imageOf(block).getUint32(0x100, true)).toBe(0x1101_000f);
    expect(imageOf(block).getUint32(0x110, true)).toBe(0x0002_000f);
  });

  const header = { vendorId: 1, deviceId: 2, classCode: 0 };

  it('refuses capabilities that overlap or do not fit', () => {
    const overlapping = [
      placeCapability(AerCapability, 0x100),
      placeCapability(AtsCapability, 0x140),
    ];
    expect(() => configSpace({ name: 'x', header, capabilities: overlapping })).toThrow(
      InvariantError,
    );
    const outside = [placeCapability(MsiXCapability, 0xf8)];
    expect(() => configSpace({ name: 'x', header, capabilities: outside })).toThrow(/does not fit/);
    const late = [placeCapability(AtsCapability, 0x110)];
    expect(() => configSpace({ name: 'x', header, capabilities: late })).toThrow(/start at 100h/);
  });

  it('refuses BARs of impossible size or place', () => {
    expect(() => barRegisters({ index: 0, bytes: 3000 })).toThrow(/not a size/);
    expect(() => barRegisters({ index: 0, bytes: 2 ** 32 })).toThrow(/not a size/);
    expect(() => barRegisters({ index: 5, bytes: 4096, is64Bit: true })).toThrow(/does not exist/);
  });
});
