/**
 * All logical CPUs of a machine, the routing of interrupt messages to them, and the virtual CPUs that may run on them.
 *
 * The machine gives it memory, the address map (`BusPort`) and the trace; it is the `InterruptSink` of the IOMMU. Virtual
 * CPUs are created by the VMM layer at run time and named by number, so that they survive a restore. A VMM that wants to
 * hear of exits the hardware makes by itself sets `exitListener`.
 */
import { defined, invariant } from '../../bits/invariant.ts';
import { APIC_MODE, type ApicMode } from '../../spec/events/local-apic.ts';
import type { Snapshotable } from '../core/snapshot.ts';
import type { Trace } from '../core/trace.ts';
import type { InterruptSink } from '../iommu/ports.ts';
import { InterruptRouter, type RouterCounters } from './interrupt-router.ts';
import type { InterruptCommand, LocalApic } from './local-apic.ts';
import { LogicalCpu, type LogicalCpuState, type VmEntry } from './logical-cpu.ts';
import type { BusPort, CpuMemory, VmExitListener } from './ports.ts';
import { Vcpu, type VcpuState } from './vcpu.ts';

export interface CpuComplexOptions {
  readonly cpus: number;
  readonly physicalAddressBits: number;
  /** Address of the xAPIC registers. */
  readonly apicBase: number;
  readonly hasEnqcmd?: boolean;
  /** Mode in which firmware hands the local APICs over. */
  readonly apicMode?: ApicMode;
}

export interface CpuComplexPorts {
  readonly memory: CpuMemory;
  readonly bus: BusPort;
  readonly trace: Trace;
}

export interface CpuComplexState {
  readonly cpus: readonly LogicalCpuState[];
  readonly vcpus: readonly VcpuState[];
  readonly nextVcpu: number;
  readonly router: RouterCounters;
}

export class CpuComplex implements InterruptSink, Snapshotable<CpuComplexState> {
  readonly cpus: readonly LogicalCpu[];
  readonly router: InterruptRouter;
  exitListener: VmExitListener | undefined;
  readonly #memory: CpuMemory;
  readonly #vcpus = new Map<number, Vcpu>();
  #nextVcpu = 0;

  constructor(options: CpuComplexOptions, ports: CpuComplexPorts) {
    invariant(options.cpus > 0, 'A machine has at least one CPU');
    this.#memory = ports.memory;
    const sendCommand = (from: LocalApic, command: InterruptCommand): void => {
      this.router.send(from, command);
    };
    const exits: VmExitListener = {
      onDidExit: (cpu, vcpu, exit) => {
        this.exitListener?.onDidExit(cpu, vcpu, exit);
      },
    };
    this.cpus = Array.from(
      { length: options.cpus },
      (_, index) =>
        new LogicalCpu(
          {
            index,
            apicId: index,
            physicalAddressBits: options.physicalAddressBits,
            hasEnqcmd: options.hasEnqcmd ?? true,
            apicBase: options.apicBase,
            apic: { mode: options.apicMode ?? APIC_MODE.x2apic, isEnabled: true },
          },
          { ...ports, sendCommand, exits },
        ),
    );
    this.router = new InterruptRouter(
      this.cpus.map((cpu) => cpu.apic),
      ports.trace,
      'interrupts',
    );
  }

  cpu(index: number): LogicalCpu {
    return defined(this.cpus[index], `CPU ${index}`);
  }

  deliver(addressHigh: number, addressLow: number, data: number): void {
    this.router.deliver(addressHigh, addressLow, data);
  }

  createVcpu(name: string): Vcpu {
    const vcpu = new Vcpu(this.#nextVcpu++, name, this.#memory);
    this.#vcpus.set(vcpu.id, vcpu);
    return vcpu;
  }

  /** Undefined when it was destroyed, or does not exist yet at the restored instant. */
  vcpu(id: number): Vcpu | undefined {
    return this.#vcpus.get(id);
  }

  vcpus(): readonly Vcpu[] {
    return [...this.#vcpus.values()];
  }

  destroyVcpu(id: number): void {
    invariant(
      this.cpus.every((cpu) => cpu.vcpu?.id !== id),
      `vCPU ${id} runs`,
    );
    this.#vcpus.delete(id);
  }

  /** Runs a vCPU on a CPU; it may run on one CPU at a time. */
  enterGuest(cpu: number, vcpu: number): VmEntry {
    const target = defined(this.#vcpus.get(vcpu), `vCPU ${vcpu}`);
    invariant(
      this.cpus.every((c) => c.index === cpu || c.vcpu !== target),
      `${target.name} runs on another CPU`,
    );
    return this.cpu(cpu).enterGuest(target);
  }

  snapshot(): CpuComplexState {
    return {
      cpus: this.cpus.map((cpu) => cpu.snapshot()),
      vcpus: this.vcpus().map((vcpu) => vcpu.snapshot()),
      nextVcpu: this.#nextVcpu,
      router: this.router.snapshot(),
    };
  }

  restore(state: CpuComplexState): void {
    const kept = new Set(state.vcpus.map((vcpu) => vcpu.id));
    for (const id of this.#vcpus.keys()) {
      if (!kept.has(id)) {
        this.#vcpus.delete(id);
      }
    }
    for (const saved of state.vcpus) {
      let vcpu = this.#vcpus.get(saved.id);
      if (vcpu === undefined) {
        vcpu = new Vcpu(saved.id, saved.name, this.#memory);
        this.#vcpus.set(saved.id, vcpu);
      }
      vcpu.restore(saved);
    }
    this.#nextVcpu = state.nextVcpu;
    this.router.restore(state.router);
    this.cpus.forEach((cpu, i) => {
      const saved = defined(state.cpus[i], `State of CPU ${i}`);
      cpu.restore(saved, saved.vcpu < 0 ? undefined : this.#vcpus.get(saved.vcpu));
    });
  }
}
