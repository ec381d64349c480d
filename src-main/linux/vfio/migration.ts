/**
 * Migration of a VFIO device, version 2 (include/uapi/linux/vfio.h): a state machine whose arcs the driver carries out, and
 * a descriptor through which the saved state is read or the state to be restored is written.
 */
import { VFIO_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import {
  VfioDeviceFeature,
  VfioDeviceFeatureMigration,
  VfioDeviceFeatureMigState,
} from '../../spec/vfio/vfio-structures.ts';
import type { PlainData } from '../../sim/index.ts';
import type { Core } from '../core/core.ts';
import { OpenFile, type Caller, type IoctlArgument } from '../core/files.ts';
import { decodeBytes, encodeBytes, UserArgument } from '../core/user-argument.ts';
import { EINVAL, ENOMSG, ENOTTY, IS_ERR } from '../errno.ts';
import {
  isMigrationState,
  MIGRATION_STATE as S,
  migrationStateName,
  migrationWay,
  type MigrationState,
} from './migration-state.ts';

/** What the driver of a device does on each arc; a negative number leaves the device where it was. */
export interface MigrationDriver {
  readonly name: string;
  /** PRE_COPY: what the other side must have, before anything stops. */
  header(): Uint8Array;
  /** STOP_COPY: everything, the header first. */
  save(): Uint8Array;
  /** The header of a stream: -EINVAL when this device cannot become the other. */
  check(header: Uint8Array): number;
  /** RESUMING to STOP. */
  load(image: Uint8Array): number;
  /** Submissions wait in software from now on. */
  pause(): void;
  /** Nothing of the guest is in the device when this returns. */
  quiesce(): void;
  resume(): number;
  /** The device was reset. */
  forget(): void;
}

/** The stream of a state that has one, or a negative error number. */
export type SetState = (target: number) => MigrationFile | null | number;

export class MigrationFile extends OpenFile {
  readonly #content: Uint8Array | null;
  readonly #check: (header: Uint8Array) => number;
  /** The stream goes on after this content. */
  readonly isPreCopy: boolean;
  #position = 0;
  #written: Uint8Array = new Uint8Array(0);
  #isChecked = false;

  constructor(
    core: Core,
    name: string,
    options: {
      readonly content: Uint8Array | null;
      readonly isPreCopy: boolean;
      readonly check: (header: Uint8Array) => number;
    },
  ) {
    super(core, `migration of ${name}`);
    this.#content = options.content;
    this.isPreCopy = options.isPreCopy;
    this.#check = options.check;
  }

  /** What the user has written. */
  get image(): Uint8Array {
    return this.#written;
  }

  /** At the end: -ENOMSG while the device still runs, 0 once it stopped. */
  override read(into: Uint8Array): number {
    const content = this.#content;
    if (content === null) {
      return -EINVAL;
    }
    const piece = content.subarray(this.#position, this.#position + into.length);
    into.set(piece);
    this.#position += piece.length;
    return piece.length === 0 && this.isPreCopy ? -ENOMSG : piece.length;
  }

  /** The header is judged as soon as it is there, so that a source that does not fit is not stopped for nothing. */
  override write(from: Uint8Array): number {
    if (this.#content !== null) {
      return -EINVAL;
    }
    const all = new Uint8Array(this.#written.length + from.length);
    all.set(this.#written);
    all.set(from, this.#written.length);
    if (!this.#isChecked) {
      const result = this.#check(all);
      if (result < 0) {
        return result;
      }
      this.#isChecked = true;
    }
    this.#written = all;
    return from.length;
  }

  override state(): PlainData {
    return { kind: 'migration', bytes: this.#content?.length ?? this.#written.length };
  }
}

export class Migration {
  readonly #core: Core;
  readonly #driver: MigrationDriver;
  #state: MigrationState = S.RUNNING;
  #file: MigrationFile | null = null;

  constructor(core: Core, driver: MigrationDriver) {
    this.#core = core;
    this.#driver = driver;
  }

  get state(): MigrationState {
    return this.#state;
  }

  /** VFIO_DEVICE_RESET: the only way out of ERROR. */
  reset(): void {
    if (this.#state !== S.RUNNING) {
      this.#driver.forget();
      this.#driver.resume();
      this.#enter(S.RUNNING, null);
    }
  }

  /**
   * VFIO_DEVICE_FEATURE for the features of migration; -ENOTTY for others.
   *
   * @param setState who carries a change of state out
   */
  feature(argument: IoctlArgument, caller: Caller, setState: SetState): number {
    const arg = UserArgument.vfio(VfioDeviceFeature, argument);
    if (IS_ERR(arg) || typeof argument !== 'object') {
      return IS_ERR(arg) ? arg : -EINVAL;
    }
    const { flags } = arg.values;
    const data = argument.subarray(VfioDeviceFeature.bytes);
    const isGet = (flags & F.VFIO_DEVICE_FEATURE_GET) !== 0;
    const isSet = (flags & F.VFIO_DEVICE_FEATURE_SET) !== 0;
    const isProbe = (flags & F.VFIO_DEVICE_FEATURE_PROBE) !== 0;
    switch (flags & F.VFIO_DEVICE_FEATURE_MASK) {
      case F.VFIO_DEVICE_FEATURE_MIGRATION:
        return isSet ? -EINVAL : isProbe ? 0 : this.#describe(data);
      case F.VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE:
        if (isProbe || isGet === isSet) {
          return isProbe ? 0 : -EINVAL;
        }
        return isGet ? this.#getState(data) : this.#setState(data, caller, setState);
      default:
        return -ENOTTY;
    }
  }

  /** The stream of a state that has one, or a negative error number. */
  setState(target: number): MigrationFile | null | number {
    if (!isMigrationState(target)) {
      return -EINVAL;
    }
    const way = migrationWay(this.#state, target);
    if (way === undefined) {
      return -EINVAL;
    }
    for (const next of way) {
      const result = this.#arc(this.#state, next);
      if (typeof result === 'number') {
        this.#enter(S.ERROR, null);
        return result;
      }
      this.#enter(next, result.file);
    }
    return this.#file;
  }

  #arc(from: MigrationState, to: MigrationState): { readonly file: MigrationFile | null } | number {
    const driver = this.#driver;
    switch (to) {
      case S.PRE_COPY:
        driver.pause();
        return { file: this.stream(driver.header(), true) };
      case S.PRE_COPY_P2P:
      case S.RUNNING_P2P:
        if (from === S.STOP || from === S.PRE_COPY_P2P) {
          return { file: null };
        }
        driver.pause();
        driver.quiesce();
        return { file: to === S.PRE_COPY_P2P ? this.#file : null };
      case S.STOP_COPY:
        driver.quiesce();
        return { file: this.stream(driver.save(), false) };
      case S.RESUMING:
        return { file: this.stream(null, false) };
      case S.STOP:
        return from === S.RESUMING ? this.#load() : { file: null };
      case S.RUNNING:
        return from === S.PRE_COPY || from === S.RUNNING_P2P ? this.#start() : { file: null };
      case S.ERROR:
        return -EINVAL;
    }
  }

  #start(): { readonly file: null } | number {
    const result = this.#driver.resume();
    return result < 0 ? result : { file: null };
  }

  #load(): { readonly file: null } | number {
    const image = this.#file?.image ?? new Uint8Array(0);
    if (image.length === 0) {
      return { file: null };
    }
    const result = this.#driver.load(image);
    return result < 0 ? result : { file: null };
  }

  /** The device is in a state from now on, whoever brought it there. */
  enter(state: MigrationState): void {
    this.#enter(state, null);
  }

  /** Null content: the user writes. `check` judges what comes, as soon as it comes. */
  stream(
    content: Uint8Array | null,
    isPreCopy: boolean,
    check = (header: Uint8Array): number => this.#driver.check(header),
  ): MigrationFile {
    return new MigrationFile(this.#core, this.#driver.name, { content, isPreCopy, check });
  }

  #enter(state: MigrationState, file: MigrationFile | null): void {
    const names = [this.#state, state].map(migrationStateName);
    this.#core.stateChanged(`migration of ${this.#driver.name}`, names[0] ?? '', names[1] ?? '');
    this.#state = state;
    this.#file = file;
  }

  #describe(data: Uint8Array): number {
    const flags = F.VFIO_MIGRATION_STOP_COPY | F.VFIO_MIGRATION_P2P | F.VFIO_MIGRATION_PRE_COPY;
    return put(data, encodeBytes(VfioDeviceFeatureMigration, { flags: BigInt(flags) }));
  }

  #getState(data: Uint8Array): number {
    return put(data, encodeBytes(VfioDeviceFeatureMigState, { device_state: this.#state }));
  }

  #setState(data: Uint8Array, caller: Caller, setState: SetState): number {
    if (data.length < VfioDeviceFeatureMigState.bytes) {
      return -EINVAL;
    }
    const { device_state } = decodeBytes(VfioDeviceFeatureMigState, data);
    const file = setState(device_state);
    if (typeof file === 'number') {
      return file;
    }
    const data_fd = file === null ? NO_FD : caller.files.install(file);
    return put(data, encodeBytes(VfioDeviceFeatureMigState, { device_state, data_fd }));
  }
}

/** -1 in a signed member. */
const NO_FD = 0xffff_ffff;

function put(data: Uint8Array, bytes: Uint8Array): number {
  if (data.length < bytes.length) {
    return -EINVAL;
  }
  data.set(bytes);
  return 0;
}
