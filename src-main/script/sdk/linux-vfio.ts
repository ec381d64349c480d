/**
 * `linux/vfio`: the driver's side of VFIO. A learner's operations become a `VfioDeviceOps`; the requests that every
 * PCI-flavoured device answers alike have a helper each.
 */
import type { EventfdFile } from '../../linux/core/eventfd.ts';

import {
  getDeviceInfo,
  getIrqInfo,
  getRegionInfo,
  regionOf,
  regionOffset,
  type IrqSpec,
  type RegionSpec,
} from '../../linux/vfio/device-requests.ts';
import { setIrqs, type IrqSetTarget } from '../../linux/vfio/irq-set.ts';
import type { VfioDevice, VfioDeviceOps } from '../../linux/vfio/vfio-device.ts';
import { ioctlArgument } from '../../spec/vfio/ioctl-arguments.ts';
import {
  asArray,
  asBytes,
  asInteger,
  asRecord,
  asString,
  asU32,
  operationOf,
  optional,
} from './arguments.ts';
import { structureBytes, structureMembers } from './c-structures.ts';
import { effect, pure, query, type SdkEnvironment } from './environment.ts';
import { eventfdType } from './eventfd-handle.ts';
import { deviceOf, handleOr, vfioDeviceType } from './handles.ts';
import { asAddress, toReturnCode } from './numbers.ts';
import {
  ArgumentError,
  defineSdkModule,
  type GuestFunction,
  type HostFunctionSpec,
  type ScriptRecord,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';
import { VFIO_TYPES } from './types/linux-vfio.ts';
import {
  ioctlArgumentOf,
  transferOf,
  userArgumentType,
  userBufferOf,
} from './user-argument-handle.ts';
import { vmAreaType } from './vm-area-handle.ts';

type Functions = Record<string, HostFunctionSpec>;

// ---- operations ------------------------------------------------------------------------------------------------------

/** Operations that get the device, then plain numbers, and return a code. */
const CODE_OPS = [
  'init',
  'open_device',
  'attach_ioas',
  'pasid_attach_ioas',
] as const satisfies readonly (keyof VfioDeviceOps)[];
/** Operations without a result. */
const PLAIN_OPS = [
  'release',
  'close_device',
  'detach_ioas',
  'pasid_detach_ioas',
  'request',
  'dma_unmap',
] as const satisfies readonly (keyof VfioDeviceOps)[];

function opsOf(argument: ScriptValue): VfioDeviceOps {
  const table = asRecord(argument, 'ops');
  const op = (name: string): GuestFunction | undefined => operationOf(table, name, 'ops');
  const simple = (
    names: readonly string[],
    wrap: (run: GuestFunction, ...args: ScriptValue[]) => unknown,
  ): Record<string, unknown> =>
    Object.fromEntries(
      names.flatMap((name) => {
        const run = op(name);
        return run === undefined
          ? []
          : [
              [
                name,
                (vdev: VfioDevice, ...rest: ScriptValue[]) =>
                  wrap(run, vfioDeviceType.of(vdev), ...rest),
              ],
            ];
      }),
    );
  return {
    name: optional(table['name'], 'ops.name', asString) ?? 'vfio_device_ops',
    ...simple(CODE_OPS, (run, ...args) => toReturnCode(run.call(...args))),
    ...simple(PLAIN_OPS, (run, ...args) => void run.call(...args)),
    ...accessOps(op),
  };
}

function accessOps(op: (name: string) => GuestFunction | undefined): Partial<VfioDeviceOps> {
  const [read, write, ioctl, mmap] = [op('read'), op('write'), op('ioctl'), op('mmap')];
  const of = (vdev: VfioDevice): ScriptValue => vfioDeviceType.of(vdev);
  const ops: Partial<Record<keyof VfioDeviceOps, unknown>> = {};
  const set = <K extends keyof VfioDeviceOps>(name: K, run: VfioDeviceOps[K]): void => {
    ops[name] = run;
  };
  if (read !== undefined) {
    set('read', (vdev, count, at) => transferOf(read.call(of(vdev), count, at)));
  }
  if (write !== undefined) {
    set('write', (vdev, bytes, at) => toReturnCode(write.call(of(vdev), bytes, at)));
  }
  if (ioctl !== undefined) {
    set('ioctl', (vdev, command, argument, caller) =>
      toReturnCode(ioctl.call(of(vdev), command, ioctlArgumentOf(argument, caller))),
    );
  }
  if (mmap !== undefined) {
    set('mmap', (vdev, area) => toReturnCode(mmap.call(of(vdev), vmAreaType.of(area))));
  }
  return ops as Partial<VfioDeviceOps>;
}

// ---- what every PCI-flavoured device answers alike -------------------------------------------------------------------

function regionsOf(argument: ScriptValue): ReadonlyMap<number, RegionSpec> {
  return new Map(
    asArray(argument, 'regions').map((value, i) => {
      const at = `regions[${String(i)}]`;
      const fields = asRecord(value, at);
      const areas = optional(fields['areas'], `${at}.areas`, asArray)?.map((area, n) => {
        const place = asRecord(area, `${at}.areas[${String(n)}]`);
        return {
          offset: asAddress(place['offset'], `${at}.areas[${String(n)}].offset`),
          size: asAddress(place['size'], `${at}.areas[${String(n)}].size`),
        };
      });
      const spec: RegionSpec = {
        size: asAddress(fields['size'], `${at}.size`),
        flags: asU32(fields['flags'], `${at}.flags`),
        ...(areas === undefined ? {} : { mmapAreas: areas }),
      };
      return [asU32(fields['index'], `${at}.index`), spec] as const;
    }),
  );
}

function irqsOf(argument: ScriptValue): ReadonlyMap<number, IrqSpec> {
  return new Map(
    asArray(argument, 'irqs').map((value, i) => {
      const at = `irqs[${String(i)}]`;
      const fields = asRecord(value, at);
      return [
        asU32(fields['index'], `${at}.index`),
        {
          count: asU32(fields['count'], `${at}.count`),
          flags: asU32(fields['flags'], `${at}.flags`),
        },
      ] as const;
    }),
  );
}

/** Handlers of a script for one interrupt index. */
function irqTargetOf(fields: ScriptRecord, at: string): IrqSetTarget {
  const op = (name: string): GuestFunction | undefined => operationOf(fields, name, at);
  const [install, disable, trigger, mask, unmask] = [
    op('set_eventfds'),
    op('disable'),
    op('trigger'),
    op('mask'),
    op('unmask'),
  ];
  const flags = (run: GuestFunction) => (start: number, which: readonly boolean[]) =>
    toReturnCode(run.call(start, [...which]));
  return {
    count: asU32(fields['count'], `${at}.count`),
    ...(install === undefined
      ? {}
      : {
          setEventfds: (start: number, files: readonly (EventfdFile | null)[]) =>
            toReturnCode(
              install.call(
                start,
                files.map((file) => (file === null ? null : eventfdType.of(file))),
              ),
            ),
        }),
    ...(disable === undefined ? {} : { disable: () => toReturnCode(disable.call()) }),
    ...(trigger === undefined ? {} : { trigger: flags(trigger) }),
    ...(mask === undefined ? {} : { mask: flags(mask) }),
    ...(unmask === undefined ? {} : { unmask: flags(unmask) }),
  };
}

function irqTargetsOf(argument: ScriptValue): ReadonlyMap<number, IrqSetTarget> {
  return new Map(
    asArray(argument, 'irqs').map((value, i) => {
      const at = `irqs[${String(i)}]`;
      const fields = asRecord(value, at);
      return [asU32(fields['index'], `${at}.index`), irqTargetOf(fields, at)] as const;
    }),
  );
}

function requestFunctions(env: SdkEnvironment): Functions {
  return {
    vfio_pci_get_info: effect(env, (_bound, argument, flags) =>
      getDeviceInfo(userBufferOf(argument, 'argument'), asU32(flags, 'flags')),
    ),
    vfio_pci_get_region_info: effect(env, (_bound, argument, regions) => {
      const specs = regionsOf(regions);
      return getRegionInfo(userBufferOf(argument, 'argument'), (index) => specs.get(index));
    }),
    vfio_pci_get_irq_info: effect(env, (_bound, argument, irqs) =>
      getIrqInfo(userBufferOf(argument, 'argument'), irqsOf(irqs)),
    ),
    vfio_pci_set_irqs: effect(env, (_bound, argument, irqs) => {
      const { bytes, caller } = userArgumentType.target(argument, 'argument');
      return setIrqs(bytes, irqTargetsOf(irqs), caller);
    }),
    eventfd_signal: effect(env, (_bound, file) => {
      eventfdType.target(file, 'ctx').signal('signalled by the driver');
    }),
    copy_from_user: query(env, (_bound, argument, command) => {
      const bytes = userBufferOf(argument, 'argument');
      const structure = structureOf(command);
      return structureMembers(structure, bytes);
    }),
    copy_to_user: effect(env, (_bound, argument, command, members) => {
      const bytes = userBufferOf(argument, 'argument');
      const structure = structureOf(command);
      const merged = { ...structureMembers(structure, bytes), ...asRecord(members, 'members') };
      const encoded = structureBytes(structure, merged, 'members');
      bytes.set(encoded.subarray(0, bytes.length));
      return 0;
    }),
    VFIO_PCI_OFFSET_TO_INDEX: pure((offset) => regionOf(asAddress(offset, 'offset')).index),
    VFIO_PCI_OFFSET_IN_REGION: pure((offset) => regionOf(asAddress(offset, 'offset')).offset),
    VFIO_PCI_INDEX_TO_OFFSET: pure((index) => regionOffset(asU32(index, 'index'))),
  };
}

function structureOf(command: ScriptValue): NonNullable<ReturnType<typeof ioctlArgument>> {
  const found = ioctlArgument(asU32(command, 'command'), 'other');
  if (found !== undefined) return found;
  throw new ArgumentError('command', 'a request whose argument is a structure', command);
}

// ---- devices ---------------------------------------------------------------------------------------------------------

function deviceFunctions(env: SdkEnvironment): Functions {
  const target = (vdev: ScriptValue): VfioDevice => vfioDeviceType.target(vdev, 'vdev');
  return {
    vfio_alloc_device: effect(env, ({ kernel }, dev, ops) =>
      handleOr(vfioDeviceType, kernel.vfio.vfio_alloc_device(deviceOf(dev, 'dev'), opsOf(ops))),
    ),
    vfio_put_device: effect(env, ({ kernel }, vdev) => kernel.vfio.vfio_put_device(target(vdev))),
    vfio_register_group_dev: effect(env, ({ kernel }, vdev) =>
      kernel.vfio.vfio_register_group_dev(target(vdev)),
    ),
    vfio_register_emulated_iommu_dev: effect(env, ({ kernel }, vdev) =>
      kernel.vfio.vfio_register_emulated_iommu_dev(target(vdev)),
    ),
    vfio_register_siov_dev: effect(env, ({ kernel }, vdev, parent) =>
      kernel.vfio.vfio_register_siov_dev(target(vdev), deviceOf(parent, 'parent')),
    ),
    vfio_unregister_group_dev: effect(env, ({ kernel }, vdev) =>
      kernel.vfio.vfio_unregister_group_dev(target(vdev)),
    ),
    vfio_find_device: query(env, ({ kernel }, dev) => {
      const found = kernel.vfio.deviceOf(deviceOf(dev, 'dev'));
      return found === undefined ? null : vfioDeviceType.of(found);
    }),
    vfio_siov_attach_ioas: effect(env, ({ kernel }, vdev, ptId) =>
      kernel.vfio.attachIoas(target(vdev), asU32(ptId, 'pt_id')),
    ),
    vfio_siov_detach_ioas: effect(env, ({ kernel }, vdev) => kernel.vfio.detachIoas(target(vdev))),
    vfio_siov_default_pasid: query(env, ({ kernel }, vdev) =>
      kernel.vfio.defaultPasid(target(vdev)),
    ),
    vfio_pin_pages: effect(env, ({ kernel }, vdev, iova, count, prot) => {
      const pages = kernel.vfio.vfio_pin_pages(
        target(vdev),
        asAddress(iova, 'iova'),
        asU32(count, 'npage'),
        asU32(prot, 'prot'),
      );
      return typeof pages === 'number' ? pages : [...pages];
    }),
    vfio_unpin_pages: effect(env, ({ kernel }, vdev, iova, count) =>
      kernel.vfio.vfio_unpin_pages(target(vdev), asAddress(iova, 'iova'), asU32(count, 'npage')),
    ),
    vfio_dma_read: effect(env, ({ kernel }, vdev, iova, count) => {
      const bytes = new Uint8Array(asInteger(count, 'bytes'));
      const result = kernel.vfio.vfio_dma_rw(target(vdev), asAddress(iova, 'iova'), bytes, false);
      return result < 0 ? result : bytes;
    }),
    vfio_dma_write: effect(env, ({ kernel }, vdev, iova, bytes) =>
      kernel.vfio.vfio_dma_rw(target(vdev), asAddress(iova, 'iova'), asBytes(bytes, 'bytes'), true),
    ),
  };
}

export function createVfioModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/vfio',
    types: VFIO_TYPES,
    functions: { ...deviceFunctions(env), ...requestFunctions(env) },
  });
}
