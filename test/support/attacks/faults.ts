/** Requests that the remapping unit refused. */
import type { Lab } from '../linux-machine.ts';

/** Gives the fault reasons of requests that are refused from now on, recorded or not. */
export function faultsOf(lab: Pick<Lab, 'rows'>): () => readonly number[] {
  return reasonsOf(lab, 'iommu.request.blocked');
}

/** Gives the fault reasons that the unit records from now on: those of interrupts are there alone. */
export function recordedFaultsOf(lab: Pick<Lab, 'rows'>): () => readonly number[] {
  return reasonsOf(lab, 'iommu.fault.recorded');
}

function reasonsOf(lab: Pick<Lab, 'rows'>, kind: string): () => readonly number[] {
  const reasons = (): readonly number[] => lab.rows(kind).map((r) => Number(r.values['reason']));
  const before = reasons().length;
  return () => reasons().slice(before);
}
