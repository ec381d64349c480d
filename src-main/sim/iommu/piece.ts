/** Masks and shifts of single-word fields, taken from their declarations once at load for the hot paths of the walkers. */
import type { FieldMap, Layout, Piece } from '../../bits/layout.ts';
import { invariant } from '../../bits/invariant.ts';

/** The only piece of a field that lies within one 32-bit word. */
export function pieceOf<F extends FieldMap>(layout: Layout<F>, name: keyof F & string): Piece {
  const { pieces } = layout.field(name);
  const first = pieces[0];
  invariant(first !== undefined && pieces.length === 1, `${name} spans several words`);
  return first;
}

/** In-place mask of a field within its word, as a signed 32-bit number so that `&` compares cheaply. */
export function pieceMask<F extends FieldMap>(layout: Layout<F>, name: keyof F & string): number {
  return pieceOf(layout, name).mask | 0;
}
