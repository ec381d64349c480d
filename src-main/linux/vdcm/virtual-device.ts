/**
 * A virtual device as its VDCM composes it, whatever hardware is behind it: regions that VFIO offers, interrupts, PASIDs,
 * and what happens to it in the course of its life. Intel's idxd VDCM, 2020.
 */
import { bytesToHex } from '../../bits/hex.ts';
import type { PlainData } from '../../sim/index.ts';
import type { Core } from '../core/core.ts';
import { EINVAL } from '../errno.ts';
import type { MdevDevice } from '../mdev/mdev-device.ts';
import type { VmArea } from '../mm/mm.ts';
import type { RegionSpec } from '../vfio/device-requests.ts';
import type { Migration } from '../vfio/migration.ts';
import type { VfioDevice } from '../vfio/vfio-device.ts';
import type { VdevInterrupts } from './vdev-interrupts.ts';
import type { VdevPasids } from './vdev-pasids.ts';
import type { VirtualConfig } from './virtual-config.ts';

/** A region whose accesses trap, a register at a time. */
export interface RegisterRegion {
  readonly kind: 'registers';
  readonly name: string;
  readonly spec: RegionSpec;
  /** Largest piece that a read is cut into. */
  readonly largestRead: 4 | 8;
  /** A value, or a negative error number. */
  read(offset: number, bytes: number): bigint | number;
  write(offset: number, bytes: number, value: bigint): number;
  mmap?(area: VmArea, offset: number): number;
}

/** Pages that work is submitted to: stores of any size, reads of all ones. */
export interface PortalRegion {
  readonly kind: 'portals';
  readonly name: string;
  readonly spec: RegionSpec;
  /** Bytes taken, or a negative error number. */
  write(offset: number, bytes: Uint8Array): number;
  mmap(area: VmArea, offset: number): number;
}

export type VdevRegion = RegisterRegion | PortalRegion;

/** What panes see of the part that only this kind of device has. */
export interface VdevDescription {
  readonly device: string;
  readonly wq: string;
  readonly mode: 'dedicated' | 'shared';
  readonly state: string;
  readonly queue: {
    readonly isEnabled: boolean;
    readonly pasidEnable: boolean;
    readonly pasid: number;
    readonly hardwarePasid: number | null;
  };
  readonly stagedSlots: number;
  readonly bar0: Uint8Array;
}

const CONFIG_SHOWN = 0x150;

export abstract class VirtualDevice {
  readonly uuid: string;
  readonly mdev: MdevDevice;
  /** Once VFIO knows it. */
  vfioDevice: VfioDevice | null = null;
  isOpen = false;
  /** Accesses that software answered. */
  accesses = 0;
  abstract readonly config: VirtualConfig;
  abstract readonly interrupts: VdevInterrupts;
  abstract readonly pasids: VdevPasids;
  protected readonly core: Core;
  /** Where code of a learner plays configuration space: what was read of it so far. */
  #readConfig: Uint8Array | null = null;

  constructor(core: Core, mdev: MdevDevice) {
    this.core = core;
    this.mdev = mdev;
    this.uuid = mdev.uuid;
  }

  /** Null for devices whose state cannot be saved. */
  get migration(): Migration | null {
    return null;
  }

  /** A descriptor came to a portal page that is not mapped. 0 or an error number. */
  submit(_words: Uint32Array): number {
    return -EINVAL;
  }

  /** By VFIO region index, without configuration space. */
  abstract get regions(): ReadonlyMap<number, VdevRegion>;

  /** `isFull`: function level reset, or the VMM's request; otherwise what the guest's own command resets. */
  abstract reset(isFull: boolean): void;

  /** Last close: interrupts back, queue out of the guest's hands, everything as at creation. */
  abstract close(): void;

  /** The guest turns its queue on: 0, or the error code that it is told. */
  abstract enableQueue(): number;

  /** The address space behind the default PASID is there. */
  abstract didAttach(): void;

  /** The address space behind the default PASID is about to go. */
  abstract willDetach(): void;

  /** A guest PASID is about to go: nothing of it may be in the device when this returns. */
  abstract willDetachPasid(guest: number): void;

  protected abstract describe(): VdevDescription;

  /** Whether the guest masks a vector. */
  abstract isMasked(vector: number): boolean;

  /** Configuration space is played elsewhere, and answered this. */
  didReadConfig(offset: number, bytes: number, value: bigint): void {
    const seen = (this.#readConfig ??= new Uint8Array(CONFIG_SHOWN));
    for (let i = 0; i < bytes && offset + i < seen.length; i++) {
      seen[offset + i] = Number((value >> BigInt(i * 8)) & 0xffn);
    }
  }

  publish(): void {
    const { bar0, ...own } = this.describe();
    this.core.publish(`vdev/${this.uuid}`, {
      ...own,
      isOpen: this.isOpen,
      defaultPasid: this.pasids.default,
      pasids: [...this.pasids.all],
      vectors: this.interrupts.installed.map((entry) => ({
        entry,
        handle: entry === 0 ? null : this.interrupts.handleOf(entry),
        isMasked: this.isMasked(entry),
      })),
      accesses: this.accesses,
      config: bytesToHex(this.#readConfig ?? this.config.bytes(CONFIG_SHOWN)),
      bar0: bytesToHex(bar0),
    } satisfies PlainData);
  }

  unpublish(): void {
    this.core.publish(`vdev/${this.uuid}`, undefined);
  }
}
