// What an administrator does before anybody can use the accelerator: one shared queue for programs, whose descriptors may wait
// for missing pages.
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
set(`${DEVICES}/wq0.0/group_id`, 0);
set(`${DEVICES}/wq0.0/size`, size);
set(`${DEVICES}/wq0.0/threshold`, size);
set(`${DEVICES}/wq0.0/mode`, 'shared');
set(`${DEVICES}/wq0.0/type`, 'user');
set(`${DEVICES}/wq0.0/name`, 'pointers');
set(`${DEVICES}/wq0.0/priority`, 10);
set(`${DEVICES}/wq0.0/block_on_fault`, 1);
set('/sys/bus/dsa/drivers/idxd/bind', 'dsa0');
set('/sys/bus/dsa/drivers/dsa/bind', 'wq0.0');
