/**
 * Primary fault logging: fault recording registers, fault status, overflow and collapse. VT-d 5.10 sections 7.2.1, 7.3 and
 * 11.4.7.
 */
import { bigOf } from '../../bits/u64.ts';
import { FAULT_LOST, FAULT_RECORDED } from '../../spec/events/iommu.ts';
import { FAULT_REQUEST_TYPE, FSTS_REG, FRCD_REG } from '../../spec/vtd/registers/fault.ts';
import type { RegisterFile } from '../core/register-file.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import { pieceMask, pieceOf } from './piece.ts';
import type { EventMessageSource, FaultReport, FaultSink } from './ports.ts';
import type { UnitLimits } from './unit-limits.ts';

const PFO = pieceMask(FSTS_REG, 'PFO');
const PPF = pieceMask(FSTS_REG, 'PPF');
const FRI = pieceOf(FSTS_REG, 'FRI');
const RECORD_WORDS = 4;
const FAULT_WORD = 3;
const FAULT_BIT = pieceMask(FRCD_REG, 'F');
const SID = pieceOf(FRCD_REG, 'SID');

const TYPES = {
  read: FAULT_REQUEST_TYPE.read,
  write: FAULT_REQUEST_TYPE.write,
  atomic: FAULT_REQUEST_TYPE.atomic,
  'page-request': FAULT_REQUEST_TYPE.pageRequest,
  interrupt: FAULT_REQUEST_TYPE.write,
} as const;

const ACCESS_NUMBERS = { read: 0, write: 1, atomic: 2, 'page-request': 3, interrupt: 4 } as const;

export interface FaultRecordingState {
  readonly index: number;
  readonly lostCount: number;
}

export class FaultRecording implements FaultSink, Snapshotable<FaultRecordingState> {
  /** Status bits of FSTS_REG that raise the fault event or hold it back. */
  static readonly statusMask =
    PFO |
    PPF |
    pieceMask(FSTS_REG, 'IQE') |
    pieceMask(FSTS_REG, 'ICE') |
    pieceMask(FSTS_REG, 'ITE');

  readonly #registers: RegisterFile;
  readonly #limits: UnitLimits;
  readonly #event: EventMessageSource;
  readonly #trace: Trace;
  readonly #source: number;
  readonly #isCompressing: boolean;
  #index = 0;
  /** Reports that found no recording register since the unit was made. */
  lostCount = 0;

  constructor(options: {
    readonly registers: RegisterFile;
    readonly limits: UnitLimits;
    readonly event: EventMessageSource;
    readonly trace: Trace;
    readonly source: number;
    readonly isCompressing: boolean;
  }) {
    this.#registers = options.registers;
    this.#limits = options.limits;
    this.#event = options.event;
    this.#trace = options.trace;
    this.#source = options.source;
    this.#isCompressing = options.isCompressing;
  }

  record(report: FaultReport): void {
    const status = this.#registers.peek32(FSTS_REG.offset);
    if ((status & PFO) !== 0) {
      this.#lost(report, false);
      return;
    }
    if (this.#isCompressing && this.#hasRecordOf(report.rid)) {
      this.#lost(report, true);
      return;
    }
    const offset = this.#recordOffset(this.#index);
    if ((this.#registers.peek32(offset + FAULT_WORD * 4) & FAULT_BIT) !== 0) {
      this.#registers.poke32(FSTS_REG.offset, status | PFO);
      this.#lost(report, false);
      return;
    }
    const words = this.#encode(report);
    words.forEach((word, i) => {
      this.#registers.poke32(offset + i * 4, word);
    });
    const index = this.#index;
    this.#index = (index + 1) % this.#limits.capability.faultRecordCount;
    this.#trace.record(
      FAULT_RECORDED,
      this.#source,
      index,
      report.reason,
      report.rid,
      report.pasid,
      ACCESS_NUMBERS[report.kind],
      bigOf(report.high, report.low),
    );
    if ((status & PPF) === 0) {
      const withIndex = (status & ~FRI.mask) | (index << FRI.shift) | PPF;
      this.#registers.poke32(FSTS_REG.offset, withIndex);
      this.#event.raise((status & FaultRecording.statusMask) !== 0);
    }
  }

  /** Sets IQE, ICE or ITE and raises the fault event (section 7.3). */
  raiseStatus(mask: number): void {
    const status = this.#registers.peek32(FSTS_REG.offset);
    if ((status & mask) !== 0) {
      return;
    }
    this.#registers.poke32(FSTS_REG.offset, status | mask);
    this.#event.raise((status & FaultRecording.statusMask) !== 0);
  }

  /** Software wrote FSTS_REG or a fault recording register: PPF follows the F bits. */
  statusChanged(): void {
    const status = this.#registers.peek32(FSTS_REG.offset);
    const isPending = this.#isAnyRecorded();
    const next = isPending ? status | PPF : status & ~PPF;
    this.#registers.poke32(FSTS_REG.offset, next);
    this.#event.conditionsChanged((next & FaultRecording.statusMask) !== 0);
  }

  /** The index starts over when neither remapping is enabled (section 7.2.1). */
  resetIndex(): void {
    this.#index = 0;
  }

  snapshot(): FaultRecordingState {
    return { index: this.#index, lostCount: this.lostCount };
  }

  restore(state: FaultRecordingState): void {
    this.#index = state.index;
    this.lostCount = state.lostCount;
  }

  #recordOffset(index: number): number {
    return this.#limits.capability.faultRecordOffset + index * RECORD_WORDS * 4;
  }

  #isAnyRecorded(): boolean {
    for (let i = 0; i < this.#limits.capability.faultRecordCount; i++) {
      if ((this.#registers.peek32(this.#recordOffset(i) + FAULT_WORD * 4) & FAULT_BIT) !== 0) {
        return true;
      }
    }
    return false;
  }

  #hasRecordOf(rid: number): boolean {
    for (let i = 0; i < this.#limits.capability.faultRecordCount; i++) {
      const offset = this.#recordOffset(i);
      const isUsed = (this.#registers.peek32(offset + FAULT_WORD * 4) & FAULT_BIT) !== 0;
      if (
        isUsed &&
        (this.#registers.peek32(offset + SID.word * 4) & SID.mask) >>> SID.shift === rid
      ) {
        return true;
      }
    }
    return false;
  }

  /** Fields of absent capabilities stay 0; so does everything about the request for interrupt faults. */
  #encode(report: FaultReport): Uint32Array {
    const { capability, faultHighMask } = this.#limits;
    const { context } = capability;
    const hasPasid = context.has('PASID') && report.pasid >= 0;
    const type = TYPES[report.kind];
    const high = report.kind === 'interrupt' ? report.high : report.high & faultHighMask;
    return FRCD_REG.encode({
      FI: bigOf(high >>> 0, report.low & ~0xfff),
      SID: report.rid,
      FR: report.reason,
      F: 1,
      ...(report.kind === 'interrupt'
        ? {}
        : {
            T1: type >>> 1,
            T2: type & 1,
            AT: context.has('DT') ? report.addressType : 0,
            PP: hasPasid ? 1 : 0,
            PV: hasPasid ? report.pasid : 0,
            PRIV: hasPasid && report.isPrivileged ? 1 : 0,
            EXE: hasPasid && report.isExecute && report.kind === 'read' ? 1 : 0,
          }),
    });
  }

  #lost(report: FaultReport, isCollapsed: boolean): void {
    this.lostCount++;
    this.#trace.record(FAULT_LOST, this.#source, report.reason, report.rid, isCollapsed);
  }
}
