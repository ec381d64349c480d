// What an administrator did before you came: one shared queue for VMs, a mediated device on it for each VM, and two VMs.
import { boot, plug, run_in, start_vm } from 'lab/vm';
import type { guest_device } from 'lab/vm';
import { echo } from 'lab/shell';

const UUIDS = [
  '83b8f4f2-509f-382f-3c1e-e6bfe0faf001',
  '83b8f4f2-509f-382f-3c1e-e6bfe0faf002',
];
const DEVICES = '/sys/bus/dsa/devices';
const DRIVERS = '/sys/bus/dsa/drivers';
const TYPE = '/sys/bus/pci/devices/0000:6a:01.0/mdev_supported_types/idxd-dsa-1swq-v1';

function put(value: string | number, path: string): void {
  const rc = echo(value, path);
  if (rc < 0) {
    throw new Error(`${path} refused ${value}: ${rc}`);
  }
}

put(0, `${DEVICES}/engine0.0/group_id`);
put(0, `${DEVICES}/wq0.0/group_id`);
put(16, `${DEVICES}/wq0.0/size`);
put(12, `${DEVICES}/wq0.0/threshold`);
put('shared', `${DEVICES}/wq0.0/mode`);
put('mdev', `${DEVICES}/wq0.0/type`);
put('tenants', `${DEVICES}/wq0.0/name`);
put(10, `${DEVICES}/wq0.0/priority`);
put(1, `${DEVICES}/wq0.0/block_on_fault`);
put('dsa0', `${DRIVERS}/idxd/bind`);
put('wq0.0', `${DRIVERS}/dsa/bind`);
for (const uuid of UUIDS) {
  put(uuid, `${TYPE}/create`);
}

/** Devices of the VMs, as their guests see them. */
export const devices = new Map<string, guest_device>();

// Each VM with its device, and in its guest a queue for programs.
for (const [i, name] of ['red', 'blue'].entries()) {
  const vm = start_vm(name);
  const plugged = plug(vm, UUIDS[i] ?? '');
  if (typeof plugged === 'number') {
    throw new Error(`The VMM cannot open the device of ${name}: ${plugged}`);
  }
  devices.set(name, plugged);
  boot(vm, { modules: ['idxd'] });
  run_in(vm, () => {
    put('user', `${DEVICES}/wq0.0/type`);
    put('app', `${DEVICES}/wq0.0/name`);
    put('dsa0', `${DRIVERS}/idxd/bind`);
    put('wq0.0', `${DRIVERS}/dsa/bind`);
  });
}
