// The VMM's side of a live migration, as QEMU does it: states of the device, its saved state, and everything that is not the device's.
import {
  move_guest,
  read_migration_data,
  run_in,
  set_migration_state,
  shutdown_vm,
  write_migration_data,
} from 'lab/vm';
import { advance } from 'hw';
import { report } from 'lab/oracle';
import { errname } from 'linux/errno';
import {
  VFIO_DEVICE_STATE_PRE_COPY,
  VFIO_DEVICE_STATE_PRE_COPY_P2P,
  VFIO_DEVICE_STATE_RESUMING,
  VFIO_DEVICE_STATE_RUNNING,
  VFIO_DEVICE_STATE_RUNNING_P2P,
  VFIO_DEVICE_STATE_STOP_COPY,
} from 'linux/migration';
import type { Machine } from './set-up.ts';

function must(rc: number, what: string): void {
  if (rc < 0) {
    throw new Error(`${what}: ${errname(rc)}`);
  }
}

/**
 * Moves a VM.
 * @param destination a VMM with a device of the same type, and nothing running
 * @param meanwhile what its guest does while the device is on the slow path already
 */
export function migrate(source: Machine, destination: Machine, meanwhile: () => void): Machine {
  // The guest still runs. Memory would be copied now, round after round.
  must(set_migration_state(source.device, VFIO_DEVICE_STATE_PRE_COPY), 'PRE_COPY');
  meanwhile();
  must(set_migration_state(source.device, VFIO_DEVICE_STATE_PRE_COPY_P2P), 'PRE_COPY_P2P');
  // The last its CPUs do here.
  run_in(source.vm, () => advance(1000));
  report('stopped', source.vm.name);
  must(set_migration_state(source.device, VFIO_DEVICE_STATE_STOP_COPY), 'STOP_COPY');
  const data = read_migration_data(source.device);
  if (typeof data === 'number') {
    throw new Error(`The stream of ${source.vm.name}: ${errname(data)}`);
  }
  must(set_migration_state(destination.device, VFIO_DEVICE_STATE_RESUMING), 'RESUMING');
  must(write_migration_data(destination.device, data), 'write');
  // Memory, CPUs, IOMMU, BARs. The interrupts of the device are installed here, with eventfds of the new VMM.
  move_guest(source.vm, destination.vm);
  must(set_migration_state(destination.device, VFIO_DEVICE_STATE_RUNNING_P2P), 'RUNNING_P2P');
  must(set_migration_state(destination.device, VFIO_DEVICE_STATE_RUNNING), 'RUNNING');
  report('goes on', destination.vm.name);
  shutdown_vm(source.vm);
  return destination;
}
