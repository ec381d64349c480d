/** Writes of table entries with one record for each 64-bit word that changes. */
import { bigOf } from '../../../bits/u64.ts';
import type { Core } from '../../core/core.ts';

/** Emits the record of one word and gives its number. */
export type WordRecord = (word: number, address: number, old: bigint, value: bigint) => number;

export function readWords(core: Core, address: number, words: number): Uint32Array {
  const bytes = core.hw.memoryRead(address, words * 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: words }, (_, i) => view.getUint32(i * 4, true));
}

export function toBytes(words: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  Array.from(words).forEach((word, i) => view.setUint32(i * 4, word, true));
  return bytes;
}

/**
 * Writes an entry from its last 64-bit word to the first, which holds the present bit, so that hardware never sees half
 * of it. `atomicWords` words at the beginning are stored at once.
 */
export function writeEntry(
  core: Core,
  address: number,
  next: Uint32Array,
  options: { readonly record: WordRecord; readonly atomicWords?: number },
): void {
  const before = readWords(core, address, next.length);
  const wordAt = (words: Uint32Array, word: number): bigint =>
    bigOf(words[word * 2 + 1] ?? 0, words[word * 2] ?? 0);
  const count = next.length / 2;
  const atomic = options.atomicWords ?? 1;
  let seq = -1;
  let hasAtomicChange = false;
  for (let word = count - 1; word >= 0; word--) {
    const old = wordAt(before, word);
    const value = wordAt(next, word);
    if (old === value) {
      continue;
    }
    seq = options.record(word, address + word * 8, old, value);
    if (word >= atomic) {
      core.hw.within(seq, () => core.hw.memoryWrite64(address + word * 8, value));
    } else {
      hasAtomicChange = true;
    }
  }
  if (hasAtomicChange) {
    core.hw.within(seq, () => core.hw.memoryWrite(address, toBytes(next.subarray(0, atomic * 2))));
  }
}
