// The tenant: a program that wants a device of its own. In a VM, QEMU makes these calls.
import { movdir64b, umwait } from 'asm/enqcmd';
import { echo, ls } from 'lab/shell';
import { errname } from 'linux/errno';
import { load, load8, load_text, store_text } from 'lab/memory';
import { report } from 'lab/oracle';
import { MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE, ioctl, mmap, open, pwrite } from 'libc';
import { DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR, dsa_completion_record, dsa_hw_desc, dsa_status_text } from 'uapi/idxd';
import { IOMMU_IOAS_ALLOC, IOMMU_IOAS_MAP, IOMMU_IOAS_MAP_FIXED_IOVA, IOMMU_IOAS_MAP_READABLE, IOMMU_IOAS_MAP_WRITEABLE } from 'uapi/iommufd';
import type { iommu_ioas_alloc } from 'uapi/iommufd';
import { VFIO_DEVICE_ATTACH_IOMMUFD_PT, VFIO_DEVICE_BIND_IOMMUFD, VFIO_DEVICE_GET_REGION_INFO, VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_BAR2_REGION_INDEX } from 'uapi/vfio';
import type { vfio_region_info } from 'uapi/vfio';

const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
const TYPES = '/sys/bus/pci/devices/0000:6a:01.0/mdev_supported_types';
const PAGE = 4096;
/** Address at which the device shall see the program's buffers. The program itself has them somewhere else. */
const IOVA = 0x10_0000;
const GREETING = 'Hello from an assignable device interface';

/** Stops with a sentence when a call failed. */
function must(rc: number, what: string): number {
  if (rc < 0) {
    throw new Error(`${what} gave ${rc} (${errname(rc)})`);
  }
  return rc;
}

// Create: an administrator writes a UUID, the driver answers with a device.
must(echo(UUID, `${TYPES}/idxd-1dwq/create`), 'create');

// Open the device and give it an address space: three pages at IOVA.
const iommufd = must(open('/dev/iommu'), 'open /dev/iommu');
const [node] = ls('/dev/vfio/devices') as readonly string[];
const device = must(open(`/dev/vfio/devices/${node}`), 'open the VDEV');
must(ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, { iommufd }), 'BIND_IOMMUFD');

const buffers = must(mmap(3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 'mmap');
const ioas: iommu_ioas_alloc = {};
must(ioctl(iommufd, IOMMU_IOAS_ALLOC, ioas), 'IOAS_ALLOC');
must(
  ioctl(iommufd, IOMMU_IOAS_MAP, {
    flags: IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
    ioas_id: ioas.out_ioas_id,
    user_va: buffers,
    iova: IOVA,
    length: 3 * PAGE,
  }),
  'IOAS_MAP',
);
must(ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, { pt_id: ioas.out_ioas_id }), 'ATTACH_IOMMUFD_PT');

// The fast path: one page of the device, in the program's own address space.
const bar2: vfio_region_info = { index: VFIO_PCI_BAR2_REGION_INDEX };
must(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, bar2), 'BAR2');
const portal = must(mmap(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device, Number(bar2.offset)), 'mmap of the portal');

// The slow path: three registers in BAR0. Every store goes to the driver.
const bar0: vfio_region_info = { index: VFIO_PCI_BAR0_REGION_INDEX };
must(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, bar0), 'BAR0');
function writeRegister(offset: number, value: number): number {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return pwrite(device, bytes, Number(bar0.offset) + offset);
}
writeRegister(0x00, IOVA);
writeRegister(0x08, 3);
must(writeRegister(0x10, 1), 'ENABLE');

// One descriptor: copy the greeting from the first page to the second, completion record in the third.
const source = buffers;
const destination = buffers + PAGE;
const record = buffers + 2 * PAGE;
const length = store_text(source, GREETING);
// #region solution submit
const descriptor = dsa_hw_desc({
  opcode: DSA_OPCODE_MEMMOVE,
  flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
  completion_addr: IOVA + 2 * PAGE,
  src_addr: IOVA,
  dst_addr: IOVA + PAGE,
  xfer_size: length,
});
// #region starter
// The device knows nothing of this program's pointers. At which addresses does it see the three pages?
const descriptor = dsa_hw_desc({
  opcode: DSA_OPCODE_MEMMOVE,
  flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
  completion_addr: record,
  src_addr: source,
  dst_addr: destination,
  xfer_size: length,
});
// #endregion
// #endregion
movdir64b(portal, descriptor);

while (load8(record) === 0 && umwait(100_000)) {
  // The device works; the program waits for the first byte of the record.
}
const { status } = dsa_completion_record(load(record, 32));
console.log(`status ${status}, ${dsa_status_text(status)}`);
console.log(load_text(destination, length));
report('status', status);
