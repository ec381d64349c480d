// What an administrator does before anybody can use the accelerator (accel-config does the same):
// one dedicated and one shared queue for programs, served by one engine.
import { cat, echo } from 'lab/shell';

const DEVICES = '/sys/bus/dsa/devices';

/** Writes one file, and stops when the driver refuses. */
function set(file: string, value: string | number): void {
  const result = echo(value, file);
  if (result < 0) {
    throw new Error(`echo ${value} > ${file}: ${result}`);
  }
}

function configure(wq: string, settings: { readonly [file: string]: string | number }): void {
  for (const [file, value] of Object.entries(settings)) {
    set(`${DEVICES}/${wq}/${file}`, value);
  }
}

const total = Number(cat(`${DEVICES}/dsa0/max_work_queues_size`));
set(`${DEVICES}/engine0.0/group_id`, 0);
configure('wq0.0', { group_id: 0, size: total / 2, mode: 'dedicated', type: 'user', name: 'by-hand', priority: 10 });
configure('wq0.1', {
  group_id: 0,
  size: total / 4,
  mode: 'shared',
  type: 'user',
  name: 'together',
  priority: 10,
  threshold: total / 4 - 2,
});
set('/sys/bus/dsa/drivers/idxd/bind', 'dsa0');
set('/sys/bus/dsa/drivers/dsa/bind', 'wq0.0');
set('/sys/bus/dsa/drivers/dsa/bind', 'wq0.1');
