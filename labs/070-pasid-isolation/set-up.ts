// What an administrator does: two dedicated queues on one engine, the device enabled, the queues still off.
import { echo } from 'lab/shell';

const DEVICES = '/sys/bus/dsa/devices';

function set(file: string, value: string | number): void {
  const result = echo(value, file);
  if (result < 0) {
    throw new Error(`echo ${value} > ${file}: ${result}`);
  }
}

set(`${DEVICES}/engine0.0/group_id`, 0);
for (const wq of ['wq0.0', 'wq0.1']) {
  set(`${DEVICES}/${wq}/group_id`, 0);
  set(`${DEVICES}/${wq}/size`, 16);
  set(`${DEVICES}/${wq}/mode`, 'dedicated');
  set(`${DEVICES}/${wq}/type`, 'kernel');
  set(`${DEVICES}/${wq}/name`, `tenant-${wq}`);
  set(`${DEVICES}/${wq}/priority`, 10);
}
set('/sys/bus/dsa/drivers/idxd/bind', 'dsa0');
