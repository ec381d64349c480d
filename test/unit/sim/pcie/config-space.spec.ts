import { describe, expect, it } from 'vitest';
import { AerCapability } from '../../../../src-main/spec/pcie/aer.ts';
import { AtsCapability } from '../../../../src-main/spec/pcie/ats.ts';
import { placeCapability } from '../../../../src-main/spec/pcie/capability.ts';
import { configSpace } from '../../../../src-main/spec/pcie/config-space.ts';
import { ExpressCapability } from '../../../../src-main/spec/pcie/express.ts';
import { MsiXCapability } from '../../../../src-main/spec/pcie/msi-x.ts';
import { PageRequestCapability } from '../../../../src-main/spec/pcie/page-request.ts';
import { PasidCapability } from '../../../../src-main/spec/pcie/pasid.ts';
import { BAR_PLACED, CONFIG_WRITE_IGNORED } from '../../../../src-main/spec/events/pcie.ts';
import { VirtualChannelCapability } from '../../../../src-main/spec/pcie/virtual-channel.ts';
import { Trace } from '../../../../src-main/sim/core/trace.ts';
import { ConfigSpace } from '../../../../src-main/sim/pcie/config-space.ts';
import {
  FunctionCapabilities,
  type SwitchName,
} from '../../../../src-main/sim/pcie/function-capabilities.ts';
import { InterruptTable } from '../../../../src-main/sim/pcie/interrupt-table.ts';

const BARS = [
  { index: 0, bytes: 0x4000 },
  { index: 2, bytes: 2 ** 30, is64Bit: true, isPrefetchable: true },
];

function functionWith(): {
  config: ConfigSpace;
  pci: FunctionCapabilities;
  msix: InterruptTable;
  switched: [SwitchName, boolean][];
  calls: string[];
  trace: Trace;
} {
  const trace = new Trace({ mode: 'store' });
  const source = trace.source('test');
  const switched: [SwitchName, boolean][] = [];
  const calls: string[] = [];
  const msix = new InterruptTable({ entries: 4, isAlwaysOn: false }, () => calls.push('interrupt'));
  const config = new ConfigSpace({
    block: configSpace({
      name: 'TEST',
      header: { vendorId: 0x8086, deviceId: 0x1234, classCode: 0x02_0000, bars: BARS },
      capabilities: [
        placeCapability(ExpressCapability, 0x40),
        placeCapability(MsiXCapability, 0x80, { control: { SIZE: 3 } }),
        placeCapability(AerCapability, 0x100),
        placeCapability(VirtualChannelCapability, 0x150),
        placeCapability(AtsCapability, 0x180),
        placeCapability(PasidCapability, 0x190),
        placeCapability(PageRequestCapability, 0x1a0),
      ],
    }),
    trace,
    source,
    onDidWrite: (write) => {
      pci.onDidWrite(write);
    },
  });
  const pci: FunctionCapabilities = new FunctionCapabilities(
    config,
    {
      barBytes: [0x4000, 0, 2 ** 30, 0, 0, 0],
      onFunctionLevelReset: () => calls.push('flr'),
      onDidSwitch: (name, isOn) => switched.push([name, isOn]),
      onPageRequestsChanged: () => calls.push('pri'),
    },
    msix,
    trace,
    source,
  );
  return { config, pci, msix, switched, calls, trace };
}

function recordsOf(trace: Trace, kind: { readonly id: number }): readonly (readonly number[])[] {
  return Array.from({ length: trace.head }, (_, seq) => trace.read(seq))
    .filter((record) => record?.kind === kind.id)
    .map((record) => [...(record?.slots ?? [])]);
}

describe('configuration space', () => {
  it('gives ones for accesses that do not fit', () => {
    const { config } = functionWith();
    expect(config.read(0xfff, 2)).toBe(0xffff);
    expect(config.read(0x1000, 4)).toBe(0xffff_ffff);
    expect(config.read(0x01, 2)).toBe(0xffff);
    expect(config.read(0xff0, 4)).toBe(0);
  });

  it('splits and joins registers of one word', () => {
    const { config } = functionWith();
    config.write(0x04, 4, 0x0000_0006);
    expect(config.read(0x04, 1)).toBe(6);
    expect(config.read(0x04, 4)).toBe(0x0010_0006);
  });

  it('keeps BAR addresses of both widths', () => {
    const { config } = functionWith();
    config.write(0x10, 4, 0xffff_ffff);
    expect(config.read(0x10, 4)).toBe(0xffff_c000);
    config.write(0x10, 4, 0xfebd_4000);
    expect(config.barAddress(0)).toBe(0xfebd_4000n);
    config.write(0x18, 4, 0xffff_ffff);
    config.write(0x1c, 4, 0xffff_ffff);
    expect(config.read(0x18, 4)).toBe(0xc000_000c);
    expect(config.read(0x1c, 4)).toBe(0xffff_ffff);
    config.write(0x18, 4, 0);
    config.write(0x1c, 4, 0x2000);
    expect(config.barAddress(2)).toBe(0x2000_0000_0000n);
    expect([config.barAddress(4), config.isWideBar(2), config.isWideBar(3)]).toEqual([
      0n,
      true,
      false,
    ]);
  });

  it.each([
    [2 ** 31, 0x8000_000c, 0xffff_ffff],
    [2 ** 32, 0x0000_000c, 0xffff_ffff],
    [2 ** 33, 0x0000_000c, 0xffff_fffe],
    [2 ** 40, 0x0000_000c, 0xffff_ff00],
  ])('tells the size of a BAR of %i bytes and where it is', (bytes, low, high) => {
    const trace = new Trace({ mode: 'store' });
    const config: ConfigSpace = new ConfigSpace({
      block: configSpace({
        name: 'LARGE_BAR',
        header: {
          vendorId: 0x8086,
          deviceId: 0x1234,
          classCode: 0x03_8000,
          bars: [{ index: 0, bytes, is64Bit: true, isPrefetchable: true }],
        },
        capabilities: [],
      }),
      trace,
      source: 0,
      onDidWrite: (write) => {
        pci.onDidWrite(write);
      },
    });
    const hooks = { barBytes: [bytes, 0, 0, 0, 0, 0], onFunctionLevelReset: () => undefined };
    const pci: FunctionCapabilities = new FunctionCapabilities(config, hooks, undefined, trace, 0);
    config.write(0x10, 4, 0xffff_ffff);
    config.write(0x14, 4, 0xffff_ffff);
    expect([config.read(0x10, 4), config.read(0x14, 4)]).toEqual([low, high]);
    const place = 2n ** 44n;
    config.write(0x10, 4, 0);
    config.write(0x14, 4, Number(place >> 32n));
    expect(config.barAddress(0)).toBe(place);
    // The question for the size is no place; the answer to it is.
    expect(recordsOf(trace, BAR_PLACED)).toEqual([[0, Number(place >> 32n), 0, bytes]]);
  });

  it('speaks up when a write can have no effect', () => {
    const { config, trace } = functionWith();
    config.write(0x00, 4, 1);
    config.write(0xff0, 4, 1);
    config.write(0x04, 2, 0x0006);
    const kinds = Array.from({ length: trace.head }, (_, seq) => trace.read(seq)?.kind);
    expect(new Set(kinds).size).toBe(2);
    expect(trace.head).toBe(3);
  });

  it('takes no offence at the question which BARs there are', () => {
    const { config, trace } = functionWith();
    for (let at = 0x10; at <= 0x24; at += 4) {
      config.write(at, 4, 0xffff_ffff);
    }
    expect(config.read(0x20, 4)).toBe(0);
    expect(recordsOf(trace, CONFIG_WRITE_IGNORED)).toEqual([]);
  });
});

describe('what software switches on', () => {
  it('is told once for each change', () => {
    const { config, pci, switched } = functionWith();
    config.write(0x04, 2, 0b110);
    config.write(0x196, 2, 0b101);
    config.write(0x196, 2, 0b101);
    config.write(0x186, 2, 0x8000);
    config.write(0x1ac, 4, 16);
    config.write(0x1a4, 2, 1);
    config.write(0x04, 2, 0);
    expect(switched).toEqual([
      ['busMaster', true],
      ['pasid', true],
      ['ats', true],
      ['pri', true],
      ['busMaster', false],
    ]);
    expect(pci).toMatchObject({
      isBusMaster: false,
      isMemoryEnabled: false,
      isPasidEnabled: true,
      isPrivilegedModeOn: true,
      isAtsEnabled: true,
      isPriEnabled: true,
      priAllocation: 16,
    });
  });

  it('includes MSI-X and its mask', () => {
    const { config, msix } = functionWith();
    config.write(0x82, 2, 0xc000);
    expect([msix.isEnabled, msix.isFunctionMasked]).toEqual([true, true]);
    config.write(0x82, 2, 0x8000);
    expect(msix.isFunctionMasked).toBe(false);
  });

  it('includes the traffic classes of enabled channels', () => {
    const { config, pci } = functionWith();
    expect(pci.trafficClasses).toBe(0xff);
    config.write(0x164, 4, 0x8000_0001);
    expect(pci.trafficClasses).toBe(1);
    config.write(0x170, 4, 0x8100_00f0);
    expect(pci.trafficClasses).toBe(0xf1);
  });

  it('asks for a function level reset and reads the bit as 0', () => {
    const { config, calls } = functionWith();
    config.write(0x48, 2, 0x8000 | 0x2910);
    expect(calls).toEqual(['flr']);
    expect(config.read(0x48, 2)).toBe(0x2910);
  });

  it('stops page requests on failure until software clears it', () => {
    const { config, pci } = functionWith();
    config.write(0x1a4, 2, 1);
    pci.updateStopped(true);
    expect(config.read(0x1a6, 2) & 0x100).toBe(0);
    pci.failPageRequests();
    pci.updateStopped(true);
    expect(pci.isPriEnabled).toBe(false);
    expect(config.read(0x1a6, 2)).toBe(0x101);
    config.write(0x1a6, 2, 1);
    expect(pci.isPriEnabled).toBe(true);
    // Reset counts only while disabled.
    pci.failPageRequests();
    config.write(0x1a4, 2, 0b11);
    expect(config.read(0x1a6, 2) & 1).toBe(1);
    config.write(0x1a4, 2, 0b10);
    expect(config.read(0x1a6, 2) & 1).toBe(0);
    expect(config.read(0x1a4, 2)).toBe(0);
  });

  it('is read again after reset and restore', () => {
    const { config, pci } = functionWith();
    config.write(0x04, 2, 0b110);
    const state = config.snapshot();
    config.reset('function-level');
    pci.refresh();
    expect(pci.isBusMaster).toBe(false);
    config.restore(state);
    pci.refresh();
    expect(pci.isBusMaster).toBe(true);
  });
});
