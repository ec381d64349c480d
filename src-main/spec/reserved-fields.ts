/**
 * Reserved bits of registers in the two flavours the specifications name. Structures in memory use plain `reserved`.
 */
import { reserved, type FieldSpec } from '../bits/field.ts';

/** Reads as zero; software writes zero. */
export function rsvdZ(high: number, low: number = high): FieldSpec<bigint> {
  return reserved(high, low, { access: 'RsvdZ' });
}

/** Reads as zero today; software writes back what it read. */
export function rsvdP(high: number, low: number = high): FieldSpec<bigint> {
  return reserved(high, low, { access: 'RsvdP' });
}
