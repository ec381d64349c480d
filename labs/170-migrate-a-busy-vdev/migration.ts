// The driver's side of a live migration: what becomes of a virtual accelerator while its VM moves.
import { EAGAIN, EINVAL } from 'linux/errno';
import { idxd_device_drain_pasid, idxd_wq_drain } from 'linux/idxd';
import {
  VFIO_DEVICE_STATE_PRE_COPY,
  VFIO_DEVICE_STATE_PRE_COPY_P2P,
  VFIO_DEVICE_STATE_RESUMING,
  VFIO_DEVICE_STATE_RUNNING,
  VFIO_DEVICE_STATE_RUNNING_P2P,
  VFIO_DEVICE_STATE_STOP,
  VFIO_DEVICE_STATE_STOP_COPY,
  mig_file_data,
  mig_file_in,
  mig_file_out,
  mig_pack,
  mig_unpack,
  vdev_enqcmds,
  vdev_enter_migration_state,
  vdev_host_pasids,
  vdev_int_handle,
  vdev_load_registers,
  vdev_map_portals,
  vdev_migration_state,
  vdev_restore_ims,
  vdev_revoke_int_handles,
  vdev_save_registers,
  vdev_start_queue,
  vdev_unmap_portals,
  vfio_mig_get_next_state,
} from 'linux/migration';
import type { mig_file } from 'linux/migration';
import { vdcm_set_ops, vdev_translate_pasid } from 'linux/vdcm';
import type { vdev } from 'linux/vdcm';

/** What is known of a device beside its registers. */
interface Side {
  /** Stores trap and wait. */
  isPaused: boolean;
  /** Descriptors that wait, oldest first. */
  waiting: Uint8Array[];
  /** Handle that the guest knows for vector 1. */
  handle: number;
  stream: mig_file | null;
}

const sides = new Map<string, Side>();

function sideOf(dev: vdev): Side {
  const known = sides.get(dev.uuid);
  if (known !== undefined) {
    return known;
  }
  const side = { isPaused: false, waiting: [], handle: vdev_int_handle(dev, 1), stream: null };
  sides.set(dev.uuid, side);
  return side;
}

// ---- descriptors ----

/** A descriptor begins with its PASID: 20 bits, and one that tells the privilege. */
const pasidOf = (desc: Uint8Array): number => new DataView(desc.buffer).getUint32(0, true) & 0xf_ffff;

/** To the queue of the host. @returns 0 or a negative error number */
function send(dev: vdev, desc: Uint8Array): number {
  // #region solution translate
  const host = vdev_translate_pasid(dev, pasidOf(desc));
  // #region starter
  const host = pasidOf(desc);
  // #endregion
  // #endregion
  return host < 0 ? host : vdev_enqcmds(dev, desc, host);
}

/** A store of the guest trapped. @returns 0; -EAGAIN for Retry */
function submit(dev: vdev, pasid: number, desc: Uint8Array): number {
  const side = sideOf(dev);
  if (!side.isPaused) {
    return vdev_enqcmds(dev, desc, vdev_translate_pasid(dev, pasid));
  }
  // #region solution queue
  if (side.waiting.length >= dev.wq.size) {
    return -EAGAIN;
  }
  side.waiting.push(desc);
  return 0;
  // #region starter
  // There is a device, and it takes descriptors.
  return vdev_enqcmds(dev, desc, vdev_translate_pasid(dev, pasid));
  // #endregion
  // #endregion
}

/** What waits goes to the queue. Others use it, too, so it can be full for a while. */
function resubmit(dev: vdev): void {
  const side = sideOf(dev);
  for (const desc of side.waiting) {
    let rc = send(dev, desc);
    while (rc === -EAGAIN) {
      rc = send(dev, desc);
    }
  }
  side.waiting = [];
}

// ---- what the states ask for ----

/** No store of the guest reaches the device any more. */
function pause(dev: vdev): void {
  sideOf(dev).isPaused = true;
  // #region solution pause
  vdev_unmap_portals(dev);
  // #region starter
  // The guest still has its portal.
  // #endregion
  // #endregion
}

/** Nothing of the guest is left in the device. */
function quiesce(dev: vdev): void {
  // #region solution drain
  for (const pasid of vdev_host_pasids(dev)) {
    idxd_device_drain_pasid(dev.idxd, pasid);
  }
  // #region starter
  // Whatever is in the queue has to come to its end.
  idxd_wq_drain(dev.wq);
  // #endregion
  // #endregion
}

function save(dev: vdev): Uint8Array {
  const { waiting } = sideOf(dev);
  const handles = Uint32Array.of(vdev_int_handle(dev, 1));
  // #region solution save
  return mig_pack([vdev_save_registers(dev), new Uint8Array(handles.buffer), ...waiting]);
  // #region starter
  console.log(`${waiting.length} descriptors wait`);
  return mig_pack([vdev_save_registers(dev), new Uint8Array(handles.buffer)]);
  // #endregion
  // #endregion
}

/** @returns null, or a negative error number */
function load(dev: vdev): null | number {
  const side = sideOf(dev);
  const [registers, handles, ...waiting] = side.stream === null ? [] : mig_unpack(mig_file_data(side.stream));
  if (registers === undefined || handles === undefined || vdev_load_registers(dev, registers) < 0) {
    return -EINVAL;
  }
  sides.set(dev.uuid, {
    isPaused: true,
    waiting,
    handle: new DataView(handles.buffer).getInt32(0, true),
    stream: null,
  });
  return null;
}

function resume(dev: vdev): null | number {
  const side = sideOf(dev);
  if (vdev_start_queue(dev) < 0) {
    return -EINVAL;
  }
  // #region solution ims
  vdev_restore_ims(dev);
  resubmit(dev);
  // #region starter
  resubmit(dev);
  vdev_restore_ims(dev);
  // #endregion
  // #endregion
  side.isPaused = false;
  vdev_map_portals(dev);
  // #region solution revoke
  if (side.handle !== vdev_int_handle(dev, 1)) {
    vdev_revoke_int_handles(dev);
  }
  // #region starter
  // The guest puts handle side.handle into its descriptors. Is it still the one of vector 1?
  // #endregion
  // #endregion
  side.handle = vdev_int_handle(dev, 1);
  return null;
}

// ---- states ----

/** One step. @returns the stream of the new state, null for none, or a negative error number */
function step(dev: vdev, next: number): mig_file | null | number {
  const side = sideOf(dev);
  const from = vdev_migration_state(dev);
  const isRunning = from === VFIO_DEVICE_STATE_RUNNING || from === VFIO_DEVICE_STATE_PRE_COPY;
  switch (next) {
    case VFIO_DEVICE_STATE_PRE_COPY:
      pause(dev);
      side.stream = mig_file_out(dev, new Uint8Array(0), true);
      return side.stream;
    case VFIO_DEVICE_STATE_RUNNING_P2P:
    case VFIO_DEVICE_STATE_PRE_COPY_P2P:
      if (isRunning) {
        pause(dev);
        quiesce(dev);
      }
      return next === VFIO_DEVICE_STATE_PRE_COPY_P2P ? side.stream : null;
    case VFIO_DEVICE_STATE_STOP_COPY:
      return mig_file_out(dev, save(dev));
    case VFIO_DEVICE_STATE_RESUMING:
      side.stream = mig_file_in(dev);
      return side.stream;
    case VFIO_DEVICE_STATE_STOP:
      return from === VFIO_DEVICE_STATE_RESUMING ? load(dev) : null;
    case VFIO_DEVICE_STATE_RUNNING:
      return resume(dev);
    default:
      return -EINVAL;
  }
}

/** The VMM wants a state. @returns its stream, null for none, or a negative error number */
function setState(dev: vdev, target: number): mig_file | null | number {
  let stream: mig_file | null = null;
  // #region solution states
  while (vdev_migration_state(dev) !== target) {
    const next = vfio_mig_get_next_state(vdev_migration_state(dev), target);
    if (next < 0) {
      return next;
    }
    const made = step(dev, next);
    if (typeof made === 'number') {
      return made;
    }
    vdev_enter_migration_state(dev, next);
    stream = made;
  }
  // #region starter
  // Straight to the target.
  const made = step(dev, target);
  if (typeof made === 'number') {
    return made;
  }
  vdev_enter_migration_state(dev, target);
  stream = made;
  // #endregion
  // #endregion
  return stream;
}

vdcm_set_ops({ submit, migration_set_state: setState });
