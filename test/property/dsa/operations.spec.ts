/**
 * Operations against plain references, with pages missing anywhere: whether software continues partial completions or the
 * device waits for pages, the result is the same.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FLAG } from '../../../src-main/spec/dsa/descriptor.ts';
import { OPCODE } from '../../../src-main/spec/dsa/operations.ts';
import { STATUS } from '../../../src-main/spec/dsa/status-codes.ts';
import { checkProperty } from '../../support/check-property.ts';
import { CRC32C, expectedCrc } from '../../support/crc-reference.ts';
import { continuationOf } from '../../support/dsa-continuation.ts';
import { DEDICATED, DsaDriver, RECORD, descriptor } from '../../support/dsa-driver.ts';

const BASE = 0x1_0000;
const SPACE = 0x2_0000;
const PAGE = 0x1000;
const AT = 0x4000;

type Values = Readonly<Record<string, number | bigint>>;
type DecodedRecord = Record<string, number | bigint>;

const address = fc.integer({ min: 0, max: 0x8000 });
const size = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 20_000 }));
const holes = fc.uniqueArray(fc.integer({ min: 0, max: 15 }), { maxLength: 6 });
const isBlocking = fc.boolean();
const seed = fc.integer({ min: 1, max: 2 ** 30 });

function random(seedValue: number, length: number): Uint8Array {
  let state = seedValue;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

function driverWith(seedValue: number, missing: readonly number[]): DsaDriver {
  const driver = new DsaDriver({
    trace: { mode: 'off' },
    memoryBytes: 0x6_0000,
    config: { profile: 'v2', atcEntries: 8 },
  });
  driver.setUp([{ ...DEDICATED, blockOnFault: 1 }]);
  driver.fill(BASE, random(seedValue, SPACE));
  missing.forEach((page) => {
    driver.port.unmap(1, BASE + page * PAGE * 2);
  });
  driver.port.onPageRequest = (request) => {
    driver.port.map(request.pasid, request.low);
    driver.device.pageResponse(request.pasid, request.groupIndex, 0);
  };
  return driver;
}

/** Runs to the end, by waiting for pages or by continuing after each fault. Gives the last record. */
function complete(
  driver: DsaDriver,
  opcode: number,
  values: Values,
  isWaiting: boolean,
): DecodedRecord {
  let words = descriptor(
    opcode,
    { recordAddress: BigInt(AT), ...values },
    RECORD | (isWaiting ? FLAG.blockOnFault : 0),
  );
  for (let round = 0; round < 40; round++) {
    const record = driver.execute(words);
    if (record['status'] !== STATUS.pageFault) {
      return record;
    }
    driver.port.map(1, Number(record['faultAddress']));
    words = continuationOf(words, record);
  }
  throw new Error('The operation does not come to an end');
}

const at = (offset: number): bigint => BigInt(BASE + offset);

describe('operations with missing pages', () => {
  it('move any overlap as if through a buffer', () => {
    checkProperty(
      fc.property(
        seed,
        address,
        address,
        size,
        holes,
        isBlocking,
        (seedValue, from, to, bytes, missing, isWaiting) => {
          const driver = driverWith(seedValue, missing);
          const expected = driver.bytes(BASE, SPACE);
          expected.copyWithin(to, from, from + bytes);
          const record = complete(
            driver,
            OPCODE.memoryMove,
            { source: at(from), destination: at(to), size: bytes },
            isWaiting,
          );
          expect(record['status']).toBe(STATUS.success);
          expect(driver.bytes(BASE, SPACE)).toEqual(expected);
        },
      ),
    );
  });

  it('fill from byte 0 of the destination', () => {
    checkProperty(
      fc.property(
        seed,
        address,
        size,
        holes,
        fc.boolean(),
        (seedValue, to, bytes, missing, isLong) => {
          const driver = driverWith(seedValue, missing);
          const pattern = random(seedValue + 1, 16);
          const view = new DataView(pattern.buffer);
          const period = isLong ? 16 : 8;
          const expected = driver.bytes(BASE, SPACE);
          for (let i = 0; i < bytes; i++) {
            expected[to + i] = pattern[i % period] as number;
          }
          const values = {
            pattern: view.getBigUint64(0, true),
            ...(isLong ? { patternHigh: view.getBigUint64(8, true), pattern16: 1 } : {}),
            destination: at(to),
            size: bytes,
          };
          // Continuing a fill in the middle of a pattern would need a rotated pattern, so the device waits here.
          expect(complete(driver, OPCODE.fill, values, true)['status']).toBe(STATUS.success);
          expect(driver.bytes(BASE, SPACE)).toEqual(expected);
        },
      ),
    );
  });

  it('find the first difference', () => {
    checkProperty(
      fc.property(
        seed,
        address,
        size,
        holes,
        isBlocking,
        fc.nat(),
        (seedValue, from, bytes, missing, isWaiting, where) => {
          const driver = driverWith(seedValue, missing);
          const other = 0x10_000;
          driver.port.memory.copyWithin(BASE + other, BASE + from, BASE + from + bytes);
          const differsAt = where % (bytes + 1);
          if (differsAt < bytes) {
            driver.port.memory[BASE + other + differsAt] =
              (driver.port.memory[BASE + other + differsAt] as number) ^ 0x80;
          }
          let done = 0;
          let words = descriptor(
            OPCODE.compare,
            { source1: at(from), source2: at(other), size: bytes, recordAddress: BigInt(AT) },
            RECORD | (isWaiting ? FLAG.blockOnFault : 0),
          );
          let record = driver.execute(words);
          while (record['status'] === STATUS.pageFault) {
            done += Number(record['bytesCompleted']);
            driver.port.map(1, Number(record['faultAddress']));
            words = continuationOf(words, record);
            record = driver.execute(words);
          }
          const found = record['result'] === 1 ? done + Number(record['bytesCompleted']) : bytes;
          expect(found).toBe(differsAt);
        },
      ),
    );
  });

  it('copy to two places', () => {
    checkProperty(
      fc.property(
        seed,
        address,
        size,
        holes,
        isBlocking,
        (seedValue, from, bytes, missing, isWaiting) => {
          const driver = driverWith(seedValue, missing);
          const first = 0xe000 + (seedValue % PAGE);
          const second = 0x18_000 + (seedValue % PAGE);
          const length = Math.min(bytes, 0x8000);
          fc.pre(from + length <= first);
          const expected = driver.bytes(BASE, SPACE);
          expected.copyWithin(first, from, from + length);
          expected.copyWithin(second, from, from + length);
          const values = {
            source: at(from),
            destination: at(first),
            destination2: at(second),
            size: length,
          };
          expect(complete(driver, OPCODE.dualcast, values, isWaiting)['status']).toBe(
            STATUS.success,
          );
          expect(driver.bytes(BASE, SPACE)).toEqual(expected);
        },
      ),
    );
  });

  it('compute the CRC of the whole', () => {
    checkProperty(
      fc.property(
        seed,
        address,
        size,
        holes,
        isBlocking,
        (seedValue, from, bytes, missing, isWaiting) => {
          const driver = driverWith(seedValue, missing);
          const record = complete(driver, OPCODE.crc, { source: at(from), size: bytes }, isWaiting);
          expect(record['crc']).toBe(expectedCrc(CRC32C, 0n, driver.bytes(BASE + from, bytes)));
        },
      ),
    );
  });

  it('make delta records that turn the one into the other', () => {
    checkProperty(
      fc.property(
        seed,
        fc.integer({ min: 1, max: 1500 }),
        holes,
        isBlocking,
        (seedValue, blocks, missing, isWaiting) => {
          const driver = driverWith(seedValue, missing);
          const bytes = blocks * 8;
          const [before, after, delta] = [0, 0x8000, 0x10_123];
          driver.port.memory.copyWithin(BASE + after, BASE + before, BASE + before + bytes);
          const changes = random(seedValue + 7, 40).map((b, i) => (b * 7 + i * 31) % blocks);
          changes.forEach((block) => {
            driver.port.memory[BASE + after + block * 8] =
              (driver.port.memory[BASE + after + block * 8] as number) ^ 0x5a;
          });
          const create = {
            source1: at(before),
            source2: at(after),
            size: bytes,
            delta: at(delta),
            maxDeltaSize: 10_000,
          };
          // Indexes count from the start of each descriptor, so a record is made in one go.
          const made = complete(driver, OPCODE.createDelta, create, true);
          expect(made['status']).toBe(STATUS.success);
          const deltaSize = Number(made['deltaSize']);
          fc.pre(deltaSize > 0);
          const apply = { delta: at(delta), destination: at(before), size: bytes, deltaSize };
          expect(complete(driver, OPCODE.applyDelta, apply, isWaiting)['status']).toBe(
            STATUS.success,
          );
          expect(driver.bytes(BASE + before, bytes)).toEqual(driver.bytes(BASE + after, bytes));
        },
      ),
    );
  });

  it('protect and strip data without changing it', () => {
    checkProperty(
      fc.property(
        seed,
        address,
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom(0, 1),
        holes,
        isBlocking,
        (seedValue, from, blocks, block, missing, isWaiting) => {
          const driver = driverWith(seedValue, missing);
          const bytes = (block === 0 ? 512 : 520) * blocks;
          const to = 0xf000 + (seedValue % 5000);
          const back = 0x18_000;
          const tags = {
            destinationRef: seedValue,
            destinationApp: seedValue & 0xffff,
            destinationAppIncrementing: 1,
          };
          const start = Math.min(from, to - bytes);
          fc.pre(start >= 0);
          const original = driver.bytes(BASE + start, bytes);
          const insert = complete(
            driver,
            OPCODE.difInsert,
            { source: at(start), destination: at(to), size: bytes, block, ...tags },
            isWaiting,
          );
          expect(insert).toMatchObject({
            status: STATUS.success,
            destinationRef: (seedValue + blocks) >>> 0,
          });
          const protectedBytes = bytes + blocks * 8;
          const source = {
            source: at(to),
            size: protectedBytes,
            block,
            sourceRef: seedValue,
            sourceApp: seedValue & 0xffff,
            sourceAppIncrementing: 1,
          };
          fc.pre(to + protectedBytes <= back);
          expect(complete(driver, OPCODE.difCheck, source, isWaiting)['status']).toBe(
            STATUS.success,
          );
          expect(
            complete(driver, OPCODE.difStrip, { ...source, destination: at(back) }, isWaiting)[
              'status'
            ],
          ).toBe(STATUS.success);
          expect(driver.bytes(BASE + back, bytes)).toEqual(original);
        },
      ),
    );
  });
});
