/**
 * BAR0 of a VDEV: registers and tables, every access trapped. devices.md 3.2; access rules of the VDCM in siov-stack.md 2.6.
 *
 * Reads are of 1, 2, 4 or 8 bytes, writes of at most 4, aligned. Anything else is refused before it touches the state: the
 * guest chooses offset and size.
 */
import { GroupConfig } from '../../../spec/dsa/group-config.ts';
import { MsixPermission } from '../../../spec/dsa/interrupt-entries.ts';
import { MsiXTableEntry } from '../../../spec/pcie/msi-x.ts';
import { bigOf } from '../../../bits/u64.ts';
import type { Core } from '../../core/core.ts';
import { EINVAL } from '../../errno.ts';
import type { IdxdDevice } from '../idxd-device.ts';
import type { IdxdWq } from '../wq.ts';
import { FIXED_REGISTER_BYTES, VDEV } from './places.ts';
import { VirtualRegisters, type VirtualRegistersHooks } from './virtual-registers.ts';
import { VirtualWq } from './virtual-wq.ts';

export interface VirtualBar0Hooks extends VirtualRegistersHooks {
  /** The guest changed which PASID may name an entry. */
  onPermission(entry: number): void;
  onMask(entry: number, isMasked: boolean): void;
  isPending(entry: number): boolean;
}

export interface VirtualPermission {
  readonly ignore: boolean;
  /** Guest PASID, null when the entry takes requests without. */
  readonly pasid: number | null;
}

interface Table {
  readonly at: number;
  readonly bytes: number;
  read(word: number): number;
  write(word: number, value: number, mask: number): void;
}

const PERMISSION_WORDS = MsixPermission.words;
const VECTOR_WORDS = MsiXTableEntry.words;
const CONTROL_WORD = 3;

export class VirtualBar0 {
  readonly registers: VirtualRegisters;
  readonly wq: VirtualWq;
  readonly #core: Core;
  readonly #hooks: VirtualBar0Hooks;
  readonly #tables: readonly Table[];
  readonly #group: Uint32Array;
  readonly #permissions = new Uint32Array(VDEV.vectors * PERMISSION_WORDS);
  readonly #vectors = new Uint32Array(VDEV.vectors * VECTOR_WORDS);

  constructor(core: Core, idxd: IdxdDevice, wq: IdxdWq, hooks: VirtualBar0Hooks) {
    this.#core = core;
    this.#hooks = hooks;
    this.registers = new VirtualRegisters(idxd.capabilities, wq, hooks);
    this.wq = new VirtualWq(wq);
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
    this.#resetVectors();
  }

  permission(entry: number): VirtualPermission {
    const at = entry * PERMISSION_WORDS;
    const values = MsixPermission.decode(this.#permissions.subarray(at, at + PERMISSION_WORDS));
    return {
      ignore: values.ignore === 1,
      pasid: values.pasidEnable === 1 ? values.pasid : null,
    };
  }

  isMasked(entry: number): boolean {
    return ((this.#vectors[entry * VECTOR_WORDS + CONTROL_WORD] ?? 0) & 1) === 1;
  }

  /** Installing an eventfd enables the vector: who installs it keeps the guest's mask bit itself. */
  unmask(entry: number): void {
    const at = entry * VECTOR_WORDS + CONTROL_WORD;
    this.#vectors[at] = ((this.#vectors[at] ?? 0) & ~1) >>> 0;
  }

  /** A value, or a negative error number. */
  read(offset: number, bytes: number): bigint | number {
    if (!this.#isAligned(offset, bytes, 8) || offset + bytes > VDEV.bar0Bytes) {
      return -EINVAL;
    }
    if (offset < FIXED_REGISTER_BYTES) {
      return this.registers.file.read(offset, bytes as 1 | 2 | 4 | 8);
    }
    const table = this.#tableAt(offset);
    if (table === undefined) {
      return 0n;
    }
    const word = (offset - table.at) >>> 2;
    const low = table.read(word);
    if (bytes === 8) {
      return bigOf(table.read(word + 1), low);
    }
    const mask = 2 ** (bytes * 8) - 1;
    return BigInt(((low >>> ((offset & 3) * 8)) & mask) >>> 0);
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
    const table = this.#tableAt(offset);
    if (table !== undefined) {
      const shift = (offset & 3) * 8;
      const mask = bytes === 4 ? 0xffff_ffff : ((2 ** (bytes * 8) - 1) << shift) >>> 0;
      table.write((offset - table.at) >>> 2, (Number(value) << shift) >>> 0, mask);
    }
    return 0;
  }

  /** `isFull`: as after a function level reset. A Reset Device command leaves the MSI-X table alone. */
  reset(isFull: boolean): void {
    this.registers.reset(isFull);
    this.wq.reset();
    this.#permissions.fill(0);
    if (isFull) {
      this.#resetVectors();
    }
  }

  /** Contents for panes. */
  bytes(): Uint8Array {
    const out = new Uint8Array(VDEV.pendingBits + 8);
    const view = new DataView(out.buffer);
    for (let at = 0; at < out.length; at += 4) {
      const table = this.#tableAt(at);
      const word = table?.read((at - table.at) >>> 2);
      const fixed = at < FIXED_REGISTER_BYTES ? this.registers.file.peek32(at) : 0;
      view.setUint32(at, word ?? fixed, true);
    }
    return out;
  }

  #makeTables(wqConfigBytes: number): readonly Table[] {
    return [
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
      {
        at: VDEV.msixTable,
        bytes: VDEV.vectors * MsiXTableEntry.bytes,
        read: (word) => this.#vectors[word] ?? 0,
        write: (word, value, mask) => this.#writeVector(word, value, mask),
      },
      {
        at: VDEV.pendingBits,
        bytes: 8,
        read: (word) => (word === 0 ? this.#pendingBits() : 0),
        write: () => {},
      },
    ];
  }

  #tableAt(offset: number): Table | undefined {
    return this.#tables.find((t) => offset >= t.at && offset < t.at + t.bytes);
  }

  #writePermission(word: number, value: number, mask: number): void {
    if (word % PERMISSION_WORDS !== 0) {
      return;
    }
    this.#permissions[word] = merge(this.#permissions[word] ?? 0, value, mask & PERMISSION_BITS);
    this.#hooks.onPermission(word / PERMISSION_WORDS);
  }

  #writeVector(word: number, value: number, mask: number): void {
    const before = this.#vectors[word] ?? 0;
    const isControl = word % VECTOR_WORDS === CONTROL_WORD;
    const after = merge(before, value, isControl ? mask & 1 : mask);
    this.#vectors[word] = after;
    if (isControl && before !== after) {
      this.#hooks.onMask(Math.floor(word / VECTOR_WORDS), after === 1);
    }
  }

  #pendingBits(): number {
    let bits = 0;
    for (let entry = 0; entry < VDEV.vectors; entry++) {
      bits |= this.#hooks.isPending(entry) ? 1 << entry : 0;
    }
    return bits;
  }

  #resetVectors(): void {
    this.#vectors.fill(0);
    for (let entry = 0; entry < VDEV.vectors; entry++) {
      this.#vectors[entry * VECTOR_WORDS + CONTROL_WORD] = 1;
    }
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
