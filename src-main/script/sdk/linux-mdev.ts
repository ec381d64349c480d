/** `linux/mdev`: mediated devices in both eras. A learner's driver gets its callbacks as functions of the script. */
import type {
  MdevDriver,
  MdevParentOps,
  MdevType,
  MdevTypeGroup,
  MdevTypeSpec,
} from '../../linux/mdev/mdev-device.ts';
import type { MdevDevice } from '../../linux/mdev/mdev-device.ts';
import {
  asArray,
  asInteger,
  asRecord,
  asString,
  isRecord,
  operationOf,
  optional,
} from './arguments.ts';
import { effect, query, type SdkEnvironment } from './environment.ts';
import { deviceHandle, deviceOf, mdevType, mdevTypeType } from './handles.ts';
import { toReturnCode } from './numbers.ts';
import {
  ArgumentError,
  defineSdkModule,
  type GuestFunction,
  type ScriptRecord,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';
import { ioctlArgumentOf, transferOf } from './user-argument-handle.ts';
import { vmAreaType } from './vm-area-handle.ts';
import { MDEV_TYPES } from './types/linux-mdev.ts';

/** Drivers that scripts registered, by name: a script's object has no identity here. */
type Drivers = Map<string, MdevDriver>;

const returnCode = (ops: GuestFunction | undefined, ...args: ScriptValue[]): number =>
  ops === undefined ? 0 : toReturnCode(ops.call(...args));

function driverOf(argument: ScriptValue): MdevDriver {
  const table = asRecord(argument, 'driver');
  const op = (name: string): GuestFunction | undefined => operationOf(table, name, 'driver');
  const [probe, remove, available, description] = [
    op('probe'),
    op('remove'),
    op('get_available'),
    op('show_description'),
  ];
  const api = optional(table['device_api'], 'driver.device_api', asString);
  const instances = optional(table['max_instances'], 'driver.max_instances', asInteger);
  return {
    name: asString(table['name'], 'driver.name'),
    ...(api === undefined ? {} : { device_api: api }),
    ...(instances === undefined ? {} : { max_instances: instances }),
    probe: (mdev) => returnCode(probe, mdevType.of(mdev)),
    remove: (mdev) => {
      returnCode(remove, mdevType.of(mdev));
    },
    ...(available === undefined
      ? {}
      : { get_available: (type: MdevType) => returnCode(available, mdevTypeType.of(type)) }),
    ...(description === undefined
      ? {}
      : { show_description: (type: MdevType) => textOf(description.call(mdevTypeType.of(type))) }),
  };
}

function typeSpecsOf(argument: ScriptValue): readonly MdevTypeSpec[] {
  return asArray(argument, 'types').map((value, i) => {
    const at = `types[${String(i)}]`;
    const fields = asRecord(value, at);
    const pretty = optional(fields['pretty_name'], `${at}.pretty_name`, asString);
    return {
      sysfs_name: asString(fields['sysfs_name'], `${at}.sysfs_name`),
      ...(pretty === undefined ? {} : { pretty_name: pretty }),
    };
  });
}

// ---- 2019 ------------------------------------------------------------------------------------------------------------

function typeGroupsOf(argument: ScriptValue): readonly MdevTypeGroup[] {
  return asArray(argument, 'ops.supported_type_groups').map((value, i) => {
    const at = `ops.supported_type_groups[${String(i)}]`;
    const fields = asRecord(value, at);
    const attributes = asRecord(fields['attributes'] ?? {}, `${at}.attributes`);
    return {
      name: asString(fields['name'], `${at}.name`),
      isLazy: true,
      attributes: Object.fromEntries(
        Object.keys(attributes).map((name) => {
          const show = operationOf(attributes, name, `${at}.attributes`);
          return [name, () => (show === undefined ? '' : textOf(show.call()))];
        }),
      ),
    };
  });
}

function parentOpsOf(argument: ScriptValue): MdevParentOps {
  const table = asRecord(argument, 'ops');
  const op = (name: string): GuestFunction | undefined => operationOf(table, name, 'ops');
  const groups = table['supported_type_groups'];
  const name = optional(table['name'], 'ops.name', asString) ?? 'mdev_parent_ops';
  const simple = (key: 'create' | 'remove' | 'open'): Partial<MdevParentOps> => {
    const run = op(key);
    return run === undefined
      ? {}
      : { [key]: (mdev: MdevDevice) => returnCode(run, mdevType.of(mdev)) };
  };
  return {
    name,
    ...(groups === undefined ? {} : { supported_type_groups: typeGroupsOf(groups) }),
    ...simple('create'),
    ...simple('remove'),
    ...simple('open'),
    ...accessOps(op),
  };
}

function accessOps(op: (name: string) => GuestFunction | undefined): Partial<MdevParentOps> {
  const [release, read, write, ioctl, mmap, request] = [
    op('release'),
    op('read'),
    op('write'),
    op('ioctl'),
    op('mmap'),
    op('request'),
  ];
  const ops: Partial<Record<keyof MdevParentOps, unknown>> = {};
  const set = <K extends keyof MdevParentOps>(name: K, run: MdevParentOps[K]): void => {
    ops[name] = run;
  };
  if (release !== undefined) set('release', (mdev) => void release.call(mdevType.of(mdev)));
  if (read !== undefined) {
    set('read', (mdev, count, at) => transferOf(read.call(mdevType.of(mdev), count, at)));
  }
  if (write !== undefined) {
    set('write', (mdev, bytes, at) => returnCode(write, mdevType.of(mdev), bytes, at));
  }
  if (ioctl !== undefined) {
    set('ioctl', (mdev, command, argument, caller) =>
      returnCode(ioctl, mdevType.of(mdev), command, ioctlArgumentOf(argument, caller)),
    );
  }
  if (mmap !== undefined) {
    set('mmap', (mdev, area) => returnCode(mmap, mdevType.of(mdev), vmAreaType.of(area)));
  }
  if (request !== undefined) {
    set('request', (mdev, count) => void request.call(mdevType.of(mdev), count));
  }
  return ops as Partial<MdevParentOps>;
}

function textOf(value: ScriptValue): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : '';
}

function nameOf(argument: ScriptValue): string {
  if (isRecord(argument)) return asString((argument as ScriptRecord)['name'], 'driver.name');
  throw new ArgumentError('driver', 'the driver that was registered', argument);
}

export function createMdevModule(env: SdkEnvironment): SdkModule {
  const drivers: Drivers = new Map();
  return defineSdkModule({
    name: 'linux/mdev',
    types: MDEV_TYPES,
    functions: {
      mdev_register_driver: effect(env, ({ kernel }, argument) => {
        const driver = driverOf(argument);
        const result = kernel.mdev.mdev_register_driver(driver);
        if (result === 0) drivers.set(driver.name, driver);
        return result;
      }),
      mdev_unregister_driver: effect(env, ({ kernel }, argument) => {
        const driver = drivers.get(nameOf(argument));
        if (driver !== undefined) kernel.mdev.mdev_unregister_driver(driver);
        drivers.delete(nameOf(argument));
      }),
      mdev_register_parent: effect(env, ({ kernel }, dev, argument, types) =>
        kernel.mdev.mdev_register_parent(
          deviceOf(dev, 'dev'),
          drivers.get(nameOf(argument)) ?? driverOf(argument),
          typeSpecsOf(types),
        ),
      ),
      mdev_unregister_parent: effect(env, ({ kernel }, dev) =>
        kernel.mdev.mdev_unregister_parent(deviceOf(dev, 'dev')),
      ),
      mdev_register_device: effect(env, ({ kernel }, dev, ops) =>
        kernel.mdev.mdev_register_device(deviceOf(dev, 'dev'), parentOpsOf(ops)),
      ),
      mdev_unregister_device: effect(env, ({ kernel }, dev) =>
        kernel.mdev.mdev_unregister_device(deviceOf(dev, 'dev')),
      ),
      mdev_set_iommu_device: effect(env, ({ kernel }, mdev, dev) =>
        kernel.mdev.mdev_set_iommu_device(
          mdevType.target(mdev, 'mdev'),
          dev === null || dev === undefined ? null : deviceOf(dev, 'iommu_device'),
        ),
      ),
      mdev_get_iommu_device: query(env, ({ kernel }, mdev) => {
        const found = kernel.mdev.mdev_get_iommu_device(mdevType.target(mdev, 'mdev'));
        return found === null ? null : deviceHandle(found);
      }),
      mdev_parent_dev: query(env, (_bound, mdev) =>
        deviceHandle(mdevType.target(mdev, 'mdev').type.parent.dev),
      ),
    },
  });
}
