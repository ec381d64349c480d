/** Numbers that cross between scripts and the kernel side. */
import { ArgumentError } from './sdk-module.ts';
import type { ScriptValue } from './sdk-module.ts';

/** An address or a size: a number or BigInt below 2^53. */
export function asAddress(value: ScriptValue, argument: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) {
    return number;
  }
  throw new ArgumentError(
    argument,
    'an address (a whole number or BigInt from 0 to 2^53-1)',
    value,
  );
}

/** What a callback of a script returned, as a kernel return code: nothing counts as 0. */
export function toReturnCode(value: ScriptValue): number {
  if (typeof value === 'number' && Number.isInteger(value)) {
    return value;
  }
  return typeof value === 'boolean' ? Number(value) : 0;
}
