/** Registers and tables of the accelerator in BAR0, by their declarations. */
import type { FieldMap, Values } from '../../bits/layout.ts';
import type { Register } from '../../bits/register-block.ts';
import type { Structure } from '../../bits/structure.ts';
import {
  CMDCAP,
  ENGCAP,
  GENCAP,
  GRPCAP,
  OFFSETS,
  OPCAP,
  VERSION,
  WQCAP,
} from '../../spec/dsa/capability-registers.ts';
import type { Core } from '../core/core.ts';

/** Unit of the table offsets in OFFSETS. */
const TABLE_UNIT = 0x100;
const SMALLEST_WQCFG = 32;

export class IdxdRegisters {
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

/** What one instance has, read once at probe. */
export interface IdxdCapabilities {
  readonly version: Values<typeof VERSION extends Register<infer F> ? F : never>;
  readonly gencap: Values<typeof GENCAP extends Register<infer F> ? F : never>;
  readonly wqcap: Values<typeof WQCAP extends Register<infer F> ? F : never>;
  readonly grpcap: Values<typeof GRPCAP extends Register<infer F> ? F : never>;
  readonly engcap: Values<typeof ENGCAP extends Register<infer F> ? F : never>;
  readonly opcap: bigint;
  /** Command codes as a bitmap, 0 when the register does not exist. */
  readonly cmdcap: number;
  readonly wqs: number;
  readonly wqConfigBytes: number;
  readonly imsEntries: number;
  readonly tables: {
    readonly groupConfig: number;
    readonly wqConfig: number;
    readonly msixPermissions: number;
    readonly ims: number;
  };
}

export function readCapabilities(registers: IdxdRegisters): IdxdCapabilities {
  const gencap = registers.read(GENCAP);
  const wqcap = registers.read(WQCAP);
  const offsets = registers.read(OFFSETS);
  return {
    version: registers.read(VERSION),
    gencap,
    wqcap,
    grpcap: registers.read(GRPCAP),
    engcap: registers.read(ENGCAP),
    opcap: registers.read(OPCAP).operations,
    cmdcap: gencap.commandCapabilities === 1 ? registers.read(CMDCAP).commands : 0,
    wqs: wqcap.count + wqcap.countHigh * 256,
    wqConfigBytes: SMALLEST_WQCFG * 2 ** wqcap.configShift,
    imsEntries: gencap.imsBlocks * 256,
    tables: {
      groupConfig: offsets.groupConfig * TABLE_UNIT,
      wqConfig: offsets.wqConfig * TABLE_UNIT,
      msixPermissions: offsets.msixPermissions * TABLE_UNIT,
      ims: offsets.ims * TABLE_UNIT,
    },
  };
}
