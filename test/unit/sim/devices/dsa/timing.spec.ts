import { describe, expect, it } from 'vitest';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { DSA_TIMING } from '../../../../../src-main/sim/devices/dsa/timing.ts';
import { DEDICATED, DsaDriver, RECORD, descriptor } from '../../../../support/dsa-driver.ts';

const MEMORY = 4 * 1024 * 1024;
/** What a CPU adds to a synchronous operation: ENQCMD round trip and detection by polling. */
const SUBMIT_NS = 500;
const POLL_NS = 50;

function driverWith(group: Readonly<Record<string, number>> = {}, config = {}): DsaDriver {
  return new DsaDriver({
    memoryBytes: MEMORY,
    trace: { mode: 'off' },
    config: { atcEntries: 4096, ...config },
  }).setUp([{ ...DEDICATED, size: 128 }], {}, group);
}

function moveOf(size: number): Uint32Array {
  return descriptor(
    OPCODE.memoryMove,
    { source: 0x1_0000n, destination: 0x20_0000n, size, recordAddress: 0x2000n },
    RECORD,
  );
}

/** Device time of one operation with a warm device TLB. */
function duration(driver: DsaDriver, words: Uint32Array): number {
  driver.execute(words);
  const start = driver.queue.nowNs;
  driver.submit(0, words);
  while (
    driver.device.inspect.completed().length === 0 ||
    driver.queue.runNext(Number.POSITIVE_INFINITY)
  );
  return driver.queue.nowNs - start;
}

/** Bytes a nanosecond of many moves at once. */
function throughput(driver: DsaDriver, size: number, count: number): number {
  driver.execute(moveOf(size));
  const start = driver.queue.nowNs;
  for (let i = 0; i < count; i++) {
    driver.submit(0, moveOf(size));
  }
  while (driver.queue.runNext(Number.POSITIVE_INFINITY));
  return (size * count) / (driver.queue.nowNs - start);
}

describe('latency of a synchronous copy', () => {
  // Ends of the ranges that measurements give of a public offload library give, within 4 %.
  it.each([
    [4096, 950],
    [10_520, 1_190],
    [34_466, 1_870],
    [55_345, 2_450],
    [100_741, 3_760],
    [1_000_000, 30_000],
  ])('of %i bytes takes about %i ns', (size, expected) => {
    const measured = duration(driverWith(), moveOf(size)) + SUBMIT_NS + POLL_NS;
    expect(measured).toBeGreaterThan(expected * 0.95);
    expect(measured).toBeLessThan(expected * 1.05);
  });

  it('grows by a translation when the device TLB is cold', () => {
    const driver = driverWith();
    const start = driver.queue.nowNs;
    driver.submit(0, moveOf(64));
    while (driver.queue.runNext(Number.POSITIVE_INFINITY));
    const cold = driver.queue.nowNs - start;
    expect(cold - duration(driver, moveOf(64))).toBe(
      DSA_TIMING.translationMissNs - DSA_TIMING.translationHitNs,
    );
  });
});

describe('throughput', () => {
  it('reaches the stream rate with many copies of 4 KiB', () => {
    const rate = throughput(driverWith(), 4096, 120);
    expect(rate).toBeGreaterThan(28);
    expect(rate).toBeLessThanOrEqual(33.4);
  });

  it('is bounded by the read buffers that a group may use', () => {
    const few = throughput(driverWith({ readBuffersAllowed: 16 }), 4096, 120);
    expect(few).toBeGreaterThan(6);
    expect(few).toBeLessThan((16 * 64) / DSA_TIMING.memoryReadNs + 0.1);
  });

  it('is halved and quartered by bandwidth limits', () => {
    const limited = (readBandwidth: number): number =>
      throughput(driverWith({ readBandwidth }, { profile: 'v3' }), 4096, 120);
    expect(limited(1)).toBeCloseTo(33.4 / 2, -1);
    expect(limited(2)).toBeLessThan(33.4 / 4 + 0.1);
    const writes = throughput(driverWith({ writeBandwidth: 3 }, { profile: 'v3' }), 4096, 120);
    expect(writes).toBeLessThan(33.4 / 8 + 0.1);
  });

  it('of small descriptors grows with the engines', () => {
    const one = throughput(driverWith({}, { engines: 1 }), 64, 120);
    const four = throughput(driverWith({}, { engines: 4 }), 64, 120);
    expect(four).toBeGreaterThan(one * 2.5);
  });

  it('of groups on the global limit is shared', () => {
    const driver = new DsaDriver({
      memoryBytes: MEMORY,
      trace: { mode: 'off' },
      config: { atcEntries: 4096 },
    });
    driver.setUpFunction();
    driver.write(0x80, 16);
    const wq = {
      size: 64,
      threshold: 64,
      priority: 10,
      maxTransferShift: 21,
      maxBatchShift: 5,
      ...DEDICATED,
    };
    [0, 1].forEach((i) => {
      driver.writeGroup(i, {
        wqs: 1n << BigInt(i),
        engines: 1n << BigInt(i),
        readBuffersAllowed: 96,
        useGlobalLimit: 1,
      });
      driver.writeWq(i, wq);
    });
    driver.command(1);
    driver.command(6, 0);
    driver.command(6, 1);
    driver.execute(moveOf(4096));
    const start = driver.queue.nowNs;
    for (let i = 0; i < 60; i++) {
      driver.submit(0, moveOf(4096));
      driver.submit(1, moveOf(4096));
    }
    while (driver.queue.runNext(Number.POSITIVE_INFINITY));
    expect((120 * 4096) / (driver.queue.nowNs - start)).toBeLessThan(
      (16 * 64) / DSA_TIMING.memoryReadNs + 0.1,
    );
  });
});

describe('other durations', () => {
  it('takes about 2 us to report a page fault', () => {
    const driver = driverWith();
    driver.execute(moveOf(64));
    driver.port.unmap(1, 0x1_0000);
    driver.device.atsInvalidate({
      itag: 0,
      pasid: 1,
      isGlobal: false,
      high: 0,
      low: 0,
      sizeShift: 64,
    });
    while (driver.queue.runNext(Number.POSITIVE_INFINITY));
    const start = driver.queue.nowNs;
    driver.submit(0, moveOf(64));
    while (driver.queue.runNext(Number.POSITIVE_INFINITY));
    const total = driver.queue.nowNs - start;
    expect(total).toBeGreaterThan(1_900);
    expect(total).toBeLessThan(2_500);
  });

  it('takes 1 us for a command and 10 us for a reset of a queue', () => {
    const driver = driverWith();
    const time = (code: number, operand = 0): number => {
      const start = driver.queue.nowNs;
      driver.command(code, operand);
      return driver.queue.nowNs - start;
    };
    expect(time(3)).toBe(1_000);
    expect(time(10, 1)).toBe(10_000);
  });
});
