/** What the editor shows of `linux/migration`. */
import { MIGRATION_STATE } from '../../../linux/vfio/migration-state.ts';

const MEANING: Readonly<Record<keyof typeof MIGRATION_STATE, string>> = {
  ERROR: 'The device is of no use. Only a reset leads out',
  STOP: 'Nothing of the guest is in the device, and nothing changes in it',
  RUNNING: 'Works',
  STOP_COPY: 'As STOP, and the saved state can be read from a stream',
  RESUMING: 'As STOP, and a saved state can be written to a stream',
  RUNNING_P2P: 'Works, but starts no DMA by itself',
  PRE_COPY: 'Works, and what is known already can be read from a stream',
  PRE_COPY_P2P: 'As RUNNING_P2P, with the stream of PRE_COPY',
};

const states = Object.entries(MIGRATION_STATE)
  .map(
    ([name, value]) =>
      `/** ${MEANING[name as keyof typeof MIGRATION_STATE]}. include/uapi/linux/vfio.h */\nexport declare const VFIO_DEVICE_STATE_${name}: ${value};`,
  )
  .join('\n');

export const MIGRATION_TYPES = `import type { vdev } from 'linux/vdcm';

${states}

/** The stream of a device in a state that has one. */
export interface mig_file {
  /** More may come at its end: the device has not stopped. */
  readonly is_pre_copy: boolean;
}

/**
 * The next state on the way from one to another: a driver carries out single steps only.
 * @returns a state, or -EINVAL where no way leads
 */
export declare function vfio_mig_get_next_state(cur_state: number, new_state: number): number;
/** State that the VMM is told. */
export declare function vdev_migration_state(vdev: vdev): number;
/** A step has been made: the device is in this state from now on. It leaves a record. */
export declare function vdev_enter_migration_state(vdev: vdev, state: number): void;

/** A stream that the VMM reads. \`is_pre_copy\`: the device still works, so the end of the data is not the end of the stream. */
export declare function mig_file_out(vdev: vdev, data: Uint8Array, is_pre_copy?: boolean): mig_file;
/** A stream that the VMM writes. */
export declare function mig_file_in(vdev: vdev): mig_file;
/** What the VMM has written to a stream. */
export declare function mig_file_data(file: mig_file): Uint8Array;
/** Pieces in one, each behind its length. */
export declare function mig_pack(pieces: readonly Uint8Array[]): Uint8Array;
/** The pieces that mig_pack() got; an empty array for anything else. */
export declare function mig_unpack(data: Uint8Array): Uint8Array[];

/** Takes the portal pages from the guest: its stores trap from now on (unmap_mapping_range). */
export declare function vdev_unmap_portals(vdev: vdev): void;
/** The portal pages are the guest's again. */
export declare function vdev_map_portals(vdev: vdev): void;
/** Every host PASID that descriptors of the guest can carry. */
export declare function vdev_host_pasids(vdev: vdev): number[];
/**
 * Sends a descriptor of the guest to the queue, with a PASID of the host in place of the guest's.
 * @returns 0, or -EAGAIN when the queue stays full
 */
export declare function vdev_enqcmds(vdev: vdev, desc: Uint8Array, host_pasid: number): number;

/** Configuration space and BAR0 of the virtual device, as the guest has written them. */
export declare function vdev_save_registers(vdev: vdev): Uint8Array;
/**
 * Restores what vdev_save_registers() gave for another device. The queue stays off.
 * @returns 0; -EINVAL when the type or the queue does not fit
 */
export declare function vdev_load_registers(vdev: vdev, data: Uint8Array): number;
/** Enable WQ, when the queue was on in what was loaded. @returns 0 or -EIO */
export declare function vdev_start_queue(vdev: vdev): number;
/** Writes each vector's entry of the message store: PASID of its permission, translated, and mask. */
export declare function vdev_restore_ims(vdev: vdev): void;
/** Handle that descriptors name for a vector. @returns it, or -ENOSPC for a vector without one */
export declare function vdev_int_handle(vdev: vdev, vector: number): number;
/** Tells the guest that its handles are void: Interrupt Handles Revoked in INTCAUSE, and vector 0. */
export declare function vdev_revoke_int_handles(vdev: vdev): void;
`;
