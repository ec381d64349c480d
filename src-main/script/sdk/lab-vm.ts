/** `lab/vm`: virtual machines, and code that runs in their guests. */
import { EXIT_REASON_NAMES } from '../../spec/cpu/vm-exit.ts';
import { formatBdf } from '../../spec/pcie/requester-id.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { ExitCounts } from '../../vmm/kvm/kvm-vm.ts';
import type { DeviceMigration } from '../../vmm/qemu/device-migration.ts';
import type { VfioPciDevice } from '../../vmm/qemu/vfio-pci.ts';
import { moveGuest, moveProblem } from '../../vmm/move-guest.ts';
import type { Vm } from '../../vmm/vm.ts';
import {
  asArray,
  asBoolean,
  asBytes,
  asFunction,
  asRecord,
  asString,
  asUnsigned,
  optional,
} from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { handleOr } from './handles.ts';
import type { ScriptContext } from './script-context.ts';
import {
  ScriptError,
  defineHostType,
  defineSdkModule,
  type HostFunctionSpec,
  type ScriptRecord,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';
import { VM_TYPES } from './types/lab-vm.ts';
import { runningVm, vmType, vmsOf } from './vm-handle.ts';

type Functions = Record<string, HostFunctionSpec>;

const MAX_PASID = 0xf_ffff;

const guestDeviceType = defineHostType<VfioPciDevice>({
  name: 'guest device',
  properties: {
    name: { get: (device) => device.name },
    bdf: { get: (device) => formatBdf(device.rid) },
    exits: { get: (device) => device.exits },
    is_release_requested: { get: (device) => device.isReleaseRequested, isPrinted: false },
  },
});

/** The kernel that runs in a VM. */
function guestOf(vm: Vm): Kernel {
  if (vm.guest !== null) return vm.guest;
  throw new ScriptError(`No kernel runs in ${vm.name}. Boot it first: boot(vm)`);
}

function byReason(counts: ExitCounts): ScriptRecord {
  return Object.fromEntries(
    Object.entries(counts).map(([code, count]) => [
      EXIT_REASON_NAMES[Number(code)] ?? `exit ${code}`,
      count,
    ]),
  );
}

function lifeFunctions(env: SdkEnvironment): Functions {
  return {
    start_vm: effect(env, (_bound, name, options) => {
      const wanted = asString(name, 'name');
      const fields = options === undefined ? {} : asRecord(options, 'options');
      const hasPosting = optional(
        fields['posted_interrupts'],
        'options.posted_interrupts',
        asBoolean,
      );
      const hasPasidTranslation = optional(
        fields['pasid_translation'],
        'options.pasid_translation',
        asBoolean,
      );
      const vms = vmsOf(env);
      const problem = vms.problem(wanted);
      if (problem !== undefined) throw new ScriptError(problem);
      return vmType.of(
        vms.start(wanted, {
          ...(hasPosting === undefined ? {} : { hasPosting }),
          ...(hasPasidTranslation === undefined ? {} : { hasPasidTranslation }),
        }),
      );
    }),
    find_vm: query(env, (_bound, name) =>
      handleOr(vmType, vmsOf(env).find(asString(name, 'name')) ?? null),
    ),
    boot: effect(env, (_bound, vm, options) => {
      const fields = options === undefined ? {} : asRecord(options, 'options');
      const modules = optional(fields['modules'], 'options.modules', asArray) ?? [];
      const target = runningVm(env, vm);
      if (target.guest !== null) throw new ScriptError(`${target.name} has booted already`);
      target.boot({ modules: modules.map((name) => asString(name, 'options.modules')) });
    }),
    reset_vm: effect(env, (_bound, vm) => runningVm(env, vm).qemu.reset()),
    shutdown_vm: effect(env, (_bound, vm) => vmsOf(env).shutdown(runningVm(env, vm))),
    kill_vm: effect(env, (_bound, vm) => vmsOf(env).kill(runningVm(env, vm))),
  };
}

function deviceFunctions(env: SdkEnvironment): Functions {
  return {
    plug: effect(env, (_bound, vm, device) =>
      handleOr(guestDeviceType, runningVm(env, vm).plug(asString(device, 'device'))),
    ),
    unplug: effect(env, (_bound, vm, device) =>
      runningVm(env, vm).qemu.unplug(guestDeviceType.target(device, 'device')),
    ),
    kvm_pasid_map: effect(env, (_bound, vm, guest, host) =>
      runningVm(env, vm).qemu.vm.setPasid(
        asUnsigned(guest, 'guest_pasid', MAX_PASID),
        asUnsigned(host, 'host_pasid', MAX_PASID),
      ),
    ),
    kvm_pasid_unmap: effect(env, (_bound, vm, guest) =>
      runningVm(env, vm).qemu.vm.clearPasid(asUnsigned(guest, 'guest_pasid', MAX_PASID)),
    ),
    kvm_set_pasid_miss: effect(env, (_bound, vm, handler) => {
      const answer = asFunction(handler, 'handler');
      runningVm(env, vm).pasidMiss = (guestPasid) =>
        optional(answer.call(guestPasid), 'the result of handler', (value, what) =>
          asUnsigned(value, what, MAX_PASID),
        );
    }),
  };
}

function migrationFunctions(env: SdkEnvironment): Functions {
  const migrationOf = (device: ScriptValue): DeviceMigration =>
    guestDeviceType.target(device, 'device').migration;
  return {
    migration_state: query(env, (_bound, device) => migrationOf(device).state),
    set_migration_state: effect(env, (_bound, device, state) =>
      migrationOf(device).setState(asUnsigned(state, 'state', 0xffff_ffff)),
    ),
    read_migration_data: effect(env, (_bound, device) => migrationOf(device).read()),
    write_migration_data: effect(env, (_bound, device, data) =>
      migrationOf(device).write(asBytes(data, 'data')),
    ),
    move_guest: effect(env, (_bound, from, to) => {
      const [source, destination] = [runningVm(env, from), runningVm(env, to)];
      const problem = moveProblem(source, destination);
      if (problem !== undefined) throw new ScriptError(problem);
      moveGuest(source, destination);
    }),
  };
}

function guestFunctions(env: SdkEnvironment, context: ScriptContext): Functions {
  const inGuest = <T>(vm: Vm, body: () => T): T => context.actIn(guestOf(vm), body);
  return {
    run_in: {
      run: (_call, vm, body) => inGuest(runningVm(env, vm), () => asFunction(body, 'body').call()),
    },
    exits_during: {
      run: (_call, vm, body) => {
        const target = runningVm(env, vm);
        const work = asFunction(body, 'body');
        return byReason(target.exitsDuring(() => void inGuest(target, () => work.call())));
      },
    },
    exit_counts: query(env, (_bound, vm) => byReason(vmType.target(vm, 'vm').exitCounts)),
  };
}

export function createVmModule(env: SdkEnvironment, context: ScriptContext): SdkModule {
  // The VMM runs on the host, whoever asks it.
  const host: SdkEnvironment = { ...env, kernelOf: () => vmsOf(env).kernel };
  return defineSdkModule({
    name: 'lab/vm',
    types: VM_TYPES,
    functions: {
      ...lifeFunctions(host),
      ...deviceFunctions(host),
      ...migrationFunctions(host),
      ...guestFunctions(host, context),
    },
  });
}
