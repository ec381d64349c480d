/**
 * Sets of 256 interrupt vectors in eight 32-bit registers, 16 bytes apart: IRR, ISR and TMR of a local APIC and their
 * counterparts in a virtual-APIC page.
 */
import { VECTOR_REGISTERS, VECTOR_REGISTER_STRIDE } from '../../spec/cpu/local-apic.ts';

/** Storage by byte offset: a `RegisterFile` or a page in memory. */
export interface VectorStorage {
  peek32(offset: number): number;
  poke32(offset: number, value: number): void;
}

export const NO_VECTOR = -1;
const VECTORS_PER_WORD = 32;

function offsetOf(base: number, vector: number): number {
  return base + (vector >>> 5) * VECTOR_REGISTER_STRIDE;
}

function bitOf(vector: number): number {
  return (1 << (vector & (VECTORS_PER_WORD - 1))) >>> 0;
}

export function hasVector(storage: VectorStorage, base: number, vector: number): boolean {
  return (storage.peek32(offsetOf(base, vector)) & bitOf(vector)) !== 0;
}

export function addVector(storage: VectorStorage, base: number, vector: number): void {
  const offset = offsetOf(base, vector);
  storage.poke32(offset, (storage.peek32(offset) | bitOf(vector)) >>> 0);
}

export function removeVector(storage: VectorStorage, base: number, vector: number): void {
  const offset = offsetOf(base, vector);
  storage.poke32(offset, (storage.peek32(offset) & ~bitOf(vector)) >>> 0);
}

/** Highest vector of the set, `NO_VECTOR` when it is empty. */
export function highestVector(storage: VectorStorage, base: number): number {
  for (let i = VECTOR_REGISTERS - 1; i >= 0; i--) {
    const word = storage.peek32(base + i * VECTOR_REGISTER_STRIDE);
    if (word !== 0) {
      return i * VECTORS_PER_WORD + (VECTORS_PER_WORD - 1 - Math.clz32(word));
    }
  }
  return NO_VECTOR;
}

/** Priority class: the upper four bits of a vector or priority. */
export function classOf(vector: number): number {
  return vector >>> 4;
}

export function countBits(word: number): number {
  let left = word >>> 0;
  let count = 0;
  while (left !== 0) {
    left &= left - 1;
    count++;
  }
  return count;
}
