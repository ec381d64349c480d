/**
 * C structures at the border: a script passes and gets plain objects with the members' names, the kernel gets the bytes.
 * Types for the editor and constants derive from the declarations in `spec`.
 */
import type { FieldMap } from '../../bits/layout.ts';
import type { Structure } from '../../bits/structure.ts';
import { decodeBytes, encodeBytes } from '../../linux/core/user-argument.ts';
import { asInteger, asU64 } from './arguments.ts';
import { ArgumentError, type ScriptRecord, type ScriptValue } from './sdk-module.ts';

const WIDE_BITS = 32;

/** The bytes of a structure whose members a script gave by name. Members that are absent are zero. */
export function structureBytes<F extends FieldMap>(
  structure: Structure<F>,
  members: ScriptRecord,
  argument: string,
): Uint8Array {
  const known = new Map(structure.fields.map((field) => [field.name, field]));
  const values: Record<string, number | bigint> = {};
  for (const [name, value] of Object.entries(members)) {
    const field = known.get(name);
    if (field === undefined) {
      const names = [...known.keys()].join(', ');
      throw new ArgumentError(
        argument,
        `a struct ${structure.name} with the members ${names}`,
        name,
      );
    }
    if (value !== undefined) {
      values[name] = memberValue(value, field.width, `${argument}.${name}`);
    }
  }
  return encodeBytes(structure, values as Partial<Parameters<typeof structure.encode>[0]>);
}

/** A member as it is stored: 64-bit ones as BigInt; -1 and the like are taken as two's complement. */
function memberValue(value: ScriptValue, width: number, argument: string): number | bigint {
  if (width > WIDE_BITS) return asU64(value, argument);
  const number = asInteger(typeof value === 'bigint' ? Number(value) : value, argument);
  const limit = 2 ** width;
  if (number >= limit || number < -limit / 2) {
    throw new ArgumentError(argument, `a value of ${String(width)} bits`, value);
  }
  return number < 0 ? number + limit : number;
}

/** Members by name: numbers, and 64-bit ones too where they are exact, so that scripts can add to them. */
export function structureMembers<F extends FieldMap>(
  structure: Structure<F>,
  bytes: Uint8Array,
): Record<string, number | bigint> {
  const values = decodeBytes(structure, bytes) as Readonly<Record<string, number | bigint>>;
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, plainNumber(value)]),
  );
}

function plainNumber(value: number | bigint): number | bigint {
  return typeof value === 'bigint' && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value;
}

/** `export interface vfio_region_info { ... }` from the declaration. */
export function structureType(structure: Structure): string {
  const members = structure.fields.map(({ name, width, spec }) => {
    const note = spec.note === undefined ? '' : ` ${spec.note}`;
    const type = width > WIDE_BITS ? 'number | bigint' : 'number';
    return `  /** ${spec.title}.${note} */\n  ${name}?: ${type};`;
  });
  return [
    `/** ${structure.title} (\`struct ${structure.name}\`, ${String(structure.bytes)} bytes). */`,
    `export interface ${structure.name} {`,
    ...members,
    '}',
  ].join('\n');
}

/** \`export declare const NAME: value;\` for each constant, with what it is. */
export function constantTypes(
  constants: Readonly<Record<string, number>>,
  noteOf: (name: string, value: number) => string,
): string {
  return Object.entries(constants)
    .map(
      ([name, value]) =>
        `/** ${noteOf(name, value)} */\nexport declare const ${name}: ${String(value)};`,
    )
    .join('\n');
}
