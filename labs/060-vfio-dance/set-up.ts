// What happens before a VMM starts: a queue for mediated devices, and one mediated device made of it.
import { echo } from 'lab/shell';

const DEVICES = '/sys/bus/dsa/devices';
const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';

function set(file: string, value: string | number): void {
  const result = echo(value, file);
  if (result < 0) {
    throw new Error(`echo ${value} > ${file}: ${result}`);
  }
}

set(`${DEVICES}/engine0.0/group_id`, 0);
for (const [file, value] of Object.entries({
  group_id: 0,
  size: 16,
  mode: 'dedicated',
  type: 'mdev',
  name: 'for-a-vm',
  priority: 10,
})) {
  set(`${DEVICES}/wq0.0/${file}`, value);
}
set('/sys/bus/dsa/drivers/idxd/bind', 'dsa0');
set('/sys/bus/dsa/drivers/mdev/bind', 'wq0.0');
set('/sys/class/mdev_bus/0000:6a:01.0/mdev_supported_types/idxd-dsa-1dwq-v1/create', UUID);
