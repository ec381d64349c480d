/**
 * The crypto device against Node's own cryptography and compression: any length, key, place in memory and number of buffers
 * gives the same bytes, and what is compressed comes back.
 */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { crc32, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CIPHER_ALGORITHM,
  CIPHER_MODE,
  COMPRESSION_COMMAND,
  CRYPTO_COMMAND,
  HASH_ALGORITHM,
  SERVICE,
} from '../../src-main/spec/qat/messages.ts';
import type { QatState } from '../../src-main/sim/devices/qat/qat-device.ts';
import { checkProperty } from '../support/check-property.ts';
import {
  bytesOf,
  QatDriver,
  type CryptoFields,
  type RequestFields,
} from '../support/qat-driver.ts';

const SOURCE = 0;
const TARGET = 0x4000;
const SOURCE_LIST = 0x9000;
const TARGET_LIST = 0xa000;
const DIGEST = 0xb000;
const AAD = 0xc000;
const BLOCK = 16;
const TAG_BYTES = 16;

const AES = {
  16: { algorithm: CIPHER_ALGORITHM.aes128, bits: 128 },
  24: { algorithm: CIPHER_ALGORITHM.aes192, bits: 192 },
  32: { algorithm: CIPHER_ALGORITHM.aes256, bits: 256 },
} as const;

const bytes = (max: number, min = 1): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max });
const key = fc
  .constantFrom(16 as const, 24 as const, 32 as const)
  .chain((size) => fc.tuple(fc.constant(size), bytes(size, size)));
const wholeBlocks = fc.integer({ min: 1, max: 90 }).chain((n) => bytes(n * BLOCK, n * BLOCK));
/** Lengths of the buffers of a list; the last one takes the rest. 0: no list. */
const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 5 });

function started(): QatDriver {
  const qat = new QatDriver({ ringPairs: 1 });
  qat.setUpPair(0, 10);
  return qat;
}

function ivFields(iv: Uint8Array): CryptoFields {
  const padded = new Uint8Array(BLOCK);
  padded.set(iv);
  const [iv0 = 0, iv1 = 0, iv2 = 0, iv3 = 0] = new Uint32Array(padded.buffer);
  return { iv0, iv1, iv2, iv3 };
}

/** Buffers of a list that cover `length` bytes behind each other with gaps in memory. */
function buffersOf(
  qat: QatDriver,
  base: number,
  length: number,
  lengths: readonly number[],
): readonly { readonly at: number; readonly bytes: number }[] {
  const buffers: { readonly at: number; readonly bytes: number }[] = [];
  let left = length;
  for (const wanted of [...lengths, length]) {
    const size = Math.min(wanted, left);
    if (size > 0) {
      buffers.push({
        at: qat.dataOf(0, base + (length - left) + buffers.length * 64),
        bytes: size,
      });
      left -= size;
    }
  }
  return buffers;
}

function storeList(
  qat: QatDriver,
  at: number,
  buffers: readonly { readonly at: number; readonly bytes: number }[],
): bigint {
  const words = new Uint32Array(4 + buffers.length * 4);
  words[2] = buffers.length;
  buffers.forEach((buffer, i) => {
    words.set([buffer.bytes, 0, buffer.at, 0], 4 + i * 4);
  });
  qat.store(qat.dataOf(0, at), bytesOf(words));
  return BigInt(qat.dataOf(0, at));
}

/** Puts data into memory, whole or in pieces, and gives request fields and a way to read the result. */
function place(
  qat: QatDriver,
  data: Uint8Array,
  lengths: readonly number[],
): { readonly fields: RequestFields; readonly output: () => Buffer } {
  const input = buffersOf(qat, SOURCE, data.length, lengths);
  const output = buffersOf(qat, TARGET, data.length, lengths);
  let from = 0;
  for (const { at, bytes: size } of input) {
    qat.store(at, data.subarray(from, from + size));
    from += size;
  }
  const isList = lengths.length > 0;
  return {
    fields: {
      isList: isList ? 1 : 0,
      source: isList ? storeList(qat, SOURCE_LIST, input) : BigInt(qat.dataOf(0, SOURCE)),
      destination: isList ? storeList(qat, TARGET_LIST, output) : BigInt(qat.dataOf(0, TARGET)),
      length: data.length,
    },
    output: () => Buffer.concat(output.map((buffer) => qat.load(buffer.at, buffer.bytes))),
  };
}

describe('symmetric cryptography', () => {
  it('encrypts and decrypts AES-CBC as Node does', () => {
    checkProperty(
      fc.property(
        key,
        bytes(BLOCK, BLOCK),
        wholeBlocks,
        cuts,
        ([size, secret], iv, plain, lengths) => {
          const qat = started();
          const { algorithm, bits } = AES[size];
          const cipher = createCipheriv(`aes-${bits}-cbc`, secret, iv).setAutoPadding(false);
          const expected = Buffer.concat([cipher.update(plain), cipher.final()]);
          const { fields, output } = place(qat, plain, lengths);
          const header = { cipherAlgorithm: algorithm, cipherMode: CIPHER_MODE.cbc };
          const request = { service: SERVICE.crypto, command: CRYPTO_COMMAND.cipher, ...fields };
          const response = qat.execute(
            0,
            { ...request, ...qat.content(0, header, secret) },
            ivFields(iv),
          );
          expect([response.cryptoError, response.unsupported, response.invalidParameter]).toEqual([
            0, 0, 0,
          ]);
          expect(output()).toEqual(expected);
          const back = place(qat, expected, lengths);
          qat.execute(
            0,
            { ...request, ...back.fields, ...qat.content(0, { ...header, isDecrypt: 1 }, secret) },
            ivFields(iv),
          );
          expect(back.output()).toEqual(Buffer.from(plain));
        },
      ),
    );
  });

  it('seals AES-GCM so that Node can open it', () => {
    checkProperty(
      fc.property(
        key,
        bytes(12, 12),
        bytes(1500),
        bytes(64, 0),
        cuts,
        ([size, secret], iv, plain, aad, lengths) => {
          const qat = started();
          const { algorithm, bits } = AES[size];
          const { fields, output } = place(qat, plain, lengths);
          qat.store(qat.dataOf(0, AAD), aad);
          const header = { cipherAlgorithm: algorithm, cipherMode: CIPHER_MODE.gcm };
          qat.execute(
            0,
            {
              service: SERVICE.crypto,
              command: CRYPTO_COMMAND.cipher,
              ...fields,
              ...qat.content(0, header, secret),
            },
            {
              ...ivFields(iv),
              aad: BigInt(qat.dataOf(0, AAD)),
              aadBytes: aad.length,
              digest: BigInt(qat.dataOf(0, DIGEST)),
            },
          );
          const opener = createDecipheriv(`aes-${bits}-gcm`, secret, iv);
          opener.setAAD(aad);
          opener.setAuthTag(qat.load(qat.dataOf(0, DIGEST), TAG_BYTES));
          const opened = Buffer.concat([opener.update(output()), opener.final()]);
          expect(opened).toEqual(Buffer.from(plain));
        },
      ),
    );
  });

  it('hashes as Node does', () => {
    const names = Object.entries(HASH_ALGORITHM);
    checkProperty(
      fc.property(
        fc.constantFrom(...names),
        bytes(2000),
        cuts,
        ([name, algorithm], data, lengths) => {
          const qat = started();
          const expected = createHash(name).update(data).digest();
          const { fields } = place(qat, data, lengths);
          qat.execute(
            0,
            {
              service: SERVICE.crypto,
              command: CRYPTO_COMMAND.auth,
              ...fields,
              ...qat.content(0, { hashAlgorithm: algorithm }),
            },
            { digest: BigInt(qat.dataOf(0, DIGEST)), digestBytes: expected.length },
          );
          expect(Buffer.from(qat.load(qat.dataOf(0, DIGEST), expected.length))).toEqual(expected);
        },
      ),
    );
  });
});

describe('compression', () => {
  /** Data with repetitions, so that there is something to gain. */
  const text = fc
    .tuple(bytes(40), fc.integer({ min: 1, max: 60 }), bytes(40))
    .map(([part, count, end]) =>
      Uint8Array.from(Buffer.concat([...Array<Uint8Array>(count).fill(part), end])),
    );

  it('deflates to a stream that Node inflates, and inflates it back', () => {
    const commands = [COMPRESSION_COMMAND.staticDeflate, COMPRESSION_COMMAND.dynamicDeflate];
    checkProperty(
      fc.property(text, fc.constantFrom(...commands), (plain, command) => {
        const qat = started();
        const request = (input: Uint8Array, code: number, room: number): RequestFields => {
          qat.store(qat.dataOf(0, SOURCE), input);
          return {
            service: SERVICE.compression,
            command: code,
            source: BigInt(qat.dataOf(0, SOURCE)),
            destination: BigInt(qat.dataOf(0, TARGET)),
            offset: input.length,
            length: room,
          };
        };
        const deflated = qat.execute(0, request(plain, command, 0x3000));
        const stream = qat.load(qat.dataOf(0, TARGET), deflated.bytesOut);
        expect(inflateRawSync(stream)).toEqual(Buffer.from(plain));
        expect(deflated).toMatchObject({ bytesIn: plain.length, crc32: crc32(plain) });
        const inflated = qat.execute(
          0,
          request(stream, COMPRESSION_COMMAND.decompress, plain.length),
        );
        expect(inflated).toMatchObject({ bytesOut: plain.length, adler32: deflated.adler32 });
        expect(qat.load(qat.dataOf(0, TARGET), plain.length)).toEqual(plain);
      }),
    );
  });
});

describe('snapshot and restore', () => {
  type Step =
    | { readonly kind: 'submit'; readonly pair: number; readonly opaque: number }
    | { readonly kind: 'enable'; readonly pair: number; readonly rings: number }
    | { readonly kind: 'coalesce'; readonly pair: number; readonly count: number }
    | { readonly kind: 'collect' | 'reset'; readonly pair: number }
    | { readonly kind: 'run'; readonly ns: number };

  const pair = fc.nat({ max: 2 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('submit' as const),
        pair,
        opaque: fc.nat({ max: 1000 }),
      }),
    },
    fc.record({ kind: fc.constant('enable' as const), pair, rings: fc.nat({ max: 3 }) }),
    fc.record({ kind: fc.constant('coalesce' as const), pair, count: fc.nat({ max: 40 }) }),
    fc.record({ kind: fc.constantFrom('collect' as const, 'reset' as const), pair }),
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('run' as const), ns: fc.nat({ max: 6_000 }) }),
    },
  );

  function apply(qat: QatDriver, action: Step): void {
    switch (action.kind) {
      case 'submit':
        qat.submit(action.pair, { service: SERVICE.nothing, opaque: BigInt(action.opaque) });
        break;
      case 'enable':
        qat.set(action.pair, 0x184, action.rings);
        break;
      case 'coalesce':
        qat.set(action.pair, 0x180, 0x8000_0000 + action.count);
        break;
      case 'collect':
        qat.responses(action.pair);
        break;
      case 'reset':
        qat.set(action.pair, 0x1100, 1);
        qat.setUpPair(action.pair);
        break;
      default:
        qat.run(action.ns);
    }
  }

  /** The log goes on where the device goes back: records of doorbells count from the start of a replay. */
  function withRelativeDoorbells(state: QatState, saved: number, from: number): QatState {
    const pairs = state.pairs.map((pair) => ({
      ...pair,
      doorbell: pair.doorbell < saved ? pair.doorbell : pair.doorbell - from + saved,
    }));
    return { ...state, pairs };
  }

  it('have the same future', () => {
    checkProperty(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.array(step, { maxLength: 40 }),
        (before, after) => {
          const qat = new QatDriver({ ringPairs: 3 });
          [0, 1, 2].forEach((index) => {
            qat.setUpPair(index, 10 + index);
          });
          before.forEach((action) => {
            apply(qat, action);
          });
          const saved = structuredClone({
            device: qat.device.snapshot(),
            queue: qat.queue.snapshot(),
            memory: qat.port.memory,
            driver: qat.snapshot(),
            interrupts: qat.port.interrupts.length,
          });
          const saveHead = qat.trace.head;
          const replay = () => {
            const from = qat.trace.head;
            after.forEach((action) => {
              apply(qat, action);
            });
            qat.run();
            const { interrupts } = qat.port;
            return structuredClone({
              device: withRelativeDoorbells(qat.device.snapshot(), saveHead, from),
              interrupts: interrupts.slice(saved.interrupts),
              memory: Buffer.from(qat.port.memory),
            });
          };
          const first = replay();
          qat.device.restore(saved.device);
          qat.queue.restore(saved.queue);
          qat.port.memory.set(saved.memory);
          qat.restore(saved.driver);
          qat.port.interrupts.length = saved.interrupts;
          expect(qat.device.snapshot()).toEqual(saved.device);
          const second = replay();
          expect(second.device).toEqual(first.device);
          expect(second.interrupts).toEqual(first.interrupts);
          expect(Buffer.compare(second.memory, first.memory)).toBe(0);
        },
      ),
    );
  });
});
