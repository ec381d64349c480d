/**
 * Checks of the arguments a script passes. Each returns the value in the type the kernel side wants, or throws an
 * `ArgumentError` that names the argument, what was expected and what was found.
 */
import { ArgumentError, GuestFunction } from './sdk-module.ts';
import type { ScriptRecord, ScriptValue } from './sdk-module.ts';
import { HostObject, GuestReference } from './sdk-module.ts';

const U32_MAX = 0xffff_ffff;
const U64_MAX = (1n << 64n) - 1n;

/** A whole number from 0 to `max`; BigInts are taken too. */
export function asUnsigned(value: ScriptValue, argument: string, max: number): number {
  const number = typeof value === 'bigint' && value <= BigInt(max) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= max) {
    return number;
  }
  throw new ArgumentError(argument, `a whole number from 0 to 0x${max.toString(16)}`, value);
}

export function asU8(value: ScriptValue, argument: string): number {
  return asUnsigned(value, argument, 0xff);
}

export function asU16(value: ScriptValue, argument: string): number {
  return asUnsigned(value, argument, 0xffff);
}

export function asU32(value: ScriptValue, argument: string): number {
  return asUnsigned(value, argument, U32_MAX);
}

/** A 64-bit unsigned value: a BigInt, or a number that is exact. */
export function asU64(value: ScriptValue, argument: string): bigint {
  if (typeof value === 'bigint' && value >= 0n && value <= U64_MAX) return value;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  const expected = 'a 64-bit unsigned value (a BigInt such as 0x1000n, or a number below 2^53)';
  throw new ArgumentError(argument, expected, value);
}

/** A whole signed number, for file descriptors and offsets that may be negative. */
export function asInteger(value: ScriptValue, argument: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw new ArgumentError(argument, 'a whole number', value);
}

export function asBoolean(value: ScriptValue, argument: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new ArgumentError(argument, 'true or false', value);
}

export function asString(value: ScriptValue, argument: string): string {
  if (typeof value === 'string') return value;
  throw new ArgumentError(argument, 'a string', value);
}

export function asBytes(value: ScriptValue, argument: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new ArgumentError(argument, 'a Uint8Array', value);
}

export function asFunction(value: ScriptValue, argument: string): GuestFunction {
  if (value instanceof GuestFunction) return value;
  throw new ArgumentError(argument, 'a function', value);
}

export function asArray(value: ScriptValue, argument: string): readonly ScriptValue[] {
  if (Array.isArray(value)) return value;
  throw new ArgumentError(argument, 'an array', value);
}

/** A plain object: an op table, an ioctl structure. */
export function asRecord(value: ScriptValue, argument: string): ScriptRecord {
  if (isRecord(value)) return value;
  throw new ArgumentError(argument, 'an object', value);
}

/** `check` applied unless the argument was left out. */
export function optional<T>(
  value: ScriptValue,
  argument: string,
  check: (value: ScriptValue, argument: string) => T,
): T | undefined {
  return value === undefined ? undefined : check(value, argument);
}

/** An op table's entry: a function, or undefined when the script left it out. */
export function operationOf(
  table: ScriptRecord,
  name: string,
  argument: string,
): GuestFunction | undefined {
  return optional(table[name], `${argument}.${name}`, asFunction);
}

export function isRecord(value: ScriptValue): value is ScriptRecord {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof HostObject) &&
    !(value instanceof GuestFunction) &&
    !(value instanceof GuestReference)
  );
}
