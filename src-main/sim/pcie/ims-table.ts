/**
 * The interrupt message storage face of an interrupt table: 16-byte entries of address, data and control, as DSA 3.0
 * section 9.2.28 lays them out. The layout of IMS is the device's own choice; the other models of the lab use the same.
 *
 * Accesses are aligned to 4 or 8 bytes. An address outside the interrupt range is not stored.
 */
import { bigOf, highOfBig, lowOfBig } from '../../bits/u64.ts';
import type { InterruptTable } from './interrupt-table.ts';

export const IMS_ENTRY_BYTES = 16;
export const IMS_RESET_ADDRESS = 0xfee0_0000;
const ADDRESS_UPPER = 0xfee;
const CONTROL = { mask: 1, pending: 2, ignore: 4, pasidEnable: 8 } as const;
const PASID_SHIFT = 12;

export class ImsTable {
  readonly #table: InterruptTable;

  constructor(table: InterruptTable) {
    this.#table = table;
  }

  get bytes(): number {
    return this.#table.entries * IMS_ENTRY_BYTES;
  }

  read(offset: number, bytes: 4 | 8): bigint {
    const low = this.#word(offset);
    return bytes === 4 ? BigInt(low) : bigOf(this.#word(offset + 4), low);
  }

  write(offset: number, bytes: 4 | 8, value: bigint): void {
    this.#setWord(offset, lowOfBig(value));
    if (bytes === 8) {
      this.#setWord(offset + 4, highOfBig(value));
    }
  }

  #word(offset: number): number {
    const index = offset >>> 4;
    const part = (offset >>> 2) & 3;
    if (part < 3) {
      return this.#table.message(index, part as 0 | 1 | 2);
    }
    const control =
      (this.#table.isMasked(index) ? CONTROL.mask : 0) |
      (this.#table.isPending(index) ? CONTROL.pending : 0) |
      (this.#table.isIgnored(index) ? CONTROL.ignore : 0) |
      (this.#table.isPasidEnabled(index) ? CONTROL.pasidEnable : 0) |
      (this.#table.pasidField(index) << PASID_SHIFT);
    return control >>> 0;
  }

  #setWord(offset: number, value: number): void {
    const index = offset >>> 4;
    switch ((offset >>> 2) & 3) {
      case 0:
        if (value >>> 20 === ADDRESS_UPPER) {
          this.#table.setMessage(index, 0, (value & ~3) >>> 0);
        }
        break;
      case 1:
        // The upper half of an interrupt address is always 0.
        break;
      case 2:
        this.#table.setMessage(index, 2, value);
        break;
      default:
        this.#table.setPermissionFields(
          index,
          (value & CONTROL.ignore) !== 0,
          (value & CONTROL.pasidEnable) !== 0,
          value >>> PASID_SHIFT,
        );
        this.#table.setMasked(index, (value & CONTROL.mask) !== 0);
    }
  }
}
