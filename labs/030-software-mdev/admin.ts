// What an administrator does with the driver: loads it, makes devices until none is left, removes one that is in use,
// unloads the driver.
import { run_as, spawn } from 'lab/process';
import { report } from 'lab/oracle';
import { cat, echo, ls } from 'lab/shell';
import { close, ioctl, open, pread } from 'libc';
import { VFIO_DEVICE_BIND_IOMMUFD } from 'uapi/vfio';
import { load, unload } from './port-pool.ts';

const CARD = '/sys/bus/pci/devices/0000:03:00.0';
const SLOTS = '/sys/bus/pci/devices/0000:04:00.0';

let made = 0;
/** A new UUID each time. */
const uuid = (): string => `83b8f4f2-509f-382f-3c1e-${String(++made).padStart(12, '0')}`;

const fileOf = (type: string, file: string, card = CARD): string =>
  `${card}/mdev_supported_types/pci-${type}/${file}`;

/** echo UUID > create */
function create(type: string, id = uuid(), card = CARD): number {
  const result = echo(id, fileOf(type, 'create', card));
  console.log(`create ${type} ${id}: ${result}`);
  return Math.min(result, 0);
}

const remove = (id: string): number => echo(1, `/sys/bus/mdev/devices/${id}/remove`);

/** Tells the lab what the files say now. */
function counts(when: string): void {
  for (const type of ['single', 'dual']) {
    const text = cat(fileOf(type, 'available_instances'));
    console.log(when, type, text);
    report(`${type} ${when}`, text);
  }
}

load();
report('types', ls(`${CARD}/mdev_supported_types`).join(' '));
report('device_api', cat(fileOf('single', 'device_api')));
counts('at first');

// ---- as many as there are ----

const first = uuid();
report('create first', create('single', first));
counts('after first');
report('create twice', create('dual', first));

const open_one = uuid();
report('create dual', create('dual', open_one));
while (Number(cat(fileOf('dual', 'available_instances'))) > 0 && made < 20) {
  create('dual');
}
counts('after duals');
report('dual too many', create('dual'));
create('single');
counts('when full');
report('single too many', create('single'));

// ---- removed while it is open ----

/** Ports of the open device, as the program reads them. */
function portsRead(fd: number): string {
  const bytes = new Uint8Array(4);
  return bytes.subarray(0, Math.max(0, pread(fd, bytes, 0))).join(' ');
}

const vmm = spawn('vmm');
const node = ls(`/sys/bus/mdev/devices/${open_one}/vfio-dev`)[0];
const files = run_as(vmm, () => {
  const iommufd = open('/dev/iommu');
  const fd = open(`/dev/vfio/devices/${node}`);
  ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, { iommufd });
  return { iommufd, fd };
});
report('ports before', run_as(vmm, () => portsRead(files.fd)));
console.log('remove while open:', remove(open_one));
report('create while open', create('single'));
report('ports while open', run_as(vmm, () => portsRead(files.fd)));
run_as(vmm, () => {
  close(files.fd);
  close(files.iommufd);
});
counts('after close');

// ---- slots ----

const slot = uuid();
report('slot 1', create('slot', slot, SLOTS));
report('slot 2', create('slot', uuid(), SLOTS));
report('slot 3', create('slot', uuid(), SLOTS));
remove(slot);
report('slot again', create('slot', uuid(), SLOTS));

// ---- the end ----

unload();
console.log('left:', ls('/sys/class/mdev_bus'), ls('/sys/bus/mdev/devices'), ls('/sys/bus/mdev/drivers'));
