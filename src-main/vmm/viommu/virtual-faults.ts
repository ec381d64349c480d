/**
 * The fault log of a virtual unit: recording registers, status and event, as a guest's driver reads them. VT-d 5.10 sections
 * 7.2.1, 7.3 and 11.4.7.
 *
 * Not modelled: collapse of several faults of one requester.
 */
import { VIOMMU_FAULT, VIOMMU_FAULT_LOST } from '../../spec/events/vmm.ts';
import type { IommuCapability } from '../../spec/vtd/capability-profile.ts';
import { faultCodeTitle } from '../../spec/vtd/faults.ts';
import { FRCD_REG, FSTS_REG } from '../../spec/vtd/registers/fault.ts';
import type { Core } from '../../linux/core/core.ts';
import type { RegisterFile } from '../../sim/index.ts';
import type { VirtualEvent } from './virtual-event.ts';

const PFO = 2 ** FSTS_REG.field('PFO').low;
const PPF = 2 ** FSTS_REG.field('PPF').low;
const IQE = 2 ** FSTS_REG.field('IQE').low;
/** What raises the event, and holds back another one. */
const CONDITIONS = PFO | PPF | IQE;
const FRI_SHIFT = FSTS_REG.field('FRI').low;
const FRI_MASK = 0xff << FRI_SHIFT;
/** Dword of a record that holds F, its highest bit. */
const F_DWORD = 12;
const F = 0x8000_0000;

export interface VirtualFault {
  readonly reason: number;
  readonly rid: number;
  /** The guest's number, -1 for a request without one. */
  readonly pasid: number;
  readonly address: bigint;
  /** As T1 and T2 spell it. */
  readonly type: number;
  readonly addressType: number;
  readonly isPrivileged: boolean;
  readonly isExecute: boolean;
}

export interface VirtualFaultsParts {
  readonly core: Core;
  readonly vm: string;
  readonly registers: RegisterFile;
  readonly capability: IommuCapability;
  readonly event: VirtualEvent;
}

export class VirtualFaults {
  readonly #parts: VirtualFaultsParts;
  #index = 0;

  constructor(parts: VirtualFaultsParts) {
    this.#parts = parts;
  }

  /** A record of the guest is among the registers from here on. */
  contains(offset: number): boolean {
    const { faultRecordOffset, faultRecordCount } = this.#parts.capability;
    const end = faultRecordOffset + faultRecordCount * FRCD_REG.bytes;
    return offset >= faultRecordOffset && offset < end;
  }

  record(fault: VirtualFault): void {
    const { core, vm, registers } = this.#parts;
    const status = this.#status;
    const offset = this.#offsetOf(this.#index);
    const isFull = (registers.peek32(offset + F_DWORD) & F) !== 0;
    if ((status & PFO) !== 0 || isFull) {
      this.#status = status | PFO;
      core.hw.emit(VIOMMU_FAULT_LOST, vm, fault.reason, fault.rid);
      return;
    }
    encode(fault).forEach((word, i) => registers.poke32(offset + i * 4, word));
    const index = this.#index;
    this.#index = (index + 1) % this.#parts.capability.faultRecordCount;
    const title = faultCodeTitle(fault.reason) ?? 'unknown';
    const { reason, rid, pasid, address } = fault;
    const seq = core.hw.emit(VIOMMU_FAULT, vm, index, reason, rid, pasid, address, title);
    if ((status & PPF) === 0) {
      this.#status = (status & ~FRI_MASK) | (index << FRI_SHIFT) | PPF;
      core.hw.within(seq, () => this.#raise(status));
    }
  }

  /** IQE: the guest's queue stopped. */
  queueFailed(): void {
    const status = this.#status;
    if ((status & IQE) === 0) {
      this.#status = status | IQE;
      this.#raise(status);
    }
  }

  /** Software wrote the status or a record: PPF follows the records, and a message held back may have lost its cause. */
  changed(): void {
    const { capability, registers, event } = this.#parts;
    const isPending = Array.from({ length: capability.faultRecordCount }, (_, i) =>
      registers.peek32(this.#offsetOf(i) + F_DWORD),
    ).some((word) => (word & F) !== 0);
    this.#status = isPending ? this.#status | PPF : this.#status & ~PPF;
    event.conditionsChanged((this.#status & CONDITIONS) !== 0);
  }

  /** Translation went off: the index starts over. */
  reset(): void {
    this.#index = 0;
  }

  #raise(before: number): void {
    if ((before & CONDITIONS) === 0) {
      this.#parts.event.raise();
    }
  }

  #offsetOf(index: number): number {
    return this.#parts.capability.faultRecordOffset + index * FRCD_REG.bytes;
  }

  get #status(): number {
    return this.#parts.registers.peek32(FSTS_REG.offset);
  }

  set #status(value: number) {
    this.#parts.registers.poke32(FSTS_REG.offset, value >>> 0);
  }
}

function encode(fault: VirtualFault): Uint32Array {
  const hasPasid = fault.pasid >= 0;
  return FRCD_REG.encode({
    FI: fault.address - (fault.address % 4096n),
    SID: fault.rid,
    FR: fault.reason,
    F: 1,
    T1: fault.type >>> 1,
    T2: fault.type & 1,
    AT: fault.addressType,
    PP: Number(hasPasid),
    PV: hasPasid ? fault.pasid : 0,
    PRIV: Number(hasPasid && fault.isPrivileged),
    EXE: Number(hasPasid && fault.isExecute),
  });
}
