/**
 * The CPU's view of physical addresses above memory: the registers of the remapping unit and the BARs of functions. BARs
 * move when software writes them, so the map is rebuilt after configuration writes that can matter.
 */
import { numberOf } from '../../bits/u64.ts';
import { barAddressOf } from './bar-address.ts';
import type { Fabric } from './fabric.ts';
import type { BlockWriteKind, BlockWriteResult, PcieFunction } from './ports.ts';

/** A block of addresses and what answers there. Offsets are relative to the block. */
export interface MmioTarget {
  read(offset: number, bytes: 1 | 2 | 4 | 8): bigint;
  write(offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void;
  blockWrite(offset: number, words: Uint32Array, kind: BlockWriteKind): BlockWriteResult;
}

interface Range {
  readonly base: number;
  readonly end: number;
  readonly target: MmioTarget;
}

/** Configuration offsets: Command, and the six BARs. */
const COMMAND = 0x04;
const BAR_FIRST = 0x10;
const BAR_LAST = 0x27;

export class AddressMap {
  #ranges: readonly Range[] = [];
  #last: Range | undefined;
  #revision = -1;
  readonly #fixed: readonly Range[];
  readonly #fabric: Fabric;

  constructor(
    fabric: Fabric,
    fixed: readonly {
      readonly base: number;
      readonly bytes: number;
      readonly target: MmioTarget;
    }[],
  ) {
    this.#fabric = fabric;
    this.#fixed = fixed.map((f) => ({ base: f.base, end: f.base + f.bytes, target: f.target }));
    this.rebuild();
  }

  /** The block that holds the address; `address - base` is the offset in it. */
  find(address: number): { readonly base: number; readonly target: MmioTarget } | undefined {
    if (this.#revision !== this.#fabric.revision) {
      this.rebuild();
    }
    const last = this.#last;
    if (last !== undefined && address >= last.base && address < last.end) {
      return last;
    }
    const found = this.#ranges.find((r) => address >= r.base && address < r.end);
    if (found !== undefined) {
      this.#last = found;
    }
    return found;
  }

  blockWrite(
    high: number,
    low: number,
    words: Uint32Array,
    kind: BlockWriteKind,
  ): BlockWriteResult {
    const address = numberOf(high, low);
    const range = this.find(address);
    if (range === undefined) {
      return kind === 'deferrable' ? 'retry' : 'dropped';
    }
    return range.target.blockWrite(address - range.base, words, kind);
  }

  /** To be called after a configuration write to `offset`. */
  configWritten(offset: number): void {
    if ((offset & ~3) === COMMAND || (offset >= BAR_FIRST && offset <= BAR_LAST)) {
      this.rebuild();
    }
  }

  rebuild(): void {
    const ranges: Range[] = [...this.#fixed];
    for (const device of this.#fabric.functions().values()) {
      for (let bar = 0; bar < device.barBytes.length; bar++) {
        const bytes = device.barBytes[bar] ?? 0;
        const base = bytes === 0 ? 0 : barAddressOf(device, bar);
        if (base !== 0) {
          ranges.push({ base, end: base + bytes, target: targetOf(device, bar) });
        }
      }
    }
    this.#revision = this.#fabric.revision;
    this.#ranges = ranges;
    this.#last = undefined;
  }
}

function targetOf(device: PcieFunction, bar: number): MmioTarget {
  return {
    read: (offset, size) => device.mmioRead(bar, offset, size),
    write: (offset, size, value) => device.mmioWrite(bar, offset, size, value),
    blockWrite: (offset, words, kind) => device.blockWrite(bar, offset, words, kind),
  };
}
