/** Bit-by-bit CRC straight from the definition, to compare the table-driven ones with. */

export interface CrcDefinition {
  readonly width: number;
  readonly polynomial: bigint;
}

export const CRC32C: CrcDefinition = { width: 32, polynomial: 0x1edc_6f41n };
export const CRC64: CrcDefinition = { width: 64, polynomial: 0xad93_d235_94c9_3659n };
export const T10: CrcDefinition = { width: 16, polynomial: 0x8bb7n };

export function mirror(value: bigint, width: number): bigint {
  let out = 0n;
  for (let i = 0; i < width; i++) {
    out |= ((value >> BigInt(i)) & 1n) << BigInt(width - 1 - i);
  }
  return out;
}

/** Register after feeding the bytes; `register` and result are not reflected. */
export function crcRegister(
  { width, polynomial }: CrcDefinition,
  register: bigint,
  bytes: Uint8Array,
  isLeastBitFirst: boolean,
): bigint {
  const mask = (1n << BigInt(width)) - 1n;
  let crc = register & mask;
  for (const byte of bytes) {
    for (let i = 0; i < 8; i++) {
      const bit = BigInt((byte >> (isLeastBitFirst ? i : 7 - i)) & 1);
      const top = (crc >> BigInt(width - 1)) & 1n;
      crc = (crc << 1n) & mask;
      if ((top ^ bit) === 1n) {
        crc ^= polynomial;
      }
    }
  }
  return crc;
}

export interface CrcOptions {
  readonly bypassInversion?: boolean;
  readonly bypassReflection?: boolean;
}

/** What the accelerator returns for a seed (DSA 3.0 appendix A). */
export function expectedCrc(
  definition: CrcDefinition,
  seed: bigint,
  bytes: Uint8Array,
  { bypassInversion = false, bypassReflection = false }: CrcOptions = {},
): bigint {
  const { width } = definition;
  const mask = (1n << BigInt(width)) - 1n;
  const start = bypassInversion ? seed : mirror(~seed & mask, width);
  const end = crcRegister(definition, start, bytes, !bypassReflection);
  return bypassInversion ? end : ~mirror(end, width) & mask;
}
