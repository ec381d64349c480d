import { describe, expect, it } from 'vitest';
import { DIF_BLOCK_BYTES } from '../../../../../src-main/spec/dsa/operation-descriptors.ts';
import { OPCODE } from '../../../../../src-main/spec/dsa/operations.ts';
import { DIF_STATUS, STATUS } from '../../../../../src-main/spec/dsa/status-codes.ts';
import { T10, crcRegister } from '../../../../support/crc-reference.ts';
import { DEDICATED, DsaDriver, RECORD, descriptor } from '../../../../support/dsa-driver.ts';

const SOURCE = 0x1_0000;
const PROTECTED = 0x4_0000;
const TARGET = 0x8_0000;
const AT = 0x2000;

type Values = Readonly<Record<string, number | bigint>>;

interface Tags {
  readonly ref: number;
  readonly app: number;
  readonly refStep?: number;
  readonly appStep?: number;
  readonly seed?: bigint;
  readonly invert?: boolean;
}

function field(block: Uint8Array, { ref, app, seed = 0n, invert = false }: Tags): Uint8Array {
  const guard = Number(crcRegister(T10, seed, block, false)) ^ (invert ? 0xffff : 0);
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, guard);
  view.setUint16(2, app & 0xffff);
  view.setUint32(4, ref >>> 0);
  return bytes;
}

/** Blocks followed by their fields, straight from the definition. */
function protect(data: Uint8Array, block: number, tags: Tags): Uint8Array {
  const { refStep = 1, appStep = 0 } = tags;
  const parts: number[] = [];
  for (let i = 0; i * block < data.length; i++) {
    const part = data.subarray(i * block, (i + 1) * block);
    parts.push(
      ...part,
      ...field(part, { ...tags, ref: tags.ref + i * refStep, app: tags.app + i * appStep }),
    );
  }
  return Uint8Array.from(parts);
}

function data(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 4)) & 0xff);
}

function driverWith(profile: 'v1' | 'v2' = 'v1'): DsaDriver {
  return new DsaDriver({ config: { profile } }).setUp([{ ...DEDICATED, blockOnFault: 1 }]);
}

function run(
  driver: DsaDriver,
  opcode: number,
  values: Values,
  flags = 0,
): Record<string, number | bigint> {
  return driver.execute(
    descriptor(opcode, { recordAddress: BigInt(AT), ...values }, RECORD | flags),
  );
}

const OK = { status: STATUS.success, result: 0 };

describe.each([0, 1, 2, 3])('blocks of size code %i', (block) => {
  const bytes = DIF_BLOCK_BYTES[block] as number;
  const plain = data(bytes * 5);
  const tags = { ref: 0x1000, app: 0x55aa };

  it('inserts fields and returns the final tags', () => {
    const driver = driverWith();
    driver.fill(SOURCE + 3, plain);
    const record = run(driver, OPCODE.difInsert, {
      source: BigInt(SOURCE + 3),
      destination: BigInt(TARGET + 4000),
      size: plain.length,
      block,
      destinationRef: tags.ref,
      destinationApp: tags.app,
    });
    expect(record).toMatchObject({
      ...OK,
      destinationRef: 0x1005,
      destinationApp: 0x55aa,
      destinationMask: 0,
    });
    expect(driver.bytes(TARGET + 4000, plain.length + 40)).toEqual(protect(plain, bytes, tags));
  });

  it('checks, strips and updates what insert made', () => {
    const driver = driverWith();
    const guarded = protect(plain, bytes, tags);
    driver.fill(PROTECTED + 9, guarded);
    const source = {
      source: BigInt(PROTECTED + 9),
      size: guarded.length,
      block,
      sourceRef: tags.ref,
      sourceApp: tags.app,
    };
    expect(run(driver, OPCODE.difCheck, source)).toMatchObject({
      ...OK,
      sourceRef: 0x1005,
      sourceApp: 0x55aa,
    });
    expect(run(driver, OPCODE.difStrip, { ...source, destination: BigInt(TARGET) })).toMatchObject(
      OK,
    );
    expect(driver.bytes(TARGET, plain.length)).toEqual(plain);
    const update = {
      ...source,
      destination: BigInt(TARGET + 1),
      destinationRef: 7,
      destinationApp: 9,
    };
    expect(run(driver, OPCODE.difUpdate, update)).toMatchObject({
      ...OK,
      sourceRef: 0x1005,
      destinationRef: 12,
      destinationApp: 9,
    });
    expect(driver.bytes(TARGET + 1, guarded.length)).toEqual(
      protect(plain, bytes, { ref: 7, app: 9 }),
    );
  });

  it('generates the fields alone on version 2', () => {
    const driver = driverWith('v2');
    driver.fill(SOURCE, plain);
    const record = run(driver, OPCODE.dixGenerate, {
      source: BigInt(SOURCE),
      destination: BigInt(TARGET + 8),
      size: plain.length,
      block,
      destinationRef: tags.ref,
      destinationApp: tags.app,
    });
    expect(record).toMatchObject({ ...OK, destinationRef: 0x1005 });
    const guarded = protect(plain, bytes, tags);
    const fields = [0, 1, 2, 3, 4].flatMap((i) => [
      ...guarded.slice(i * (bytes + 8) + bytes, (i + 1) * (bytes + 8)),
    ]);
    expect(driver.bytes(TARGET + 8, 40)).toEqual(Uint8Array.from(fields));
  });
});

describe('flags of the source field', () => {
  const plain = data(512 * 4);
  const tags = { ref: 100, app: 0x1234 };
  const source = { source: BigInt(PROTECTED), size: 520 * 4, sourceRef: 100, sourceApp: 0x1234 };

  function check(
    corrupt: (bytes: Uint8Array) => void,
    values: Values = {},
    tagsUsed: Tags = tags,
  ): Record<string, number | bigint> {
    const driver = driverWith();
    const guarded = protect(plain, 512, tagsUsed);
    corrupt(guarded);
    driver.fill(PROTECTED, guarded);
    return run(driver, OPCODE.difCheck, { ...source, ...values });
  }
  const second = 520 + 512;

  it.each<readonly [string, (b: Uint8Array) => void, Values, number]>([
    ['data', (b) => (b[600] = (b[600] as number) ^ 1), {}, DIF_STATUS.guard],
    ['the guard', (b) => (b[second] = (b[second] as number) ^ 1), {}, DIF_STATUS.guard],
    [
      'the application tag',
      (b) => (b[second + 3] = (b[second + 3] as number) ^ 1),
      {},
      DIF_STATUS.applicationTag,
    ],
    [
      'the reference tag',
      (b) => (b[second + 7] = (b[second + 7] as number) ^ 1),
      {},
      DIF_STATUS.referenceTag,
    ],
    ['everything', (b) => b.fill(0x11, second, second + 8), {}, 7],
  ])('finds a change of %s', (_, corrupt, values, result) => {
    expect(check((b) => void corrupt(b), values)).toMatchObject({
      status: STATUS.difError,
      result,
      bytesCompleted: 520,
      sourceRef: 101,
    });
  });

  it.each<readonly [string, (b: Uint8Array) => void, Values]>([
    [
      'a wrong guard when it is not checked',
      (b) => (b[second] = (b[second] as number) ^ 1),
      { guardDisable: 1 },
    ],
    [
      'a wrong reference tag when it is not checked',
      (b) => (b[second + 7] = (b[second + 7] as number) ^ 1),
      { refDisable: 1 },
    ],
    [
      'masked application tag bits',
      (b) => (b[second + 3] = (b[second + 3] as number) ^ 1),
      { sourceMask: 1 },
    ],
    [
      'an application tag of FFFFh when told to skip',
      (b) => b.fill(0xff, second + 2, second + 4),
      { skipAppTag: 1 },
    ],
    [
      'both tags all ones when told to skip',
      (b) => b.fill(0xff, second + 2, second + 8),
      { skipAppAndRefTag: 1 },
    ],
    [
      'a field of all ones when it is detected and no error',
      (b) => b.fill(0xff, second, second + 8),
      { allOnesDetect: 1 },
    ],
  ])('accepts %s', (_, corrupt, values) => {
    expect(check((b) => void corrupt(b), values)).toMatchObject(OK);
  });

  it('reports a field of all ones as an error when told to', () => {
    expect(
      check((b) => b.fill(0xff, second, second + 8), { allOnesDetect: 1, allOnesError: 1 }),
    ).toMatchObject({
      status: STATUS.difError,
      result: DIF_STATUS.allOnes,
      bytesCompleted: 520,
    });
  });

  it('does not skip on the reference tag alone', () => {
    expect(
      check((b) => b.fill(0xff, second + 4, second + 8), { skipAppAndRefTag: 1 }),
    ).toMatchObject({ status: STATUS.difError });
  });

  it('follows fixed reference and incrementing application tags', () => {
    const used = { ...tags, refStep: 0, appStep: 1 };
    expect(
      check(() => undefined, { sourceRefFixed: 1, sourceAppIncrementing: 1 }, used),
    ).toMatchObject({
      ...OK,
      sourceRef: 100,
      sourceApp: 0x1238,
    });
  });

  it('honours seed and inversion of the guard', () => {
    const used = { ...tags, seed: 0xffffn, invert: true };
    expect(check(() => undefined, { seedOnes: 1, invertGuard: 1 }, used)).toMatchObject(OK);
    expect(check(() => undefined, {}, used)).toMatchObject({
      status: STATUS.difError,
      result: DIF_STATUS.guard,
    });
  });
});

describe('update', () => {
  const plain = data(512 * 3);

  it('passes through what it is told to', () => {
    const driver = driverWith();
    const guarded = protect(plain, 512, { ref: 5, app: 6 });
    driver.fill(PROTECTED, guarded);
    const values = {
      source: BigInt(PROTECTED),
      destination: BigInt(TARGET),
      size: guarded.length,
      sourceRef: 5,
      sourceApp: 6,
      destinationRef: 1000,
      destinationApp: 2000,
      passRef: 1,
      passApp: 1,
      passGuard: 1,
    };
    expect(run(driver, OPCODE.difUpdate, values)).toMatchObject(OK);
    expect(driver.bytes(TARGET, guarded.length)).toEqual(guarded);
  });

  it('writes masked application tag bits as zero', () => {
    const driver = driverWith();
    driver.fill(SOURCE, plain);
    const values = {
      source: BigInt(SOURCE),
      destination: BigInt(TARGET),
      size: 512,
      destinationApp: 0xffff,
      destinationMask: 0x0ff0,
    };
    run(driver, OPCODE.difInsert, values);
    expect(driver.bytes(TARGET + 514, 2)).toEqual(Uint8Array.of(0xf0, 0x0f));
  });
});

describe('partial completion', () => {
  it('counts whole blocks and continues with the tags of the record', () => {
    const driver = driverWith();
    const plain = data(512 * 20);
    driver.fill(SOURCE, plain);
    driver.port.unmap(1, SOURCE + 4096);
    const values = {
      source: BigInt(SOURCE + 100),
      destination: BigInt(TARGET),
      size: 512 * 18,
      destinationRef: 50,
      destinationApp: 1,
      destinationAppIncrementing: 1,
    };
    const partial = run(driver, OPCODE.difInsert, values);
    // 3996 bytes are readable: seven blocks.
    expect(partial).toMatchObject({
      status: STATUS.pageFault,
      bytesCompleted: 7 * 512,
      destinationRef: 57,
      destinationApp: 8,
      faultAddress: BigInt(SOURCE + 4096),
    });
    driver.port.map(1, SOURCE + 4096);
    const done = Number(partial['bytesCompleted']);
    const rest = run(driver, OPCODE.difInsert, {
      ...values,
      source: BigInt(SOURCE + 100 + done),
      destination: BigInt(TARGET + (done / 512) * 520),
      size: 512 * 18 - done,
      destinationRef: partial['destinationRef'] as number,
      destinationApp: partial['destinationApp'] as number,
    });
    expect(rest).toMatchObject(OK);
    const expected = protect(plain.subarray(100, 100 + 512 * 18), 512, {
      ref: 50,
      app: 1,
      appStep: 1,
    });
    expect(driver.bytes(TARGET, expected.length)).toEqual(expected);
  });

  it('writes the good blocks before a bad one', () => {
    const driver = driverWith();
    const plain = data(512 * 4);
    const guarded = protect(plain, 512, { ref: 0, app: 0 });
    guarded[520 * 2 + 5] = (guarded[520 * 2 + 5] as number) ^ 1;
    driver.fill(PROTECTED, guarded);
    const record = run(driver, OPCODE.difStrip, {
      source: BigInt(PROTECTED),
      destination: BigInt(TARGET),
      size: guarded.length,
    });
    expect(record).toMatchObject({
      status: STATUS.difError,
      result: DIF_STATUS.guard,
      bytesCompleted: 1040,
    });
    expect(driver.bytes(TARGET, 1024)).toEqual(plain.subarray(0, 1024));
    expect(driver.bytes(TARGET + 1024, 8).every((b) => b === 0)).toBe(true);
  });
});
