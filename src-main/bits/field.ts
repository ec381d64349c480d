/**
 * Bit fields as the specifications print them: absolute bit numbers within the whole structure, high:low.
 *
 * A declaration is data. Everything else (decode, encode, masks, rows for the window, generators) derives from it in
 * `layout.ts`, `structure.ts` and `register-block.ts`.
 */

/** Access types of registers as VT-d 5.10 section 11.1 and PCIe name them. Structures in memory use `RW`. */
export type Access =
  'RO' | 'RW' | 'WO' | 'RW1C' | 'RW1CS' | 'RWS' | 'ROS' | 'RWL' | 'RsvdP' | 'RsvdZ' | 'HwInit';

/** What bits without a meaning are. `reserved` must be zero, `ignored` may hold anything. */
export type FieldRole = 'value' | 'reserved' | 'ignored';

export interface BitRange {
  readonly high: number;
  readonly low: number;
}

export interface FieldOptions {
  /** Names of values. */
  readonly values?: Readonly<Record<string, number>>;
  readonly access?: Access;
  /** Reset value. */
  readonly reset?: number | bigint;
  /** Capability without which the field is reserved, or several that must all be there; the layout context knows. */
  readonly capability?: string | readonly string[];
  /** Number of low bits of the field (of the address, for addresses) that exist; a name resolved like a capability. */
  readonly validBits?: string;
  /** One teaching sentence. */
  readonly note?: string;
  readonly format?: 'hex' | 'decimal' | 'flag' | 'address';
  /** Older names of the field. */
  readonly aka?: readonly string[];
}

/** `V` is the type of the decoded value: number up to 32 bits, bigint above. */
export interface FieldSpec<V extends number | bigint = number | bigint> extends FieldOptions {
  readonly parts: readonly BitRange[];
  readonly title: string;
  readonly role: FieldRole;
  /** The decoded value is the field shifted left by this much (page addresses). */
  readonly addressShift: number;
  readonly isWide: boolean;
  /** Type only. */
  readonly valueType?: V;
}

function make<V extends number | bigint>(
  parts: readonly BitRange[],
  title: string,
  role: FieldRole,
  isWide: boolean,
  options: FieldOptions,
  addressShift = 0,
): FieldSpec<V> {
  return { ...options, parts, title, role, isWide, addressShift };
}

/** One bit. */
export function bit(index: number, title: string, options: FieldOptions = {}): FieldSpec<number> {
  return make([{ high: index, low: index }], title, 'value', false, { format: 'flag', ...options });
}

/** Up to 32 bits, decoded as a number. */
export function bits(
  high: number,
  low: number,
  title: string,
  options: FieldOptions = {},
): FieldSpec<number> {
  return make([{ high, low }], title, 'value', false, options);
}

/** More than 32 bits, decoded as a bigint. */
export function wide(
  high: number,
  low: number,
  title: string,
  options: FieldOptions = {},
): FieldSpec<bigint> {
  return make([{ high, low }], title, 'value', true, options);
}

/**
 * An address whose low `shift` bits are not stored; decoded as the whole address. `validBits` names the width that
 * bounds it (usually the host address width).
 */
export function address(
  high: number,
  low: number,
  title: string,
  options: FieldOptions & { readonly shift?: number } = {},
): FieldSpec<bigint> {
  const { shift = 12, ...rest } = options;
  return make([{ high, low }], title, 'value', true, { format: 'address', ...rest }, shift);
}

/** A field in several pieces, most significant piece first. Decoded as a number when the sum is at most 32 bits. */
export function split(
  parts: readonly (readonly [high: number, low: number])[],
  title: string,
  options: FieldOptions = {},
): FieldSpec<number> {
  return make(
    parts.map(([high, low]) => ({ high, low })),
    title,
    'value',
    false,
    options,
  );
}

/** As `split`, for an address of more than 32 bits. */
export function splitAddress(
  parts: readonly (readonly [high: number, low: number])[],
  title: string,
  options: FieldOptions & { readonly shift: number },
): FieldSpec<bigint> {
  const { shift, ...rest } = options;
  return make(
    parts.map(([high, low]) => ({ high, low })),
    title,
    'value',
    true,
    { format: 'address', ...rest },
    shift,
  );
}

/** Must be zero; a violation is reported. */
export function reserved(
  high: number,
  low: number = high,
  options: FieldOptions = {},
): FieldSpec<bigint> {
  return make([{ high, low }], 'Reserved', 'reserved', true, options);
}

/** Hardware does not look at these bits. */
export function ignored(high: number, low: number = high, title = 'Ignored'): FieldSpec<bigint> {
  return make([{ high, low }], title, 'ignored', true, {});
}

/** Where a declaration comes from. */
export interface SourceRef {
  readonly document: string;
  readonly section: string;
}

export function formatSource(source: SourceRef): string {
  return `${source.document} ${source.section}`;
}
