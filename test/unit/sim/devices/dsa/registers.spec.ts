import { describe, expect, it } from 'vitest';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
import { GENCAP, GRPCAP, WQCAP } from '../../../../../src-main/spec/dsa/capability-registers.ts';
import { WQ_FIELD_LOCK, WqConfig } from '../../../../../src-main/spec/dsa/wq-config.ts';
import { capabilitiesOf } from '../../../../../src-main/sim/devices/dsa/capabilities.ts';
import { WqConfigTable } from '../../../../../src-main/sim/devices/dsa/wq-config-table.ts';
import { configIssues, settingsOf } from '../../../../../src-main/sim/devices/dsa/config.ts';
import { DEDICATED, DsaDriver, SHARED } from '../../../../support/dsa-driver.ts';

describe('capability registers', () => {
  it('are those of Sapphire Rapids by default', () => {
    const driver = new DsaDriver();
    expect(driver.read(0x00)).toBe(0x100);
    expect(driver.read64(0x10)).toBe(0x40_915f_0107n);
    expect(WQCAP.decode([driver.read(0x20), driver.read(0x24)])).toMatchObject({
      totalSize: 128,
      count: 8,
      configShift: 0,
    });
    expect(GRPCAP.decode([driver.read(0x30), driver.read(0x34)])).toMatchObject({
      count: 4,
      readBuffers: 96,
    });
    expect(driver.read(0x38)).toBe(4);
    expect(driver.read64(0x40)).toBe(0x1_003f_03ffn);
    expect([0x48, 0x50, 0x58].map((offset) => driver.read64(offset))).toEqual([0n, 0n, 0n]);
    expect(driver.read64(0x60)).toBe(0x0080_0004_0008_0006n);
    expect(driver.read64(0x68)).toBe(0x40n);
    expect(driver.read64(0x100)).toBe(0n);
    expect(driver.device.barBytes[0]).toBe(0x1_0000);
  });

  it('report less on parts without batch and delta', () => {
    const driver = new DsaDriver({ config: { withoutOperations: [1, 7, 8] } });
    expect(driver.read64(0x40)).toBe(0x1_003f_027dn);
  });

  it.each([
    ['v2', 0x200, 0x11fb],
    ['v3', 0x300, 0x1212],
  ] as const)('tell version and features of %s', (profile, version, deviceId) => {
    const driver = new DsaDriver({ config: { profile } });
    expect(driver.read(0)).toBe(version);
    expect(driver.device.configRead(2, 2)).toBe(deviceId);
    const gencap = GENCAP.decode([driver.read(0x10), driver.read(0x14)]);
    expect(gencap).toMatchObject({
      eventLog: 1,
      interDomain: 1,
      crc64: 1,
      singleEntryBatch: profile === 'v3' ? 1 : 0,
    });
    expect(WQCAP.decode([driver.read(0x20), driver.read(0x24)])).toMatchObject({
      configShift: 1,
      operationConfig: 1,
    });
    expect(GRPCAP.decode([driver.read(0x30), driver.read(0x34)]).bandwidthLimits).toBe(
      profile === 'v3' ? 1 : 0,
    );
    expect(driver.device.barBytes[0]).toBe(0x2_0000);
  });

  it('cannot be written', () => {
    const driver = new DsaDriver();
    for (let offset = 0; offset < 0x70; offset += 4) {
      const before = driver.read(offset);
      driver.write(offset, 0xffff_ffff);
      expect(driver.read(offset)).toBe(before);
    }
  });
});

describe('reset values', () => {
  it('are those of table 9-3', () => {
    const driver = new DsaDriver();
    expect(driver.read(0x80)).toBe(96);
    expect([0x88, 0x90, 0x98, 0xa8, 0xc0, 0xc4].map((offset) => driver.read(offset))).toEqual([
      0, 0, 0, 0, 0, 0,
    ]);
    expect(driver.read(driver.table(0) + 40)).toBe(96 << 20);
    expect(driver.readWq(3)).toMatchObject({ size: 0, threshold: 0, state: 0, occupancy: 0 });
    // MSI-X table: address 0, data 0, masked. IMS: address FEE0_0000h, masked.
    expect([0x2000, 0x2004, 0x2008, 0x200c].map((offset) => driver.read(offset))).toEqual([
      0, 0, 0, 1,
    ]);
    expect([0x8000, 0x8004, 0x8008, 0x800c].map((offset) => driver.read(offset))).toEqual([
      0xfee0_0000, 0, 0, 1,
    ]);
    expect(driver.read(0x8000 + 2047 * 16)).toBe(0xfee0_0000);
  });

  it('set the operation configuration to OPCAP', () => {
    const driver = new DsaDriver({ config: { profile: 'v2' } });
    expect(driver.readWq(0).operations).toBe(driver.read64(0x40));
  });
});

describe('accesses', () => {
  it('may be 1, 2, 4 or 8 aligned bytes', () => {
    const driver = new DsaDriver();
    expect(driver.read(0x13, 1)).toBe(0x91);
    expect(driver.read(0x12, 2)).toBe(0x915f);
    expect(driver.read(0x10, 4)).toBe(0x915f_0107);
    // Two adjacent registers in one access.
    driver.write(0x88, 0b11, 8);
    expect(driver.read64(0x88)).toBe(0b11n);
    driver.write(driver.table(1) + 4, 0x22, 1);
    driver.write(driver.table(1) + 5, 0x11, 1);
    expect(driver.readWq(0).threshold).toBe(0x1122);
  });

  it('are refused when misaligned', () => {
    const driver = new DsaDriver();
    expect(driver.read(0x12, 4)).toBe(0xffff_ffff);
    driver.write(0x8a, 3, 4);
    expect(driver.read(0x88)).toBe(0);
    expect(driver.records('pcie.mmio.refused')).toHaveLength(2);
  });

  it('find zero where nothing is, and all ones in the portals', () => {
    const driver = new DsaDriver();
    expect(driver.read(0x3f0)).toBe(0);
    expect(driver.read(0x7000)).toBe(0);
    expect(driver.device.mmioRead(2, 0x100, 8)).toBe(0xffff_ffff_ffff_ffffn);
  });

  it('do not reach the registers with 64-byte writes', () => {
    const driver = new DsaDriver();
    expect(driver.device.blockWrite(0, 0x80, new Uint32Array(16).fill(1), 'posted')).toBe(
      'dropped',
    );
    expect(driver.read(0x80)).toBe(96);
  });
});

describe('locks', () => {
  it('let GENCFG and the event log be written only while the device is Disabled', () => {
    const driver = new DsaDriver({ config: { profile: 'v2' } });
    driver.write(0x80, 0x1040);
    driver.write(0xe0, 0x1000);
    driver.setUp();
    driver.write(0x80, 0x20);
    driver.write(0xe0, 0x2000);
    expect(driver.read(0x80)).toBe(0x1040);
    expect(driver.read(0xe0)).toBe(0x1000);
    expect(driver.records('dsa.register.write-ignored')).toHaveLength(2);
  });

  it('let GRPCFG be written only while the device is Disabled', () => {
    const driver = new DsaDriver().setUp();
    const before = driver.read(driver.table(0));
    driver.write(driver.table(0), 0);
    expect(driver.read(driver.table(0))).toBe(before);
  });

  it('clear causes and software errors by writing ones', () => {
    const driver = new DsaDriver();
    driver.command(COMMAND.drainAll, 0, 0x8000_0000);
    expect(driver.read(0x98)).toBe(0b10);
    driver.write(0x98, 0b01);
    expect(driver.read(0x98)).toBe(0b10);
    driver.write(0x98, 0b10);
    expect(driver.read(0x98)).toBe(0);
  });
});

describe('write matrix of WQCFG', () => {
  const ALL_ONES: Readonly<Record<string, bigint>> = Object.fromEntries(
    Object.keys(WQ_FIELD_LOCK).map((name) => {
      const { width } = WqConfig.field(name as 'size');
      return [name, (1n << BigInt(width)) - 1n];
    }),
  );

  /** Writes ones everywhere and tells which fields took them. */
  function changed(driver: DsaDriver, wq: number): readonly string[] {
    const before = driver.readWq(wq) as unknown as Readonly<Record<string, number | bigint>>;
    const bytes = driver.wqConfigBytes;
    const base = driver.table(1) + wq * bytes;
    for (let offset = 0; offset < bytes; offset += 4) {
      driver.write(base + offset, 0xffff_ffff);
    }
    const after = driver.readWq(wq) as unknown as Readonly<Record<string, number | bigint>>;
    return Object.keys(ALL_ONES).filter((name) => before[name] !== after[name]);
  }

  it('opens everything while device and queue are Disabled', () => {
    const driver = new DsaDriver({ config: { profile: 'v2' } });
    driver.writeWq(0, { operations: 0n });
    // maxSglShift belongs to version 3; the occupancy limit is written before its enable is seen.
    expect([...changed(driver, 0)].sort()).toEqual(
      Object.keys(ALL_ONES)
        .filter((n) => n !== 'maxSglShift')
        .sort(),
    );
  });

  it('closes the size while the device is enabled', () => {
    const driver = new DsaDriver({ config: { profile: 'v2' } }).setUp();
    driver.writeWq(2, { operations: 0n });
    expect(changed(driver, 2)).not.toContain('size');
    expect(changed(driver, 3)).toContain('priority');
  });

  it('leaves threshold and occupancy interrupt open on an enabled queue', () => {
    const driver = new DsaDriver().setUp();
    expect([...changed(driver, 1)].sort()).toEqual([
      'occupancyInterruptEnable',
      'occupancyLimit',
      'threshold',
    ]);
  });

  it('closes the occupancy limit while its interrupt is on', () => {
    const driver = new DsaDriver().setUp();
    driver.writeWq(1, { occupancyInterruptEnable: 1, occupancyLimit: 0 });
    driver.writeWq(1, { occupancyLimit: 5 });
    expect(driver.readWq(1).occupancyLimit).toBe(0);
    driver.writeWq(1, { occupancyInterruptEnable: 0 });
    driver.writeWq(1, { occupancyLimit: 5 });
    expect(driver.readWq(1).occupancyLimit).toBe(5);
  });

  it('shows state, occupancy and mode as the queue has them', () => {
    const driver = new DsaDriver().setUp([DEDICATED, SHARED]);
    expect(driver.readWq(0)).toMatchObject({ state: 1, mode: 1, occupancy: 0 });
    expect(driver.readWq(1)).toMatchObject({ state: 1, mode: 0 });
    driver.write(driver.table(1) + 24, 0xffff_ffff);
    expect(driver.readWq(0)).toMatchObject({ state: 1, occupancy: 0, modeSupport: 0 });
  });
});

describe('WQCFG without configuration support, as a virtual device shows it', () => {
  function tableWith(modeSupport: number): WqConfigTable {
    const capabilities = capabilitiesOf(settingsOf({ profile: 'v2' }));
    const table = new WqConfigTable({
      ...capabilities,
      gencap: { ...capabilities.gencap, configuration: 0 },
    });
    table.setField(0, 'modeSupport', modeSupport);
    return table;
  }

  /** Fields of which at least one bit is writable. */
  function writable(table: WqConfigTable, state: number): readonly string[] {
    return WqConfig.fields
      .filter((field) =>
        field.pieces.some(
          (piece) =>
            (table.writableMask(0, piece.word, { isDeviceDisabled: true, state }) & piece.mask) !==
            0,
        ),
      )
      .map((field) => field.name)
      .sort();
  }

  it('lets nothing be written in a queue that guests share', () => {
    expect(writable(tableWith(0), 0)).toEqual([]);
  });

  it('lets a single owner choose mode, PASID and threshold while the queue is Disabled', () => {
    expect(writable(tableWith(1), 0)).toEqual([
      'mode',
      'occupancyHandle',
      'occupancyInterruptEnable',
      'occupancyLimit',
      'occupancyTable',
      'pasid',
      'pasidEnable',
      'priv',
      'threshold',
    ]);
  });

  it('lets a single owner change the threshold of an enabled queue', () => {
    expect(writable(tableWith(1), 1)).toEqual([
      'occupancyInterruptEnable',
      'occupancyLimit',
      'threshold',
    ]);
  });
});

describe('settings', () => {
  it.each([
    [{ wqs: 0 }, 'wqs'],
    [{ wqs: 5000 }, 'wqs'],
    [{ engines: 65 }, 'engines'],
    [{ imsEntries: 100 }, 'imsEntries'],
    [{ atcEntries: 100 }, 'atcEntries'],
    [{ bar0Bytes: 0x1_8000 }, 'bar0Bytes'],
    [{ places: { groupConfig: 0x410 } }, 'places.groupConfig'],
    [{ places: { groupConfig: 0x400 } }, 'places.msixPermissions'],
    [{ places: { ims: 0xf000 }, bar0Bytes: 0x1_0000 }, 'places.ims'],
  ])('are checked: %j', (config, path) => {
    expect(configIssues(settingsOf(config)).map((issue) => issue.path)).toContain(path);
  });

  it.each([
    {},
    { profile: 'v2' as const },
    { profile: 'v3' as const },
    { wqs: 255 },
    { wqs: 1024, totalWqSize: 8192 },
    { imsEntries: 0 },
  ])('make a device: %j', (config) => {
    expect(configIssues(settingsOf(config))).toEqual([]);
  });

  it('put the tables where OFFSETS says', () => {
    const driver = new DsaDriver({ config: { places: { wqConfig: 0x5000, groupConfig: 0x6000 } } });
    expect([driver.table(0), driver.table(1)]).toEqual([0x6000, 0x5000]);
    driver.setUp();
    expect(driver.readWq(0).state).toBe(1);
  });
});
