/**
 * CRC-32C, CRC-64 and the T10 guard. DSA 3.0 appendixes A and B.
 *
 * CRC-32C and CRC-64 are computed in reflected form (least significant bit first), eight bits a step; the register of the
 * specification is the mirror image. Polynomials: 1EDC6F41h, AD93D23594C93659h (NVMe), 8BB7h.
 */

const POLYNOMIAL_32_REFLECTED = 0x82f6_3b78;
const POLYNOMIAL_64_REFLECTED_HIGH = 0x9a6c_9329;
const POLYNOMIAL_64_REFLECTED_LOW = 0xac4b_c9b5;
const POLYNOMIAL_T10 = 0x8bb7;

function buildTable32(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let i = 0; i < 8; i++) {
      crc = (crc & 1) !== 0 ? (crc >>> 1) ^ POLYNOMIAL_32_REFLECTED : crc >>> 1;
    }
    return crc;
  });
}

/** High and low halves, one behind the other. */
function buildTable64(): Uint32Array {
  const table = new Uint32Array(512);
  for (let byte = 0; byte < 256; byte++) {
    let high = 0;
    let low = byte;
    for (let i = 0; i < 8; i++) {
      const isOdd = (low & 1) !== 0;
      low = ((low >>> 1) | (high << 31)) >>> 0;
      high = high >>> 1;
      if (isOdd) {
        high = (high ^ POLYNOMIAL_64_REFLECTED_HIGH) >>> 0;
        low = (low ^ POLYNOMIAL_64_REFLECTED_LOW) >>> 0;
      }
    }
    table[byte * 2] = high;
    table[byte * 2 + 1] = low;
  }
  return table;
}

function buildTableT10(): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 8;
    for (let i = 0; i < 8; i++) {
      crc = (crc & 0x8000) !== 0 ? (crc << 1) ^ POLYNOMIAL_T10 : crc << 1;
    }
    return crc;
  });
}

const TABLE_32 = buildTable32();
const TABLE_64 = buildTable64();
const TABLE_T10 = buildTableT10();

/** Each byte with its bits in the opposite order. */
const MIRROR = Uint8Array.from({ length: 256 }, (_, byte) => {
  let mirrored = 0;
  for (let i = 0; i < 8; i++) {
    mirrored |= ((byte >>> i) & 1) << (7 - i);
  }
  return mirrored;
});

/** A 32-bit word with its bits in the opposite order. */
export function mirror32(word: number): number {
  return (
    (((MIRROR[word & 0xff] as number) << 24) |
      ((MIRROR[(word >>> 8) & 0xff] as number) << 16) |
      ((MIRROR[(word >>> 16) & 0xff] as number) << 8) |
      (MIRROR[word >>> 24] as number)) >>>
    0
  );
}

/** Advances a reflected CRC-32C register. `isMirrored`: the most significant bit of each byte comes first. */
export function crc32Step(
  state: number,
  bytes: Uint8Array,
  length: number,
  isMirrored: boolean,
): number {
  let crc = state;
  for (let i = 0; i < length; i++) {
    const byte = isMirrored ? (MIRROR[bytes[i] as number] as number) : (bytes[i] as number);
    crc = (TABLE_32[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  }
  return crc >>> 0;
}

/** Reflected CRC-64 register as two halves, reused by the caller. */
export interface Crc64 {
  high: number;
  low: number;
}

export function crc64Step(
  state: Crc64,
  bytes: Uint8Array,
  length: number,
  isMirrored: boolean,
): void {
  let { high, low } = state;
  for (let i = 0; i < length; i++) {
    const byte = isMirrored ? (MIRROR[bytes[i] as number] as number) : (bytes[i] as number);
    const index = ((low ^ byte) & 0xff) * 2;
    low = ((low >>> 8) | (high << 24)) ^ (TABLE_64[index + 1] as number);
    high = (high >>> 8) ^ (TABLE_64[index] as number);
  }
  state.high = high >>> 0;
  state.low = low >>> 0;
}

/** T10 guard over part of a buffer, most significant bit first. */
export function guardOf(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let crc = seed;
  for (let i = start; i < end; i++) {
    crc =
      ((crc << 8) ^ (TABLE_T10[((crc >>> 8) ^ (bytes[i] as number)) & 0xff] as number)) & 0xffff;
  }
  return crc;
}
