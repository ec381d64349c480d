/**
 * Register accesses of drivers (asm/io.h) and the two 64-byte stores (asm/special_insns.h) by the kernel itself.
 * Mappings are one to one, so an address is the physical one that pci_iomap() gave.
 */
import type { Core } from '../core/core.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import { EAGAIN, EINVAL } from '../errno.ts';

const BLOCK_BYTES = 64;

export class Io {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    exportSymbols<Io>(core, this, {
      calls: ['writeb', 'writew', 'writel', 'writeq', 'iosubmit_cmds512', 'enqcmds'],
      queries: ['readb', 'readw', 'readl', 'readq'],
    });
  }

  readb(address: number): number {
    return Number(this.#core.hw.mmioRead(address, 1));
  }

  readw(address: number): number {
    return Number(this.#core.hw.mmioRead(address, 2));
  }

  readl(address: number): number {
    return Number(this.#core.hw.mmioRead(address, 4));
  }

  readq(address: number): bigint {
    return this.#core.hw.mmioRead(address, 8);
  }

  writeb(value: number, address: number): void {
    this.#core.hw.mmioWrite(address, 1, BigInt(value));
  }

  writew(value: number, address: number): void {
    this.#core.hw.mmioWrite(address, 2, BigInt(value));
  }

  writel(value: number, address: number): void {
    this.#core.hw.mmioWrite(address, 4, BigInt(value));
  }

  writeq(value: bigint, address: number): void {
    this.#core.hw.mmioWrite(address, 8, value);
  }

  /** MOVDIR64B for each 64 bytes of `source`: posted, nothing tells whether anybody took them. */
  iosubmit_cmds512(address: number, source: Uint32Array, count = 1): number {
    if (address % BLOCK_BYTES !== 0) {
      return -EINVAL;
    }
    for (let i = 0; i < count; i++) {
      this.#core.hw.movdir64b(0, address, source.slice(i * 16, i * 16 + 16));
    }
    return 0;
  }

  /** ENQCMDS: 0, or -EAGAIN when the device answered Retry. -EINVAL stands for #GP (reserved source bits). */
  enqcmds(address: number, source: Uint32Array): number {
    const result = this.#core.hw.enqcmds(0, address, source);
    return { accepted: 0, retry: -EAGAIN, fault: -EINVAL }[result];
  }
}
