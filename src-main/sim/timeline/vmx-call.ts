/** Stimuli of VMX operation: the calls of a VMM that change virtual CPUs, logged and made again. */
import { assertNever } from '../../bits/invariant.ts';
import type { ExitReason } from '../../spec/cpu/vm-exit.ts';
import type { VmcsFieldName } from '../../spec/cpu/vmcs.ts';
import type { VcpuFacts, VmxPort } from '../hardware-port.ts';

export type VmxCall =
  | { readonly op: 'create-vcpu'; readonly name: string }
  | { readonly op: 'destroy-vcpu'; readonly vcpu: number }
  | {
      readonly op: 'vmwrite';
      readonly vcpu: number;
      readonly field: VmcsFieldName;
      readonly value: bigint;
    }
  | { readonly op: 'enter'; readonly cpu: number; readonly vcpu: number }
  | {
      readonly op: 'exit';
      readonly cpu: number;
      readonly reason: ExitReason;
      readonly qualification: number;
    }
  | { readonly op: 'halt' | 'take-virtual-interrupt'; readonly cpu: number }
  | {
      readonly op: 'request-virtual-interrupt';
      readonly cpu: number;
      readonly vcpu: number;
      readonly vector: number;
    }
  | { readonly op: 'sync-posted'; readonly cpu: number; readonly vcpu: number };

/** Makes a logged call again. */
export function applyVmxCall(vmx: VmxPort, call: VmxCall): void {
  switch (call.op) {
    case 'create-vcpu':
      vmx.createVcpu(call.name);
      return;
    case 'destroy-vcpu':
      vmx.destroyVcpu(call.vcpu);
      return;
    case 'vmwrite':
      vmx.vmwrite(call.vcpu, call.field, call.value);
      return;
    case 'enter':
      vmx.enterGuest(call.cpu, call.vcpu);
      return;
    case 'exit':
      vmx.exitGuest(call.cpu, call.reason, call.qualification);
      return;
    case 'halt':
      vmx.haltGuest(call.cpu);
      return;
    case 'take-virtual-interrupt':
      vmx.takeVirtualInterrupt(call.cpu);
      return;
    case 'request-virtual-interrupt':
      vmx.requestVirtualInterrupt(call.cpu, call.vcpu, call.vector);
      return;
    case 'sync-posted':
      vmx.syncPosted(call.cpu, call.vcpu);
      return;
    default:
      assertNever(call);
  }
}

/** The live machine's VMX side: logs what changes something, then makes it. */
export class RecordedVmx implements VmxPort {
  readonly #vmx: VmxPort;
  readonly #log: (call: VmxCall) => void;

  constructor(vmx: VmxPort, log: (call: VmxCall) => void) {
    this.#vmx = vmx;
    this.#log = log;
  }

  createVcpu(name: string): number {
    this.#log({ op: 'create-vcpu', name });
    return this.#vmx.createVcpu(name);
  }

  destroyVcpu(vcpu: number): void {
    this.#log({ op: 'destroy-vcpu', vcpu });
    this.#vmx.destroyVcpu(vcpu);
  }

  vmread(vcpu: number, field: VmcsFieldName): bigint {
    return this.#vmx.vmread(vcpu, field);
  }

  vmwrite(vcpu: number, field: VmcsFieldName, value: bigint): void {
    this.#log({ op: 'vmwrite', vcpu, field, value });
    this.#vmx.vmwrite(vcpu, field, value);
  }

  enterGuest(cpu: number, vcpu: number): string | undefined {
    this.#log({ op: 'enter', cpu, vcpu });
    return this.#vmx.enterGuest(cpu, vcpu);
  }

  exitGuest(cpu: number, reason: ExitReason, qualification: number): void {
    this.#log({ op: 'exit', cpu, reason, qualification });
    this.#vmx.exitGuest(cpu, reason, qualification);
  }

  haltGuest(cpu: number): void {
    this.#log({ op: 'halt', cpu });
    this.#vmx.haltGuest(cpu);
  }

  takeVirtualInterrupt(cpu: number): number {
    this.#log({ op: 'take-virtual-interrupt', cpu });
    return this.#vmx.takeVirtualInterrupt(cpu);
  }

  requestVirtualInterrupt(cpu: number, vcpu: number, vector: number): void {
    this.#log({ op: 'request-virtual-interrupt', cpu, vcpu, vector });
    this.#vmx.requestVirtualInterrupt(cpu, vcpu, vector);
  }

  syncPosted(cpu: number, vcpu: number): number {
    this.#log({ op: 'sync-posted', cpu, vcpu });
    return this.#vmx.syncPosted(cpu, vcpu);
  }

  hasPosted(vcpu: number): boolean {
    return this.#vmx.hasPosted(vcpu);
  }

  running(cpu: number): number {
    return this.#vmx.running(cpu);
  }

  facts(vcpu: number): VcpuFacts {
    return this.#vmx.facts(vcpu);
  }
}
