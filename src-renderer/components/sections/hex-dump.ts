/** Rows of a hex dump: sixteen bytes, grouped by four, with their characters. */
import { addHex } from '../../format/hex.ts';
import type { BytesSection } from '../../../src-main/protocol/views.ts';

export const BYTES_PER_ROW = 16;
const BYTES_PER_GROUP = 4;

export interface DumpByte {
  readonly text: string;
  readonly isChanged: boolean;
  readonly isGroupStart: boolean;
}

export interface DumpRow {
  readonly offset: number;
  readonly address: string;
  readonly bytes: readonly DumpByte[];
  readonly ascii: string;
  readonly hasChanges: boolean;
  readonly isZero: boolean;
}

const FIRST_PRINTABLE = 0x20;
const LAST_PRINTABLE = 0x7e;

function toChar(byte: string): string {
  const code = Number.parseInt(byte, 16);
  return code >= FIRST_PRINTABLE && code <= LAST_PRINTABLE ? String.fromCharCode(code) : '·';
}

export function rowCount(section: BytesSection): number {
  return Math.ceil(section.hex.length / 2 / BYTES_PER_ROW);
}

const MIN_ADDRESS_DIGITS = 8;

/** Digits that addresses of this block need: whole groups, never fewer than two. */
export function addressDigits(section: BytesSection): number {
  const last = addHex(section.address, Math.max(0, section.hex.length / 2 - 1));
  const needed = last.replace(/^0x0*/, '').length;
  return Math.max(MIN_ADDRESS_DIGITS, Math.ceil(needed / 4) * 4);
}

function shorten(address: string, digits: number): string {
  return `0x${address.slice(2).slice(-digits).padStart(digits, '0')}`;
}

export function dumpRow(
  section: BytesSection,
  index: number,
  changed: ReadonlySet<number>,
  digits = 16,
): DumpRow {
  const offset = index * BYTES_PER_ROW;
  const hex = section.hex.slice(offset * 2, (offset + BYTES_PER_ROW) * 2);
  const texts = hex.match(/../g) ?? [];
  const bytes = texts.map((text, at) => ({
    text,
    isChanged: changed.has(offset + at),
    isGroupStart: at > 0 && at % BYTES_PER_GROUP === 0,
  }));
  return {
    offset,
    address: shorten(addHex(section.address, offset), digits),
    bytes,
    ascii: texts.map(toChar).join(''),
    hasChanges: bytes.some((byte) => byte.isChanged),
    isZero: /^0*$/.test(hex),
  };
}
