// The VMM's side. First a test program asks for mappings, good and bad ones; then the VM starts.
import { boot, kvm_pasid_map, plug, start_vm } from 'lab/vm';
import { ls, readlink } from 'lab/shell';
import { report } from 'lab/oracle';
import { errname } from 'linux/errno';
import { vdcm_vdevs } from 'linux/vdcm';
import { MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE, close, ioctl, mmap, munmap, open } from 'libc';
import {
  VFIO_DEVICE_BIND_IOMMUFD,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_GROUP_SET_CONTAINER,
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_BAR2_REGION_INDEX,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_SET_IOMMU,
  VFIO_TYPE1v2_IOMMU,
} from 'uapi/vfio';
import type { vfio_region_info } from 'uapi/vfio';

const DEDICATED = '83b8f4f2-509f-382f-3c1e-e6bfe0fa5001';
const SHARED = '83b8f4f2-509f-382f-3c1e-e6bfe0fa5002';
const PAGE = 4096;

/** Opens a device as this kernel offers it: by a node of its own or, in 2019, by its group in a container. */
function openVdev(uuid: string): { readonly device: number; readonly files: readonly number[] } {
  const [node] = ls(`/sys/bus/mdev/devices/${uuid}/vfio-dev`);
  if (node !== undefined) {
    const iommufd = open('/dev/iommu');
    const device = open(`/dev/vfio/devices/${node}`);
    ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, { iommufd });
    return { device, files: [device, iommufd] };
  }
  const container = open('/dev/vfio/vfio');
  const link = readlink(`/sys/bus/mdev/devices/${uuid}/iommu_group`) ?? '';
  const group = open(`/dev/vfio/${link.split('/').at(-1)}`);
  ioctl(group, VFIO_GROUP_SET_CONTAINER, container);
  ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
  const device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, uuid);
  return { device, files: [device, group, container] };
}

function regionOf(device: number, index: number): vfio_region_info {
  const info: vfio_region_info = { index, argsz: 256 };
  ioctl(device, VFIO_DEVICE_GET_REGION_INFO, info);
  return info;
}

/** Offsets and sizes of the sparse list, as user space reads them. */
function areasOf(info: vfio_region_info): string {
  const sparse = info.caps?.find((cap) => cap.id === VFIO_REGION_INFO_CAP_SPARSE_MMAP);
  return (sparse?.areas ?? []).map((area) => `${area.offset}+${area.size}`).join(' ');
}

function attempt(what: string, length: number, flags: number, device: number, offset: number): void {
  const rc = mmap(length, PROT_READ | PROT_WRITE, flags, device, offset);
  console.log(`  ${what}: ${rc < 0 ? errname(rc) : 'mapped'}`);
  report(`mmap ${what}`, rc < 0 ? rc : 0);
  if (rc > 0) {
    munmap(rc, length);
  }
}

const { device: own, files } = openVdev(DEDICATED);
const bar0 = Number(regionOf(own, VFIO_PCI_BAR0_REGION_INDEX).offset);
const info = regionOf(own, VFIO_PCI_BAR2_REGION_INDEX);
const bar2 = Number(info.offset);
report('areas dedicated', areasOf(info));
console.log(`dedicated queue, areas ${areasOf(info)}`);
attempt('of a private page', PAGE, MAP_PRIVATE, own, bar2);
attempt('of two pages at once', 2 * PAGE, MAP_SHARED, own, bar2);
attempt('of the registers', PAGE, MAP_SHARED, own, bar0);
attempt('behind the end', PAGE, MAP_SHARED, own, bar2 + 2 * PAGE);
attempt('of a portal', PAGE, MAP_SHARED, own, bar2);
files.forEach((fd) => close(fd));

const { device: shared, files: sharedFiles } = openVdev(SHARED);
const sharedInfo = regionOf(shared, VFIO_PCI_BAR2_REGION_INDEX);
report('areas shared', areasOf(sharedInfo));
console.log(`shared queue, areas ${areasOf(sharedInfo)}`);
attempt('of the trapped portal', PAGE, MAP_SHARED, shared, Number(sharedInfo.offset));
sharedFiles.forEach((fd) => close(fd));

const vm = start_vm('vm0');
for (const uuid of [DEDICATED, SHARED]) {
  const plugged = plug(vm, uuid);
  if (typeof plugged === 'number') {
    throw new Error(`The VMM cannot open ${uuid}: ${errname(plugged)}`);
  }
}
// The guest's kernel submits with PASID 0. The CPU puts the host's PASID for the memory of this VM in its place.
for (const dev of vdcm_vdevs()) {
  if (dev.wq.mode === 'shared') {
    kvm_pasid_map(vm, 0, dev.default_pasid);
  }
}
boot(vm);
