/**
 * Which PASIDs of which virtual functions the host has an entry for, kept equal to the guest's own table. The guest's paging
 * tables are used in place; only entries are copied, and only when the guest says that they changed. QEMU,
 * "intel_iommu: expose Shared Virtual Addressing to VMs", RFC v3.1, 2020.
 *
 * A function whose requests without a PASID would fault in the guest's unit gets a first stage without entries. Pass-through,
 * and a unit that does not translate, leave it guest-physical memory.
 *
 * Not modelled: pass-through for requests with a PASID; they stay blocked.
 */
import { NO_REASON, VIOMMU_FUNCTION_BLOCKED, VIOMMU_PASID_BOUND } from '../../spec/events/vmm.ts';
import { faultCodeTitle, faultReason } from '../../spec/vtd/faults.ts';
import type { Core } from '../../linux/core/core.ts';
import { EMPTY_STAGE1 } from './empty-table.ts';
import { stage1Of, type GuestRefusal, type GuestTables } from './guest-tables.ts';
import type { GuestStage1, NestingBackend, Reach } from './nesting-backend.ts';

/** A function on the guest's bus. */
export interface ShadowedDevice {
  readonly name: string;
  readonly rid: number;
}

export interface ShadowEntry {
  readonly device: ShadowedDevice;
  readonly pasid: number;
  readonly did: number;
  readonly stage1: GuestStage1;
  /** The guest wants no faults of it recorded. */
  readonly isSilent: boolean;
}

export interface PasidShadowParts {
  readonly core: Core;
  readonly vm: string;
  readonly tables: GuestTables;
  readonly backend: NestingBackend;
  devices(): readonly ShadowedDevice[];
  isTranslating(): boolean;
}

/** A table to nest, a fault, or guest-physical memory. */
type Wanted = ShadowEntry | GuestRefusal | 'guest-physical';

/** The host could not do what the guest asked for: no fault of the guest. */
const HOSTS_OWN: GuestRefusal = { reason: NO_REASON, isSilent: true };

export class PasidShadow {
  readonly #parts: PasidShadowParts;
  readonly #entries = new Map<string, ShadowEntry>();
  /** Functions without memory, by name, and what their requests without a PASID would meet in the guest's unit. */
  readonly #blocked = new Map<string, GuestRefusal>();
  /** Functions that the host was told to leave guest-physical memory to. */
  readonly #passed = new Set<string>();

  constructor(parts: PasidShadowParts) {
    this.#parts = parts;
  }

  /** In the order in which they were bound. */
  get entries(): readonly ShadowEntry[] {
    return [...this.#entries.values()];
  }

  get devices(): readonly ShadowedDevice[] {
    return this.#parts.devices();
  }

  find(device: string, pasid: number): ShadowEntry | undefined {
    return this.#entries.get(keyOf(device, pasid));
  }

  /** The guest changed the entry of a PASID, for one function or for any. */
  sync(pasid: number, rid?: number): void {
    for (const device of this.devices) {
      if (rid === undefined || device.rid === rid) {
        this.#syncOne(device, pasid);
      }
    }
  }

  /** Anything may have changed. */
  replay(): void {
    const { tables, isTranslating } = this.#parts;
    for (const device of this.devices) {
      const known = this.entries.filter((e) => e.device.name === device.name).map((e) => e.pasid);
      const present = isTranslating() ? tables.presentPasids(device.rid) : [];
      for (const pasid of new Set([0, ...known, ...present])) {
        this.#syncOne(device, pasid);
      }
    }
  }

  /** Blocks functions that nothing is bound for, or lets them pass, as the guest's tables say. */
  settle(): void {
    for (const device of this.devices) {
      if (this.find(device.name, 0) === undefined) {
        this.#settleOne(device);
      }
    }
  }

  /** What the guest's table says now; undefined for nothing to nest, and while the guest's unit does not translate. */
  guestEntry(device: ShadowedDevice, pasid: number): ShadowEntry | undefined {
    const wanted = this.#wanted(device, pasid);
    return typeof wanted === 'object' && 'stage1' in wanted ? wanted : undefined;
  }

  /** What requests of a function without a PASID reach, and the fault reason where it is a fault of the guest. */
  stateOf(device: string): { readonly reach: Reach; readonly reason: number } {
    const blocked = this.#blocked.get(device);
    const isBound = this.find(device, 0) !== undefined;
    const own = isBound ? 'first-stage' : blocked === undefined ? 'guest-physical' : 'nothing';
    const reach = this.#parts.backend.sharedReach(device) ?? own;
    return { reach, reason: blocked?.reason ?? NO_REASON };
  }

  /** The fault that a request meets which the host refused for want of an entry; undefined for one that has its entry. */
  refusal({ name, rid }: ShadowedDevice, pasid: number): GuestRefusal | undefined {
    if (this.find(name, pasid) !== undefined) {
      return undefined;
    }
    if (pasid === 0) {
      return this.#blocked.get(name);
    }
    const wanted = this.#wanted({ name, rid }, pasid);
    return typeof wanted === 'object' && 'reason' in wanted ? wanted : undefined;
  }

  /** The same for a page request that the host took. */
  pageRequestRefusal(device: ShadowedDevice, pasid: number): GuestRefusal | undefined {
    const { tables, isTranslating } = this.#parts;
    const blocked = this.refusal(device, pasid);
    return blocked ?? (isTranslating() ? tables.pageRequestRefusal(device.rid, pasid) : undefined);
  }

  /** A device leaves the VM, or the VM ends. */
  drop(device?: string): void {
    const isMeant = (name: string): boolean => device === undefined || name === device;
    for (const entry of this.entries.filter((e) => isMeant(e.device.name))) {
      this.#remove(entry, () => this.#parts.backend.unbind(entry.device.name, entry.pasid));
    }
    for (const name of [...this.#blocked.keys()].filter(isMeant)) {
      this.#pass(name);
    }
    [...this.#passed].filter(isMeant).forEach((name) => this.#passed.delete(name));
    if (device !== undefined) {
      this.#parts.backend.forget(device);
    }
  }

  /** 0, or the error number of the host, which then has no table there at all. */
  bind(entry: ShadowEntry): number {
    const { core, vm, backend } = this.#parts;
    const { device, pasid, stage1 } = entry;
    const seq = core.hw.emit(VIOMMU_PASID_BOUND, vm, device.name, pasid, stage1.root, true);
    const result = core.hw.within(seq, () => backend.bind(device.name, pasid, stage1));
    if (result < 0) {
      core.warn(`${vm}: the host does not bind PASID ${pasid} of ${device.name}: ${result}`);
      const old = this.find(device.name, pasid);
      if (old !== undefined) {
        this.unbind(old);
      } else if (pasid === 0) {
        this.#settleOne(device);
      }
      return result;
    }
    if (pasid === 0) {
      this.#blocked.delete(device.name);
      this.#passed.delete(device.name);
    }
    this.#entries.set(keyOf(device.name, pasid), entry);
    return 0;
  }

  unbind(entry: ShadowEntry): void {
    this.#remove(entry, () => {
      if (entry.pasid === 0) {
        this.#settleOne(entry.device, true);
      } else {
        this.#parts.backend.unbind(entry.device.name, entry.pasid);
      }
    });
  }

  #syncOne(device: ShadowedDevice, pasid: number): void {
    const entry = this.guestEntry(device, pasid);
    const known = this.find(device.name, pasid);
    if (entry !== undefined && known !== undefined && isSame(known.stage1, entry.stage1)) {
      this.#entries.set(keyOf(device.name, pasid), entry);
    } else if (entry !== undefined) {
      this.bind(entry);
    } else if (known !== undefined) {
      this.unbind(known);
    } else if (pasid === 0) {
      this.#settleOne(device);
    }
  }

  #wanted(device: ShadowedDevice, pasid: number): Wanted {
    const { tables, isTranslating } = this.#parts;
    if (!isTranslating()) {
      return 'guest-physical';
    }
    const found = tables.lookup(device.rid, pasid);
    if ('reason' in found) {
      return found;
    }
    const { entry, isSilent } = found;
    const stage1 = stage1Of(entry, pasid);
    if (stage1 === undefined) {
      return 'guest-physical';
    }
    return tables.hasTable(stage1)
      ? { device, pasid, did: entry.DID, stage1, isSilent }
      : { reason: faultReason('SFS.4').code, isSilent };
  }

  /** Requests without a PASID of a function that has no table of the guest. `wasBound`: the host has one still. */
  #settleOne(device: ShadowedDevice, wasBound = false): void {
    const wanted = this.#wanted(device, 0);
    const { name } = device;
    if (wanted === 'guest-physical') {
      if (!this.#passed.has(name)) {
        this.#pass(name);
      }
      return;
    }
    const refusal = 'reason' in wanted ? wanted : HOSTS_OWN;
    if (wasBound || !isEqual(this.#blocked.get(name), refusal)) {
      this.#block(name, refusal);
    }
  }

  #block(name: string, refusal: GuestRefusal): void {
    this.#blocked.set(name, refusal);
    this.#passed.delete(name);
    const title = faultCodeTitle(refusal.reason) ?? 'the host cannot nest the table';
    this.#tell(name, refusal.reason, title, true, () => {
      this.#parts.backend.bind(name, 0, EMPTY_STAGE1);
    });
  }

  #pass(name: string): void {
    const undo = (): void => this.#parts.backend.unbind(name, 0);
    const wasBlocked = this.#blocked.delete(name);
    this.#passed.add(name);
    if (wasBlocked) {
      this.#tell(name, NO_REASON, 'guest-physical memory', false, undo);
    } else {
      undo();
    }
  }

  #tell(name: string, reason: number, title: string, isBlocked: boolean, body: () => void): void {
    const { core, vm } = this.#parts;
    const seq = core.hw.emit(VIOMMU_FUNCTION_BLOCKED, vm, name, reason, title, isBlocked);
    core.hw.within(seq, body);
  }

  #remove({ device, pasid, stage1 }: ShadowEntry, undo: () => void): void {
    const { core, vm } = this.#parts;
    this.#entries.delete(keyOf(device.name, pasid));
    const seq = core.hw.emit(VIOMMU_PASID_BOUND, vm, device.name, pasid, stage1.root, false);
    core.hw.within(seq, undo);
  }
}

function keyOf(device: string, pasid: number): string {
  return `${device}/${pasid}`;
}

function isEqual(a: GuestRefusal | undefined, b: GuestRefusal): boolean {
  return a !== undefined && a.reason === b.reason && a.isSilent === b.isSilent;
}

function isSame(a: GuestStage1, b: GuestStage1): boolean {
  return (
    a.root === b.root &&
    a.width === b.width &&
    a.isSupervisorAllowed === b.isSupervisorAllowed &&
    a.hasExtendedAccessed === b.hasExtendedAccessed &&
    a.isWriteProtected === b.isWriteProtected
  );
}
