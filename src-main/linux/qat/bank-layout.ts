/**
 * How the banks of ring pairs lie in the BAR. Linux knows it by the generation (`adf_hw_csr_ops`); here no identifier tells
 * packed banks from others, so the driver looks where the configuration of the first one is.
 */
import {
  BANK_BYTES,
  BANKS_OFFSET,
  REQUEST_BASE_LOW,
  SMALLEST_BANK_BYTES,
} from '../../spec/qat/registers.ts';
import { PAGE_BYTES } from '../mm/page-allocator.ts';
import type { DeviceRegisters } from '../pci/device-registers.ts';

/** Bits of a ring base that every size of ring keeps. */
const PATTERN = 0x5a00_0000;

/** Bytes from one bank to the next. The base of a ring keeps what is written, and where no register is nothing does. */
export function probeBankBytes(registers: DeviceRegisters): number {
  for (let bytes = BANK_BYTES; bytes > SMALLEST_BANK_BYTES; bytes /= 2) {
    const at = BANKS_OFFSET + bytes / 2 + REQUEST_BASE_LOW.offset;
    const [before = 0] = registers.words(at, 1);
    registers.writeWord(at, PATTERN);
    const [after] = registers.words(at, 1);
    registers.writeWord(at, before);
    if (after === PATTERN) {
      return bytes;
    }
  }
  return SMALLEST_BANK_BYTES;
}

/** Whether pages hold the fast registers of one ring pair and nothing else: what Scalable IOV section 3.1 asks of an ADI. */
export function hasPagesOfItsOwn(bankBytes: number): boolean {
  return (bankBytes / 2) % PAGE_BYTES === 0;
}
