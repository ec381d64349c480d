// The VMM's side. First a test program asks for something that no guest can ask for, then the VM starts.
import { boot, plug, start_vm } from 'lab/vm';
import { ls } from 'lab/shell';
import { errname } from 'linux/errno';
import { PCI_BASE_ADDRESS_0 } from 'linux/pci';
import { close, ioctl, open, pread, pwrite } from 'libc';
import { VFIO_DEVICE_BIND_IOMMUFD, VFIO_DEVICE_GET_REGION_INFO, VFIO_PCI_CONFIG_REGION_INDEX } from 'uapi/vfio';
import type { vfio_region_info } from 'uapi/vfio';

const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa4001';

const iommufd = open('/dev/iommu');
const device = open(`/dev/vfio/devices/${ls('/dev/vfio/devices')[0]}`);
ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, { iommufd });
const config: vfio_region_info = { index: VFIO_PCI_CONFIG_REGION_INDEX };
ioctl(device, VFIO_DEVICE_GET_REGION_INFO, config);

// Both halves of BAR0 in one store of 8 bytes: a place at 1_FFFF_F000h.
const bar0 = Number(config.offset) + PCI_BASE_ADDRESS_0;
const rc = pwrite(device, Uint8Array.of(0x00, 0xf0, 0xff, 0xff, 0x01, 0, 0, 0), bar0);
console.log(`a store of 8 bytes to BAR0: ${rc < 0 ? `refused, ${errname(rc)}` : `took ${rc} bytes`}`);
pread(device, new Uint8Array(4), bar0);
close(device);
close(iommufd);

const vm = start_vm('vm0');
const plugged = plug(vm, UUID);
if (typeof plugged === 'number') {
  throw new Error(`The VMM cannot open the device: ${errname(plugged)}`);
}
boot(vm);
console.log(`the guest has booted at the price of ${vm.exits} exits, ${plugged.exits} of them for this device`);
