/** `VmxPort` over the CPUs of a machine. Intel SDM volume 3, chapters on VMX; see `cpu/logical-cpu.ts` for what is left out. */
import { defined } from '../bits/invariant.ts';
import type { ExitReason } from '../spec/cpu/vm-exit.ts';
import { VMCS_FIELD, type VmcsFieldName } from '../spec/cpu/vmcs.ts';
import type { CpuComplex } from './cpu/cpu-complex.ts';
import type { Vcpu } from './cpu/vcpu.ts';
import type { VcpuFacts, VmxPort } from './hardware-port.ts';

export class MachineVmx implements VmxPort {
  readonly #cpus: CpuComplex;

  constructor(cpus: CpuComplex) {
    this.#cpus = cpus;
  }

  createVcpu(name: string): number {
    return this.#cpus.createVcpu(name).id;
  }

  destroyVcpu(vcpu: number): void {
    this.#cpus.destroyVcpu(vcpu);
  }

  vmread(vcpu: number, field: VmcsFieldName): bigint {
    return defined(this.#vcpu(vcpu).vmcs.read(VMCS_FIELD[field]), `VMCS field ${field}`);
  }

  vmwrite(vcpu: number, field: VmcsFieldName, value: bigint): void {
    this.#vcpu(vcpu).vmcs.write(VMCS_FIELD[field], value);
  }

  enterGuest(cpu: number, vcpu: number): string | undefined {
    const entry = this.#cpus.enterGuest(cpu, vcpu);
    return entry.kind === 'refused' ? entry.problem : undefined;
  }

  exitGuest(cpu: number, reason: ExitReason, qualification: number): void {
    this.#cpus.cpu(cpu).exitGuest(reason, qualification);
  }

  haltGuest(cpu: number): void {
    this.#cpus.cpu(cpu).haltGuest();
  }

  takeVirtualInterrupt(cpu: number): number {
    const logical = this.#cpus.cpu(cpu);
    const vector = logical.takeVirtualInterrupt();
    if (vector >= 0) {
      logical.endVirtualInterrupt();
    }
    return vector;
  }

  requestVirtualInterrupt(cpu: number, vcpu: number, vector: number): void {
    this.#cpus.cpu(cpu).requestVirtualInterrupt(this.#vcpu(vcpu), vector);
  }

  syncPosted(cpu: number, vcpu: number): number {
    return this.#cpus.cpu(cpu).syncPosted(this.#vcpu(vcpu));
  }

  hasPosted(vcpu: number): boolean {
    return this.#cpus.cpu(0).hasPosted(this.#vcpu(vcpu));
  }

  running(cpu: number): number {
    return this.#cpus.cpu(cpu).vcpu?.id ?? -1;
  }

  facts(vcpu: number): VcpuFacts {
    const { name, isHalted, lastExit, exits, counters } = this.#vcpu(vcpu);
    return {
      name,
      isHalted,
      lastExit:
        lastExit === undefined
          ? undefined
          : { reason: lastExit.reason, qualification: lastExit.qualification },
      exits: exits.counts(),
      exitCostNs: exits.costNs,
      counters: { ...counters },
    };
  }

  #vcpu(id: number): Vcpu {
    return defined(this.#cpus.vcpu(id), `vCPU ${id}`);
  }
}
