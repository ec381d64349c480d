/**
 * Host PASIDs of one VDEV: the default one, which stands for requests without a guest PASID, and those behind guest PASIDs.
 * A guest's number means nothing outside its own set, so every number that a guest writes is looked up here before hardware
 * sees it. DSA 3.0 section 7.5.3; vSVA series for Linux and QEMU, 2020.
 */
import type { Core } from '../core/core.ts';
import { EINVAL } from '../errno.ts';
import {
  INVALID_IOASID,
  IOASID_PRIO,
  type IoasidNotifier,
  type Ioasids,
  type IoasidSet,
} from '../iommu/ioasid.ts';
import type { VfioDevice } from '../vfio/vfio-device.ts';
import type { Vfio } from '../vfio/vfio.ts';

export interface VdevPasidsOptions {
  readonly core: Core;
  readonly vfio: Vfio;
  readonly ioasids: Ioasids;
  /** The VFIO device, null while there is none. */
  device(): VfioDevice | null;
  /** A host PASID is going away: stop using it. */
  onFree(pasid: number): void;
  readonly name: string;
}

export class VdevPasids {
  readonly #options: VdevPasidsOptions;
  #watched: IoasidSet | null = null;
  readonly #notifier: IoasidNotifier;

  constructor(options: VdevPasidsOptions) {
    this.#options = options;
    this.#notifier = {
      name: options.name,
      priority: IOASID_PRIO.DEVICE,
      call: (event, id) => {
        if (event === 'FREE' || event === 'UNBIND') {
          options.onFree(id);
        }
      },
    };
  }

  /** PASID of the address space that the VMM attached, or -EINVAL. */
  get default(): number {
    const device = this.#options.device();
    return device === null ? -EINVAL : this.#options.vfio.defaultPasid(device);
  }

  /** Host PASID behind a number of the guest; 0 is the guest's way to say none. -EINVAL when it is not the guest's. */
  translate(guest: number): number {
    if (guest === 0) {
      return this.default;
    }
    const host = this.#lookUp(guest);
    return host < 0 && !this.#options.core.defends('gpasid-ownership') ? guest : host;
  }

  /** The guest's number for a host PASID, -EINVAL for one that is not the guest's. 0: the default. */
  guestOf(host: number): number {
    if (host === this.default) {
      return 0;
    }
    return this.#pairs.find((pair) => pair.host === host)?.guest ?? -EINVAL;
  }

  /** Every host PASID that the guest's descriptors can carry. */
  get all(): readonly number[] {
    const own = this.default;
    const others = this.#pairs.map(({ host }) => host);
    return own < 0 ? others : [own, ...others];
  }

  /** 2019: a reference for as long as hardware holds the number. */
  hold(pasid: number): void {
    if (this.#set !== null && pasid !== this.default) {
      this.#options.ioasids.ioasid_get(this.#set, pasid);
    }
  }

  release(pasid: number): void {
    const set = this.#watched ?? this.#set;
    if (set !== null && pasid !== this.default) {
      this.#options.ioasids.ioasid_put(set, pasid);
    }
  }

  /** The device is closed: nobody listens any more. */
  close(): void {
    if (this.#watched !== null) {
      this.#options.ioasids.ioasid_unregister_notifier(this.#watched, this.#notifier);
      this.#watched = null;
    }
  }

  get #set(): IoasidSet | null {
    const { core, ioasids } = this.#options;
    const mm = this.#options.device()?.user?.mm;
    return core.profile === 'iommufd' || mm === undefined ? null : ioasids.ioasid_find_mm_set(mm);
  }

  get #pairs(): readonly { readonly guest: number; readonly host: number }[] {
    const { vfio, ioasids, core } = this.#options;
    const device = this.#options.device();
    if (device === null) {
      return [];
    }
    if (core.profile === 'iommufd') {
      return vfio.hostPasids(device);
    }
    const set = this.#set;
    return set === null ? [] : ioasids.pairsOf(set);
  }

  #lookUp(guest: number): number {
    const { vfio, ioasids, core } = this.#options;
    const device = this.#options.device();
    if (core.profile === 'iommufd') {
      return device === null ? -EINVAL : vfio.hostPasid(device, guest);
    }
    const set = this.#set;
    if (set === null) {
      return -EINVAL;
    }
    this.#watch(set);
    const host = ioasids.ioasid_find_by_spid(set, guest);
    return host === INVALID_IOASID ? -EINVAL : host;
  }

  #watch(set: IoasidSet): void {
    if (this.#watched === null) {
      this.#options.ioasids.ioasid_register_notifier(set, this.#notifier);
      this.#watched = set;
    }
  }
}
