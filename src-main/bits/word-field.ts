/**
 * Fields that lie within one 32-bit word, for code that must not allocate: a field looked up once when a unit is built,
 * then read and written with one mask and one shift.
 */
import { invariant } from './invariant.ts';
import type { FieldMap, Layout } from './layout.ts';

export interface WordField {
  /** Word of the structure that holds the field. */
  readonly word: number;
  readonly shift: number;
  /** Mask in place. */
  readonly mask: number;
}

export function wordField<F extends FieldMap>(
  layout: Pick<Layout<F>, 'field'>,
  name: keyof F & string,
): WordField {
  const { pieces } = layout.field(name);
  const piece = pieces[0];
  invariant(piece !== undefined && pieces.length === 1, `${name} is not within one word`);
  return { word: piece.word, shift: piece.shift, mask: piece.mask };
}

/** The field's value out of the word that holds it. */
export function fieldOf(word: number, field: WordField): number {
  return (word & field.mask) >>> field.shift;
}

/** The word with the field replaced. */
export function withField(word: number, field: WordField, value: number): number {
  return ((word & ~field.mask) | ((value << field.shift) & field.mask)) >>> 0;
}

export function isFieldSet(word: number, field: WordField): boolean {
  return (word & field.mask) !== 0;
}
