/**
 * Tables inside the registers of a VDEV: each has a place and is read and written in 32-bit words. What lies between them
 * reads as zero and takes nothing.
 */
import { bigOf } from '../../bits/u64.ts';

export interface RegisterTable {
  readonly at: number;
  readonly bytes: number;
  read(word: number): number;
  /** `mask`: the bits that the access covers. */
  write(word: number, value: number, mask: number): void;
}

const ALL_BITS = 0xffff_ffff;

export class RegisterTables {
  readonly #tables: readonly RegisterTable[];

  constructor(tables: readonly RegisterTable[]) {
    this.#tables = tables;
  }

  /** An aligned access of 1, 2, 4 or 8 bytes. */
  read(offset: number, bytes: number): bigint {
    const table = this.#at(offset);
    if (table === undefined) {
      return 0n;
    }
    const word = (offset - table.at) >>> 2;
    const low = table.read(word);
    if (bytes === 8) {
      return bigOf(table.read(word + 1), low);
    }
    const mask = 2 ** (bytes * 8) - 1;
    return BigInt(((low >>> ((offset & 3) * 8)) & mask) >>> 0);
  }

  /** An aligned access of 1, 2 or 4 bytes. */
  write(offset: number, bytes: number, value: bigint): void {
    const table = this.#at(offset);
    if (table === undefined) {
      return;
    }
    const shift = (offset & 3) * 8;
    const mask = bytes === 4 ? ALL_BITS : ((2 ** (bytes * 8) - 1) << shift) >>> 0;
    table.write((offset - table.at) >>> 2, (Number(value) << shift) >>> 0, mask);
  }

  #at(offset: number): RegisterTable | undefined {
    return this.#tables.find((t) => offset >= t.at && offset < t.at + t.bytes);
  }
}
