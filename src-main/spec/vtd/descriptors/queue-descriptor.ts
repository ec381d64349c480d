/**
 * What all invalidation queue descriptors have in common. VT-d 5.10 section 6.5.2.
 *
 * The seven-bit type is split over bits 11:9 and 3:0. Descriptors of 128 bits are padded with 128 zero bits in a queue of
 * 256-bit descriptors, and the padding is reserved; `padded` is that form.
 */
import { reserved, split, type FieldSpec, type SourceRef } from '../../../bits/field.ts';
import type { FieldMap } from '../../../bits/layout.ts';
import { defineStructure, type Structure } from '../../../bits/structure.ts';

export const DESCRIPTOR_TYPE = {
  contextCache: 0x1,
  iotlb: 0x2,
  deviceTlb: 0x3,
  interruptEntryCache: 0x4,
  wait: 0x5,
  pasidIotlb: 0x6,
  pasidCache: 0x7,
  pasidDeviceTlb: 0x8,
  pageGroupResponse: 0x9,
  hostPermissionCache: 0xa,
} as const;

export type DescriptorTypeName = keyof typeof DESCRIPTOR_TYPE;

interface TypeField {
  readonly TYPE: FieldSpec<number>;
}

interface Padding {
  readonly _padding: FieldSpec<bigint>;
}

/** A descriptor; `encode` fills in the type. */
export interface QueueDescriptor<F extends FieldMap = FieldMap> extends Structure<F & TypeField> {
  readonly typeName: DescriptorTypeName;
  readonly type: number;
  /** 256-bit form; the structure itself for descriptors that have no other. */
  readonly padded: Structure<F & TypeField>;
  /** Capability without which the type is invalid. */
  readonly capability?: string;
  /** Whether the type is valid while TTM says legacy. */
  readonly isLegacy: boolean;
}

interface DescriptorSpec<F extends FieldMap> {
  readonly name: string;
  readonly title: string;
  readonly typeName: DescriptorTypeName;
  readonly bytes: 16 | 32;
  readonly source: SourceRef;
  readonly fields: F;
  readonly note: string;
  readonly capability?: string;
  readonly isLegacy?: boolean;
}

const WIDE_BYTES = 32;
const NARROW_BITS = 128;

/** Encoding fills in the type unless it is given. */
function withType<F extends FieldMap>(structure: Structure<F>, type: number): Structure<F> {
  return {
    ...structure,
    encode: (values) => structure.encode({ TYPE: type, ...values }),
  };
}

export function defineDescriptor<const F extends FieldMap>(
  spec: DescriptorSpec<F>,
): QueueDescriptor<F> {
  const { typeName, capability, isLegacy = false, ...rest } = spec;
  const type = DESCRIPTOR_TYPE[typeName];
  const typeField: TypeField = {
    TYPE: split(
      [
        [11, 9],
        [3, 0],
      ],
      'Descriptor type',
      { values: DESCRIPTOR_TYPE, note: 'Says how the rest is laid out.' },
    ),
  };
  const fields: F & TypeField = { ...spec.fields, ...typeField };
  const structure = defineStructure({ ...rest, fields });
  const padding: Padding = { _padding: reserved(2 * NARROW_BITS - 1, NARROW_BITS) };
  const padded =
    spec.bytes === WIDE_BYTES
      ? withType(structure, type)
      : withType(
          defineStructure({
            ...rest,
            name: `${spec.name}Padded`,
            title: `${spec.title}, 256-bit form`,
            bytes: WIDE_BYTES,
            fields: { ...fields, ...padding },
          }),
          type,
        );
  return {
    ...withType(structure, type),
    typeName,
    type,
    padded: padded as unknown as Structure<F & TypeField>,
    isLegacy,
    ...(capability === undefined ? {} : { capability }),
  };
}
