/** 64-bit words as the specifications print them: lowest address first, hexadecimal. */
import { bigOf } from '../../src-main/bits/u64.ts';

const QWORD_DIGITS = 16;

export function toQwords(words: Uint32Array): readonly string[] {
  const out: string[] = [];
  for (let i = 0; i < words.length; i += 2) {
    out.push(
      bigOf(words[i + 1] ?? 0, words[i] ?? 0)
        .toString(16)
        .padStart(QWORD_DIGITS, '0'),
    );
  }
  return out;
}

/** From text of space-separated hexadecimal qwords; `count` pads with zeros. */
export function fromQwords(text: string, count = text.split(' ').length): Uint32Array {
  const words = new Uint32Array(count * 2);
  for (const [i, part] of text.split(' ').entries()) {
    const value = BigInt(`0x${part}`);
    words[2 * i] = Number(value & 0xffff_ffffn);
    words[2 * i + 1] = Number(value >> 32n);
  }
  return words;
}
