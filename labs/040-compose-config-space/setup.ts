// What an administrator did before you came: a dedicated queue for virtual machines, and a mediated device on it.
import { echo } from 'lab/shell';

const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa4001';
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
put(0, `${DEVICES}/wq0.0/group_id`);
put(8, `${DEVICES}/wq0.0/size`);
put('dedicated', `${DEVICES}/wq0.0/mode`);
put('mdev', `${DEVICES}/wq0.0/type`);
put('tenants', `${DEVICES}/wq0.0/name`);
put('dsa0', `${DRIVERS}/idxd/bind`);
put('wq0.0', `${DRIVERS}/dsa/bind`);
put(UUID, `${TYPE}/create`);
