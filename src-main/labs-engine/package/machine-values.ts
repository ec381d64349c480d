/** Values as people write them in `machine.json`. */
import * as v from 'valibot';

const UNITS: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const SIZE = /^(\d+) ?(KiB|MiB|GiB)$/;

export const Name = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/,
    'Expected a name of letters, digits, dots and hyphens',
  ),
);

export const Count = v.pipe(
  v.number(),
  v.integer('Expected a whole number'),
  v.minValue(0, 'Expected 0 or more'),
);

/** A number of bytes, or `"64 MiB"`. */
export const Bytes = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.regex(SIZE, 'Expected a size such as 64 MiB'))]),
  v.transform((value) => {
    if (typeof value === 'number') return value;
    const [, count = '0', unit = ''] = SIZE.exec(value) ?? [];
    return Number(count) * (UNITS[unit] ?? 1);
  }),
  v.integer('Expected a whole number of bytes'),
  v.minValue(0, 'Expected 0 or more'),
);

/** A number, or hexadecimal text such as `"0x0b25"`. */
export function hexNumber(max: number): v.GenericSchema<number | string, number> {
  return v.pipe(
    v.union([
      v.number(),
      v.pipe(v.string(), v.regex(/^0x[0-9a-fA-F]{1,8}$/, 'Expected a number such as 0x0b25')),
    ]),
    v.transform(Number),
    v.integer('Expected a whole number'),
    v.minValue(0, 'Expected 0 or more'),
    v.maxValue(max, `Expected at most 0x${max.toString(16)}`),
  );
}

/** A 64-bit register as hexadecimal text. */
export const Hex64 = v.pipe(
  v.string(),
  v.regex(/^0x[0-9a-fA-F]{1,16}$/, 'Expected a value such as 0x1234'),
);
