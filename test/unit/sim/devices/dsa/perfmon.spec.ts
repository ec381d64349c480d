/** Performance counters, programmed as the perf driver of the kernel does. */
import { describe, expect, it } from 'vitest';
import { FLAG } from '../../../../../src-main/spec/dsa/descriptor.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { PERF_CATEGORY, PERF_EVENT } from '../../../../../src-main/spec/dsa/perfmon.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  SHARED,
  descriptor,
} from '../../../../support/dsa-driver.ts';

const E = PERF_EVENT;

/** One device and its counters, found by OFFSETS. */
class Perf {
  readonly driver: DsaDriver;
  readonly base: number;

  constructor(queues = [{ ...DEDICATED, blockOnFault: 1 }, SHARED], setup = {}) {
    this.driver = new DsaDriver({ config: { engines: 2 } }).setUp(queues, setup);
    this.base = this.driver.table(4);
  }

  start(counter: number, category: number, events: number, flags = 0b01): void {
    const config = (BigInt(events) << 32n) | BigInt((category << 8) | flags);
    this.driver.write(this.base + 0x100 + 8 * counter, config, 8);
  }

  filter(counter: number, number: number, mask: number): void {
    this.driver.write(this.base + 0x300 + 32 * counter + 4 * number, mask);
  }

  value(counter: number): number {
    return Number(this.driver.read64(this.base + 0x200 + 8 * counter));
  }

  /** What a counter counts of a piece of work. */
  measure(category: number, events: number, work: (driver: DsaDriver) => void): number {
    this.start(0, category, events);
    work(this.driver);
    this.driver.run();
    return this.value(0);
  }
}

const MOVE = { source: 0x1_0000n, destination: 0x8_0000n, size: 8192, recordAddress: 0x2000n };
const move = (values = {}, flags = 0): Uint32Array =>
  descriptor(OPCODE.memoryMove, { ...MOVE, ...values }, RECORD | flags);
const submitMove = (driver: DsaDriver): void => void driver.submit(0, move());

describe('performance counters', () => {
  it('say what they can', () => {
    const { driver, base } = new Perf();
    const perfcap = driver.read64(base);
    const field = (high: number, low: number): number =>
      Number((perfcap >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n));
    expect({
      counters: field(5, 0),
      width: field(15, 8),
      categories: field(19, 16),
      mask: field(35, 20),
      filters: field(43, 36),
      perCounter: field(52, 52),
      freeze: field(54, 54),
      interrupt: field(55, 55),
    }).toEqual({
      counters: 8,
      width: 32,
      categories: 4,
      mask: 0xf,
      filters: 0b1_0001,
      perCounter: 0,
      freeze: 1,
      interrupt: 1,
    });
    expect([0, 1, 2, 3].map((i) => driver.read64(base + 0x80 + 8 * i))).toEqual([
      0x3fn,
      0x3fn,
      0x3fn,
      0x0bf_07ffn,
    ]);
  });

  it.each<readonly [string, number, number, (driver: DsaDriver) => void, number]>([
    ['descriptors of a dedicated queue', PERF_CATEGORY.wq, E.dwqAccept, submitMove, 1],
    [
      'retries and acceptances of the limited portal',
      PERF_CATEGORY.wq,
      E.swqAcceptLimited | E.swqRetryLimited,
      (driver) => {
        driver.device.migration.pause(1);
        for (let i = 0; i < 20; i++) {
          driver.submit(1, descriptor(OPCODE.noop, { pasid: 4 }), 1);
        }
      },
      20,
    ],
    ['data read, in units of 32 bytes', PERF_CATEGORY.engine, E.inputUnits, submitMove, 256],
    ['data written, record included', PERF_CATEGORY.engine, E.writtenUnits, submitMove, 257],
    [
      'descriptors that read a source',
      PERF_CATEGORY.engine,
      E.readsSource,
      (driver) => {
        driver.submit(0, move());
        driver.submit(0, descriptor(OPCODE.noop));
        driver.submit(0, descriptor(OPCODE.fill, { destination: 0x8_0000n, size: 8 }));
      },
      1,
    ],
    [
      'descriptors that write a destination',
      PERF_CATEGORY.engine,
      E.writesDestination,
      (driver) => {
        driver.submit(0, move());
        driver.submit(
          0,
          descriptor(OPCODE.crc, { source: 0n, size: 8, recordAddress: 0x2000n }, RECORD),
        );
        driver.submit(0, descriptor(OPCODE.fill, { destination: 0x8_0000n, size: 8 }));
      },
      2,
    ],
    ['dispatches from queues', PERF_CATEGORY.engine, E.fromWq, submitMove, 1],
    [
      'members of batches',
      PERF_CATEGORY.engine,
      E.fromBatch,
      (driver) => {
        driver.submit(0, descriptor(OPCODE.batch, { list: 0x6_0000n, count: 3 }));
      },
      3,
    ],
    ['translations with a PASID', PERF_CATEGORY.translation, E.translatedWithPasid, submitMove, 5],
    [
      'faults and granted pages',
      PERF_CATEGORY.translation,
      E.faultedWithPasid | E.pageGranted,
      (driver) => {
        driver.port.unmap(1, 0x1_0000);
        driver.port.onPageRequest = (request) => {
          driver.port.map(request.pasid, request.low);
          driver.device.pageResponse(request.pasid, request.groupIndex, 0);
        };
        driver.submit(0, move({}, FLAG.blockOnFault));
      },
      2,
    ],
    [
      'pages that nobody grants',
      PERF_CATEGORY.translation,
      E.pageInvalid,
      (driver) => {
        driver.port.unmap(1, 0x1_0000);
        driver.port.onPageRequest = (request) => {
          driver.device.pageResponse(request.pasid, request.groupIndex, 1);
        };
        driver.submit(0, move({}, FLAG.blockOnFault));
      },
      1,
    ],
    [
      'operations by code',
      PERF_CATEGORY.operation,
      2 ** OPCODE.memoryMove,
      (driver) => {
        driver.submit(0, move());
        driver.submit(0, descriptor(OPCODE.noop));
      },
      1,
    ],
  ])('count %s', (_, category, events, work, expected) => {
    expect(new Perf().measure(category, events, work)).toBe(expected);
  });

  it('tell translations without a PASID from those with one', () => {
    const perf = new Perf([{ mode: 1, blockOnFault: 0 }], { pasid: false, priv: false });
    const { translation } = PERF_CATEGORY;
    perf.start(1, translation, E.translatedWithPasid);
    expect(perf.measure(translation, E.translated, submitMove)).toBe(5);
    expect(perf.value(1)).toBe(0);
  });

  it('count only what their filters let through', () => {
    const perf = new Perf();
    perf.filter(0, 0, 0b10);
    expect(perf.measure(PERF_CATEGORY.wq, E.dwqAccept, submitMove)).toBe(0);
    perf.filter(0, 0, 0b01);
    submitMove(perf.driver);
    expect(perf.value(0)).toBe(1);
    perf.start(1, PERF_CATEGORY.engine, E.fromWq);
    perf.start(2, PERF_CATEGORY.engine, E.fromWq);
    perf.filter(1, 4, 0b01);
    perf.filter(2, 4, 0b10);
    for (let i = 0; i < 6; i++) {
      submitMove(perf.driver);
    }
    perf.driver.run();
    expect([perf.value(1), perf.value(2)]).toEqual([3, 4]);
  });

  it('stop while frozen or disabled, and can be reset apart', () => {
    const perf = new Perf();
    const { driver, base } = perf;
    perf.start(0, PERF_CATEGORY.wq, E.dwqAccept);
    submitMove(driver);
    driver.write(base + 0x20, 0xffff_ffff);
    submitMove(driver);
    driver.write(base + 0x20, 0);
    submitMove(driver);
    expect(perf.value(0)).toBe(2);
    driver.write(base + 0x10, 0b10);
    expect(perf.value(0)).toBe(0);
    submitMove(driver);
    driver.write(base + 0x10, 0b01);
    submitMove(driver);
    expect([perf.value(0), driver.read64(base + 0x100)]).toEqual([1, 0n]);
  });

  it('raise entry 0 with its cause when they go around', () => {
    const perf = new Perf();
    const { driver, base } = perf;
    driver.write(0x200c, 0);
    driver.write(base + 0x200, 0xffff_ffff);
    perf.start(0, PERF_CATEGORY.wq, E.dwqAccept, 0b011);
    submitMove(driver);
    expect(perf.value(0)).toBe(0);
    expect([driver.read(0x98), driver.read(base + 0x30)]).toEqual([0b1000, 1]);
    expect(driver.port.interrupts).toHaveLength(1);
    driver.write(base + 0x30, 1);
    expect(driver.read(base + 0x30)).toBe(0);
  });

  it('can freeze all of them when one goes around', () => {
    const perf = new Perf();
    perf.driver.write(perf.base + 0x200, 0xffff_ffff);
    perf.start(0, PERF_CATEGORY.wq, E.dwqAccept, 0b101);
    perf.start(1, PERF_CATEGORY.wq, E.dwqAccept);
    submitMove(perf.driver);
    submitMove(perf.driver);
    expect([perf.value(0), perf.driver.port.interrupts.length]).toEqual([0, 0]);
    expect(perf.value(1)).toBeLessThanOrEqual(1);
  });

  it('are part of the state, and gone after a function level reset', () => {
    const perf = new Perf();
    perf.start(0, PERF_CATEGORY.wq, E.dwqAccept);
    submitMove(perf.driver);
    const twin = new DsaDriver({ config: { engines: 2 } });
    twin.device.restore(structuredClone(perf.driver.device.snapshot()));
    submitMove(twin);
    expect(Number(twin.read64(perf.base + 0x200))).toBe(2);
    twin.device.reset('function-level');
    expect([twin.read64(perf.base + 0x200), twin.read64(perf.base + 0x100)]).toEqual([0n, 0n]);
  });
});
