/**
 * How a fault of a nested translation looks to the guest whose first stage it is. What went wrong below, in the second stage
 * under one of its tables, is a table that its unit cannot read; a hole in the second stage is the host's own and is kept
 * from the guest. VT-d 5.10 section 7.1.3; vSVA series for Linux and QEMU, 2020.
 */
import type { FaultMnemonic } from '../../spec/vtd/faults.ts';
import { faultReason } from '../../spec/vtd/faults.ts';

/** Faults of the guest's entry and tables: the same for it. */
const OWN: readonly FaultMnemonic[] = [
  'SPT.6',
  'SFS.1',
  'SFS.2',
  'SFS.3',
  'SFS.4',
  'SFS.9',
  'SFS.10',
  'SGN.1',
  'SGN.2',
  'SGN.6',
  'SGN.7',
  'SGN.8.1',
];
const BELOW: Readonly<Partial<Record<FaultMnemonic, FaultMnemonic>>> = {
  'SFS.5': 'SFS.1',
  'SFS.6': 'SFS.4',
  'SFS.7': 'SFS.1',
  'SFS.8': 'SFS.10',
};

const REASONS: ReadonlyMap<number, number> = new Map([
  ...OWN.map((name) => [faultReason(name).code, faultReason(name).code] as const),
  ...Object.entries(BELOW).map(
    ([host, guest]) => [faultReason(host as FaultMnemonic).code, faultReason(guest).code] as const,
  ),
]);

/** Undefined for what the guest has no part in. */
export function guestReason(reason: number): number | undefined {
  return REASONS.get(reason);
}
