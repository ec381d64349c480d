/**
 * The MSI-X face of an interrupt table: 16-byte entries (address, data, vector control) and the pending bit array, both in
 * a BAR. PCIe Base, "MSI-X Capability and Table
 * Structures".
 *
 * Software accesses four or eight aligned bytes. Reserved bits of vector control read as zero.
 */
import { bigOf, highOfBig, lowOfBig } from '../../bits/u64.ts';
import type { InterruptTable } from './interrupt-table.ts';

export const MSIX_ENTRY_BYTES = 16;

/** Bytes of the pending bit array: whole quadwords. */
export function pendingArrayBytes(entries: number): number {
  return Math.ceil(entries / 64) * 8;
}

export class MsixTable {
  readonly #table: InterruptTable;

  constructor(table: InterruptTable) {
    this.#table = table;
  }

  get tableBytes(): number {
    return this.#table.entries * MSIX_ENTRY_BYTES;
  }

  get pendingBytes(): number {
    return pendingArrayBytes(this.#table.entries);
  }

  readTable(offset: number, bytes: 4 | 8): bigint {
    const low = this.#word(offset);
    return bytes === 4 ? BigInt(low) : bigOf(this.#word(offset + 4), low);
  }

  writeTable(offset: number, bytes: 4 | 8, value: bigint): void {
    this.#setWord(offset, lowOfBig(value));
    if (bytes === 8) {
      this.#setWord(offset + 4, highOfBig(value));
    }
  }

  readPending(offset: number, bytes: 4 | 8): bigint {
    const low = this.#table.pendingWord(offset >>> 2);
    return bytes === 4 ? BigInt(low) : bigOf(this.#table.pendingWord((offset >>> 2) + 1), low);
  }

  #word(offset: number): number {
    const index = offset >>> 4;
    switch ((offset >>> 2) & 3) {
      case 0:
        return this.#table.message(index, 0);
      case 1:
        return this.#table.message(index, 1);
      case 2:
        return this.#table.message(index, 2);
      default:
        return this.#table.isMasked(index) ? 1 : 0;
    }
  }

  #setWord(offset: number, value: number): void {
    const index = offset >>> 4;
    switch ((offset >>> 2) & 3) {
      case 0:
        this.#table.setMessage(index, 0, (value & ~3) >>> 0);
        break;
      case 1:
        this.#table.setMessage(index, 1, value);
        break;
      case 2:
        this.#table.setMessage(index, 2, value);
        break;
      default:
        this.#table.setMasked(index, (value & 1) !== 0);
    }
  }
}
