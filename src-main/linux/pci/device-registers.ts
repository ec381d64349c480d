/** Registers and tables of a device, by their declarations, in accesses of 32 bits. */
import type { FieldMap, Values } from '../../bits/layout.ts';
import type { Register } from '../../bits/register-block.ts';
import type { Structure } from '../../bits/structure.ts';
import type { Core } from '../core/core.ts';

export class DeviceRegisters {
  readonly base: number;
  readonly #core: Core;

  constructor(core: Core, base: number) {
    this.#core = core;
    this.base = base;
  }

  read<F extends FieldMap>(register: Register<F>): Values<F> {
    return register.decode(this.words(register.offset, register.bytes / 4));
  }

  write<F extends FieldMap>(register: Register<F>, values: Partial<Values<F>>): void {
    this.writeWords(register.offset, register.encode(values));
  }

  words(offset: number, count: number): Uint32Array {
    return Uint32Array.from({ length: count }, (_, i) =>
      Number(this.#core.hw.mmioRead(this.base + offset + i * 4, 4)),
    );
  }

  writeWords(offset: number, words: ArrayLike<number>): void {
    Array.from(words).forEach((word, i) => this.writeWord(offset + i * 4, word));
  }

  writeWord(offset: number, word: number): void {
    this.#core.hw.mmioWrite(this.base + offset, 4, BigInt(word >>> 0));
  }

  /** Entry of a table. */
  entry<F extends FieldMap>(
    structure: Structure<F>,
    at: number,
    bytes = structure.bytes,
  ): Values<F> {
    const words = new Uint32Array(structure.bytes / 4);
    words.set(this.words(at, bytes / 4));
    return structure.decode(words);
  }
}
