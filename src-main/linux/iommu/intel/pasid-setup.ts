/**
 * Setting up, replacing and tearing down PASID entries (drivers/iommu/intel/pasid.c), with the invalidations of
 * VT-d 5.10 section 6.5.3.3 in their order.
 *
 * Tear-down: P=0; PASID cache; IOTLB (PASID-selective for first-stage and pass-through entries, domain-selective for
 * second-stage and nested ones); device TLB; rest of the entry; page requests on their way. FPD goes with P and stays
 * where late faults shall be silent.
 */
import { ADDRESS_WIDTHS } from '../../../spec/vtd/address-width.ts';
import { FSPM, PGTT, PasidTableEntry } from '../../../spec/vtd/pasid-table-entry.ts';
import { EBUSY, EINVAL } from '../../errno.ts';
import { IOMMU_NO_PASID, type IommuDomain } from '../domain.ts';
import type { CacheFlush } from './cache-flush.ts';
import type { DeviceInfo } from './device-info.ts';
import { iotlbDomain, pasidCachePasid, pasidIotlbAll } from './invalidations.ts';
import type { PasidEntryValues, PasidTable } from './pasid-table.ts';
import { FLPT_DEFAULT_DID, type IommuUnit } from './unit.ts';

/** Waits until no page request of this function and PASID is on its way. */
export type PageRequestDrain = (info: DeviceInfo, pasid: number, did: number) => void;

export class PasidSetup {
  readonly #unit: IommuUnit;
  readonly #flush: CacheFlush;
  #drain: PageRequestDrain = () => {};

  constructor(unit: IommuUnit, flush: CacheFlush) {
    this.#unit = unit;
    this.#flush = flush;
  }

  useDrain(drain: PageRequestDrain): void {
    this.#drain = drain;
  }

  /** Binds a PASID that has no entry. -EBUSY when it has one. */
  setUp(info: DeviceInfo, pasid: number, domain: IommuDomain): number {
    const table = tableOf(info);
    if (table === null || pasid >= table.maxPasid) {
      return -EINVAL;
    }
    const old = table.read(pasid);
    if (old.P === 1) {
      return -EBUSY;
    }
    const values = this.entryFor(domain, pasid);
    if (typeof values === 'number') {
      return values;
    }
    const result = table.write(pasid, values);
    if (result === 0 && this.#unit.capability.cap.CM === 1) {
      this.#flushPresent(pasid, values.DID ?? 0, isFirstStage(values));
    }
    return result;
  }

  /** Changes a present entry in place: no instant at which the PASID is blocked. */
  replace(info: DeviceInfo, pasid: number, domain: IommuDomain): number {
    const table = tableOf(info);
    if (table === null || pasid >= table.maxPasid) {
      return -EINVAL;
    }
    const old = table.read(pasid);
    if (old.P === 0) {
      return this.setUp(info, pasid, domain);
    }
    const values = this.entryFor(domain, pasid);
    if (typeof values === 'number') {
      return values;
    }
    const result = table.write(pasid, values);
    this.#unit.queue.submit([
      pasidCachePasid(old.DID, pasid),
      isFirstStage(old) ? pasidIotlbAll(old.DID, pasid) : iotlbDomain(old.DID),
      ...this.#flush.deviceTlbCommands(info, pasid),
    ]);
    return result;
  }

  /** `keepsSilent`: the entry keeps FPD=1, so that late faults of a dying process are not reported. */
  tearDown(
    info: DeviceInfo,
    pasid: number,
    options: { readonly keepsSilent?: boolean } = {},
  ): void {
    const table = tableOf(info);
    if (table === null) {
      return;
    }
    const old = table.read(pasid);
    const keepsSilent = options.keepsSilent === true;
    if (old.P === 0) {
      if (old.FPD === 1 && !keepsSilent) {
        table.write(pasid, {});
        this.#drainRequests(info, pasid, FLPT_DEFAULT_DID);
      }
      return;
    }
    const words = table.readWords(pasid);
    PasidTableEntry.set(words, 'P', 0);
    PasidTableEntry.set(words, 'FPD', Number(keepsSilent));
    table.writeWords(pasid, words);
    if (this.#unit.core.defends('pasid-teardown-flush')) {
      this.#unit.queue.submit([
        pasidCachePasid(old.DID, pasid),
        isFirstStage(old) ? pasidIotlbAll(old.DID, pasid) : iotlbDomain(old.DID),
        ...this.#flush.deviceTlbCommands(info, pasid),
      ]);
    }
    table.write(pasid, { FPD: Number(keepsSilent) });
    if (!keepsSilent) {
      this.#drainRequests(info, pasid, old.DID);
    }
  }

  #drainRequests(info: DeviceInfo, pasid: number, did: number): void {
    if (this.#unit.core.defends('page-request-drain')) {
      this.#drain(info, pasid, did);
    }
  }

  /** Fields of the entry for a domain, or -EINVAL when the unit cannot do it. */
  entryFor(domain: IommuDomain, pasid: number): PasidEntryValues | number {
    switch (domain.type) {
      case 'identity':
        return this.#unit.has('PT')
          ? {
              P: 1,
              PGTT: PGTT.passThrough,
              DID: FLPT_DEFAULT_DID,
              ...this.#supervisor(pasid),
              ...this.#snoop(domain),
            }
          : -EINVAL;
      case 'sva':
        return this.#firstStage(domain, domain.mm?.table.root ?? 0, domain.mm?.table.levels ?? 4);
      case 'nested':
        return this.#nested(domain);
      case 'blocked':
        return {};
      case 'dma':
      case 'unmanaged':
        return this.#paging(domain, pasid);
    }
  }

  #paging(domain: IommuDomain, pasid: number): PasidEntryValues | number {
    const values =
      domain.format === 'first-stage'
        ? this.#firstStage(domain, domain.table?.root ?? 0, domain.table?.levels ?? 4)
        : this.#secondStage(domain);
    return typeof values === 'number' ? values : { ...values, ...this.#supervisor(pasid) };
  }

  #firstStage(domain: IommuDomain, root: number, levels: number): PasidEntryValues | number {
    const needs5 = levels === 5;
    if (!this.#unit.has('FSTS') || (needs5 && this.#unit.capability.cap.FS5LP === 0)) {
      return -EINVAL;
    }
    return {
      P: 1,
      PGTT: PGTT.firstStage,
      DID: FLPT_DEFAULT_DID,
      FSPM: needs5 ? FSPM.levels5 : FSPM.levels4,
      FSPTPTR: BigInt(root),
      ...this.#snoop(domain),
    };
  }

  #secondStage(domain: IommuDomain): PasidEntryValues | number {
    const width = ADDRESS_WIDTHS.find((w) => w.levels === domain.table?.levels);
    if (width === undefined || !this.#unit.has('SSTS')) {
      return -EINVAL;
    }
    return {
      P: 1,
      PGTT: PGTT.secondStage,
      DID: domain.did,
      AW: width.aw,
      SSPTPTR: BigInt(domain.table?.root ?? 0),
      SSADE: Number(domain.isDirtyTrackingOn),
      ...this.#snoop(domain),
    };
  }

  #nested(domain: IommuDomain): PasidEntryValues | number {
    const { parent, stage1 } = domain;
    if (parent === null || stage1 === null || !this.#unit.has('NEST')) {
      return -EINVAL;
    }
    const below = this.#secondStage(parent);
    if (typeof below === 'number') {
      return below;
    }
    return {
      ...below,
      PGTT: PGTT.nested,
      SRE: Number(stage1.isSupervisorAllowed),
      WPE: Number(stage1.isWriteProtected),
      EAFE: Number(stage1.hasExtendedAccessed),
      FSPM: stage1.addr_width === 57 ? FSPM.levels5 : FSPM.levels4,
      FSPTPTR: BigInt(stage1.pgtbl_addr),
    };
  }

  /** Behind a PASID of the kernel's own both the kernel of a guest and its user may be speaking. */
  #supervisor(pasid: number): PasidEntryValues {
    return { SRE: Number(pasid !== IOMMU_NO_PASID && this.#unit.has('SRS')) };
  }

  #snoop(domain: IommuDomain): PasidEntryValues {
    return {
      PWSNP: Number(this.#unit.has('SMPWCS')),
      PGSNP: Number(domain.isCoherencyEnforced && this.#unit.has('SC')),
    };
  }

  /** A unit in caching mode may hold the fact that the entry was not present. */
  #flushPresent(pasid: number, did: number, hasFirstStage: boolean): void {
    this.#unit.queue.submit([
      pasidCachePasid(0, pasid),
      hasFirstStage ? pasidIotlbAll(did, pasid) : iotlbDomain(did),
    ]);
  }
}

function tableOf(info: DeviceInfo): PasidTable | null {
  return info.pasidTable;
}

function isFirstStage(entry: { readonly PGTT?: number | undefined }): boolean {
  return entry.PGTT === PGTT.firstStage || entry.PGTT === PGTT.passThrough;
}
