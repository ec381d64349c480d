/**
 * What firmware does in a guest before the kernel starts: finds the functions on the root bus, sizes their BARs, gives them
 * addresses and turns memory decoding on. Every access is the guest's own and exits like one.
 */
import type { HardwarePort } from '../sim/index.ts';

/** First address for BARs: above all memory that a guest here can have. */
export const GUEST_MMIO_BASE = 0x80_0000_0000;

const SLOTS = 32;
const BARS = 6;
const NO_FUNCTION = 0xffff;
const BAR_BASE = 0x10;
const COMMAND = 0x04;
const MEMORY_ENABLE = 2;
const TYPE_64 = 4;
const ADDRESS_MASK = 0xffff_fff0;
const TWO_32 = 2 ** 32;
const PAGE = 4096;

/** BAR sizes of a function by index; decoding must be off. */
function barBytes(
  port: HardwarePort,
  rid: number,
  at: number,
): { readonly bytes: number; readonly is64: boolean } {
  port.configWrite(rid, at, 4, 0xffff_ffff);
  const low = port.configRead(rid, at, 4);
  const is64 = (low & TYPE_64) !== 0;
  if (low === 0) {
    return { bytes: 0, is64: false };
  }
  if (!is64) {
    return { bytes: TWO_32 - ((low & ADDRESS_MASK) >>> 0), is64 };
  }
  port.configWrite(rid, at + 4, 4, 0xffff_ffff);
  const high = port.configRead(rid, at + 4, 4);
  const mask = (BigInt(high >>> 0) << 32n) | BigInt((low & ADDRESS_MASK) >>> 0);
  return { bytes: Number((1n << 64n) - mask), is64 };
}

export function runFirmware(port: HardwarePort): void {
  let next = GUEST_MMIO_BASE;
  for (let slot = 0; slot < SLOTS; slot++) {
    const rid = slot << 3;
    if (port.configRead(rid, 0, 2) === NO_FUNCTION) {
      continue;
    }
    const command = port.configRead(rid, COMMAND, 2);
    port.configWrite(rid, COMMAND, 2, command & ~MEMORY_ENABLE);
    for (let bar = 0; bar < BARS; bar++) {
      const at = BAR_BASE + bar * 4;
      const { bytes, is64 } = barBytes(port, rid, at);
      if (bytes > 0 && is64) {
        const alignment = Math.max(bytes, PAGE);
        next = Math.ceil(next / alignment) * alignment;
        port.configWrite(rid, at, 4, next % TWO_32);
        port.configWrite(rid, at + 4, 4, Math.floor(next / TWO_32));
        next += bytes;
      }
      bar += is64 ? 1 : 0;
    }
    port.configWrite(rid, COMMAND, 2, command | MEMORY_ENABLE);
  }
}
