/**
 * The PASID space of the system: one pool for all devices, because ENQCMD carries the same number to each of them. The
 * 2019 profile reaches it as `ioasid`, the later one as the global PASID allocator; both take the lowest free number.
 */
import { PASID_ALLOCATED, PASID_FREED } from '../../spec/events/linux.ts';
import { MAX_PASID_BITS } from '../../spec/vtd/pasid-directory-entry.ts';
import type { Core } from '../core/core.ts';
import { ENOSPC } from '../errno.ts';

/** 0 stands for requests without a PASID. */
export const FIRST_PASID = 1;
export const MAX_PASID = 2 ** MAX_PASID_BITS;

/** Whoever gives numbers in place of the pool, as a VMM does by virtual commands (ioasid_register_allocator). */
export interface PasidAllocator {
  /** A number, or a negative error number. */
  alloc(): number;
  free(pasid: number): void;
}

export class PasidPool {
  readonly #core: Core;
  readonly #owners = new Map<number, string>();
  #allocator: PasidAllocator | null = null;

  constructor(core: Core) {
    this.#core = core;
  }

  get inUse(): number {
    return this.#owners.size;
  }

  ownerOf(pasid: number): string | undefined {
    return this.#owners.get(pasid);
  }

  /** From now on numbers come from elsewhere; nothing may be allocated yet. */
  useAllocator(allocator: PasidAllocator): void {
    this.#allocator = allocator;
  }

  /** The lowest free number in [min, max], or -ENOSPC. */
  alloc(owner: string, max: number, min = FIRST_PASID): number {
    if (this.#allocator !== null) {
      return this.#allocFrom(this.#allocator, owner, min, max);
    }
    for (let pasid = Math.max(FIRST_PASID, min); pasid <= Math.min(max, MAX_PASID - 1); pasid++) {
      if (!this.#owners.has(pasid)) {
        this.#own(pasid, owner);
        return pasid;
      }
    }
    return -ENOSPC;
  }

  free(pasid: number): void {
    const owner = this.#owners.get(pasid);
    if (owner === undefined) {
      this.#core.warn(`PASID ${pasid} is freed but was not allocated`);
      return;
    }
    this.#owners.delete(pasid);
    this.#core.emit(PASID_FREED, pasid, owner);
    this.#core.publish(`pasid/${pasid}`, undefined);
    this.#allocator?.free(pasid);
  }

  /** What the other side gives must fit, or it is of no use here. */
  #allocFrom(allocator: PasidAllocator, owner: string, min: number, max: number): number {
    const pasid = allocator.alloc();
    if (pasid < 0) {
      return -ENOSPC;
    }
    if (pasid < min || pasid > max) {
      allocator.free(pasid);
      return -ENOSPC;
    }
    this.#own(pasid, owner);
    return pasid;
  }

  #own(pasid: number, owner: string): void {
    this.#owners.set(pasid, owner);
    this.#core.emit(PASID_ALLOCATED, pasid, owner);
    this.#core.publish(`pasid/${pasid}`, { owner });
  }
}
