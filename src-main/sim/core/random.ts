/** Seeded pseudo-random numbers (the public-domain sfc32 generator): the only source of chance in a machine. */
import type { Snapshotable } from './snapshot.ts';

export class SeededRandom implements Snapshotable<Uint32Array> {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    this.#state.set([seed >>> 0, Math.floor(seed / 4_294_967_296) >>> 0, 0x9e37_79b9, 1]);
    for (let i = 0; i < 12; i++) {
      this.next32();
    }
  }

  /** Uniform over 0 to 2^32-1. */
  next32(): number {
    const s = this.#state;
    const a = s[0] as number;
    const b = s[1] as number;
    const c = s[2] as number;
    const counter = s[3] as number;
    const result = (a + b + counter) >>> 0;
    s[3] = counter + 1;
    s[0] = b ^ (b >>> 9);
    s[1] = c + (c << 3);
    s[2] = ((c << 21) | (c >>> 11)) + result;
    return result;
  }

  /** Uniform over 0 to bound-1; bound at most 2^32. */
  below(bound: number): number {
    return Math.floor((this.next32() / 4_294_967_296) * bound);
  }

  snapshot(): Uint32Array {
    return this.#state.slice();
  }

  restore(state: Uint32Array): void {
    this.#state.set(state);
  }
}
