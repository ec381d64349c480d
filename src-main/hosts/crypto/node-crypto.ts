/** Cryptography and compression of Node for the simulated accelerator; synchronous, and the same for the same arguments. */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import type { CipherRequest, CryptoPort } from '../../services/ports.ts';

const NOTHING = new Uint8Array(0);

function gcmName(key: Uint8Array): 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm' {
  return `aes-${(key.length * 8) as 128 | 192 | 256}-gcm`;
}

function cbcName(key: Uint8Array): string {
  return `aes-${key.length * 8}-cbc`;
}

function encrypt({ cipher, key, iv, data, aad }: CipherRequest): ReturnType<CryptoPort['encrypt']> {
  if (cipher === 'aes-gcm') {
    const gcm = createCipheriv(gcmName(key), key, iv);
    gcm.setAAD(aad);
    const output = Buffer.concat([gcm.update(data), gcm.final()]);
    return { data: output, tag: gcm.getAuthTag() };
  }
  const cbc = createCipheriv(cbcName(key), key, iv).setAutoPadding(false);
  return { data: Buffer.concat([cbc.update(data), cbc.final()]), tag: NOTHING };
}

function decrypt(
  { cipher, key, iv, data, aad }: CipherRequest,
  tag: Uint8Array,
): Uint8Array | undefined {
  if (cipher === 'aes-cbc') {
    const cbc = createDecipheriv(cbcName(key), key, iv).setAutoPadding(false);
    return Buffer.concat([cbc.update(data), cbc.final()]);
  }
  const gcm = createDecipheriv(gcmName(key), key, iv);
  gcm.setAAD(aad);
  gcm.setAuthTag(tag);
  const output = gcm.update(data);
  try {
    return Buffer.concat([output, gcm.final()]);
  } catch {
    return undefined;
  }
}

function inflate(data: Uint8Array, room: number): ReturnType<CryptoPort['inflate']> {
  try {
    const { buffer, engine } = inflateRawSync(data, {
      maxOutputLength: room,
      info: true,
    }) as unknown as {
      readonly buffer: Uint8Array;
      readonly engine: { readonly bytesWritten: number };
    };
    return { kind: 'data', data: buffer, consumed: engine.bytesWritten };
  } catch (error) {
    const isTooLong = error instanceof RangeError;
    return { kind: isTooLong ? 'overflow' : 'bad-data' };
  }
}

export const nodeCrypto: CryptoPort = {
  encrypt,
  decrypt,
  hash: (name, data) => createHash(name).update(data).digest(),
  deflate: (data, isDynamic) =>
    deflateRawSync(data, {
      level: constants.Z_BEST_COMPRESSION,
      strategy: isDynamic ? constants.Z_DEFAULT_STRATEGY : constants.Z_FIXED,
    }),
  inflate,
};
