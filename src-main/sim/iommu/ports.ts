/**
 * Ports between the sub-units of a remapping unit, and between the unit and the rest of the machine. Each sub-unit gets
 * what it needs in its constructor; none reaches into another.
 */
import type { AddressType, PageRequest, PageResponseCode } from '../pcie/ports.ts';

/** Where interrupts go after remapping, and where the unit sends its own event messages: the local APICs. */
export interface InterruptSink {
  /** A message in compatibility format: address FEEx_xxxxh and data (VT-d 5.10 section 5.1.6). */
  deliver(addressHigh: number, addressLow: number, data: number): void;
}

/** Sees messages of functions where they arrive, and changes nothing. */
export interface InterruptWatch {
  /** A message in compatibility format goes to the CPUs. */
  delivered(addressHigh: number, addressLow: number, data: number): void;
  /** A vector was posted to the descriptor at this address. */
  posted(high: number, low: number, vector: number): void;
}

/** A fault as the recorder takes it. Addresses are halves. */
export interface FaultReport {
  /** Fault reason, section 7.1.3. */
  reason: number;
  rid: number;
  /** -1: request without PASID. */
  pasid: number;
  /** Input address, or interrupt index at bits 63:48 for interrupt faults. */
  high: number;
  low: number;
  kind: 'read' | 'write' | 'atomic' | 'page-request' | 'interrupt';
  addressType: AddressType;
  isPrivileged: boolean;
  isExecute: boolean;
}

export interface FaultSink {
  /** Records a fault that is to be recorded: suppression by FPD was decided by the caller. */
  record(report: FaultReport): void;
}

/** Raises one of the three event messages (VT-d 5.10 sections 7.3, 6.5.2.10, 7.5). */
export interface EventMessageSource {
  /** The status condition became 1. `wasPending`: a condition of this block was already set before. */
  raise(wasPending: boolean): void;
  /** A status condition was cleared; `isPending` tells whether any is left. */
  conditionsChanged(isPending: boolean): void;
}

/** What the unit sends down to devices. */
export interface DeviceTlbPort {
  /** False when no function with this Requester ID takes invalidations: the request will time out. */
  invalidate(
    rid: number,
    itag: number,
    pasid: number,
    isGlobal: boolean,
    high: number,
    low: number,
    sizeShift: number,
  ): boolean;
  pageGroupResponse(rid: number, pasid: number, groupIndex: number, code: PageResponseCode): void;
}

export interface PageRequestSink {
  request(rid: number, request: PageRequest): void;
}
