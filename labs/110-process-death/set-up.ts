// What an administrator does first: a shared queue for programs, and a dedicated one for the driver in this lab.
import { cat, echo } from 'lab/shell';

const DEVICES = '/sys/bus/dsa/devices';

/** Writes one file, and stops when the driver refuses. */
function set(file: string, value: string | number): void {
  const result = echo(value, file);
  if (result < 0) {
    throw new Error(`echo ${value} > ${file}: ${result}`);
  }
}

const size = Number(cat(`${DEVICES}/dsa0/max_work_queues_size`)) / 4;
set(`${DEVICES}/engine0.0/group_id`, 0);
for (const [wq, mode] of [['wq0.0', 'shared'], ['wq0.1', 'dedicated']] as const) {
  set(`${DEVICES}/${wq}/group_id`, 0);
  set(`${DEVICES}/${wq}/size`, size);
  set(`${DEVICES}/${wq}/mode`, mode);
  if (mode === 'shared') {
    set(`${DEVICES}/${wq}/threshold`, size);
  }
  set(`${DEVICES}/${wq}/type`, 'user');
  set(`${DEVICES}/${wq}/name`, 'mortal');
  set(`${DEVICES}/${wq}/priority`, 10);
}
set('/sys/bus/dsa/drivers/idxd/bind', 'dsa0');
set('/sys/bus/dsa/drivers/dsa/bind', 'wq0.0');
set('/sys/bus/dsa/drivers/dsa/bind', 'wq0.1');
