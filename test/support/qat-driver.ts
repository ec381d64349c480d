/** A small driver for tests: sets up ring pairs, submits requests, collects responses. */
import { defined } from '../../src-main/bits/invariant.ts';
import { nodeCrypto } from '../../src-main/hosts/crypto/node-crypto.ts';
import { EventQueue } from '../../src-main/sim/core/event-queue.ts';
import { Trace } from '../../src-main/sim/core/trace.ts';
import type { QatConfig } from '../../src-main/sim/devices/qat/config.ts';
import { QatDevice } from '../../src-main/sim/devices/qat/qat-device.ts';
import { BANK_BYTES, BANKS_OFFSET } from '../../src-main/spec/qat/registers.ts';
import {
  QatCompressionParameters,
  QatContentHeader,
  QatCryptoParameters,
  QatRequest,
  QatResponse,
  SERVICE,
} from '../../src-main/spec/qat/messages.ts';
import { FakeUpstreamPort } from './fake-upstream-port.ts';

const PAIR_BYTES = 0x10_0000;
const RESPONSES = 0x8000;
const DATA = 0x1_0000;
/** 64 << 6 = 4 KiB: 32 requests; 64 << 4 = 1 KiB: 32 responses. */
const REQUEST_CODE = 6;
const RESPONSE_CODE = 4;
const REQUEST_RING = 4096;
const RESPONSE_RING = 1024;

export type RequestFields = Parameters<typeof QatRequest.encode>[0];
export type CompressionFields = Parameters<typeof QatCompressionParameters.encode>[0];
export type CryptoFields = Parameters<typeof QatCryptoParameters.encode>[0];
export type Response = ReturnType<typeof QatResponse.decode>;

export class QatDriver {
  readonly trace = new Trace({ mode: 'store' });
  readonly queue = new EventQueue(this.trace);
  readonly port = new FakeUpstreamPort(8 * 2 ** 20);
  readonly device: QatDevice;
  readonly #tails = new Map<number, number>();
  readonly #heads = new Map<number, number>();

  constructor(config: QatConfig = { ringPairs: 4 }, hasCrypto = true) {
    this.device = new QatDevice({
      name: 'qat0',
      config,
      port: this.port,
      queue: this.queue,
      trace: this.trace,
      ...(hasCrypto ? { crypto: nodeCrypto } : {}),
    });
    this.device.configWrite(0x236, 2, 1);
    this.device.configWrite(0x226, 2, 0x8000);
    this.device.configWrite(0x04, 2, 6);
  }

  /** What the driver itself knows. */
  snapshot(): {
    readonly tails: readonly [number, number][];
    readonly heads: readonly [number, number][];
  } {
    return { tails: [...this.#tails], heads: [...this.#heads] };
  }

  restore({ tails, heads }: ReturnType<QatDriver['snapshot']>): void {
    this.#tails.clear();
    this.#heads.clear();
    tails.forEach(([pair, tail]) => this.#tails.set(pair, tail));
    heads.forEach(([pair, head]) => this.#heads.set(pair, head));
  }

  set(pair: number, offset: number, value: number): void {
    this.device.mmioWrite(0, BANKS_OFFSET + pair * BANK_BYTES + offset, 4, BigInt(value >>> 0));
  }

  get(pair: number, offset: number): number {
    return Number(this.device.mmioRead(0, BANKS_OFFSET + pair * BANK_BYTES + offset, 4));
  }

  memoryOf(pair: number): number {
    return (pair + 1) * PAIR_BYTES;
  }

  dataOf(pair: number, offset = 0): number {
    return this.memoryOf(pair) + DATA + offset;
  }

  setUpPair(pair: number, pasid?: number): void {
    const base = this.memoryOf(pair);
    this.#tails.set(pair, 0);
    this.#heads.set(pair, 0);
    this.port.memory.fill(0x7f, base + RESPONSES, base + RESPONSES + RESPONSE_RING);
    if (pasid !== undefined) {
      this.set(pair, 0x1108, 0x8000_0000 + pasid);
    }
    this.set(pair, 0x1000, REQUEST_CODE);
    this.set(pair, 0x1004, RESPONSE_CODE);
    this.set(pair, 0x1040, base);
    this.set(pair, 0x1044, base + RESPONSES);
    this.set(pair, 0x19c, 3);
  }

  submit(
    pair: number,
    request: RequestFields,
    crypto: CryptoFields = {},
    compression: CompressionFields = {},
  ): void {
    const tail = defined(this.#tails.get(pair), 'Tail');
    const at = this.memoryOf(pair) + tail;
    this.store(at, bytesOf(QatRequest.encode({ valid: 1, ...request })));
    const parameters =
      request.service === SERVICE.compression
        ? QatCompressionParameters.encode(compression)
        : QatCryptoParameters.encode(crypto);
    this.store(at + 64, bytesOf(parameters));
    const next = (tail + 128) % REQUEST_RING;
    this.#tails.set(pair, next);
    this.set(pair, 0x100, next);
  }

  /** Responses that came, their slots given back. */
  responses(pair: number): readonly Response[] {
    const found: Response[] = [];
    for (;;) {
      const head = defined(this.#heads.get(pair), 'Head');
      const at = this.memoryOf(pair) + RESPONSES + head;
      const words = new Uint32Array(this.port.memory.slice(at, at + 32).buffer);
      if (words[0] === 0x7f7f_7f7f) {
        break;
      }
      found.push(QatResponse.decode(words));
      this.port.memory.fill(0x7f, at, at + 32);
      const next = (head + 32) % RESPONSE_RING;
      this.#heads.set(pair, next);
      this.set(pair, 0xc4, next);
    }
    return found;
  }

  /** One request from doorbell to response. */
  execute(
    pair: number,
    request: RequestFields,
    crypto: CryptoFields = {},
    compression: CompressionFields = {},
  ): Response {
    this.submit(pair, request, crypto, compression);
    this.run();
    return defined(this.responses(pair)[0], 'Response');
  }

  store(address: number, data: Uint8Array): void {
    this.port.memory.set(data, address);
  }

  load(address: number, bytes: number): Uint8Array {
    return this.port.memory.slice(address, address + bytes);
  }

  run(durationNs = 1e8): void {
    const end = this.queue.nowNs + durationNs;
    while (this.queue.runNext(end)) {
      // Everything due within the time.
    }
    this.queue.advanceTo(end);
  }

  /** A content descriptor with a key, at a fixed place of the pair's memory. */
  content(
    pair: number,
    fields: Parameters<typeof QatContentHeader.encode>[0],
    key: Uint8Array = new Uint8Array(0),
  ): { readonly contentDescriptor: bigint; readonly contentQuads: number } {
    const at = this.dataOf(pair, 0x8000);
    this.store(at, bytesOf(QatContentHeader.encode(fields)));
    this.store(at + 8, key);
    return { contentDescriptor: BigInt(at), contentQuads: 1 + key.length / 8 };
  }
}

export function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer);
}

export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}
