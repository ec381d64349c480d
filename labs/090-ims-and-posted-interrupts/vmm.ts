// The VMM's side. First a test program asks for interrupts of a device that has no address space yet; then the VM starts.
import { boot, plug, start_vm } from 'lab/vm';
import { ls } from 'lab/shell';
import { report, state_keys } from 'lab/oracle';
import { errname } from 'linux/errno';
import { close, eventfd, ioctl, open } from 'libc';
import {
  VFIO_DEVICE_BIND_IOMMUFD,
  VFIO_DEVICE_SET_IRQS,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_PCI_MSIX_IRQ_INDEX,
} from 'uapi/vfio';

const UUIDS = ['83b8f4f2-509f-382f-3c1e-e6bfe0fa9001', '83b8f4f2-509f-382f-3c1e-e6bfe0fa9002'];

const iommufd = open('/dev/iommu');
const [node] = ls(`/sys/bus/mdev/devices/${UUIDS[0]}/vfio-dev`);
const device = open(`/dev/vfio/devices/${node}`);
ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, { iommufd });
const rc = ioctl(device, VFIO_DEVICE_SET_IRQS, {
  flags: VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
  index: VFIO_PCI_MSIX_IRQ_INDEX,
  start: 0,
  count: 2,
  data: [eventfd(), eventfd()],
});
console.log(`interrupts without an address space: ${rc < 0 ? errname(rc) : 'installed'}`);
report('early result', rc);
report('early entries', state_keys('ims/').length);
close(device);
close(iommufd);

const vm = start_vm('vm0');
for (const uuid of UUIDS) {
  const plugged = plug(vm, uuid);
  if (typeof plugged === 'number') {
    throw new Error(`The VMM cannot open ${uuid}: ${errname(plugged)}`);
  }
}
boot(vm);
