/**
 * Ports of the CPU side: what CPUs need from the rest of the machine. The machine supplies the address map behind
 * `BusPort`; the VMM layer may listen to exits.
 */
import type { ExitReason } from '../../spec/cpu/vm-exit.ts';
import type { BlockWriteKind, BlockWriteResult } from '../pcie/ports.ts';

/** Where 64-byte stores of the CPUs go: the address map of the machine. */
export interface BusPort {
  /** `words` are 16 words, lowest first; the address is 64-byte aligned. The receiver copies what it keeps. */
  blockWrite(
    addressHigh: number,
    addressLow: number,
    words: Uint32Array,
    kind: BlockWriteKind,
  ): BlockWriteResult;
}

/**
 * Memory as the CPU's table walks see it. `PhysicalMemory` is one; a VMM gives another one over a guest's memory. Reads
 * where there is no memory give all ones, writes there give false.
 */
export interface CpuMemory {
  read32(address: number): number;
  write32(address: number, value: number): boolean;
}

/** One VM exit as the VMM finds it. */
export interface VmExit {
  readonly reason: ExitReason;
  /** Guest PASID for exits 72 and 73, guest physical address for EPT exits, else what the VMM gave. */
  readonly qualification: number;
  /** Vector the CPU acknowledged on an external-interrupt exit, -1 for none. */
  readonly vector: number;
}

/** Told about exits that the hardware makes by itself, so that the VMM can handle them. */
export interface VmExitListener {
  onDidExit(cpu: number, vcpu: number, exit: VmExit): void;
}
