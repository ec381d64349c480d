/** A VM as scripts hold it. */
import { invariant } from '../../bits/invariant.ts';
import type { VirtualMachines } from '../../vmm/virtual-machines.ts';
import type { Vm } from '../../vmm/vm.ts';
import type { SdkEnvironment } from './environment.ts';
import { ScriptError, defineHostType, type ScriptValue } from './sdk-module.ts';

export const vmType = defineHostType<Vm>({
  name: 'vm',
  properties: {
    name: { get: (vm) => vm.name },
    memory: { get: (vm) => vm.qemu.memoryBytes },
    vcpus: { get: (vm) => vm.qemu.vm.vcpus.length },
    is_booted: { get: (vm) => vm.guest !== null },
    exits: { get: (vm) => vm.exits },
  },
});

export function vmsOf({ vms }: SdkEnvironment): VirtualMachines {
  invariant(vms !== undefined, 'No VMs in this environment');
  return vms;
}

/** A VM whose process is alive. */
export function runningVm(env: SdkEnvironment, value: ScriptValue): Vm {
  const vm = vmType.target(value, 'vm');
  if (vmsOf(env).find(vm.name) === vm) return vm;
  throw new ScriptError(`The VM ${vm.name} is gone`);
}
