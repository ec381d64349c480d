/** Learner scripts about a virtual accelerator: the machine they run on, and how each of them begins. */
import { dsaDevice, uuidOf } from './linux-idxd.ts';
import type { LabOptions } from './linux-machine.ts';

const MIB = 2 ** 20;

export const VDEV_UUID = uuidOf(1);

export function vdevMachine(profile: 'kvmforum2019' | 'iommufd' = 'iommufd'): LabOptions {
  return {
    profile,
    memory: { bytes: 512 * MIB },
    cpus: 4,
    devices: [dsaDevice({ wqs: 2 })],
    vms: [
      { name: 'vm0', memoryBytes: 40 * MIB, cpus: 1 },
      { name: 'vm1', memoryBytes: 40 * MIB, cpus: 2 },
    ],
    params: { modules: ['idxd'] },
  };
}

/** `queue(type)` sets a dedicated queue up, on the host or in a guest. */
const QUEUE = `
import { echo } from 'lab/shell';
const DSA = '/sys/bus/dsa/devices/';
function queue(type: string): void {
  const settings = { group_id: 0, size: 16, mode: 'dedicated', type, name: type, priority: 10 };
  for (const [file, text] of Object.entries(settings)) echo(text, DSA + 'wq0.0/' + file);
  echo('dsa0', '/sys/bus/dsa/drivers/idxd/bind');
  echo('wq0.0', '/sys/bus/dsa/drivers/dsa/bind');
}
`;

/** A dedicated queue for VMs, and a mediated device on it. */
export const CREATE_VDEV = `${QUEUE}
echo(0, DSA + 'engine0.0/group_id');
queue('mdev');
echo('${VDEV_UUID}', '/sys/bus/pci/devices/0000:6a:01.0/mdev_supported_types/idxd-dsa-1dwq-v1/create');
`;

/** The device in `vm`, which has not booted. Needs `start_vm` and `plug`. */
export const PLUG_VDEV = `
const vm = start_vm('vm0');
const vdev = plug(vm, '${VDEV_UUID}');
if (typeof vdev === 'number') throw new Error('plug: ' + vdev);
`;
