/**
 * The hash of a long sequence of Numbers, for traces: two independent lanes take the low and the high half of each, so that
 * a processor works on both at once. Feeding a sequence in pieces gives the same digest as feeding it whole.
 */
import type { StateHash } from './hash.ts';

export class NumberHash {
  #lowA = 0x9e37_79b9 | 0;
  #lowB = 0x85eb_ca6b | 0;
  #highA = 0xc2b2_ae35 | 0;
  #highB = 0x27d4_eb2f | 0;

  /** Adds `values[start...end-1]`. */
  add(values: Float64Array, start: number, end: number): void {
    const words = new Uint32Array(values.buffer, values.byteOffset);
    let lowA = this.#lowA;
    let lowB = this.#lowB;
    let highA = this.#highA;
    let highB = this.#highB;
    for (let i = start * 2; i < end * 2; i += 2) {
      const low = (words[i] as number) | 0;
      const high = (words[i + 1] as number) | 0;
      lowA = Math.imul(lowA ^ low, 0x85eb_ca77);
      highA = Math.imul(highA ^ high, 0x85eb_ca77);
      lowA ^= lowA >>> 15;
      highA ^= highA >>> 15;
      lowB = Math.imul((lowB + low) | 0, 0xc2b2_ae3d) ^ lowA;
      highB = Math.imul((highB + high) | 0, 0xc2b2_ae3d) ^ highA;
      lowB ^= lowB >>> 13;
      highB ^= highB >>> 13;
    }
    this.#lowA = lowA;
    this.#lowB = lowB;
    this.#highA = highA;
    this.#highB = highB;
  }

  /** Adds what was fed so far to another hash. */
  addTo(hash: StateHash): void {
    hash.word(this.#lowA);
    hash.word(this.#lowB);
    hash.word(this.#highA);
    hash.word(this.#highB);
  }
}
