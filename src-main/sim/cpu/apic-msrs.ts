/**
 * The x2APIC view of a local APIC: MSR 800h + offset/16, 32 bits each but for the interrupt command register, which is one
 * 64-bit MSR. Intel SDM volume 3, "x2APIC Register Address Space".
 */
import { bigOf, highOfBig, lowOfBig } from '../../bits/u64.ts';
import { LAPIC_BYTES, LAPIC_OFFSET } from '../../spec/cpu/local-apic.ts';
import { X2APIC_MSR_FIRST } from '../../spec/cpu/msr.ts';
import { FAULT_CAUSE } from '../../spec/events/cpu.ts';
import { APIC_MODE } from '../../spec/events/local-apic.ts';
import type { LocalApic } from './local-apic.ts';
import { MSR_DONE, msrFault, type MsrRead, type MsrWrite } from './msr-outcome.ts';

const REGISTER_STRIDE = 16;

/** Registers that software may write in x2APIC mode. */
const WRITABLE: ReadonlySet<number> = new Set([
  LAPIC_OFFSET.TPR,
  LAPIC_OFFSET.EOI,
  LAPIC_OFFSET.SVR,
  LAPIC_OFFSET.ESR,
  LAPIC_OFFSET.ICR_LOW,
  LAPIC_OFFSET.SELF_IPI,
]);
/** Registers that take only 0. */
const ZERO_ONLY: ReadonlySet<number> = new Set([LAPIC_OFFSET.EOI, LAPIC_OFFSET.ESR]);
/** Registers that cannot be read. */
const WRITE_ONLY: ReadonlySet<number> = new Set([LAPIC_OFFSET.EOI, LAPIC_OFFSET.SELF_IPI]);
/** xAPIC registers that x2APIC mode does not have. */
const ABSENT: ReadonlySet<number> = new Set([LAPIC_OFFSET.DFR, LAPIC_OFFSET.ICR_HIGH]);

/** Offset of the register behind an index, -1 when there is none in x2APIC mode. */
function offsetOf(apic: LocalApic, index: number): number {
  const offset = (index - X2APIC_MSR_FIRST) * REGISTER_STRIDE;
  const exists = offset < LAPIC_BYTES && apic.registers.registerAt(offset) !== undefined;
  return exists && !ABSENT.has(offset) ? offset : -1;
}

export function readApicMsr(apic: LocalApic, index: number): MsrRead {
  const offset = offsetOf(apic, index);
  if (apic.mode !== APIC_MODE.x2apic || offset < 0 || WRITE_ONLY.has(offset)) {
    return msrFault(FAULT_CAUSE.msrUnknown);
  }
  const low = apic.registers.peek32(offset);
  const high = offset === LAPIC_OFFSET.ICR_LOW ? apic.registers.peek32(LAPIC_OFFSET.ICR_HIGH) : 0;
  return { kind: 'value', value: bigOf(high, low) };
}

/** Ones where a set bit of the low word is reserved. */
function reservedMask(apic: LocalApic, offset: number): number {
  const register = apic.registers.registerAt(offset);
  return register?.reservedMask({ has: () => true, width: () => 64 })[0] ?? 0;
}

export function writeApicMsr(apic: LocalApic, index: number, value: bigint): MsrWrite {
  const offset = offsetOf(apic, index);
  if (apic.mode !== APIC_MODE.x2apic || offset < 0) {
    return msrFault(FAULT_CAUSE.msrUnknown);
  }
  if (!WRITABLE.has(offset)) {
    return msrFault(FAULT_CAUSE.msrReadOnly);
  }
  const high = highOfBig(value);
  const low = lowOfBig(value);
  const isCommand = offset === LAPIC_OFFSET.ICR_LOW;
  const hasReserved =
    (high !== 0 && !isCommand) ||
    (low & reservedMask(apic, offset)) !== 0 ||
    (ZERO_ONLY.has(offset) && low !== 0);
  if (hasReserved) {
    return msrFault(FAULT_CAUSE.msrReserved);
  }
  if (isCommand) {
    apic.registers.poke32(LAPIC_OFFSET.ICR_HIGH, high);
  }
  apic.registers.write(offset, 4, BigInt(low));
  return MSR_DONE;
}
