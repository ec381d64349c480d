/**
 * Drivers and tools with more work than the device takes: tenants that retry against a full shared queue, drains and aborts
 * while others go on, page faults by the dozen, copies in flight and in batches as benchmarks keep them. What arrives in
 * memory is compared with digests of Node's own cryptography.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { STATUS } from '../../../../../src-main/spec/dsa/status-codes.ts';
import { SeededRandom } from '../../../../../src-main/sim/core/random.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  SHARED,
  descriptor,
} from '../../../../support/dsa-driver.ts';

type Values = Readonly<Record<string, number | bigint>>;

const RECORDS = 0x1000;
const SOURCES = 0x1_0000;
const TARGETS = 0x8_0000;
const LISTS = 0xf_0000;
/** Round trip of ENQCMD. */
const ENQCMD_NS = 500;
const ENQCMDS_RETRIES = 64;
const SIZE = 1024;

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A driver whose sources hold data that no two places share. */
function loaded(queues: readonly Values[], setup = {}): DsaDriver {
  const driver = new DsaDriver({
    trace: { mode: 'off' },
    config: { atcEntries: 1024, engines: 2 },
  }).setUp(queues, setup);
  const random = new SeededRandom(1);
  driver.fill(
    SOURCES,
    Uint8Array.from({ length: TARGETS - SOURCES }, () => random.below(256)),
  );
  return driver;
}

const sourceOf = (n: number): number => SOURCES + n * SIZE;
const targetOf = (n: number): number => TARGETS + n * SIZE;
const recordOf = (n: number): number => RECORDS + n * 32;

function move(n: number, values: Values = {}, flags = 0): Uint32Array {
  return descriptor(
    OPCODE.memoryMove,
    {
      source: BigInt(sourceOf(n)),
      destination: BigInt(targetOf(n)),
      size: SIZE,
      recordAddress: BigInt(recordOf(n)),
      ...values,
    },
    RECORD | flags,
  );
}

function statusOf(driver: DsaDriver, n: number): number {
  return (driver.bytes(recordOf(n), 1)[0] ?? 0) & 0x3f;
}

function expectCopied(driver: DsaDriver, n: number): void {
  expect(statusOf(driver, n)).toBe(STATUS.success);
  expect(digest(driver.bytes(targetOf(n), SIZE))).toBe(digest(driver.bytes(sourceOf(n), SIZE)));
}

function numbers(count: number, from = 0): readonly number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** A process that has work to submit and tries again when the portal says Retry. */
interface Tenant {
  readonly pasid: number;
  readonly work: number[];
  retries: number;
}

/** Every tenant tries once a round trip until all have submitted everything. */
function storm(driver: DsaDriver, tenants: readonly Tenant[], wq: number): void {
  while (tenants.some((t) => t.work.length > 0)) {
    for (const tenant of tenants) {
      const [next] = tenant.work;
      if (next === undefined) {
        continue;
      }
      if (driver.submit(wq, move(next, { pasid: tenant.pasid }), 1) === 'accepted') {
        tenant.work.shift();
      } else {
        tenant.retries++;
      }
    }
    driver.run(ENQCMD_NS / tenants.length);
  }
}

describe('a retry storm', () => {
  it('costs retries and nothing else: every tenant gets all its work done', () => {
    const driver = loaded([DEDICATED, { ...SHARED, size: 8, threshold: 6 }]);
    const tenants = numbers(8, 1).map((pasid) => ({
      pasid,
      work: [...numbers(20, (pasid - 1) * 20)],
      retries: 0,
    }));
    storm(driver, tenants, 1);
    driver.run();
    numbers(160).forEach((n) => {
      expectCopied(driver, n);
    });
    const { counters } = driver.device.inspect.wq(1);
    const retries = tenants.reduce((sum, t) => sum + t.retries, 0);
    expect(retries).toBeGreaterThan(0);
    expect(counters).toMatchObject({ swqAcceptLimited: 160, swqRetryLimited: retries });
    for (const { pasid, retries: own } of tenants) {
      const row = driver.device.inspect.pasidCounters().find((r) => r.pasid === pasid);
      expect(row?.counters).toMatchObject({ swqAcceptLimited: 20, swqRetryLimited: own });
    }
  });

  it('leaves the unlimited portal to the kernel', () => {
    const driver = loaded([DEDICATED, { ...SHARED, size: 8, threshold: 6 }]);
    driver.device.migration.pause(1);
    numbers(6).forEach((n) => driver.submit(1, move(n, { pasid: 1 }), 1));
    expect(driver.submit(1, move(6, { pasid: 1 }), 1)).toBe('retry');
    expect(driver.submit(1, move(6, { pasid: 2 }), 0)).toBe('accepted');
  });

  it('ends for a driver that counts its tries', () => {
    const driver = loaded([DEDICATED, { ...SHARED, size: 4, threshold: 4 }]);
    driver.device.migration.pause(1);
    numbers(4).forEach((n) => driver.submit(1, move(n, { pasid: 1 }), 0));
    let tries = 0;
    while (driver.submit(1, move(4, { pasid: 1 }), 0) === 'retry' && ++tries < ENQCMDS_RETRIES) {
      driver.run(ENQCMD_NS);
    }
    expect(tries).toBe(ENQCMDS_RETRIES);
    expect(driver.device.inspect.wq(1).counters.swqRetryUnlimited).toBe(ENQCMDS_RETRIES);
  });
});

describe('a drain under load', () => {
  it('of one PASID ends while another tenant keeps the queue full', () => {
    const driver = loaded([DEDICATED, { ...SHARED, size: 16, threshold: 16 }]);
    numbers(8).forEach((n) => driver.submit(1, move(n, { pasid: 1 }), 1));
    driver.startCommand(COMMAND.drainPasid, 1);
    let next = 8;
    while (driver.commandStatus().isActive) {
      next += driver.submit(1, move(next, { pasid: 2 }), 1) === 'accepted' ? 1 : 0;
      driver.run(40);
    }
    expect(driver.commandStatus().error).toBe(0);
    numbers(8).forEach((n) => {
      expectCopied(driver, n);
    });
    expect(driver.device.inspect.running().some((job) => job.pasid === 2)).toBe(true);
    driver.run();
    numbers(next - 8, 8).forEach((n) => {
      expectCopied(driver, n);
    });
  });

  it('of a tenant by descriptor waits for the own earlier work and for no other', () => {
    const driver = loaded([DEDICATED, { ...SHARED, size: 32, threshold: 32, blockOnFault: 1 }]);
    driver.port.unmap(2, sourceOf(100));
    driver.submit(1, move(100, { pasid: 2 }, FLAG.blockOnFault), 1);
    numbers(10).forEach((n) => driver.submit(1, move(n, { pasid: 1 }), 1));
    const drain = descriptor(OPCODE.drain, { pasid: 1, recordAddress: 0x8000n }, RECORD);
    driver.submit(1, drain, 1);
    driver.run(100_000);
    expect((driver.bytes(0x8000, 1)[0] ?? 0) & 0x3f).toBe(STATUS.success);
    numbers(10).forEach((n) => {
      expectCopied(driver, n);
    });
    expect(statusOf(driver, 100)).toBe(0);
  });

  it('by Disable WQ finishes what was accepted and takes no more', () => {
    const driver = loaded([{ ...DEDICATED, size: 32 }]);
    numbers(32).forEach((n) => driver.submit(0, move(n)));
    driver.startCommand(COMMAND.disableWq, 1);
    driver.run(1_500);
    expect(driver.submit(0, move(40))).toBe('dropped');
    driver.run();
    numbers(32).forEach((n) => {
      expectCopied(driver, n);
    });
    expect(statusOf(driver, 40)).toBe(0);
    expect(driver.readWq(0).state).toBe(0);
  });
});

/** How each descriptor of an aborted queue ended: with its record, or without any trace of it. */
function fates(driver: DsaDriver, count: number): { readonly done: number; readonly gone: number } {
  let done = 0;
  for (const n of numbers(count)) {
    if (statusOf(driver, n) === STATUS.success) {
      expectCopied(driver, n);
      done++;
    }
  }
  return { done, gone: count - done };
}

describe('an abort under load', () => {
  it.each([
    ['Abort WQ', COMMAND.abortWq, 0b01],
    ['Abort All', COMMAND.abortAll, 0],
    ['Abort PASID', COMMAND.abortPasid, 1],
    ['Reset WQ', COMMAND.resetWq, 0b01],
    ['Reset Device', COMMAND.resetDevice, 0],
  ])('by %s drops what waits and finishes what runs', (_, command, operand) => {
    const driver = loaded([{ ...DEDICATED, size: 96 }, SHARED]);
    numbers(96).forEach((n) => driver.submit(0, move(n)));
    driver.run(300);
    const before = driver.device.inspect.wq(0).counters;
    expect(driver.command(command, operand).error).toBe(0);
    const { done, gone } = fates(driver, 96);
    expect(done).toBeGreaterThan(0);
    expect(done).toBeGreaterThanOrEqual(before.dispatched);
    expect(gone).toBeGreaterThan(0);
    expect(driver.device.inspect.running()).toEqual([]);
    expect(driver.device.inspect.wq(0)).toMatchObject({ occupancy: 0, inProgress: 0 });
    driver.run();
    expect(fates(driver, 96)).toEqual({ done, gone });
  });

  it('ends waits for pages that never come', () => {
    const driver = loaded([{ ...DEDICATED, size: 32, blockOnFault: 1 }]);
    numbers(8).forEach((n) => {
      driver.port.unmap(1, sourceOf(n * 4));
      driver.submit(0, move(n * 4, {}, FLAG.blockOnFault));
    });
    driver.run(50_000);
    expect(driver.device.inspect.running()).toHaveLength(8);
    expect(driver.command(COMMAND.abortWq, 1).error).toBe(0);
    numbers(8).forEach((n) => {
      expect(statusOf(driver, n * 4)).toBe(STATUS.pageFault);
    });
    // Answers that come late find nobody, and the queue works on.
    driver.port.pageRequests.forEach((request) => {
      driver.port.map(request.pasid, request.low);
      driver.device.pageResponse(request.pasid, request.groupIndex, 0);
    });
    driver.run();
    driver.execute(move(200));
    expectCopied(driver, 200);
  });

  it('of one queue changes nothing that its sibling does, down to the last bit', () => {
    const run = (isAborted: boolean): string => {
      const driver = loaded([
        { ...DEDICATED, size: 32 },
        { ...DEDICATED, size: 32, pasid: 2 },
      ]);
      driver.device.migration.pause(0);
      numbers(32).forEach((n) => driver.submit(0, move(n)));
      numbers(32, 64).forEach((n) => driver.submit(1, move(n)));
      if (isAborted) {
        driver.startCommand(COMMAND.resetWq, 0b01);
      }
      driver.run();
      numbers(32, 64).forEach((n) => {
        expectCopied(driver, n);
      });
      const { counters, config } = driver.device.inspect.wq(1);
      const records = driver.bytes(recordOf(64), 32 * 32);
      return JSON.stringify([counters, config, [...records]], (_, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      );
    };
    expect(run(true)).toBe(run(false));
  });
});

describe('page faults by the dozen', () => {
  const PAGES = numbers(24).map((i) => SOURCES + i * 0x1000);

  it('with block on fault keep to the allocation and end well', () => {
    const driver = loaded([{ ...DEDICATED, size: 96, blockOnFault: 1 }], { pageRequests: 4 });
    PAGES.forEach((page) => {
      driver.port.unmap(1, page);
    });
    numbers(96).forEach((n) => driver.submit(0, move(n, {}, FLAG.blockOnFault)));
    let most = 0;
    for (let round = 0; round < 100; round++) {
      driver.run(20_000);
      const open = driver.device.inspect.pageRequests();
      most = Math.max(most, open.length);
      open.forEach(({ pasid, low, group }) => {
        driver.port.map(pasid, low);
        driver.device.pageResponse(pasid, group, 0);
      });
    }
    numbers(96).forEach((n) => {
      expectCopied(driver, n);
    });
    expect(most).toBe(4);
    expect(driver.port.pageRequests).toHaveLength(PAGES.length);
  });

  it('without block on fault are told at once, and software continues where the device stopped', () => {
    const driver = loaded([{ ...DEDICATED, size: 96 }]);
    PAGES.forEach((page) => {
      driver.port.unmap(1, page);
    });
    let open = numbers(96);
    for (let round = 0; open.length > 0 && round < 5; round++) {
      open.forEach((n) => driver.submit(0, move(n)));
      driver.run();
      open = open.filter((n) => statusOf(driver, n) === STATUS.pageFault);
      open.forEach((n) => {
        driver.port.map(1, sourceOf(n));
      });
    }
    numbers(96).forEach((n) => {
      expectCopied(driver, n);
    });
    expect(driver.port.pageRequests).toEqual([]);
  });
});

describe('a benchmark', () => {
  it.each([1, 4, 16, 64])('copies everything with %i in flight', (depth) => {
    const driver = loaded([{ ...DEDICATED, size: 64 }]);
    const inFlight: number[] = [];
    for (const n of numbers(256)) {
      if (inFlight.length === depth) {
        const oldest = inFlight.shift() ?? 0;
        while (statusOf(driver, oldest) === 0) {
          driver.run(50);
        }
      }
      expect(driver.submit(0, move(n))).toBe('accepted');
      inFlight.push(n);
    }
    driver.run();
    expect(digest(driver.bytes(targetOf(0), 256 * SIZE))).toBe(
      digest(driver.bytes(sourceOf(0), 256 * SIZE)),
    );
  });

  it.each([2, 8, 32])('copies everything in batches of %i', (count) => {
    const driver = loaded([{ ...DEDICATED, size: 64, maxBatchShift: 5 }]);
    for (let first = 0; first < 256; first += count) {
      numbers(count, first).forEach((n, i) => {
        driver.fill(LISTS + i * 64, new Uint8Array(move(n).buffer));
      });
      const batch = { list: BigInt(LISTS), count, recordAddress: 0x8000n };
      const record = driver.execute(descriptor(OPCODE.batch, batch, RECORD));
      expect(record).toMatchObject({ status: STATUS.success, bytesCompleted: count });
    }
    numbers(256).forEach((n) => {
      expectCopied(driver, n);
    });
  });
});
