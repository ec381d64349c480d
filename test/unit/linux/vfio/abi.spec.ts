/** Numbers, structures and the size protocol of VFIO and iommufd, written down a second time from the headers. */
import { describe, expect, it } from 'vitest';
import { EFAULT, EINVAL } from '../../../../src-main/linux/errno.ts';
import type { FieldMap } from '../../../../src-main/bits/layout.ts';
import type { Structure } from '../../../../src-main/bits/structure.ts';
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
  IommuHwptAlloc,
  IommuHwptPageResponse,
  IommuHwptPgfault,
  IommuHwptVtdS1,
} from '../../../../src-main/spec/vfio/iommufd-structures.ts';
import * as V from '../../../../src-main/spec/vfio/vfio-structures.ts';
import { PCI_NAME, withPassThrough } from '../../../support/linux-vfio-host.ts';

type AnyStructure = Structure<FieldMap>;

/** Members with their places in bytes, bit fields of C are none of these. */
function layoutOf(structure: unknown): readonly string[] {
  return (structure as AnyStructure).fields.map(({ name, pieces }) => {
    const [first] = pieces;
    return `${name}@${(first?.word ?? 0) * 4}`;
  });
}

describe('numbers', () => {
  it.each([
    [C, 'VFIO_GET_API_VERSION', 0x3b64],
    [C, 'VFIO_CHECK_EXTENSION', 0x3b65],
    [C, 'VFIO_SET_IOMMU', 0x3b66],
    [G, 'VFIO_GROUP_GET_STATUS', 0x3b67],
    [G, 'VFIO_GROUP_SET_CONTAINER', 0x3b68],
    [G, 'VFIO_GROUP_UNSET_CONTAINER', 0x3b69],
    [G, 'VFIO_GROUP_GET_DEVICE_FD', 0x3b6a],
    [D, 'VFIO_DEVICE_GET_INFO', 0x3b6b],
    [D, 'VFIO_DEVICE_GET_REGION_INFO', 0x3b6c],
    [D, 'VFIO_DEVICE_GET_IRQ_INFO', 0x3b6d],
    [D, 'VFIO_DEVICE_SET_IRQS', 0x3b6e],
    [D, 'VFIO_DEVICE_RESET', 0x3b6f],
    [D, 'VFIO_DEVICE_FEATURE', 0x3b75],
    [D, 'VFIO_DEVICE_BIND_IOMMUFD', 0x3b76],
    [D, 'VFIO_DEVICE_ATTACH_IOMMUFD_PT', 0x3b77],
    [D, 'VFIO_DEVICE_DETACH_IOMMUFD_PT', 0x3b78],
    [D, 'VFIO_MIG_GET_PRECOPY_INFO', 0x3b79],
    [C, 'VFIO_IOMMU_GET_INFO', 0x3b70],
    [C, 'VFIO_IOMMU_MAP_DMA', 0x3b71],
    [C, 'VFIO_IOMMU_UNMAP_DMA', 0x3b72],
    [C, 'VFIO_IOMMU_DIRTY_PAGES', 0x3b75],
    [I, 'IOMMU_DESTROY', 0x3b80],
    [I, 'IOMMU_IOAS_ALLOC', 0x3b81],
    [I, 'IOMMU_IOAS_ALLOW_IOVAS', 0x3b82],
    [I, 'IOMMU_IOAS_COPY', 0x3b83],
    [I, 'IOMMU_IOAS_IOVA_RANGES', 0x3b84],
    [I, 'IOMMU_IOAS_MAP', 0x3b85],
    [I, 'IOMMU_IOAS_UNMAP', 0x3b86],
    [I, 'IOMMU_OPTION', 0x3b87],
    [I, 'IOMMU_VFIO_IOAS', 0x3b88],
    [I, 'IOMMU_HWPT_ALLOC', 0x3b89],
    [I, 'IOMMU_GET_HW_INFO', 0x3b8a],
    [I, 'IOMMU_HWPT_SET_DIRTY_TRACKING', 0x3b8b],
    [I, 'IOMMU_HWPT_GET_DIRTY_BITMAP', 0x3b8c],
    [I, 'IOMMU_HWPT_INVALIDATE', 0x3b8d],
    [I, 'IOMMU_FAULT_QUEUE_ALLOC', 0x3b8e],
    [I, 'IOMMU_IOAS_MAP_FILE', 0x3b8f],
    [I, 'IOMMU_VIOMMU_ALLOC', 0x3b90],
    [I, 'IOMMU_VDEVICE_ALLOC', 0x3b91],
    [I, 'IOMMU_IOAS_CHANGE_PROCESS', 0x3b92],
    [I, 'IOMMU_VEVENTQ_ALLOC', 0x3b93],
    [I, 'IOMMU_HW_QUEUE_ALLOC', 0x3b94],
  ] as const)('%#: %s is the one of the header', (table, name, value) => {
    expect((table as Readonly<Record<string, number>>)[name]).toBe(value);
  });

  it('of extensions, data and actions are those of the header', () => {
    expect([E.VFIO_TYPE1_IOMMU, E.VFIO_TYPE1v2_IOMMU, E.VFIO_DMA_CC_IOMMU]).toEqual([1, 3, 4]);
    expect([E.VFIO_TYPE1_NESTING_IOMMU, E.VFIO_NOIOMMU_IOMMU]).toEqual([6, 8]);
    expect([E.VFIO_UNMAP_ALL, E.VFIO_UPDATE_VADDR]).toEqual([9, 10]);
    const data = [F.VFIO_IRQ_SET_DATA_NONE, F.VFIO_IRQ_SET_DATA_BOOL, F.VFIO_IRQ_SET_DATA_EVENTFD];
    expect(data).toEqual([1, 2, 4]);
    expect([
      F.VFIO_IRQ_SET_ACTION_MASK,
      F.VFIO_IRQ_SET_ACTION_UNMASK,
      F.VFIO_IRQ_SET_ACTION_TRIGGER,
    ]).toEqual([8, 16, 32]);
    expect([
      IF.IOMMU_HWPT_ALLOC_NEST_PARENT,
      IF.IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
      IF.IOMMU_HWPT_FAULT_ID_VALID,
      IF.IOMMU_HWPT_ALLOC_PASID,
    ]).toEqual([1, 2, 4, 8]);
  });
});

describe('structures', () => {
  it.each([
    [V.VfioGroupStatus, 8, ['argsz@0', 'flags@4']],
    [
      V.VfioDeviceInfo,
      24,
      ['argsz@0', 'flags@4', 'num_regions@8', 'num_irqs@12', 'cap_offset@16', 'pad@20'],
    ],
    [
      V.VfioRegionInfo,
      32,
      ['argsz@0', 'flags@4', 'index@8', 'cap_offset@12', 'size@16', 'offset@24'],
    ],
    [V.VfioIrqInfo, 16, ['argsz@0', 'flags@4', 'index@8', 'count@12']],
    [V.VfioIrqSet, 20, ['argsz@0', 'flags@4', 'index@8', 'start@12', 'count@16']],
    [
      V.VfioDeviceBindIommufd,
      24,
      ['argsz@0', 'flags@4', 'iommufd@8', 'out_devid@12', 'token_uuid_ptr@16'],
    ],
    [V.VfioDeviceAttachIommufdPt, 16, ['argsz@0', 'flags@4', 'pt_id@8', 'pasid@12']],
    [V.VfioDeviceDetachIommufdPt, 12, ['argsz@0', 'flags@4', 'pasid@8']],
    [V.VfioIommuType1Info, 24, ['argsz@0', 'flags@4', 'iova_pgsizes@8', 'cap_offset@16', 'pad@20']],
    [V.VfioIommuType1DmaMap, 32, ['argsz@0', 'flags@4', 'vaddr@8', 'iova@16', 'size@24']],
    [V.VfioIommuType1DmaUnmap, 24, ['argsz@0', 'flags@4', 'iova@8', 'size@16']],
  ] as const)('%# have the size and the members of the header', (structure, bytes, members) => {
    expect((structure as unknown as AnyStructure).bytes).toBe(bytes);
    expect(layoutOf(structure)).toEqual(members);
  });

  it('of iommufd have the sizes of the header', () => {
    expect([
      IommuHwptAlloc.bytes,
      IommuHwptPgfault.bytes,
      IommuHwptPageResponse.bytes,
      IommuHwptVtdS1.bytes,
    ]).toEqual([48, 40, 8, 24]);
  });
});

describe('argsz', () => {
  /** Request, its structure, the least that it takes, and values with which it succeeds. */
  const requests = [
    ['group', G.VFIO_GROUP_GET_STATUS, V.VfioGroupStatus, 8, {}],
    ['device', D.VFIO_DEVICE_GET_INFO, V.VfioDeviceInfo, 16, {}],
    ['device', D.VFIO_DEVICE_GET_REGION_INFO, V.VfioRegionInfo, 32, {}],
    ['device', D.VFIO_DEVICE_GET_IRQ_INFO, V.VfioIrqInfo, 16, { index: 2 }],
    ['device', D.VFIO_DEVICE_SET_IRQS, V.VfioIrqSet, 20, { index: 2, flags: 0x21 }],
    ['container', C.VFIO_IOMMU_GET_INFO, V.VfioIommuType1Info, 16, {}],
    ['container', C.VFIO_IOMMU_MAP_DMA, V.VfioIommuType1DmaMap, 32, { flags: 3, size: 4096n }],
    ['container', C.VFIO_IOMMU_UNMAP_DMA, V.VfioIommuType1DmaUnmap, 24, { size: 4096n }],
    ['container', C.VFIO_IOMMU_DIRTY_PAGES, V.VfioIommuType1DirtyBitmap, 8, { flags: 1 }],
  ] as const;

  it.each(requests)(
    '%s request %i is refused below its minimum, and takes more than it knows',
    (where, command, structure, least, values) => {
      const { qemu } = withPassThrough();
      const fds = qemu.openByGroup(PCI_NAME);
      const vaddr = BigInt(qemu.memory(1));
      const all = command === C.VFIO_IOMMU_MAP_DMA ? { ...values, vaddr } : values;
      const ask = (bytes: number): number =>
        qemu.request(fds[where], command, structure as unknown as AnyStructure, all, { bytes }).rc;
      expect(ask(least - 1)).toBe(-EINVAL);
      expect(ask(least)).toBe(0);
      qemu.unmapDma(fds.container, 0, 4096);
      expect(ask(least + 64)).toBe(0);
      expect(qemu.ioctl(fds[where], command, new Uint8Array(3))).toBe(-EFAULT);
    },
  );

  it('of requests about areas tells the size that is needed, and the answer stays valid', () => {
    const { qemu } = withPassThrough();
    const { container } = qemu.openByGroup(PCI_NAME);
    const ask = (bytes: number): ReturnType<typeof V.VfioIommuType1Info.decode> =>
      qemu.request(container, C.VFIO_IOMMU_GET_INFO, V.VfioIommuType1Info, {}, { bytes }).values;
    const short = ask(24);
    expect(short.cap_offset).toBe(0);
    expect(ask(short.argsz - 1)).toMatchObject({ cap_offset: 0, argsz: short.argsz });
    expect(ask(short.argsz)).toMatchObject({ cap_offset: 24 });
  });
});
