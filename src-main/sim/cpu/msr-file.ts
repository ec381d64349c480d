/**
 * Model-specific registers of one CPU: IA32_APIC_BASE, IA32_PASID, IA32_EFER and, in x2APIC mode, those of the local APIC.
 * Writes with reserved bits, writes to read-only registers and accesses to any other index give #GP, as values.
 */
import type { LayoutContext } from '../../bits/layout.ts';
import { bigOf, highOfBig, lowOfBig } from '../../bits/u64.ts';
import { fieldOf, isFieldSet, wordField } from '../../bits/word-field.ts';
import {
  Ia32ApicBase,
  Ia32Efer,
  Ia32Pasid,
  MSR_INDEX,
  MSRS,
  X2APIC_MSR_FIRST,
  X2APIC_MSR_LAST,
} from '../../spec/cpu/msr.ts';
import { FAULT_CAUSE } from '../../spec/events/cpu.ts';
import { APIC_MODE, type ApicMode } from '../../spec/events/local-apic.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import { readApicMsr, writeApicMsr } from './apic-msrs.ts';
import type { LocalApic } from './local-apic.ts';
import { MSR_DONE, msrFault, type MsrRead, type MsrWrite } from './msr-outcome.ts';

const BSP = wordField(Ia32ApicBase, 'BSP');
const EXTD = wordField(Ia32ApicBase, 'EXTD');
const EN = wordField(Ia32ApicBase, 'EN');
const LMA = wordField(Ia32Efer, 'LMA');
const NXE = wordField(Ia32Efer, 'NXE');
const PASID = wordField(Ia32Pasid, 'PASID');
const VALID = wordField(Ia32Pasid, 'V');

/** IA32_EFER as an x86-64 kernel runs: SCE, LME, LMA, NXE. */
const EFER_64BIT = Ia32Efer.encode({ SCE: 1, LME: 1, LMA: 1, NXE: 1 })[0] ?? 0;

export interface MsrFileOptions {
  readonly physicalAddressBits: number;
  /** Without it IA32_PASID does not exist. */
  readonly hasEnqcmd: boolean;
  readonly apicBase: number;
  readonly isBootstrap: boolean;
}

/** Position of a register in `MSRS`; its words are at twice that. */
const SLOTS: ReadonlyMap<number, number> = new Map(MSRS.map((msr, slot) => [msr.index, slot]));
const NO_SLOT = -1;

function wordAt(index: number): number {
  return (SLOTS.get(index) ?? 0) * 2;
}

const PASID_WORD = wordAt(MSR_INDEX.IA32_PASID);
const EFER_WORD = wordAt(MSR_INDEX.IA32_EFER);
const APIC_BASE_WORD = wordAt(MSR_INDEX.IA32_APIC_BASE);

/** Bits software cannot change. */
const READ_ONLY = new Map<number, number>([
  [MSR_INDEX.IA32_APIC_BASE, BSP.mask],
  [MSR_INDEX.IA32_EFER, LMA.mask],
]);

export class MsrFile implements Snapshotable<Uint32Array> {
  readonly #apic: LocalApic;
  /** Two words for each entry of `MSRS`. */
  readonly #words = new Uint32Array(MSRS.length * 2);
  readonly #reserved: readonly Uint32Array[];
  readonly #options: MsrFileOptions;

  constructor(apic: LocalApic, options: MsrFileOptions) {
    this.#apic = apic;
    this.#options = options;
    const context: LayoutContext = { has: () => true, width: () => options.physicalAddressBits };
    this.#reserved = MSRS.map((msr) => msr.layout.reservedMask(context));
    const base = Ia32ApicBase.encode({
      BASE: BigInt(options.apicBase),
      BSP: options.isBootstrap ? 1 : 0,
      EN: apic.mode === APIC_MODE.disabled ? 0 : 1,
      EXTD: apic.mode === APIC_MODE.x2apic ? 1 : 0,
    });
    this.#words.set(base, APIC_BASE_WORD);
    this.#words[EFER_WORD] = EFER_64BIT;
  }

  get pasid(): number {
    return fieldOf(this.#words[PASID_WORD] as number, PASID);
  }

  get isPasidValid(): boolean {
    return isFieldSet(this.#words[PASID_WORD] as number, VALID);
  }

  get isExecuteDisableEnabled(): boolean {
    return isFieldSet(this.#words[EFER_WORD] as number, NXE);
  }

  read(index: number): MsrRead {
    if (index >= X2APIC_MSR_FIRST && index <= X2APIC_MSR_LAST) {
      return readApicMsr(this.#apic, index);
    }
    const slot = this.#slotOf(index);
    if (slot < 0) {
      return msrFault(FAULT_CAUSE.msrUnknown);
    }
    const value = bigOf(this.#words[slot * 2 + 1] as number, this.#words[slot * 2] as number);
    return { kind: 'value', value };
  }

  write(index: number, value: bigint): MsrWrite {
    if (index >= X2APIC_MSR_FIRST && index <= X2APIC_MSR_LAST) {
      return writeApicMsr(this.#apic, index, value);
    }
    const slot = this.#slotOf(index);
    if (slot < 0) {
      return msrFault(FAULT_CAUSE.msrUnknown);
    }
    const high = highOfBig(value);
    const low = lowOfBig(value);
    const mask = this.#reserved[slot] as Uint32Array;
    if ((low & (mask[0] as number)) !== 0 || (high & (mask[1] as number)) !== 0) {
      return msrFault(FAULT_CAUSE.msrReserved);
    }
    if (index === MSR_INDEX.IA32_APIC_BASE) {
      const problem = this.#switchApic(low);
      if (problem !== undefined) {
        return problem;
      }
    }
    const kept = READ_ONLY.get(index) ?? 0;
    const old = this.#words[slot * 2] as number;
    this.#words[slot * 2] = (low & ~kept) | (old & kept);
    this.#words[slot * 2 + 1] = high;
    return MSR_DONE;
  }

  snapshot(): Uint32Array {
    return this.#words.slice();
  }

  restore(state: Uint32Array): void {
    this.#words.set(state);
  }

  #slotOf(index: number): number {
    if (index === MSR_INDEX.IA32_PASID && !this.#options.hasEnqcmd) {
      return NO_SLOT;
    }
    return SLOTS.get(index) ?? NO_SLOT;
  }

  /** Allowed: disabled -> xAPIC -> x2APIC and from each enabled mode to disabled (SDM, "x2APIC State Transitions"). */
  #switchApic(low: number): MsrWrite | undefined {
    const isEnabled = isFieldSet(low, EN);
    const isExtended = isFieldSet(low, EXTD);
    const from = this.#apic.mode;
    let to: ApicMode = APIC_MODE.disabled;
    if (isEnabled) {
      to = isExtended ? APIC_MODE.x2apic : APIC_MODE.xapic;
    }
    const isForbidden =
      (isExtended && !isEnabled) ||
      (from === APIC_MODE.x2apic && to === APIC_MODE.xapic) ||
      (from === APIC_MODE.disabled && to === APIC_MODE.x2apic);
    if (isForbidden) {
      return msrFault(FAULT_CAUSE.apicModeChange);
    }
    this.#apic.switchMode(to);
    return undefined;
  }
}
