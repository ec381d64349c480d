/**
 * The decisions of a VDCM as a table of operations. Each has a built-in form; code of a learner may take the place of any,
 * and may call the built-in one from there.
 */
import type { Core } from '../core/core.ts';
import type { VmArea } from '../mm/mm.ts';
import type { RegionSpec } from '../vfio/device-requests.ts';
import type { IrqSetRequest } from '../vfio/irq-set.ts';
import type { MigrationFile } from '../vfio/migration.ts';
import type { VirtualDevice } from './virtual-device.ts';

export interface VdcmOps<V extends VirtualDevice = VirtualDevice> {
  /** A value, or a negative error number. */
  cfg_read(vdev: V, offset: number, bytes: number): bigint | number;
  /** 0, or a negative error number. */
  cfg_write(vdev: V, offset: number, bytes: number, value: bigint): number;
  /** Size, flags and areas of a region; undefined for one that is not there. */
  get_region_info(vdev: V, index: number): RegionSpec | undefined;
  /** Places physical pages behind an area of the VMM, whose offset in the region is `offset`. 0 or an error number. */
  mmap(vdev: V, index: number, offset: number, area: VmArea): number;
  /** The guest turns its queue on, and its own checks are done: 0, or the error code that the guest is told. */
  wq_enable(vdev: V): number;
  /** A request that passed the checks of VFIO. 0 or an error number. */
  set_irqs(vdev: V, request: IrqSetRequest): number;
  /** `isFull`: function level reset, or the VMM's request; otherwise the guest's own command. */
  reset(vdev: V, isFull: boolean): void;
  /** The 64 bytes of a descriptor came to a portal page that is not mapped. 0 or an error number; -EAGAIN is Retry. */
  submit(vdev: V, words: Uint32Array): number;
  /** The user wants another state of migration: its stream, null for a state without one, or an error number. */
  migration_set_state(vdev: V, state: number): MigrationFile | null | number;
}

export type VdcmOpName = keyof VdcmOps;

export class VdcmHooks<V extends VirtualDevice> {
  /** The VDCM's own. */
  readonly builtin: VdcmOps<V>;
  readonly #core: Core;
  readonly #name: string;
  #others: Partial<VdcmOps<V>> = {};

  /** @param name owner of the operations in records */
  constructor(core: Core, name: string, builtin: VdcmOps<V>) {
    this.#core = core;
    this.#name = name;
    this.builtin = builtin;
  }

  /** These take the place of the built-in ones, and of whatever was there before; the rest is built in again. */
  override(ops: Partial<VdcmOps<V>>): void {
    this.#others = ops;
  }

  /** Whether code of a learner is in place of the built-in one. */
  isReplaced(name: VdcmOpName): boolean {
    return this.#others[name] !== undefined;
  }

  /** Calls the operation that is in place now. One that is not built in leaves a record. */
  run<K extends VdcmOpName>(
    name: K,
    ...args: Parameters<VdcmOps<V>[K]>
  ): ReturnType<VdcmOps<V>[K]> {
    type Op = (...args: Parameters<VdcmOps<V>[K]>) => ReturnType<VdcmOps<V>[K]>;
    const other = this.#others[name] as Op | undefined;
    if (other === undefined) {
      return (this.builtin[name] as Op)(...args);
    }
    const [vdev] = args as unknown as [V];
    return this.#core.callback(this.#name, name, vdev.uuid, () => other(...args));
  }
}
