/**
 * Any traffic for the crypto device: registers of all pages, rings full of random bytes and of nearly right requests, faults,
 * invalidations, resets. Nothing throws, indexes stay in their rings, state can always be saved and put back.
 */
import { describe, expect, it } from 'vitest';
import { QAT_PLACES } from '../../src-main/sim/devices/qat/config-space.ts';
import {
  COMPRESSION_COMMAND,
  CRYPTO_COMMAND,
  QatContentHeader,
  QatCryptoParameters,
  QatRequest,
  REQUEST_BYTES,
  RESPONSE_BYTES,
  SERVICE,
} from '../../src-main/spec/qat/messages.ts';
import {
  checkRestoreIdentity,
  checkTraceShape,
  fuzzTimeoutMs,
  FuzzValues,
  runFuzz,
  type FuzzTarget,
} from '../support/device-fuzz.ts';
import { bytesOf, QatDriver } from '../support/qat-driver.ts';

const PAIRS = 4;
const PASID = 10;
const SLOTS = 32;
const CONFIG_OFFSETS = [0x04, 0x10, 0x14, 0x48, 0x82, 0x210, 0x226, 0x236];
const BANK_OFFSETS = [
  0xc0, 0xc4, 0x100, 0x104, 0x140, 0x148, 0x16c, 0x170, 0x174, 0x17c, 0x180, 0x184, 0x188, 0x18c,
  0x19c, 0x1000, 0x1004, 0x1040, 0x1044, 0x1080, 0x1084, 0x1108, 0x110c,
];

class QatFuzz implements FuzzTarget {
  readonly #random: FuzzValues;
  readonly #qat: QatDriver;
  #responses = 0;

  constructor(seed: number) {
    this.#random = new FuzzValues(seed);
    this.#qat = new QatDriver({ ringPairs: PAIRS, maxTransfer: 4096, atcEntries: 16 });
    this.#setUp();
  }

  step(): void {
    const r = this.#random;
    const choice = r.below(100);
    if (choice < 35) {
      this.#request();
    } else if (choice < 55) {
      this.#bank();
    } else if (choice < 65) {
      this.#anywhere();
    } else if (choice < 72) {
      this.#config();
    } else if (choice < 90) {
      this.#qat.run(r.below(5_000));
    } else if (choice < 97) {
      this.#fabric();
    } else {
      this.#rare();
    }
  }

  check(): void {
    for (const pair of this.#qat.device.pairs) {
      const { requests, responses, errors } = pair.counters;
      expect([pair.requestHead % REQUEST_BYTES, pair.responseTail % RESPONSE_BYTES]).toEqual([
        0, 0,
      ]);
      expect(responses).toBeLessThanOrEqual(requests);
      expect(errors).toBeLessThanOrEqual(requests);
    }
  }

  finish(): number {
    checkRestoreIdentity(this.#qat.device);
    checkTraceShape(this.#qat.trace);
    this.#count();
    return this.#responses;
  }

  #count(): void {
    for (const pair of this.#qat.device.pairs) {
      this.#responses += pair.counters.responses;
    }
  }

  #setUp(): void {
    this.#qat.device.configWrite(0x236, 2, 1);
    this.#qat.device.configWrite(0x226, 2, 0x8000);
    this.#qat.device.configWrite(0x04, 2, 6);
    for (let pair = 0; pair < PAIRS; pair++) {
      this.#qat.setUpPair(pair, PASID + pair);
    }
  }

  /** Writes one slot of a request ring and rings the bell, mostly at a tail that makes sense. */
  #request(): void {
    const r = this.#random;
    const pair = r.below(PAIRS);
    const slot = r.below(SLOTS);
    const at = this.#qat.memoryOf(pair) + slot * REQUEST_BYTES;
    this.#qat.store(at, r.isOneIn(3) ? r.bytes(REQUEST_BYTES) : this.#nearlyRight(pair));
    this.#qat.set(pair, 0x100, r.isOneIn(20) ? r.word() : ((slot + 1) % SLOTS) * REQUEST_BYTES);
    if (r.isOneIn(3)) {
      this.#qat.responses(pair);
    }
  }

  #nearlyRight(pair: number): Uint8Array {
    const r = this.#random;
    const address = (): bigint => BigInt(this.#qat.dataOf(pair, r.below(0x4000)));
    const service = r.pick([SERVICE.nothing, SERVICE.crypto, SERVICE.compression, r.below(256)]);
    const content = this.#qat.dataOf(pair, 0x8000);
    const header = QatContentHeader.encode({
      cipherAlgorithm: r.pick([3, 4, 5, r.below(16)]),
      cipherMode: r.pick([1, 4, r.below(16)]),
      isDecrypt: r.below(2),
      hashAlgorithm: r.pick([1, 3, 4, 5, 6, r.below(16)]),
    });
    this.#qat.store(content, bytesOf(header));
    const request = QatRequest.encode({
      valid: r.isOneIn(20) ? 0 : 1,
      service,
      command: r.pick([
        CRYPTO_COMMAND.cipher,
        CRYPTO_COMMAND.auth,
        COMPRESSION_COMMAND.decompress,
        r.below(256),
      ]),
      serviceFlags: r.isOneIn(3) ? r.below(0x1_0000) : 0,
      isList: r.isOneIn(5) ? 1 : 0,
      contentDescriptor: BigInt(content),
      contentQuads: r.pick([0, 3, 4, 5, r.below(256)]),
      opaque: r.value(8),
      source: address(),
      destination: address(),
      offset: r.pick([0, 16, r.below(5_000)]),
      length: r.pick([16, 64, 256, r.below(5_000)]),
    });
    const parameters = QatCryptoParameters.encode({
      aad: address(),
      aadBytes: r.below(64),
      digest: address(),
      digestBytes: r.pick([20, 32, r.below(256)]),
    });
    return new Uint8Array([...bytesOf(request), ...bytesOf(parameters)]);
  }

  #bank(): void {
    const r = this.#random;
    const pair = r.below(PAIRS);
    const offset = r.pick(BANK_OFFSETS);
    this.#qat.get(pair, offset);
    if (r.isOneIn(3)) {
      this.#qat.set(pair, offset, r.isOneIn(2) ? r.word() : r.below(256) * 32);
    }
  }

  #anywhere(): void {
    const r = this.#random;
    const { device } = this.#qat;
    const bytes = r.pick([1, 2, 4, 4, 8] as const);
    const places = [
      r.below(device.barBytes[0] ?? 0),
      QAT_PLACES.msixTable + r.below(PAIRS + 1) * 16 + r.below(16),
      QAT_PLACES.ims + r.below(16) * 16 + r.below(16),
    ];
    const offset = r.pick(places) & ~(r.isOneIn(4) ? 0 : 7);
    device.mmioRead(r.below(3), offset, bytes);
    device.mmioWrite(0, offset, bytes, r.value(bytes));
    device.blockWrite(r.below(3), offset & ~63, r.words(16), r.pick(['posted', 'deferrable']));
  }

  #config(): void {
    const r = this.#random;
    const bytes = r.pick([1, 2, 4] as const);
    const offset = r.isOneIn(3) ? r.below(0x1008) : r.pick(CONFIG_OFFSETS);
    const value = this.#qat.device.configRead(offset, bytes);
    expect(value).toBeLessThanOrEqual(2 ** (8 * bytes) - 1);
    if (r.isOneIn(3)) {
      this.#qat.device.configWrite(offset, bytes, r.word());
    }
  }

  #fabric(): void {
    const r = this.#random;
    const { port, device } = this.#qat;
    const pair = r.below(PAIRS);
    const page = this.#qat.memoryOf(pair) + r.below(24) * 0x1000;
    switch (r.below(4)) {
      case 0:
        port.unmap(PASID + pair, page);
        break;
      case 1:
        port.map(PASID + pair, page);
        break;
      case 2:
        port.breakPage(page);
        break;
      default:
        port.repairPage(page);
    }
    device.atsInvalidate({
      itag: r.below(32),
      pasid: PASID + r.below(PAIRS),
      isGlobal: r.isOneIn(2),
      high: 0,
      low: page,
      sizeShift: 12 + r.below(53),
    });
  }

  #rare(): void {
    const r = this.#random;
    const { device } = this.#qat;
    if (r.isOneIn(2)) {
      this.#qat.set(r.below(PAIRS), 0x1100, 1);
      return;
    }
    this.#count();
    device.reset(r.pick(['function-level', 'power-on']));
    this.#setUp();
  }
}

describe('crypto device under any traffic', () => {
  it(
    'does not throw and keeps its indexes in their rings',
    () => {
      const responses = runFuzz('qat', 5, (seed) => new QatFuzz(seed));
      const sum = responses.reduce((total, count) => total + count, 0);
      expect(sum).toBeGreaterThan(responses.length * 100);
    },
    fuzzTimeoutMs(),
  );
});
