/**
 * Rows for people: one for each field, in bit order, with formatted value and meaning. The window, the command line, trace
 * records and the generated reference all print these.
 */
import type { SourceRef } from './field.ts';
import { formatSource } from './field.ts';
import { toGroupedHex, toHex } from './hex.ts';
import {
  ANY_CONTEXT,
  missingCapabilities,
  type Field,
  type FieldMap,
  type Layout,
  type LayoutContext,
} from './layout.ts';

export interface FieldRowData {
  readonly name: string;
  readonly title: string;
  readonly bits: string;
  readonly high: number;
  readonly low: number;
  readonly raw: string;
  readonly value: string;
  readonly meaning?: string;
  readonly source: string;
  readonly access?: string;
  readonly isReserved: boolean;
  readonly isViolated?: boolean;
}

/** `[63:12]`, `[0]`, `[63:52],[15:12]`. */
export function formatBits(field: Field): string {
  return field.spec.parts
    .map((p) => (p.high === p.low ? `[${p.high}]` : `[${p.high}:${p.low}]`))
    .join(',');
}

function formatValue(field: Field, value: bigint): string {
  const { spec } = field;
  const named = Object.entries(spec.values ?? {}).find(([, v]) => BigInt(v) === value);
  if (named !== undefined) {
    return `${value.toString()} (${named[0]})`;
  }
  switch (spec.format) {
    case 'flag':
      return value.toString();
    case 'decimal':
      return value.toString();
    case 'address':
      return toGroupedHex(value, value >= 1n << 48n ? 16 : 12);
    default:
      return value < 10n ? value.toString() : toHex(value);
  }
}

export function fieldRows<F extends FieldMap>(
  layout: Layout<F>,
  source: SourceRef,
  words: ArrayLike<number>,
  context: LayoutContext = ANY_CONTEXT,
  offset = 0,
): readonly FieldRowData[] {
  const violated = new Set(layout.violations(words, context, offset).map((f) => f.name));
  return layout.fields
    .filter((f) => f.name !== '_beyond')
    .map((field) => {
      const value = layout.get(words, field, offset);
      const { spec } = field;
      const missing = missingCapabilities(spec, context);
      const isGone = missing.length > 0;
      return {
        name: spec.role === 'value' ? field.name : spec.role,
        title: spec.title,
        bits: formatBits(field),
        high: field.high,
        low: field.low,
        raw: toHex(value >> BigInt(spec.addressShift)),
        value: formatValue(field, value),
        source: formatSource(source),
        isReserved: spec.role !== 'value' || isGone,
        ...(isGone
          ? { meaning: `Reserved: this unit does not report ${missing.join(' and ')}` }
          : {}),
        ...(!isGone && spec.note !== undefined ? { meaning: spec.note } : {}),
        ...(spec.access === undefined ? {} : { access: spec.access }),
        ...(violated.has(field.name) ? { isViolated: true } : {}),
      };
    });
}
