// What a VMM does to own a device: once through container and group, once through the device's own node and iommufd.
import { report } from 'lab/oracle';
import { ls, readlink } from 'lab/shell';
import { errname } from 'linux/errno';
import {
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
  close,
  ioctl,
  mmap,
  munmap,
  open,
} from 'libc';
import {
  IOMMU_IOAS_ALLOC,
  IOMMU_IOAS_MAP,
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
} from 'uapi/iommufd';
import type { iommu_ioas_alloc } from 'uapi/iommufd';
import {
  VFIO_DEVICE_ATTACH_IOMMUFD_PT,
  VFIO_DEVICE_BIND_IOMMUFD,
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_GROUP_SET_CONTAINER,
  VFIO_IOMMU_MAP_DMA,
  VFIO_IOMMU_UNMAP_DMA,
  VFIO_PCI_BAR2_REGION_INDEX,
  VFIO_SET_IOMMU,
  VFIO_TYPE1v2_IOMMU,
} from 'uapi/vfio';
import type { vfio_device_info, vfio_region_info } from 'uapi/vfio';

const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
const SYSFS = `/sys/bus/mdev/devices/${UUID}`;
const PAGE = 4096;
const MIB = 0x10_0000;

/** A stretch of guest memory: where the guest sees it, and where it lies in this program. */
interface Section {
  readonly name: string;
  readonly gpa: number;
  readonly host: number;
  readonly bytes: number;
}

// A PC has a hole below 4 GiB, where its devices and its interrupts live. So guest memory comes in two sections.
const ram = mmap(2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
const RAM: readonly Section[] = [
  { name: 'low', gpa: 0, host: ram, bytes: MIB },
  { name: 'high', gpa: 0x1_0000_0000, host: ram + MIB, bytes: MIB },
];

/** Prints the result of a call and tells the lab. */
function did(what: string, result: number): number {
  console.log(what, result < 0 ? `-${errname(result)}` : result);
  report(what, result);
  return result;
}

const groupNode = (): string => `/dev/vfio/${readlink(`${SYSFS}/iommu_group`)?.split('/').at(-1)}`;
const deviceNode = (): string => `/dev/vfio/devices/${ls(`${SYSFS}/vfio-dev`)[0]}`;

// ---- container and group ----

/** Lets the device reach a section at the address where the guest sees it. */
function mapDma(container: number, { gpa, host, bytes }: Section): number {
  // #region solution map
  return ioctl(container, VFIO_IOMMU_MAP_DMA, {
    flags: VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
    vaddr: host,
    iova: gpa,
    size: bytes,
  });
  // #region starter
  // The guest will tell the device addresses of its own, such as gpa. What will the device find there?
  return ioctl(container, VFIO_IOMMU_MAP_DMA, {
    flags: VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
    vaddr: host,
    iova: host,
    size: bytes,
  });
  // #endregion
  // #endregion
}

interface Opened {
  readonly files: readonly number[];
  readonly device: number;
}

function openByGroup(): Opened {
  const container = did('open container', open('/dev/vfio/vfio'));
  const group = did('open group', open(groupNode()));
  // #region solution group
  did('SET_CONTAINER', ioctl(group, VFIO_GROUP_SET_CONTAINER, container));
  did('SET_IOMMU', ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
  for (const section of RAM) {
    did(`MAP_DMA ${section.name}`, mapDma(container, section));
  }
  const device = did('GET_DEVICE_FD', ioctl(group, VFIO_GROUP_GET_DEVICE_FD, UUID));
  // #region starter
  // All the right calls. Every error number says that something else comes first.
  const device = did('GET_DEVICE_FD', ioctl(group, VFIO_GROUP_GET_DEVICE_FD, UUID));
  for (const section of RAM) {
    did(`MAP_DMA ${section.name}`, mapDma(container, section));
  }
  did('SET_IOMMU', ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
  did('SET_CONTAINER', ioctl(group, VFIO_GROUP_SET_CONTAINER, container));
  // #endregion
  // #endregion
  return { files: [device, group, container], device };
}

// ---- what kind of device is it? ----

/** The answer to VFIO_DEVICE_GET_REGION_INFO, with its capability chain. */
interface RegionAnswer extends vfio_region_info {
  readonly caps?: readonly { readonly areas?: readonly { readonly offset: number; readonly size: number }[] }[];
}

/** Maps the first part of BAR2 that may be mapped. Returns where, or a negative number. */
function mapPortal(device: number): number {
  const info: vfio_device_info = {};
  did('GET_INFO', ioctl(device, VFIO_DEVICE_GET_INFO, info));
  report('regions', info.num_regions ?? 0);
  const region: RegionAnswer = { index: VFIO_PCI_BAR2_REGION_INDEX, argsz: 256 };
  did('GET_REGION_INFO', ioctl(device, VFIO_DEVICE_GET_REGION_INFO, region));
  // #region solution portal
  const area = region.caps?.[0]?.areas?.[0];
  if (area === undefined) {
    return -1;
  }
  return mmap(area.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, Number(region.offset) + area.offset);
  // #region starter
  // The region says where it begins in the file, and which parts of it may be mapped.
  return mmap(Number(region.size ?? 0), PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
  // #endregion
  // #endregion
}

/** Gives everything back. */
function closeAll(opened: Opened, portal: number): void {
  // #region solution close
  if (portal > 0) {
    munmap(portal, PAGE);
  }
  for (const fd of opened.files) {
    close(fd);
  }
  // #region starter
  // A mapping keeps its file open, and there are three files.
  console.log('portal', console.hex(portal));
  close(opened.device);
  // #endregion
  // #endregion
}

const first = openByGroup();
const portal = did('map portal', mapPortal(first.device));
report('portal begins', portal);
closeAll(first, portal);
report('closed', 1);

// ---- wrong on purpose ----

/** Maps memory while the container has no IOMMU. */
function mapTooEarly(container: number): number {
  // #region solution early-map
  return mapDma(container, RAM[0]);
  // #region starter
  return 0;
  // #endregion
  // #endregion
}

/** Asks for the device while the container has no IOMMU. */
function deviceTooEarly(group: number): number {
  // #region solution early-device
  return ioctl(group, VFIO_GROUP_GET_DEVICE_FD, UUID);
  // #region starter
  return 0;
  // #endregion
  // #endregion
}

/** Maps a page where the interrupts of a PC are: 0xFEE00000. */
function mapInterrupts(container: number): number {
  // #region solution window
  return mapDma(container, { ...RAM[0], gpa: 0xfee0_0000, bytes: PAGE });
  // #region starter
  return 0;
  // #endregion
  // #endregion
}

/** Maps a page once more that a section covers already. */
function mapTwice(container: number): number {
  // #region solution twice
  return mapDma(container, { ...RAM[0], bytes: PAGE });
  // #region starter
  return 0;
  // #endregion
  // #endregion
}

/** Unmaps the first half of the low section. */
function unmapHalf(container: number): number {
  // #region solution half
  return ioctl(container, VFIO_IOMMU_UNMAP_DMA, { iova: RAM[0].gpa, size: RAM[0].bytes / 2 });
  // #region starter
  return 0;
  // #endregion
  // #endregion
}

function wrongOnPurpose(): void {
  const container = open('/dev/vfio/vfio');
  const group = open(groupNode());
  ioctl(group, VFIO_GROUP_SET_CONTAINER, container);
  did('map too early', mapTooEarly(container));
  did('device too early', deviceTooEarly(group));
  ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
  mapDma(container, RAM[0]);
  did('map interrupts', mapInterrupts(container));
  did('map twice', mapTwice(container));
  did('unmap half', unmapHalf(container));
  close(group);
  close(container);
}

wrongOnPurpose();

// ---- the device's own node ----

/** Asks the device about itself before anybody bound it. */
function infoTooEarly(device: number): number {
  // #region solution early-info
  return ioctl(device, VFIO_DEVICE_GET_INFO, {});
  // #region starter
  return 0;
  // #endregion
  // #endregion
}

/** Puts a section into an address space of iommufd. */
function mapIoas(iommufd: number, ioas_id: number, { gpa, host, bytes }: Section): number {
  return ioctl(iommufd, IOMMU_IOAS_MAP, {
    flags: IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
    ioas_id,
    user_va: host,
    iova: gpa,
    length: bytes,
  });
}

function openByNode(): void {
  const iommufd = did('open iommufd', open('/dev/iommu'));
  const device = did('open device', open(deviceNode()));
  did('info too early', infoTooEarly(device));
  const ioas: iommu_ioas_alloc = {};
  // #region solution cdev
  did('BIND_IOMMUFD', ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, { iommufd }));
  did('IOAS_ALLOC', ioctl(iommufd, IOMMU_IOAS_ALLOC, ioas));
  for (const section of RAM) {
    did(`IOAS_MAP ${section.name}`, mapIoas(iommufd, ioas.out_ioas_id ?? 0, section));
  }
  did('ATTACH_IOMMUFD_PT', ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, { pt_id: ioas.out_ioas_id }));
  // #region starter
  // The device is attached to an address space before there is one. What has to come first?
  did('ATTACH_IOMMUFD_PT', ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, { pt_id: ioas.out_ioas_id }));
  for (const section of RAM) {
    did(`IOAS_MAP ${section.name}`, mapIoas(iommufd, ioas.out_ioas_id ?? 0, section));
  }
  did('IOAS_ALLOC', ioctl(iommufd, IOMMU_IOAS_ALLOC, ioas));
  did('BIND_IOMMUFD', ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, { iommufd }));
  // #endregion
  // #endregion
}

report('second dance', 1);
openByNode();
