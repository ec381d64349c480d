/**
 * Requests and responses of the QAT-class accelerator. Common words as in qatlib icp_qat_fw.h; of the service parameters
 * those that the model executes or has to refuse (icp_qat_fw_la.h, icp_qat_fw_comp.h, generation 2 layout of authenticated
 * ciphers).
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

/** Service flags of a crypto request. */
export const CRYPTO_FLAG = {
  partialMask: 0x3,
  ivPointer: 0x4,
  updateState: 0x10,
  compareDigest: 0x40,
  protocolMask: 0x380,
  digestInBuffer: 0x400,
  zuc: 0x1000,
  singlePass: 0x2000,
} as const;
/** Protocols in bits 9:7. */
export const CRYPTO_PROTOCOL = { none: 0, gcm: 0x100 } as const;

const flag = (index: number, title: string, note: string) => bit(index, title, { note });

/** The second 64 bytes of a compression request. */
export const QatCompressionParameters = defineStructure({
  name: 'QatCompressionParameters',
  title: 'Request, compression parameters',
  bytes: 64,
  source: linux('drivers/crypto/intel/qat/qat_common/icp_qat_fw_comp.h'),
  fields: {
    _r0: ignored(63, 0, 'Initial checksums'),
    startOfPacket: flag(64, 'Start of packet', 'The stream begins: always so here.'),
    endOfPacket: flag(65, 'End of packet', 'The stream ends: always so here.'),
    _r66: ignored(69, 66),
    finalBlock: flag(70, 'BFINAL', 'The last block is marked: always so here.'),
    _r71: ignored(79, 71),
    verify: flag(80, 'Compress and verify', 'What was compressed is inflated and compared.'),
    recover: flag(81, 'Verify with recovery', 'Stored blocks when it does not come back.'),
    injectFault: flag(82, 'Fault injection', 'Makes the verification fail.'),
    endToEndCrc: flag(83, 'End-to-end CRC', 'Not supported here.'),
    xxHash: flag(84, 'xxHash', 'Not supported here.'),
    _r85: ignored(87, 85),
    appendCrc: flag(88, 'Append CRC', 'Not supported here.'),
    dropData: flag(89, 'Drop data', 'Not supported here.'),
    _r90: ignored(90),
    partial: flag(91, 'Partial decompression', 'Not supported here.'),
    lz4Crc: flag(92, 'LZ4 CRC', 'Not supported here.'),
    _r93: ignored(95, 93),
    dictionaryBytes: bits(119, 96, 'Dictionary length', {
      format: 'decimal',
      note: 'Not supported here.',
    }),
    dictionaryType: bits(121, 120, 'Dictionary type', {
      values: { none: 0, raw: 1, compressed: 2 },
      note: 'Not supported here.',
    }),
    _r122: ignored(511, 122),
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
    hashMode: bits(39, 36, 'Hash mode', { note: '0: without a key.' }),
    _r40: ignored(63, 40),
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
    _r24: reserved(27, 24),
    stored: bit(28, 'Stored blocks', { note: 'Compression: the output is not compressed.' }),
    recovered: bit(29, 'Recovered', {
      note: 'The verification failed, and the output was replaced.',
    }),
    verified: bit(30, 'Verified', { note: 'The output was inflated and compared.' }),
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
export const COMPRESSION_ERROR = {
  none: 0,
  badData: -1,
  overflow: -11,
  fatal: -13,
  verifyFailed: -18,
} as const;
