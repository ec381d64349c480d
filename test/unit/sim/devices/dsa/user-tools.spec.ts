/**
 * What public drivers and tools do to real devices, done to the model: the kernel driver's start-up, the sample profiles of
 * the configuration tool, its test program's treatment of faults, retry policies of offload libraries.
 */
import { describe, expect, it } from 'vitest';
import { COMMAND, COMMAND_ERROR } from '../../../../../src-main/spec/dsa/commands.ts';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { STATUS } from '../../../../../src-main/spec/dsa/status-codes.ts';
import { continuationOf } from '../../../../support/dsa-continuation.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  SHARED,
  descriptor,
  expectSuccess,
} from '../../../../support/dsa-driver.ts';

type Values = Readonly<Record<string, number | bigint>>;

interface ProfileGroup {
  readonly engines: bigint;
  readonly wqs: readonly Values[];
}

/** Applies groups of queues as the configuration tool does, and enables everything. */
function configure(driver: DsaDriver, groups: readonly ProfileGroup[]): void {
  expectSuccess(driver.command(COMMAND.resetDevice), 'Reset Device');
  let next = 0;
  groups.forEach(({ engines, wqs }, group) => {
    const bitmap = wqs.reduce<bigint>((map, _, i) => map | (1n << BigInt(next + i)), 0n);
    driver.writeGroup(group, { wqs: bitmap, engines, readBuffersAllowed: 96, tcA: 1, tcB: 1 });
    wqs.forEach((values) => {
      driver.writeWq(next++, { maxTransferShift: 21, maxBatchShift: 5, pasidEnable: 1, ...values });
    });
  });
  expectSuccess(driver.command(COMMAND.enableDevice), 'Enable Device');
  for (let wq = 0; wq < next; wq++) {
    expectSuccess(driver.command(COMMAND.enableWq, wq), `Enable WQ ${wq}`);
  }
}

describe('start-up of the kernel driver', () => {
  it('finds out what the device has and leaves it reset', () => {
    const driver = new DsaDriver();
    driver.setUpFunction();
    // Read everything from the capability registers, as the driver prints it.
    const gencap = driver.read64(0x10);
    expect({
      maxTransfer: 2 ** Number((gencap >> 16n) & 0x1fn),
      maxBatch: 2 ** Number((gencap >> 21n) & 0xfn),
      ims: Number((gencap >> 25n) & 0x3fn) * 256,
      isConfigurable: (gencap >> 31n) & 1n,
    }).toEqual({ maxTransfer: 2 ** 31, maxBatch: 1024, ims: 2048, isConfigurable: 1n });
    expect(driver.command(COMMAND.resetDevice)).toMatchObject({ error: 0 });
    expect(driver.read(0x90)).toBe(0);
  });

  it('polls for the end of a command', () => {
    const driver = new DsaDriver();
    driver.setUpFunction();
    driver.startCommand(COMMAND.resetDevice);
    let polls = 0;
    while (driver.commandStatus().isActive) {
      driver.run(500);
      polls++;
    }
    expect(polls).toBeGreaterThan(1);
  });

  it('re-programs everything from its own copy after a reset', () => {
    const driver = new DsaDriver();
    driver.setUpFunction();
    configure(driver, [{ engines: 1n, wqs: [{ size: 16, threshold: 15, priority: 10 }] }]);
    configure(driver, [{ engines: 1n, wqs: [{ size: 16, threshold: 15, priority: 10 }] }]);
    expect(driver.readWq(0)).toMatchObject({ state: 1, size: 16, threshold: 15 });
  });
});

describe('sample profiles', () => {
  const profiles: Readonly<Record<string, readonly ProfileGroup[]>> = {
    'operating system': [
      { engines: 1n, wqs: [{ size: 16, threshold: 15, priority: 10, maxTransferShift: 21 }] },
    ],
    application: [
      { engines: 0b01n, wqs: [{ size: 8, threshold: 6, priority: 10, maxTransferShift: 14 }] },
      { engines: 0b10n, wqs: [{ size: 32, threshold: 28, priority: 10, maxTransferShift: 21 }] },
    ],
    network: [0, 1, 2, 3].map((i) => ({
      engines: 1n << BigInt(i),
      wqs: [{ mode: 1, size: 32, priority: 10, maxTransferShift: 14, pasid: i + 1 }],
    })),
    storage: [
      {
        engines: 0b0011n,
        wqs: [{ mode: 1, size: 32, priority: 10, maxTransferShift: 14, pasid: 1 }],
      },
      {
        engines: 0b1100n,
        wqs: [{ mode: 1, size: 32, priority: 10, maxTransferShift: 21, pasid: 2 }],
      },
    ],
  };

  it.each(Object.entries(profiles))('of %s use can be enabled and works', (_, groups) => {
    const driver = new DsaDriver();
    driver.setUpFunction();
    configure(driver, groups);
    groups
      .flatMap((g) => g.wqs)
      .forEach((wq, i) => {
        const words = descriptor(
          OPCODE.memoryMove,
          {
            pasid: i + 1,
            source: 0x1_0000n,
            destination: BigInt(0x8_0000 + i * 0x1000),
            size: 4096,
            recordAddress: 0x2000n,
          },
          RECORD,
        );
        driver.fill(0x1_0000, new Uint8Array(4096).fill(i + 1));
        expect(driver.execute(words, i)['status']).toBe(STATUS.success);
        expect(driver.bytes(0x8_0000 + i * 0x1000, 4096).every((b) => b === i + 1)).toBe(true);
        const tooLarge = descriptor(
          OPCODE.memoryMove,
          {
            pasid: i + 1,
            source: 0x1_0000n,
            destination: 0x8_0000n,
            size: 2 ** Number(wq['maxTransferShift']) + 1,
            recordAddress: 0x2000n,
          },
          RECORD,
        );
        expect(driver.execute(tooLarge, i)['status']).toBe(STATUS.transferSize);
      });
  });

  it('cannot be enabled when a queue of zero entries is asked for', () => {
    const driver = new DsaDriver();
    driver.setUpFunction();
    driver.writeGroup(0, { wqs: 1n, engines: 1n, readBuffersAllowed: 96 });
    expect(driver.command(COMMAND.enableDevice).error).toBe(COMMAND_ERROR.wqGrouping);
  });
});

describe('test program', () => {
  /** Touches the page and submits the rest, at most ten times. */
  function moveWithRetry(driver: DsaDriver, words: Uint32Array): number {
    let current = words;
    for (let round = 0; round < 10; round++) {
      const record = driver.execute(current);
      if (record['status'] !== STATUS.pageFault) {
        return Number(record['status']);
      }
      driver.port.map(1, Number(record['faultAddress']));
      current = continuationOf(current, record);
    }
    return 0;
  }

  it('touches the missing page and continues, without block on fault', () => {
    const driver = new DsaDriver().setUp([DEDICATED]);
    const data = Uint8Array.from({ length: 12_288 }, (_, i) => (i * 13) & 0xff);
    driver.fill(0x1_0000, data);
    [0x1_1000, 0x8_0000, 0x8_2000].forEach((page) => {
      driver.port.unmap(1, page);
    });
    const words = descriptor(
      OPCODE.memoryMove,
      { source: 0x1_0000n, destination: 0x8_0000n, size: 12_288, recordAddress: 0x2000n },
      RECORD,
    );
    expect(moveWithRetry(driver, words)).toBe(STATUS.success);
    expect(driver.bytes(0x8_0000, 12_288)).toEqual(data);
    expect(driver.device.inspect.completed()).toHaveLength(4);
  });

  it('re-submits the rest of a batch after a fault on the list', () => {
    const driver = new DsaDriver().setUp([{ ...DEDICATED, prsDisable: 0 }], { pri: false });
    const list = 0x6_0000 - 64 * 3;
    const members = Array.from({ length: 8 }, (_, i) =>
      descriptor(OPCODE.fill, {
        pattern: BigInt(i + 1),
        destination: BigInt(0x8_0000 + i * 8),
        size: 8,
      }),
    );
    members.forEach((member, i) => {
      driver.fill(list + i * 64, new Uint8Array(member.buffer));
    });
    driver.port.unmap(1, 0x6_0000);
    const batch = { list: BigInt(list), count: 8, recordAddress: 0x2000n };
    const first = driver.execute(descriptor(OPCODE.batch, batch, RECORD));
    expect(first).toMatchObject({ status: STATUS.batchListFault, bytesCompleted: 3 });
    driver.port.map(1, 0x6_0000);
    const done = Number(first['bytesCompleted']);
    const rest = { ...batch, list: BigInt(list + 64 * done), count: 8 - done };
    expect(driver.execute(descriptor(OPCODE.batch, rest, RECORD))['status']).toBe(STATUS.success);
    expect(Array.from({ length: 8 }, (_, i) => driver.bytes(0x8_0000 + i * 8, 1)[0])).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8,
    ]);
  });

  it('finds all operations of the device working one after the other', () => {
    const driver = new DsaDriver().setUp([{ ...DEDICATED, blockOnFault: 1 }]);
    driver.fill(
      0x1_0000,
      Uint8Array.from({ length: 4160 }, (_, i) => i & 0xff),
    );
    const record = 0x2000n;
    const at = 0x1_0000n;
    const to = 0x8_0000n;
    const runs: readonly (readonly [number, Values])[] = [
      [OPCODE.noop, {}],
      [OPCODE.memoryMove, { source: at, destination: to, size: 4096 }],
      [OPCODE.compare, { source1: at, source2: to, size: 4096 }],
      [
        OPCODE.createDelta,
        { source1: at, source2: to, size: 4096, delta: 0xa_0000n, maxDeltaSize: 80 },
      ],
      [OPCODE.dualcast, { source: at, destination: to, destination2: 0xa_0000n, size: 4096 }],
      [OPCODE.crc, { source: at, size: 4096 }],
      [OPCODE.copyCrc, { source: at, destination: to, size: 4096 }],
      [OPCODE.difInsert, { source: at, destination: to, size: 4096 }],
      [OPCODE.difCheck, { source: to, size: 4160 }],
      [OPCODE.difStrip, { source: to, destination: 0xa_0000n, size: 4160 }],
      [OPCODE.difUpdate, { source: to, destination: 0xa_0000n, size: 4160 }],
      [OPCODE.fill, { pattern: 0x55n, destination: to, size: 4096 }],
      [OPCODE.comparePattern, { source: to, pattern: 0x55n, size: 8 }],
      [OPCODE.cacheFlush, { destination: to, size: 4096 }],
      [OPCODE.drain, {}],
    ];
    for (const [opcode, values] of runs) {
      const result = driver.execute(
        descriptor(opcode, { ...values, recordAddress: record }, RECORD),
      );
      expect([opcode, result['status'], result['result']]).toEqual([opcode, STATUS.success, 0]);
    }
  });
});

describe('offload libraries', () => {
  it('try a shared queue a few times and then use the CPU', () => {
    const driver = new DsaDriver().setUp([DEDICATED, { ...SHARED, size: 2, threshold: 2 }]);
    driver.device.migration.pause(1);
    const words = descriptor(OPCODE.noop, { pasid: 5 });
    driver.submit(1, words, 1);
    driver.submit(1, words, 1);
    const tries = [1, 2, 3].map(() => driver.submit(1, words, 1));
    expect(tries).toEqual(['retry', 'retry', 'retry']);
    expect(driver.device.inspect.wq(1).counters).toMatchObject({ swqRetryLimited: 3 });
  });

  it('keep the unlimited portal for the kernel: lower the threshold, wait for the occupancy interrupt, submit', () => {
    const driver = new DsaDriver().setUp([
      DEDICATED,
      { ...SHARED, size: 4, threshold: 3, occupancyTable: 1, occupancyHandle: 1 },
    ]);
    driver.write(0x8000 + 16 + 12, 0);
    driver.device.migration.pause(1);
    const words = descriptor(OPCODE.noop, { pasid: 5 });
    for (let i = 0; i < 4; i++) {
      expect(driver.submit(1, words, 0)).toBe('accepted');
    }
    expect(driver.submit(1, words, 0)).toBe('retry');
    driver.writeWq(1, { threshold: 0, occupancyLimit: 1 });
    driver.writeWq(1, { occupancyInterruptEnable: 1 });
    expect(driver.submit(1, words, 1)).toBe('retry');
    driver.device.migration.resume(1);
    driver.run();
    expect(driver.port.interrupts).toHaveLength(1);
    expect(driver.submit(1, words, 0)).toBe('accepted');
    driver.writeWq(1, { threshold: 3 });
    expect(driver.submit(1, words, 1)).toBe('accepted');
  });

  it('rotate through the 64 lines of a portal page', () => {
    const driver = new DsaDriver({ trace: { mode: 'off' } }).setUp([{ ...DEDICATED, size: 64 }]);
    for (let line = 0; line < 64; line++) {
      expect(driver.device.blockWrite(2, line * 64, descriptor(OPCODE.noop), 'posted')).toBe(
        'accepted',
      );
    }
    driver.run();
    expect(driver.device.inspect.completed()).toHaveLength(64);
  });

  it('ask for interrupts only from privileged queues', () => {
    const driver = new DsaDriver().setUp([{ ...DEDICATED, priv: 0 }]);
    const words = descriptor(
      OPCODE.noop,
      { recordAddress: 0x2000n },
      RECORD | FLAG.requestInterrupt,
    );
    expect(driver.execute(words)).toMatchObject({
      status: STATUS.flags,
      invalidFlags: FLAG.requestInterrupt,
    });
  });
});
