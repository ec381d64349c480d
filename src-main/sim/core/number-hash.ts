/**
 * The hash of a long sequence of Numbers, for traces. Feeding a sequence in pieces gives the same digest as feeding it whole.
 *
 * Every other Number goes to another lane, and its low and high halves to different words of the lane, so that a processor
 * works on four multiplications at once: a lane alone would wait for each of them. A third word of a lane sums up all that
 * the other two ever were, so that one of them falling back to a former value hides nothing.
 */
import type { StateHash } from './hash.ts';

const LOW = 0x85eb_ca77;
const HIGH = 0xc2b2_ae3d;
const SUM = 0x9e37_79b1;

export class NumberHash {
  /** The lane that takes the next Number: low half, high half, sum. */
  #low = 0x9e37_79b9 | 0;
  #high = 0xc2b2_ae35 | 0;
  #sum = 0x85eb_ca6b | 0;
  /** The lane that takes the one after it. */
  #nextLow = 0x27d4_eb2f | 0;
  #nextHigh = 0x1656_67b1 | 0;
  #nextSum = 0xd3a2_646c | 0;
  /** An odd count of Numbers came: the lanes have changed places. */
  #isOdd = false;

  /** Adds `values[start...end-1]`. */
  add(values: Float64Array, start: number, end: number): void {
    const words = new Int32Array(values.buffer, values.byteOffset);
    const pairsEnd = end - ((end - start) & 1);
    let low0 = this.#low;
    let high0 = this.#high;
    let sum0 = this.#sum;
    let low1 = this.#nextLow;
    let high1 = this.#nextHigh;
    let sum1 = this.#nextSum;
    for (let i = start * 2; i < pairsEnd * 2; i += 4) {
      low0 = Math.imul(low0 ^ (words[i] as number), LOW);
      high0 = Math.imul(high0 ^ (words[i + 1] as number), HIGH);
      low1 = Math.imul(low1 ^ (words[i + 2] as number), LOW);
      high1 = Math.imul(high1 ^ (words[i + 3] as number), HIGH);
      low0 ^= low0 >>> 15;
      high0 ^= high0 >>> 13;
      low1 ^= low1 >>> 15;
      high1 ^= high1 >>> 13;
      sum0 = (Math.imul(sum0, SUM) + (low0 ^ high0)) | 0;
      sum1 = (Math.imul(sum1, SUM) + (low1 ^ high1)) | 0;
    }
    this.#low = low0;
    this.#high = high0;
    this.#sum = sum0;
    this.#nextLow = low1;
    this.#nextHigh = high1;
    this.#nextSum = sum1;
    if (pairsEnd < end) {
      this.#addOne(words[pairsEnd * 2] as number, words[pairsEnd * 2 + 1] as number);
    }
  }

  #addOne(lowWord: number, highWord: number): void {
    let low = Math.imul(this.#low ^ lowWord, LOW);
    let high = Math.imul(this.#high ^ highWord, HIGH);
    low ^= low >>> 15;
    high ^= high >>> 13;
    const sum = (Math.imul(this.#sum, SUM) + (low ^ high)) | 0;
    this.#low = this.#nextLow;
    this.#high = this.#nextHigh;
    this.#sum = this.#nextSum;
    this.#nextLow = low;
    this.#nextHigh = high;
    this.#nextSum = sum;
    this.#isOdd = !this.#isOdd;
  }

  /** Adds what was fed so far to another hash. */
  addTo(hash: StateHash): void {
    hash.word(this.#isOdd ? 1 : 0);
    hash.word(this.#low);
    hash.word(this.#high);
    hash.word(this.#sum);
    hash.word(this.#nextLow);
    hash.word(this.#nextHigh);
    hash.word(this.#nextSum);
  }
}
