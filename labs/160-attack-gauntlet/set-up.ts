// What an administrator did before you came: a shared queue for VMs, two dedicated ones, a mediated device for each tenant.
import { start_vm } from 'lab/vm';
import { echo } from 'lab/shell';

/** Device by tenant: three VMs, and two VMMs of their own making. */
export const UUIDS = {
  red: '83b8f4f2-509f-382f-3c1e-e6bfe0fb6001',
  blue: '83b8f4f2-509f-382f-3c1e-e6bfe0fb6002',
  old: '83b8f4f2-509f-382f-3c1e-e6bfe0fb6003',
  mallory: '83b8f4f2-509f-382f-3c1e-e6bfe0fb6004',
  dora: '83b8f4f2-509f-382f-3c1e-e6bfe0fb6005',
} as const;

const DEVICES = '/sys/bus/dsa/devices';
const DRIVERS = '/sys/bus/dsa/drivers';
const TYPES = '/sys/bus/pci/devices/0000:6a:01.0/mdev_supported_types';

function put(value: string | number, path: string): void {
  const rc = echo(value, path);
  if (rc < 0) {
    throw new Error(`${path} refused ${value}: ${rc}`);
  }
}

put(0, `${DEVICES}/engine0.0/group_id`);
for (const [wq, mode] of [['wq0.0', 'shared'], ['wq0.1', 'dedicated'], ['wq0.2', 'dedicated']] as const) {
  put(0, `${DEVICES}/${wq}/group_id`);
  put(16, `${DEVICES}/${wq}/size`);
  put(mode, `${DEVICES}/${wq}/mode`);
  if (mode === 'shared') {
    put(12, `${DEVICES}/${wq}/threshold`);
  }
  put('mdev', `${DEVICES}/${wq}/type`);
  put('tenants', `${DEVICES}/${wq}/name`);
  put(10, `${DEVICES}/${wq}/priority`);
  put(1, `${DEVICES}/${wq}/block_on_fault`);
}
put('dsa0', `${DRIVERS}/idxd/bind`);
for (const wq of ['wq0.0', 'wq0.1', 'wq0.2']) {
  put(wq, `${DRIVERS}/dsa/bind`);
}
for (const tenant of ['red', 'blue', 'old'] as const) {
  put(UUIDS[tenant], `${TYPES}/idxd-dsa-1swq-v1/create`);
}
for (const tenant of ['mallory', 'dora'] as const) {
  put(UUIDS[tenant], `${TYPES}/idxd-dsa-1dwq-v1/create`);
}

start_vm('red');
start_vm('blue');
// Its KVM is older than the translation of PASIDs.
start_vm('old', { pasid_translation: false });
