/**
 * What software can do to a machine, and all that it can do: the kernel in `linux/`, a VMM, a learner's script and a guest
 * (through its VM's own implementation) all stand on this port.
 *
 * Every call that can change the machine is one stimulus of the run: it is logged, and a replay makes it again. Addresses
 * are physical, Numbers below 2^53. Reads where nothing answers give all ones, writes there are dropped, as on a PC.
 */
import type { ExitReason } from '../spec/cpu/vm-exit.ts';
import type { VmcsFieldName } from '../spec/cpu/vmcs.ts';
import type { EventKind } from '../spec/events/event.ts';
import type { IsolationPort } from './isolation/isolation-port.ts';
import type { MachineConfig } from './machine-config.ts';

/** Result of ENQCMD and ENQCMDS (Intel SDM volume 2): `retry` is ZF=1, `fault` is #GP before anything was sent. */
export type EnqcmdResult = 'accepted' | 'retry' | 'fault';

/** What may be published to panes and stored in keyframes. */
export type PlainData =
  string | number | boolean | null | readonly PlainData[] | { readonly [key: string]: PlainData };

export interface PciFunctionAddress {
  readonly rid: number;
  /** `0000:6a:01.0` */
  readonly name: string;
}

/** What the hardware knows of a virtual CPU: the account of its exits and of its interrupts. */
export interface VcpuFacts {
  readonly name: string;
  readonly isHalted: boolean;
  /** Reason and qualification of the last exit, undefined before the first. */
  readonly lastExit: { readonly reason: ExitReason; readonly qualification: number } | undefined;
  /** Exits by reason, in the order of their numbers; reasons that never occurred are left out. */
  readonly exits: readonly { readonly reason: ExitReason; readonly count: number }[];
  /** Time that the exits cost. */
  readonly exitCostNs: number;
  readonly counters: {
    readonly entries: number;
    readonly postedNotifications: number;
    readonly postedVectors: number;
    readonly virtualInterrupts: number;
    readonly requestedVectors: number;
    readonly wakeups: number;
  };
}

/** VMX operation: what a VMM does to virtual CPUs. Intel SDM volume 3, "Virtual-Machine Control Structures". */
export interface VmxPort {
  /** Number of a new virtual CPU with all control fields 0. */
  createVcpu(name: string): number;
  /** It must not run. */
  destroyVcpu(vcpu: number): void;
  vmread(vcpu: number, field: VmcsFieldName): bigint;
  vmwrite(vcpu: number, field: VmcsFieldName, value: bigint): void;
  /** VM entry. What the CPU objects to, undefined when the guest runs (or ran until an interrupt was dealt with). */
  enterGuest(cpu: number, vcpu: number): string | undefined;
  /** The guest did something that exits. */
  exitGuest(cpu: number, reason: ExitReason, qualification: number): void;
  /** The guest waits for a virtual interrupt, in guest mode. */
  haltGuest(cpu: number): void;
  /** The guest takes and ends its highest virtual interrupt; -1 when none is deliverable or no guest runs. */
  takeVirtualInterrupt(cpu: number): number;
  /** The VMM sets a vector in the virtual APIC itself. */
  requestVirtualInterrupt(cpu: number, vcpu: number, vector: number): void;
  /** Moves posted vectors into the virtual APIC, as a VMM does before an entry. Gives their number. */
  syncPosted(cpu: number, vcpu: number): number;
  hasPosted(vcpu: number): boolean;
  /** The virtual CPU in guest mode on a CPU, -1 when the host runs there. */
  running(cpu: number): number;
  facts(vcpu: number): VcpuFacts;
}

export interface HardwarePort {
  readonly config: MachineConfig;
  readonly nowNs: number;

  memoryRead(address: number, bytes: number): Uint8Array;
  memoryWrite(address: number, bytes: Uint8Array): void;
  memoryRead64(address: number): bigint;
  memoryWrite64(address: number, value: bigint): void;

  mmioRead(address: number, bytes: 1 | 2 | 4 | 8): bigint;
  mmioWrite(address: number, bytes: 1 | 2 | 4 | 8, value: bigint): void;

  /** Configuration space by Requester ID; all ones where there is no function. */
  configRead(rid: number, offset: number, bytes: 1 | 2 | 4): number;
  configWrite(rid: number, offset: number, bytes: 1 | 2 | 4, value: number): void;

  /** 64-byte posted store of 16 words to a 64-byte aligned address. Nothing tells whether anybody took it. */
  movdir64b(cpu: number, address: number, words: Uint32Array): void;
  /** 64-byte deferrable store: ENQCMD takes the PASID from the CPU's IA32_PASID, ENQCMDS from word 0. */
  enqcmd(cpu: number, address: number, words: Uint32Array): EnqcmdResult;
  enqcmds(cpu: number, address: number, words: Uint32Array): EnqcmdResult;
  readMsr(cpu: number, index: number): bigint;
  writeMsr(cpu: number, index: number, value: bigint): void;

  /** VMX operation; absent inside a guest, whose CPUs offer no nested virtualization. */
  readonly vmx?: VmxPort;

  /** Where the host says whose pages and address spaces are; absent inside a guest and on machines without the oracle. */
  readonly isolation?: IsolationPort | undefined;

  /** Lets simulated time pass; everything due in it happens. */
  advance(durationNs: number): void;
  /** Runs up to and including the next thing that is due within the limit. False when nothing was. */
  advanceToNextEvent(limitNs: number): boolean;
  /** Takes the highest-priority pending interrupt vector of a CPU, -1 when none is pending. */
  takeInterrupt(cpu: number): number;

  /** Appends a record for something that software did. Values as in `Trace.record`. Gives its number. */
  emit(
    kind: EventKind,
    source: string,
    ...values: readonly (number | bigint | string | boolean)[]
  ): number;
  /** Runs `body` with `seq` as the cause of everything that it does. */
  within<T>(seq: number, body: () => T): T;
  /**
   * Makes the present state of a software object visible to panes, time travel included: `publish('mdev/<uuid>', {...})`.
   * Undefined removes it.
   */
  publish(key: string, value: PlainData | undefined): void;
}

/** Where the platform's fixed devices are. */
export const PLATFORM = {
  /** Registers of the first DMA remapping unit, as on common boards. */
  iommuBase: 0xfed9_0000,
  iommuBytes: 0x2000,
  /** First address at which firmware places BARs. */
  mmioHighBase: 0x2000_0000_0000,
  lapicBase: 0xfee0_0000,
} as const;
