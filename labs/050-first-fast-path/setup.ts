// What an administrator did before you came: a dedicated and a shared queue, and a mediated device on each.
import { echo } from 'lab/shell';

const DEDICATED = '83b8f4f2-509f-382f-3c1e-e6bfe0fa5001';
const SHARED = '83b8f4f2-509f-382f-3c1e-e6bfe0fa5002';
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
for (const [wq, mode] of [
  ['wq0.0', 'shared'],
  ['wq0.1', 'dedicated'],
]) {
  put(0, `${DEVICES}/${wq}/group_id`);
  put(8, `${DEVICES}/${wq}/size`);
  put(mode ?? '', `${DEVICES}/${wq}/mode`);
  put('mdev', `${DEVICES}/${wq}/type`);
  put('tenants', `${DEVICES}/${wq}/name`);
}
put(8, `${DEVICES}/wq0.0/threshold`);
put('dsa0', `${DRIVERS}/idxd/bind`);
put('wq0.0', `${DRIVERS}/dsa/bind`);
put('wq0.1', `${DRIVERS}/dsa/bind`);
put(DEDICATED, `${TYPES}/idxd-dsa-1dwq-v1/create`);
put(SHARED, `${TYPES}/idxd-dsa-1swq-v1/create`);
