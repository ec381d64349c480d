/**
 * Which PASIDs of which virtual functions the host has an entry for, kept equal to the guest's own table. The guest's paging
 * tables are used in place; only entries are copied, and only when the guest says that they changed. QEMU,
 * "intel_iommu: expose Shared Virtual Addressing to VMs", RFC v3.1, 2020.
 *
 * Not modelled: a function whose PASID 0 has no entry keeps reaching guest-physical memory instead of being blocked.
 */
import { VIOMMU_PASID_BOUND } from '../../spec/events/vmm.ts';
import type { Core } from '../../linux/core/core.ts';
import { stage1Of, type GuestTables } from './guest-tables.ts';
import type { GuestStage1, NestingBackend } from './nesting-backend.ts';

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
}

export interface PasidShadowParts {
  readonly core: Core;
  readonly vm: string;
  readonly tables: GuestTables;
  readonly backend: NestingBackend;
  devices(): readonly ShadowedDevice[];
  isTranslating(): boolean;
}

export class PasidShadow {
  readonly #parts: PasidShadowParts;
  readonly #entries = new Map<string, ShadowEntry>();

  constructor(parts: PasidShadowParts) {
    this.#parts = parts;
  }

  /** In the order in which they were bound. */
  get entries(): readonly ShadowEntry[] {
    return [...this.#entries.values()];
  }

  find(device: string, pasid: number): ShadowEntry | undefined {
    return this.#entries.get(keyOf(device, pasid));
  }

  /** The guest changed the entry of a PASID, for one function or for any. */
  sync(pasid: number, rid?: number): void {
    for (const device of this.#parts.devices()) {
      if (rid === undefined || device.rid === rid) {
        this.#syncOne(device, pasid);
      }
    }
  }

  /** Anything may have changed. */
  replay(): void {
    const { devices, tables, isTranslating } = this.#parts;
    for (const device of devices()) {
      const known = this.entries.filter((e) => e.device.name === device.name).map((e) => e.pasid);
      const present = isTranslating() ? tables.presentPasids(device.rid) : [];
      for (const pasid of new Set([...known, ...present])) {
        this.#syncOne(device, pasid);
      }
    }
  }

  get devices(): readonly ShadowedDevice[] {
    return this.#parts.devices();
  }

  /** What the guest's table says now; undefined for nothing to nest, and while the guest's unit does not translate. */
  guestEntry(device: ShadowedDevice, pasid: number): ShadowEntry | undefined {
    const { tables, isTranslating } = this.#parts;
    const entry = isTranslating() ? tables.entry(device.rid, pasid) : undefined;
    const stage1 = entry === undefined ? undefined : stage1Of(entry, pasid);
    return stage1 === undefined || entry === undefined
      ? undefined
      : { device, pasid, did: entry.DID, stage1 };
  }

  /** A device leaves the VM, or the VM ends. */
  drop(device?: string): void {
    for (const entry of this.entries.filter(
      (e) => device === undefined || e.device.name === device,
    )) {
      this.unbind(entry);
    }
  }

  #syncOne(device: ShadowedDevice, pasid: number): void {
    const entry = this.guestEntry(device, pasid);
    const known = this.find(device.name, pasid);
    if (entry === undefined) {
      if (known !== undefined) {
        this.unbind(known);
      }
      return;
    }
    if (known === undefined || !isSame(known.stage1, entry.stage1)) {
      this.bind(entry);
    }
  }

  /** 0, or the error number of the host. */
  bind(entry: ShadowEntry): number {
    const { core, vm, backend } = this.#parts;
    const { device, pasid, stage1 } = entry;
    const seq = core.hw.emit(VIOMMU_PASID_BOUND, vm, device.name, pasid, stage1.root, true);
    const result = core.hw.within(seq, () => backend.bind(device.name, pasid, stage1));
    if (result < 0) {
      core.warn(`${vm}: the host does not bind PASID ${pasid} of ${device.name}: ${result}`);
      return result;
    }
    this.#entries.set(keyOf(device.name, pasid), entry);
    return 0;
  }

  unbind({ device, pasid, stage1 }: ShadowEntry): void {
    const { core, vm, backend } = this.#parts;
    this.#entries.delete(keyOf(device.name, pasid));
    const seq = core.hw.emit(VIOMMU_PASID_BOUND, vm, device.name, pasid, stage1.root, false);
    core.hw.within(seq, () => backend.unbind(device.name, pasid));
  }
}

function keyOf(device: string, pasid: number): string {
  return `${device}/${pasid}`;
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
