import { describe, expect, it } from 'vitest';
import {
  EACCES,
  EBADF,
  EBADFD,
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENODEV,
  ENOMEM,
  ENOSPC,
  ENOTTY,
  EOVERFLOW,
  EPERM,
} from '../../../../src-main/linux/errno.ts';
import type { VfioDevice } from '../../../../src-main/linux/vfio/vfio-device.ts';
import {
  VFIO_CONTAINER_IOCTLS as C,
  VFIO_DEVICE_IOCTLS as D,
  VFIO_EXTENSIONS as E,
  VFIO_FLAGS as F,
  VFIO_GROUP_IOCTLS as G,
} from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  VfioDeviceInfo,
  VfioGroupStatus,
  VfioInfoCapHeader,
  VfioIommuType1DirtyBitmap,
  VfioIommuType1DmaUnmap,
  VfioIommuType1Info,
  VfioIrqInfo,
} from '../../../../src-main/spec/vfio/vfio-structures.ts';
import { FakeFunction } from '../../../support/fake-function.ts';
import { bootHost, DSA_BDF } from '../../../support/linux-host.ts';
import { callbacks, createPoolDriver, poolTypes, UUID } from '../../../support/linux-mdev.ts';
import { VfioUser } from '../../../support/linux-vfio.ts';
import { MSIX, PCI_NAME, withEmulated, withPassThrough } from '../../../support/linux-vfio-host.ts';

describe('row 19: extensions', () => {
  it('are 1, 3 and 9; 4 with coherent domains; 10 without emulated groups; nothing else', () => {
    const { qemu } = withPassThrough();
    const { container } = qemu.openByGroup(PCI_NAME);
    const ask = (fd: number, extension: number): number =>
      qemu.ioctl(fd, C.VFIO_CHECK_EXTENSION, extension);
    expect(qemu.ioctl(container, C.VFIO_GET_API_VERSION)).toBe(0);
    const answers = Array.from({ length: 12 }, (_, i) => ask(container, i));
    expect(answers).toEqual([0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0]);
    const empty = qemu.open('/dev/vfio/vfio');
    expect([E.VFIO_DMA_CC_IOMMU, E.VFIO_UPDATE_VADDR].map((e) => ask(empty, e))).toEqual([0, 0]);
    const emulated = withEmulated();
    const other = emulated.qemu.openByGroup(UUID[0]);
    expect(emulated.qemu.ioctl(other.container, C.VFIO_CHECK_EXTENSION, 10)).toBe(0);
    const mixed = withPassThrough({ params: { noncoherent_devices: [PCI_NAME] } });
    const plain = mixed.qemu.openByGroup(PCI_NAME);
    expect(mixed.qemu.ioctl(plain.container, C.VFIO_CHECK_EXTENSION, 4)).toBe(0);
  });
});

describe('row 20: order of container, group and device', () => {
  it('gives the error of each wrong step', () => {
    const { qemu, kernel } = withPassThrough();
    const container = qemu.open('/dev/vfio/vfio');
    expect(qemu.mapDma(container, qemu.memory(1), 0, 4096)).toBe(-EINVAL);
    expect(qemu.ioctl(container, C.VFIO_SET_IOMMU, 3)).toBe(-EINVAL);
    const path = qemu.groupOf(PCI_NAME);
    const group = qemu.open(path);
    expect(qemu.open(path)).toBe(-EBUSY);
    expect(qemu.ioctl(group, G.VFIO_GROUP_GET_DEVICE_FD, PCI_NAME)).toBe(-EINVAL);
    expect(qemu.ioctl(group, G.VFIO_GROUP_UNSET_CONTAINER)).toBe(-EINVAL);
    expect(qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, 99)).toBe(-EBADF);
    expect(qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, group)).toBe(-EBADFD);
    expect(qemu.request(group, G.VFIO_GROUP_GET_STATUS, VfioGroupStatus, {}).values.flags).toBe(1);
    expect(qemu.request(group, G.VFIO_GROUP_GET_STATUS, VfioGroupStatus, {}, { bytes: 4 }).rc).toBe(
      -EINVAL,
    );
    expect(qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container)).toBe(0);
    expect(qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container)).toBe(-EINVAL);
    expect(qemu.ioctl(group, G.VFIO_GROUP_GET_DEVICE_FD, PCI_NAME)).toBe(-EINVAL);
    expect(qemu.ioctl(container, C.VFIO_SET_IOMMU, 2)).toBe(-ENODEV);
    expect(qemu.ioctl(container, C.VFIO_SET_IOMMU, 3)).toBe(0);
    expect(qemu.ioctl(container, C.VFIO_SET_IOMMU, 3)).toBe(-EINVAL);
    expect(qemu.ioctl(group, G.VFIO_GROUP_GET_DEVICE_FD, 'nobody')).toBe(-ENODEV);
    const device = qemu.ioctl(group, G.VFIO_GROUP_GET_DEVICE_FD, PCI_NAME);
    expect(device).toBeGreaterThan(2);
    expect(qemu.ioctl(group, G.VFIO_GROUP_UNSET_CONTAINER)).toBe(-EBUSY);
    qemu.close(device);
    expect(qemu.ioctl(group, G.VFIO_GROUP_UNSET_CONTAINER)).toBe(0);
    expect(kernel.vfio.groupOf(0)?.state).toBe('OPEN');
    qemu.close(group);
    expect(kernel.vfio.groupOf(0)?.state).toBe('CLOSED');
    expect(qemu.ioctl(77, C.VFIO_GET_API_VERSION)).toBe(-EBADF);
  });

  it('uses the 2019 error for a wrong kind of descriptor', () => {
    const { qemu } = withPassThrough({ profile: 'kvmforum2019' });
    const group = qemu.open(qemu.groupOf(PCI_NAME));
    expect(qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, group)).toBe(-EINVAL);
  });
});

describe('row 21: regions', () => {
  it('have offsets of index << 40, and errors beyond the last index', () => {
    const { qemu } = withPassThrough();
    const { device } = qemu.openByGroup(PCI_NAME);
    const info = qemu.request(device, D.VFIO_DEVICE_GET_INFO, VfioDeviceInfo, {});
    expect(info.values).toMatchObject({ flags: 2, num_regions: 9, num_irqs: 5 });
    // The function has no function level reset.
    expect(qemu.ioctl(device, D.VFIO_DEVICE_RESET)).toBe(-EINVAL);
    expect(qemu.request(device, D.VFIO_DEVICE_GET_INFO, VfioDeviceInfo, {}, { bytes: 12 }).rc).toBe(
      -EINVAL,
    );
    for (const [index, size] of [
      [0, 0x10000n],
      [1, 0n],
      [2, 0x20000n],
      [7, 4096n],
    ] as const) {
      const { rc, values } = qemu.regionInfo(device, index);
      expect([rc, values.size, values.offset]).toEqual([0, size, BigInt(index) << 40n]);
    }
    expect(qemu.regionInfo(device, 9).rc).toBe(-EINVAL);
    expect(qemu.ioctl(device, 0x3bff)).toBe(-ENOTTY);
    const irq = (index: number): number =>
      qemu.request(device, D.VFIO_DEVICE_GET_IRQ_INFO, VfioIrqInfo, { index }).rc;
    expect([0, 1, 2, 3, 4, 5].map(irq)).toEqual([-EINVAL, -EINVAL, 0, -EINVAL, 0, -EINVAL]);
  });
});

describe('row 22: capability chains', () => {
  it('that do not fit are answered with the size they need', () => {
    const { qemu } = withPassThrough();
    const { container } = qemu.openByGroup(PCI_NAME);
    const short = qemu.request(container, C.VFIO_IOMMU_GET_INFO, VfioIommuType1Info, {});
    expect(short.rc).toBe(0);
    expect(short.values).toMatchObject({ flags: 3, cap_offset: 0 });
    expect(short.values.argsz).toBeGreaterThan(VfioIommuType1Info.bytes);
    const full = qemu.request(
      container,
      C.VFIO_IOMMU_GET_INFO,
      VfioIommuType1Info,
      {},
      {
        bytes: short.values.argsz,
      },
    );
    expect(full.values.cap_offset).toBe(VfioIommuType1Info.bytes);
    const ids: number[] = [];
    const view = new DataView(full.buffer.buffer);
    for (let at = full.values.cap_offset; at !== 0; at = view.getUint32(at + 4, true)) {
      ids.push(view.getUint16(at, true));
    }
    expect(ids).toEqual([2, 3, 1]);
    const last = full.values.cap_offset;
    expect(VfioInfoCapHeader.bytes + last).toBeLessThan(full.buffer.length);
  });
});

describe('row 23: mmap', () => {
  it('takes shared mappings inside a region only', () => {
    const { qemu } = withPassThrough();
    const { device } = qemu.openByGroup(PCI_NAME);
    const bar2 = 2 * 2 ** 40;
    expect(qemu.mmap(device, bar2)).toBeGreaterThan(0);
    expect(qemu.mmap(device, bar2, 4096, 2)).toBe(-EINVAL);
    expect(qemu.mmap(device, bar2 + 0x20000)).toBe(-EINVAL);
    expect(qemu.mmap(device, 7 * 2 ** 40)).toBe(-EINVAL);
    const area = qemu.process.mm.areas.find((a) => a.kind === 'file');
    expect(area).toMatchObject({ isDevice: true, isNotCopied: true });
  });
});

describe('row 24: SET_IRQS', () => {
  const TRIGGER = F.VFIO_IRQ_SET_ACTION_TRIGGER;
  const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER;

  it('installs, replaces, removes, fires and frees', () => {
    const { qemu, kernel } = withPassThrough();
    const { device } = qemu.openByGroup(PCI_NAME);
    const fds = [0, 1, 2].map(() => kernel.calls.eventfd(qemu.process));
    expect(qemu.setIrqs(device, 2, EVENTFD, {}, fds)).toBe(0);
    expect(kernel.irqs.list().filter((i) => i.handler !== null)).toHaveLength(3);
    expect(qemu.setIrqs(device, 2, EVENTFD, { start: 1 }, [-1])).toBe(0);
    expect(kernel.irqs.list().filter((i) => i.handler !== null)).toHaveLength(2);
    expect(qemu.setIrqs(device, 2, EVENTFD, { start: 0 }, [fds[1] ?? -1])).toBe(0);
    const none = F.VFIO_IRQ_SET_DATA_NONE | TRIGGER;
    expect(qemu.setIrqs(device, 2, none, { start: 0, count: 1 })).toBe(0);
    expect(kernel.calls.eventfdRead(qemu.process, fds[1] ?? 0)).toBe(1);
    expect(kernel.calls.eventfdRead(qemu.process, fds[0] ?? 0)).toBe(-11);
    expect(qemu.setIrqs(device, 2, none, { count: 0 })).toBe(0);
    expect(kernel.irqs.list().filter((i) => i.handler !== null)).toHaveLength(0);
  });

  it('fires the named ones of a block with boolean data', () => {
    const { qemu, kernel } = withPassThrough();
    const { device } = qemu.openByGroup(PCI_NAME);
    const fds = [0, 1].map(() => kernel.calls.eventfd(qemu.process));
    qemu.setIrqs(device, 2, EVENTFD, {}, fds);
    const bool = F.VFIO_IRQ_SET_DATA_BOOL | TRIGGER;
    // The tail is little-endian words; two bytes of the first one are the two flags.
    expect(qemu.setIrqs(device, 2, bool, { count: 2 }, [0x0100])).toBe(0);
    expect(fds.map((fd) => kernel.calls.eventfdRead(qemu.process, fd))).toEqual([-11, 1]);
  });

  it('refuses wrong indexes, ranges, flags and actions, and unwinds a block that fails', () => {
    const { qemu, kernel } = withPassThrough();
    const { device } = qemu.openByGroup(PCI_NAME);
    const fd = kernel.calls.eventfd(qemu.process);
    expect(qemu.setIrqs(device, 0, EVENTFD, {}, [fd])).toBe(-EINVAL);
    expect(qemu.setIrqs(device, 2, EVENTFD, { start: 9 }, [fd])).toBe(-EINVAL);
    expect(qemu.setIrqs(device, 2, TRIGGER, {}, [fd])).toBe(-EINVAL);
    expect(qemu.setIrqs(device, 2, EVENTFD | F.VFIO_IRQ_SET_DATA_BOOL, {}, [fd])).toBe(-EINVAL);
    const mask = F.VFIO_IRQ_SET_DATA_NONE | F.VFIO_IRQ_SET_ACTION_MASK;
    expect(qemu.setIrqs(device, 2, mask, { count: 1 })).toBe(-ENOTTY);
    expect(qemu.setIrqs(device, 2, EVENTFD, {}, [fd, 99])).toBe(-EBADF);
    expect(qemu.setIrqs(device, 2, EVENTFD, {}, [fd, device])).toBe(-EINVAL);
    expect(kernel.irqs.list().filter((i) => i.handler !== null)).toHaveLength(0);
  });
});

describe('row 25: MAP and UNMAP', () => {
  it('check alignment, rights, overlap and the interrupt window', () => {
    const { qemu } = withPassThrough();
    const { container } = qemu.openByGroup(PCI_NAME);
    const memory = qemu.memory(16);
    const map = (iova: number, bytes: number, flags = 3): number =>
      qemu.mapDma(container, memory, iova, bytes, flags);
    expect(map(0, 0)).toBe(-EINVAL);
    expect(map(0x800, 4096)).toBe(-EINVAL);
    expect(map(0, 4096, 0)).toBe(-EINVAL);
    expect(map(0, 4096, 8)).toBe(-EINVAL);
    expect(map(2 ** 64 - 4096, 8192)).toBe(-EOVERFLOW);
    expect(map(2 ** 60, 4096)).toBe(-EINVAL);
    expect(map(2 ** 48, 4096)).toBe(-EINVAL);
    expect(map(0xfedf_f000, 0x2000)).toBe(-EINVAL);
    expect(map(0xfef0_0000, 4096)).toBe(0);
    expect(map(0x1_0000, 0x4000)).toBe(0);
    expect(map(0x1_3000, 4096)).toBe(-EEXIST);
    expect(qemu.mapDma(container, 0x1000, 0x8_0000, 4096)).toBe(-EFAULT);
  });

  it('unmap exact ranges in version 2 and whole mappings in version 1', () => {
    const second = withPassThrough();
    const two = second.qemu.openByGroup(PCI_NAME);
    const memory = second.qemu.memory(4);
    second.qemu.mapDma(two.container, memory, 0x1_0000, 0x4000);
    expect(second.qemu.unmapDma(two.container, 0x1_0000, 0x1000)).toBe(-EINVAL);
    expect(second.qemu.unmapDma(two.container, 0x1_1000, 0x1_0000)).toBe(-EINVAL);
    expect(second.qemu.unmapDma(two.container, 0x9_0000, 0x1000)).toBe(0);
    expect(second.qemu.unmapDma(two.container, 0, 0x10_0000)).toBe(0x4000);
    const first = withPassThrough();
    const one = first.qemu.openByGroup(PCI_NAME, E.VFIO_TYPE1_IOMMU);
    first.qemu.mapDma(one.container, first.qemu.memory(4), 0x1_0000, 0x4000);
    expect(first.qemu.unmapDma(one.container, 0x1_1000, 0x1000)).toBe(0);
    expect(first.qemu.unmapDma(one.container, 0x1_0000, 0x1000)).toBe(0x4000);
  });

  it('run out of slots and of locked memory', () => {
    const { qemu } = withPassThrough({ params: { dma_entry_limit: 2 } });
    const { container } = qemu.openByGroup(PCI_NAME);
    const memory = qemu.memory(4);
    const results = [0, 1, 2].map((i) => qemu.mapDma(container, memory, i * 0x1_0000, 4096));
    expect(results).toEqual([0, 0, -ENOSPC]);
    expect(qemu.unmapDma(container, 0, 0, F.VFIO_DMA_UNMAP_FLAG_ALL)).toBe(8192);
    const other = withPassThrough();
    const user = new VfioUser(other.kernel, 'poor', { memlockBytes: 8192 });
    const fds = user.openByGroup(PCI_NAME);
    expect(user.mapDma(fds.container, user.memory(3), 0, 3 * 4096)).toBe(-ENOMEM);
    expect(user.mapDma(fds.container, user.memory(2), 0, 2 * 4096)).toBe(0);
    expect(other.kernel.userPages.pinnedPages).toBe(2);
    user.unmapDma(fds.container, 0, 2 * 4096);
    expect([other.kernel.userPages.pinnedPages, user.process.mm.lockedPages]).toEqual([0, 0]);
  });

  it('write the second-stage table that the function uses', () => {
    const { qemu, kernel, dev } = withPassThrough();
    const { container } = qemu.openByGroup(PCI_NAME);
    const memory = qemu.memory(1);
    qemu.mapDma(container, memory, 0x5000, 4096);
    const group = kernel.iommu.iommu_group_get(dev);
    const physical = kernel.iommu.iommu_iova_to_phys(group?.domain as never, 0x5000);
    expect(physical).toBe(qemu.process.mm.table.translate(memory));
    const entry = kernel.iommu.driver?.info(dev)?.pasidTable?.read(0);
    expect(entry).toMatchObject({ P: 1, DID: group?.domain?.did, PGSNP: 1 });
  });

  it('report pinned pages as dirty while tracking is on', () => {
    const { qemu } = withPassThrough();
    const { container } = qemu.openByGroup(PCI_NAME);
    const memory = qemu.memory(10);
    qemu.mapDma(container, memory, 0, 10 * 4096);
    const dirty = (flags: number, tail = new Uint8Array(0)): number =>
      qemu.request(
        container,
        C.VFIO_IOMMU_DIRTY_PAGES,
        VfioIommuType1DirtyBitmap,
        { flags },
        { tail },
      ).rc;
    const tail = new Uint8Array(40);
    const view = new DataView(tail.buffer);
    [0n, 40960n, 4096n, 8n, BigInt(memory)].forEach((v, i) => view.setBigUint64(i * 8, v, true));
    expect(dirty(4, tail)).toBe(-EINVAL);
    expect(dirty(1)).toBe(0);
    expect(dirty(4, tail)).toBe(0);
    expect(qemu.process.mm.read(memory, 2)).toEqual(Uint8Array.of(0xff, 0x03));
    expect(dirty(2)).toBe(0);
    expect(dirty(3)).toBe(-EINVAL);
  });
});

describe('row 25: unmapping with a bitmap of dirty pages', () => {
  const GET_BITMAP = 1;
  const ALL = 2;

  it('gives the bitmap while tracking is on, and refuses what does not fit', () => {
    const { qemu } = withPassThrough();
    const { container } = qemu.openByGroup(PCI_NAME);
    const memory = qemu.memory(10);
    qemu.mapDma(container, memory, 0, 10 * 4096);
    const unmap = (flags: number, bitmap: readonly bigint[], size = 40960n): number => {
      const tail = new Uint8Array(bitmap.length * 8);
      const view = new DataView(tail.buffer);
      bitmap.forEach((value, i) => view.setBigUint64(i * 8, value, true));
      const values = { flags, iova: 0n, size };
      const command = C.VFIO_IOMMU_UNMAP_DMA;
      return qemu.request(container, command, VfioIommuType1DmaUnmap, values, { tail }).rc;
    };
    const fits = [4096n, 8n, BigInt(memory)];
    expect(unmap(GET_BITMAP, fits)).toBe(-EINVAL);
    qemu.request(container, C.VFIO_IOMMU_DIRTY_PAGES, VfioIommuType1DirtyBitmap, { flags: 1 });
    expect(unmap(GET_BITMAP, [])).toBe(-EINVAL);
    expect(unmap(GET_BITMAP, [8192n, 8n, BigInt(memory)])).toBe(-EINVAL);
    expect(unmap(GET_BITMAP, [4096n, 1n, BigInt(memory)])).toBe(-EINVAL);
    expect(unmap(GET_BITMAP | ALL, fits, 0n)).toBe(-EINVAL);
    expect(unmap(GET_BITMAP, fits)).toBe(0);
    expect(qemu.process.mm.read(memory, 2)).toEqual(Uint8Array.of(0xff, 0x03));
    expect(qemu.unmapDma(container, 0, 10 * 4096)).toBe(0);
  });
});

describe('row 26: several groups in one container', () => {
  it('replays mappings on late attach and keeps a second domain for another coherency', () => {
    const host = withPassThrough({ params: { noncoherent_devices: ['0000:6a:02.0'] } }, [
      DSA_BDF,
      '6a:02.0',
      '6a:03.0',
    ]);
    const { qemu, kernel } = host;
    const { container } = qemu.openByGroup(PCI_NAME);
    const memory = qemu.memory(1);
    qemu.mapDma(container, memory, 0x5000, 4096);
    const late = (name: string): number =>
      qemu.ioctl(qemu.open(qemu.groupOf(name)), G.VFIO_GROUP_SET_CONTAINER, container);
    expect(late('0000:6a:03.0')).toBe(0);
    expect(late('0000:6a:02.0')).toBe(0);
    const domains = kernel.pci.devices.map((d) => kernel.iommu.iommu_group_get(d)?.domain);
    expect(domains[2]).toBe(domains[0]);
    expect(domains[1]).not.toBe(domains[0]);
    const physical = qemu.process.mm.table.translate(memory);
    for (const domain of domains) {
      expect(kernel.iommu.iommu_iova_to_phys(domain as never, 0x5000)).toBe(physical);
    }
    expect(kernel.userPages.pinnedPages).toBe(1);
  });
});

describe('row 27: pages pinned by a driver', () => {
  it('come and go with the driver, and unmapping asks for them', () => {
    const asked: number[] = [];
    const host = withEmulated({
      dma_unmap: (vdev, iova, bytes) => {
        asked.push(iova);
        host.kernel.vfio.vfio_unpin_pages(vdev, iova, bytes / 4096);
      },
    });
    const { qemu, kernel, vdev } = host;
    expect(kernel.vfio.vfio_pin_pages(vdev, 0, 1, 3)).toBe(-EINVAL);
    const { container } = qemu.openByGroup(UUID[0]);
    const memory = qemu.memory(4);
    qemu.mapDma(container, memory, 0, 2 * 4096, 1);
    expect(kernel.userPages.pinnedPages).toBe(0);
    expect(kernel.vfio.vfio_pin_pages(vdev, 0x9000, 1, 1)).toBe(-EINVAL);
    expect(kernel.vfio.vfio_pin_pages(vdev, 0, 2, 3)).toBe(-EPERM);
    const pinned = kernel.vfio.vfio_pin_pages(vdev, 0, 2, 1);
    expect(pinned).toEqual([0, 4096].map((at) => qemu.process.mm.table.translate(memory + at)));
    expect(kernel.userPages.pinnedPages).toBe(2);
    expect(qemu.unmapDma(container, 0, 8192)).toBe(8192);
    expect([asked, kernel.userPages.pinnedPages]).toEqual([[0], 0]);
  });

  it('that a driver never gives up are its bug after ten rounds', () => {
    const { qemu, kernel, vdev, hw } = withEmulated();
    const { container } = qemu.openByGroup(UUID[0]);
    qemu.mapDma(container, qemu.memory(1), 0, 4096);
    kernel.vfio.vfio_pin_pages(vdev, 0, 1, 3);
    qemu.unmapDma(container, 0, 4096);
    expect(callbacks(hw.records).filter((c) => c.endsWith('dma_unmap'))).toHaveLength(10);
    expect(hw.recordsOf('linux.warning.printed').at(-1)?.values['text']).toContain('kernel BUG');
    expect(kernel.userPages.pinnedPages).toBe(0);
  });

  it('need version 2 and an unmap operation', () => {
    const { qemu, kernel, vdev } = withEmulated();
    const { container } = qemu.openByGroup(UUID[0], E.VFIO_TYPE1_IOMMU);
    qemu.mapDma(container, qemu.memory(1), 0, 4096);
    expect(kernel.vfio.vfio_pin_pages(vdev, 0, 1, 3)).toBe(-EACCES);
    const without = bootHost();
    const made = createPoolDriver(without.kernel);
    without.kernel.mdev.mdev_register_driver(made.driver);
    without.kernel.mdev.mdev_register_parent(without.dev, made.driver, poolTypes());
    without.kernel.calls.sysfsWrite(
      'class/mdev_bus/0000:6a:01.0/mdev_supported_types/pci-1/create',
      UUID[0],
    );
    const user = new VfioUser(without.kernel, 'qemu');
    user.openByGroup(UUID[0]);
    const plain = made.pool.vdevs.get(UUID[0]) as VfioDevice;
    expect(without.kernel.vfio.vfio_pin_pages(plain, 0, 1, 3)).toBe(-EINVAL);
  });

  it('let a driver copy from and to memory behind an IOVA', () => {
    const { qemu, kernel, vdev } = withEmulated();
    const { container } = qemu.openByGroup(UUID[0]);
    const memory = qemu.memory(2);
    qemu.mapDma(container, memory, 0x1000, 8192);
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
    expect(kernel.vfio.vfio_dma_rw(vdev, 0x1fc0, bytes, true)).toBe(0);
    expect(qemu.process.mm.read(memory + 0xfc0, 100)).toEqual(bytes);
    expect(kernel.vfio.vfio_dma_rw(vdev, 0x3000, bytes, false)).toBe(-EINVAL);
  });
});

describe('row 34: DMA ownership', () => {
  it('refuses a group of which the kernel or somebody else owns a member', () => {
    const pair = ['6a:02.0', '6a:02.1'].map(
      (bdf) =>
        new FakeFunction({
          bdf,
          device: 0x1234,
          isMultifunction: true,
          extended: [],
          capabilities: [MSIX],
        }),
    );
    const host = bootHost({ functions: [new FakeFunction({ bdf: DSA_BDF }), ...pair] });
    const { kernel } = host;
    const [first, second] = ['0000:6a:02.0', '0000:6a:02.1'].map((name) =>
      kernel.pci.devices.find((d) => d.name === name),
    );
    if (first === undefined || second === undefined) {
      throw new Error('No functions');
    }
    kernel.pci.bind(first, kernel.vfioPci);
    const driver = { name: 'other', id_table: [], probe: () => 0, remove: () => {} };
    expect(kernel.pci.bind(second, driver)).toBe(0);
    const qemu = new VfioUser(kernel, 'qemu');
    const group = qemu.open(qemu.groupOf(first.name));
    const container = qemu.open('/dev/vfio/vfio');
    expect(qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container)).toBe(-EPERM);
    kernel.pci.unbind(second);
    expect(qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container)).toBe(0);
    expect(kernel.pci.bind(second, driver)).toBe(-EBUSY);
  });

  it('needs interrupt remapping unless the administrator says otherwise', () => {
    const unsafe = withPassThrough({ params: { interrupt_remapping: false } });
    const group = unsafe.qemu.open(unsafe.qemu.groupOf(PCI_NAME));
    const container = unsafe.qemu.open('/dev/vfio/vfio');
    unsafe.qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container);
    expect(unsafe.qemu.ioctl(container, C.VFIO_SET_IOMMU, 3)).toBe(-EPERM);
    const allowed = withPassThrough({
      params: { interrupt_remapping: false, allow_unsafe_interrupts: true },
    });
    expect(allowed.qemu.openByGroup(PCI_NAME).device).toBeGreaterThan(2);
  });

  it('blocks DMA between claim and attach, and gives the default domain back', () => {
    const { qemu, kernel, dev } = withPassThrough();
    const present = (): number => kernel.iommu.driver?.info(dev)?.pasidTable?.read(0).P ?? -1;
    const group = qemu.open(qemu.groupOf(PCI_NAME));
    const container = qemu.open('/dev/vfio/vfio');
    expect(present()).toBe(1);
    qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container);
    expect(present()).toBe(0);
    qemu.ioctl(container, C.VFIO_SET_IOMMU, 3);
    expect(present()).toBe(1);
    kernel.processes.exit(qemu.process);
    const iommuGroup = kernel.iommu.iommu_group_get(dev);
    expect(iommuGroup?.domain).toBe(iommuGroup?.default_domain);
    expect(iommuGroup?.owner).toBeNull();
  });

  it('keeps first-generation accelerators away from vfio-pci', () => {
    const { kernel, dev } = bootHost();
    expect(kernel.pci.bind(dev, kernel.vfioPci)).toBe(-EINVAL);
    expect(dev.driver).toBeNull();
  });
});
