/**
 * The type1 IOMMU driver of a container (drivers/vfio/vfio_iommu_type1.c): DMA ranges of user memory, domains that mirror
 * them, pages pinned for groups whose DMA is translated by hardware or on demand for emulated devices.
 */
import type { Caller } from '../core/files.ts';
import {
  EACCES,
  EEXIST,
  EFAULT,
  EINVAL,
  ENODEV,
  ENOENT,
  ENOMEM,
  ENOSPC,
  EOVERFLOW,
  EPERM,
  IS_ERR,
} from '../errno.ts';
import type { IommuDomain } from '../iommu/domain.ts';
import { IOMMU_CACHE, IOMMU_READ, IOMMU_WRITE } from '../iommu/iommu.ts';
import type { Mm } from '../mm/mm.ts';
import { PAGE_BYTES } from '../mm/page-allocator.ts';
import type { PinnedRun } from '../mm/pinned-run.ts';
import type { Irqs } from '../irq/irq.ts';
import type { VfioGroup } from './group.ts';
import { Type1Domain, pasidParentOf, type Type1Ports } from './type1-domain.ts';
import type { VfioDevice } from './vfio-device.ts';

export interface DmaRange {
  readonly iova: number;
  vaddr: number;
  readonly bytes: number;
  readonly prot: number;
  readonly mm: Mm;
  /** CAP_IPC_LOCK of the mapper: no limit on locked memory. */
  readonly isUnlimited: boolean;
  /** Pinned for the whole life of the range, because a domain maps it. */
  runs: readonly PinnedRun[] | null;
  /** Pages pinned by drivers, by IOVA. */
  readonly external: Map<number, { readonly physical: number; count: number }>;
}

export interface IovaRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

export interface Type1Options extends Type1Ports {
  readonly irqs: Irqs;
  /** 1 or 2: how UNMAP treats ranges that do not match earlier mappings. */
  readonly version: 1 | 2;
  readonly isNesting: boolean;
}

/** Rounds of asking drivers to unpin before it is their bug. */
const MAX_UNPIN_ROUNDS = 10;
/** Addresses up to here stay exact; more than any unit translates with 48-bit tables. */
const TWO_64 = 2 ** 64;
const LAST_IOVA = 2 ** 48 - 1;

export class Type1 {
  readonly version: 1 | 2;
  readonly isNesting: boolean;
  readonly domains: Type1Domain[] = [];
  readonly emulated: VfioGroup[] = [];
  isDirtyTracking = false;
  readonly #options: Type1Options;
  /** Sorted by IOVA. */
  #ranges: DmaRange[] = [];

  constructor(options: Type1Options) {
    this.#options = options;
    this.version = options.version;
    this.isNesting = options.isNesting;
  }

  get ranges(): readonly DmaRange[] {
    return this.#ranges;
  }

  get available(): number {
    return this.#options.core.params.dma_entry_limit - this.#ranges.length;
  }

  get groups(): readonly VfioGroup[] {
    return [...this.domains.flatMap((d) => d.groups), ...this.emulated];
  }

  /** Page sizes that every domain can use, as a bitmap. */
  get pageSizes(): bigint {
    return ~BigInt(PAGE_BYTES - 1) & 0xffff_ffff_ffff_ffffn;
  }

  /** Every access of every domain snoops. */
  get isCoherent(): boolean {
    return this.domains.every((d) => d.domain.isCoherencyEnforced);
  }

  domainOf(group: VfioGroup): Type1Domain | undefined {
    return this.domains.find((d) => d.groups.includes(group));
  }

  /** Aperture of the domains minus the reserved ranges. */
  validRanges(
    domains: readonly IommuDomain[] = this.domains.map((d) => d.domain),
  ): readonly IovaRange[] {
    const end = Math.min(LAST_IOVA, ...domains.map((d) => d.aperture.end));
    if (domains.length === 0) {
      return [{ start: 0, end }];
    }
    let ranges: IovaRange[] = [{ start: 0, end }];
    for (const hole of this.#options.iommu.reservedRanges()) {
      ranges = ranges.flatMap((r) =>
        hole.end < r.start || hole.start > r.end
          ? [r]
          : [
              { start: r.start, end: hole.start - 1 },
              { start: hole.end + 1, end: r.end },
            ].filter((piece) => piece.end >= piece.start),
      );
    }
    return ranges;
  }

  // ---- groups --------------------------------------------------------------------------------------------------------

  attachGroup(group: VfioGroup): number {
    if (this.groups.includes(group)) {
      return -EINVAL;
    }
    if (group.isEmulated) {
      this.emulated.push(group);
      return 0;
    }
    const isIsolated = this.#options.irqs.hasRemapping;
    if (!isIsolated && !this.#options.core.params.allow_unsafe_interrupts) {
      this.#options.core.warn(
        'vfio_iommu_type1_attach_group: No interrupt remapping support. Use the module param ' +
          '"allow_unsafe_interrupts" to enable VFIO IOMMU support on this platform',
      );
      return -EPERM;
    }
    const isCoherent = Type1Domain.isCoherent(this.#options, group);
    const existing = this.domains.find(
      (d) => d.domain.isCoherencyEnforced === isCoherent && this.#canShare(d, group),
    );
    return existing === undefined ? this.#attachToNew(group, isCoherent) : existing.attach(group);
  }

  detachGroup(group: VfioGroup): void {
    const emulated = this.emulated.indexOf(group);
    if (emulated >= 0) {
      this.emulated.splice(emulated, 1);
    }
    const domain = this.domainOf(group);
    if (domain !== undefined) {
      domain.detach(group);
      if (domain.groups.length === 0) {
        this.#dropDomain(domain);
      }
    }
    if (this.groups.length === 0) {
      this.#unmapEverything();
    }
  }

  // ---- mapping -------------------------------------------------------------------------------------------------------

  map(caller: Caller, vaddr: number, iova: number, bytes: number, prot: number): number {
    if (bytes === 0 || [vaddr, iova, bytes].some((v) => v % PAGE_BYTES !== 0)) {
      return -EINVAL;
    }
    if ((prot & (IOMMU_READ | IOMMU_WRITE)) === 0) {
      return -EINVAL;
    }
    if (iova + bytes > TWO_64 || vaddr + bytes > TWO_64) {
      return -EOVERFLOW;
    }
    if (this.#overlapping(iova, bytes).length > 0) {
      return -EEXIST;
    }
    if (this.available === 0) {
      return -ENOSPC;
    }
    const isValid = this.validRanges().some((r) => iova >= r.start && iova + bytes - 1 <= r.end);
    if (!isValid) {
      return -EINVAL;
    }
    const range: DmaRange = {
      iova,
      vaddr,
      bytes,
      prot,
      mm: caller.mm,
      isUnlimited: caller.hasCapability('CAP_IPC_LOCK'),
      runs: null,
      external: new Map(),
    };
    if (this.domains.length > 0) {
      const result = this.#pinAndMap(range, this.domains);
      if (result < 0) {
        return result;
      }
    }
    this.#ranges = [...this.#ranges, range].sort((a, b) => a.iova - b.iova);
    return 0;
  }

  /** Bytes unmapped, or a negative error number. */
  unmap(iova: number, bytes: number): number {
    if (bytes === 0 || iova % PAGE_BYTES !== 0 || bytes % PAGE_BYTES !== 0) {
      return -EINVAL;
    }
    if (this.version === 2 && this.#bisects(iova, bytes)) {
      return -EINVAL;
    }
    let unmapped = 0;
    for (const range of this.#overlapping(iova, bytes)) {
      if (this.version === 1 && iova > range.iova) {
        break;
      }
      unmapped += range.bytes;
      this.#remove(range);
    }
    return unmapped;
  }

  unmapAll(): number {
    const bytes = this.#ranges.reduce((sum, r) => sum + r.bytes, 0);
    this.#unmapEverything();
    return bytes;
  }

  /** Pages of a range that count as dirty: everything that a device could write. */
  dirtyPages(iova: number, bytes: number): readonly number[] | number {
    if (this.#bisects(iova, bytes)) {
      return -EINVAL;
    }
    const pages: number[] = [];
    for (const range of this.#overlapping(iova, bytes)) {
      if ((range.prot & IOMMU_WRITE) === 0) {
        continue;
      }
      for (let at = 0; at < range.bytes; at += PAGE_BYTES) {
        if (range.runs !== null || range.external.has(range.iova + at)) {
          pages.push(range.iova + at);
        }
      }
    }
    return pages.filter((p) => p >= iova && p < iova + bytes);
  }

  // ---- pages for drivers ---------------------------------------------------------------------------------------------

  /** vfio_pin_pages: physical addresses of consecutive pages, or a negative error number and nothing pinned. */
  pinPages(
    vdev: VfioDevice,
    iova: number,
    count: number,
    prot: number,
  ): readonly number[] | number {
    if (this.version === 1) {
      return -EACCES;
    }
    if (vdev.ops.dma_unmap === undefined || count <= 0 || iova % PAGE_BYTES !== 0) {
      return -EINVAL;
    }
    const pinned: number[] = [];
    for (let i = 0; i < count; i++) {
      const physical = this.#pinPage(iova + i * PAGE_BYTES, prot);
      if (physical < 0) {
        this.unpinPages(iova, i);
        return physical;
      }
      pinned.push(physical);
    }
    return pinned;
  }

  unpinPages(iova: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const at = iova + i * PAGE_BYTES;
      const range = this.#rangeAt(at);
      const page = range?.external.get(at);
      if (range === undefined || page === undefined) {
        continue;
      }
      page.count -= 1;
      if (page.count === 0) {
        range.external.delete(at);
        range.mm.unpin(page.physical);
        range.mm.accountLocked(range.runs === null ? -1 : 0, range.isUnlimited);
      }
    }
  }

  /** vfio_dma_rw: copies between a driver and user memory behind an IOVA. */
  copy(iova: number, bytes: Uint8Array, isWrite: boolean): number {
    for (let done = 0; done < bytes.length;) {
      const range = this.#rangeAt(iova + done);
      if (range === undefined) {
        return -EINVAL;
      }
      if (isWrite && (range.prot & IOMMU_WRITE) === 0) {
        return -EPERM;
      }
      const offset = iova + done - range.iova;
      const size = Math.min(bytes.length - done, range.bytes - offset);
      const piece = bytes.subarray(done, done + size);
      const result = isWrite
        ? range.mm.write(range.vaddr + offset, piece)
        : readInto(range.mm, range.vaddr + offset, piece);
      if (result < 0) {
        return result;
      }
      done += size;
    }
    return 0;
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  #canShare(domain: Type1Domain, group: VfioGroup): boolean {
    const first = domain.groups[0];
    if (first === undefined) {
      return false;
    }
    const isSameKind =
      (pasidParentOf(first) === undefined) === (pasidParentOf(group) === undefined);
    return isSameKind;
  }

  #attachToNew(group: VfioGroup, isCoherent: boolean): number {
    const { iommu } = this.#options;
    const allocated = iommu.allocPaging({ type: 'unmanaged', isNestParent: this.isNesting });
    if (IS_ERR(allocated)) {
      return allocated === -ENODEV ? -ENODEV : -EINVAL;
    }
    allocated.isCoherencyEnforced = isCoherent;
    const conflict = this.#ranges.some(
      (r) =>
        !this.validRanges([allocated]).some(
          (v) => r.iova >= v.start && r.iova + r.bytes - 1 <= v.end,
        ),
    );
    if (conflict) {
      iommu.iommu_domain_free(allocated);
      return -EINVAL;
    }
    const domain = new Type1Domain(this.#options, allocated);
    const result = domain.attach(group);
    const replayed = result < 0 ? result : this.#replay(domain);
    if (replayed < 0) {
      if (result === 0) {
        domain.detach(group);
      }
      iommu.iommu_domain_free(allocated);
      return replayed;
    }
    this.domains.push(domain);
    return 0;
  }

  /** Late attach: a new domain gets every mapping there is; ranges that only drivers used are pinned now. */
  #replay(domain: Type1Domain): number {
    for (const range of this.#ranges) {
      const result =
        range.runs === null
          ? this.#pinAndMap(range, [domain])
          : this.#mapRuns(range, range.runs, [domain]);
      if (result < 0) {
        return result;
      }
    }
    return 0;
  }

  #dropDomain(domain: Type1Domain): void {
    this.domains.splice(this.domains.indexOf(domain), 1);
    for (const range of this.#ranges) {
      this.#options.iommu.iommu_unmap(domain.domain, range.iova, range.bytes);
      if (this.domains.length === 0) {
        this.#unpin(range);
      }
    }
    this.#options.iommu.iommu_domain_free(domain.domain);
  }

  #pinAndMap(range: DmaRange, domains: readonly Type1Domain[]): number {
    const pages = range.bytes / PAGE_BYTES - range.external.size;
    const charged = range.mm.accountLocked(pages, range.isUnlimited);
    if (charged < 0) {
      return -ENOMEM;
    }
    const runs = range.mm.pinRange(range.vaddr, range.bytes, (range.prot & IOMMU_WRITE) !== 0);
    if (IS_ERR(runs)) {
      range.mm.accountLocked(-pages, range.isUnlimited);
      return -EFAULT;
    }
    const result = this.#mapRuns(range, runs, domains);
    if (result < 0) {
      range.mm.unpinRuns(runs);
      range.mm.accountLocked(-pages, range.isUnlimited);
      return result;
    }
    range.runs = runs;
    return 0;
  }

  #mapRuns(range: DmaRange, runs: readonly PinnedRun[], domains: readonly Type1Domain[]): number {
    for (const { domain } of domains) {
      domain.belongTo(range.mm);
      let iova = range.iova;
      for (const run of runs) {
        const result = this.#options.iommu.iommu_map(
          domain,
          iova,
          run.address,
          run.bytes,
          range.prot | IOMMU_CACHE,
        );
        if (result < 0) {
          this.#options.iommu.iommu_unmap(domain, range.iova, iova - range.iova);
          return result;
        }
        iova += run.bytes;
      }
    }
    return 0;
  }

  #unpin(range: DmaRange): void {
    if (range.runs !== null) {
      range.mm.unpinRuns(range.runs);
      range.mm.accountLocked(range.external.size - range.bytes / PAGE_BYTES, range.isUnlimited);
      range.runs = null;
    }
  }

  #remove(range: DmaRange): void {
    for (let round = 0; range.external.size > 0; round++) {
      if (round === MAX_UNPIN_ROUNDS) {
        this.#options.core.warn('kernel BUG at drivers/vfio/vfio_iommu_type1.c: pages stay pinned');
        [...range.external.keys()].forEach((at) =>
          this.unpinPages(at, range.external.get(at)?.count ?? 0),
        );
        break;
      }
      for (const vdev of this.groups.flatMap((g) => g.devices)) {
        vdev.call('dma_unmap', () => vdev.ops.dma_unmap?.(vdev, range.iova, range.bytes));
      }
    }
    for (const { domain } of this.domains) {
      this.#options.iommu.iommu_unmap(domain, range.iova, range.bytes);
    }
    this.#unpin(range);
    this.#ranges = this.#ranges.filter((r) => r !== range);
  }

  #unmapEverything(): void {
    for (const range of [...this.#ranges]) {
      this.#remove(range);
    }
  }

  #overlapping(iova: number, bytes: number): readonly DmaRange[] {
    return this.#ranges.filter((r) => r.iova < iova + bytes && r.iova + r.bytes > iova);
  }

  /** Whether the range begins or ends inside a mapping. */
  #bisects(iova: number, bytes: number): boolean {
    return this.#overlapping(iova, bytes).some(
      (r) => r.iova < iova || r.iova + r.bytes > iova + bytes,
    );
  }

  #rangeAt(iova: number): DmaRange | undefined {
    return this.#ranges.find((r) => iova >= r.iova && iova < r.iova + r.bytes);
  }

  #pinPage(iova: number, prot: number): number {
    const range = this.#rangeAt(iova);
    if (range === undefined) {
      return -EINVAL;
    }
    if ((range.prot & prot) !== prot) {
      return -EPERM;
    }
    const known = range.external.get(iova);
    if (known !== undefined) {
      known.count += 1;
      return known.physical;
    }
    const charged = range.runs === null ? range.mm.accountLocked(1, range.isUnlimited) : 0;
    if (charged < 0) {
      return charged;
    }
    const physical = range.mm.pin(range.vaddr + (iova - range.iova), (prot & IOMMU_WRITE) !== 0);
    if (physical < 0) {
      range.mm.accountLocked(range.runs === null ? -1 : 0, range.isUnlimited);
      return physical === -ENOENT ? -EFAULT : physical;
    }
    range.external.set(iova, { physical, count: 1 });
    return physical;
  }
}

function readInto(mm: Mm, address: number, into: Uint8Array): number {
  const bytes = mm.read(address, into.length);
  if (IS_ERR(bytes)) {
    return bytes;
  }
  into.set(bytes);
  return 0;
}
