/** Messages into the interrupt window, and vectors of the host that came for nobody. */
import type { Lab } from '../linux-machine.ts';

export const INTERRUPT_WINDOW = 0xfee0_0000;

/** Whose such vectors are, to the isolation oracle. */
export const NOBODY = 'nobody (a free vector)';

/** Gives the vectors that come from now on. */
export function unexpectedOf(lab: Pick<Lab, 'rows'>): () => readonly unknown[] {
  const vectors = (): readonly unknown[] =>
    lab.rows('linux.interrupt.not-expected').map((r) => r.values['vector']);
  const before = vectors().length;
  return () => vectors().slice(before);
}
