/**
 * Symmetric cryptography: AES-CBC, AES-GCM and SHA. Which fields a request needs follows qatlib icp_qat_fw_la.h; the
 * computation itself is the host's (`CryptoPort`).
 *
 * Not modelled: chained cipher and hash, other ciphers and protocols, partial packets, HMAC, single-pass and in-buffer
 * digests. They end as unsupported.
 */
import { bigOf } from '../../../bits/u64.ts';
import {
  CIPHER_ALGORITHM,
  CIPHER_MODE,
  CRYPTO_COMMAND,
  CRYPTO_FLAG,
  CRYPTO_PROTOCOL,
  HASH_ALGORITHM,
  QatContentHeader,
  type QatCryptoParameters,
  type QatRequest,
} from '../../../spec/qat/messages.ts';
import type { CipherName, CryptoPort, HashName } from './crypto-port.ts';
import { INVALID, SUCCESS, UNSUPPORTED, type Outcome } from './outcome.ts';
import type { RequestMemory } from './request-memory.ts';

type FieldsOf<S> = S extends { decode(...args: never[]): infer V } ? V : never;
export type RequestValues = FieldsOf<typeof QatRequest>;
export type CryptoValues = FieldsOf<typeof QatCryptoParameters>;
type ContentValues = FieldsOf<typeof QatContentHeader>;

const BLOCK_BYTES = 16;
const GCM_IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = new Map<number, number>([
  [CIPHER_ALGORITHM.aes128, 16],
  [CIPHER_ALGORITHM.aes192, 24],
  [CIPHER_ALGORITHM.aes256, 32],
]);
const CIPHERS = new Map<number, CipherName>([
  [CIPHER_MODE.cbc, 'aes-cbc'],
  [CIPHER_MODE.gcm, 'aes-gcm'],
]);
const HASHES = new Map<number, HashName>([
  [HASH_ALGORITHM.sha1, 'sha1'],
  [HASH_ALGORITHM.sha224, 'sha224'],
  [HASH_ALGORITHM.sha256, 'sha256'],
  [HASH_ALGORITHM.sha384, 'sha384'],
  [HASH_ALGORITHM.sha512, 'sha512'],
]);
/** A page of the request was not there. */
const FAULT: Outcome = { cryptoError: true, errorCode: -17 };
const MISMATCH: Outcome = { cryptoError: true };

export function runCrypto(
  port: CryptoPort,
  memory: RequestMemory,
  request: RequestValues,
  parameters: CryptoValues,
): Outcome {
  if (asksForMore(request.serviceFlags)) {
    return UNSUPPORTED;
  }
  if (request.contentQuads === 0 || !isWithinLengths(request)) {
    return INVALID;
  }
  const content = memory.read(request.contentDescriptor, request.contentQuads * 8);
  if (content === undefined) {
    return FAULT;
  }
  const header = QatContentHeader.decode(new Uint32Array(content.buffer, 0, 2));
  const data = memory.gather(request.source, request.isList === 1, request.offset, request.length);
  if (data === undefined) {
    return FAULT;
  }
  switch (request.command) {
    case CRYPTO_COMMAND.cipher:
      return runCipher({ port, memory, request, parameters, header, content, data });
    case CRYPTO_COMMAND.auth: {
      const name = HASHES.get(header.hashAlgorithm);
      return name === undefined || header.hashMode !== 0
        ? UNSUPPORTED
        : finishDigest(memory, request, parameters, port.hash(name, data));
    }
    default:
      return UNSUPPORTED;
  }
}

/** Flags of what is not modelled. */
function asksForMore(flags: number): boolean {
  const { partialMask, updateState, protocolMask, digestInBuffer, zuc, singlePass } = CRYPTO_FLAG;
  const protocol = flags & protocolMask;
  return (
    (flags & (partialMask | updateState | digestInBuffer | zuc | singlePass)) !== 0 ||
    (protocol !== CRYPTO_PROTOCOL.none && protocol !== CRYPTO_PROTOCOL.gcm)
  );
}

/** Flat buffers may say how long they are. */
function isWithinLengths(request: RequestValues): boolean {
  const { isList, offset, length, sourceBytes, destinationBytes } = request;
  const fits = (bytes: number): boolean => bytes === 0 || offset + length <= bytes;
  return isList === 1 || (fits(sourceBytes) && fits(destinationBytes));
}

interface CipherParts {
  readonly port: CryptoPort;
  readonly memory: RequestMemory;
  readonly request: RequestValues;
  readonly parameters: CryptoValues;
  readonly header: ContentValues;
  readonly content: Uint8Array;
  readonly data: Uint8Array;
}

function runCipher(parts: CipherParts): Outcome {
  const { port, memory, request, parameters, header, content, data } = parts;
  const cipher = CIPHERS.get(header.cipherMode);
  const keyBytes = KEY_BYTES.get(header.cipherAlgorithm);
  if (cipher === undefined || keyBytes === undefined) {
    return UNSUPPORTED;
  }
  const isGcm = cipher === 'aes-gcm';
  const key = content.slice(QatContentHeader.bytes, QatContentHeader.bytes + keyBytes);
  const isAligned = isGcm || data.length % BLOCK_BYTES === 0;
  if (key.length !== keyBytes || !isAligned || data.length === 0) {
    return INVALID;
  }
  const aad = isGcm ? memory.read(parameters.aad, parameters.aadBytes) : new Uint8Array(0);
  if (aad === undefined) {
    return FAULT;
  }
  const iv = ivOf(memory, request, parameters)?.slice(0, isGcm ? GCM_IV_BYTES : BLOCK_BYTES);
  if (iv === undefined) {
    return FAULT;
  }
  const work = { cipher, key, iv, data, aad };
  if (header.isDecrypt === 0) {
    const { data: output, tag } = port.encrypt(work);
    const isStored =
      store(memory, request, output) && (!isGcm || memory.write(parameters.digest, tag));
    return isStored ? SUCCESS : FAULT;
  }
  const tag = isGcm ? memory.read(parameters.digest, TAG_BYTES) : new Uint8Array(0);
  if (tag === undefined) {
    return FAULT;
  }
  const output = port.decrypt(work, tag);
  if (output === undefined) {
    return MISMATCH;
  }
  return store(memory, request, output) ? SUCCESS : FAULT;
}

function store(memory: RequestMemory, request: RequestValues, output: Uint8Array): boolean {
  return memory.scatter(request.destination, request.isList === 1, request.offset, output);
}

/** Writes a hash, or compares it with the one in memory. */
function finishDigest(
  memory: RequestMemory,
  request: RequestValues,
  { digest, digestBytes }: CryptoValues,
  hash: Uint8Array,
): Outcome {
  if (digestBytes === 0 || digestBytes > hash.length) {
    return INVALID;
  }
  const result = hash.slice(0, digestBytes);
  if ((request.serviceFlags & CRYPTO_FLAG.compareDigest) === 0) {
    return memory.write(digest, result) ? SUCCESS : FAULT;
  }
  const expected = memory.read(digest, digestBytes);
  if (expected === undefined) {
    return FAULT;
  }
  return expected.every((byte, i) => byte === result[i]) ? SUCCESS : MISMATCH;
}

/** In the request, or where its first eight bytes point. */
function ivOf(
  memory: RequestMemory,
  { serviceFlags }: RequestValues,
  { iv0, iv1, iv2, iv3 }: CryptoValues,
): Uint8Array | undefined {
  if ((serviceFlags & CRYPTO_FLAG.ivPointer) !== 0) {
    return memory.read(bigOf(iv1, iv0), BLOCK_BYTES);
  }
  return new Uint8Array(Uint32Array.of(iv0, iv1, iv2, iv3).buffer);
}
