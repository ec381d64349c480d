/** The errors of Linux drivers/vfio, line by line: containers, groups, mapping. Each misuse has a fresh host, and what must have happened before is part of it. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import type { IommuDomain } from '../../../../src-main/linux/iommu/domain.ts';
import type { VfioDevice } from '../../../../src-main/linux/vfio/vfio-device.ts';
import {
  VFIO_CONTAINER_IOCTLS as C,
  VFIO_EXTENSIONS as E,
  VFIO_GROUP_IOCTLS as G,
} from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import { VfioGroupStatus } from '../../../../src-main/spec/vfio/vfio-structures.ts';
import { FakeFunction } from '../../../support/fake-function.ts';
import { bootHost, DSA_BDF, type HostOptions } from '../../../support/linux-host.ts';
import { createPoolDriver, poolTypes, UUID } from '../../../support/linux-mdev.ts';
import { VfioUser } from '../../../support/linux-vfio.ts';
import {
  MSIX,
  PCI_NAME,
  withEmulated,
  withPassThrough,
  type VfioHost,
} from '../../../support/linux-vfio-host.ts';
import { testLines, type Line } from '../../../support/error-lines.ts';

const TYPES = 'class/mdev_bus/0000:6a:01.0/mdev_supported_types';

interface Ordered extends VfioHost {
  readonly group: number;
  readonly container: number;
}

/** Group and container, open and apart. */
function apart(options: HostOptions = {}): Ordered {
  const host = withPassThrough(options);
  const { qemu } = host;
  return {
    ...host,
    group: qemu.open(qemu.groupOf(PCI_NAME)),
    container: qemu.open('/dev/vfio/vfio'),
  };
}

function contained(options: HostOptions = {}): Ordered {
  const host = apart(options);
  expect(host.qemu.ioctl(host.group, G.VFIO_GROUP_SET_CONTAINER, host.container)).toBe(0);
  return host;
}

function ready(type: number = E.VFIO_TYPE1v2_IOMMU, options: HostOptions = {}): Ordered {
  const host = contained(options);
  expect(host.qemu.ioctl(host.container, C.VFIO_SET_IOMMU, type)).toBe(0);
  return host;
}

function pair(): VfioHost & { readonly second: VfioDevice['dev'] } {
  const functions = ['6a:02.0', '6a:02.1'].map(
    (bdf) =>
      new FakeFunction({
        bdf,
        device: 0x1234,
        isMultifunction: true,
        extended: [],
        capabilities: [MSIX],
      }),
  );
  const host = bootHost({ functions: [new FakeFunction({ bdf: DSA_BDF }), ...functions] });
  const [, first, second] = host.kernel.pci.devices;
  host.kernel.pci.bind(defined(first, 'first'), host.kernel.vfioPci);
  return {
    ...host,
    qemu: new VfioUser(host.kernel, 'qemu'),
    second: defined(second, 'second'),
  };
}

const CONTAINER: readonly Line[] = [
  [
    'open: the group twice',
    'EBUSY',
    () => {
      const { qemu } = apart();
      return qemu.open(qemu.groupOf(PCI_NAME));
    },
  ],
  [
    'open: the group while the character device is bound',
    'EBUSY',
    () => {
      const { qemu } = withPassThrough();
      qemu.bind(qemu.open(qemu.cdevOf(PCI_NAME)), qemu.open('/dev/iommu'));
      return qemu.open(qemu.groupOf(PCI_NAME));
    },
  ],
  [
    'BIND while the group is open',
    'EBUSY',
    () => {
      const { qemu } = apart();
      return qemu.bind(qemu.open(qemu.cdevOf(PCI_NAME)), qemu.open('/dev/iommu')).rc;
    },
  ],
  [
    'SET_CONTAINER: no such descriptor',
    'EBADF',
    () => {
      const { qemu, group } = apart();
      return qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, 99);
    },
  ],
  [
    'SET_CONTAINER: a descriptor of another kind',
    'EBADFD',
    () => {
      const { qemu, group } = apart();
      return qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, group);
    },
  ],
  [
    'SET_CONTAINER, 2019: a descriptor of another kind',
    'EINVAL',
    () => {
      const { qemu, group } = apart({ profile: 'kvmforum2019' });
      return qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, group);
    },
  ],
  [
    'SET_CONTAINER: set already',
    'EINVAL',
    () => {
      const { qemu, group, container } = contained();
      return qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container);
    },
  ],
  [
    'SET_CONTAINER: a driver of the kernel has a member',
    'EPERM',
    () => {
      const { qemu, kernel, second } = pair();
      const other = { name: 'other', id_table: [], probe: () => 0, remove: () => {} };
      kernel.pci.bind(second as Parameters<typeof kernel.pci.bind>[0], other);
      const group = qemu.open(qemu.groupOf('0000:6a:02.0'));
      return qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, qemu.open('/dev/vfio/vfio'));
    },
  ],
  [
    'SET_CONTAINER: another domain is attached to the group',
    'EBUSY',
    () => {
      const { qemu, kernel, dev, group, container } = apart();
      const iommuGroup = defined(kernel.iommu.iommu_group_get(dev) ?? undefined, 'group');
      const domain = kernel.iommu.iommu_paging_domain_alloc(dev) as IommuDomain;
      kernel.iommu.setGroupDomain(iommuGroup, domain);
      return qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container);
    },
  ],
  [
    'UNSET_CONTAINER: none set',
    'EINVAL',
    () => {
      const { qemu, group } = apart();
      return qemu.ioctl(group, G.VFIO_GROUP_UNSET_CONTAINER);
    },
  ],
  [
    'UNSET_CONTAINER: devices are open',
    'EBUSY',
    () => {
      const { qemu, group } = ready();
      qemu.ioctl(group, G.VFIO_GROUP_GET_DEVICE_FD, PCI_NAME);
      return qemu.ioctl(group, G.VFIO_GROUP_UNSET_CONTAINER);
    },
  ],
  [
    'SET_IOMMU: no group',
    'EINVAL',
    () => {
      const { qemu, container } = apart();
      return qemu.ioctl(container, C.VFIO_SET_IOMMU, 3);
    },
  ],
  [
    'SET_IOMMU: set already',
    'EINVAL',
    () => {
      const { qemu, container } = ready();
      return qemu.ioctl(container, C.VFIO_SET_IOMMU, 3);
    },
  ],
  [
    'SET_IOMMU: no driver of this type',
    'ENODEV',
    () => {
      const { qemu, container } = contained();
      return qemu.ioctl(container, C.VFIO_SET_IOMMU, E.VFIO_SPAPR_TCE_IOMMU);
    },
  ],
  ...[C.VFIO_IOMMU_MAP_DMA, C.VFIO_IOMMU_UNMAP_DMA, C.VFIO_IOMMU_GET_INFO].map((command): Line => [
    `container: request ${command} before SET_IOMMU`,
    'EINVAL',
    () => {
      const { qemu, container } = contained();
      return qemu.ioctl(container, command, new Uint8Array(64).fill(64, 0, 1));
    },
  ]),
  [
    'GET_DEVICE_FD: no container',
    'EINVAL',
    () => {
      const { qemu, group } = apart();
      return qemu.ioctl(group, G.VFIO_GROUP_GET_DEVICE_FD, PCI_NAME);
    },
  ],
  [
    'GET_DEVICE_FD: IOMMU not set',
    'EINVAL',
    () => {
      const { qemu, group } = contained();
      return qemu.ioctl(group, G.VFIO_GROUP_GET_DEVICE_FD, PCI_NAME);
    },
  ],
  [
    'GET_DEVICE_FD: unknown name',
    'ENODEV',
    () => {
      const { qemu, group } = ready();
      return qemu.ioctl(group, G.VFIO_GROUP_GET_DEVICE_FD, UUID[0]);
    },
  ],
  [
    'GET_STATUS: small argsz',
    'EINVAL',
    () => {
      const { qemu, group } = apart();
      return qemu.request(group, G.VFIO_GROUP_GET_STATUS, VfioGroupStatus, {}, { bytes: 4 }).rc;
    },
  ],
  [
    'SET_IOMMU: no interrupt isolation',
    'EPERM',
    () => {
      const { qemu, container } = contained({ params: { interrupt_remapping: false } });
      return qemu.ioctl(container, C.VFIO_SET_IOMMU, 3);
    },
  ],
  [
    'attach: a mapping lies where the next group cannot go',
    'EINVAL',
    () => {
      const host = withEmulated();
      const { qemu, kernel } = host;
      const { container } = qemu.openByGroup(UUID[0]);
      // Emulated devices know no reserved ranges, so the interrupt window can be mapped for them.
      expect(qemu.mapDma(container, qemu.memory(1), 0xfee0_0000, 4096)).toBe(0);
      const other = new FakeFunction({ bdf: '6a:03.0', device: 0x1234, capabilities: [MSIX] });
      host.hw.functions.push(other);
      const dev = kernel.pci.add({
        rid: other.rid,
        vendor: 0x8086,
        device: 0x1234,
        class: 0,
        isMultifunction: false,
      });
      expect(kernel.pci.bind(dev, kernel.vfioPci)).toBe(0);
      const group = qemu.open(qemu.groupOf('0000:6a:03.0'));
      return qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container);
    },
  ],
];

function map(iova: number, bytes: number, flags = 3, options: HostOptions = {}): number {
  const { qemu, container } = ready(E.VFIO_TYPE1v2_IOMMU, options);
  return qemu.mapDma(container, qemu.memory(4), iova, bytes, flags);
}

const MAPPING: readonly Line[] = [
  ['MAP: size 0', 'EINVAL', () => map(0, 0)],
  ['MAP: unaligned', 'EINVAL', () => map(0x10, 4096)],
  ['MAP: no right', 'EINVAL', () => map(0, 4096, 0)],
  ['MAP: outside the valid IOVA', 'EINVAL', () => map(2 ** 60, 4096)],
  ['MAP: in the interrupt window', 'EINVAL', () => map(0xfee0_0000, 4096)],
  ['MAP: arithmetic overflow', 'EOVERFLOW', () => map(2 ** 64 - 4096, 8192)],
  [
    'MAP: overlap',
    'EEXIST',
    () => {
      const { qemu, container } = ready();
      const memory = qemu.memory(4);
      qemu.mapDma(container, memory, 0x1_0000, 0x4000);
      return qemu.mapDma(container, memory, 0x1_3000, 0x1000);
    },
  ],
  [
    'MAP: slots exhausted',
    'ENOSPC',
    () => {
      const { qemu, container } = ready(3, { params: { dma_entry_limit: 1 } });
      const memory = qemu.memory(2);
      qemu.mapDma(container, memory, 0, 4096);
      return qemu.mapDma(container, memory, 0x1_0000, 4096);
    },
  ],
  [
    'MAP: locked memory',
    'ENOMEM',
    () => {
      const { kernel } = withPassThrough();
      const user = new VfioUser(kernel, 'poor', { memlockBytes: 4096 });
      const { container } = user.openByGroup(PCI_NAME);
      return user.mapDma(container, user.memory(2), 0, 8192);
    },
  ],
  [
    'MAP: nothing at the address in user space',
    'EFAULT',
    () => {
      const { qemu, container } = ready();
      return qemu.mapDma(container, 0x1000, 0, 4096);
    },
  ],
  [
    'UNMAP: bisecting, version 2',
    'EINVAL',
    () => {
      const { qemu, container } = ready();
      qemu.mapDma(container, qemu.memory(4), 0, 0x4000);
      return qemu.unmapDma(container, 0x1000, 0x1000);
    },
  ],
  [
    'pin_pages: container of version 1',
    'EACCES',
    () => {
      const { qemu, kernel, vdev } = withEmulated();
      const { container } = qemu.openByGroup(UUID[0], E.VFIO_TYPE1_IOMMU);
      qemu.mapDma(container, qemu.memory(1), 0, 4096);
      return Number(kernel.vfio.vfio_pin_pages(vdev, 0, 1, 3));
    },
  ],
  [
    'pin_pages: nothing mapped',
    'EINVAL',
    () => {
      const { qemu, kernel, vdev } = withEmulated();
      qemu.openByGroup(UUID[0]);
      return Number(kernel.vfio.vfio_pin_pages(vdev, 0, 1, 3));
    },
  ],
  [
    'pin_pages: another right',
    'EPERM',
    () => {
      const { qemu, kernel, vdev } = withEmulated();
      const { container } = qemu.openByGroup(UUID[0]);
      qemu.mapDma(container, qemu.memory(1), 0, 4096, 1);
      return Number(kernel.vfio.vfio_pin_pages(vdev, 0, 1, 3));
    },
  ],
  [
    'pin_pages: no dma_unmap operation',
    'EINVAL',
    () => {
      const host = bootHost();
      const { kernel, dev } = host;
      const { driver, pool: ports } = createPoolDriver(kernel);
      kernel.mdev.mdev_register_driver(driver);
      kernel.mdev.mdev_register_parent(dev, driver, poolTypes());
      kernel.calls.sysfsWrite(`${TYPES}/pci-1/create`, UUID[0]);
      const user = new VfioUser(kernel, 'qemu');
      const { container } = user.openByGroup(UUID[0]);
      user.mapDma(container, user.memory(1), 0, 4096);
      const vdev = defined(ports.vdevs.get(UUID[0]), 'device');
      return Number(kernel.vfio.vfio_pin_pages(vdev, 0, 1, 3));
    },
  ],
];

testLines('row 20: containers and groups', CONTAINER);
testLines('row 25: mapping and pinning', MAPPING);

describe('an UNMAP where nothing is', () => {
  it('is no error, and unmaps nothing', () => {
    const { qemu, container } = ready();
    expect(qemu.unmapDma(container, 0x9000, 4096)).toBe(0);
  });
});
