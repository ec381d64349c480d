/**
 * BAR0 of a VDEV: registers and tables, every access trapped. DSA 3.0 section 7.5; access rules as in Intel's idxd VDCM, 2020.
 *
 * Reads are of 1, 2, 4 or 8 bytes, writes of at most 4, aligned. Anything else is refused before it touches the state: the
 * guest chooses offset and size.
 */
import { GroupConfig } from '../../../spec/dsa/group-config.ts';
import { MsixPermission } from '../../../spec/dsa/interrupt-entries.ts';
import type { Core } from '../../core/core.ts';
import { EINVAL } from '../../errno.ts';
import { RegisterTables } from '../../vdcm/register-tables.ts';
import type { VirtualPermission } from '../../vdcm/vdev-interrupts.ts';
import { VirtualMsix, type VirtualMsixHooks } from '../../vdcm/virtual-msix.ts';
import type { IdxdDevice } from '../idxd-device.ts';
import type { IdxdWq } from '../wq.ts';
import { FIXED_REGISTER_BYTES, VDEV } from './places.ts';
import { VirtualRegisters, type VirtualRegistersHooks } from './virtual-registers.ts';
import { VirtualWq } from './virtual-wq.ts';

export interface VirtualBar0Hooks extends VirtualRegistersHooks, VirtualMsixHooks {
  /** The guest changed which PASID may name an entry. */
  onPermission(entry: number): void;
}

const PERMISSION_WORDS = MsixPermission.words;

export class VirtualBar0 {
  readonly registers: VirtualRegisters;
  readonly wq: VirtualWq;
  readonly msix: VirtualMsix;
  readonly #core: Core;
  readonly #hooks: VirtualBar0Hooks;
  readonly #tables: RegisterTables;
  readonly #group: Uint32Array;
  readonly #permissions = new Uint32Array(VDEV.vectors * PERMISSION_WORDS);

  constructor(core: Core, idxd: IdxdDevice, wq: IdxdWq, hooks: VirtualBar0Hooks) {
    this.#core = core;
    this.#hooks = hooks;
    this.registers = new VirtualRegisters(idxd.capabilities, wq, hooks);
    this.wq = new VirtualWq(wq);
    this.msix = new VirtualMsix(VDEV.vectors, hooks);
    const group = idxd.groups[wq.config.group_id];
    this.#group = GroupConfig.encode({
      wqs: 1n,
      engines: 1n,
      tcA: group?.traffic_class_a ?? 0,
      tcB: group?.traffic_class_b ?? 0,
      readBuffersReserved: group?.read_buffers_reserved ?? 0,
      readBuffersAllowed: group?.read_buffers_allowed ?? 0,
    });
    this.#tables = this.#makeTables(idxd.capabilities.wqConfigBytes);
  }

  permission(entry: number): VirtualPermission {
    const at = entry * PERMISSION_WORDS;
    const values = MsixPermission.decode(this.#permissions.subarray(at, at + PERMISSION_WORDS));
    return {
      ignore: values.ignore === 1,
      pasid: values.pasidEnable === 1 ? values.pasid : null,
    };
  }

  /** A value, or a negative error number. */
  read(offset: number, bytes: number): bigint | number {
    if (!this.#isAligned(offset, bytes, 8) || offset + bytes > VDEV.bar0Bytes) {
      return -EINVAL;
    }
    if (offset < FIXED_REGISTER_BYTES) {
      return this.registers.file.read(offset, bytes as 1 | 2 | 4 | 8);
    }
    return this.#tables.read(offset, bytes);
  }

  write(offset: number, bytes: number, value: bigint): number {
    const isInside = offset >= 0 && offset + bytes <= VDEV.bar0Bytes;
    if (!this.#isAligned(offset, bytes, 4) || !isInside) {
      return this.#refuse(offset, bytes);
    }
    if (offset < FIXED_REGISTER_BYTES) {
      this.registers.file.write(offset, bytes as 1 | 2 | 4, value);
      return 0;
    }
    this.#tables.write(offset, bytes, value);
    return 0;
  }

  /** `isFull`: as after a function level reset. A Reset Device command leaves the MSI-X table alone. */
  reset(isFull: boolean): void {
    this.registers.reset(isFull);
    this.wq.reset();
    this.#permissions.fill(0);
    if (isFull) {
      this.msix.reset();
    }
  }

  /** Registers, permissions, queue and vectors, for a saved state. */
  save(): readonly Uint32Array[] {
    return [
      this.registers.file.snapshot(),
      this.#permissions.slice(),
      this.wq.save(),
      this.msix.save(),
    ];
  }

  load([registers, permissions, wq, msix]: readonly Uint32Array[]): void {
    if (
      registers !== undefined &&
      permissions !== undefined &&
      wq !== undefined &&
      msix !== undefined
    ) {
      this.registers.file.restore(registers);
      this.#permissions.set(permissions);
      this.wq.load(wq);
      this.msix.load(msix);
    }
  }

  /** Contents for panes. */
  bytes(): Uint8Array {
    const out = new Uint8Array(VDEV.pendingBits + 8);
    const view = new DataView(out.buffer);
    for (let at = 0; at < out.length; at += 4) {
      const isFixed = at < FIXED_REGISTER_BYTES;
      const word = isFixed ? this.registers.file.peek32(at) : Number(this.#tables.read(at, 4));
      view.setUint32(at, word, true);
    }
    return out;
  }

  #makeTables(wqConfigBytes: number): RegisterTables {
    return new RegisterTables([
      {
        at: VDEV.msixPermissions,
        bytes: VDEV.vectors * MsixPermission.bytes,
        read: (word) => this.#permissions[word] ?? 0,
        write: (word, value, mask) => this.#writePermission(word, value, mask),
      },
      {
        at: VDEV.groupConfig,
        bytes: GroupConfig.bytes,
        read: (word) => this.#group[word] ?? 0,
        write: () => {},
      },
      {
        at: VDEV.wqConfig,
        bytes: wqConfigBytes,
        read: (word) => this.wq.read(word),
        write: (word, value, mask) => this.wq.write(word, value, mask),
      },
      ...this.msix.tables(VDEV.msixTable, VDEV.pendingBits),
    ]);
  }

  #writePermission(word: number, value: number, mask: number): void {
    if (word % PERMISSION_WORDS !== 0) {
      return;
    }
    this.#permissions[word] = merge(this.#permissions[word] ?? 0, value, mask & PERMISSION_BITS);
    this.#hooks.onPermission(word / PERMISSION_WORDS);
  }

  #isAligned(offset: number, bytes: number, largest: number): boolean {
    const isPower = bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8;
    return isPower && bytes <= largest && offset % bytes === 0 && offset >= 0;
  }

  /** Without the check the handler copies as many bytes as the guest said, over whatever lies there. */
  #refuse(offset: number, bytes: number): number {
    if (this.#core.defends('mmio-size-check')) {
      return -EINVAL;
    }
    this.#core.warn(
      `BUG: KASAN: slab-out-of-bounds in vidxd_mmio_write: ${bytes} bytes at offset ${offset}`,
    );
    return 0;
  }
}

/** Ignore, PASID enable and PASID. */
const PERMISSION_BITS = 0xffff_f00c;

function merge(before: number, value: number, mask: number): number {
  return ((before & ~mask) | (value & mask)) >>> 0;
}
