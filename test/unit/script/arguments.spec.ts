import { describe, expect, it } from 'vitest';
import {
  asArray,
  asBoolean,
  asBytes,
  asFunction,
  asInteger,
  asRecord,
  asString,
  asU16,
  asU32,
  asU64,
  asU8,
  operationOf,
  optional,
} from '../../../src-main/script/sdk/arguments.ts';
import { ArgumentError, defineHostType } from '../../../src-main/script/sdk/sdk-module.ts';
import type { ScriptValue } from '../../../src-main/script/sdk/sdk-module.ts';

const host = defineHostType<object>({ name: 'struct x' }).of({});

const accepted: readonly (readonly [string, () => unknown, unknown])[] = [
  ['asU8 of its largest value', () => asU8(0xff, 'a'), 0xff],
  ['asU16 of a BigInt', () => asU16(7n, 'a'), 7],
  ['asU32 of its largest value', () => asU32(0xffff_ffff, 'a'), 0xffff_ffff],
  ['asU64 of its largest value', () => asU64(2n ** 64n - 1n, 'a'), 2n ** 64n - 1n],
  ['asU64 of an exact number', () => asU64(2 ** 53 - 1, 'a'), 2n ** 53n - 1n],
  ['asInteger of a negative number', () => asInteger(-1, 'a'), -1],
  ['asBoolean', () => asBoolean(false, 'a'), false],
  ['asString of an empty string', () => asString('', 'a'), ''],
  ['asBytes', () => asBytes(new Uint8Array([1]), 'a'), new Uint8Array([1])],
  ['asArray', () => asArray([1], 'a'), [1]],
  ['asRecord', () => asRecord({ a: 1 }, 'a'), { a: 1 }],
  ['optional without a value', () => optional(undefined, 'a', asU8), undefined],
  ['optional with a value', () => optional(3, 'a', asU8), 3],
  ['operationOf without an entry', () => operationOf({}, 'open', 'ops'), undefined],
];

const refused: readonly (readonly [
  string,
  (value: ScriptValue) => unknown,
  ScriptValue,
  string,
])[] = [
  ['asU8', (v) => asU8(v, 'a'), 0x100, 'a must be a whole number from 0 to 0xff, found 256'],
  ['asU16', (v) => asU16(v, 'a'), -1, 'found -1'],
  ['asU32', (v) => asU32(v, 'a'), 2n ** 40n, 'found 1099511627776n'],
  ['asU64', (v) => asU64(v, 'a'), 2n ** 64n, 'found 18446744073709551616n'],
  ['asU64', (v) => asU64(v, 'a'), 1.5, 'found 1.5'],
  ['asInteger', (v) => asInteger(v, 'a'), NaN, 'found NaN'],
  ['asBoolean', (v) => asBoolean(v, 'a'), 0, 'a must be true or false, found 0'],
  ['asString', (v) => asString(v, 'a'), null, 'a must be a string, found null'],
  ['asBytes', (v) => asBytes(v, 'a'), [1], 'a must be a Uint8Array, found an array'],
  ['asFunction', (v) => asFunction(v, 'a'), {}, 'a must be a function, found an object'],
  ['asArray', (v) => asArray(v, 'a'), new Uint8Array(3), 'a must be an array, found 3 bytes'],
  ['asRecord', (v) => asRecord(v, 'a'), host, 'a must be an object, found a struct x'],
  ['asRecord', (v) => asRecord(v, 'a'), [], 'found an array'],
  [
    'operationOf',
    (v) => operationOf({ open: v }, 'open', 'ops'),
    5,
    'ops.open must be a function, found 5',
  ],
  ['asString', (v) => asString(v, 'a'), undefined, 'found undefined'],
];

describe('argument checks', () => {
  it.each(accepted)('accept %s', (_what, check, expected) => {
    expect(check()).toEqual(expected);
  });

  it.each(refused)('%s names argument, expectation and value', (_what, check, value, message) => {
    expect(() => check(value)).toThrow(ArgumentError);
    expect(() => check(value)).toThrow(message);
  });

  it('shorten long strings', () => {
    expect(() => asU8('x'.repeat(100), 'a')).toThrow(`found "${'x'.repeat(40)}..."`);
  });
});
