// The VMM's side. First a test program asks for something that no guest can ask for, then the VM starts.
import { boot, plug, start_vm } from 'lab/vm';
import { ls, readlink } from 'lab/shell';
import { errname } from 'linux/errno';
import { PCI_BASE_ADDRESS_0 } from 'linux/pci';
import { close, ioctl, open, pread, pwrite } from 'libc';
import {
  VFIO_DEVICE_BIND_IOMMUFD,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_GROUP_SET_CONTAINER,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_SET_IOMMU,
  VFIO_TYPE1v2_IOMMU,
} from 'uapi/vfio';
import type { vfio_region_info } from 'uapi/vfio';

const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa4001';

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

const { device, files } = openVdev(UUID);
const config: vfio_region_info = { index: VFIO_PCI_CONFIG_REGION_INDEX };
ioctl(device, VFIO_DEVICE_GET_REGION_INFO, config);

// Both halves of BAR0 in one store of 8 bytes: a place at 1_FFFF_F000h.
const bar0 = Number(config.offset) + PCI_BASE_ADDRESS_0;
const rc = pwrite(device, Uint8Array.of(0x00, 0xf0, 0xff, 0xff, 0x01, 0, 0, 0), bar0);
console.log(`a store of 8 bytes to BAR0: ${rc < 0 ? `refused, ${errname(rc)}` : `took ${rc} bytes`}`);
pread(device, new Uint8Array(4), bar0);
files.forEach((fd) => close(fd));

const vm = start_vm('vm0');
const plugged = plug(vm, UUID);
if (typeof plugged === 'number') {
  throw new Error(`The VMM cannot open the device: ${errname(plugged)}`);
}
boot(vm);
console.log(`the guest has booted at the price of ${vm.exits} exits, ${plugged.exits} of them for this device`);
