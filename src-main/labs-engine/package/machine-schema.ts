/**
 * The schema of `machine.json`. Sizes may be written as `"64 MiB"` and identifiers as `"0x8086"`; what comes out is the
 * plain configuration that the simulation takes.
 */
import * as v from 'valibot';
import type { KernelParams } from '../../linux/core/params.ts';
import { parseBdf } from '../../spec/pcie/requester-id.ts';
import { DEFENCE_NAMES, type DefenceName } from '../../sim/index.ts';
import { CAPABILITY_PROFILES } from '../../spec/vtd/capability-profile.ts';
import { deviceOptionsSchema } from './device-options.ts';
import { Bytes, Count, Hex64, Name } from './machine-values.ts';

const MIB = 2 ** 20;
const MAX_MEMORY = 64 * 2 ** 30;
/** A kernel, on the host or in a guest, takes 32 MiB for itself. */
const KERNEL_BYTES = 34 * MIB;
/** What a host with VMs needs for itself. */
const HOST_SHARE = 64 * MIB;

const Memory = v.strictObject({
  bytes: v.pipe(
    Bytes,
    v.minValue(KERNEL_BYTES, 'Expected at least 34 MiB'),
    v.maxValue(MAX_MEMORY, 'Expected at most 64 GiB'),
    v.multipleOf(MIB, 'Expected a multiple of 1 MiB'),
  ),
});

const CacheEntries = v.pipe(Count, v.maxValue(1 << 20, 'Expected at most 1048576 entries'));

const Iommu = v.strictObject({
  profile: v.picklist(CAPABILITY_PROFILES.map((profile) => profile.name)),
  cap: v.optional(Hex64),
  ecap: v.optional(Hex64),
  version: v.optional(Hex64),
  hostAddressWidth: v.optional(
    v.pipe(Count, v.minValue(36, 'Expected at least 36'), v.maxValue(52, 'Expected at most 52')),
  ),
  caches: v.optional(
    v.partial(
      v.strictObject({
        context: CacheEntries,
        pasid: CacheEntries,
        iotlb: CacheEntries,
        pagingStructure: CacheEntries,
        interruptEntry: CacheEntries,
      }),
    ),
  ),
  compressFaults: v.optional(v.boolean()),
});

const Bdf = v.pipe(
  v.string(),
  v.check((text) => parseBdf(text) !== undefined, 'Expected bus:device.function such as 6a:01.0'),
);

const deviceEntries = { name: Name, bdf: Bdf, isExternal: v.optional(v.boolean()) };
const Device = v.variant('kind', [
  v.strictObject({
    kind: v.literal('plain'),
    ...deviceEntries,
    options: deviceOptionsSchema.plain,
  }),
  v.strictObject({
    kind: v.literal('root-port'),
    ...deviceEntries,
    options: deviceOptionsSchema['root-port'],
  }),
  v.strictObject({
    kind: v.literal('dsa'),
    ...deviceEntries,
    options: v.optional(deviceOptionsSchema.dsa),
  }),
  v.strictObject({
    kind: v.literal('qat'),
    ...deviceEntries,
    options: v.optional(deviceOptionsSchema.qat),
  }),
  v.strictObject({
    kind: v.literal('nic'),
    ...deviceEntries,
    options: v.optional(deviceOptionsSchema.nic),
  }),
]);

/** Guest memory comes from pages of 2 MiB. */
const Vm = v.strictObject({
  name: Name,
  memoryBytes: v.pipe(
    Bytes,
    v.minValue(KERNEL_BYTES, 'Expected at least 34 MiB'),
    v.multipleOf(2 * MIB, 'Expected a multiple of 2 MiB'),
  ),
  cpus: v.pipe(Count, v.minValue(1, 'Expected at least 1')),
  viommu: v.optional(v.boolean()),
});

/** The host kernel's command line and module parameters. */
const Kernel = v.strictObject({
  intel_iommu: v.boolean(),
  scalable_mode: v.boolean(),
  passthrough: v.boolean(),
  interrupt_remapping: v.boolean(),
  pci_features: v.picklist(['iommu', 'driver']),
  first_stage: v.boolean(),
  allow_unsafe_interrupts: v.boolean(),
  dma_entry_limit: Count,
  noncoherent_devices: v.array(v.string()),
  modules: v.array(v.picklist(['idxd', 'ice', 'qat_4xxx'])),
  idxd_sva: v.boolean(),
  idxd_mdev: v.boolean(),
  remove_interval_ns: Count,
  poll_timeout_ns: Count,
} satisfies Record<keyof KernelParams, v.GenericSchema>);

/** `{ "device-tlb-flush": false }`: what the machine does without. */
const Defences = v.partial(
  v.strictObject(
    Object.fromEntries(DEFENCE_NAMES.map((name) => [name, v.boolean()])) as Record<
      DefenceName,
      v.BooleanSchema<undefined>
    >,
  ),
);

export const MachineSchema = v.pipe(
  v.strictObject({
    name: Name,
    seed: v.optional(Count, 1),
    memory: Memory,
    cpus: v.pipe(
      Count,
      v.minValue(1, 'Expected at least 1'),
      v.maxValue(256, 'Expected at most 256'),
    ),
    iommu: Iommu,
    devices: v.array(Device),
    vms: v.optional(v.array(Vm)),
    processes: v.optional(v.array(v.strictObject({ name: Name, host: v.optional(Name) }))),
    defences: v.optional(Defences),
    hasIsolationOracle: v.optional(v.boolean()),
    showGuestErrors: v.optional(v.boolean()),
    kernel: v.optional(v.partial(Kernel)),
  }),
  v.forward(
    v.check(
      ({ devices }) => isUnique(devices.map((d) => parseBdf(d.bdf))),
      'Expected each bus:device.function once',
    ),
    ['devices'],
  ),
  v.forward(
    v.check(
      ({ devices }) =>
        isUnique(devices.flatMap((d) => (d.kind === 'root-port' ? [d.options.secondaryBus] : []))),
      'Expected one root port above each bus',
    ),
    ['devices'],
  ),
  v.forward(
    v.check(
      ({ devices }) => isUnique(devices.map((d) => d.name)),
      'Expected each device name once',
    ),
    ['devices'],
  ),
  v.forward(
    v.check(({ vms }) => isUnique((vms ?? []).map((vm) => vm.name)), 'Expected each VM name once'),
    ['vms'],
  ),
  v.forward(
    v.check(
      ({ vms, cpus }) => (vms ?? []).length === 0 || cpus > 1,
      'Expected at least 2 with VMs: CPU 0 belongs to the host',
    ),
    ['cpus'],
  ),
  v.forward(
    v.check(({ vms, memory }) => {
      const guests = (vms ?? []).reduce((sum, vm) => sum + vm.memoryBytes, 0);
      return guests === 0 || guests + HOST_SHARE <= memory.bytes;
    }, 'Expected 64 MiB of the memory to be left for the host'),
    ['vms'],
  ),
);

function isUnique(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}
