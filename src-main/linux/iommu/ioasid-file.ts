/**
 * PASIDs in the hands of a VMM (`/dev/ioasid` of the 2019 proposals): one set for each open file, whose numbers go with it.
 * A number is known to the guest by a private one (SPID), so that two VMs may use the same. vSVA series for Linux and QEMU, 2020.
 *
 * The requests of the proposals never had numbers in a kernel header, so a VMM calls them by name.
 */
import type { PlainData } from '../../sim/index.ts';
import type { Core } from '../core/core.ts';
import { OpenFile } from '../core/files.ts';
import { EINVAL, ENOSPC } from '../errno.ts';
import { INVALID_IOASID, type Ioasids, type IoasidSet } from './ioasid.ts';

export interface IoasidFileOptions {
  readonly quota: number;
  /** Guest and host use the same numbers: nothing has to be translated, and nothing can be migrated. */
  readonly isIdentity: boolean;
}

export class IoasidFile extends OpenFile {
  readonly set: IoasidSet;
  readonly #ioasids: Ioasids;
  readonly #options: IoasidFileOptions;

  private constructor(core: Core, ioasids: Ioasids, set: IoasidSet, options: IoasidFileOptions) {
    super(core, `ioasid ${set.name}`);
    this.#ioasids = ioasids;
    this.set = set;
    this.#options = options;
  }

  /** -EBUSY when this address space has a set already. */
  static open(
    core: Core,
    ioasids: Ioasids,
    token: object,
    options: IoasidFileOptions,
  ): IoasidFile | number {
    const set = ioasids.ioasid_alloc_set(token, options.quota);
    return typeof set === 'number' ? set : new IoasidFile(core, ioasids, set, options);
  }

  /** The guest's number for a new PASID in [1, max], or -ENOSPC. */
  alloc(max: number): number {
    return this.core.call('IOASID_REQUEST_ALLOC', [this.set, max], () => {
      const id = this.#ioasids.ioasid_alloc(this.set, 1, max);
      if (id === INVALID_IOASID) {
        return -ENOSPC;
      }
      const spid = this.#options.isIdentity ? id : this.#freeSpid(id);
      this.#ioasids.ioasid_attach_spid(id, spid);
      return spid;
    });
  }

  /** -EINVAL for a number that the guest does not have. */
  free(spid: number): number {
    return this.core.call('IOASID_REQUEST_FREE', [this.set, spid], () => {
      const id = this.hostOf(spid);
      if (id < 0) {
        return -EINVAL;
      }
      this.#ioasids.ioasid_free(this.set, id);
      return 0;
    });
  }

  /** Host PASID behind a number of the guest, or -EINVAL. */
  hostOf(spid: number): number {
    const id = this.#ioasids.ioasid_find_by_spid(this.set, spid);
    return id === INVALID_IOASID ? -EINVAL : id;
  }

  override release(): void {
    this.#ioasids.ioasid_free_set(this.set);
  }

  override state(): PlainData {
    return { kind: 'ioasid', set: this.set.name };
  }

  #freeSpid(id: number): number {
    const taken = new Set(
      this.#ioasids
        .pairsOf(this.set)
        .filter((p) => p.host !== id)
        .map((p) => p.guest),
    );
    let spid = 1;
    while (taken.has(spid)) {
      spid += 1;
    }
    return spid;
  }
}
