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

export class PasidPool {
  readonly #core: Core;
  readonly #owners = new Map<number, string>();

  constructor(core: Core) {
    this.#core = core;
  }

  get inUse(): number {
    return this.#owners.size;
  }

  ownerOf(pasid: number): string | undefined {
    return this.#owners.get(pasid);
  }

  /** The lowest free number in [min, max], or -ENOSPC. */
  alloc(owner: string, max: number, min = FIRST_PASID): number {
    for (let pasid = Math.max(FIRST_PASID, min); pasid <= Math.min(max, MAX_PASID - 1); pasid++) {
      if (!this.#owners.has(pasid)) {
        this.#owners.set(pasid, owner);
        this.#core.emit(PASID_ALLOCATED, pasid, owner);
        this.#core.publish(`pasid/${pasid}`, { owner });
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
  }
}
