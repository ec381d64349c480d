/**
 * Physical pages of the machine's RAM, first fit, lowest address first, so that addresses repeat from run to run.
 *
 * Tables of the kernel and memory of user processes come from different ranges: a look at an address tells which it is.
 * Pages that had another owner before are zeroed, as `__GFP_ZERO` and anonymous memory demand.
 */
import { invariant } from '../../bits/invariant.ts';
import { toHex } from '../../bits/hex.ts';
import type { Core } from '../core/core.ts';
import { ENOMEM } from '../errno.ts';

export const PAGE_BYTES = 4096;

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** Below lies what firmware and the kernel image use. */
const FIRST_USABLE = 16 * MIB;
const LOW_LIMIT = 2 * GIB;
const HIGH_BASE = 4 * GIB;
const ZERO_CHUNK = MIB;

export type PageZone = 'kernel' | 'user';

export interface PageRequest {
  readonly owner: string;
  readonly zone?: PageZone;
  /** Alignment in bytes, a power of two; a page when absent. */
  readonly alignment?: number;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

interface Block {
  readonly bytes: number;
  readonly owner: string;
  readonly zone: PageZone;
}

function zonesOf(totalBytes: number): Record<PageZone, Range[]> {
  const lowEnd = Math.min(totalBytes, LOW_LIMIT);
  invariant(
    lowEnd > 2 * FIRST_USABLE,
    `A machine needs more than 32 MiB, found ${totalBytes} bytes`,
  );
  const quarter = Math.floor((lowEnd - FIRST_USABLE) / 4 / MIB) * MIB;
  const border = FIRST_USABLE + Math.max(MIB, quarter);
  const user: Range[] = [{ start: border, end: lowEnd }];
  if (totalBytes > LOW_LIMIT) {
    user.push({ start: HIGH_BASE, end: HIGH_BASE + totalBytes - LOW_LIMIT });
  }
  return { kernel: [{ start: FIRST_USABLE, end: border }], user };
}

export class PageAllocator {
  readonly #core: Core;
  readonly #free: Record<PageZone, Range[]>;
  readonly #blocks = new Map<number, Block>();
  /** Ranges that were handed out before and so may hold somebody's data. */
  #used: Range[] = [];
  #bytesInUse = 0;

  constructor(core: Core) {
    this.#core = core;
    this.#free = zonesOf(core.hw.config.memory.bytes);
  }

  get bytesInUse(): number {
    return this.#bytesInUse;
  }

  /** Address of `count` zeroed pages, or -ENOMEM. */
  alloc(count: number, request: PageRequest): number {
    const zone = request.zone ?? 'kernel';
    const bytes = count * PAGE_BYTES;
    const alignment = request.alignment ?? PAGE_BYTES;
    const address = this.#take(this.#free[zone], bytes, alignment);
    if (address < 0) {
      return -ENOMEM;
    }
    this.#blocks.set(address, { bytes, owner: request.owner, zone });
    this.#bytesInUse += bytes;
    const owner = zone === 'kernel' ? `kernel (${request.owner})` : request.owner;
    this.#core.hw.isolation?.tell({ op: 'own', address, bytes, owner });
    this.#zero(address, bytes);
    return address;
  }

  free(address: number): void {
    const block = this.#blocks.get(address);
    if (block === undefined) {
      this.#core.warn(`BUG: Bad page state: ${toHex(address)} is not allocated`);
      return;
    }
    this.#blocks.delete(address);
    this.#core.hw.isolation?.tell({ op: 'disown', address });
    this.#bytesInUse -= block.bytes;
    this.#used = insertRange(this.#used, { start: address, end: address + block.bytes });
    this.#free[block.zone] = insertRange(this.#free[block.zone], {
      start: address,
      end: address + block.bytes,
    });
  }

  /** Who the page at an address belongs to. */
  ownerOf(address: number): string | undefined {
    for (const [start, block] of this.#blocks) {
      if (address >= start && address < start + block.bytes) {
        return block.owner;
      }
    }
    return undefined;
  }

  /** Bytes in use by owner, for accounting and leak checks. */
  usage(): ReadonlyMap<string, number> {
    const usage = new Map<string, number>();
    for (const { owner, bytes } of this.#blocks.values()) {
      usage.set(owner, (usage.get(owner) ?? 0) + bytes);
    }
    return usage;
  }

  #take(ranges: Range[], bytes: number, alignment: number): number {
    for (const [i, range] of ranges.entries()) {
      const start = Math.ceil(range.start / alignment) * alignment;
      if (start + bytes > range.end) {
        continue;
      }
      const rest: Range[] = [
        { start: range.start, end: start },
        { start: start + bytes, end: range.end },
      ];
      ranges.splice(i, 1, ...rest.filter((r) => r.end > r.start));
      return start;
    }
    return -1;
  }

  #zero(address: number, bytes: number): void {
    const end = address + bytes;
    for (const range of this.#used) {
      for (
        let at = Math.max(range.start, address);
        at < Math.min(range.end, end);
        at += ZERO_CHUNK
      ) {
        const size = Math.min(ZERO_CHUNK, Math.min(range.end, end) - at);
        this.#core.hw.memoryWrite(at, new Uint8Array(size));
      }
    }
  }
}

/** Adds a range to a sorted list and merges neighbours. */
function insertRange(ranges: readonly Range[], added: Range): Range[] {
  const sorted = [...ranges, added].sort((a, b) => a.start - b.start);
  const merged: Range[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && last.end >= range.start) {
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
    } else {
      merged.push(range);
    }
  }
  return merged;
}
