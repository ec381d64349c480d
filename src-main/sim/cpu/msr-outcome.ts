/** Outcomes of RDMSR and WRMSR: a value, done, or #GP with its cause. */
import type { FaultCause } from '../../spec/events/cpu.ts';

export interface MsrFault {
  readonly kind: 'fault';
  readonly cause: FaultCause;
}

export interface MsrValue {
  readonly kind: 'value';
  readonly value: bigint;
}

export type MsrRead = MsrValue | MsrFault;
export type MsrWrite = { readonly kind: 'done' } | MsrFault;

export const MSR_DONE: MsrWrite = { kind: 'done' };

export function msrFault(cause: FaultCause): MsrFault {
  return { kind: 'fault', cause };
}
