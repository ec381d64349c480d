/** Text of arguments and results for call records: short, stable, the way a kernel trace prints them. */
import { toHex } from '../../bits/hex.ts';
import { formatReturn } from '../errno.ts';

/** Objects that appear in call records by name: devices, domains, files. */
export interface Named {
  readonly name: string;
}

const SMALL = 1024;
const MAX_TEXT = 60;

function isNamed(value: object): value is Named {
  return 'name' in value && typeof value.name === 'string';
}

function describeNumber(value: number): string {
  if (!Number.isInteger(value)) {
    return value.toString();
  }
  return value >= SMALL ? toHex(value) : formatReturn(value);
}

function describeObject(value: object): string {
  if (isNamed(value)) {
    return value.name;
  }
  if (value instanceof Uint8Array || value instanceof Uint32Array) {
    return `[${value.byteLength} bytes]`;
  }
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    return `[${items.slice(0, 4).map(describe).join(', ')}${items.length > 4 ? ', ...' : ''}]`;
  }
  const fields = Object.entries(value)
    .filter(([, field]) => typeof field !== 'function')
    .slice(0, 6);
  return `{${fields.map(([key, field]) => `${key}: ${describe(field)}`).join(', ')}}`;
}

export function describe(value: unknown): string {
  switch (typeof value) {
    case 'number':
      return describeNumber(value);
    case 'bigint':
      return toHex(value);
    case 'string':
      return value.length > MAX_TEXT ? `"${value.slice(0, MAX_TEXT)}..."` : `"${value}"`;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'function':
      return value.name === '' ? 'function' : value.name;
    case 'object':
      return value === null ? 'NULL' : describeObject(value);
    default:
      return '';
  }
}

export function describeArguments(args: readonly unknown[]): string {
  return args.map(describe).join(', ');
}
