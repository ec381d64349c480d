/**
 * Every operation that a generation reports in OPCAP, submitted as a program would, with a result that plain code or Node's
 * own compares. A table without an entry for a code fails.
 */
import { describe, expect, it } from 'vitest';
import { COMMAND } from '../../../../../src-main/spec/dsa/commands.ts';
import { IdptEntry } from '../../../../../src-main/spec/dsa/inter-domain.ts';
import { OPCODE, OPERATION_NAMES } from '../../../../../src-main/spec/dsa/operations.ts';
import { DSA_PROFILES, type DsaProfileName } from '../../../../../src-main/spec/dsa/profiles.ts';
import { STATUS } from '../../../../../src-main/spec/dsa/status-codes.ts';
import { CRC32C, T10, crcRegister, expectedCrc } from '../../../../support/crc-reference.ts';
import {
  DEDICATED,
  DsaDriver,
  RECORD,
  descriptor,
  expectSuccess,
} from '../../../../support/dsa-driver.ts';

type Values = Readonly<Record<string, number | bigint>>;
type DecodedRecord = Readonly<Record<string, number | bigint>>;

const SIZE = 4096;
const S = 0x1_0000;
const OTHER = 0x2_0000;
const DELTA = 0x3_0000;
const PROTECTED = 0x4_0000;
const LIST = 0x6_0000;
const D = 0x8_0000;
const D2 = 0x9_0000;
/** Where the address space of PASID 9 starts. */
const FAR = 0x10_0000;
const CHANGED_AT = 1000;
const BLOCK = 512;

const data = Buffer.from(Uint8Array.from({ length: SIZE }, (_, i) => (i * 37 + (i >> 5)) & 0xff));
const changed = Buffer.from(data);
changed.fill(0xee, CHANGED_AT, CHANGED_AT + 8);

/** Blocks of 512 bytes, each followed by guard, application tag 0 and a reference tag that counts. */
const protectedData = Buffer.concat(
  Array.from({ length: SIZE / BLOCK }, (_, i) => {
    const block = data.subarray(i * BLOCK, (i + 1) * BLOCK);
    const field = Buffer.alloc(8);
    field.writeUInt16BE(Number(crcRegister(T10, 0n, block, false)), 0);
    field.writeUInt32BE(i, 4);
    return Buffer.concat([block, field]);
  }),
);
/** What Create Delta gives for the two buffers: one entry for the block that differs. */
const delta = Buffer.concat([Buffer.from([CHANGED_AT / 8, 0]), Buffer.alloc(8, 0xee)]);

interface Example {
  readonly values: Values;
  readonly flags?: number;
  /** Looks at memory and record after success. */
  readonly verify?: (driver: DsaDriver, record: DecodedRecord) => void;
}

function expectBytes(at: number, expected: Uint8Array): NonNullable<Example['verify']> {
  return (driver) => {
    expect(Buffer.from(driver.bytes(at, expected.length)).equals(expected)).toBe(true);
  };
}

const at = BigInt;

const EXAMPLES: Readonly<Record<number, readonly Example[]>> = {
  [OPCODE.noop]: [{ values: {} }],
  [OPCODE.batch]: [
    {
      values: { list: at(LIST), count: 2 },
      verify: (driver, record) => {
        expect(record['bytesCompleted']).toBe(2);
        expectBytes(D, Buffer.alloc(8, 1))?.(driver, record);
        expectBytes(D2, Buffer.alloc(8, 2))?.(driver, record);
      },
    },
  ],
  [OPCODE.drain]: [{ values: {} }],
  [OPCODE.memoryMove]: [
    { values: { source: at(S), destination: at(D), size: SIZE }, verify: expectBytes(D, data) },
  ],
  [OPCODE.fill]: [
    {
      values: { pattern: 0x0102_0304_0506_0708n, destination: at(D), size: 20 },
      verify: expectBytes(D, Buffer.from('0807060504030201'.repeat(3), 'hex').subarray(0, 20)),
    },
  ],
  [OPCODE.compare]: [
    {
      values: { source1: at(S), source2: at(OTHER), size: SIZE },
      verify: (_, record) => {
        expect(record).toMatchObject({ result: 1, bytesCompleted: CHANGED_AT });
      },
    },
    {
      values: { source1: at(S), source2: at(S), size: SIZE },
      verify: (_, record) => {
        expect(record['result']).toBe(0);
      },
    },
  ],
  [OPCODE.comparePattern]: [
    {
      values: { source: at(OTHER + CHANGED_AT), pattern: 0xeeee_eeee_eeee_eeeen, size: 8 },
      verify: (_, record) => {
        expect(record['result']).toBe(0);
      },
    },
  ],
  [OPCODE.createDelta]: [
    {
      values: {
        source1: at(S),
        source2: at(OTHER),
        size: SIZE,
        delta: at(D),
        maxDeltaSize: 80,
      },
      verify: (driver, record) => {
        expect(record).toMatchObject({ result: 1, deltaSize: delta.length });
        expectBytes(D, delta)?.(driver, record);
      },
    },
  ],
  [OPCODE.applyDelta]: [
    {
      values: { delta: at(DELTA), destination: at(S), size: SIZE, deltaSize: delta.length },
      verify: expectBytes(S, changed),
    },
  ],
  [OPCODE.dualcast]: [
    {
      values: { source: at(S), destination: at(D), destination2: at(D2), size: SIZE },
      verify: (driver, record) => {
        expectBytes(D, data)?.(driver, record);
        expectBytes(D2, data)?.(driver, record);
      },
    },
  ],
  [OPCODE.translationFetch]: [
    {
      values: { region: at(S), size: 3 * SIZE },
      verify: ({ device }) => {
        expect(device.inspect.deviceTlb().map((entry) => entry.low)).toEqual(
          expect.arrayContaining([S, S + SIZE, S + 2 * SIZE]),
        );
      },
    },
  ],
  [OPCODE.crc]: [
    {
      values: { source: at(S), size: SIZE },
      verify: (_, record) => {
        expect(record['crc']).toBe(expectedCrc(CRC32C, 0n, data));
      },
    },
  ],
  [OPCODE.copyCrc]: [
    {
      values: { source: at(S), destination: at(D), size: SIZE },
      verify: (driver, record) => {
        expect(record['crc']).toBe(expectedCrc(CRC32C, 0n, data));
        expectBytes(D, data)?.(driver, record);
      },
    },
  ],
  [OPCODE.difCheck]: [{ values: { source: at(PROTECTED), size: protectedData.length } }],
  [OPCODE.difInsert]: [
    {
      values: { source: at(S), destination: at(D), size: SIZE },
      verify: expectBytes(D, protectedData),
    },
  ],
  [OPCODE.difStrip]: [
    {
      values: { source: at(PROTECTED), destination: at(D), size: protectedData.length },
      verify: expectBytes(D, data),
    },
  ],
  [OPCODE.difUpdate]: [
    {
      values: { source: at(PROTECTED), destination: at(D), size: protectedData.length },
      verify: expectBytes(D, protectedData),
    },
  ],
  [OPCODE.dixGenerate]: [
    {
      values: { source: at(S), destination: at(D), size: SIZE },
      verify: expectBytes(
        D,
        Buffer.concat(
          Array.from({ length: SIZE / BLOCK }, (_, i) => {
            const end = (i + 1) * (BLOCK + 8);
            return protectedData.subarray(end - 8, end);
          }),
        ),
      ),
    },
  ],
  [OPCODE.cacheFlush]: [{ values: { destination: at(S), size: SIZE } }],
  [OPCODE.updateWindow]: [
    {
      values: { windowBase: at(S), windowSize: 0x1000n, windowEnable: 1, handle: 1 },
      verify: ({ device }) => {
        expect(device.inspect.idpt(1)).toMatchObject({ windowBase: at(S), windowEnable: 1 });
      },
    },
  ],
  [OPCODE.interDomainCopy]: [
    {
      values: {
        ...{ alternateSource: 1, sourceHandle: 0 },
        ...{ source: at(S), destination: at(D), size: SIZE },
      },
      verify: expectBytes(D, changed),
    },
  ],
  [OPCODE.interDomainFill]: [
    {
      values: {
        ...{ alternateDestination: 1, destinationHandle: 0 },
        ...{ pattern: 0x0101_0101_0101_0101n, destination: at(D), size: 16 },
      },
      verify: expectBytes(FAR + D, Buffer.alloc(16, 1)),
    },
  ],
  [OPCODE.interDomainCompare]: [
    {
      values: {
        ...{ alternateSource: 1, sourceHandle: 0 },
        ...{ source1: at(S), source2: at(OTHER), size: SIZE },
      },
      verify: (_, record) => {
        expect(record['result']).toBe(0);
      },
    },
  ],
  [OPCODE.interDomainComparePattern]: [
    {
      values: {
        ...{ alternateSource: 1, sourceHandle: 0 },
        ...{ source: at(S + CHANGED_AT), pattern: 0xeeee_eeee_eeee_eeeen, size: 8 },
      },
      verify: (_, record) => {
        expect(record['result']).toBe(0);
      },
    },
  ],
};

/** A device with data in place; inter-domain entries 0 (PASID 9 for PASID 1) and 1 (PASID 1's own, updatable). */
function prepared(profile: DsaProfileName): DsaDriver {
  const driver = new DsaDriver({ config: { profile } }).setUp([DEDICATED]);
  driver.port.spaces.set(9, FAR);
  driver.fill(S, data);
  driver.fill(OTHER, changed);
  driver.fill(FAR + S, changed);
  driver.fill(DELTA, delta);
  driver.fill(PROTECTED, protectedData);
  [1, 2].forEach((value, i) => {
    const member = descriptor(OPCODE.fill, {
      pattern: BigInt(value) * 0x0101_0101_0101_0101n,
      destination: at(i === 0 ? D : D2),
      size: 8,
    });
    driver.fill(LIST + i * 64, new Uint8Array(member.buffer));
  });
  if (driver.read(0x100) !== 0) {
    const entries = [
      { usable: 1, submitterPasid: 1, read: 1, write: 1, accessPasid: 9 },
      { usable: 1, allowUpdate: 1, accessPasid: 1 },
    ];
    entries.forEach((entry, index) => {
      const words = IdptEntry.encode(entry);
      [...words.keys()].reverse().forEach((i) => {
        driver.write(driver.table(5) + index * 32 + 4 * i, words[i] as number);
      });
      expectSuccess(driver.command(COMMAND.requestIdptHandle, index), 'Request IDPT Handle');
    });
  }
  return driver;
}

describe.each(Object.keys(DSA_PROFILES) as DsaProfileName[])('every operation of %s', (profile) => {
  const { operations } = DSA_PROFILES[profile];

  it.each(operations.map((code) => [OPERATION_NAMES[code] ?? '', code] as const))(
    '%s gives the right result',
    (_, code) => {
      const examples = EXAMPLES[code] ?? [];
      expect(examples).not.toHaveLength(0);
      for (const { values, verify } of examples) {
        const driver = prepared(profile);
        const words = descriptor(code, { ...values, recordAddress: 0x2000n }, RECORD);
        const record = driver.execute(words);
        expect(record['status']).toBe(STATUS.success);
        verify?.(driver, record);
      }
    },
  );

  it('is in OPCAP, and no other', () => {
    const driver = new DsaDriver({ config: { profile } });
    const reported = Array.from({ length: 256 }, (_, code) => code).filter(
      (code) => ((driver.read(0x40 + 4 * (code >>> 5)) >>> (code & 31)) & 1) === 1,
    );
    expect(reported).toEqual([...operations].sort((a, b) => a - b));
  });
});
