/**
 * The catalogue of fault reasons: every row of VT-d 5.10 sections 7.1.3 and 5.1.4.1, by mnemonic and by code.
 */
import { defined } from '../../bits/invariant.ts';
import type { FaultReason, RequestClass } from './fault-reasons/fault-reason.ts';
import { INTERRUPT_FAULTS } from './fault-reasons/interrupt.ts';
import { LEGACY_FAULTS } from './fault-reasons/legacy.ts';
import { ROOT_POINTER_FAULTS } from './fault-reasons/root-pointer.ts';
import { SCALABLE_PAGING_FAULTS } from './fault-reasons/scalable-paging.ts';
import { SCALABLE_TABLE_FAULTS } from './fault-reasons/scalable-tables.ts';

export const FAULT_REASONS = {
  ...LEGACY_FAULTS,
  ...ROOT_POINTER_FAULTS,
  ...SCALABLE_TABLE_FAULTS,
  ...SCALABLE_PAGING_FAULTS,
  ...INTERRUPT_FAULTS,
};

export type FaultMnemonic = keyof typeof FAULT_REASONS;

/** Titles of codes that several conditions share; a fault record cannot tell those conditions apart. */
const SHARED_CODE_TITLES: Readonly<Record<number, string>> = {
  0x03: 'Context entry programmed with something the unit cannot do',
  0x04: 'Address too large',
  0x30: 'Root table pointer register programmed wrongly',
  0x43: 'Context entry programmed inconsistently',
  0x5b: 'PASID entry programmed with something the unit cannot do',
  0x83: 'Address beyond the host address width',
  0x87: 'Address in the interrupt range',
};

const all: readonly FaultReason[] = Object.values(FAULT_REASONS);

const byCode = new Map<number, FaultReason[]>();
for (const reason of all) {
  byCode.set(reason.code, [...(byCode.get(reason.code) ?? []), reason]);
}

/** Every row, in the order of the tables. */
export function allFaultReasons(): readonly FaultReason[] {
  return all;
}

export function faultReason(mnemonic: FaultMnemonic): FaultReason {
  return FAULT_REASONS[mnemonic];
}

/** As `faultReason`, for text from outside. */
export function findFaultReason(mnemonic: string): FaultReason | undefined {
  return all.find((r) => r.mnemonic === mnemonic);
}

/** The conditions behind a fault reason code; empty when the code is not defined. */
export function faultReasonsOf(code: number): readonly FaultReason[] {
  return byCode.get(code) ?? [];
}

/** One title for a code; undefined when the code is not defined. */
export function faultCodeTitle(code: number): string | undefined {
  const reasons = faultReasonsOf(code);
  if (reasons.length === 0) {
    return undefined;
  }
  return reasons.length === 1
    ? reasons[0]?.title
    : defined(SHARED_CODE_TITLES[code], `Title of fault code ${code}`);
}

/** All defined codes, in rising order. */
export function faultCodes(): readonly number[] {
  return [...byCode.keys()].sort((a, b) => a - b);
}

/**
 * Whether this fault of this request goes to the fault log, FPD aside. Faults answered with success are not logged, but for
 * one (VT-d 5.10 section 7.1.2).
 */
export function isFaultRecorded(reason: FaultReason, requestClass: RequestClass): boolean {
  const response = reason.responses[requestClass];
  if (response === null) {
    return false;
  }
  return response === 'S0' || response === 'Seff' ? reason.isRecordedOnSuccess : true;
}
