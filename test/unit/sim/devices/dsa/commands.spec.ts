import { describe, expect, it } from 'vitest';
import {
  COMMAND,
  COMMAND_ERROR,
  COMMAND_ERROR_NAMES,
} from '../../../../../src-main/spec/dsa/commands.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { DEVICE_ERROR } from '../../../../../src-main/spec/dsa/status-codes.ts';
import { WQ_STATE } from '../../../../../src-main/spec/dsa/wq-config.ts';
import {
  COMMAND_SCENARIOS,
  configured,
  enableDevice,
  enableDeviceWithGroup,
  enableWq,
  enableWqWith,
  enabled,
} from '../../../../support/dsa-command-scenarios.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  descriptor,
  type CommandResult,
} from '../../../../support/dsa-driver.ts';

describe('command status codes', () => {
  it('has a scenario and a name for every code', () => {
    const codes = Object.values(COMMAND_ERROR).map(String).sort();
    expect(Object.keys(COMMAND_SCENARIOS).sort()).toEqual(codes);
    expect(Object.keys(COMMAND_ERROR_NAMES).sort()).toEqual(codes);
  });

  it.each(Object.entries(COMMAND_ERROR))('ends with %s (%i)', (_, code) => {
    const scenario = COMMAND_SCENARIOS[code];
    expect(scenario?.().error).toBe(code);
  });

  it('explains a failure', () => {
    const driver = configured({ busMaster: false });
    enableDevice(driver);
    expect(driver.records('dsa.command.failed')).toHaveLength(1);
    expect(driver.read(0x90)).toBe(0);
  });
});

describe('further checks of Enable Device', () => {
  const failing: readonly (readonly [string, number, () => CommandResult])[] = [
    [
      'page requests enabled with allocation 0',
      COMMAND_ERROR.pageRequestAllocation,
      () => enableDevice(configured({ pageRequests: 0 })),
    ],
    [
      'ATS on where the platform has none',
      COMMAND_ERROR.atsPlatform,
      () => enableDevice(configured({}, {}, { platformAts: 'absent' })),
    ],
    [
      'a WQ in two groups',
      COMMAND_ERROR.wqGrouping,
      () => {
        const driver = configured({}, { engines: 0b0011n });
        driver.writeGroup(1, { wqs: 0b10n, engines: 0b1100n, readBuffersAllowed: 96 });
        return enableDevice(driver);
      },
    ],
    [
      'an inactive WQ in a group',
      COMMAND_ERROR.wqGrouping,
      () => enableDeviceWithGroup({ wqs: 0b111n }),
    ],
    [
      'a WQ beyond the count',
      COMMAND_ERROR.wqGrouping,
      () => enableDeviceWithGroup({ wqs: (1n << 8n) | 0b11n }),
    ],
    [
      'an engine in two groups',
      COMMAND_ERROR.engineGrouping,
      () => {
        const driver = configured({}, { wqs: 0b01n, engines: 0b0011n });
        driver.writeGroup(1, { wqs: 0b10n, engines: 0b0110n, readBuffersAllowed: 96 });
        return enableDevice(driver);
      },
    ],
    [
      'engines without WQs',
      COMMAND_ERROR.groupIncomplete,
      () => {
        const driver = configured({}, { engines: 0b0011n });
        driver.writeGroup(1, { engines: 0b1100n, readBuffersAllowed: 96 });
        return enableDevice(driver);
      },
    ],
    [
      'fewer buffers allowed than reserved',
      COMMAND_ERROR.readBuffers,
      () => enableDeviceWithGroup({ readBuffersAllowed: 20, readBuffersReserved: 21 }),
    ],
    [
      'more buffers allowed than others leave',
      COMMAND_ERROR.readBuffers,
      () => {
        const driver = configured(
          {},
          { wqs: 0b01n, engines: 0b0011n, readBuffersAllowed: 96, readBuffersReserved: 8 },
        );
        driver.writeGroup(1, {
          wqs: 0b10n,
          engines: 0b1100n,
          readBuffersAllowed: 40,
          readBuffersReserved: 40,
        });
        return enableDevice(driver);
      },
    ],
    [
      'more buffers reserved than there are',
      COMMAND_ERROR.readBuffers,
      () => {
        const driver = configured(
          {},
          { wqs: 0b01n, engines: 0b0011n, readBuffersAllowed: 60, readBuffersReserved: 60 },
        );
        driver.writeGroup(1, {
          wqs: 0b10n,
          engines: 0b1100n,
          readBuffersAllowed: 60,
          readBuffersReserved: 60,
        });
        return enableDevice(driver);
      },
    ],
    [
      'a global limit below the need of its groups',
      COMMAND_ERROR.readBuffers,
      () => {
        const driver = configured({}, { useGlobalLimit: 1 });
        driver.write(0x80, 15);
        return enableDevice(driver);
      },
    ],
    [
      'a reserved flag of a group',
      COMMAND_ERROR.readBuffers,
      () => {
        const driver = configured();
        driver.write(driver.table(0) + 40, driver.read(driver.table(0) + 40) | (1 << 6));
        return enableDevice(driver);
      },
    ],
    [
      'a bandwidth limit above 3',
      COMMAND_ERROR.readBuffers,
      () => enableDeviceWithGroup({ readBandwidth: 4 }, { profile: 'v3' }),
    ],
    [
      'an event log behind the end of memory',
      COMMAND_ERROR.eventLog,
      () => {
        const driver = configured({}, {}, { profile: 'v2' });
        driver.write(0x80, driver.read(0x80) | (1 << 13));
        driver.write(0xe0, 0xffff_ffff_ffff_f000n, 8);
        driver.write(0xe8, 256);
        return enableDevice(driver);
      },
    ],
    [
      'a privileged event log without privileged mode',
      COMMAND_ERROR.logPasid,
      () => {
        const driver = configured({ priv: false }, {}, { profile: 'v2' });
        driver.write(0xe0, 0b11);
        return enableDevice(driver);
      },
    ],
  ];

  it.each(failing)('refuses %s', (_, code, scenario) => {
    expect(scenario().error).toBe(code);
  });

  it('accepts groups that share the buffers exactly', () => {
    const driver = configured(
      {},
      { wqs: 0b01n, engines: 0b0011n, readBuffersAllowed: 56, readBuffersReserved: 40 },
    );
    driver.writeGroup(1, {
      wqs: 0b10n,
      engines: 0b1100n,
      readBuffersAllowed: 56,
      readBuffersReserved: 40,
    });
    expect(enableDevice(driver).error).toBe(0);
  });
});

describe('further checks of Enable WQ', () => {
  it.each<readonly [string, number, () => CommandResult]>([
    [
      'a shared WQ with the PASID capability off',
      COMMAND_ERROR.wqPasid,
      () => enableWq(enabled({ pasid: false }), 1),
    ],
    ['batch shift 0', COMMAND_ERROR.maxBatch, () => enableWqWith({ maxBatchShift: 0 })],
    [
      'dedicated mode where only shared exists',
      COMMAND_ERROR.wqMode,
      () => enableWqWith({}, {}, { modes: 'shared' }),
    ],
    [
      'shared mode where only dedicated exists',
      COMMAND_ERROR.wqMode,
      () => enableWq(enabled({}, { modes: 'dedicated' }), 1),
    ],
    [
      'PRS disable together with block on fault',
      COMMAND_ERROR.prsDisable,
      () => {
        const driver = configured({}, {}, { profile: 'v2' });
        driver.write(0x80, driver.read(0x80) | (1 << 13));
        driver.write(0xe8, 64);
        enableDevice(driver);
        driver.writeWq(0, { prsDisable: 1, blockOnFault: 1 });
        return enableWq(driver);
      },
    ],
    [
      'an occupancy handle of no IMS entry',
      COMMAND_ERROR.occupancyHandle,
      () => {
        const driver = enabled();
        driver.writeWq(0, {
          occupancyTable: 1,
          occupancyHandle: 2048,
          occupancyInterruptEnable: 1,
        });
        return enableWq(driver);
      },
    ],
  ])('refuses %s', (_, code, scenario) => {
    expect(scenario().error).toBe(code);
  });

  it('takes batch shift 0 where single-entry batches exist', () => {
    expect(enableWqWith({ maxBatchShift: 0 }, {}, { profile: 'v3' }).error).toBe(0);
  });
});

describe('command interface', () => {
  it('encodes the examples of the specification', () => {
    const driver = new DsaDriver().setUp();
    driver.write(0xa0, 0x0080_0003);
    expect(driver.commandStatus().isActive).toBe(true);
    driver.run();
    expect(driver.commandStatus()).toEqual({ error: 0, result: 0, isActive: false });
    driver.write(0xa0, 0x8080_0003);
    driver.run();
    expect(driver.read(0x98)).toBe(0b10);
  });

  it('logs a write of CMD while a command is active, and drops it', () => {
    const driver = configured();
    driver.startCommand(COMMAND.enableDevice);
    driver.startCommand(COMMAND.drainAll);
    expect((driver.read(0xc0) >>> 8) & 0xff).toBe(DEVICE_ERROR.commandWhileActive);
    driver.run();
    expect(driver.read(0x90)).toBe(1);
  });

  it('ignores narrow writes of CMD', () => {
    const driver = configured();
    driver.write(0xa2, 0x0010, 2);
    driver.run();
    expect(driver.read(0x90)).toBe(0);
  });

  it('raises interrupt 0 with its cause when asked to', () => {
    const driver = configured();
    driver.write(0x2000, 0xfee0_0000);
    driver.write(0x2008, 0x41);
    driver.write(0x200c, 0);
    driver.command(COMMAND.enableDevice, 0, 0x8000_0000);
    expect(driver.read(0x98)).toBe(0b10);
    expect(driver.port.interrupts).toEqual([{ address: 0xfee0_0000, data: 0x41 }]);
    driver.write(0x98, 0b10);
    expect(driver.read(0x98)).toBe(0);
  });

  it('reads CMD as zero and CMDCAP only where it exists', () => {
    const v1 = configured();
    v1.startCommand(COMMAND.enableDevice);
    expect(v1.read(0xa0)).toBe(0);
    expect(v1.read(0xb0)).toBe(0);
    const v2 = configured({}, {}, { profile: 'v2' });
    expect(v2.read(0xb0)).toBe(0x0003_9ffe);
  });
});

/** Long enough that it is still running when the next command comes. */
const LONG_MOVE = descriptor(
  OPCODE.memoryMove,
  { source: 0x1_0000n, destination: 0x10_0000n, size: 0x4_0000, recordAddress: 0x1000n },
  RECORD,
);
const OTHER_MOVE = descriptor(
  OPCODE.memoryMove,
  { source: 0x1_0000n, destination: 0x10_0000n, size: 0x4_0000, recordAddress: 0x1040n },
  RECORD,
);

describe('drain, disable, abort and reset', () => {
  it('drains a queue without disabling it', () => {
    const driver = new DsaDriver().setUp();
    driver.submit(0, LONG_MOVE);
    expect(driver.command(COMMAND.drainWq, 0b01).error).toBe(0);
    expect(driver.record(LONG_MOVE)['status']).toBe(1);
    expect(driver.readWq(0).state).toBe(WQ_STATE.enabled);
  });

  it('drains everything submitted before, not what comes after', () => {
    const driver = new DsaDriver().setUp();
    driver.submit(0, LONG_MOVE);
    driver.startCommand(COMMAND.drainAll);
    driver.run(1_500);
    expect(driver.commandStatus().isActive).toBe(true);
    driver.submit(0, OTHER_MOVE);
    while (driver.commandStatus().isActive) {
      driver.queue.runNext(Number.POSITIVE_INFINITY);
    }
    expect(driver.record(LONG_MOVE)['status']).toBe(1);
    expect(driver.record(OTHER_MOVE)['status']).toBe(0);
    driver.run();
    expect(driver.record(OTHER_MOVE)['status']).toBe(1);
  });

  it('drains one PASID and not the others', () => {
    const driver = new DsaDriver().setUp();
    const mine = LONG_MOVE.slice();
    mine[0] = 5;
    const theirs = OTHER_MOVE.slice();
    theirs[0] = 6;
    theirs[8] = 0x10_0000;
    theirs[6] = 0x8_0000;
    driver.submit(1, mine);
    driver.submit(1, theirs);
    expect(driver.command(COMMAND.drainPasid, 5).error).toBe(0);
    expect(driver.record(mine)['status']).toBe(1);
    expect(driver.record(theirs)['status']).toBe(0);
  });

  it('disables a queue after its work is done', () => {
    const driver = new DsaDriver().setUp();
    driver.submit(0, LONG_MOVE);
    driver.startCommand(COMMAND.disableWq, 0b01);
    driver.run(1_200);
    expect(driver.readWq(0).state).toBe(WQ_STATE.busy);
    expect(driver.submit(0, OTHER_MOVE)).toBe('dropped');
    driver.run();
    expect(driver.readWq(0).state).toBe(WQ_STATE.disabled);
    expect(driver.record(LONG_MOVE)['status']).toBe(1);
    expect(driver.readWq(0).size).toBe(16);
  });

  it('disables the device and all its queues', () => {
    const driver = new DsaDriver().setUp();
    driver.submit(0, LONG_MOVE);
    expect(driver.command(COMMAND.disableDevice).error).toBe(0);
    expect(driver.record(LONG_MOVE)['status']).toBe(1);
    expect(driver.read(0x90)).toBe(0);
    expect([0, 1].map((wq) => driver.readWq(wq).state)).toEqual([0, 0]);
    // Configuration is kept.
    expect(driver.command(COMMAND.enableDevice).error).toBe(0);
    expect(driver.command(COMMAND.enableWq, 0).error).toBe(0);
  });

  it('drops queued work on abort and finishes what runs', () => {
    const driver = new DsaDriver({ config: { engines: 1 } }).setUp();
    // 127 descriptors fit into the engine, so only a short queue is left when it is small.
    driver.submit(0, LONG_MOVE);
    driver.startCommand(COMMAND.abortWq, 0b01);
    driver.submit(0, OTHER_MOVE);
    driver.run();
    const [first, second] = [
      driver.record(LONG_MOVE)['status'],
      driver.record(OTHER_MOVE)['status'],
    ];
    expect(first).toBe(1);
    expect(second).toBe(1);
    expect(driver.commandStatus()).toMatchObject({ error: 0, isActive: false });
  });

  it('drops work that waits behind a paused queue on abort of its PASID', () => {
    const driver = new DsaDriver().setUp();
    driver.device.migration.pause(1);
    const mine = LONG_MOVE.slice();
    mine[0] = 5;
    const theirs = OTHER_MOVE.slice();
    theirs[0] = 6;
    driver.submit(1, mine);
    driver.submit(1, theirs);
    expect(driver.command(COMMAND.abortPasid, 5).error).toBe(0);
    expect(driver.device.inspect.queued(1).map((d) => d.pasid)).toEqual([6]);
    expect(driver.records('dsa.descriptor.dropped')).toHaveLength(1);
    driver.device.migration.resume(1);
    driver.run();
    expect(driver.record(mine)['status']).toBe(0);
    expect(driver.record(theirs)['status']).toBe(1);
  });

  it('ends a wait for a page on abort, at a chunk border', () => {
    const driver = new DsaDriver().setUp([{ ...DEDICATED, blockOnFault: 1 }]);
    driver.port.unmap(1, 0x1_2000);
    const move = LONG_MOVE.slice();
    move[1] = (move[1] as number) | 0b10;
    driver.submit(0, move);
    driver.run(20_000);
    expect(driver.port.pageRequests).toHaveLength(1);
    expect(driver.command(COMMAND.abortWq, 0b01).error).toBe(0);
    expect(driver.record(move)).toMatchObject({
      status: 3,
      bytesCompleted: 0x2000,
      faultAddress: 0x1_2000n,
    });
  });

  it('resets a queue but keeps its size', () => {
    const driver = new DsaDriver().setUp();
    expect(driver.command(COMMAND.resetWq, 0b01).error).toBe(0);
    expect(driver.readWq(0)).toMatchObject({
      size: 16,
      threshold: 0,
      priority: 0,
      pasid: 0,
      pasidEnable: 0,
      state: 0,
    });
    // Legal on a disabled queue as well.
    expect(driver.command(COMMAND.resetWq, 0b01).error).toBe(0);
  });

  it('resets the device but keeps command status and software error', () => {
    const driver = new DsaDriver().setUp();
    driver.startCommand(COMMAND.drainAll);
    driver.startCommand(COMMAND.drainAll);
    driver.run();
    expect(driver.command(COMMAND.resetDevice).error).toBe(0);
    expect(driver.read(0x90)).toBe(0);
    expect(driver.readWq(0)).toMatchObject({ size: 0, state: 0 });
    expect((driver.read(0xc0) >>> 8) & 0xff).toBe(DEVICE_ERROR.commandWhileActive);
    expect(driver.read(0x80)).toBe(96);
  });

  it.each([
    ['a drain', COMMAND.drainAll],
    ['a reset', COMMAND.resetDevice],
  ])('ends %s that a halt overtakes, so that a reset can follow', (_, code) => {
    const driver = new DsaDriver().setUp();
    driver.submit(0, LONG_MOVE);
    driver.startCommand(code);
    driver.run(1_500);
    expect(driver.commandStatus().isActive).toBe(true);
    driver.device.injectHalt('command');
    expect(driver.commandStatus()).toMatchObject({
      isActive: false,
      error: COMMAND_ERROR.halted,
    });
    expect(driver.command(COMMAND.resetDevice).error).toBe(0);
    expect(driver.read(0x90)).toBe(0);
  });

  it('leaves a halt with Reset Device when that is what it needs', () => {
    const driver = new DsaDriver().setUp();
    driver.submit(0, LONG_MOVE);
    driver.device.injectHalt('command');
    expect(driver.submit(1, LONG_MOVE)).toBe('retry');
    expect(driver.command(COMMAND.resetDevice).error).toBe(0);
    expect(driver.read(0x90)).toBe(0);
    expect(driver.record(LONG_MOVE)['status']).toBe(0);
  });
});

describe('interrupt handles', () => {
  it('gives handles that descriptors can use until they are released', () => {
    const driver = new DsaDriver({ config: { interruptHandles: 4 } }).setUp();
    expect(driver.read(0xb0) & 0x6000).toBe(0x6000);
    const { error, result } = driver.command(COMMAND.requestInterruptHandle, 0x1_0005);
    expect(error).toBe(0);
    expect(driver.device.inspect.interruptHandles()).toEqual([
      { handle: result, table: 1, index: 5 },
    ]);
    expect(driver.command(COMMAND.releaseInterruptHandle, 0x1_0000 | result).error).toBe(0);
    expect(driver.command(COMMAND.releaseInterruptHandle, 0x1_0000 | result).error).toBe(
      COMMAND_ERROR.interruptIndex,
    );
  });

  it('revokes all handles with a cause bit', () => {
    const driver = new DsaDriver({ config: { interruptHandles: 4 } }).setUp();
    driver.command(COMMAND.requestInterruptHandle, 1);
    driver.device.revokeInterruptHandles();
    expect(driver.read(0x98)).toBe(0x8000_0000);
    expect(driver.device.inspect.interruptHandles()).toEqual([]);
  });
});
