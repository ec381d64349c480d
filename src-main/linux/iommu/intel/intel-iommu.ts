/**
 * The VT-d driver (drivers/iommu/intel/iommu.c): brings the unit up, gives every function its context entry and PASID table,
 * and makes domains effective for (function, PASID) pairs.
 *
 * In legacy mode a function has one second-stage domain and no PASIDs. Not modelled: RMRR regions, several units.
 */
import { AW, ADDRESS_WIDTHS } from '../../../spec/vtd/address-width.ts';
import { LegacyContextEntry, ScalableContextEntry, TT } from '../../../spec/vtd/context-entry.ts';
import {
  FEADDR_REG,
  FECTL_REG,
  FEDATA_REG,
  FEUADDR_REG,
} from '../../../spec/vtd/registers/fault.ts';
import type { Core } from '../../core/core.ts';
import { EINVAL, EOPNOTSUPP, IS_ERR } from '../../errno.ts';
import type { Irqs } from '../../irq/irq.ts';
import type { PageAllocator } from '../../mm/page-allocator.ts';
import { RadixTable } from '../../mm/radix-table.ts';
import { firstStageFormat, secondStageFormat } from '../../mm/table-format.ts';
import { PCI_REGS } from '../../pci/pci-regs.ts';
import type { PciDev } from '../../pci/pci-dev.ts';
import type { Pci } from '../../pci/pci.ts';
import { IommuDomain, type DomainFormat, type DomainOptions } from '../domain.ts';
import { Iopf } from '../iopf.ts';
import type { UnrecoverableRequest } from '../unrecoverable.ts';
import { CacheFlush } from './cache-flush.ts';
import type { DeviceInfo } from './device-info.ts';
import { FaultLog, type FaultRecordValues } from './fault-log.ts';
import { InterruptRemapping } from './interrupt-remapping.ts';
import {
  contextCacheDevice,
  iotlbDomain,
  pageGroupResponse,
  pasidCacheDomain,
} from './invalidations.ts';
import { PageRequestQueue } from './page-request-queue.ts';
import { PasidSetup } from './pasid-setup.ts';
import { PasidTable } from './pasid-table.ts';
import type { IommuUnit } from './unit.ts';
import { FLPT_DEFAULT_DID } from './unit.ts';

/** What a new paging domain shall be. */
export interface PagingRequest {
  readonly type: 'dma' | 'unmanaged';
  readonly format?: DomainFormat;
  readonly isNestParent?: boolean;
  readonly isPasidCompatible?: boolean;
  readonly hasDirtyTracking?: boolean;
}

const PAGE_SHIFT = 12;
const PRI_REQUESTS = 32;
const FS_LEVELS = 4;

/** Requester, host PASID and what was wrong with a request that went no further. */
export type RefusalListener = (rid: number, pasid: number, fault: UnrecoverableRequest) => void;

export class IntelIommu {
  readonly unit: IommuUnit;
  readonly flush: CacheFlush;
  readonly entries: PasidSetup;
  readonly remapping: InterruptRemapping | null;
  readonly iopf: Iopf;
  readonly #core: Core;
  readonly #pages: PageAllocator;
  readonly #pci: Pci;
  readonly #infos = new Map<PciDev, DeviceInfo>();
  readonly #didUsers = new Map<IommuDomain, number>();
  readonly #pageRequests: PageRequestQueue | null;
  /** The function whose ATS is turned on next: its context entry must allow it before. */
  #comingAts: PciDev | null = null;
  #refusalListener: RefusalListener = () => {};

  constructor(unit: IommuUnit, ports: { readonly pci: Pci; readonly irqs: Irqs }) {
    const { core } = unit;
    this.unit = unit;
    this.#core = core;
    this.#pages = unit.pages;
    this.#pci = ports.pci;
    const infoOf = (dev: PciDev): DeviceInfo | undefined => this.#infos.get(dev);
    this.flush = new CacheFlush(unit, infoOf);
    this.entries = new PasidSetup(unit, this.flush);
    this.iopf = new Iopf(core, {
      domainOf: (rid, pasid) => this.infoAt(rid)?.domains.get(Math.max(0, pasid)),
      respond: (fault, code) => {
        unit.queue.submit([pageGroupResponse({ ...fault, code })]);
      },
    });
    unit.enableQueue();
    this.remapping = this.#startRemapping(ports.irqs);
    this.#pageRequests = this.#startPageRequests(ports.irqs);
    unit.setEvent(
      {
        control: FECTL_REG.offset,
        data: FEDATA_REG.offset,
        address: FEADDR_REG.offset,
        upperAddress: FEUADDR_REG.offset,
      },
      ports.irqs,
      () => new FaultLog(unit, (record) => this.#tellRefused(record)).handle(),
      'dmar0',
    );
    if (core.params.pci_features === 'driver') {
      ports.pci.observe({ featuresChanged: (dev) => this.updateContext(dev) });
    }
  }

  /** Who hears of requests with a PASID that the unit refused. */
  onRefused(listener: RefusalListener): void {
    this.#refusalListener = listener;
  }

  info(dev: PciDev): DeviceInfo | undefined {
    return this.#infos.get(dev);
  }

  infoAt(rid: number): DeviceInfo | undefined {
    return [...this.#infos.values()].find((i) => i.dev.rid === rid);
  }

  // ---- functions -----------------------------------------------------------------------------------------------------

  /** A function comes under translation: PASID table and context entry, then its own capabilities. */
  probeDevice(dev: PciDev): number {
    const maxPasids = this.#maxPasids(dev);
    const table = this.unit.isScalable
      ? new PasidTable(this.#core, this.#pages, dev.rid, maxPasids)
      : null;
    const depth = this.#pci.config.findExtended(dev, PCI_REGS.PCI_EXT_CAP_ID_ATS);
    this.#infos.set(dev, {
      dev,
      pasidTable: table,
      maxPasids,
      deviceTlb: {
        rid: dev.rid,
        pfRid: this.unit.has('DIT') ? (dev.physfn?.rid ?? dev.rid) : 0,
        depth: depth === 0 ? 0 : this.#atsDepth(dev, depth),
      },
      domains: new Map(),
      isAuxEnabled: false,
      isSvaEnabled: false,
    });
    if (!this.unit.isScalable) {
      return 0;
    }
    if (this.#core.params.pci_features === 'iommu') {
      this.#enableFeatures(dev);
    } else {
      this.updateContext(dev);
    }
    return 0;
  }

  releaseDevice(dev: PciDev): void {
    const info = this.#infos.get(dev);
    if (info === undefined) {
      return;
    }
    this.#pci.pci_disable_ats(dev);
    this.#pci.pci_disable_pri(dev);
    this.#pci.pci_disable_pasid(dev);
    this.unit.contexts.clear(dev.rid);
    this.unit.queue.submit([contextCacheDevice(dev.rid, 0), pasidCacheDomain(FLPT_DEFAULT_DID)]);
    info.pasidTable?.destroy();
    this.#infos.delete(dev);
  }

  /** Writes the context entry as the function's state demands, with the invalidations a change needs. */
  updateContext(dev: PciDev): void {
    const info = this.#infos.get(dev);
    if (info === undefined || info.pasidTable === null) {
      return;
    }
    const before = ScalableContextEntry.decode(this.unit.contexts.read(dev.rid));
    const hasAts = this.#hasAts(dev);
    const next = ScalableContextEntry.encode({
      P: 1,
      DTE: Number(hasAts),
      PASIDE: Number(this.#hasPasids(info)),
      PRE: Number(hasAts && this.#hasPri(dev)),
      PDTS: info.pasidTable.pdts,
      PASIDDIRPTR: BigInt(info.pasidTable.directory),
    });
    this.unit.contexts.write(dev.rid, next);
    if (before.P === 1 || this.unit.capability.cap.CM === 1) {
      const dids = new Set([...info.domains.values()].map((d) => this.didOf(d)));
      this.unit.queue.submit([
        contextCacheDevice(dev.rid, 0),
        ...[...dids].flatMap((did) => [pasidCacheDomain(did), iotlbDomain(did)]),
        ...this.flush.deviceTlbCommands(info, 0),
      ]);
    }
  }

  // ---- domains -------------------------------------------------------------------------------------------------------

  /** A domain with its own tables, or a negative error number. */
  allocPaging(request: PagingRequest): IommuDomain | number {
    const format = request.format ?? this.#defaultFormat();
    if (!this.#supports(format) || (request.isNestParent === true && format !== 'second-stage')) {
      return -EOPNOTSUPP;
    }
    const id = `tables${this.#core.nextId('iommu-table', 1)}`;
    const { capability } = this.unit;
    const levels = format === 'first-stage' ? FS_LEVELS : this.#secondStageLevels();
    const table = new RadixTable({
      core: this.#core,
      pages: this.#pages,
      levels,
      name: id,
      format:
        format === 'first-stage'
          ? firstStageFormat(capability.cap.FS1GP === 1 ? 3 : 2, {
              hasPresetFlags: !this.unit.has('SMPWCS'),
            })
          : secondStageFormat(
              capability.hasSecondStage1G ? 3 : capability.hasSecondStage2M ? 2 : 1,
            ),
    });
    const inputBits = Math.min(
      levels * 9 + PAGE_SHIFT - (format === 'first-stage' ? 1 : 0),
      capability.mgaw,
    );
    return this.allocDomain({
      ...request,
      format,
      table,
      apertureEnd: 2 ** Math.min(inputBits, 52) - 1,
      onRelease: () => table.destroy(),
    });
  }

  allocDomain(options: DomainOptions): IommuDomain {
    return new IommuDomain(this.#core, options);
  }

  /** Domain identifier that cached entries of a domain carry. */
  didOf(domain: IommuDomain): number {
    if (domain.type === 'nested') {
      return domain.parent?.did ?? 0;
    }
    return domain.format === 'second-stage' ? domain.did : FLPT_DEFAULT_DID;
  }

  /** Makes a domain effective for a (function, PASID) that is blocked. */
  attach(domain: IommuDomain, dev: PciDev, pasid: number): number {
    return this.#enter(domain, dev, pasid, (info) => this.entries.setUp(info, pasid, domain));
  }

  /** Makes a domain effective in place of another, without a blocked instant. */
  replace(domain: IommuDomain, old: IommuDomain, dev: PciDev, pasid: number): number {
    const result = this.#enter(domain, dev, pasid, (info) =>
      this.entries.replace(info, pasid, domain),
    );
    if (result < 0) {
      return result;
    }
    if (!this.unit.isScalable) {
      const did = this.didOf(old);
      this.unit.queue.submit([contextCacheDevice(dev.rid, did), iotlbDomain(did)]);
    }
    old.removeAttachment(dev, pasid);
    this.#putDid(old);
    return 0;
  }

  /** Blocks a (function, PASID). */
  detach(
    domain: IommuDomain,
    dev: PciDev,
    pasid: number,
    options: { readonly keepsSilent?: boolean } = {},
  ): void {
    const info = this.#infos.get(dev);
    if (info === undefined) {
      return;
    }
    if (this.unit.isScalable) {
      this.entries.tearDown(info, pasid, options);
    } else {
      this.unit.contexts.clear(dev.rid);
      this.unit.queue.submit([contextCacheDevice(dev.rid, domain.did), iotlbDomain(domain.did)]);
    }
    info.domains.delete(pasid);
    domain.removeAttachment(dev, pasid);
    this.#putDid(domain);
  }

  /** Turns hardware dirty flags on or off for everything that uses the domain (SSADE in the PASID entries). */
  setDirtyTracking(domain: IommuDomain, isOn: boolean): void {
    domain.isDirtyTrackingOn = isOn;
    domain.publish();
    for (const { dev, pasid } of domain.attachments) {
      const info = this.#infos.get(dev);
      if (info !== undefined) {
        this.entries.replace(info, pasid, domain);
      }
    }
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  #enter(
    domain: IommuDomain,
    dev: PciDev,
    pasid: number,
    write: (info: DeviceInfo) => number,
  ): number {
    const info = this.#infos.get(dev);
    if (info === undefined || (!this.unit.isScalable && pasid !== 0)) {
      return -EINVAL;
    }
    const did = this.#getDid(domain);
    if (IS_ERR(did)) {
      return did;
    }
    const result = this.unit.isScalable ? write(info) : this.#writeLegacy(domain, dev);
    if (result < 0) {
      this.#putDid(domain);
      return result;
    }
    info.domains.set(pasid, domain);
    domain.addAttachment(dev, pasid);
    return 0;
  }

  #writeLegacy(domain: IommuDomain, dev: PciDev): number {
    const width = ADDRESS_WIDTHS.find((w) => w.levels === (domain.table?.levels ?? 4));
    const isIdentity = domain.type === 'identity';
    if (isIdentity && !this.unit.has('PT')) {
      return -EINVAL;
    }
    const words = LegacyContextEntry.encode({
      P: 1,
      TT: isIdentity ? TT.passThrough : TT.untranslatedOnly,
      AW: isIdentity ? Math.max(...this.unit.capability.addressWidths) : (width?.aw ?? AW.bits48),
      DID: isIdentity ? FLPT_DEFAULT_DID : domain.did,
      SSPTPTR: BigInt(domain.table?.root ?? 0),
    });
    this.unit.contexts.write(dev.rid, words);
    return 0;
  }

  /** Nested domains count as users of their parent's identifier. */
  #getDid(domain: IommuDomain): number {
    const owner = domain.type === 'nested' ? (domain.parent ?? domain) : domain;
    const users = this.#didUsers.get(owner) ?? 0;
    if (users === 0 && owner.format === 'second-stage') {
      const did = this.unit.allocDid();
      if (IS_ERR(did)) {
        return did;
      }
      owner.did = did;
    }
    this.#didUsers.set(owner, users + 1);
    return owner.did;
  }

  #putDid(domain: IommuDomain): void {
    const owner = domain.type === 'nested' ? (domain.parent ?? domain) : domain;
    const users = (this.#didUsers.get(owner) ?? 1) - 1;
    if (users > 0) {
      this.#didUsers.set(owner, users);
      return;
    }
    this.#didUsers.delete(owner);
    if (owner.format === 'second-stage') {
      this.unit.freeDid(owner.did);
      owner.did = 0;
      owner.publish();
    }
  }

  #startRemapping(irqs: Irqs): InterruptRemapping | null {
    if (!this.#core.params.interrupt_remapping || !this.unit.has('IR')) {
      return null;
    }
    const remapping = new InterruptRemapping(this.unit);
    if (remapping.enable() < 0) {
      return null;
    }
    irqs.useRemapping(remapping);
    return remapping;
  }

  #startPageRequests(irqs: Irqs): PageRequestQueue | null {
    if (!this.unit.isScalable || !this.unit.has('PRS')) {
      return null;
    }
    const queue = new PageRequestQueue(
      this.unit,
      this.iopf,
      (rid) => this.infoAt(rid) !== undefined,
    );
    queue.enable(irqs);
    this.entries.useDrain((info, pasid, did) => queue.drain(info, pasid, did));
    return queue;
  }

  get pageRequests(): PageRequestQueue | null {
    return this.#pageRequests;
  }

  #enableFeatures(dev: PciDev): void {
    const has = (id: number): boolean => this.#pci.config.findExtended(dev, id) !== 0;
    if (this.unit.hasPasids && has(PCI_REGS.PCI_EXT_CAP_ID_PASID)) {
      this.#pci.pci_enable_pasid(dev, this.#pci.pci_pasid_features(dev));
    }
    if (this.unit.has('PRS') && has(PCI_REGS.PCI_EXT_CAP_ID_PRI)) {
      this.#pci.pci_reset_pri(dev);
      this.#pci.pci_enable_pri(dev, PRI_REQUESTS);
    }
    // A device that may be anybody's must not send addresses that nobody checks.
    const isTrusted = !dev.untrusted || !this.#core.defends('ats-only-trusted');
    const wantsAts = this.unit.has('DT') && has(PCI_REGS.PCI_EXT_CAP_ID_ATS) && isTrusted;
    this.#comingAts = wantsAts ? dev : null;
    this.updateContext(dev);
    this.#comingAts = null;
    if (wantsAts) {
      this.#pci.pci_enable_ats(dev, PAGE_SHIFT);
    }
  }

  #maxPasids(dev: PciDev): number {
    if (
      !this.unit.hasPasids ||
      this.#pci.config.findExtended(dev, PCI_REGS.PCI_EXT_CAP_ID_PASID) === 0
    ) {
      return 0;
    }
    return Math.min(this.#pci.pci_max_pasids(dev), 2 ** this.unit.capability.pasidWidth);
  }

  #atsDepth(dev: PciDev, cap: number): number {
    const { PCI_ATS_CAP, PCI_ATS_CAP_QDEP } = PCI_REGS;
    return this.#pci.config.read(dev, cap + PCI_ATS_CAP, 2) & PCI_ATS_CAP_QDEP;
  }

  #tellRefused({ PP, SID, PV, FR, FI, T1, T2, AT, PRIV, EXE }: FaultRecordValues): void {
    if (PP === 1) {
      this.#refusalListener(SID, PV, {
        reason: FR,
        address: FI,
        type: T1 * 2 + T2,
        addressType: AT,
        isPrivileged: PRIV === 1,
        isExecute: EXE === 1,
      });
    }
  }

  #hasAts(dev: PciDev): boolean {
    return this.unit.has('DT') && (dev.ats.isEnabled || this.#comingAts === dev);
  }

  #hasPri(dev: PciDev): boolean {
    return this.unit.has('PRS') && dev.pri.isEnabled;
  }

  /** E19 lets requests with PASIDs through only once a driver asked for auxiliary domains or SVA. */
  #hasPasids(info: DeviceInfo): boolean {
    if (!this.unit.has('PASID') || !info.dev.pasid.isEnabled) {
      return false;
    }
    return this.#core.profile === 'iommufd' || info.isAuxEnabled || info.isSvaEnabled;
  }

  #defaultFormat(): DomainFormat {
    if (!this.unit.isScalable) {
      return 'second-stage';
    }
    return this.#core.params.first_stage || !this.unit.has('SSTS') ? 'first-stage' : 'second-stage';
  }

  #supports(format: DomainFormat): boolean {
    if (!this.unit.isScalable) {
      return format === 'second-stage';
    }
    return format === 'first-stage' ? this.unit.has('FSTS') : this.unit.has('SSTS');
  }

  /** 48 bits where the unit has them, else the largest it has. */
  #secondStageLevels(): number {
    const supported = ADDRESS_WIDTHS.filter((w) =>
      this.unit.capability.addressWidths.includes(w.aw),
    );
    const preferred = supported.find((w) => w.aw === AW.bits48) ?? supported.at(-1);
    return preferred?.levels ?? FS_LEVELS;
  }
}
