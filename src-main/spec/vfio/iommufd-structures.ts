/**
 * Arguments of /dev/iommu requests. include/uapi/linux/iommufd.h.
 *
 * Every structure starts with `size`, the bytes that the caller knows. Less than the first version had is -EINVAL; more than
 * this kernel knows is -E2BIG unless the rest is zero. Ids name objects of one open file.
 */
import { defineCStructure } from './c-structure.ts';

const HEADER = 'include/uapi/linux/iommufd.h';
const SIZE = ['u32', 'Size of the argument'] as const;
const FLAGS = ['u32', 'Flags'] as const;
const RESERVED = ['u32', 'Reserved', 'Must be 0.'] as const;
const RESERVED16 = ['u16', 'Reserved', 'Must be 0.'] as const;

export const IommuDestroy = defineCStructure({
  name: 'iommu_destroy',
  title: 'Destroy an object',
  header: HEADER,
  members: { size: SIZE, id: ['u32', 'Object id'] },
});

export const IommuIoasAlloc = defineCStructure({
  name: 'iommu_ioas_alloc',
  title: 'Make an I/O address space',
  header: HEADER,
  members: { size: SIZE, flags: FLAGS, out_ioas_id: ['u32', 'IOAS id'] },
});

export const IommuIoasIovaRanges = defineCStructure({
  name: 'iommu_ioas_iova_ranges',
  title: 'Usable ranges of an IOAS',
  header: HEADER,
  members: {
    size: SIZE,
    ioas_id: ['u32', 'IOAS id'],
    num_iovas: ['u32', 'Number of ranges', 'In: room for so many. Out: how many there are.'],
    reserved: RESERVED,
    allowed_iovas: ['u64', 'Address of the array', 'Pairs of 64-bit start and last.'],
    out_iova_alignment: ['u64', 'Alignment'],
  },
});

export const IommuIoasAllowIovas = defineCStructure({
  name: 'iommu_ioas_allow_iovas',
  title: 'Restrict the automatic choice of IOVAs',
  header: HEADER,
  members: {
    size: SIZE,
    ioas_id: ['u32', 'IOAS id'],
    num_iovas: ['u32', 'Number of ranges'],
    reserved: RESERVED,
    allowed_iovas: ['u64', 'Address of the array', 'Pairs of 64-bit start and last.'],
  },
});

export const IommuIoasMap = defineCStructure({
  name: 'iommu_ioas_map',
  title: 'Map user memory into an IOAS',
  header: HEADER,
  members: {
    size: SIZE,
    flags: FLAGS,
    ioas_id: ['u32', 'IOAS id'],
    reserved: RESERVED,
    user_va: ['u64', 'Address in the process'],
    length: ['u64', 'Bytes'],
    iova: [
      'u64',
      'Address for the device',
      'Out: the address that was chosen, without FIXED_IOVA.',
    ],
  },
});

export const IommuIoasCopy = defineCStructure({
  name: 'iommu_ioas_copy',
  title: 'Copy a mapping from another IOAS',
  header: HEADER,
  members: {
    size: SIZE,
    flags: FLAGS,
    dst_ioas_id: ['u32', 'Destination IOAS'],
    src_ioas_id: ['u32', 'Source IOAS'],
    length: ['u64', 'Bytes'],
    dst_iova: ['u64', 'Address in the destination'],
    src_iova: ['u64', 'Address in the source'],
  },
});

export const IommuIoasUnmap = defineCStructure({
  name: 'iommu_ioas_unmap',
  title: 'Unmap a range of an IOAS',
  header: HEADER,
  members: {
    size: SIZE,
    ioas_id: ['u32', 'IOAS id'],
    iova: ['u64', 'Address for the device'],
    length: ['u64', 'Bytes', 'All ones from address 0: everything. Out: how many were unmapped.'],
  },
});

export const IommuOption = defineCStructure({
  name: 'iommu_option',
  title: 'Option of an object',
  header: HEADER,
  members: {
    size: SIZE,
    option_id: ['u32', 'Option'],
    op: ['u16', 'Set or get'],
    reserved: RESERVED16,
    object_id: ['u32', 'Object id'],
    val64: ['u64', 'Value'],
  },
});

export const IommuVfioIoas = defineCStructure({
  name: 'iommu_vfio_ioas',
  title: 'IOAS behind the compatibility interface',
  header: HEADER,
  members: {
    size: SIZE,
    ioas_id: ['u32', 'IOAS id'],
    op: ['u16', 'Get, set or clear'],
    reserved: RESERVED16,
  },
});

export const IommuHwptAlloc = defineCStructure({
  name: 'iommu_hwpt_alloc',
  title: 'Make a hardware page table',
  header: HEADER,
  members: {
    size: SIZE,
    flags: FLAGS,
    dev_id: ['u32', 'Device id'],
    pt_id: ['u32', 'Parent', 'IOAS for a paging HWPT, a nest-parent HWPT for a nested one.'],
    out_hwpt_id: ['u32', 'HWPT id'],
    reserved: RESERVED,
    data_type: ['u32', 'Type of the data'],
    data_len: ['u32', 'Bytes of the data'],
    data_uptr: ['u64', 'Address of the data in the process'],
    fault_id: ['u32', 'Fault queue', 'Counts with FAULT_ID_VALID.'],
    reserved2: RESERVED,
  },
});
/** Without fault_id, as the first version had it. */
export const HWPT_ALLOC_MIN_BYTES = 24;

export const IommuHwptVtdS1 = defineCStructure({
  name: 'iommu_hwpt_vtd_s1',
  title: 'Stage 1 of a guest on VT-d',
  header: HEADER,
  members: {
    flags: ['u64', 'Flags', 'SRE, EAFE, WPE.'],
    pgtbl_addr: ['u64', 'Top table', 'A guest physical address.'],
    addr_width: ['u32', 'Address width'],
    reserved: RESERVED,
  },
});

export const IommuGetHwInfo = defineCStructure({
  name: 'iommu_hw_info',
  title: 'What the IOMMU behind a device can do',
  header: HEADER,
  members: {
    size: SIZE,
    flags: FLAGS,
    dev_id: ['u32', 'Device id'],
    data_len: ['u32', 'Bytes of the data'],
    data_uptr: ['u64', 'Address of the data in the process'],
    out_data_type: ['u32', 'Type of the data'],
    out_max_pasid_log2: ['u8', 'PASID width', 'log2 of the number of PASIDs; 0 without.'],
    reserved1: ['u8', 'Reserved'],
    reserved2: ['u16', 'Reserved'],
    out_capabilities: ['u64', 'Capabilities'],
  },
});

export const IommuHwInfoVtd = defineCStructure({
  name: 'iommu_hw_info_vtd',
  title: 'Capability registers of VT-d',
  header: HEADER,
  members: {
    flags: FLAGS,
    reserved: RESERVED,
    cap_reg: ['u64', 'CAP_REG'],
    ecap_reg: ['u64', 'ECAP_REG'],
  },
});

export const IommuHwptSetDirtyTracking = defineCStructure({
  name: 'iommu_hwpt_set_dirty_tracking',
  title: 'Dirty tracking on or off',
  header: HEADER,
  members: { size: SIZE, flags: FLAGS, hwpt_id: ['u32', 'HWPT id'], reserved: RESERVED },
});

export const IommuHwptGetDirtyBitmap = defineCStructure({
  name: 'iommu_hwpt_get_dirty_bitmap',
  title: 'Dirty pages of a range',
  header: HEADER,
  members: {
    size: SIZE,
    hwpt_id: ['u32', 'HWPT id'],
    flags: FLAGS,
    reserved: RESERVED,
    iova: ['u64', 'Address for the device'],
    length: ['u64', 'Bytes'],
    page_size: ['u64', 'Bytes behind one bit'],
    data: ['u64', 'Address of the bitmap in the process'],
  },
});

export const IommuHwptInvalidate = defineCStructure({
  name: 'iommu_hwpt_invalidate',
  title: 'Invalidate cached stage-1 translations',
  header: HEADER,
  members: {
    size: SIZE,
    hwpt_id: ['u32', 'HWPT id'],
    data_uptr: ['u64', 'Address of the entries'],
    data_type: ['u32', 'Type of the entries'],
    entry_len: ['u32', 'Bytes of an entry'],
    entry_num: ['u32', 'Number of entries', 'Out: how many were carried out.'],
    reserved: RESERVED,
  },
});

export const IommuHwptVtdS1Invalidate = defineCStructure({
  name: 'iommu_hwpt_vtd_s1_invalidate',
  title: 'One stage-1 invalidation',
  header: HEADER,
  members: {
    addr: ['u64', 'First address'],
    npages: ['u64', 'Pages', 'All ones: everything.'],
    flags: FLAGS,
    reserved: RESERVED,
  },
});

export const IommuFaultAlloc = defineCStructure({
  name: 'iommu_fault_alloc',
  title: 'Make a fault queue',
  header: HEADER,
  members: {
    size: SIZE,
    flags: FLAGS,
    out_fault_id: ['u32', 'Fault queue id'],
    out_fault_fd: ['u32', 'File descriptor of the queue'],
  },
});

export const IommuHwptPgfault = defineCStructure({
  name: 'iommu_hwpt_pgfault',
  title: 'Page fault of a device',
  header: HEADER,
  members: {
    flags: FLAGS,
    dev_id: ['u32', 'Device id'],
    pasid: ['u32', 'PASID'],
    grpid: ['u32', 'Group'],
    perm: ['u32', 'Wanted access'],
    reserved: RESERVED,
    addr: ['u64', 'Address'],
    length: ['u32', 'Bytes'],
    cookie: ['u32', 'Cookie', 'Goes back in the response.'],
  },
});

export const IommuHwptPageResponse = defineCStructure({
  name: 'iommu_hwpt_page_response',
  title: 'Answer to a page fault',
  header: HEADER,
  members: { cookie: ['u32', 'Cookie'], code: ['u32', 'Code', '0 success, 1 invalid.'] },
});
