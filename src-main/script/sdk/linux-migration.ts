/** `linux/migration`: what a driver's side of a live migration is made of, for virtual accelerators. */
import { EINVAL } from '../../linux/errno.ts';
import type { IdxdVdev } from '../../linux/idxd/vdcm/vdev.ts';
import type { Migration } from '../../linux/vfio/migration.ts';
import {
  MIGRATION_STATE,
  isMigrationState,
  migrationWay,
  type MigrationState,
} from '../../linux/vfio/migration-state.ts';
import { invariant } from '../../bits/invariant.ts';
import { asArray, asBoolean, asBytes, asU32, asUnsigned, optional } from './arguments.ts';
import { asDescriptor } from './descriptor-bytes.ts';
import { effect, pure, query, type SdkEnvironment } from './environment.ts';
import { vdevOf } from './linux-vdcm.ts';
import { migrationFileType } from './migration-file-handle.ts';
import {
  ArgumentError,
  defineSdkModule,
  type HostFunctionSpec,
  type ScriptValue,
  type SdkModule,
} from './sdk-module.ts';
import { MIGRATION_TYPES } from './types/linux-migration.ts';

type Functions = Record<string, HostFunctionSpec>;

const MAX_PASID = 0xf_ffff;
const LENGTH_BYTES = 4;

const CONSTANTS = Object.fromEntries(
  Object.entries(MIGRATION_STATE).map(([name, value]) => [`VFIO_DEVICE_STATE_${name}`, value]),
);

function migrationOf(value: ScriptValue): Migration {
  const { migration } = vdevOf(value);
  invariant(migration !== null, 'An accelerator that cannot migrate');
  return migration;
}

function asState(value: ScriptValue, argument: string): MigrationState {
  const state = asU32(value, argument);
  if (isMigrationState(state)) return state;
  throw new ArgumentError(argument, 'one of VFIO_DEVICE_STATE_*', value);
}

/** Where the next step leads; a state that does not exist is reached from nowhere. */
function nextState(from: number, to: number): number {
  if (!isMigrationState(from) || !isMigrationState(to)) return -EINVAL;
  const way = migrationWay(from, to);
  return way === undefined ? -EINVAL : (way[0] ?? to);
}

function pack(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const piece of pieces) {
    view.setUint32(at, piece.length, true);
    out.set(piece, at + LENGTH_BYTES);
    at += LENGTH_BYTES + piece.length;
  }
  return out;
}

function unpack(data: Uint8Array): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < data.length;) {
    const start = at + LENGTH_BYTES;
    const end = start <= data.length ? start + view.getUint32(at, true) : Infinity;
    if (end > data.length) return [];
    pieces.push(data.slice(start, end));
    at = end;
  }
  return pieces;
}

function stateFunctions(env: SdkEnvironment): Functions {
  return {
    vfio_mig_get_next_state: pure((cur, next) =>
      nextState(asU32(cur, 'cur_state'), asU32(next, 'new_state')),
    ),
    vdev_migration_state: query(env, (_bound, vdev) => migrationOf(vdev).state),
    vdev_enter_migration_state: effect(env, (_bound, vdev, state) =>
      migrationOf(vdev).enter(asState(state, 'state')),
    ),
  };
}

function streamFunctions(env: SdkEnvironment): Functions {
  return {
    mig_file_out: effect(env, (_bound, vdev, data, isPreCopy) =>
      migrationFileType.of(
        migrationOf(vdev).stream(
          asBytes(data, 'data'),
          optional(isPreCopy, 'is_pre_copy', asBoolean) ?? false,
        ),
      ),
    ),
    mig_file_in: effect(env, (_bound, vdev) =>
      // The script judges what came, when it loads it.
      migrationFileType.of(migrationOf(vdev).stream(null, false, () => 0)),
    ),
    mig_file_data: query(env, (_bound, file) => migrationFileType.target(file, 'file').image),
    mig_pack: pure((pieces) =>
      pack(asArray(pieces, 'pieces').map((piece, i) => asBytes(piece, `pieces[${String(i)}]`))),
    ),
    mig_unpack: pure((data) => unpack(asBytes(data, 'data'))),
  };
}

function workFunctions(env: SdkEnvironment): Functions {
  return {
    vdev_unmap_portals: effect(env, (_bound, vdev) => vdevOf(vdev).portal.pause()),
    vdev_map_portals: effect(env, (_bound, vdev) => vdevOf(vdev).portal.resume()),
    vdev_host_pasids: query(env, (_bound, vdev) => [...vdevOf(vdev).pasids.all]),
    vdev_enqcmds: effect(env, (_bound, vdev, desc, pasid) =>
      vdevOf(vdev).portal.sendAs(
        asDescriptor(desc, 'desc'),
        asUnsigned(pasid, 'host_pasid', MAX_PASID),
      ),
    ),
  };
}

function restoreFunctions(env: SdkEnvironment): Functions {
  const published = (vdev: IdxdVdev, result: number): number => {
    vdev.publish();
    return result;
  };
  return {
    vdev_save_registers: query(env, (_bound, vdev) => vdevOf(vdev).image.saveRegisters()),
    vdev_load_registers: effect(env, (_bound, vdev, data) => {
      const target = vdevOf(vdev);
      return published(target, target.image.loadRegisters(asBytes(data, 'data')));
    }),
    vdev_start_queue: effect(env, (_bound, vdev) => {
      const target = vdevOf(vdev);
      return published(target, target.image.startQueue());
    }),
    vdev_restore_ims: effect(env, (_bound, vdev) => vdevOf(vdev).interrupts.restore()),
    vdev_int_handle: query(env, (_bound, vdev, vector) =>
      vdevOf(vdev).interrupts.handleOf(asU32(vector, 'vector')),
    ),
    vdev_revoke_int_handles: effect(env, (_bound, vdev) => {
      const target = vdevOf(vdev);
      target.image.revokeHandles();
      target.publish();
    }),
  };
}

export function createMigrationModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/migration',
    types: MIGRATION_TYPES,
    constants: CONSTANTS,
    functions: {
      ...stateFunctions(env),
      ...streamFunctions(env),
      ...workFunctions(env),
      ...restoreFunctions(env),
    },
  });
}
