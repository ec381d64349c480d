/**
 * Hexadecimal text of numbers and 64-bit values: lower case, `0x` prefix, optionally padded and grouped by four.
 */

const GROUP_DIGITS = 4;

/** `0x1f`, or padded to `digits`. Accepts any non-negative safe integer or bigint. */
export function toHex(value: number | bigint, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

/** Eight hexadecimal digits without prefix: one 32-bit word. */
export function wordHex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

/** `0x0000_7f00_0020_1000`: grouped by four digits from the right. */
export function toGroupedHex(value: number | bigint, digits = 16): string {
  const text = value.toString(16).padStart(digits, '0');
  const groups: string[] = [];
  for (let end = text.length; end > 0; end -= GROUP_DIGITS) {
    groups.unshift(text.slice(Math.max(0, end - GROUP_DIGITS), end));
  }
  return `0x${groups.join('_')}`;
}

/** Hexadecimal of a 64-bit value given as halves, without leading zeros. */
export function hexOfHalves(high: number, low: number): string {
  const h = high >>> 0;
  return h === 0 ? `0x${(low >>> 0).toString(16)}` : `0x${h.toString(16)}${wordHex(low)}`;
}

const BYTE_DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Two digits a byte, no separators, lowest address first. */
export function bytesToHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    text += BYTE_DIGITS[byte];
  }
  return text;
}

/** Inverse of `bytesToHex`. Undefined when the text is not an even number of hexadecimal digits. */
export function hexToBytes(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    return undefined;
  }
  return Uint8Array.from({ length: text.length / 2 }, (_, i) =>
    Number.parseInt(text.slice(i * 2, i * 2 + 2), 16),
  );
}
