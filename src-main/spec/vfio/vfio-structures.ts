/**
 * Arguments of VFIO requests. include/uapi/linux/vfio.h.
 *
 * Every structure starts with `argsz`, the size of the caller's buffer: less than the minimum is -EINVAL. Capabilities
 * follow the structure in the same buffer; when they do not fit, the kernel sets the CAPS flag, writes the size it needs and
 * `cap_offset` 0, and still succeeds.
 */
import { defineCStructure } from './c-structure.ts';

const HEADER = 'include/uapi/linux/vfio.h';
const ARGSZ = [
  'u32',
  'Size of the argument',
  'The size of the whole buffer, capabilities included.',
] as const;
const FLAGS = ['u32', 'Flags'] as const;
const CAP_OFFSET = [
  'u32',
  'Offset of the first capability',
  '0 when there is none, or none fitted.',
] as const;

export const VfioGroupStatus = defineCStructure({
  name: 'vfio_group_status',
  title: 'Status of a group',
  header: HEADER,
  members: { argsz: ARGSZ, flags: FLAGS },
});

export const VfioDeviceInfo = defineCStructure({
  name: 'vfio_device_info',
  title: 'What a device offers',
  header: HEADER,
  members: {
    argsz: ARGSZ,
    flags: FLAGS,
    num_regions: ['u32', 'Number of regions'],
    num_irqs: ['u32', 'Number of interrupt indexes'],
    cap_offset: CAP_OFFSET,
    pad: ['u32', 'Padding'],
  },
});

export const VfioRegionInfo = defineCStructure({
  name: 'vfio_region_info',
  title: 'One region of a device',
  header: HEADER,
  members: {
    argsz: ARGSZ,
    flags: FLAGS,
    index: ['u32', 'Region index'],
    cap_offset: CAP_OFFSET,
    size: ['u64', 'Bytes'],
    offset: ['u64', 'Offset in the file', 'Use it as given: its layout is the driver’s business.'],
  },
});

export const VfioIrqInfo = defineCStructure({
  name: 'vfio_irq_info',
  title: 'One interrupt index of a device',
  header: HEADER,
  members: {
    argsz: ARGSZ,
    flags: FLAGS,
    index: ['u32', 'Interrupt index'],
    count: ['u32', 'Interrupts behind the index'],
  },
});

export const VfioIrqSet = defineCStructure({
  name: 'vfio_irq_set',
  title: 'Change of interrupts',
  header: HEADER,
  note: 'Data follow: nothing, one byte each, or one 32-bit file descriptor each.',
  members: {
    argsz: ARGSZ,
    flags: ['u32', 'Flags', 'Exactly one data type and one action.'],
    index: ['u32', 'Interrupt index'],
    start: ['u32', 'First interrupt'],
    count: ['u32', 'Number of interrupts'],
  },
});

export const VfioDeviceFeature = defineCStructure({
  name: 'vfio_device_feature',
  title: 'Device feature',
  header: HEADER,
  note: 'Data of the feature follow.',
  members: {
    argsz: ARGSZ,
    flags: ['u32', 'Flags', 'Feature in bits 15:0; GET, SET, PROBE above.'],
  },
});

export const VfioDeviceFeatureMigration = defineCStructure({
  name: 'vfio_device_feature_migration',
  title: 'What a device can do for migration',
  header: HEADER,
  members: { flags: ['u64', 'Flags', 'STOP_COPY 1, P2P 2, PRE_COPY 4.'] },
});

export const VfioDeviceFeatureMigState = defineCStructure({
  name: 'vfio_device_feature_mig_state',
  title: 'State of a migration',
  header: HEADER,
  members: {
    device_state: ['u32', 'State'],
    data_fd: ['s32', 'Data', 'Descriptor of the stream; -1 when the state has none.'],
  },
});

export const VfioDeviceBindIommufd = defineCStructure({
  name: 'vfio_device_bind_iommufd',
  title: 'Bind a device to an iommufd',
  header: HEADER,
  members: {
    argsz: ARGSZ,
    flags: FLAGS,
    iommufd: ['s32', 'File descriptor of /dev/iommu'],
    out_devid: ['u32', 'Device id in the iommufd'],
    token_uuid_ptr: ['u64', 'Address of a token'],
  },
});

export const VfioDeviceAttachIommufdPt = defineCStructure({
  name: 'vfio_device_attach_iommufd_pt',
  title: 'Attach a page table',
  header: HEADER,
  members: {
    argsz: ARGSZ,
    flags: FLAGS,
    pt_id: ['u32', 'IOAS or HWPT', 'In: what to attach. Out: the HWPT that was attached.'],
    pasid: ['u32', 'PASID', 'Counts with the PASID flag.'],
  },
});

export const VfioDeviceDetachIommufdPt = defineCStructure({
  name: 'vfio_device_detach_iommufd_pt',
  title: 'Detach the page table',
  header: HEADER,
  members: { argsz: ARGSZ, flags: FLAGS, pasid: ['u32', 'PASID', 'Counts with the PASID flag.'] },
});

/** Without the PASID member, as kernels before 6.15 have it. */
export const DETACH_MIN_BYTES = 8;
export const ATTACH_MIN_BYTES = 12;

export const VfioIommuType1Info = defineCStructure({
  name: 'vfio_iommu_type1_info',
  title: 'What a container offers',
  header: HEADER,
  members: {
    argsz: ARGSZ,
    flags: FLAGS,
    iova_pgsizes: ['u64', 'Page sizes', 'Bit n: pages of 2^n bytes.'],
    cap_offset: CAP_OFFSET,
    pad: ['u32', 'Padding'],
  },
});
/** argsz, flags, iova_pgsizes: the rest came later. */
export const TYPE1_INFO_MIN_BYTES = 16;

export const VfioIommuType1DmaMap = defineCStructure({
  name: 'vfio_iommu_type1_dma_map',
  title: 'Map user memory for DMA',
  header: HEADER,
  members: {
    argsz: ARGSZ,
    flags: FLAGS,
    vaddr: ['u64', 'Address in the process'],
    iova: ['u64', 'Address for the device'],
    size: ['u64', 'Bytes'],
  },
});

export const VfioIommuType1DmaUnmap = defineCStructure({
  name: 'vfio_iommu_type1_dma_unmap',
  title: 'Unmap user memory',
  header: HEADER,
  members: {
    argsz: ARGSZ,
    flags: FLAGS,
    iova: ['u64', 'Address for the device'],
    size: ['u64', 'Bytes', 'Out: how many were unmapped.'],
  },
});

export const VfioIommuType1DirtyBitmap = defineCStructure({
  name: 'vfio_iommu_type1_dirty_bitmap',
  title: 'Dirty page tracking',
  header: HEADER,
  members: { argsz: ARGSZ, flags: FLAGS },
});

export const VfioIommuType1DirtyBitmapGet = defineCStructure({
  name: 'vfio_iommu_type1_dirty_bitmap_get',
  title: 'Range whose dirty pages are asked for',
  header: HEADER,
  members: {
    iova: ['u64', 'Address for the device'],
    size: ['u64', 'Bytes'],
    pgsize: ['u64', 'Bytes behind one bit'],
    bitmap_size: ['u64', 'Bytes of the bitmap'],
    data: ['u64', 'Address of the bitmap in the process'],
  },
});

export const VfioBitmap = defineCStructure({
  name: 'vfio_bitmap',
  title: 'Bitmap of dirty pages',
  header: HEADER,
  members: {
    pgsize: ['u64', 'Bytes behind one bit'],
    size: ['u64', 'Bytes of the bitmap'],
    data: ['u64', 'Address of the bitmap in the process'],
  },
});

/** Start of every capability in a buffer (`vfio_info_cap_header`). */
export const VfioInfoCapHeader = defineCStructure({
  name: 'vfio_info_cap_header',
  title: 'Capability',
  header: HEADER,
  members: {
    id: ['u16', 'Capability id'],
    version: ['u16', 'Version'],
    next: ['u32', 'Offset of the next capability', '0 for the last.'],
  },
});
