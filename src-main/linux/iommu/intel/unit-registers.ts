/** Registers of a remapping unit by their declarations. */
import type { FieldMap, Values } from '../../../bits/layout.ts';
import type { Register } from '../../../bits/register-block.ts';
import { bigOf, highOfBig, lowOfBig } from '../../../bits/u64.ts';
import { GCMD_REG, GSTS_REG } from '../../../spec/vtd/registers/global-command.ts';
import type { Core } from '../../core/core.ts';
import { ETIMEDOUT } from '../../errno.ts';

/** Clears the one-shot bits of a GSTS_REG value before it is written to GCMD_REG (VT-d 5.10 section 11.4.4.1). */
const LEVEL_BITS = 0x96ff_ffff;

type StatusField = 'TES' | 'RTPS' | 'QIES' | 'IRES' | 'IRTPS' | 'CFIS';
type CommandField = 'TE' | 'SRTP' | 'QIE' | 'IRE' | 'SIRTP' | 'CFI';

export class UnitRegisters {
  readonly #core: Core;
  readonly #base: number;

  constructor(core: Core, base: number) {
    this.#core = core;
    this.#base = base;
  }

  /** Value of a register of up to 64 bits. */
  value(register: Register<FieldMap> | RegisterPlace): bigint {
    return this.#core.hw.mmioRead(this.#base + register.offset, register.bytes === 8 ? 8 : 4);
  }

  read<F extends FieldMap>(register: Register<F>): Values<F> {
    const words = new Uint32Array(register.bytes / 4);
    for (let at = 0; at < register.bytes; at += 8) {
      const wide = register.bytes - at >= 8;
      const value = this.#core.hw.mmioRead(this.#base + register.offset + at, wide ? 8 : 4);
      words[at / 4] = lowOfBig(value);
      if (wide) {
        words[at / 4 + 1] = highOfBig(value);
      }
    }
    return register.decode(words);
  }

  write<F extends FieldMap>(register: Register<F>, values: Partial<Values<F>>): void {
    const words = register.encode(values);
    const bytes = register.bytes === 8 ? 8 : 4;
    const value = bigOf(words[1] ?? 0, words[0] ?? 0);
    this.#core.hw.mmioWrite(this.#base + register.offset, bytes, value);
  }

  writeAt(offset: number, bytes: 4 | 8, value: bigint): void {
    this.#core.hw.mmioWrite(this.#base + offset, bytes, value);
  }

  /** Gives one global command and waits until the status register follows. */
  command(field: CommandField, status: StatusField, isOn = true): number {
    const mask = 1 << GCMD_REG.field(field).low;
    const level = Number(this.value(GSTS_REG)) & LEVEL_BITS;
    const value = isOn ? level | mask : level & ~mask;
    this.#core.hw.mmioWrite(this.#base + GCMD_REG.offset, 4, BigInt(value >>> 0));
    const isDone = (): boolean => (this.read(GSTS_REG)[status] === 1) === isOn;
    return this.#core.poll(isDone, this.#core.params.poll_timeout_ns) ? 0 : -ETIMEDOUT;
  }
}

interface RegisterPlace {
  readonly offset: number;
  readonly bytes: number;
}
