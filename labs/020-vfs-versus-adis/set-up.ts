// What an administrator does before ADIs can be made: the accelerator at 6b:01.0 gets eight dedicated queues and is enabled.
import { echo } from 'lab/shell';

const DEVICES = '/sys/bus/dsa/devices';

function set(file: string, value: string | number): void {
  const result = echo(value, file);
  if (result < 0) {
    throw new Error(`echo ${value} > ${file}: ${result}`);
  }
}

set(`${DEVICES}/engine1.0/group_id`, 0);
for (let wq = 0; wq < 8; wq++) {
  const queue = `${DEVICES}/wq1.${wq}`;
  set(`${queue}/group_id`, 0);
  set(`${queue}/size`, 16);
  set(`${queue}/mode`, 'dedicated');
  set(`${queue}/type`, 'kernel');
  set(`${queue}/name`, `adi${wq}`);
  set(`${queue}/priority`, 10);
}
set('/sys/bus/dsa/drivers/idxd/bind', 'dsa1');
