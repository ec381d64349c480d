/** `lab/viommu`: what a VMM does for the VT-d unit that it shows to a guest, in the hands of a script. */
import type { GuestFaultGroup, GuestRange } from '../../vmm/viommu/nesting-backend.ts';
import type { ShadowEntry } from '../../vmm/viommu/pasid-shadow.ts';
import type { TrappedCommand } from '../../vmm/viommu/virtual-queue.ts';
import type { Viommu } from '../../vmm/viommu/viommu.ts';
import { formatBdf } from '../../spec/pcie/requester-id.ts';
import { asRecord, asString, asUnsigned, operationOf, optional } from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { handleOr } from './handles.ts';
import {
  ArgumentError,
  ScriptError,
  defineHostType,
  defineSdkModule,
  type HostFunctionSpec,
  type ScriptRecord,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';
import { VIOMMU_TYPES } from './types/lab-viommu.ts';
import { runningVm, vmsOf } from './vm-handle.ts';

type Functions = Record<string, HostFunctionSpec>;

const MAX_PASID = 0xf_ffff;
const PAGE_BYTES = 4096;

const commandType = defineHostType<TrappedCommand>({
  name: 'viommu command',
  properties: {
    type: { get: ({ scope }) => scope.type },
    did: { get: ({ scope }) => scope.did },
    pasid: { get: ({ scope }) => scope.pasid },
    device: { get: ({ scope }) => (scope.rid === undefined ? undefined : formatBdf(scope.rid)) },
    address: { get: ({ scope }) => scope.range?.address, format: 'hex' },
    bytes: { get: ({ scope }) => scope.range?.bytes },
  },
});

const entryType = defineHostType<ShadowEntry>({
  name: 'guest PASID entry',
  properties: {
    device: { get: (entry) => formatBdf(entry.device.rid) },
    pasid: { get: (entry) => entry.pasid },
    did: { get: (entry) => entry.did },
    root: { get: (entry) => entry.stage1.root, format: 'hex' },
  },
});

const faultGroupType = defineHostType<GuestFaultGroup>({
  name: 'page fault group',
  properties: {
    pasid: { get: (group) => group.pasid },
    group: { get: (group) => group.faults.at(-1)?.group ?? 0 },
    addresses: { get: (group) => group.faults.map(({ address }) => address) },
    cookie: { get: (group) => group.cookie },
  },
});

function unitOf(env: SdkEnvironment, value: ScriptValue): Viommu {
  const vm = runningVm(env, value);
  const unit = vm.qemu.viommu;
  if (unit !== null) return unit;
  throw new ScriptError(`${vm.name} has no IOMMU: machine.json gives it one by "viommu": true`);
}

/** Null: the whole address space. A command means the pages that it names. */
function rangeOf(options: ScriptValue): GuestRange | null {
  if (commandType.is(options)) return commandType.target(options, 'range').scope.range ?? null;
  const fields = options === undefined ? {} : asRecord(options, 'range');
  const [address, bytes] = (['address', 'bytes'] as const).map((name) =>
    optional(fields[name], `range.${name}`, (value, what) =>
      asUnsigned(value, what, Number.MAX_SAFE_INTEGER),
    ),
  );
  if (address === undefined && bytes === undefined) return null;
  if (address === undefined || bytes === undefined || bytes === 0) {
    throw new ArgumentError('range', 'an address and a number of bytes, or neither', options);
  }
  if (address % PAGE_BYTES === 0 && bytes % PAGE_BYTES === 0) {
    return { address, bytes, isLeafOnly: false };
  }
  throw new ArgumentError('range', 'whole pages', options);
}

/** What the script put in place of the VMM's own work, run where the VMM runs. */
function setOps(unit: Viommu, ops: ScriptRecord | null): void {
  if (ops === null) {
    unit.handleBy(null);
    return;
  }
  const replay = operationOf(ops, 'replay', 'ops');
  const commands = operationOf(ops, 'commands', 'ops');
  unit.handleBy({
    replay: () => void replay?.call(),
    commands: (batch) => void commands?.call(batch.map((command) => commandType.of(command))),
  });
}

function setFaultOps({ faults }: Viommu, ops: ScriptRecord | null): void {
  if (ops === null) {
    faults.handler = null;
    return;
  }
  const request = operationOf(ops, 'request', 'ops');
  const response = operationOf(ops, 'response', 'ops');
  faults.handler = {
    faults: (group) => void request?.call(faultGroupType.of(group)),
    response: ({ rid, pasid, group, code }) =>
      void response?.call({ device: formatBdf(rid), pasid, group, code }),
  };
}

function faultFunctions(env: SdkEnvironment): Functions {
  return {
    viommu_set_fault_ops: effect(env, (_bound, vm, ops) =>
      setFaultOps(unitOf(env, vm), ops === null ? null : asRecord(ops, 'ops')),
    ),
    viommu_page_request: effect(env, (_bound, vm, group) =>
      unitOf(env, vm).faults.push(faultGroupType.target(group, 'group')),
    ),
    viommu_page_response: effect(env, (_bound, vm, cookie, code) =>
      unitOf(env, vm).backend.respond(
        asUnsigned(cookie, 'cookie', 0xffff_ffff),
        asUnsigned(code, 'code', 0xf),
      ),
    ),
  };
}

function functionsOf(env: SdkEnvironment): Functions {
  return {
    viommu_set_ops: effect(env, (_bound, vm, ops) =>
      setOps(unitOf(env, vm), ops === null ? null : asRecord(ops, 'ops')),
    ),
    viommu_devices: query(env, (_bound, vm) =>
      unitOf(env, vm).shadow.devices.map(({ rid }) => formatBdf(rid)),
    ),
    viommu_guest_entry: query(env, (_bound, vm, device, pasid) => {
      const { shadow } = unitOf(env, vm);
      const bdf = asString(device, 'device');
      const found = shadow.devices.find(({ rid }) => formatBdf(rid) === bdf);
      if (found === undefined) throw new ScriptError(`No device ${bdf} in this VM`);
      const entry = shadow.guestEntry(found, asUnsigned(pasid, 'pasid', MAX_PASID));
      return handleOr(entryType, entry ?? null);
    }),
    viommu_bound: query(env, (_bound, vm) =>
      unitOf(env, vm).shadow.entries.map((entry) => entryType.of(entry)),
    ),
    viommu_bind: effect(env, (_bound, vm, entry) =>
      unitOf(env, vm).shadow.bind(entryType.target(entry, 'entry')),
    ),
    viommu_unbind: effect(env, (_bound, vm, entry) => {
      const { shadow } = unitOf(env, vm);
      const { device, pasid } = entryType.target(entry, 'entry');
      const known = shadow.find(device.name, pasid);
      if (known !== undefined) shadow.unbind(known);
    }),
    viommu_flush: effect(env, (_bound, vm, entry, range) => {
      const { device, pasid } = entryType.target(entry, 'entry');
      unitOf(env, vm).backend.invalidate(device.name, pasid, rangeOf(range), 'iotlb');
    }),
    viommu_complete_wait: effect(env, (_bound, vm, command) => {
      const wait = commandType.target(command, 'command');
      if (wait.scope.type !== 'wait') {
        throw new ArgumentError('command', 'a command of type wait', command);
      }
      unitOf(env, vm).completeWait(wait);
    }),
  };
}

export function createViommuModule(env: SdkEnvironment): SdkModule {
  // The VMM runs on the host, whoever asks it.
  const host: SdkEnvironment = { ...env, kernelOf: () => vmsOf(env).kernel };
  return defineSdkModule({
    name: 'lab/viommu',
    types: VIOMMU_TYPES,
    functions: { ...functionsOf(host), ...faultFunctions(host) },
  });
}
