/**
 * `struct iommu_domain`: one address space for devices, and which (function, PASID) pairs use it now.
 *
 * A paging domain owns its tables. An identity domain passes addresses through, a blocked domain lets nothing through, an
 * SVA domain uses the tables of a process, a nested domain those of a guest on top of a paging domain.
 */
import type { AssignedSpace } from '../../sim/index.ts';
import type { Core } from '../core/core.ts';
import { Refcount } from '../core/refcount.ts';
import type { Mm } from '../mm/mm.ts';
import type { RadixTable } from '../mm/radix-table.ts';
import type { PciDev } from '../pci/pci-dev.ts';
import type { FaultGroup } from './fault-group.ts';

export type DomainType = 'dma' | 'unmanaged' | 'identity' | 'blocked' | 'sva' | 'nested';
export type DomainFormat = 'second-stage' | 'first-stage';

/** The PASID number that stands for requests without a PASID (IOMMU_NO_PASID). */
export const IOMMU_NO_PASID = 0;

export interface DomainAttachment {
  readonly dev: PciDev;
  readonly pasid: number;
}

/** What a guest gives for its stage 1 (uapi iommu_hwpt_vtd_s1). */
export interface NestedStage1 {
  /** Guest physical address of the top table. */
  readonly pgtbl_addr: number;
  readonly addr_width: number;
  readonly isSupervisorAllowed: boolean;
  readonly hasExtendedAccessed: boolean;
  readonly isWriteProtected: boolean;
}

export interface MappedRange {
  readonly iova: number;
  readonly address: number;
  readonly bytes: number;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
}

export interface DomainOptions {
  readonly type: DomainType;
  readonly format: DomainFormat | null;
  readonly table?: RadixTable;
  /** Last input address, inclusive. */
  readonly apertureEnd?: number;
  readonly parent?: IommuDomain;
  readonly stage1?: NestedStage1;
  readonly mm?: Mm;
  readonly isNestParent?: boolean;
  readonly isPasidCompatible?: boolean;
  readonly hasDirtyTracking?: boolean;
  readonly onRelease?: (domain: IommuDomain) => void;
}

export class IommuDomain {
  readonly id: number;
  readonly name: string;
  readonly type: DomainType;
  readonly format: DomainFormat | null;
  readonly table: RadixTable | null;
  readonly aperture: { readonly start: number; readonly end: number };
  readonly parent: IommuDomain | null;
  stage1: NestedStage1 | null;
  readonly mm: Mm | null;
  readonly isNestParent: boolean;
  readonly isPasidCompatible: boolean;
  readonly hasDirtyTracking: boolean;
  readonly refs: Refcount;
  /** Domains of guests on top of this one. */
  readonly nested = new Set<IommuDomain>();
  /** Domain identifier in the tables; 0 while nothing is attached. */
  did = 0;
  /** Every access snoops (IOMMU_CACHE is enforced). */
  isCoherencyEnforced = false;
  isDirtyTrackingOn = false;
  /** PASID of an auxiliary attachment (E19), 0 when there is none. */
  default_pasid = 0;
  /**
   * Takes page requests of the domain; null answers them Invalid. A negative number refuses the group, which is then
   * answered with Response Failure: the device may stop asking altogether.
   */
  iopf_handler: ((group: FaultGroup) => number) | null = null;
  readonly #core: Core;
  readonly #attachments: DomainAttachment[] = [];
  readonly #ranges = new Map<number, MappedRange>();
  #owner: string | undefined;

  constructor(core: Core, options: DomainOptions) {
    this.#core = core;
    this.id = core.nextId('domain', 1);
    this.name = `domain${this.id}`;
    this.type = options.type;
    this.format = options.format;
    this.table = options.table ?? null;
    this.aperture = { start: 0, end: options.apertureEnd ?? 2 ** 48 - 1 };
    this.parent = options.parent ?? null;
    this.stage1 = options.stage1 ?? null;
    this.mm = options.mm ?? null;
    this.isNestParent = options.isNestParent === true;
    this.isPasidCompatible = options.isPasidCompatible === true;
    this.hasDirtyTracking = options.hasDirtyTracking === true;
    this.refs = new Refcount(core, this.name, () => {
      this.#core.publish(`iommu/domain/${this.id}`, undefined);
      for (const [iova, range] of this.#ranges) {
        this.#lend('take-back', range);
        this.#core.publish(this.#rangeKey(iova), undefined);
      }
      options.onRelease?.(this);
      options.parent?.nested.delete(this);
      options.parent?.refs.put();
    });
    options.parent?.nested.add(this);
    options.parent?.refs.get();
    this.publish();
  }

  get isPaging(): boolean {
    return this.type === 'dma' || this.type === 'unmanaged';
  }

  get attachments(): readonly DomainAttachment[] {
    return this.#attachments;
  }

  /** In the order in which they were mapped. */
  get ranges(): readonly MappedRange[] {
    return [...this.#ranges.values()];
  }

  /** Name of the process whose memory the domain maps; undefined while it is the kernel's own. */
  get owner(): string | undefined {
    return this.mm?.name ?? this.parent?.owner ?? this.#owner;
  }

  /** The domain maps memory that a process gave: requests in it are done for that process. */
  belongTo(mm: Mm): void {
    if (this.#owner !== mm.name) {
      this.#owner = mm.name;
      for (const domain of [this, ...this.nested]) {
        domain.#attachments.forEach(({ dev, pasid }) => domain.#assign(dev, pasid, true));
      }
    }
  }

  isAttached(dev: PciDev, pasid: number): boolean {
    return this.#attachments.some((a) => a.dev === dev && a.pasid === pasid);
  }

  addAttachment(dev: PciDev, pasid: number): void {
    this.#attachments.push({ dev, pasid });
    this.#assign(dev, pasid, true);
    this.publish();
  }

  removeAttachment(dev: PciDev, pasid: number): void {
    const at = this.#attachments.findIndex((a) => a.dev === dev && a.pasid === pasid);
    if (at >= 0) {
      this.#attachments.splice(at, 1);
      this.#assign(dev, pasid, false);
    }
    this.publish();
  }

  noteMapped(range: MappedRange): void {
    this.#ranges.set(range.iova, range);
    if (this.owner === undefined) this.#lend('lend', range);
    this.#core.publish(this.#rangeKey(range.iova), { ...range });
  }

  /** Takes [iova, iova + bytes) out of the ranges; pieces beside it stay. */
  noteUnmapped(iova: number, bytes: number): void {
    const end = iova + bytes;
    for (const range of this.ranges) {
      const rangeEnd = range.iova + range.bytes;
      if (range.iova >= end || rangeEnd <= iova) {
        continue;
      }
      this.#ranges.delete(range.iova);
      this.#lend('take-back', range);
      this.#core.publish(this.#rangeKey(range.iova), undefined);
      if (range.iova < iova) {
        this.noteMapped({ ...range, bytes: iova - range.iova });
      }
      if (rangeEnd > end) {
        const skipped = end - range.iova;
        this.noteMapped({
          ...range,
          iova: end,
          address: range.address + skipped,
          bytes: range.bytes - skipped,
        });
      }
    }
  }

  publish(): void {
    this.#core.publish(`iommu/domain/${this.id}`, {
      type: this.type,
      format: this.format,
      did: this.did,
      root: this.table?.root ?? this.mm?.table.root ?? null,
      levels: this.table?.levels ?? this.mm?.table.levels ?? null,
      parent: this.parent?.name ?? null,
      stage1: this.stage1 === null ? null : { ...this.stage1 },
      process: this.mm?.name ?? null,
      references: this.refs.count,
      isCoherencyEnforced: this.isCoherencyEnforced,
      isNestParent: this.isNestParent,
      isPasidCompatible: this.isPasidCompatible,
      isDirtyTrackingOn: this.isDirtyTrackingOn,
      defaultPasid: this.default_pasid,
      attachments: this.#attachments.map((a) => ({
        device: a.dev.name,
        rid: a.dev.rid,
        pasid: a.pasid,
      })),
    });
  }

  /** Whoever passes addresses through or lets nothing through says nothing about owners. */
  #assign(dev: PciDev, pasid: number, isAttached: boolean): void {
    const hasSpace = isAttached && this.type !== 'identity' && this.type !== 'blocked';
    const space = hasSpace ? this.#space : undefined;
    this.#core.hw.isolation?.tell({ op: 'assign', rid: dev.rid, pasid, space });
  }

  /** Whose it is, and by which tables one knows it again: a guest's are told by their guest-physical address. */
  get #space(): AssignedSpace {
    const table = this.table?.root ?? this.mm?.table.root;
    return {
      principal: this.owner,
      domain: this.name,
      ...(table === undefined ? {} : { table }),
      ...(this.stage1 === null ? {} : { guestTable: this.stage1.pgtbl_addr }),
    };
  }

  #lend(op: 'lend' | 'take-back', { address, bytes }: MappedRange): void {
    this.#core.hw.isolation?.tell({ op, domain: this.name, address, bytes });
  }

  #rangeKey(iova: number): string {
    return `iommu/domain/${this.id}/map/0x${iova.toString(16)}`;
  }
}
