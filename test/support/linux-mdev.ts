/** A software mediated device for tests, in both eras: a pool of ports, one or two to a device, and a log of callbacks. */
import type {
  MdevDevice,
  MdevDriver,
  MdevParentOps,
  MdevType,
  MdevTypeSpec,
} from '../../src-main/linux/mdev/mdev-device.ts';
import { IS_ERR } from '../../src-main/linux/errno.ts';
import type { Kernel } from '../../src-main/linux/kernel.ts';
import type { VfioDevice, VfioDeviceOps } from '../../src-main/linux/vfio/vfio-device.ts';
import type { TraceRow } from './linux-machine.ts';
import type { FakeRecord } from './fake-hardware.ts';

export const UUID = [
  '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001',
  '83b8f4f2-509f-382f-3c1e-e6bfe0fa1002',
  '83b8f4f2-509f-382f-3c1e-e6bfe0fa1003',
  '83b8f4f2-509f-382f-3c1e-e6bfe0fa1004',
] as const;

const TYPES: readonly MdevTypeSpec[] = [
  { sysfs_name: '1', pretty_name: 'Single port', data: 1 },
  { sysfs_name: '2', pretty_name: 'Dual port', data: 2 },
];

export interface PortPool {
  free: number;
  /** What the callbacks answer, by name. */
  readonly answers: Partial<Record<string, number>>;
  /** VFIO devices by UUID, for tests that play the driver. */
  readonly vdevs: Map<string, VfioDevice>;
}

export interface PoolDriver {
  readonly pool: PortPool;
  readonly driver: MdevDriver;
  readonly ops: VfioDeviceOps;
}

function portsOf(type: MdevType): number {
  return typeof type.data === 'number' ? type.data : Number(type.name);
}

/** Later era. `maxInstances` leaves counting to the core. */
export function createPoolDriver(
  kernel: Kernel,
  options: {
    readonly ports?: number;
    readonly maxInstances?: number;
    readonly ops?: Partial<VfioDeviceOps>;
  } = {},
): PoolDriver {
  const pool: PortPool = { free: options.ports ?? 3, answers: {}, vdevs: new Map() };
  const ops: VfioDeviceOps = {
    name: 'pool_ops',
    init: (vdev) => {
      const wanted = portsOf((vdev.dev as MdevDevice).type);
      if (pool.free < wanted) {
        return -28;
      }
      pool.free -= wanted;
      return pool.answers['init'] ?? 0;
    },
    release: (vdev) => {
      pool.free += portsOf((vdev.dev as MdevDevice).type);
    },
    open_device: () => pool.answers['open_device'] ?? 0,
    close_device: () => {},
    request: () => {},
    ioctl: () => -25,
    ...options.ops,
  };
  const driver: MdevDriver = {
    name: 'pool_mdev',
    device_api: 'vfio-pci',
    ...(options.maxInstances === undefined
      ? { get_available: (type: MdevType) => Math.floor(pool.free / portsOf(type)) }
      : { max_instances: options.maxInstances }),
    probe: (mdev) => {
      const vdev = kernel.vfio.vfio_alloc_device(mdev, ops);
      if (IS_ERR(vdev)) {
        return vdev;
      }
      const result = kernel.vfio.vfio_register_emulated_iommu_dev(vdev);
      if (result < 0) {
        kernel.vfio.vfio_put_device(vdev);
        return result;
      }
      pool.vdevs.set(mdev.uuid, vdev);
      mdev.driver_data = vdev;
      return pool.answers['probe'] ?? 0;
    },
    remove: (mdev) => {
      const vdev = pool.vdevs.get(mdev.uuid);
      if (vdev !== undefined) {
        pool.vdevs.delete(mdev.uuid);
        kernel.vfio.vfio_unregister_group_dev(vdev);
        kernel.vfio.vfio_put_device(vdev);
      }
    },
  };
  return { pool, driver, ops };
}

export function poolTypes(): readonly MdevTypeSpec[] {
  return TYPES;
}

/** 2019. */
export function createPoolOps(pool: PortPool): MdevParentOps {
  return {
    name: 'pool_parent_ops',
    supported_type_groups: TYPES.map((type) => ({
      name: type.sysfs_name,
      attributes: {
        name: () => type.pretty_name ?? '',
        device_api: () => 'vfio-pci',
        available_instances: () => String(Math.floor(pool.free / Number(type.data))),
      },
    })),
    create: (mdev) => {
      const wanted = Number(mdev.type.name);
      if (pool.free < wanted) {
        return -28;
      }
      pool.free -= wanted;
      return pool.answers['create'] ?? 0;
    },
    remove: (mdev) => {
      pool.free += Number(mdev.type.name);
      return 0;
    },
    open: () => pool.answers['open'] ?? 0,
    release: () => {},
    request: () => {},
    ioctl: () => -25,
  };
}

/** `owner->callback` of every callback record, in order. */
export function callbacks(rows: readonly (TraceRow | FakeRecord)[]): readonly string[] {
  return rows
    .filter((r) => r.kind === 'linux.callback.called')
    .map((r) => `${String(r.values['owner'])}->${String(r.values['callback'])}`);
}
