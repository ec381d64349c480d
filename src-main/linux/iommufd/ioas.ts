/**
 * `iommufd_ioas`: a set of mappings of user memory that any number of hardware page tables mirror (drivers/iommu/iommufd/
 * io_pagetable.c). Pages are pinned while a page table mirrors them, or while an in-kernel user pins them.
 */
import type { Core } from '../core/core.ts';
import type { Caller } from '../core/files.ts';
import {
  EADDRINUSE,
  EDEADLOCK,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENOSPC,
  EOVERFLOW,
  EPERM,
  IS_ERR,
} from '../errno.ts';
import type { IommuDomain } from '../iommu/domain.ts';
import { IOMMU_CACHE, IOMMU_READ, IOMMU_WRITE, type Iommu } from '../iommu/iommu.ts';
import type { Mm } from '../mm/mm.ts';
import { PAGE_BYTES } from '../mm/page-allocator.ts';
import type { PinnedRun } from '../mm/pinned-run.ts';

export interface IoasArea {
  readonly iova: number;
  readonly bytes: number;
  readonly prot: number;
  readonly mm: Mm;
  readonly vaddr: number;
  readonly isUnlimited: boolean;
  runs: readonly PinnedRun[] | null;
  /** Pages pinned by in-kernel users, by IOVA. */
  readonly pins: Map<number, { readonly physical: number; count: number }>;
}

export interface IovaSpan {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

const MAX_UNMAP_ROUNDS = 100;
const TWO_64 = 2 ** 64;
const LAST_IOVA = 2 ** 48 - 1;

export class Ioas {
  readonly #core: Core;
  readonly #iommu: Iommu;
  #areas: IoasArea[] = [];
  readonly #domains: IommuDomain[] = [];
  readonly #reserved = new Map<object, readonly IovaSpan[]>();
  #allowed: readonly IovaSpan[] | null = null;
  /** In-kernel users that must give pins up: called before a range goes. */
  readonly unmapCallbacks = new Set<(iova: number, bytes: number) => void>();
  /** Huge pages may be used for the mirrors (IOMMU_OPTION_HUGE_PAGES). */
  hasHugePages = true;

  constructor(core: Core, iommu: Iommu) {
    this.#core = core;
    this.#iommu = iommu;
  }

  get areas(): readonly IoasArea[] {
    return this.#areas;
  }

  get domains(): readonly IommuDomain[] {
    return this.#domains;
  }

  /** Aperture of all mirrors minus what devices reserve. */
  get usable(): readonly IovaSpan[] {
    const end = Math.min(LAST_IOVA, ...this.#domains.map((d) => d.aperture.end));
    return [...this.#reserved.values()].flat().reduce<IovaSpan[]>(
      (spans, hole) =>
        spans.flatMap((s) =>
          hole.end < s.start || hole.start > s.end
            ? [s]
            : [
                { start: s.start, end: hole.start - 1 },
                { start: hole.end + 1, end: s.end },
              ].filter((piece) => piece.end >= piece.start),
        ),
      [{ start: 0, end }],
    );
  }

  // ---- mapping -------------------------------------------------------------------------------------------------------

  /** IOVA of the new area, or a negative error number. `iova` undefined: choose one. */
  map(
    caller: Caller,
    vaddr: number,
    bytes: number,
    prot: number,
    iova: number | undefined,
  ): number {
    if (bytes === 0 || bytes % PAGE_BYTES !== 0 || vaddr % PAGE_BYTES !== 0) {
      return -EINVAL;
    }
    if (iova !== undefined && iova % PAGE_BYTES !== 0) {
      return -EINVAL;
    }
    if (vaddr + bytes > TWO_64 || (iova ?? 0) + bytes > TWO_64) {
      return -EOVERFLOW;
    }
    const at = iova ?? this.#chooseIova(bytes);
    if (at < 0) {
      return at;
    }
    if (this.#overlapping(at, bytes).length > 0) {
      return -EEXIST;
    }
    if (!this.usable.some((s) => at >= s.start && at + bytes - 1 <= s.end)) {
      return -EINVAL;
    }
    const area: IoasArea = {
      iova: at,
      bytes,
      prot,
      mm: caller.mm,
      vaddr,
      isUnlimited: caller.hasCapability('CAP_IPC_LOCK'),
      runs: null,
      pins: new Map(),
    };
    const result = this.#domains.length === 0 ? 0 : this.#pinAndMap(area, this.#domains);
    if (result < 0) {
      return result;
    }
    this.#areas = [...this.#areas, area].sort((a, b) => a.iova - b.iova);
    return at;
  }

  /** The same pages as a range of another IOAS. */
  copyFrom(
    source: Ioas,
    from: number,
    bytes: number,
    prot: number,
    iova: number | undefined,
  ): number {
    const area = source.areas.find((a) => from >= a.iova && from + bytes <= a.iova + a.bytes);
    if (area === undefined) {
      return -ENOENT;
    }
    const caller = {
      mm: area.mm,
      hasCapability: () => area.isUnlimited,
    } as unknown as Caller;
    return this.map(caller, area.vaddr + (from - area.iova), bytes, prot, iova);
  }

  /** Bytes unmapped, or a negative error number. Only whole areas go. */
  unmap(iova: number, bytes: number): number {
    if (bytes === 0) {
      return -EINVAL;
    }
    const gone = this.#overlapping(iova, bytes);
    const isWhole = gone.every((a) => a.iova >= iova && a.iova + a.bytes <= iova + bytes);
    if (gone.length === 0 || !isWhole) {
      return -ENOENT;
    }
    return this.#removeAll(gone);
  }

  unmapAll(): number {
    return this.#removeAll(this.#areas);
  }

  // ---- mirrors -------------------------------------------------------------------------------------------------------

  /** A page table begins to mirror the areas. */
  addDomain(domain: IommuDomain): number {
    if (this.#areas.some((a) => a.iova + a.bytes - 1 > domain.aperture.end)) {
      return -EADDRINUSE;
    }
    for (const area of this.#areas) {
      const result =
        area.runs === null
          ? this.#pinAndMap(area, [domain])
          : this.#mapRuns(area, area.runs, [domain]);
      if (result < 0) {
        this.#areas.forEach((a) => this.#iommu.iommu_unmap(domain, a.iova, a.bytes));
        return result;
      }
    }
    this.#domains.push(domain);
    return 0;
  }

  removeDomain(domain: IommuDomain): void {
    this.#domains.splice(this.#domains.indexOf(domain), 1);
    for (const area of this.#areas) {
      this.#iommu.iommu_unmap(domain, area.iova, area.bytes);
      if (this.#domains.length === 0) {
        this.#unpin(area);
      }
    }
  }

  /** A device brings ranges that it cannot use; -EADDRINUSE when something is mapped there. */
  reserve(owner: object, spans: readonly IovaSpan[]): number {
    const isTaken = spans.some((s) => this.#overlapping(s.start, s.end - s.start + 1).length > 0);
    if (isTaken) {
      return -EADDRINUSE;
    }
    this.#reserved.set(owner, spans);
    return 0;
  }

  unreserve(owner: object): void {
    this.#reserved.delete(owner);
  }

  /** Ranges from which addresses are chosen; null lifts the restriction. */
  allow(spans: readonly IovaSpan[] | null): number {
    const reserved = [...this.#reserved.values()].flat();
    const collides = spans?.some((s) => reserved.some((r) => r.start <= s.end && r.end >= s.start));
    if (collides === true) {
      return -EADDRINUSE;
    }
    this.#allowed = spans;
    return 0;
  }

  // ---- in-kernel users -----------------------------------------------------------------------------------------------

  pinPage(iova: number, prot: number): number {
    const area = this.#areaAt(iova);
    if (area === undefined) {
      return -ENOENT;
    }
    if ((area.prot & prot) !== prot) {
      return -EPERM;
    }
    const known = area.pins.get(iova);
    if (known !== undefined) {
      known.count += 1;
      return known.physical;
    }
    const isCharged = area.runs === null;
    if (isCharged && area.mm.accountLocked(1, area.isUnlimited) < 0) {
      return -ENOMEM;
    }
    const physical = area.mm.pin(area.vaddr + (iova - area.iova), (prot & IOMMU_WRITE) !== 0);
    if (physical < 0) {
      area.mm.accountLocked(isCharged ? -1 : 0, area.isUnlimited);
      return physical;
    }
    area.pins.set(iova, { physical, count: 1 });
    return physical;
  }

  unpinPage(iova: number): void {
    const area = this.#areaAt(iova);
    const page = area?.pins.get(iova);
    if (area === undefined || page === undefined) {
      return;
    }
    page.count -= 1;
    if (page.count === 0) {
      area.pins.delete(iova);
      area.mm.unpin(page.physical);
      area.mm.accountLocked(area.runs === null ? -1 : 0, area.isUnlimited);
    }
  }

  /** Copies between a buffer and user memory: 0 or a negative error number. */
  copy(iova: number, bytes: Uint8Array, isWrite: boolean): number {
    for (let done = 0; done < bytes.length;) {
      const area = this.#areaAt(iova + done);
      if (area === undefined) {
        return -ENOENT;
      }
      if (isWrite && (area.prot & IOMMU_WRITE) === 0) {
        return -EPERM;
      }
      const offset = iova + done - area.iova;
      const piece = bytes.subarray(done, done + Math.min(bytes.length - done, area.bytes - offset));
      if (isWrite) {
        const result = area.mm.write(area.vaddr + offset, piece);
        if (result < 0) {
          return result;
        }
      } else {
        const read = area.mm.read(area.vaddr + offset, piece.length);
        if (IS_ERR(read)) {
          return read;
        }
        piece.set(read);
      }
      done += piece.length;
    }
    return 0;
  }

  destroy(): void {
    this.unmapAll();
  }

  // ---- parts ---------------------------------------------------------------------------------------------------------

  #removeAll(areas: readonly IoasArea[]): number {
    let bytes = 0;
    for (const area of [...areas]) {
      const result = this.#remove(area);
      if (result < 0) {
        return result;
      }
      bytes += area.bytes;
    }
    return bytes;
  }

  #remove(area: IoasArea): number {
    for (let round = 0; area.pins.size > 0; round++) {
      if (round === MAX_UNMAP_ROUNDS) {
        this.#core.warn('iommufd: an in-kernel user does not give up its pins');
        return -EDEADLOCK;
      }
      this.unmapCallbacks.forEach((callback) => callback(area.iova, area.bytes));
    }
    for (const domain of this.#domains) {
      this.#iommu.iommu_unmap(domain, area.iova, area.bytes);
    }
    this.#unpin(area);
    this.#areas = this.#areas.filter((a) => a !== area);
    return 0;
  }

  #pinAndMap(area: IoasArea, domains: readonly IommuDomain[]): number {
    const pages = area.bytes / PAGE_BYTES - area.pins.size;
    if (area.mm.accountLocked(pages, area.isUnlimited) < 0) {
      return -ENOMEM;
    }
    const runs = area.mm.pinRange(area.vaddr, area.bytes, (area.prot & IOMMU_WRITE) !== 0);
    if (IS_ERR(runs)) {
      area.mm.accountLocked(-pages, area.isUnlimited);
      return -EFAULT;
    }
    const result = this.#mapRuns(area, runs, domains);
    if (result < 0) {
      area.mm.unpinRuns(runs);
      area.mm.accountLocked(-pages, area.isUnlimited);
      return result;
    }
    area.runs = runs;
    return 0;
  }

  #mapRuns(area: IoasArea, runs: readonly PinnedRun[], domains: readonly IommuDomain[]): number {
    for (const domain of domains) {
      domain.belongTo(area.mm);
      let iova = area.iova;
      for (const run of runs) {
        const result = this.#iommu.iommu_map(
          domain,
          iova,
          run.address,
          run.bytes,
          area.prot | IOMMU_CACHE,
        );
        if (result < 0) {
          this.#iommu.iommu_unmap(domain, area.iova, iova - area.iova);
          return result;
        }
        iova += run.bytes;
      }
    }
    return 0;
  }

  #unpin(area: IoasArea): void {
    if (area.runs !== null) {
      area.mm.unpinRuns(area.runs);
      area.mm.accountLocked(area.pins.size - area.bytes / PAGE_BYTES, area.isUnlimited);
      area.runs = null;
    }
  }

  #overlapping(iova: number, bytes: number): readonly IoasArea[] {
    return this.#areas.filter((a) => a.iova < iova + bytes && a.iova + a.bytes > iova);
  }

  #areaAt(iova: number): IoasArea | undefined {
    return this.#areas.find((a) => iova >= a.iova && iova < a.iova + a.bytes);
  }

  /** The lowest fitting address, naturally aligned up to 2 MB; 0 is never chosen. */
  #chooseIova(bytes: number): number {
    const alignment = bytes >= 2 ** 21 ? 2 ** 21 : PAGE_BYTES;
    for (const span of this.#allowed ?? this.usable) {
      let at = Math.ceil(Math.max(span.start, PAGE_BYTES) / alignment) * alignment;
      while (at + bytes - 1 <= span.end) {
        const blocking = this.#overlapping(at, bytes).at(-1);
        if (blocking === undefined) {
          return at;
        }
        at = Math.ceil((blocking.iova + blocking.bytes) / alignment) * alignment;
      }
    }
    return -ENOSPC;
  }
}

/** Protection bits from the flags of IOAS_MAP. */
export function protOf(isReadable: boolean, isWritable: boolean): number {
  return (isReadable ? IOMMU_READ : 0) | (isWritable ? IOMMU_WRITE : 0);
}
