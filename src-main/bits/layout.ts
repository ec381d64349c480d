/**
 * A layout: named fields that cover a whole number of 32-bit words without overlap or gap, and everything that derives
 * from them. `structure.ts` (tables, descriptors, rings) and `register-block.ts` (registers) both build on it.
 *
 * Values live in little-endian 32-bit words, lowest address first, so bit n of the structure is bit n%32 of word n/32.
 */
import type { FieldSpec } from './field.ts';
import { toHex } from './hex.ts';
import { InvariantError, invariant } from './invariant.ts';
import { maskOf } from './u64.ts';

export type FieldMap = Readonly<Record<string, FieldSpec>>;

type ValueOf<F> = F extends FieldSpec<infer V> ? V : never;
/** Fields whose name starts with an underscore are reserved or ignored and carry no value. */
type ValueName<F extends FieldMap> = Exclude<keyof F & string, `_${string}`>;

/** Decoded values by field name. */
export type Values<F extends FieldMap> = { readonly [K in ValueName<F>]: ValueOf<F[K]> };

/** One run of bits inside one 32-bit word. */
export interface Piece {
  readonly word: number;
  readonly shift: number;
  /** Mask in place. */
  readonly mask: number;
  readonly width: number;
  /** Position of the piece's lowest bit in the field's value. */
  readonly valueShift: number;
}

export interface Field {
  readonly name: string;
  readonly spec: FieldSpec;
  readonly high: number;
  readonly low: number;
  readonly width: number;
  readonly pieces: readonly Piece[];
}

/** Answers for `capability` and `validBits` of fields. */
export interface LayoutContext {
  has(capability: string): boolean;
  /** Width in bits behind a `validBits` name. */
  width(name: string): number;
}

/** Everything present, widths unlimited: for display without a machine at hand. */
export const ANY_CONTEXT: LayoutContext = { has: () => true, width: () => 64 };

export interface Layout<F extends FieldMap> {
  readonly widthBits: number;
  readonly words: number;
  /** In bit order. */
  readonly fields: readonly Field[];
  field(name: keyof F & string): Field;
  decode(words: ArrayLike<number>, offset?: number): Values<F>;
  encode(values: Partial<Values<F>>): Uint32Array;
  /** Reads one field as bigint, whatever its width. */
  get(words: ArrayLike<number>, field: Field, offset?: number): bigint;
  /** Writes one field in place. */
  set(words: Uint32Array, name: ValueName<F>, value: number | bigint, offset?: number): void;
  /** Ones where a set bit breaks a reserved rule, one mask a word. */
  reservedMask(context: LayoutContext): Uint32Array;
  /** Fields that break a reserved rule. */
  violations(words: ArrayLike<number>, context: LayoutContext, offset?: number): readonly Field[];
}

function piecesOf(spec: FieldSpec): { readonly pieces: readonly Piece[]; readonly width: number } {
  const pieces: Piece[] = [];
  let valueShift = 0;
  for (const part of [...spec.parts].reverse()) {
    for (let low = part.low; low <= part.high;) {
      const word = low >>> 5;
      const high = Math.min(part.high, word * 32 + 31);
      const shift = low & 31;
      pieces.push({
        word,
        shift,
        mask: maskOf(high & 31, shift),
        width: high - low + 1,
        valueShift,
      });
      valueShift += high - low + 1;
      low = high + 1;
    }
  }
  return { pieces, width: valueShift };
}

function buildFields(name: string, widthBits: number, specs: FieldMap): readonly Field[] {
  const owner: (string | undefined)[] = Array.from({ length: widthBits });
  const fields = Object.entries(specs).map(([fieldName, spec]): Field => {
    for (const part of spec.parts) {
      invariant(
        part.low >= 0 && part.high >= part.low && part.high < widthBits,
        `${name}.${fieldName}: bits ${part.high}:${part.low} do not fit in ${widthBits} bits`,
      );
      for (let b = part.low; b <= part.high; b++) {
        invariant(
          owner[b] === undefined,
          `${name}: bit ${b} is in ${owner[b]} and in ${fieldName}`,
        );
        owner[b] = fieldName;
      }
    }
    const { pieces, width } = piecesOf(spec);
    invariant(spec.isWide || width <= 32, `${name}.${fieldName}: ${width} bits need a wide field`);
    invariant(
      (spec.role === 'value') === !fieldName.startsWith('_'),
      `${name}.${fieldName}: reserved and ignored fields start with an underscore, others do not`,
    );
    for (const [label, value] of Object.entries(spec.values ?? {})) {
      invariant(
        value >= 0 && value < 2 ** width,
        `${name}.${fieldName}: value ${label} = ${value} does not fit`,
      );
    }
    return {
      name: fieldName,
      spec,
      high: Math.max(...spec.parts.map((p) => p.high)),
      low: Math.min(...spec.parts.map((p) => p.low)),
      width,
      pieces,
    };
  });
  const gap = owner.findIndex((o) => o === undefined);
  invariant(gap < 0, `${name}: bit ${gap} is neither a field nor reserved`);
  return fields.sort((a, b) => a.low - b.low);
}

function readField(words: ArrayLike<number>, field: Field, offset: number): bigint {
  let value = 0n;
  for (const piece of field.pieces) {
    const word = words[offset + piece.word] ?? 0;
    value |= BigInt((word & piece.mask) >>> piece.shift) << BigInt(piece.valueShift);
  }
  return value << BigInt(field.spec.addressShift);
}

function readNumber(words: ArrayLike<number>, field: Field, offset: number): number {
  let value = 0;
  for (const piece of field.pieces) {
    value |= (((words[offset + piece.word] ?? 0) & piece.mask) >>> piece.shift) << piece.valueShift;
  }
  return value >>> 0;
}

function writeField(
  words: Uint32Array,
  field: Field,
  value: number | bigint,
  offset: number,
  owner: string,
): void {
  const shift = BigInt(field.spec.addressShift);
  const full = BigInt(value);
  const stored = full >> shift;
  if (full < 0n || stored << shift !== full || stored >> BigInt(field.width) !== 0n) {
    const unit = shift > 0n ? `, a multiple of ${toHex(1n << shift)}` : '';
    throw new RangeError(
      `${owner}.${field.name} takes ${field.width} bits${unit}, found ${full < 0n ? full.toString() : toHex(full)}`,
    );
  }
  for (const piece of field.pieces) {
    const part = Number((stored >> BigInt(piece.valueShift)) & ((1n << BigInt(piece.width)) - 1n));
    const at = offset + piece.word;
    words[at] = (((words[at] ?? 0) & ~piece.mask) | (part << piece.shift)) >>> 0;
  }
}

function addBits(mask: Uint32Array, low: number, high: number): void {
  for (let b = low; b <= high; b++) {
    mask[b >>> 5] = ((mask[b >>> 5] ?? 0) | (1 << (b & 31))) >>> 0;
  }
}

/** Names of the capabilities a field needs and the context lacks. */
export function missingCapabilities(spec: FieldSpec, context: LayoutContext): readonly string[] {
  const needed = spec.capability ?? [];
  return (typeof needed === 'string' ? [needed] : needed).filter((name) => !context.has(name));
}

function addReservedBits(mask: Uint32Array, field: Field, context: LayoutContext): void {
  const { spec } = field;
  if (spec.role === 'ignored') {
    return;
  }
  if (spec.role === 'reserved' || missingCapabilities(spec, context).length > 0) {
    for (const part of spec.parts) {
      addBits(mask, part.low, part.high);
    }
    return;
  }
  if (spec.validBits === undefined) {
    return;
  }
  const valid = Math.max(0, context.width(spec.validBits) - spec.addressShift);
  for (const piece of field.pieces) {
    const kept = Math.min(piece.width, Math.max(0, valid - piece.valueShift));
    const low = piece.word * 32 + piece.shift;
    addBits(mask, low + kept, low + piece.width - 1);
  }
}

export function buildLayout<const F extends FieldMap>(
  name: string,
  widthBits: number,
  specs: F,
): Layout<F> {
  invariant(
    widthBits % 32 === 0 && widthBits <= 512,
    `${name}: ${widthBits} bits are not 1 to 16 words`,
  );
  const fields = buildFields(name, widthBits, specs);
  const byName = new Map(fields.map((f) => [f.name, f]));
  const valueFields = fields.filter((f) => f.spec.role === 'value');
  const words = widthBits / 32;

  const field = (fieldName: string): Field => {
    const found = byName.get(fieldName);
    if (found === undefined) {
      throw new InvariantError(`${name} has no field ${fieldName}`);
    }
    return found;
  };

  return {
    widthBits,
    words,
    fields,
    field,
    decode(source, offset = 0) {
      const out: Record<string, number | bigint> = {};
      for (const f of valueFields) {
        out[f.name] = f.spec.isWide ? readField(source, f, offset) : readNumber(source, f, offset);
      }
      return out as unknown as Values<F>;
    },
    encode(values) {
      const out = new Uint32Array(words);
      for (const [fieldName, value] of Object.entries(values)) {
        if (value !== undefined) {
          writeField(out, field(fieldName), value as number | bigint, 0, name);
        }
      }
      return out;
    },
    get: (source, f, offset = 0) => readField(source, f, offset),
    set: (target, fieldName, value, offset = 0) =>
      writeField(target, field(fieldName), value, offset, name),
    reservedMask(context) {
      const mask = new Uint32Array(words);
      for (const f of fields) {
        addReservedBits(mask, f, context);
      }
      return mask;
    },
    violations(source, context, offset = 0) {
      return fields.filter((f) => {
        const mask = new Uint32Array(words);
        addReservedBits(mask, f, context);
        return mask.some((m, i) => ((source[offset + i] ?? 0) & m) !== 0);
      });
    },
  };
}
