/** What holds for every declared layout, whatever its contents. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadSpec } from '../../../build/checks/spec-declarations.ts';
import type { BitRange } from '../../../src-main/bits/field.ts';
import { fieldRows } from '../../../src-main/bits/field-rows.ts';
import { ANY_CONTEXT, type Field, type LayoutContext } from '../../../src-main/bits/layout.ts';
import {
  CAPABILITY_PROFILES,
  decodeCapability,
} from '../../../src-main/spec/vtd/capability-profile.ts';
import { arbitraryValues, arbitraryWords } from '../../support/arbitrary-structure.ts';
import { checkProperty } from '../../support/check-property.ts';

const { structures, registers } = await loadSpec('{vtd,paging,pcie,siov}/**');
const layouts = [...structures, ...registers];

/** Nothing present, addresses of 40 bits: the strictest reading of every layout. */
const BARE: LayoutContext = { has: () => false, width: () => 40 };

const contexts: readonly LayoutContext[] = [
  ANY_CONTEXT,
  BARE,
  ...CAPABILITY_PROFILES.map((p) => decodeCapability(p).context),
];

const widthOf = ({ high, low }: BitRange): bigint => BigInt(high - low + 1);

/** Reads a field from the structure as one big number, the way a reader of the specification would. */
function readNaively(words: Uint32Array, field: Field): bigint {
  const whole = words.reduce((sum, word, i) => sum | (BigInt(word) << BigInt(32 * i)), 0n);
  const stored = field.spec.parts.reduce((value, part) => {
    const bits = (whole >> BigInt(part.low)) & ((1n << widthOf(part)) - 1n);
    return (value << widthOf(part)) | bits;
  }, 0n);
  return stored << BigInt(field.spec.addressShift);
}

function clear(words: Uint32Array, fields: readonly Field[]): Uint32Array {
  const cleared = words.slice();
  for (const piece of fields.flatMap((f) => f.pieces)) {
    cleared[piece.word] = ((cleared[piece.word] ?? 0) & ~piece.mask) >>> 0;
  }
  return cleared;
}

describe.each(layouts.map((layout) => [layout.name, layout] as const))('%s', (_name, layout) => {
  const valued = layout.fields.filter((f) => f.spec.role === 'value');
  const silent = layout.fields.filter((f) => f.spec.role !== 'value');

  it('decodes what it encodes, within what each context allows', () => {
    for (const context of contexts) {
      checkProperty(
        fc.property(arbitraryValues(layout, context), (values) => {
          const words = layout.encode(values);
          expect(layout.decode(words)).toEqual(values);
          expect(layout.violations(words, context)).toEqual([]);
        }),
      );
    }
  });

  it('reads the bits its fields name and encodes them back', () => {
    checkProperty(
      fc.property(arbitraryWords(layout), (words) => {
        const decoded: Readonly<Record<string, number | bigint>> = layout.decode(words);
        expect(layout.fields.map((f) => layout.get(words, f))).toEqual(
          layout.fields.map((f) => readNaively(words, f)),
        );
        expect(Object.entries(decoded).map(([name, value]) => [name, BigInt(value)])).toEqual(
          valued.map((f) => [f.name, readNaively(words, f)]),
        );
        expect(layout.encode(decoded)).toEqual(clear(words, silent));
      }),
    );
  });

  it('finds a violation exactly where the reserved mask has one, and marks its row', () => {
    for (const context of contexts) {
      const mask = layout.reservedMask(context);
      checkProperty(
        fc.property(arbitraryWords(layout), (words) => {
          const violated = layout.violations(words, context);
          const masked = words.map((w, i) => (w & (mask[i] ?? 0)) >>> 0);
          expect(violated.length > 0).toBe(masked.some((w) => w !== 0));
          expect(layout.violations(masked, context)).toEqual(violated);
          const rows = fieldRows(layout, layout.source, words, context);
          expect(rows.filter((r) => r.isViolated === true).map((r) => r.low)).toEqual(
            violated.map((f) => f.low),
          );
        }),
      );
    }
  });
});

describe.each(
  layouts
    .filter((layout) => layout.fields.some((f) => f.spec.role === 'value'))
    .map((layout) => [layout.name, layout] as const),
)('%s', (_name, layout) => {
  const valued = layout.fields.filter((f) => f.spec.role === 'value');

  it('writes one field without touching others', () => {
    const cases = fc.tuple(
      arbitraryWords(layout),
      fc.constantFrom(...valued),
      arbitraryValues(layout),
    );
    checkProperty(
      fc.property(cases, ([words, field, values]) => {
        const written = words.slice();
        const value = values[field.name] ?? 0;
        layout.set(written, field.name, value);
        expect(layout.get(written, field)).toBe(BigInt(value));
        expect(clear(written, [field])).toEqual(clear(words, [field]));
      }),
    );
  });
});
