/**
 * The errors of siov-stack.md 2.8, line by line: each misuse on a fresh host, and the number it gives. What must have happened
 * before is part of the line, so a line fails when that part stops working, too.
 */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src-main/bits/invariant.ts';
import * as errno from '../../../../src-main/linux/errno.ts';
import { encodeBytes } from '../../../../src-main/linux/core/user-argument.ts';
import type { IommuDomain } from '../../../../src-main/linux/iommu/domain.ts';
import { IOMMU_DEV_FEAT_AUX } from '../../../../src-main/linux/iommu/aux-domain.ts';
import type { MdevParentOps } from '../../../../src-main/linux/mdev/mdev-device.ts';
import type { VfioDevice } from '../../../../src-main/linux/vfio/vfio-device.ts';
import {
  IOMMUFD_FLAGS as IF,
  IOMMUFD_IOCTLS as I,
  VFIO_CONTAINER_IOCTLS as C,
  VFIO_DEVICE_IOCTLS as D,
  VFIO_EXTENSIONS as E,
  VFIO_FLAGS as F,
  VFIO_GROUP_IOCTLS as G,
} from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  IommuDestroy,
  IommuFaultAlloc,
  IommuHwptVtdS1,
  IommuIoasMap,
} from '../../../../src-main/spec/vfio/iommufd-structures.ts';
import {
  VfioDeviceInfo,
  VfioGroupStatus,
  VfioIrqInfo,
} from '../../../../src-main/spec/vfio/vfio-structures.ts';
import { FakeFunction } from '../../../support/fake-function.ts';
import { bootIdxd, createVdev, openVdev, typePath, uuidOf } from '../../../support/linux-idxd.ts';
import { bootHost, DSA_BDF, type HostOptions } from '../../../support/linux-host.ts';
import { createPoolDriver, createPoolOps, poolTypes, UUID } from '../../../support/linux-mdev.ts';
import { VfioUser } from '../../../support/linux-vfio.ts';
import {
  MSIX,
  PCI_NAME,
  withEmulated,
  withPassThrough,
  type VfioHost,
} from '../../../support/linux-vfio-host.ts';

/** What is done wrong, the error, and doing it. */
type Line = readonly [misuse: string, error: keyof typeof errno, attempt: () => number];

const ALL = 2n ** 64n - 1n;
const TYPES = 'class/mdev_bus/0000:6a:01.0/mdev_supported_types';
const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;

// ---- mediated devices ------------------------------------------------------------------------------------------------

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

// ---- container and group ---------------------------------------------------------------------------------------------

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

// ---- mapping ---------------------------------------------------------------------------------------------------------

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

// ---- iommufd ---------------------------------------------------------------------------------------------------------

interface Bound extends VfioHost {
  readonly iommufd: number;
  readonly device: number;
  readonly devid: number;
  readonly ioas: number;
}

function bound(): Bound {
  const host = withPassThrough();
  const { qemu } = host;
  const iommufd = qemu.open('/dev/iommu');
  const device = qemu.open(qemu.cdevOf(PCI_NAME));
  const { rc, devid } = qemu.bind(device, iommufd);
  expect(rc).toBe(0);
  return { ...host, iommufd, device, devid, ioas: qemu.ioas(iommufd) };
}

function nested(
  values: Parameters<typeof IommuHwptVtdS1.encode>[0],
  more: Parameters<VfioUser['hwpt']>[3] = {},
  parentFlags = 1,
): number {
  const { qemu, iommufd, devid, ioas } = bound();
  const parent = qemu.hwpt(iommufd, devid, ioas, { flags: parentFlags });
  expect(parent.rc).toBe(0);
  const at = qemu.memory(1);
  const data = encodeBytes(IommuHwptVtdS1, { pgtbl_addr: 0x8000n, addr_width: 48, ...values });
  qemu.process.mm.write(at, data);
  return qemu.hwpt(iommufd, devid, parent.id, {
    data_type: IF.IOMMU_HWPT_DATA_VTD_S1,
    data_len: IommuHwptVtdS1.bytes,
    data_uptr: BigInt(at),
    ...more,
  }).rc;
}

/** The queue of an attached page table, and its descriptor. */
function faultQueue(): Bound & { readonly queue: number } {
  const host = bound();
  const { qemu, iommufd } = host;
  const { values } = qemu.request(iommufd, I.IOMMU_FAULT_QUEUE_ALLOC, IommuFaultAlloc, {});
  return { ...host, queue: values.out_fault_fd };
}

const IOMMUFD: readonly Line[] = [
  [
    'access before BIND',
    'EINVAL',
    () => {
      const { qemu } = withPassThrough();
      const device = qemu.open(qemu.cdevOf(PCI_NAME));
      expect(qemu.readValue(device, 7, 0, 2)).toBe(-errno.EINVAL);
      expect(qemu.mmap(device, 0)).toBe(-errno.EINVAL);
      return qemu.request(device, D.VFIO_DEVICE_GET_INFO, VfioDeviceInfo, {}).rc;
    },
  ],
  [
    'BIND: unknown flags',
    'EINVAL',
    () => {
      const { qemu } = withPassThrough();
      return qemu.bind(qemu.open(qemu.cdevOf(PCI_NAME)), qemu.open('/dev/iommu'), 2).rc;
    },
  ],
  [
    'BIND: negative descriptor',
    'EINVAL',
    () => {
      const { qemu } = withPassThrough();
      return qemu.bind(qemu.open(qemu.cdevOf(PCI_NAME)), -1).rc;
    },
  ],
  [
    'BIND: a second time',
    'EINVAL',
    () => {
      const { qemu, device, iommufd } = bound();
      return qemu.bind(device, iommufd).rc;
    },
  ],
  [
    'BIND: on a descriptor of the group path',
    'EINVAL',
    () => {
      const { qemu } = withPassThrough();
      const { device } = qemu.openByGroup(PCI_NAME);
      return qemu.bind(device, qemu.open('/dev/iommu')).rc;
    },
  ],
  [
    'ATTACH with PASID: no such operation',
    'EOPNOTSUPP',
    () => {
      const { qemu } = withEmulated();
      const iommufd = qemu.open('/dev/iommu');
      const device = qemu.open(qemu.cdevOf(UUID[0]));
      qemu.bind(device, iommufd);
      return qemu.attach(device, qemu.ioas(iommufd), 5).rc;
    },
  ],
  ...(
    [
      ['a page table that takes none', 5, 0],
      ['a PASID that the device does not have', 2 ** 20, 8],
      ['PASID 0', 0, 8],
    ] as const
  ).map(([what, pasid, flags]): Line => [
    `ATTACH with PASID: ${what}`,
    'EINVAL',
    () => {
      const { qemu, iommufd, device, devid, ioas } = bound();
      return qemu.attach(device, qemu.hwpt(iommufd, devid, ioas, { flags }).id, pasid).rc;
    },
  ]),
  [
    'ATTACH with PASID: the Requester ID has a page table that takes none',
    'EINVAL',
    () => {
      const { qemu, iommufd, device, devid, ioas } = bound();
      qemu.attach(device, qemu.hwpt(iommufd, devid, ioas).id);
      return qemu.attach(device, qemu.hwpt(iommufd, devid, ioas, { flags: 8 }).id, 5).rc;
    },
  ],
  [
    'MAP: overlap',
    'EEXIST',
    () => {
      const { qemu, iommufd, ioas } = bound();
      const memory = qemu.memory(2);
      qemu.ioasMap(iommufd, ioas, memory, 0, 8192);
      return qemu.ioasMap(iommufd, ioas, memory, 4096, 4096);
    },
  ],
  [
    'MAP: no room for an address of the kernel’s choice',
    'ENOSPC',
    () => {
      const { qemu, iommufd, ioas } = bound();
      return qemu.request(iommufd, I.IOMMU_IOAS_MAP, IommuIoasMap, {
        flags: IF.IOMMU_IOAS_MAP_READABLE,
        ioas_id: ioas,
        user_va: BigInt(qemu.memory(1)),
        length: 2n ** 58n,
      }).rc;
    },
  ],
  [
    'MAP: arithmetic overflow',
    'EOVERFLOW',
    () => {
      const { qemu, iommufd, ioas } = bound();
      return qemu.ioasMap(iommufd, ioas, qemu.memory(1), 2 ** 64 - 4096, 8192);
    },
  ],
  [
    'UNMAP: bisecting',
    'ENOENT',
    () => {
      const { qemu, iommufd, ioas } = bound();
      qemu.ioasMap(iommufd, ioas, qemu.memory(2), 0, 8192);
      return qemu.ioasUnmap(iommufd, ioas, 0n, 4096n);
    },
  ],
  [
    'UNMAP: nothing there',
    'ENOENT',
    () => {
      const { qemu, iommufd, ioas } = bound();
      return qemu.ioasUnmap(iommufd, ioas, 0x9000n, 4096n);
    },
  ],
  [
    'UNMAP: pinned for ever',
    'EDEADLOCK',
    () => {
      const { qemu, kernel, vdev } = withEmulated();
      const iommufd = qemu.open('/dev/iommu');
      const device = qemu.open(qemu.cdevOf(UUID[0]));
      qemu.bind(device, iommufd);
      const ioas = qemu.ioas(iommufd);
      qemu.ioasMap(iommufd, ioas, qemu.memory(1), 0, 4096);
      qemu.attach(device, ioas);
      kernel.vfio.vfio_pin_pages(vdev, 0, 1, 3);
      return qemu.ioasUnmap(iommufd, ioas, 0n, ALL);
    },
  ],
  [
    'ATTACH: something is mapped in the interrupt window',
    'EADDRINUSE',
    () => {
      const { qemu, iommufd, device, ioas } = bound();
      qemu.ioasMap(iommufd, ioas, qemu.memory(1), 0xfee0_0000, 4096);
      return qemu.attach(device, ioas).rc;
    },
  ],
  [
    'DESTROY: an object in use',
    'EBUSY',
    () => {
      const { qemu, iommufd, device, ioas } = bound();
      qemu.attach(device, ioas);
      return qemu.request(iommufd, I.IOMMU_DESTROY, IommuDestroy, { id: ioas }).rc;
    },
  ],
  ['HWPT_ALLOC: the parent is no nest parent', 'EINVAL', () => nested({}, {}, 0)],
  [
    'HWPT_ALLOC: the parent is no page table',
    'EINVAL',
    () => {
      const { qemu, iommufd, devid } = bound();
      return qemu.hwpt(iommufd, devid, devid).rc;
    },
  ],
  ['HWPT_ALLOC: unknown flags', 'EOPNOTSUPP', () => nested({}, { flags: 0x40 })],
  ['HWPT_ALLOC: unknown data type', 'EOPNOTSUPP', () => nested({}, { data_type: 2 })],
  ['nested: width that the unit does not have', 'EINVAL', () => nested({ addr_width: 39 })],
  [
    'nested: root above the limit of the second stage',
    'EINVAL',
    () => nested({ pgtbl_addr: 2n ** 50n }),
  ],
  ...([39, 41] as const).map((bytes): Line => [
    `fault queue: a read of ${bytes} bytes`,
    'ESPIPE',
    () => {
      const { qemu, kernel, queue } = faultQueue();
      return kernel.calls.pread(qemu.process, queue, new Uint8Array(bytes), 0);
    },
  ]),
  [
    'fault queue: a write that is no whole answer',
    'ESPIPE',
    () => {
      const { qemu, kernel, queue } = faultQueue();
      return kernel.calls.pwrite(qemu.process, queue, new Uint8Array(12), 0);
    },
  ],
  [
    'fault queue: a position',
    'ESPIPE',
    () => {
      const { qemu, kernel, queue } = faultQueue();
      return kernel.calls.pread(qemu.process, queue, new Uint8Array(40), 8);
    },
  ],
];

// ---- devices ---------------------------------------------------------------------------------------------------------

function opened(): VfioHost & { readonly device: number; readonly fd: number } {
  const host = withPassThrough();
  const { device } = host.qemu.openByGroup(PCI_NAME);
  return { ...host, device, fd: host.kernel.calls.eventfd(host.qemu.process) };
}

const DEVICE: readonly Line[] = [
  [
    'SET_IRQS: unknown index',
    'EINVAL',
    () => {
      const { qemu, device, fd } = opened();
      return qemu.setIrqs(device, 7, EVENTFD, {}, [fd]);
    },
  ],
  [
    'SET_IRQS: range beyond the count',
    'EINVAL',
    () => {
      const { qemu, device, fd } = opened();
      return qemu.setIrqs(device, 2, EVENTFD, { start: 8 }, [fd, fd]);
    },
  ],
  [
    'SET_IRQS: two kinds of data',
    'EINVAL',
    () => {
      const { qemu, device, fd } = opened();
      return qemu.setIrqs(device, 2, EVENTFD | F.VFIO_IRQ_SET_DATA_NONE, {}, [fd]);
    },
  ],
  [
    'SET_IRQS: two actions',
    'EINVAL',
    () => {
      const { qemu, device, fd } = opened();
      return qemu.setIrqs(device, 2, EVENTFD | F.VFIO_IRQ_SET_ACTION_MASK, {}, [fd]);
    },
  ],
  [
    'SET_IRQS: no action',
    'EINVAL',
    () => {
      const { qemu, device, fd } = opened();
      return qemu.setIrqs(device, 2, F.VFIO_IRQ_SET_DATA_EVENTFD, {}, [fd]);
    },
  ],
  ...[F.VFIO_IRQ_SET_ACTION_MASK, F.VFIO_IRQ_SET_ACTION_UNMASK].map((action): Line => [
    `SET_IRQS: action ${action} on MSI-X`,
    'ENOTTY',
    () => {
      const { qemu, device } = opened();
      return qemu.setIrqs(device, 2, F.VFIO_IRQ_SET_DATA_NONE | action, { count: 1 });
    },
  ]),
  [
    'GET_REGION_INFO: index out of range',
    'EINVAL',
    () => {
      const { qemu, device } = opened();
      return qemu.regionInfo(device, 9).rc;
    },
  ],
  [
    'GET_IRQ_INFO: index out of range',
    'EINVAL',
    () => {
      const { qemu, device } = opened();
      return qemu.request(device, D.VFIO_DEVICE_GET_IRQ_INFO, VfioIrqInfo, { index: 5 }).rc;
    },
  ],
  [
    'unknown request: vfio-pci',
    'ENOTTY',
    () => {
      const { qemu, device } = opened();
      return qemu.ioctl(device, 0x3bff);
    },
  ],
  [
    'unknown request: the VDCM of idxd',
    'EINVAL',
    () => {
      const lab = bootIdxd({ wqs: [{ mode: 'dedicated', type: 'mdev' }] });
      const { user, fd } = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1'));
      return user.ioctl(fd, 0x3bff);
    },
  ],
];

// ---- IOMMU core ------------------------------------------------------------------------------------------------------

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

describe.each([
  ['mediated devices', MDEV],
  ['row 20: containers and groups', CONTAINER],
  ['row 25: mapping and pinning', MAPPING],
  ['iommufd', IOMMUFD],
  ['devices', DEVICE],
  ['the IOMMU core', IOMMU],
] as const)('%s', (_title, lines) => {
  it.each(lines)('%s: %s', (_misuse, error, attempt) => {
    expect(attempt()).toBe(-errno[error]);
  });
});

describe('what is no error', () => {
  it('is an UNMAP where nothing is: 0 bytes', () => {
    const { qemu, container } = ready();
    expect(qemu.unmapDma(container, 0x9000, 4096)).toBe(0);
  });
});
