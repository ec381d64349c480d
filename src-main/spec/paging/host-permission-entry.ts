/**
 * Host permission table entries: what a device may do with a host address it presents as translated. VT-d 5.10 sections
 * 4.2.4 and 9.12.
 *
 * Four levels of 128-bit entries. From level 3 down an entry also holds four-bit permissions for parts of its range; a
 * permission other than zero ends the walk. Bits of the permission half that a level does not use are taken as reserved
 * (the text is silent).
 */
import { address, bit, bits, ignored, reserved, type FieldSpec } from '../../bits/field.ts';
import { defineStructure } from '../../bits/structure.ts';
import { vtd } from '../source.ts';

const SOURCE = vtd('9.12');

/** Bits of a permission field; the upper two are reserved. */
export const HOST_PERMISSION = { none: 0, read: 1, write: 2, readWrite: 3 } as const;

const FIRST_8 = ['PP0', 'PP1', 'PP2', 'PP3', 'PP4', 'PP5', 'PP6', 'PP7'] as const;
const FIRST_16 = [
  ...FIRST_8,
  ...(['PP8', 'PP9', 'PP10', 'PP11', 'PP12', 'PP13', 'PP14', 'PP15'] as const),
] as const;
const ALL_32 = [
  ...FIRST_16,
  ...(['PP16', 'PP17', 'PP18', 'PP19', 'PP20', 'PP21', 'PP22', 'PP23'] as const),
  ...(['PP24', 'PP25', 'PP26', 'PP27', 'PP28', 'PP29', 'PP30', 'PP31'] as const),
] as const;

/** One field for each name, two reserved bits above it. */
function permissions<const N extends readonly string[]>(
  names: N,
): Readonly<Record<N[number], FieldSpec<number>>> {
  const fields: Record<string, FieldSpec> = {};
  for (const [i, name] of names.entries()) {
    fields[name] = bits(4 * i + 1, 4 * i, `Permission ${i}`, {
      values: HOST_PERMISSION,
      note: 'Rights for one part of the range.',
    });
    fields[`_p${i}`] = reserved(4 * i + 3, 4 * i + 2);
  }
  return fields as unknown as Readonly<Record<N[number], FieldSpec<number>>>;
}

const NEXT = {
  AV: bit(64, 'Address Valid', { note: 'A lower table exists.' }),
  _r65: reserved(75, 65),
  ADDR: address(115, 76, 'Address of the next table', { validBits: 'HAW' }),
  _i116: ignored(127, 116),
};

export const HostPermissionL4Entry = defineStructure({
  name: 'HostPermissionL4Entry',
  title: 'Host Permission Table Entry, level 4',
  bytes: 16,
  source: SOURCE,
  fields: { _r0: reserved(63, 0), ...NEXT },
});

export const HostPermissionL3Entry = defineStructure({
  name: 'HostPermissionL3Entry',
  title: 'Host Permission Table Entry, level 3',
  bytes: 16,
  source: SOURCE,
  note: 'Eight permissions of 1 GB each, where HPT1GPS is reported.',
  fields: { ...permissions(FIRST_8), _r32: reserved(63, 32), ...NEXT },
});

export const HostPermissionL2Entry = defineStructure({
  name: 'HostPermissionL2Entry',
  title: 'Host Permission Table Entry, level 2',
  bytes: 16,
  source: SOURCE,
  note: 'Sixteen permissions of 2 MB each.',
  fields: { ...permissions(FIRST_16), ...NEXT },
});

export const HostPermissionL1Entry = defineStructure({
  name: 'HostPermissionL1Entry',
  title: 'Host Permission Table Entry, level 1',
  bytes: 16,
  source: SOURCE,
  note: '32 permissions of 4 KB each.',
  fields: permissions(ALL_32),
});
