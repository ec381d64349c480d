// What an administrator did before you came: two dedicated queues, a mediated device on each, and two VMs.
import { start_vm } from 'lab/vm';
import { echo } from 'lab/shell';

const UUIDS = ['83b8f4f2-509f-382f-3c1e-e6bfe0fad001', '83b8f4f2-509f-382f-3c1e-e6bfe0fad002'];
const DEVICES = '/sys/bus/dsa/devices';
const DRIVERS = '/sys/bus/dsa/drivers';
const TYPE = '/sys/bus/pci/devices/0000:6a:01.0/mdev_supported_types/idxd-dsa-1dwq-v1';

function put(value: string | number, path: string): void {
  const rc = echo(value, path);
  if (rc < 0) {
    throw new Error(`${path} refused ${value}: ${rc}`);
  }
}

put(0, `${DEVICES}/engine0.0/group_id`);
for (const wq of ['wq0.0', 'wq0.1']) {
  put(0, `${DEVICES}/${wq}/group_id`);
  put(8, `${DEVICES}/${wq}/size`);
  put('dedicated', `${DEVICES}/${wq}/mode`);
  put('mdev', `${DEVICES}/${wq}/type`);
  put('tenants', `${DEVICES}/${wq}/name`);
  put(10, `${DEVICES}/${wq}/priority`);
  put(1, `${DEVICES}/${wq}/block_on_fault`);
}
put('dsa0', `${DRIVERS}/idxd/bind`);
put('wq0.0', `${DRIVERS}/dsa/bind`);
put('wq0.1', `${DRIVERS}/dsa/bind`);
for (const uuid of UUIDS) {
  put(uuid, `${TYPE}/create`);
}
start_vm('red');
start_vm('blue');
