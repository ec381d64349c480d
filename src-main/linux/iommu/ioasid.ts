/**
 * I/O address space identifiers of the 2019 profile (drivers/iommu/ioasid.c and the proposed sets of
 * Documentation/driver-api/ioasid.rst): the PASID pool with owners, references, private numbers of a VM (SPID) and
 * notifiers.
 *
 * Freeing always succeeds: an id that somebody still holds is FREE_PENDING until the last reference is gone, and nobody
 * can look it up or take another reference meanwhile.
 */
import type { Core } from '../core/core.ts';
import { exportSymbols } from '../core/export-symbols.ts';
import { EBUSY, EINVAL, ENOENT, ENOSPC, IS_ERR } from '../errno.ts';
import type { PasidPool } from './pasid-pool.ts';

export const INVALID_IOASID = 0xffff_ffff;

/** Who is told first: the CPU stops submission, then devices drain, then the IOMMU tears down. */
export const IOASID_PRIO = { CPU: 3, DEVICE: 2, IOMMU: 1 } as const;
export type IoasidEvent = 'ALLOC' | 'BIND' | 'UNBIND' | 'FREE';

export interface IoasidNotifier {
  readonly name: string;
  readonly priority: number;
  call(event: IoasidEvent, id: number, spid: number | null): void;
}

export interface IoasidSet {
  readonly name: string;
  /** What the set belongs to: the address space of the VMM. */
  readonly token: object;
  readonly quota: number;
  readonly notifiers: IoasidNotifier[];
}

interface Ioasid {
  readonly id: number;
  readonly set: IoasidSet | null;
  references: number;
  isFreePending: boolean;
  spid: number | null;
  data: unknown;
}

export class Ioasids {
  readonly #core: Core;
  readonly #pool: PasidPool;
  readonly #ids = new Map<number, Ioasid>();
  readonly #sets = new Set<IoasidSet>();

  constructor(core: Core, pool: PasidPool) {
    this.#core = core;
    this.#pool = pool;
    exportSymbols<Ioasids>(core, this, {
      calls: [
        'ioasid_alloc_set',
        'ioasid_free_set',
        'ioasid_alloc',
        'ioasid_get',
        'ioasid_put',
        'ioasid_free',
        'ioasid_attach_spid',
        'ioasid_detach_spid',
        'ioasid_register_notifier',
        'ioasid_unregister_notifier',
        'ioasid_notify',
      ],
      queries: ['ioasid_find', 'ioasid_find_by_spid', 'ioasid_find_mm_set'],
    });
  }

  ioasid_alloc_set(token: object, quota: number): IoasidSet | number {
    if (this.ioasid_find_mm_set(token) !== null) {
      return -EBUSY;
    }
    const set = {
      name: `ioasid_set${this.#core.nextId('ioasid-set', 1)}`,
      token,
      quota,
      notifiers: [],
    };
    this.#sets.add(set);
    this.#publishSet(set);
    return set;
  }

  ioasid_find_mm_set(token: object): IoasidSet | null {
    return [...this.#sets].find((s) => s.token === token) ?? null;
  }

  /** Frees every id of the set; those with references become FREE_PENDING. */
  ioasid_free_set(set: IoasidSet): void {
    for (const { id } of this.#members(set)) {
      this.ioasid_free(set, id);
    }
    this.#sets.delete(set);
    this.#core.publish(`ioasid/set/${set.name}`, undefined);
  }

  /** An id in [min, max], or INVALID_IOASID. */
  ioasid_alloc(set: IoasidSet | null, min: number, max: number, data: unknown = null): number {
    const isLimited = set !== null && this.#core.defends('pasid-quota');
    if (isLimited && this.#members(set).length >= set.quota) {
      return INVALID_IOASID;
    }
    const id = this.#pool.alloc(set?.name ?? 'kernel', max, min);
    if (IS_ERR(id)) {
      return INVALID_IOASID;
    }
    this.#ids.set(id, { id, set, references: 1, isFreePending: false, spid: null, data });
    this.#publish(id);
    this.#notify(set, 'ALLOC', id);
    return id;
  }

  ioasid_get(set: IoasidSet | null, id: number): number {
    const entry = this.#usable(set, id);
    if (entry === undefined) {
      return -EINVAL;
    }
    entry.references += 1;
    this.#publish(id);
    return 0;
  }

  /** True when this was the last reference and the number is back in the pool. */
  ioasid_put(set: IoasidSet | null, id: number): boolean {
    const entry = this.#ids.get(id);
    if (entry === undefined || (set !== null && entry.set !== set)) {
      this.#core.warn(`ioasid_put of ${id}, which is not of this set`);
      return false;
    }
    entry.references -= 1;
    if (entry.references > 0) {
      this.#publish(id);
      return false;
    }
    this.#ids.delete(id);
    this.#core.publish(`ioasid/${id}`, undefined);
    if (entry.set !== null && this.#sets.has(entry.set)) {
      this.#publishSet(entry.set);
    }
    this.#pool.free(id);
    return true;
  }

  ioasid_free(set: IoasidSet | null, id: number): void {
    const entry = this.#usable(set, id);
    if (entry === undefined) {
      this.#core.warn(`ioasid_free of ${id}, which is not of this set`);
      return;
    }
    entry.isFreePending = true;
    this.#publish(id);
    this.#notify(entry.set, 'FREE', id);
    this.ioasid_put(set, id);
  }

  /** Gives an id the number that its guest uses. */
  ioasid_attach_spid(id: number, spid: number): number {
    const entry = this.#ids.get(id);
    if (entry === undefined || entry.isFreePending) {
      return -ENOENT;
    }
    if (entry.set !== null && this.#members(entry.set).some((e) => e.spid === spid)) {
      return -EINVAL;
    }
    entry.spid = spid;
    this.#publish(id);
    return 0;
  }

  ioasid_detach_spid(id: number): number {
    const entry = this.#ids.get(id);
    if (entry === undefined || entry.spid === null) {
      return -ENOENT;
    }
    entry.spid = null;
    this.#publish(id);
    return 0;
  }

  /** Private data of an id, or a negative error number for a foreign or dead one. */
  ioasid_find(set: IoasidSet | null, id: number): unknown {
    const entry = this.#usable(set, id);
    return entry === undefined ? -ENOENT : entry.data;
  }

  /** Host id behind a guest's number, or INVALID_IOASID. */
  ioasid_find_by_spid(set: IoasidSet, spid: number): number {
    const entry = this.#members(set).find((e) => e.spid === spid && !e.isFreePending);
    return entry?.id ?? INVALID_IOASID;
  }

  ioasid_register_notifier(set: IoasidSet, notifier: IoasidNotifier): number {
    if (set.notifiers.includes(notifier)) {
      return -EBUSY;
    }
    set.notifiers.push(notifier);
    set.notifiers.sort((a, b) => b.priority - a.priority);
    return 0;
  }

  ioasid_unregister_notifier(set: IoasidSet, notifier: IoasidNotifier): void {
    const at = set.notifiers.indexOf(notifier);
    if (at >= 0) {
      set.notifiers.splice(at, 1);
    }
  }

  /** Tells the users of an id what happens to it. */
  ioasid_notify(id: number, event: IoasidEvent): number {
    const entry = this.#ids.get(id);
    if (entry === undefined) {
      return -ENOSPC;
    }
    this.#notify(entry.set, event, id);
    return 0;
  }

  /** Numbers of a set as its guest and as the host know them; without a private number both are the same. */
  pairsOf(set: IoasidSet): readonly { readonly guest: number; readonly host: number }[] {
    return this.#members(set)
      .filter((e) => !e.isFreePending)
      .map((e) => ({ guest: e.spid ?? e.id, host: e.id }));
  }

  /** Set of an id that can be used; null for the kernel's own, undefined for a dead or unknown one. */
  setOf(id: number): IoasidSet | null | undefined {
    return this.#usable(null, id)?.set;
  }

  referencesOf(id: number): number {
    return this.#ids.get(id)?.references ?? 0;
  }

  #usable(set: IoasidSet | null, id: number): Ioasid | undefined {
    const entry = this.#ids.get(id);
    const isForeign = set !== null && entry?.set !== set;
    return entry === undefined || entry.isFreePending || isForeign ? undefined : entry;
  }

  #members(set: IoasidSet): Ioasid[] {
    return [...this.#ids.values()].filter((e) => e.set === set);
  }

  #notify(set: IoasidSet | null, event: IoasidEvent, id: number): void {
    const spid = this.#ids.get(id)?.spid ?? null;
    for (const notifier of [...(set?.notifiers ?? [])]) {
      this.#core.callback(notifier.name, `ioasid ${event}`, `ioasid${id}`, () =>
        notifier.call(event, id, spid),
      );
    }
  }

  #publish(id: number): void {
    const entry = this.#ids.get(id);
    if (entry === undefined) {
      return;
    }
    this.#core.publish(`ioasid/${id}`, {
      set: entry.set?.name ?? null,
      references: entry.references,
      state: entry.isFreePending ? 'FREE_PENDING' : 'ACTIVE',
      spid: entry.spid,
    });
    if (entry.set !== null) {
      this.#publishSet(entry.set);
    }
  }

  #publishSet(set: IoasidSet): void {
    this.#core.publish(`ioasid/set/${set.name}`, {
      owner: 'name' in set.token ? String(set.token.name) : '',
      quota: set.quota,
      ids: this.#members(set).map((e) => ({ id: e.id, spid: e.spid, references: e.references })),
    });
  }
}
