/**
 * Arbitrary values for declared layouts, derived from the declarations: what a layout can hold, and what it can hold without
 * breaking a reserved rule in a given context.
 */
import fc from 'fast-check';
import {
  ANY_CONTEXT,
  missingCapabilities,
  type Field,
  type FieldMap,
  type Layout,
  type LayoutContext,
  type Values,
} from '../../src-main/bits/layout.ts';

const WORD_MAX = 0xffff_ffff;

/** Bits of the stored value that may be ones. */
function storedBits(field: Field, context: LayoutContext): number {
  const { validBits, addressShift } = field.spec;
  if (missingCapabilities(field.spec, context).length > 0) {
    return 0;
  }
  return validBits === undefined
    ? field.width
    : Math.min(field.width, Math.max(0, context.width(validBits) - addressShift));
}

/** Ends and edges of ranges come up often: that is where fields meet. */
function storedValue(width: number): fc.Arbitrary<bigint> {
  const max = (1n << BigInt(width)) - 1n;
  return fc.oneof(
    { weight: 3, arbitrary: fc.bigInt({ min: 0n, max }) },
    { weight: 1, arbitrary: fc.constantFrom(0n, max, max >> 1n) },
  );
}

export function arbitraryField(
  field: Field,
  context: LayoutContext = ANY_CONTEXT,
): fc.Arbitrary<number | bigint> {
  return storedValue(storedBits(field, context)).map((stored) => {
    const value = stored << BigInt(field.spec.addressShift);
    return field.spec.isWide ? value : Number(value);
  });
}

/** Values for every field that carries one; valid in the context, so no reserved rule is broken. */
export function arbitraryValues<F extends FieldMap>(
  layout: Layout<F>,
  context: LayoutContext = ANY_CONTEXT,
): fc.Arbitrary<Values<F>> {
  const fields = layout.fields
    .filter((f) => f.spec.role === 'value')
    .map((f) => [f.name, arbitraryField(f, context)] as const);
  return fc.record(Object.fromEntries(fields)) as unknown as fc.Arbitrary<Values<F>>;
}

/** Any bit pattern, reserved bits included. */
export function arbitraryWords(layout: {
  readonly words: number;
}): fc.Arbitrary<Uint32Array<ArrayBuffer>> {
  return fc
    .array(fc.nat({ max: WORD_MAX }), { minLength: layout.words, maxLength: layout.words })
    .map((words) => Uint32Array.from(words));
}
