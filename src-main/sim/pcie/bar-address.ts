/** Where the BARs of a function answer, from its configuration space. PCIe Base section 7.5.1.2.1. */
import { numberOf } from '../../bits/u64.ts';
import type { PcieFunction } from './ports.ts';

/** Configuration offsets: Command, and the first BAR. */
const COMMAND = 0x04;
const BAR_FIRST = 0x10;
const MEMORY_SPACE_ENABLE = 2;
const BAR_TYPE_MASK = 6;
const BAR_TYPE_64 = 4;
const BAR_IO = 1;

/** Address of a BAR, 0: it answers nowhere. */
export function barAddressOf(device: PcieFunction, bar: number): number {
  if (device.barAddress !== undefined) {
    return device.barAddress(bar);
  }
  const low = device.configRead(BAR_FIRST + bar * 4, 4);
  const isOn = (device.configRead(COMMAND, 2) & MEMORY_SPACE_ENABLE) !== 0;
  if (!isOn || (low & BAR_IO) !== 0) {
    return 0;
  }
  const is64Bit = (low & BAR_TYPE_MASK) === BAR_TYPE_64;
  const high = is64Bit ? device.configRead(BAR_FIRST + bar * 4 + 4, 4) : 0;
  return numberOf(high, low & ~0xf);
}
