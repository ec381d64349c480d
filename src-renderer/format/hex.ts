/** Text forms of hexadecimal values. Grouping is visual only: copied text stays a plain number. */

/** Splits digits into groups of four from the right: `12345` gives `['1', '2345']`. */
export function groupDigits(digits: string, size = 4): readonly string[] {
  const first = digits.length % size;
  const groups = first > 0 ? [digits.slice(0, first)] : [];
  for (let at = first; at < digits.length; at += size) groups.push(digits.slice(at, at + size));
  return groups;
}

export type TextPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'hex'; readonly prefix: string; readonly groups: readonly string[] };

const HEX_NUMBER = /0x[0-9a-fA-F](?:_?[0-9a-fA-F])*/g;
/** Shorter numbers read well without gaps. */
const MIN_GROUPED_DIGITS = 5;

/** Groups that stay on one line: 64 bits. Longer numbers may break between groups, or they would cover what stands beside them. */
export const WHOLE_GROUPS = 4;

/** The text with as much of each hexadecimal number as stays on one line: what a column must have room for. */
export function unbrokenText(text: string): string {
  return text.replaceAll(HEX_NUMBER, (number) => {
    const groups = groupDigits(number.slice(2).replaceAll('_', ''));
    return groups.length > WHOLE_GROUPS ? `0x${groups.slice(-WHOLE_GROUPS).join('')}` : number;
  });
}

/** Cuts a text into plain parts and hexadecimal numbers long enough to be grouped. */
export function splitHex(text: string): readonly TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  for (const match of text.matchAll(HEX_NUMBER)) {
    const digits = match[0].slice(2).replaceAll('_', '');
    if (digits.length < MIN_GROUPED_DIGITS) continue;
    if (match.index > end) parts.push({ kind: 'text', text: text.slice(end, match.index) });
    parts.push({ kind: 'hex', prefix: '0x', groups: groupDigits(digits) });
    end = match.index + match[0].length;
  }
  if (end < text.length || parts.length === 0) parts.push({ kind: 'text', text: text.slice(end) });
  return parts;
}

/** `0x1f40` style text of a number, at least `digits` long. */
export function toHex(value: number, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

/** A hexadecimal text plus an offset, keeping its width. Exact beyond 2^53. */
export function addHex(base: string, offset: number): string {
  const digits = base.replace(/^0x/i, '').replaceAll('_', '');
  const sum = BigInt(`0x${digits === '' ? '0' : digits}`) + BigInt(offset);
  return `0x${sum.toString(16).padStart(digits.length, '0')}`;
}

/** The same number, however it is written: case, leading zeros and separators do not count. */
export function isSameHex(a: string, b: string): boolean {
  const plain = (text: string): string =>
    text
      .replaceAll('_', '')
      .replace(/^0x0*(?=.)/i, '')
      .toLowerCase();
  return plain(a) === plain(b);
}

/** Accepts `0x1f`, `1f`, `0X1F`, grouped forms; null when it is no 64-bit hexadecimal number. */
export function parseHex(text: string): string | null {
  const digits = text.trim().replaceAll(/[_\s]/g, '').replace(/^0x/i, '').toLowerCase();
  if (!/^[0-9a-f]{1,16}$/.test(digits)) return null;
  return `0x${digits}`;
}
