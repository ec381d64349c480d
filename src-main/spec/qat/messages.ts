/**
 * Requests and responses of the QAT-class accelerator. Common words as in qatlib icp_qat_fw.h; of the service parameters
 * those that the model executes (icp_qat_fw_la.h, icp_qat_fw_comp.h, generation 2 layout of authenticated ciphers).
 *
 * The content descriptor is this model's choice in one point: cipher key and, for authentication, key follow the two
 * configuration words directly, without the firmware's slice chaining.
 */
import { address, bit, bits, ignored, reserved } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { linux } from '../source.ts';

const SOURCE = linux('drivers/crypto/intel/qat/qat_common/icp_qat_fw.h');

export const REQUEST_BYTES = 128;
export const RESPONSE_BYTES = 32;

export const SERVICE = { nothing: 0, crypto: 4, compression: 9 } as const;
export const CRYPTO_COMMAND = { cipher: 0, auth: 1 } as const;
export const COMPRESSION_COMMAND = { staticDeflate: 0, dynamicDeflate: 1, decompress: 2 } as const;
export const CIPHER_ALGORITHM = { aes128: 3, aes192: 4, aes256: 5 } as const;
export const CIPHER_MODE = { cbc: 1, ctr: 2, gcm: 4 } as const;
export const HASH_ALGORITHM = { sha1: 1, sha224: 3, sha256: 4, sha384: 5, sha512: 6 } as const;

/** The first 64 bytes, common to all services. */
export const QatRequest = defineStructure({
  name: 'QatRequestHeader',
  title: 'Request, common part',
  bytes: 64,
  source: SOURCE,
  fields: {
    _r0: reserved(7, 0),
    command: bits(15, 8, 'Command', { note: 'Within the service.' }),
    service: bits(23, 16, 'Service', { values: { nothing: 0, crypto: 4, compression: 9 } }),
    _r24: reserved(30, 24),
    valid: bit(31, 'Valid', { note: 'Must be 1.' }),
    serviceFlags: bits(47, 32, 'Service flags', { format: 'hex' }),
    isList: bit(48, 'Buffer list', { note: 'Source and destination are lists of buffers.' }),
    _r49: ignored(63, 49, 'Further flags'),
    contentDescriptor: address(127, 64, 'Content Descriptor Address', { shift: 0 }),
    _r128: ignored(143, 128),
    contentQuads: bits(151, 144, 'Content Descriptor Size', { note: 'In quadwords.' }),
    _r152: ignored(191, 152),
    opaque: address(255, 192, 'Opaque value', { shift: 0, note: 'Comes back in the response.' }),
    source: address(319, 256, 'Source Address', { shift: 0 }),
    destination: address(383, 320, 'Destination Address', { shift: 0 }),
    sourceBytes: bits(415, 384, 'Source Length', { format: 'decimal' }),
    destinationBytes: bits(447, 416, 'Destination Length', { format: 'decimal' }),
    offset: bits(479, 448, 'Offset', {
      format: 'decimal',
      note: 'Crypto: where the operation starts. Compression: input length.',
    }),
    length: bits(511, 480, 'Length', {
      format: 'decimal',
      note: 'Crypto: bytes of the operation. Compression: room for the output.',
    }),
  },
});

/** The second 64 bytes of a crypto request. */
export const QatCryptoParameters = defineStructure({
  name: 'QatCryptoParameters',
  title: 'Request, crypto parameters',
  bytes: 64,
  source: linux('drivers/crypto/intel/qat/qat_common/icp_qat_fw_la.h'),
  fields: {
    iv0: bits(31, 0, 'Initialization vector, bytes 3:0', { format: 'hex' }),
    iv1: bits(63, 32, 'Initialization vector, bytes 7:4', { format: 'hex' }),
    iv2: bits(95, 64, 'Initialization vector, bytes 11:8', { format: 'hex' }),
    iv3: bits(127, 96, 'Initialization vector, bytes 15:12', { format: 'hex' }),
    aad: address(191, 128, 'Additional Data Address', { shift: 0 }),
    digest: address(255, 192, 'Digest Address', { shift: 0, note: 'Tag or hash.' }),
    aadBytes: bits(271, 256, 'Additional Data Size', { format: 'decimal' }),
    _r272: ignored(279, 272),
    digestBytes: bits(287, 280, 'Digest Size', { format: 'decimal' }),
    _r288: ignored(511, 288),
  },
});

/** Configuration words at the start of a content descriptor; keys follow. */
export const QatContentHeader = defineStructure({
  name: 'QatContentHeader',
  title: 'Content Descriptor, configuration words',
  bytes: 8,
  source: linux('drivers/crypto/intel/qat/qat_common/icp_qat_hw.h'),
  fields: {
    cipherAlgorithm: bits(3, 0, 'Cipher', { values: { aes128: 3, aes192: 4, aes256: 5 } }),
    cipherMode: bits(7, 4, 'Mode', { values: { cbc: 1, ctr: 2, gcm: 4 } }),
    isDecrypt: bit(8, 'Decrypt'),
    _r9: ignored(31, 9),
    hashAlgorithm: bits(35, 32, 'Hash', {
      values: { sha1: 1, sha224: 3, sha256: 4, sha384: 5, sha512: 6 },
    }),
    _r36: ignored(63, 36),
  },
});

export const QatResponse = defineStructure({
  name: 'QatResponse',
  title: 'Response',
  bytes: RESPONSE_BYTES,
  source: SOURCE,
  fields: {
    _r0: reserved(7, 0),
    service: bits(15, 8, 'Service'),
    type: bits(23, 16, 'Type'),
    _r24: reserved(30, 24),
    valid: bit(31, 'Valid', { note: 'The empty marker has 0 here.' }),
    _r32: reserved(39, 32),
    errorCode: bits(47, 40, 'Error code', { note: 'Signed; compression only.' }),
    _r48: reserved(48),
    invalidParameter: bit(49, 'Invalid parameter'),
    unsupported: bit(50, 'Unsupported request'),
    endOfLastBlock: bit(51, 'End of last block'),
    _r52: reserved(52),
    compressionError: bit(53, 'Compression error'),
    _r54: reserved(54),
    cryptoError: bit(55, 'Crypto error', { note: 'A digest did not match.' }),
    command: bits(63, 56, 'Command'),
    opaque: address(127, 64, 'Opaque value', { shift: 0 }),
    bytesIn: bits(159, 128, 'Bytes consumed', { format: 'decimal', note: 'Compression only.' }),
    bytesOut: bits(191, 160, 'Bytes produced', { format: 'decimal', note: 'Compression only.' }),
    crc32: bits(223, 192, 'CRC32', { format: 'hex', note: 'Of the uncompressed data.' }),
    adler32: bits(255, 224, 'Adler32', { format: 'hex', note: 'Of the uncompressed data.' }),
  },
});

/** Compression error codes. */
export const COMPRESSION_ERROR = { none: 0, badData: -1, overflow: -11, fatal: -13 } as const;
