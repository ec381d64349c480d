/**
 * One virtual CPU as the hardware knows it: its control fields, its virtual APIC, whether it is halted, and the account of
 * its exits. Which physical CPU runs it is the physical CPU's state.
 */
import type { Snapshotable } from '../core/snapshot.ts';
import type { CpuMemory, VmExit } from './ports.ts';
import { VirtualApic } from './virtual-apic.ts';
import { VmExitAccounting, type VmExitAccountingState } from './vm-exit-accounting.ts';
import { Vmcs } from './vmcs.ts';

export interface VcpuCounters {
  entries: number;
  /** Notifications that the CPU handled without an exit. */
  postedNotifications: number;
  /** Vectors that came out of PIR. */
  postedVectors: number;
  /** Virtual interrupts the guest took. */
  virtualInterrupts: number;
  /** Vectors the VMM requested in the virtual APIC itself. */
  requestedVectors: number;
  wakeups: number;
}

export interface VcpuState {
  readonly id: number;
  readonly name: string;
  readonly vmcs: Uint32Array;
  readonly isHalted: boolean;
  readonly lastExit: VmExit | null;
  readonly exits: VmExitAccountingState;
  readonly counters: Readonly<VcpuCounters>;
}

export class Vcpu implements Snapshotable<VcpuState> {
  readonly id: number;
  readonly name: string;
  readonly vmcs = new Vmcs();
  readonly virtualApic: VirtualApic;
  readonly exits = new VmExitAccounting();
  readonly counters: VcpuCounters = {
    entries: 0,
    postedNotifications: 0,
    postedVectors: 0,
    virtualInterrupts: 0,
    requestedVectors: 0,
    wakeups: 0,
  };
  /** Activity state HLT: the guest waits for an interrupt. */
  isHalted = false;
  lastExit: VmExit | undefined;

  constructor(id: number, name: string, memory: CpuMemory) {
    this.id = id;
    this.name = name;
    this.virtualApic = new VirtualApic(this.vmcs, memory);
  }

  snapshot(): VcpuState {
    return {
      id: this.id,
      name: this.name,
      vmcs: this.vmcs.snapshot(),
      isHalted: this.isHalted,
      lastExit: this.lastExit ?? null,
      exits: this.exits.snapshot(),
      counters: { ...this.counters },
    };
  }

  restore(state: VcpuState): void {
    this.vmcs.restore(state.vmcs);
    this.isHalted = state.isHalted;
    this.lastExit = state.lastExit ?? undefined;
    this.exits.restore(state.exits);
    Object.assign(this.counters, state.counters);
  }
}
