import { describe, expect, it } from 'vitest';
import {
  EAGAIN,
  EEXIST,
  EINPROGRESS,
  EINVAL,
  ENODEV,
  ENOENT,
  ENOSPC,
  EUSERS,
} from '../../../../src-main/linux/errno.ts';
import type { MdevParentOps } from '../../../../src-main/linux/mdev/mdev-device.ts';
import {
  VFIO_GROUP_IOCTLS as G,
  VFIO_CONTAINER_IOCTLS as C,
} from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import { FakeFunction } from '../../../support/fake-function.ts';
import { bootHost, DSA_BDF, type Host } from '../../../support/linux-host.ts';
import {
  callbacks,
  createPoolDriver,
  createPoolOps,
  poolTypes,
  UUID,
  type PortPool,
} from '../../../support/linux-mdev.ts';

const TYPES = 'class/mdev_bus/0000:6a:01.0/mdev_supported_types';

interface MdevHost extends Host {
  readonly pool: PortPool;
  create(type: string, uuid: string): number;
  available(type: string): string | number;
  remove(uuid: string, value?: string): number;
}

function withPool(profile: 'iommufd' | 'kvmforum2019', maxInstances?: number): MdevHost {
  const host = bootHost({ profile });
  const { kernel, dev } = host;
  let pool: PortPool = { free: 3, answers: {}, vdevs: new Map() };
  if (profile === 'iommufd') {
    const made = createPoolDriver(kernel, maxInstances === undefined ? {} : { maxInstances });
    pool = made.pool;
    expect(kernel.mdev.mdev_register_driver(made.driver)).toBe(0);
    expect(kernel.mdev.mdev_register_parent(dev, made.driver, poolTypes())).toBe(0);
  } else {
    expect(kernel.mdev.mdev_register_device(dev, createPoolOps(pool))).toBe(0);
  }
  return {
    ...host,
    pool,
    create: (type, uuid) => kernel.calls.sysfsWrite(`${TYPES}/pci-${type}/create`, uuid),
    available: (type) => kernel.calls.sysfsRead(`${TYPES}/pci-${type}/available_instances`),
    remove: (uuid, value = '1') =>
      kernel.calls.sysfsWrite(`bus/mdev/devices/${uuid}/remove`, value),
  };
}

/** Opens the group of a device as a process does; gives the device's descriptor. */
function openDevice({ kernel }: Host, uuid: string): { fd: number; close: () => void } {
  const process = kernel.processes.create(`user of ${uuid}`);
  const link = kernel.sysfs.resolve(`bus/mdev/devices/${uuid}/iommu_group`) ?? '';
  const container = kernel.calls.open(process, '/dev/vfio/vfio');
  const group = kernel.calls.open(process, `/dev/vfio/${link.split('/').at(-1) ?? ''}`);
  kernel.calls.ioctl(process, group, G.VFIO_GROUP_SET_CONTAINER, container);
  kernel.calls.ioctl(process, container, C.VFIO_SET_IOMMU, 3);
  const fd = kernel.calls.ioctl(process, group, G.VFIO_GROUP_GET_DEVICE_FD, uuid);
  return { fd, close: () => kernel.processes.exit(process) };
}

describe.each(['iommufd', 'kvmforum2019'] as const)('mediated devices, profile %s', (profile) => {
  it('row 11: the sysfs tree appears with registration and goes with it; uevents tell', () => {
    const host = withPool(profile);
    const { kernel, dev, hw } = host;
    expect(kernel.sysfs.list(TYPES)).toEqual(['pci-1', 'pci-2']);
    const expected = ['available_instances', 'create', 'device_api', 'devices', 'name'];
    expect(kernel.sysfs.list(`${TYPES}/pci-2`)).toEqual(expected);
    expect(kernel.calls.sysfsRead(`${TYPES}/pci-2/name`)).toBe('Dual port');
    expect(kernel.calls.sysfsRead(`${TYPES}/pci-2/device_api`)).toBe('vfio-pci');
    expect(host.create('1', UUID[0])).toBe(36);
    expect(kernel.sysfs.resolve(`${TYPES}/pci-1/devices/${UUID[0]}`)).toBe(
      `devices/pci0000:6a/0000:6a:01.0/${UUID[0]}`,
    );
    expect(kernel.sysfs.list(`bus/mdev/devices/${UUID[0]}`)).toEqual(
      expect.arrayContaining(['iommu_group', 'mdev_type', 'remove']),
    );
    expect(hw.published.get(`mdev/${UUID[0]}`)).toMatchObject({ state: 'active', type: 'pci-1' });
    if (profile === 'iommufd') {
      kernel.mdev.mdev_unregister_parent(dev);
    } else {
      kernel.mdev.mdev_unregister_device(dev);
    }
    expect(kernel.sysfs.list(TYPES)).toBe(-ENOENT);
    expect([...hw.published.keys()].filter((k) => k.includes('mdev_supported_types'))).toEqual([]);
    const uevents = hw
      .recordsOf('linux.uevent.sent')
      .filter((r) => String(r.values['variables']).startsWith('MDEV_STATE'))
      .map((r) => `${String(r.values['action'])} ${String(r.values['variables'])}`);
    expect(uevents).toEqual(['change MDEV_STATE=registered', 'change MDEV_STATE=unregistered']);
  });

  it('row 12: create takes 36 characters or 36 and a newline; duplicates are refused everywhere', () => {
    const second = new FakeFunction({ bdf: '6a:02.0' });
    const host = withPool(profile);
    const { kernel, dev } = host;
    expect(host.create('1', UUID[0].slice(0, 35))).toBe(-EINVAL);
    expect(host.create('1', `${UUID[0]} `)).toBe(-EINVAL);
    expect(host.create('1', `${UUID[0]}\n\n`)).toBe(-EINVAL);
    expect(host.create('1', UUID[0].replace('8', 'x'))).toBe(-EINVAL);
    expect(host.create('1', `${UUID[0]}\n`)).toBe(37);
    expect(host.create('2', UUID[0].toUpperCase())).toBe(-EEXIST);
    host.hw.functions.push(second);
    const other = kernel.pci.add({
      rid: second.rid,
      vendor: 1,
      device: 2,
      class: 0,
      isMultifunction: false,
    });
    const pool: PortPool = { free: 3, answers: {}, vdevs: new Map() };
    if (profile === 'iommufd') {
      const made = createPoolDriver(kernel);
      kernel.mdev.mdev_register_driver(made.driver);
      kernel.mdev.mdev_register_parent(other, made.driver, poolTypes());
    } else {
      kernel.mdev.mdev_register_device(other, createPoolOps(pool));
    }
    const path = 'class/mdev_bus/0000:6a:02.0/mdev_supported_types/pci-1/create';
    expect(kernel.calls.sysfsWrite(path, UUID[0])).toBe(-EEXIST);
    expect(dev.name).toBe('0000:6a:01.0');
  });

  it('row 13: a pool couples its types', () => {
    const host = withPool(profile);
    expect([host.available('1'), host.available('2')]).toEqual(['3', '1']);
    host.create('2', UUID[0]);
    expect([host.available('1'), host.available('2')]).toEqual(['1', '0']);
    expect(host.create('2', UUID[1])).toBe(-ENOSPC);
    host.create('1', UUID[2]);
    expect(host.available('1')).toBe('0');
    host.remove(UUID[0]);
    expect([host.available('1'), host.available('2')]).toEqual(['2', '1']);
  });

  it('row 14: the counter is restored on release, not when remove is written', () => {
    const host = withPool(profile);
    host.create('2', UUID[0]);
    const user = openDevice(host, UUID[0]);
    expect(user.fd).toBeGreaterThan(2);
    expect(host.remove(UUID[0])).toBe(-EINPROGRESS);
    expect(host.available('1')).toBe('1');
    user.close();
    expect(host.available('1')).toBe('3');
    expect(host.kernel.mdev.devices).toEqual([]);
  });

  it('row 15: removal of an open device asks its user at once and every ten seconds', () => {
    const host = withPool(profile);
    const { kernel, hw } = host;
    host.create('1', UUID[0]);
    const user = openDevice(host, UUID[0]);
    const requests = (): number =>
      callbacks(hw.records).filter((c) => c.endsWith('->request')).length;
    expect(host.remove(UUID[0])).toBe(-EINPROGRESS);
    expect(requests()).toBe(1);
    expect(host.remove(UUID[0])).toBe(-EAGAIN);
    kernel.core.advance(9_999_999_999);
    expect(requests()).toBe(1);
    kernel.core.advance(1);
    expect(requests()).toBe(2);
    kernel.core.advance(20_000_000_000);
    expect(requests()).toBe(4);
    expect(kernel.mdev.find(UUID[0])?.state).toBe('removing');
    user.close();
    expect(kernel.mdev.find(UUID[0])).toBeUndefined();
    kernel.core.advance(30_000_000_000);
    expect(requests()).toBe(4);
  });

  it('row 16: callbacks come in the order of the era', () => {
    const host = withPool(profile);
    host.create('1', UUID[0]);
    const user = openDevice(host, UUID[0]);
    user.close();
    host.remove(UUID[0]);
    expect(callbacks(host.hw.records)).toEqual(
      profile === 'iommufd'
        ? [
            'pool_mdev->probe',
            'pool_ops->init',
            'pool_ops->open_device',
            'pool_ops->close_device',
            'pool_mdev->remove',
            'pool_ops->release',
          ]
        : [
            'pool_parent_ops->create',
            'pool_parent_ops->open',
            'pool_parent_ops->release',
            'pool_parent_ops->remove',
          ],
    );
  });

  it('row 17: a failing open leaves no user, a failing create no device and no port', () => {
    const host = withPool(profile);
    const { kernel, pool } = host;
    host.create('1', UUID[0]);
    pool.answers[profile === 'iommufd' ? 'open_device' : 'open'] = -5;
    const user = openDevice(host, UUID[0]);
    expect(user.fd).toBe(-5);
    const vdev = kernel.vfio.devices[0];
    expect([vdev?.open_count, vdev?.group?.device_users]).toEqual([0, 0]);
    user.close();
    pool.answers[profile === 'iommufd' ? 'init' : 'create'] = -12;
    expect(host.create('1', UUID[1])).toBe(-12);
    expect(kernel.mdev.devices.map((m) => m.uuid)).toEqual([UUID[0]]);
    expect(kernel.sysfs.exists(`bus/mdev/devices/${UUID[1]}`)).toBe(false);
    expect(kernel.iommu.groups).toHaveLength(2);
  });

  it('row 18: unregistering the parent destroys its devices; a racing create gets ENODEV', () => {
    const host = withPool(profile);
    const { kernel, dev } = host;
    host.create('1', UUID[0]);
    host.create('1', UUID[1]);
    const user = openDevice(host, UUID[1]);
    if (profile === 'iommufd') {
      kernel.mdev.mdev_unregister_parent(dev);
    } else {
      kernel.mdev.mdev_unregister_device(dev);
    }
    expect(kernel.mdev.devices.map((m) => m.uuid)).toEqual([UUID[1]]);
    const type = `devices/pci0000:6a/0000:6a:01.0/mdev_supported_types/pci-1`;
    expect(kernel.calls.sysfsWrite(`${type}/create`, UUID[2])).toBe(-ENODEV);
    user.close();
    expect(kernel.mdev.devices).toEqual([]);
    expect(kernel.sysfs.exists(type)).toBe(false);
  });

  it('row 15: remove takes a number, and only once', () => {
    const host = withPool(profile);
    host.create('1', UUID[0]);
    expect(host.remove(UUID[0], 'yes')).toBe(-EINVAL);
    expect(host.remove(UUID[0], '0')).toBe(1);
    expect(host.kernel.mdev.find(UUID[0])?.state).toBe('active');
    expect(host.remove(UUID[0])).toBe(1);
    expect(host.remove(UUID[0])).toBe(-ENOENT);
  });
});

describe('registration', () => {
  it('row 13: counting by the core ends in EUSERS', () => {
    const host = withPool('iommufd', 2);
    expect(host.available('1')).toBe('2');
    host.create('1', UUID[0]);
    host.create('2', UUID[1]);
    expect(host.available('2')).toBe('0');
    expect(host.create('1', UUID[2])).toBe(-EUSERS);
    host.remove(UUID[1]);
    expect(host.available('1')).toBe('1');
  });

  it('needs a device API; 2019 needs its three operations; nobody registers twice', () => {
    const { kernel, dev } = bootHost();
    const { driver } = createPoolDriver(kernel);
    const { device_api: _api, ...without } = driver;
    expect(kernel.mdev.mdev_register_driver(without)).toBe(-EINVAL);
    const old = bootHost({
      profile: 'kvmforum2019',
      functions: [new FakeFunction({ bdf: DSA_BDF })],
    });
    const ops = createPoolOps({ free: 1, answers: {}, vdevs: new Map() });
    const lacking = (['create', 'remove', 'supported_type_groups'] as const).map((name) => {
      const copy: Record<string, unknown> = { ...ops };
      Reflect.deleteProperty(copy, name);
      return old.kernel.mdev.mdev_register_device(old.dev, copy as unknown as MdevParentOps);
    });
    expect(lacking).toEqual([-EINVAL, -EINVAL, -EINVAL]);
    expect(old.kernel.mdev.mdev_register_device(old.dev, ops)).toBe(0);
    expect(old.kernel.mdev.mdev_register_device(old.dev, ops)).toBe(-EEXIST);
    expect(dev.name).toBe(old.dev.name);
  });
});
