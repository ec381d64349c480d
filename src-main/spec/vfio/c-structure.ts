/**
 * C structures of the Linux user interface as declarations: members in order, naturally aligned, little-endian. Everything
 * that derives from a declaration (decode, encode, rows for the window) works for them too.
 */
import type { FieldSpec } from '../../bits/field.ts';
import { bits, wide } from '../../bits/field.ts';
import { invariant } from '../../bits/invariant.ts';
import { defineStructure, type Structure } from '../../bits/structure.ts';
import { linux } from '../source.ts';

const SIZES = { u8: 1, u16: 2, u32: 4, s32: 4, u64: 8 } as const;
type MemberType = keyof typeof SIZES;

/** `[type, title, note]` */
export type Member = readonly [type: MemberType, title: string, note?: string];

type MemberField<M extends Member> = FieldSpec<M[0] extends 'u64' ? bigint : number>;
type Fields<M extends Readonly<Record<string, Member>>> = {
  readonly [K in keyof M]: MemberField<M[K]>;
};

export interface CStructureSpec<M extends Readonly<Record<string, Member>>> {
  /** As the header spells it: `vfio_region_info`. */
  readonly name: string;
  readonly title: string;
  readonly header: string;
  readonly members: M;
  readonly note?: string;
}

export function defineCStructure<const M extends Readonly<Record<string, Member>>>(
  spec: CStructureSpec<M>,
): Structure<Fields<M>> {
  let offset = 0;
  const fields: Record<string, FieldSpec> = {};
  for (const [name, [type, title, note]] of Object.entries(spec.members)) {
    const bytes = SIZES[type];
    invariant(offset % bytes === 0, `${spec.name}.${name} is not aligned to ${bytes} bytes`);
    const low = offset * 8;
    const high = low + bytes * 8 - 1;
    const options = note === undefined ? {} : { note };
    fields[name] =
      type === 'u64' ? wide(high, low, title, options) : bits(high, low, title, options);
    offset += bytes;
  }
  return defineStructure({
    name: spec.name,
    title: spec.title,
    bytes: offset,
    source: linux(spec.header),
    fields: fields as Fields<M>,
    ...(spec.note === undefined ? {} : { note: spec.note }),
  });
}
