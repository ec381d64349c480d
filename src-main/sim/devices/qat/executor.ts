/**
 * Takes one request from a ring pair, has it executed, and writes the response. Order of checks: valid bit, service,
 * size, then the service's own rules.
 */
import { bigOf } from '../../../bits/u64.ts';
import {
  QAT_PAIR_HALTED,
  QAT_REQUEST_FETCHED,
  QAT_RESPONSE_WRITTEN,
} from '../../../spec/events/qat.ts';
import {
  QatCompressionParameters,
  QatCryptoParameters,
  QatRequest,
  QatResponse,
  REQUEST_BYTES,
  SERVICE,
} from '../../../spec/qat/messages.ts';
import { RING } from '../../../spec/qat/registers.ts';
import type { Trace } from '../../core/trace.ts';
import type { Endpoint } from '../shared/endpoint.ts';
import { runCompression } from './compression-service.ts';
import { runCrypto, type RequestValues } from './crypto-service.ts';
import type { CryptoPort } from './crypto-port.ts';
import { INVALID, isError, SUCCESS, UNSUPPORTED, type Outcome } from './outcome.ts';
import { RequestMemory } from './request-memory.ts';
import type { RingName, RingPair } from './ring-pair.ts';
import { requestNs } from './timing.ts';

const HEADER_WORDS = 16;
/** Why a ring pair halts. */
const BAD_INDEX: Readonly<Record<RingName, string>> = {
  REQUEST: 'an index of the request ring lies on no request of it',
  RESPONSE: 'an index of the response ring lies on no response of it',
};
const UNREACHABLE: Readonly<Record<RingName, string>> = {
  REQUEST: 'a request could not be read',
  RESPONSE: 'a response could not be written',
};

export interface QatExecutorParts {
  readonly endpoint: Endpoint;
  readonly trace: Trace;
  readonly crypto: CryptoPort | undefined;
  readonly maxTransfer: number;
}

export class QatExecutor {
  readonly #parts: QatExecutorParts;
  readonly #request = new Uint8Array(REQUEST_BYTES);

  constructor(parts: QatExecutorParts) {
    this.#parts = parts;
  }

  /** Handles the request at the head. Gives how long the engine was busy; the pair may be halted afterwards. */
  run(pair: RingPair): number {
    const { dma } = this.#parts.endpoint;
    dma.begin();
    const ring = pair.badRing;
    if (ring !== undefined) {
      this.#halt(pair, ring, BAD_INDEX[ring]);
      return requestNs(0, 0);
    }
    const { pasid, requestHead } = pair;
    const high = pair.baseHigh(RING.request);
    const low = pair.baseLow(RING.request);
    if (!dma.read(pasid, high, low, requestHead, this.#request, 0, REQUEST_BYTES)) {
      this.#halt(pair, 'REQUEST', UNREACHABLE.REQUEST);
      return requestNs(0, dma.latencyNs);
    }
    const words = new Uint32Array(this.#request.buffer);
    const request = QatRequest.decode(words);
    this.#traceFetched(pair, request);
    const outcome = this.#execute(pair, request, words);
    pair.takeRequest();
    this.#count(pair, request, outcome);
    this.#respond(pair, request, outcome);
    return requestNs(request.length, dma.latencyNs);
  }

  #execute(pair: RingPair, request: RequestValues, words: Uint32Array): Outcome {
    const { crypto, endpoint, maxTransfer } = this.#parts;
    if (request.valid === 0) {
      return INVALID;
    }
    if (request.service === SERVICE.nothing) {
      return SUCCESS;
    }
    if (crypto === undefined) {
      return UNSUPPORTED;
    }
    if (request.length > maxTransfer || request.offset > maxTransfer) {
      return INVALID;
    }
    const memory = new RequestMemory(endpoint.dma, pair.pasid);
    switch (request.service) {
      case SERVICE.crypto:
        return runCrypto(crypto, memory, request, QatCryptoParameters.decode(words, HEADER_WORDS));
      case SERVICE.compression:
        return runCompression(
          crypto,
          memory,
          request,
          QatCompressionParameters.decode(words, HEADER_WORDS),
        );
      default:
        return UNSUPPORTED;
    }
  }

  #count({ counters }: RingPair, request: RequestValues, outcome: Outcome): void {
    if (isError(outcome)) {
      counters.errors++;
      return;
    }
    counters.bytesIn += outcome.bytesIn ?? request.length;
    counters.bytesOut += outcome.bytesOut ?? request.length;
  }

  #respond(pair: RingPair, request: RequestValues, outcome: Outcome): void {
    const { dma } = this.#parts.endpoint;
    const words = QatResponse.encode({
      service: request.service,
      type: request.service,
      valid: 1,
      errorCode: (outcome.errorCode ?? 0) & 0xff,
      invalidParameter: Number(outcome.invalidParameter ?? false),
      unsupported: Number(outcome.unsupported ?? false),
      endOfLastBlock: Number(outcome.endOfLastBlock ?? false),
      verified: Number(outcome.verified ?? false),
      recovered: Number(outcome.recovered ?? false),
      stored: Number(outcome.stored ?? false),
      compressionError: Number(outcome.compressionError ?? false),
      cryptoError: Number(outcome.cryptoError ?? false),
      command: request.command,
      opaque: request.opaque,
      bytesIn: outcome.bytesIn ?? 0,
      bytesOut: outcome.bytesOut ?? 0,
      crc32: outcome.crc32 ?? 0,
      adler32: outcome.adler32 ?? 0,
    });
    const bytes = new Uint8Array(words.buffer);
    const high = pair.baseHigh(RING.response);
    const low = pair.baseLow(RING.response);
    if (!dma.write(pair.pasid, high, low, pair.responseTail, bytes, 0, bytes.length)) {
      this.#halt(pair, 'RESPONSE', UNREACHABLE.RESPONSE);
      return;
    }
    this.#parts.trace.record(
      QAT_RESPONSE_WRITTEN,
      this.#parts.endpoint.source,
      pair.index,
      request.service,
      words[1] ?? 0,
      request.opaque,
      pair.responseTail,
    );
    pair.addResponse();
  }

  #halt(pair: RingPair, ring: RingName, reason: string): void {
    const { trace, endpoint } = this.#parts;
    pair.halt(ring, reason === BAD_INDEX[ring]);
    const at = bigOf(endpoint.dma.faultHigh, endpoint.dma.faultLow);
    trace.record(QAT_PAIR_HALTED, endpoint.source, pair.index, pair.pasid, reason, at);
  }

  #traceFetched(pair: RingPair, request: RequestValues): void {
    this.#parts.trace.record(
      QAT_REQUEST_FETCHED,
      this.#parts.endpoint.source,
      pair.index,
      pair.pasid,
      request.service,
      request.command,
      pair.requestHead,
    );
  }
}
