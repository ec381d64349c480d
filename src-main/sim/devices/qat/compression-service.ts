/**
 * Deflate and inflate, one request a stream. Error codes as qatlib icp_qat_fw_comp.h has them.
 *
 * Not modelled: stateful streams, other formats, compress-and-verify, dictionaries. They end as unsupported.
 */
import { COMPRESSION_COMMAND, COMPRESSION_ERROR } from '../../../spec/qat/messages.ts';
import { adler32, crc32 } from './checksums.ts';
import type { CryptoPort } from './crypto-port.ts';
import type { RequestValues } from './crypto-service.ts';
import { INVALID, UNSUPPORTED, type Outcome } from './outcome.ts';
import type { RequestMemory } from './request-memory.ts';

const STATEFUL = 0x4;
const FATAL: Outcome = { compressionError: true, errorCode: COMPRESSION_ERROR.fatal };
const OVERFLOW: Outcome = { compressionError: true, errorCode: COMPRESSION_ERROR.overflow };
const BAD_DATA: Outcome = { compressionError: true, errorCode: COMPRESSION_ERROR.badData };

/** In a compression request `offset` is the length of the input and `length` the room for the output. */
export function runCompression(
  port: CryptoPort,
  memory: RequestMemory,
  request: RequestValues,
): Outcome {
  const { command, offset: inputBytes, length: room } = request;
  const isCompressing =
    command === COMPRESSION_COMMAND.staticDeflate || command === COMPRESSION_COMMAND.dynamicDeflate;
  const isKnown = isCompressing || command === COMPRESSION_COMMAND.decompress;
  if (!isKnown || (request.serviceFlags & STATEFUL) !== 0) {
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
    return output.length > room
      ? OVERFLOW
      : finish(memory, request, { output, plain: input, consumed: inputBytes });
  }
  const result = port.inflate(input, room);
  if (result.kind !== 'data') {
    return result.kind === 'overflow' ? OVERFLOW : BAD_DATA;
  }
  const { data, consumed } = result;
  return finish(memory, request, { output: data, plain: data, consumed });
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
