// What an administrator did before you came: two accelerators with a shared queue each, and a mediated device for each VM.
import { start_vm, plug, boot, run_in } from 'lab/vm';
import type { guest_device, vm } from 'lab/vm';
import { echo } from 'lab/shell';
import { errname } from 'linux/errno';
import { idxd_from_pci, idxd_set_user_intr } from 'linux/idxd';
import { pci_devices } from 'linux/pci';

/** Device by VM. `red` moves: first to the other accelerator, then back. */
const UUIDS = {
  red: '83b8f4f2-509f-382f-3c1e-e6bfe0fb7001',
  blue: '83b8f4f2-509f-382f-3c1e-e6bfe0fb7002',
  'red-there': '83b8f4f2-509f-382f-3c1e-e6bfe0fb7004',
  'red-back': '83b8f4f2-509f-382f-3c1e-e6bfe0fb7005',
} as const;
type VmName = keyof typeof UUIDS;

const DEVICES = '/sys/bus/dsa/devices';
const DRIVERS = '/sys/bus/dsa/drivers';
const TYPE = 'mdev_supported_types/idxd-dsa-1swq-v1';

function put(value: string | number, path: string): void {
  const rc = echo(value, path);
  if (rc < 0) {
    throw new Error(`${path} refused ${value}: ${rc}`);
  }
}

for (const [i, dev] of pci_devices().entries()) {
  const wq = `wq${i}.0`;
  put(0, `${DEVICES}/engine${i}.0/group_id`);
  put(0, `${DEVICES}/${wq}/group_id`);
  put(16, `${DEVICES}/${wq}/size`);
  put(16, `${DEVICES}/${wq}/threshold`);
  put('shared', `${DEVICES}/${wq}/mode`);
  put('mdev', `${DEVICES}/${wq}/type`);
  put('tenants', `${DEVICES}/${wq}/name`);
  put(10, `${DEVICES}/${wq}/priority`);
  put(1, `${DEVICES}/${wq}/block_on_fault`);
  idxd_set_user_intr(idxd_from_pci(dev)!, true);
  put(`dsa${i}`, `${DRIVERS}/idxd/bind`);
  put(wq, `${DRIVERS}/dsa/bind`);
}
for (const [name, uuid] of Object.entries(UUIDS)) {
  const bdf = name === 'red-there' ? '0000:6f:01.0' : '0000:6a:01.0';
  put(uuid, `/sys/bus/pci/devices/${bdf}/${TYPE}/create`);
}

export interface Machine {
  readonly vm: vm;
  readonly device: guest_device;
}

/** The VMM of a VM, with its device plugged and nothing running. */
export function prepare(name: VmName): Machine {
  const vm = start_vm(name);
  const device = plug(vm, UUIDS[name]);
  if (typeof device === 'number') {
    throw new Error(`The VMM cannot open the device of ${name}: ${errname(device)}`);
  }
  return { vm, device };
}

/** A VM with a guest, and in its guest a queue for programs. */
export function start(name: VmName): Machine {
  const machine = prepare(name);
  boot(machine.vm, { modules: ['idxd'] });
  run_in(machine.vm, () => {
    put('user', `${DEVICES}/wq0.0/type`);
    put('app', `${DEVICES}/wq0.0/name`);
    put('dsa0', `${DRIVERS}/idxd/bind`);
    put('wq0.0', `${DRIVERS}/dsa/bind`);
  });
  return machine;
}
