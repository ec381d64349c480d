/** The errors of Linux drivers/iommu/iommufd, line by line: iommufd and open devices. Each misuse has a fresh host, and what must have happened before is part of it. */
import { expect } from 'vitest';
import * as errno from '../../../../src-main/linux/errno.ts';
import { encodeBytes } from '../../../../src-main/linux/core/user-argument.ts';
import {
  IOMMUFD_FLAGS as IF,
  IOMMUFD_IOCTLS as I,
  VFIO_DEVICE_IOCTLS as D,
  VFIO_FLAGS as F,
} from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  IommuDestroy,
  IommuFaultAlloc,
  IommuHwptVtdS1,
  IommuIoasMap,
} from '../../../../src-main/spec/vfio/iommufd-structures.ts';
import { VfioDeviceInfo, VfioIrqInfo } from '../../../../src-main/spec/vfio/vfio-structures.ts';
import { bootIdxd, createVdev, openVdev } from '../../../support/linux-idxd.ts';
import { UUID } from '../../../support/linux-mdev.ts';
import type { VfioUser } from '../../../support/linux-vfio.ts';
import {
  PCI_NAME,
  withEmulated,
  withPassThrough,
  type VfioHost,
} from '../../../support/linux-vfio-host.ts';
import { testLines, type Line } from '../../../support/error-lines.ts';

const ALL = 2n ** 64n - 1n;
const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;

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

testLines('iommufd', IOMMUFD);
testLines('open devices', DEVICE);
