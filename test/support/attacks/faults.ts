/** Requests that the remapping unit refused. */
import type { Lab } from '../linux-machine.ts';

/** Gives their fault reasons, of those from now on. */
export function faultsOf(lab: Pick<Lab, 'rows'>): () => readonly number[] {
  const reasons = (): readonly number[] =>
    lab.rows('iommu.request.blocked').map((r) => Number(r.values['reason']));
  const before = reasons().length;
  return () => reasons().slice(before);
}
