/**
 * Pages of user processes with their pins. A page that is unmapped or whose process ended goes back to the allocator only
 * when the last pin is gone: a device may still reach it.
 */
import { invariant } from '../../bits/invariant.ts';
import { toHex } from '../../bits/hex.ts';
import type { Core } from '../core/core.ts';
import { EFAULT, IS_ERR } from '../errno.ts';
import { PAGE_BYTES, type PageAllocator } from './page-allocator.ts';

/** Pages that were allocated together and are freed together. */
export interface PageChunk {
  readonly address: number;
  readonly bytes: number;
  readonly owner: string;
  /** Mappings plus pins. */
  references: number;
}

export class UserPages {
  readonly #core: Core;
  readonly #pages: PageAllocator;
  /** Sorted by address. */
  readonly #chunks: PageChunk[] = [];
  #pinned = 0;

  constructor(core: Core, pages: PageAllocator) {
    this.#core = core;
    this.#pages = pages;
  }

  /** Pins held now, in pages. */
  get pinnedPages(): number {
    return this.#pinned;
  }

  /** A chunk with one reference, or -ENOMEM. */
  alloc(count: number, owner: string, alignment = PAGE_BYTES): PageChunk | number {
    const address = this.#pages.alloc(count, { owner, zone: 'user', alignment });
    if (IS_ERR(address)) {
      return address;
    }
    const chunk = { address, bytes: count * PAGE_BYTES, owner, references: 1 };
    const at = this.#chunks.findIndex((c) => c.address > address);
    this.#chunks.splice(at < 0 ? this.#chunks.length : at, 0, chunk);
    return chunk;
  }

  drop(chunk: PageChunk): void {
    invariant(chunk.references > 0, `Chunk at ${toHex(chunk.address)} was dropped too often`);
    chunk.references -= 1;
    if (chunk.references === 0) {
      this.#chunks.splice(this.#chunks.indexOf(chunk), 1);
      this.#pages.free(chunk.address);
    }
  }

  /** Pins pages that were allocated together. */
  pin(address: number, pages = 1): number {
    const chunk = this.#find(address);
    if (chunk === undefined) {
      return -EFAULT;
    }
    chunk.references += pages;
    this.#pinned += pages;
    return 0;
  }

  unpin(address: number, pages = 1): void {
    const chunk = this.#find(address);
    if (chunk === undefined || this.#pinned < pages) {
      this.#core.warn(`BUG: unpin of ${toHex(address)}, which is not pinned`);
      return;
    }
    this.#pinned -= pages;
    chunk.references -= pages - 1;
    this.drop(chunk);
  }

  /** Unpins every page of a run, which may go over several allocations. */
  unpinRun(address: number, bytes: number): void {
    for (let done = 0; done < bytes;) {
      const at = address + done;
      const chunk = this.#find(at);
      const end = chunk === undefined ? at + PAGE_BYTES : chunk.address + chunk.bytes;
      const size = Math.min(bytes - done, end - at);
      this.unpin(at, size / PAGE_BYTES);
      done += size;
    }
  }

  #find(address: number): PageChunk | undefined {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle]?.address ?? 0) <= address) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const chunk = this.#chunks[low - 1];
    return chunk !== undefined && address < chunk.address + chunk.bytes ? chunk : undefined;
  }
}
