/** A CPU bench with one virtual CPU set up as KVM sets it up: posted interrupts, virtual delivery, PASID translation. */
import {
  ExitControls,
  PinBasedControls,
  PrimaryControls,
  SecondaryControls,
  VMCS_FIELD,
  type VmcsFieldName,
} from '../../src-main/spec/cpu/vmcs.ts';
import {
  PasidTranslationDirectoryEntry,
  PasidTranslationTableEntry,
  isHighPasidDirectory,
  pasidTranslationDirectoryIndex,
  pasidTranslationTableIndex,
} from '../../src-main/spec/cpu/pasid-translation.ts';
import { PostedInterruptDescriptor } from '../../src-main/spec/vtd/posted-interrupt-descriptor.ts';
import type { TraceOptions } from '../../src-main/sim/core/trace.ts';
import type { Vcpu } from '../../src-main/sim/cpu/vcpu.ts';
import { createCpuBench, type CpuBench } from './cpu-bench.ts';

export const GUEST = {
  virtualApic: 0x10_0000,
  descriptor: 0x10_1040,
  lowDirectory: 0x10_2000,
  highDirectory: 0x10_3000,
  table: 0x10_4000,
  notificationVector: 0xf2,
} as const;

export interface GuestBench extends CpuBench {
  readonly vcpu: Vcpu;
}

export function setField(vcpu: Vcpu, name: VmcsFieldName, value: number): void {
  vcpu.vmcs.write(VMCS_FIELD[name], BigInt(value));
}

export const ALL_CONTROLS = {
  pin: PinBasedControls.encode({
    EXTERNAL_INTERRUPT_EXITING: 1,
    NMI_EXITING: 1,
    PROCESS_POSTED_INTERRUPTS: 1,
  })[0]!,
  primary: PrimaryControls.encode({ USE_TPR_SHADOW: 1, ACTIVATE_SECONDARY: 1 })[0]!,
  secondary: SecondaryControls.encode({ VIRTUAL_INTERRUPT_DELIVERY: 1, PASID_TRANSLATION: 1 })[0]!,
  exit: ExitControls.encode({ ACKNOWLEDGE_INTERRUPT: 1 })[0]!,
};

export function prepareVcpu(vcpu: Vcpu): void {
  setField(vcpu, 'pinBasedControls', ALL_CONTROLS.pin);
  setField(vcpu, 'primaryControls', ALL_CONTROLS.primary);
  setField(vcpu, 'secondaryControls', ALL_CONTROLS.secondary);
  setField(vcpu, 'exitControls', ALL_CONTROLS.exit);
  setField(vcpu, 'notificationVector', GUEST.notificationVector);
  setField(vcpu, 'virtualApicAddress', GUEST.virtualApic);
  setField(vcpu, 'postedInterruptDescriptorAddress', GUEST.descriptor);
  setField(vcpu, 'lowPasidDirectoryAddress', GUEST.lowDirectory);
  setField(vcpu, 'highPasidDirectoryAddress', GUEST.highDirectory);
}

export function createGuestBench(traceMode: TraceOptions['mode'] = 'store'): GuestBench {
  const bench = createCpuBench({ cpus: 2 }, traceMode);
  const vcpu = bench.complex.createVcpu('vm0.vcpu0');
  prepareVcpu(vcpu);
  return { ...bench, vcpu };
}

/** Maps one guest PASID, with the table behind the directory entry at `GUEST.table`. */
export function mapPasid(bench: CpuBench, guestPasid: number, word: number): void {
  const directory = isHighPasidDirectory(guestPasid) ? GUEST.highDirectory : GUEST.lowDirectory;
  const entry = PasidTranslationDirectoryEntry.encode({ P: 1, TABLE: BigInt(GUEST.table) });
  bench.memory.writeWords(directory + pasidTranslationDirectoryIndex(guestPasid) * 8, entry);
  bench.memory.write32(GUEST.table + pasidTranslationTableIndex(guestPasid) * 4, word);
}

export function hostPasidWord(hostPasid: number): number {
  return PasidTranslationTableEntry.encode({ HPASID: hostPasid, V: 1 })[0]!;
}

/** Sets vectors in PIR and ON, as the IOMMU does. */
export function postVectors(bench: CpuBench, vectors: readonly number[]): void {
  const words = PostedInterruptDescriptor.encode({
    PIR: vectors.reduce((pir, vector) => pir | (1n << BigInt(vector)), 0n),
    ON: 1,
    NV: GUEST.notificationVector,
    NDST: 0,
  });
  bench.memory.writeWords(GUEST.descriptor, words);
}

export function readDescriptor(bench: CpuBench) {
  const words = new Uint32Array(16);
  bench.memory.readWords(GUEST.descriptor, words);
  return PostedInterruptDescriptor.decode(words);
}

/** Host vector to one CPU as an interrupt message. */
export function interrupt(bench: CpuBench, cpu: number, vector: number): void {
  bench.complex.deliver(0, (0xfee0_0000 | (cpu << 12)) >>> 0, vector);
}
