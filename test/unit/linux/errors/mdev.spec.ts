/** The errors of Linux drivers/vfio/mdev and drivers/iommu, line by line: mediated devices and the IOMMU core. Each misuse has a fresh host, and what must have happened before is part of it. */
import { expect } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import * as errno from '../../../../src-main/linux/errno.ts';
import type { IommuDomain } from '../../../../src-main/linux/iommu/domain.ts';
import { IOMMU_DEV_FEAT_AUX } from '../../../../src-main/linux/iommu/aux-domain.ts';
import type { MdevParentOps } from '../../../../src-main/linux/mdev/mdev-device.ts';
import { FakeFunction } from '../../../support/fake-function.ts';
import { bootIdxd, createVdev, typePath, uuidOf } from '../../../support/linux-idxd.ts';
import { bootHost, DSA_BDF } from '../../../support/linux-host.ts';
import { createPoolDriver, createPoolOps, poolTypes, UUID } from '../../../support/linux-mdev.ts';
import { VfioUser } from '../../../support/linux-vfio.ts';
import { PCI_NAME } from '../../../support/linux-vfio-host.ts';
import { testLines, type Line } from '../../../support/error-lines.ts';

const TYPES = 'class/mdev_bus/0000:6a:01.0/mdev_supported_types';

function pool(maxInstances?: number): ReturnType<typeof bootHost> & {
  create(uuid: string): number;
} {
  const host = bootHost();
  const { driver } = createPoolDriver(
    host.kernel,
    maxInstances === undefined ? {} : { maxInstances },
  );
  host.kernel.mdev.mdev_register_driver(driver);
  host.kernel.mdev.mdev_register_parent(host.dev, driver, poolTypes());
  return {
    ...host,
    create: (uuid) => host.kernel.calls.sysfsWrite(`${TYPES}/pci-1/create`, uuid),
  };
}

function oldHost(): ReturnType<typeof bootHost> {
  return bootHost({ profile: 'kvmforum2019', functions: [new FakeFunction({ bdf: DSA_BDF })] });
}

const MDEV: readonly Line[] = [
  ['create: 35 characters', 'EINVAL', () => pool().create(UUID[0].slice(1))],
  ['create: 38 characters', 'EINVAL', () => pool().create(`${UUID[0]}\n\n`)],
  ['create: malformed UUID', 'EINVAL', () => pool().create(UUID[0].replaceAll('-', '_'))],
  [
    'create: UUID in use',
    'EEXIST',
    () => {
      const host = pool();
      host.create(UUID[0]);
      return host.create(UUID[0]);
    },
  ],
  ['create: instance counter of the core is zero', 'EUSERS', () => pool(0).create(UUID[0])],
  [
    'create: no ADI left, said by the driver',
    'ENOSPC',
    () => {
      const host = pool();
      [UUID[0], UUID[1], UUID[2]].forEach((uuid) => host.create(uuid));
      return host.create(UUID[3]);
    },
  ],
  [
    'create: no ADI left, said by the VDCM of idxd',
    'ENODEV',
    () => {
      const lab = bootIdxd({ wqs: [{ mode: 'dedicated', type: 'mdev' }] });
      createVdev(lab, 'dsa-1dwq-v1');
      return lab.sysfsWrite(`${typePath(lab, 'dsa-1dwq-v1')}/create`, uuidOf(2));
    },
  ],
  [
    'create: a type of other hardware',
    'ENODEV',
    () => {
      const lab = bootIdxd({ wqs: [{ mode: 'dedicated', type: 'mdev' }] });
      expect(lab.sysfsRead(`${typePath(lab, 'iax-1dwq-v1')}/available_instances`)).toBe('0');
      return lab.sysfsWrite(`${typePath(lab, 'iax-1dwq-v1')}/create`, uuidOf(1));
    },
  ],
  [
    'create: the parent is unregistering',
    'ENODEV',
    () => {
      const host = pool();
      host.create(UUID[0]);
      new VfioUser(host.kernel, 'qemu').openByGroup(UUID[0]);
      host.kernel.mdev.mdev_unregister_parent(host.dev);
      const type = `devices/pci0000:6a/${PCI_NAME}/mdev_supported_types/pci-1`;
      return host.kernel.calls.sysfsWrite(`${type}/create`, UUID[1]);
    },
  ],
  [
    'remove: not a number',
    'EINVAL',
    () => {
      const host = pool();
      host.create(UUID[0]);
      return host.kernel.calls.sysfsWrite(`bus/mdev/devices/${UUID[0]}/remove`, 'yes');
    },
  ],
  [
    'remove: running already',
    'EAGAIN',
    () => {
      const host = pool();
      host.create(UUID[0]);
      new VfioUser(host.kernel, 'qemu').openByGroup(UUID[0]);
      const path = `bus/mdev/devices/${UUID[0]}/remove`;
      host.kernel.calls.sysfsWrite(path, '1');
      return host.kernel.calls.sysfsWrite(path, '1');
    },
  ],
  [
    'register: a driver without device_api',
    'EINVAL',
    () => {
      const { kernel } = bootHost();
      const { device_api: _api, ...driver } = createPoolDriver(kernel).driver;
      return kernel.mdev.mdev_register_driver(driver);
    },
  ],
  ...(['create', 'remove', 'supported_type_groups'] as const).map((name): Line => [
    `register, 2019: no ${name}`,
    'EINVAL',
    () => {
      const { kernel, dev } = oldHost();
      const ops: Record<string, unknown> = {
        ...createPoolOps({ free: 1, answers: {}, vdevs: new Map() }),
      };
      Reflect.deleteProperty(ops, name);
      return kernel.mdev.mdev_register_device(dev, ops as unknown as MdevParentOps);
    },
  ]),
  [
    'register, 2019: twice',
    'EEXIST',
    () => {
      const { kernel, dev } = oldHost();
      const ops = createPoolOps({ free: 1, answers: {}, vdevs: new Map() });
      expect(kernel.mdev.mdev_register_device(dev, ops)).toBe(0);
      return kernel.mdev.mdev_register_device(dev, ops);
    },
  ],
];

function withAux(): ReturnType<typeof oldHost> & { readonly domain: IommuDomain } {
  const host = oldHost();
  expect(host.kernel.aux.iommu_dev_enable_feature(host.dev, IOMMU_DEV_FEAT_AUX)).toBe(0);
  return {
    ...host,
    domain: defined(host.kernel.iommu.iommu_domain_alloc() ?? undefined, 'domain'),
  };
}

const IOMMU: readonly Line[] = [
  [
    'attach_device_pasid: a busy PASID',
    'EBUSY',
    () => {
      const { kernel, dev } = bootHost();
      const domain = kernel.iommu.iommu_paging_domain_alloc(dev) as IommuDomain;
      kernel.iommu.iommu_attach_device_pasid(domain, dev, 9);
      return kernel.iommu.iommu_attach_device_pasid(domain, dev, 9);
    },
  ],
  [
    'attach_device_pasid: the function is being reset',
    'EBUSY',
    () => {
      const { kernel, dev } = bootIdxd();
      const domain = kernel.iommu.iommu_paging_domain_alloc(dev) as IommuDomain;
      let result = 0;
      kernel.core.timers.schedule(kernel.core.nowNs + 1_000_000, () => {
        result = kernel.iommu.iommu_attach_device_pasid(domain, dev, 9);
      });
      expect(kernel.pci.pci_reset_function(dev)).toBe(0);
      expect(kernel.iommu.iommu_attach_device_pasid(domain, dev, 9)).toBe(0);
      return result;
    },
  ],
  [
    'aux attach: the domain is the primary one of the device',
    'EPERM',
    () => {
      const { kernel, dev } = withAux();
      const group = defined(kernel.iommu.iommu_group_get(dev) ?? undefined, 'group');
      return kernel.aux.iommu_aux_attach_device(group.default_domain as IommuDomain, dev);
    },
  ],
  [
    'aux attach: no unit',
    'ENODEV',
    () => {
      const { domain, kernel } = withAux();
      const other = bootHost({ profile: 'kvmforum2019', params: { intel_iommu: false } });
      return kernel.aux.iommu_aux_attach_device(domain, other.dev);
    },
  ],
  [
    'aux attach: the feature is off',
    'EINVAL',
    () => {
      const { kernel, dev } = oldHost();
      const domain = defined(kernel.iommu.iommu_domain_alloc() ?? undefined, 'domain');
      return kernel.aux.iommu_aux_attach_device(domain, dev);
    },
  ],
  [
    'aux attach: no PASID left',
    'ENODEV',
    () => {
      const { kernel, dev, domain } = withAux();
      kernel.pasids.useAllocator({ alloc: () => -errno.ENOSPC, free: () => {} });
      return kernel.aux.iommu_aux_attach_device(domain, dev);
    },
  ],
];

testLines('mediated devices', MDEV);
testLines('the IOMMU core', IOMMU);
