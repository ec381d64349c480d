/**
 * Deflate and inflate, one request a stream, with compress-and-verify. Error codes as qatlib icp_qat_fw_comp.h has them.
 *
 * Not modelled: stateful and partial streams, other formats, dictionaries, further checksums. They end as unsupported.
 * Checksums start anew with every request.
 */
import {
  COMPRESSION_COMMAND,
  COMPRESSION_ERROR,
  type QatCompressionParameters,
} from '../../../spec/qat/messages.ts';
import { adler32, crc32 } from './checksums.ts';
import type { CryptoPort } from './crypto-port.ts';
import type { RequestValues } from './crypto-service.ts';
import { INVALID, UNSUPPORTED, type Outcome } from './outcome.ts';
import type { RequestMemory } from './request-memory.ts';

const STATEFUL = 0x4;
const FATAL: Outcome = { compressionError: true, errorCode: COMPRESSION_ERROR.fatal };
const OVERFLOW: Outcome = { compressionError: true, errorCode: COMPRESSION_ERROR.overflow };
const BAD_DATA: Outcome = { compressionError: true, errorCode: COMPRESSION_ERROR.badData };
const VERIFY_FAILED: Outcome = {
  compressionError: true,
  errorCode: COMPRESSION_ERROR.verifyFailed,
  verified: true,
};
/** Most bytes that a stored block of a deflate stream holds. */
const STORED_BLOCK_BYTES = 0xffff;

/** In a compression request `offset` is the length of the input and `length` the room for the output. */
export function runCompression(
  port: CryptoPort,
  memory: RequestMemory,
  request: RequestValues,
  options: CompressionValues,
): Outcome {
  const { command, offset: inputBytes, length: room } = request;
  const isCompressing =
    command === COMPRESSION_COMMAND.staticDeflate || command === COMPRESSION_COMMAND.dynamicDeflate;
  const isKnown = isCompressing || command === COMPRESSION_COMMAND.decompress;
  if (!isKnown || (request.serviceFlags & STATEFUL) !== 0 || asksForMore(options)) {
    return UNSUPPORTED;
  }
  if (inputBytes === 0 || room === 0) {
    return INVALID;
  }
  const input = memory.gather(request.source, request.isList === 1, 0, inputBytes);
  if (input === undefined) {
    return FATAL;
  }
  if (isCompressing) {
    const output = port.deflate(input, command === COMPRESSION_COMMAND.dynamicDeflate);
    return finishCompressed({ port, memory, request, options, input, output });
  }
  const result = port.inflate(input, room);
  if (result.kind !== 'data') {
    return result.kind === 'overflow' ? OVERFLOW : BAD_DATA;
  }
  const { data, consumed } = result;
  return finish(memory, request, { output: data, plain: data, consumed });
}

type CompressionValues = ReturnType<typeof QatCompressionParameters.decode>;

function asksForMore(options: CompressionValues): boolean {
  const { endToEndCrc, xxHash, appendCrc, dropData, partial, lz4Crc, dictionaryBytes } = options;
  return [endToEndCrc, xxHash, appendCrc, dropData, partial, lz4Crc, dictionaryBytes].some(
    (value) => value !== 0,
  );
}

interface Compressed {
  readonly port: CryptoPort;
  readonly memory: RequestMemory;
  readonly request: RequestValues;
  readonly options: CompressionValues;
  readonly input: Uint8Array;
  readonly output: Uint8Array;
}

/** Verifies where that is asked, and writes the stream, or stored blocks in its place. */
function finishCompressed(work: Compressed): Outcome {
  const { memory, request, options, input, output } = work;
  const mustVerify = options.verify === 1 || options.recover === 1;
  const isGood = !mustVerify || (options.injectFault === 0 && comesBack(work));
  if (!isGood && options.recover === 0) {
    return VERIFY_FAILED;
  }
  const stream = isGood ? output : storedBlocks(input);
  if (stream.length > request.length) {
    return OVERFLOW;
  }
  const done = finish(memory, request, {
    output: stream,
    plain: input,
    consumed: input.length,
  });
  return { ...done, verified: mustVerify, recovered: !isGood, stored: !isGood };
}

function comesBack({ port, input, output }: Compressed): boolean {
  const result = port.inflate(output, input.length);
  return (
    result.kind === 'data' &&
    result.data.length === input.length &&
    result.data.every((byte, i) => byte === input[i])
  );
}

/** A deflate stream that does not compress. RFC 1951 section 3.2.4. */
function storedBlocks(input: Uint8Array): Uint8Array {
  const blocks = Math.max(1, Math.ceil(input.length / STORED_BLOCK_BYTES));
  const stream = new Uint8Array(input.length + 5 * blocks);
  const view = new DataView(stream.buffer);
  for (let block = 0; block < blocks; block++) {
    const from = block * STORED_BLOCK_BYTES;
    const part = input.subarray(from, from + STORED_BLOCK_BYTES);
    const at = from + 5 * block;
    view.setUint8(at, block === blocks - 1 ? 1 : 0);
    view.setUint16(at + 1, part.length, true);
    view.setUint16(at + 3, ~part.length & STORED_BLOCK_BYTES, true);
    stream.set(part, at + 5);
  }
  return stream;
}

interface Finished {
  readonly output: Uint8Array;
  /** The uncompressed side, over which checksums go. */
  readonly plain: Uint8Array;
  readonly consumed: number;
}

function finish(
  memory: RequestMemory,
  request: RequestValues,
  { output, plain, consumed }: Finished,
): Outcome {
  if (!memory.scatter(request.destination, request.isList === 1, 0, output)) {
    return FATAL;
  }
  return {
    endOfLastBlock: true,
    bytesIn: consumed,
    bytesOut: output.length,
    crc32: crc32(plain),
    adler32: adler32(plain),
  };
}
