/** Services of the QAT-class accelerator with published test vectors, and the errors of bad requests. */
import { inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { adler32, crc32 } from '../../../../../src-main/sim/devices/qat/checksums.ts';
import {
  CIPHER_ALGORITHM,
  CIPHER_MODE,
  COMPRESSION_COMMAND,
  CRYPTO_COMMAND,
  HASH_ALGORITHM,
  SERVICE,
} from '../../../../../src-main/spec/qat/messages.ts';
import {
  bytesOf,
  hex,
  QatDriver,
  type CryptoFields,
  type RequestFields,
} from '../../../../support/qat-driver.ts';

const OUT = 0x4000;
const DIGEST = 0x6000;
const AAD = 0x7000;

function started(hasCrypto = true): QatDriver {
  const qat = new QatDriver({ ringPairs: 4 }, hasCrypto);
  qat.setUpPair(0, 10);
  return qat;
}

function ivFields(iv: Uint8Array): CryptoFields {
  const padded = new Uint8Array(16);
  padded.set(iv);
  const [iv0 = 0, iv1 = 0, iv2 = 0, iv3 = 0] = new Uint32Array(padded.buffer);
  return { iv0, iv1, iv2, iv3 };
}

function cryptoRequest(
  qat: QatDriver,
  data: Uint8Array,
  command: number = CRYPTO_COMMAND.cipher,
): RequestFields {
  qat.store(qat.dataOf(0), data);
  return {
    service: SERVICE.crypto,
    command,
    opaque: 0x1234_5678_9abcn,
    source: BigInt(qat.dataOf(0)),
    destination: BigInt(qat.dataOf(0, OUT)),
    length: data.length,
  };
}

function hexOf(data: Uint8Array): string {
  return Buffer.from(data).toString('hex');
}

// NIST SP 800-38A, F.2.1.
const CBC = {
  key: hex('2b7e151628aed2a6abf7158809cf4f3c'),
  iv: hex('000102030405060708090a0b0c0d0e0f'),
  plain: hex('6bc1bee22e409f96e93d7e117393172a'),
  cipher: '7649abac8119b246cee98e9b12e9197d',
};
// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 4.
const GCM = {
  key: hex('feffe9928665731c6d6a8f9467308308'),
  iv: hex('cafebabefacedbaddecaf888'),
  aad: hex('feedfacedeadbeeffeedfacedeadbeefabaddad2'),
  plain: hex(
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
  ),
  cipher:
    '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091',
  tag: '5bc94fbc3221a5db94fae95ae7121a47',
};
const AES = { cipherAlgorithm: CIPHER_ALGORITHM.aes128 };

function gcm(qat: QatDriver, isDecrypt: boolean): readonly [RequestFields, CryptoFields] {
  const request = cryptoRequest(qat, isDecrypt ? hex(GCM.cipher) : GCM.plain);
  qat.store(qat.dataOf(0, AAD), GCM.aad);
  const content = qat.content(
    0,
    { ...AES, cipherMode: CIPHER_MODE.gcm, isDecrypt: isDecrypt ? 1 : 0 },
    GCM.key,
  );
  const parameters = {
    ...ivFields(GCM.iv),
    aad: BigInt(qat.dataOf(0, AAD)),
    aadBytes: GCM.aad.length,
    digest: BigInt(qat.dataOf(0, DIGEST)),
  };
  return [{ ...request, ...content }, parameters];
}

describe('symmetric cryptography', () => {
  it.each([
    ['encrypts', 0, CBC.plain, CBC.cipher],
    ['decrypts', 1, hex(CBC.cipher), hexOf(CBC.plain)],
  ])('%s AES-CBC', (_, isDecrypt, input, expected) => {
    const qat = started();
    const content = qat.content(0, { ...AES, cipherMode: CIPHER_MODE.cbc, isDecrypt }, CBC.key);
    const response = qat.execute(0, { ...cryptoRequest(qat, input), ...content }, ivFields(CBC.iv));
    expect(hexOf(qat.load(qat.dataOf(0, OUT), 16))).toBe(expected);
    expect(response).toMatchObject({
      valid: 1,
      service: SERVICE.crypto,
      opaque: 0x1234_5678_9abcn,
      cryptoError: 0,
      unsupported: 0,
    });
  });

  it('encrypts AES-GCM with additional data and writes the tag', () => {
    const qat = started();
    const response = qat.execute(0, ...gcm(qat, false));
    expect(response.cryptoError).toBe(0);
    expect(hexOf(qat.load(qat.dataOf(0, OUT), GCM.plain.length))).toBe(GCM.cipher);
    expect(hexOf(qat.load(qat.dataOf(0, DIGEST), 16))).toBe(GCM.tag);
  });

  it.each([
    ['the right tag', GCM.tag, 0],
    ['a wrong tag', GCM.tag.replace('5b', '5c'), 1],
  ])('decrypts AES-GCM with %s', (_, tag, cryptoError) => {
    const qat = started();
    qat.store(qat.dataOf(0, DIGEST), hex(tag));
    const response = qat.execute(0, ...gcm(qat, true));
    expect(response.cryptoError).toBe(cryptoError);
    const output = hexOf(qat.load(qat.dataOf(0, OUT), GCM.plain.length));
    expect(output === hexOf(GCM.plain)).toBe(cryptoError === 0);
  });

  it.each([
    [HASH_ALGORITHM.sha1, 20, 'a9993e364706816aba3e25717850c26c9cd0d89d'],
    [HASH_ALGORITHM.sha256, 32, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  ])('hashes (algorithm %i), and compares', (hashAlgorithm, digestBytes, digest) => {
    const qat = started();
    const request = {
      ...cryptoRequest(qat, new TextEncoder().encode('abc'), CRYPTO_COMMAND.auth),
      ...qat.content(0, { hashAlgorithm }),
    };
    const parameters = { digest: BigInt(qat.dataOf(0, DIGEST)), digestBytes };
    qat.execute(0, request, parameters);
    expect(hexOf(qat.load(qat.dataOf(0, DIGEST), digestBytes))).toBe(digest);
    expect(qat.execute(0, { ...request, serviceFlags: 0x40 }, parameters).cryptoError).toBe(0);
    qat.store(qat.dataOf(0, DIGEST), Uint8Array.of(0));
    expect(qat.execute(0, { ...request, serviceFlags: 0x40 }, parameters).cryptoError).toBe(1);
  });
});

describe('what requests ask for beyond that', () => {
  const cbc = (qat: QatDriver): RequestFields => ({
    ...cryptoRequest(qat, CBC.plain),
    ...qat.content(0, { ...AES, cipherMode: CIPHER_MODE.cbc }, CBC.key),
  });

  it('may be an initialization vector in memory', () => {
    const qat = started();
    const at = qat.dataOf(0, AAD);
    qat.store(at, CBC.iv);
    qat.execute(0, { ...cbc(qat), serviceFlags: 0x4 }, { iv0: at });
    expect(hexOf(qat.load(qat.dataOf(0, OUT), 16))).toBe(CBC.cipher);
    const other = started();
    other.port.unmap(10, at);
    expect(other.execute(0, { ...cbc(other), serviceFlags: 0x4 }, { iv0: at }).cryptoError).toBe(1);
  });

  it.each([
    ['a part of a packet', 0x1],
    ['a state to keep', 0x10],
    ['CCM', 0x80],
    ['SNOW 3G', 0x200],
    ['a digest behind the data', 0x400],
    ['ZUC', 0x1000],
    ['a single pass', 0x2000],
  ])('is unsupported when it is %s', (_, serviceFlags) => {
    const qat = started();
    const response = qat.execute(0, { ...cbc(qat), serviceFlags }, ivFields(CBC.iv));
    expect([response.unsupported, response.invalidParameter]).toEqual([1, 0]);
    expect(hexOf(qat.load(qat.dataOf(0, OUT), 16))).toBe('00'.repeat(16));
  });

  it('is unsupported when it is an authentication with a key', () => {
    const qat = started();
    const content = { hashAlgorithm: HASH_ALGORITHM.sha256, hashMode: 1 };
    const request = {
      ...cryptoRequest(qat, CBC.plain, CRYPTO_COMMAND.auth),
      ...qat.content(0, content),
    };
    const parameters = { digest: BigInt(qat.dataOf(0, DIGEST)), digestBytes: 32 };
    expect(qat.execute(0, request, parameters).unsupported).toBe(1);
  });

  it('must lie within the lengths it gives', () => {
    const qat = started();
    const short = { ...cbc(qat), sourceBytes: 15, destinationBytes: 16 };
    expect(qat.execute(0, short, ivFields(CBC.iv)).invalidParameter).toBe(1);
    const whole = { ...short, sourceBytes: 16 };
    expect(qat.execute(0, whole, ivFields(CBC.iv)).invalidParameter).toBe(0);
    const narrow = { ...whole, destinationBytes: 15 };
    expect(qat.execute(0, narrow, ivFields(CBC.iv)).invalidParameter).toBe(1);
  });
});

describe('compression', () => {
  const text = new TextEncoder().encode('abcabcabcabcabcabcabcabcabcabc 123456789 '.repeat(50));

  function compression(
    qat: QatDriver,
    input: Uint8Array,
    command: number,
    room: number,
  ): RequestFields {
    qat.store(qat.dataOf(0), input);
    return {
      service: SERVICE.compression,
      command,
      source: BigInt(qat.dataOf(0)),
      destination: BigInt(qat.dataOf(0, OUT)),
      offset: input.length,
      length: room,
    };
  }

  it.each([COMPRESSION_COMMAND.staticDeflate, COMPRESSION_COMMAND.dynamicDeflate])(
    'deflates (command %i) and inflates back',
    (command) => {
      const qat = started();
      const deflated = qat.execute(0, compression(qat, text, command, 4000));
      expect(deflated).toMatchObject({
        compressionError: 0,
        bytesIn: text.length,
        crc32: crc32(text),
      });
      expect(deflated.bytesOut).toBeLessThan(200);
      const stream = qat.load(qat.dataOf(0, OUT), deflated.bytesOut);
      const inflated = qat.execute(
        0,
        compression(qat, stream, COMPRESSION_COMMAND.decompress, 4000),
      );
      expect(inflated).toMatchObject({
        bytesIn: stream.length,
        bytesOut: text.length,
        adler32: adler32(text),
      });
      expect(qat.load(qat.dataOf(0, OUT), text.length)).toEqual(text);
    },
  );

  it.each([
    ['too little room for the stream', text, COMPRESSION_COMMAND.dynamicDeflate, 10, -11],
    [
      'data that are no stream',
      Uint8Array.of(0xff, 0xff, 0xff),
      COMPRESSION_COMMAND.decompress,
      100,
      -1,
    ],
  ])('reports %s', (_, input, command, room, code) => {
    const qat = started();
    const response = qat.execute(0, compression(qat, input, command, room));
    expect(response).toMatchObject({ compressionError: 1, errorCode: code & 0xff });
  });

  it('verifies what it compressed when asked, and says so', () => {
    const qat = started();
    const request = compression(qat, text, COMPRESSION_COMMAND.dynamicDeflate, 4000);
    expect(qat.execute(0, request, {}, { verify: 1 })).toMatchObject({
      compressionError: 0,
      verified: 1,
      recovered: 0,
    });
  });

  it('reports a stream that does not come back, as a fault that is injected makes one', () => {
    const qat = started();
    const request = compression(qat, text, COMPRESSION_COMMAND.dynamicDeflate, 4000);
    expect(qat.execute(0, request, {}, { verify: 1, injectFault: 1 })).toMatchObject({
      compressionError: 1,
      errorCode: -18 & 0xff,
      verified: 1,
    });
    expect(qat.load(qat.dataOf(0, OUT), 4).every((byte) => byte === 0)).toBe(true);
  });

  it('falls back to stored blocks when it may recover', () => {
    const qat = started();
    const long = new Uint8Array(100_000).map((_, i) => i * 7);
    const request = compression(qat, long, COMPRESSION_COMMAND.dynamicDeflate, 2 ** 18);
    const options = { verify: 1, recover: 1, injectFault: 1 };
    const response = qat.execute(0, { ...request, destination: 0x40_0000n }, {}, options);
    expect(response).toMatchObject({ compressionError: 0, verified: 1, recovered: 1, stored: 1 });
    const stream = qat.load(0x40_0000, response.bytesOut);
    expect(inflateRawSync(stream)).toEqual(Buffer.from(long));
    const tight = qat.execute(0, { ...request, length: long.length }, {}, options);
    expect(tight.errorCode).toBe(-11 & 0xff);
  });

  it.each([
    ['end-to-end CRC', { endToEndCrc: 1 }],
    ['xxHash', { xxHash: 1 }],
    ['a CRC behind the data', { appendCrc: 1 }],
    ['no data', { dropData: 1 }],
    ['a part of a stream', { partial: 1 }],
    ['an LZ4 CRC', { lz4Crc: 1 }],
    ['a dictionary', { dictionaryBytes: 10 }],
  ])('is unsupported with %s', (_, options) => {
    const qat = started();
    const request = compression(qat, text, COMPRESSION_COMMAND.dynamicDeflate, 4000);
    expect(qat.execute(0, request, {}, options).unsupported).toBe(1);
  });

  it('reports too little room for the text', () => {
    const qat = started();
    const deflated = qat.execute(
      0,
      compression(qat, text, COMPRESSION_COMMAND.dynamicDeflate, 4000),
    );
    const stream = qat.load(qat.dataOf(0, OUT), deflated.bytesOut);
    const response = qat.execute(0, compression(qat, stream, COMPRESSION_COMMAND.decompress, 100));
    expect(response.errorCode).toBe(-11 & 0xff);
  });

  it('has the checksums of the standard', () => {
    const digits = new TextEncoder().encode('123456789');
    expect([crc32(digits), adler32(digits)]).toEqual([0xcbf4_3926, 0x091e_01de]);
  });
});

describe('a bad request', () => {
  it.each<[string, Partial<RequestFields>, 'invalidParameter' | 'unsupported']>([
    ['without the valid bit', { valid: 0 }, 'invalidParameter'],
    ['for an unknown service', { service: 3 }, 'unsupported'],
    ['for an unknown command', { command: 9 }, 'unsupported'],
    ['longer than the device takes', { length: 2 ** 21 }, 'invalidParameter'],
    ['without content descriptor', { contentQuads: 0 }, 'invalidParameter'],
    ['of no whole blocks', { length: 15 }, 'invalidParameter'],
  ])('%s is answered with its error bit', (_, change, bit) => {
    const qat = started();
    const content = qat.content(0, { ...AES, cipherMode: CIPHER_MODE.cbc }, CBC.key);
    const request = { ...cryptoRequest(qat, CBC.plain), ...content, ...change };
    const response = qat.execute(0, request, ivFields(CBC.iv));
    expect(response[bit]).toBe(1);
    expect(qat.device.pairs[0]?.counters.errors).toBe(1);
  });

  it('for an unknown cipher is unsupported', () => {
    const qat = started();
    const content = qat.content(0, { cipherAlgorithm: 9, cipherMode: CIPHER_MODE.cbc }, CBC.key);
    const response = qat.execute(0, { ...cryptoRequest(qat, CBC.plain), ...content });
    expect(response.unsupported).toBe(1);
  });

  it('with data that are not there ends with an endpoint error', () => {
    const qat = started();
    const content = qat.content(0, { ...AES, cipherMode: CIPHER_MODE.cbc }, CBC.key);
    const request = cryptoRequest(qat, CBC.plain);
    qat.port.unmap(10, qat.dataOf(0, OUT));
    const response = qat.execute(0, { ...request, ...content }, ivFields(CBC.iv));
    expect(response).toMatchObject({ cryptoError: 1, errorCode: -17 & 0xff });
  });

  it('is any request of a service when the host lends no cryptography', () => {
    const qat = started(false);
    expect(qat.device.hasServices).toBe(false);
    expect(qat.execute(0, cryptoRequest(qat, CBC.plain)).unsupported).toBe(1);
    expect(qat.execute(0, { service: SERVICE.nothing }).unsupported).toBe(0);
  });
});

describe('a buffer list', () => {
  it('is gathered and scattered', () => {
    const qat = started();
    const list = (at: number, buffers: readonly (readonly [number, number])[]): bigint => {
      const words = new Uint32Array(4 + buffers.length * 4);
      words[2] = buffers.length;
      buffers.forEach(([address, bytes], i) => words.set([bytes, 0, address, 0], 4 + i * 4));
      qat.store(at, bytesOf(words));
      return BigInt(at);
    };
    qat.store(qat.dataOf(0, 0x100), CBC.plain.slice(0, 6));
    qat.store(qat.dataOf(0, 0x200), CBC.plain.slice(6));
    const source = list(qat.dataOf(0, 0x1000), [
      [qat.dataOf(0, 0x100), 6],
      [qat.dataOf(0, 0x200), 10],
    ]);
    const destination = list(qat.dataOf(0, 0x1100), [
      [qat.dataOf(0, 0x300), 3],
      [qat.dataOf(0, 0x400), 13],
    ]);
    const content = qat.content(0, { ...AES, cipherMode: CIPHER_MODE.cbc }, CBC.key);
    const request = {
      service: SERVICE.crypto,
      command: 0,
      isList: 1,
      source,
      destination,
      length: 16,
    };
    qat.execute(0, { ...request, ...content }, ivFields(CBC.iv));
    const output = [...qat.load(qat.dataOf(0, 0x300), 3), ...qat.load(qat.dataOf(0, 0x400), 13)];
    expect(hexOf(Uint8Array.from(output))).toBe(CBC.cipher);
    const tooLong = qat.execute(0, { ...request, ...content, length: 32 }, ivFields(CBC.iv));
    expect(tooLong.cryptoError).toBe(1);
  });
});
