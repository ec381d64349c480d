/**
 * A fast 64-bit non-cryptographic hash over numbers, words and text, used to compare traces and machine states. Two 32-bit
 * lanes are mixed with odd multipliers (the finalisation constants are those of MurmurHash3, public domain).
 */
import { wordHex } from '../../bits/hex.ts';

export class StateHash {
  #a = 0x9e37_79b9 | 0;
  #b = 0x85eb_ca6b | 0;
  readonly #float = new Float64Array(1);
  readonly #halves = new Uint32Array(this.#float.buffer);

  word(value: number): void {
    let a = Math.imul(this.#a ^ value, 0x85eb_ca77);
    a ^= a >>> 15;
    let b = Math.imul((this.#b + value) | 0, 0xc2b2_ae3d) ^ a;
    b ^= b >>> 13;
    this.#a = a;
    this.#b = b;
  }

  number(value: number): void {
    this.#float[0] = value;
    this.word(this.#halves[0] ?? 0);
    this.word(this.#halves[1] ?? 0);
  }

  words(values: Uint32Array | Int32Array, start = 0, end = values.length): void {
    let a = this.#a;
    let b = this.#b;
    for (let i = start; i < end; i++) {
      const value = (values[i] as number) | 0;
      a = Math.imul(a ^ value, 0x85eb_ca77);
      a ^= a >>> 15;
      b = Math.imul((b + value) | 0, 0xc2b2_ae3d) ^ a;
      b ^= b >>> 13;
    }
    this.#a = a;
    this.#b = b;
  }

  text(value: string): void {
    this.word(value.length);
    for (let i = 0; i < value.length; i++) {
      this.word(value.charCodeAt(i));
    }
  }

  /** Any plain data as snapshots hold it. Keys are taken in sorted order. */
  value(value: unknown): void {
    if (typeof value === 'number') {
      this.number(value);
    } else if (typeof value === 'string') {
      this.text(value);
    } else if (typeof value === 'bigint') {
      this.text(`${value.toString(16)}n`);
    } else if (typeof value === 'boolean') {
      this.word(value ? 1 : 2);
    } else if (value === null || value === undefined) {
      this.word(3);
    } else if (value instanceof Uint32Array || value instanceof Int32Array) {
      this.word(value.length);
      this.words(value);
    } else if (ArrayBuffer.isView(value)) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      this.word(bytes.length);
      for (const byte of bytes) {
        this.word(byte);
      }
    } else if (Array.isArray(value)) {
      this.word(value.length);
      for (const item of value) {
        this.value(item);
      }
    } else if (value instanceof Map) {
      this.value([...value.entries()].sort(([x], [y]) => (String(x) < String(y) ? -1 : 1)));
    } else {
      for (const key of Object.keys(value).sort()) {
        this.text(key);
        this.value((value as Record<string, unknown>)[key]);
      }
    }
  }

  /** Sixteen hexadecimal digits. */
  digest(): string {
    let a = this.#a ^ (this.#b >>> 16);
    let b = this.#b ^ (this.#a >>> 16);
    a = Math.imul(a ^ (a >>> 16), 0x85eb_ca6b);
    a = Math.imul(a ^ (a >>> 13), 0xc2b2_ae35);
    b = Math.imul(b ^ (b >>> 16), 0x85eb_ca6b);
    b = Math.imul(b ^ (b >>> 13), 0xc2b2_ae35);
    return wordHex(a ^ (a >>> 16)) + wordHex(b ^ (b >>> 16));
  }
}
