/**
 * 64-bit values without BigInt: two unsigned 32-bit halves, or one Number where the value is known to stay below 2^53.
 *
 * Inside the simulation addresses and registers travel as halves (`high`, `low`) or as Numbers; BigInt appears only at the
 * script interface, in decoded structures and in tests, because it is five to ten times slower.
 */

export const TWO_32 = 4_294_967_296;
const U64_MASK = (1n << 64n) - 1n;

/** High half of a non-negative integer below 2^53. */
export function highOf(value: number): number {
  return Math.floor(value / TWO_32) >>> 0;
}

/** Low half of a non-negative integer below 2^53. */
export function lowOf(value: number): number {
  return value >>> 0;
}

/** Number from halves. Exact only below 2^53. */
export function numberOf(high: number, low: number): number {
  return (high >>> 0) * TWO_32 + (low >>> 0);
}

export function bigOf(high: number, low: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

export function highOfBig(value: bigint): number {
  return Number((value >> 32n) & 0xffff_ffffn);
}

export function lowOfBig(value: bigint): number {
  return Number(value & 0xffff_ffffn);
}

/** Wraps to 64 bits. */
export function asU64(value: bigint): bigint {
  return value & U64_MASK;
}

/** All ones in bits `high:low` of a 32-bit word; `high` and `low` within 0 to 31. */
export function maskOf(high: number, low: number): number {
  const width = high - low + 1;
  return width === 32 ? 0xffff_ffff : (((1 << width) - 1) << low) >>> 0;
}
