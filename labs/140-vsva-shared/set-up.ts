// What an administrator did before you came: one shared queue for VMs, a mediated device on it for each VM, and the VMs.
import { start_vm } from 'lab/vm';
import { echo } from 'lab/shell';

const UUIDS = [
  '83b8f4f2-509f-382f-3c1e-e6bfe0fae001',
  '83b8f4f2-509f-382f-3c1e-e6bfe0fae002',
  '83b8f4f2-509f-382f-3c1e-e6bfe0fae003',
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

start_vm('red');
start_vm('blue');
// Its KVM is older than the translation of PASIDs.
start_vm('old', { pasid_translation: false });
