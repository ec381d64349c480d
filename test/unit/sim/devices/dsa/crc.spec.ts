import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { STATUS } from '../../../../../src-main/spec/dsa/status-codes.ts';
import {
  crc32Step,
  crc64Step,
  guardOf,
  mirror32,
} from '../../../../../src-main/sim/devices/dsa/operations/crc-tables.ts';
import {
  CRC32C,
  CRC64,
  T10,
  crcRegister,
  expectedCrc,
  mirror,
} from '../../../../support/crc-reference.ts';
import { DEDICATED, DsaDriver, RECORD, descriptor } from '../../../../support/dsa-driver.ts';

const CHECK = new TextEncoder().encode('123456789');
const SOURCE = 0x1_0000;
const TARGET = 0x8_0000;
const AT = 0x2000;

type Values = Readonly<Record<string, number | bigint>>;

function run(driver: DsaDriver, opcode: number, values: Values): Record<string, number | bigint> {
  return driver.execute(
    descriptor(opcode, { recordAddress: BigInt(AT), source: BigInt(SOURCE), ...values }, RECORD),
  );
}

function driverWith(data: Uint8Array, profile: 'v1' | 'v2' = 'v2'): DsaDriver {
  const driver = new DsaDriver({ config: { profile } }).setUp([{ ...DEDICATED, blockOnFault: 1 }]);
  driver.fill(SOURCE, data);
  return driver;
}

function copyOf(data: Uint8Array): Values {
  return { size: data.length, destination: BigInt(TARGET) };
}

describe('published check values', () => {
  it('gives E3069283h for CRC-32C of 123456789', () => {
    expect(run(driverWith(CHECK), OPCODE.crc, { size: 9 })).toMatchObject({
      status: 1,
      crc: 0xe306_9283n,
    });
  });

  // RFC 3720 appendix B.4, read as little-endian words.
  it.each([
    ['32 bytes of zeros', new Uint8Array(32), 0x8a91_36aan],
    ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8_ab43n],
    ['32 rising bytes', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd_794en],
    ['32 falling bytes', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113f_db5cn],
    [
      'an iSCSI read command',
      Uint8Array.of(
        ...[0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0],
        ...[0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0],
      ),
      0xd996_3a56n,
    ],
  ])('gives the value of iSCSI for %s', (_, data, crc) => {
    expect(run(driverWith(data), OPCODE.crc, { size: data.length })).toMatchObject({ crc });
    expect(run(driverWith(data), OPCODE.copyCrc, copyOf(data))).toMatchObject({ crc });
  });

  it('gives AE8B14860A799888h for CRC-64 of 123456789', () => {
    expect(run(driverWith(CHECK), OPCODE.crc, { size: 9, crc64: 1 })).toMatchObject({
      status: 1,
      crc: 0xae8b_1486_0a79_9888n,
    });
  });

  it('gives D0DBh for the T10 guard of 123456789 and 4F10h for two rising ramps', () => {
    expect(guardOf(0, CHECK, 0, 9)).toBe(0xd0db);
    expect(
      guardOf(
        0,
        Uint8Array.from({ length: 512 }, (_, i) => i),
        0,
        512,
      ),
    ).toBe(0x4f10);
  });

  it('agrees with a reference that agrees with zlib on its own polynomial', () => {
    const ieee = { width: 32, polynomial: 0x04c1_1db7n };
    expect(expectedCrc(ieee, 0n, CHECK)).toBe(BigInt(crc32(CHECK)));
  });
});

describe('tables against the definition', () => {
  const data = Uint8Array.from({ length: 300 }, (_, i) => (i * 37 + (i >> 3)) & 0xff);

  it.each([true, false])('steps CRC-32C (mirrored bytes: %s)', (isMirrored) => {
    const state = crc32Step(mirror32(0x1234_5678), data, data.length, isMirrored);
    expect(BigInt(mirror32(state))).toBe(crcRegister(CRC32C, 0x1234_5678n, data, !isMirrored));
  });

  it.each([true, false])('steps CRC-64 (mirrored bytes: %s)', (isMirrored) => {
    const seed = 0x0123_4567_89ab_cdefn;
    const reflected = mirror(seed, 64);
    const state = { high: Number(reflected >> 32n), low: Number(reflected & 0xffff_ffffn) };
    crc64Step(state, data, data.length, isMirrored);
    const value = (BigInt(state.high) << 32n) | BigInt(state.low);
    expect(mirror(value, 64)).toBe(crcRegister(CRC64, seed, data, !isMirrored));
  });

  it.each([0, 0xffff])('computes the guard from seed %x', (seed) => {
    expect(BigInt(guardOf(seed, data, 10, 250))).toBe(
      crcRegister(T10, BigInt(seed), data.subarray(10, 250), false),
    );
  });
});

describe('CRC operations', () => {
  const data = Uint8Array.from({ length: 9000 }, (_, i) => (i * 31 + (i >> 5)) & 0xff);
  const combinations = [0, 1].flatMap((bypassInversion) =>
    [0, 1].flatMap((bypassReflection) =>
      [0, 1].map((crc64) => ({ bypassInversion, bypassReflection, crc64 })),
    ),
  );

  it.each(combinations)('honours its flags %j', (flags) => {
    const seed = flags.crc64 === 1 ? 0x1122_3344_5566_7788n : 0x5566_7788n;
    const record = run(driverWith(data), OPCODE.crc, { size: 9000, seed, ...flags });
    const expected = expectedCrc(flags.crc64 === 1 ? CRC64 : CRC32C, seed, data, {
      bypassInversion: flags.bypassInversion === 1,
      bypassReflection: flags.bypassReflection === 1,
    });
    expect(record['crc']).toBe(expected);
  });

  it('takes the seed from memory, even across a page border', () => {
    const driver = driverWith(data);
    driver.fill(0x3_0ffe, [0x88, 0x77, 0x66, 0x55]);
    const record = run(driver, OPCODE.crc, { size: 100, readSeed: 1, seedAddress: 0x3_0ffen });
    expect(record['crc']).toBe(expectedCrc(CRC32C, 0x5566_7788n, data.subarray(0, 100)));
  });

  it('copies while it computes', () => {
    const driver = driverWith(data);
    const record = run(driver, OPCODE.copyCrc, { destination: BigInt(TARGET + 5), size: 9000 });
    expect(record['crc']).toBe(expectedCrc(CRC32C, 0n, data));
    expect(driver.bytes(TARGET + 5, 9000)).toEqual(data);
  });

  it('gives a partial CRC that seeds the continuation', () => {
    const driver = driverWith(data);
    driver.port.unmap(1, SOURCE + 4096);
    const partial = run(driver, OPCODE.crc, { size: 9000 });
    expect(partial).toMatchObject({ status: STATUS.pageFault, bytesCompleted: 4096 });
    driver.port.map(1, SOURCE + 4096);
    const rest = run(driver, OPCODE.crc, {
      source: BigInt(SOURCE + 4096),
      size: 9000 - 4096,
      seed: partial['crc'] as bigint,
    });
    expect(rest['crc']).toBe(expectedCrc(CRC32C, 0n, data));
  });

  it('chains results as seeds', () => {
    const driver = driverWith(data);
    const first = run(driver, OPCODE.crc, { size: 1000, crc64: 1 });
    const second = run(driver, OPCODE.crc, {
      source: BigInt(SOURCE + 1000),
      size: 8000,
      crc64: 1,
      seed: first['crc'] as bigint,
    });
    expect(second['crc']).toBe(expectedCrc(CRC64, 0n, data));
  });
});
