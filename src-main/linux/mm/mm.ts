/**
 * `mm_struct`: the address space of a process. Areas say what may be touched, the paging tables in physical memory say
 * what is mapped now; the CPU and, with SVA, devices walk the same tables.
 *
 * Anonymous pages come on first touch. Not modelled: swap, copy-on-write (fork copies at once), files in memory.
 */
import { invariant } from '../../bits/invariant.ts';
import { toHex } from '../../bits/hex.ts';
import { PAGES_PINNED, PAGES_UNPINNED } from '../../spec/events/linux.ts';
import type { Core } from '../core/core.ts';
import { EFAULT, EINVAL, ENOMEM, IS_ERR } from '../errno.ts';
import { PAGE_BYTES, type PageAllocator } from './page-allocator.ts';
import { RadixTable } from './radix-table.ts';
import { firstStageFormat } from './table-format.ts';
import type { PinnedRun } from './pinned-run.ts';
import type { PageChunk, UserPages } from './user-pages.ts';

const HUGE_BYTES = 2 * 1024 * 1024;
/** Areas are placed upward from here; an address in a trace is recognisable as one of user space. */
const FIRST_AREA = 0x7f00_0000_0000;
const LAST_ADDRESS = 0x7fff_ffff_f000;
const LEVELS = 4;

export const PROT = { NONE: 0, READ: 1, WRITE: 2 } as const;
export const MAP = {
  SHARED: 1,
  PRIVATE: 2,
  ANONYMOUS: 0x20,
  POPULATE: 0x8000,
  HUGETLB: 0x4_0000,
} as const;

/** `vm_area_struct`. */
export interface VmArea {
  readonly mm: Mm;
  readonly name: string;
  readonly vm_start: number;
  readonly vm_end: number;
  readonly isReadable: boolean;
  readonly isWritable: boolean;
  readonly isShared: boolean;
  /** Offset in the file, in bytes. */
  readonly offset: number;
  readonly kind: 'anonymous' | 'file';
  /** VM_DONTCOPY: a child made by fork does not get the area. */
  isNotCopied: boolean;
  /** VM_IO | VM_PFNMAP: no struct page behind it; cannot be pinned. */
  isDevice: boolean;
  /** Runs when the area goes away. */
  onClose?: () => void;
}

/** What a device that shares the tables must hear (linux/mmu_notifier.h). */
export interface MmuNotifier {
  /** Entries of the range were cleared; nothing may use cached copies when this returns. */
  invalidateRange(start: number, end: number): void;
  /** The address space is going away. */
  release(): void;
}

export interface MmOptions {
  readonly core: Core;
  readonly pages: PageAllocator;
  readonly userPages: UserPages;
  readonly name: string;
  /** RLIMIT_MEMLOCK in bytes. */
  readonly lockLimitBytes: number;
}

export class Mm {
  readonly name: string;
  readonly table: RadixTable;
  readonly lockLimitBytes: number;
  /** PASID of the address space: one number for all devices and threads (mm->iommu_mm). */
  pasid: number | null = null;
  readonly notifiers = new Set<MmuNotifier>();
  /** Gives the PASID back when the address space is gone (mm_pasid_drop). */
  dropPasid: (() => void) | null = null;
  isDead = false;
  readonly #core: Core;
  readonly #options: MmOptions;
  readonly #userPages: UserPages;
  #areas: VmArea[] = [];
  /** Anonymous chunks by the address where they are mapped. */
  readonly #chunks = new Map<number, PageChunk>();
  #lockedPages = 0;
  #users = 1;

  constructor(options: MmOptions) {
    this.#options = options;
    this.#core = options.core;
    this.#userPages = options.userPages;
    this.name = options.name;
    this.lockLimitBytes = options.lockLimitBytes;
    this.table = new RadixTable({
      core: options.core,
      pages: options.pages,
      format: firstStageFormat(2),
      levels: LEVELS,
      name: options.name,
    });
  }

  get areas(): readonly VmArea[] {
    return this.#areas;
  }

  get lockedPages(): number {
    return this.#lockedPages;
  }

  /** Threads, and devices bound by SVA, that hold the address space. */
  get users(): number {
    return this.#users;
  }

  // ---- areas ---------------------------------------------------------------------------------------------------------

  /** A new area without pages. */
  addArea(
    bytes: number,
    options: Pick<VmArea, 'name' | 'isReadable' | 'isWritable' | 'isShared' | 'offset' | 'kind'>,
  ): VmArea {
    const start = this.#findGap(bytes);
    const area: VmArea = {
      ...options,
      mm: this,
      vm_start: start,
      vm_end: start + bytes,
      isNotCopied: false,
      isDevice: false,
    };
    this.#areas = [...this.#areas, area].sort((a, b) => a.vm_start - b.vm_start);
    return area;
  }

  /** Anonymous memory: an address, or a negative error number. */
  mapAnonymous(bytes: number, protection: number, flags: number): number {
    if (bytes <= 0 || bytes % PAGE_BYTES !== 0) {
      return -EINVAL;
    }
    const isHuge = (flags & MAP.HUGETLB) !== 0;
    const area = this.addArea(bytes, {
      name: isHuge ? 'anonymous (huge pages)' : 'anonymous',
      isReadable: (protection & PROT.READ) !== 0,
      isWritable: (protection & PROT.WRITE) !== 0,
      isShared: (flags & MAP.SHARED) !== 0,
      offset: 0,
      kind: 'anonymous',
    });
    const result = isHuge
      ? this.#mapChunk(area, area.vm_start, bytes, HUGE_BYTES)
      : (flags & MAP.POPULATE) === 0
        ? 0
        : this.#populate(area);
    if (result < 0) {
      this.unmap(area.vm_start, bytes);
      return result;
    }
    return area.vm_start;
  }

  /** remap_pfn_range: maps device pages into an area, uncached. */
  remap(area: VmArea, address: number, physical: number, bytes: number): number {
    if (address < area.vm_start || address + bytes > area.vm_end || physical % PAGE_BYTES !== 0) {
      return -EINVAL;
    }
    area.isDevice = true;
    return this.table.map(address, physical, bytes, {
      read: area.isReadable,
      write: area.isWritable,
      isDevice: true,
    });
  }

  areaAt(address: number): VmArea | undefined {
    return this.#areas.find((a) => address >= a.vm_start && address < a.vm_end);
  }

  /** munmap of whole areas: entries, then caches of devices, then pages. */
  unmap(address: number, bytes: number): number {
    const end = address + bytes;
    const gone = this.#areas.filter((a) => a.vm_start < end && a.vm_end > address);
    if (gone.some((a) => a.vm_start < address || a.vm_end > end)) {
      return -EINVAL;
    }
    this.#areas = this.#areas.filter((a) => !gone.includes(a));
    this.#clear(address, end);
    gone.forEach((a) => a.onClose?.());
    return 0;
  }

  /**
   * madvise(MADV_DONTNEED): the pages go, the areas stay, and the next touch brings empty pages. -ENOMEM for a hole,
   * -EINVAL for pages of a device. Not modelled: large pages in part, and shared memory, whose content would stay.
   */
  discard(address: number, bytes: number): number {
    const end = address + bytes;
    if (address % PAGE_BYTES !== 0 || bytes < 0 || bytes % PAGE_BYTES !== 0) {
      return -EINVAL;
    }
    const areas = this.#areas.filter((a) => a.vm_start < end && a.vm_end > address);
    if (areas.some((a) => a.isDevice || a.isShared)) {
      return -EINVAL;
    }
    const covered = areas.map((a) => Math.min(a.vm_end, end) - Math.max(a.vm_start, address));
    if (covered.reduce((sum, part) => sum + part, 0) < bytes) {
      return -ENOMEM;
    }
    const isSplit = [...this.#chunks].some(
      ([at, chunk]) =>
        at < end && at + chunk.bytes > address && (at < address || at + chunk.bytes > end),
    );
    if (isSplit) {
      return -EINVAL;
    }
    this.#clear(address, end);
    return 0;
  }

  /** Entries, then caches of devices, then pages. */
  #clear(address: number, end: number): void {
    const { freed } = this.table.unmap(address, end - address);
    if (this.#core.defends('sva-invalidate')) {
      this.notifiers.forEach((n) => n.invalidateRange(address, end));
    }
    freed.forEach((page) => this.#options.pages.free(page));
    for (const [at, chunk] of [...this.#chunks]) {
      if (at >= address && at < end) {
        this.#chunks.delete(at);
        this.#userPages.drop(chunk);
      }
    }
  }

  /** zap of device pages in an area without removing it: later touches fault. */
  zapDevice(area: VmArea): void {
    this.table.unmap(area.vm_start, area.vm_end - area.vm_start).freed.forEach((page) => {
      this.#options.pages.free(page);
    });
    this.notifiers.forEach((n) => n.invalidateRange(area.vm_start, area.vm_end));
  }

  // ---- faults and access ---------------------------------------------------------------------------------------------

  /** handle_mm_fault: 0 when the access may be repeated, -EFAULT when it is illegal. */
  handleFault(address: number, isWrite: boolean): number {
    const area = this.areaAt(address);
    if (area === undefined || this.isDead) {
      return -EFAULT;
    }
    if (isWrite ? !area.isWritable : !area.isReadable) {
      return -EFAULT;
    }
    const page = address - (address % PAGE_BYTES);
    if (this.table.lookup(page) !== undefined) {
      return 0;
    }
    return area.kind === 'anonymous' ? this.#mapChunk(area, page, PAGE_BYTES) : -EFAULT;
  }

  /** Physical address behind a user address, with the page brought in; -EFAULT when the access is illegal. */
  translate(address: number, isWrite: boolean): number {
    const fault = this.handleFault(address, isWrite);
    return fault < 0 ? fault : (this.table.translate(address) ?? -EFAULT);
  }

  /** copy_from_user: the bytes, or -EFAULT. */
  read(address: number, bytes: number): Uint8Array | number {
    const out = new Uint8Array(bytes);
    const result = this.#eachPage(address, bytes, false, (physical, offset, size) => {
      out.set(this.#core.hw.memoryRead(physical, size), offset);
    });
    return result < 0 ? result : out;
  }

  /** copy_to_user: 0 or -EFAULT. */
  write(address: number, bytes: Uint8Array): number {
    return this.#eachPage(address, bytes.length, true, (physical, offset, size) => {
      this.#core.hw.memoryWrite(physical, bytes.subarray(offset, offset + size));
    });
  }

  // ---- pins ----------------------------------------------------------------------------------------------------------

  /** pin_user_pages for one page: its physical address, or a negative error number. */
  pin(address: number, isWrite: boolean): number {
    const physical = this.translate(address, isWrite);
    if (physical < 0 || this.areaAt(address)?.isDevice === true) {
      return -EFAULT;
    }
    const result = this.#userPages.pin(physical);
    return result < 0 ? result : physical;
  }

  unpin(physical: number, pages = 1): void {
    this.#userPages.unpin(physical, pages);
  }

  /** Pins a range: physically contiguous runs in order, or a negative error number and nothing pinned. */
  pinRange(address: number, bytes: number, isWrite: boolean): readonly PinnedRun[] | number {
    const runs: PinnedRun[] = [];
    for (let done = 0; done < bytes;) {
      const at = address + done;
      const physical = this.translate(at, isWrite);
      const leaf = physical < 0 ? undefined : this.table.lookup(at);
      const isDevice = this.areaAt(at)?.isDevice === true;
      const inLeaf = leaf === undefined ? 0 : leaf.input + leaf.bytes - at;
      const size = Math.min(bytes - done, inLeaf);
      if (leaf === undefined || isDevice || this.#userPages.pin(physical, size / PAGE_BYTES) < 0) {
        this.unpinRuns(runs);
        return -EFAULT;
      }
      const last = runs.at(-1);
      if (last !== undefined && last.address + last.bytes === physical) {
        runs[runs.length - 1] = { address: last.address, bytes: last.bytes + size };
      } else {
        runs.push({ address: physical, bytes: size });
      }
      done += size;
    }
    return runs;
  }

  unpinRuns(runs: readonly PinnedRun[]): void {
    runs.forEach(({ address, bytes }) => this.#userPages.unpinRun(address, bytes));
  }

  /** account_locked_vm: charges or uncharges pages against RLIMIT_MEMLOCK. */
  accountLocked(pages: number, isUnlimited: boolean): number {
    if (
      pages > 0 &&
      !isUnlimited &&
      (this.#lockedPages + pages) * PAGE_BYTES > this.lockLimitBytes
    ) {
      return -ENOMEM;
    }
    this.#lockedPages += pages;
    invariant(this.#lockedPages >= 0, `${this.name}: more pages unlocked than locked`);
    if (pages !== 0) {
      const kind = pages > 0 ? PAGES_PINNED : PAGES_UNPINNED;
      this.#core.emit(kind, this.name, Math.abs(pages), this.#lockedPages);
      const pins = this.#lockedPages === 0 ? undefined : { pages: this.#lockedPages };
      this.#core.publish(`pins/${this.name}`, pins);
    }
    return 0;
  }

  // ---- life ----------------------------------------------------------------------------------------------------------

  /** mmget */
  get(): void {
    this.#users += 1;
  }

  /** mmget_not_zero */
  tryGet(): boolean {
    if (this.#users === 0 || this.isDead) {
      return false;
    }
    this.#users += 1;
    return true;
  }

  /** mmput: the last user tears the address space down. */
  put(): void {
    invariant(this.#users > 0, `${this.name}: mm_users below zero`);
    this.#users -= 1;
    if (this.#users === 0) {
      this.exit();
    }
  }

  /** exit_mmap: devices first, then the pages and tables. */
  exit(): void {
    this.isDead = true;
    this.notifiers.forEach((n) => n.release());
    this.notifiers.clear();
    for (const area of [...this.#areas]) {
      this.unmap(area.vm_start, area.vm_end - area.vm_start);
    }
    this.table.destroy();
    this.dropPasid?.();
  }

  /** dup_mm: a copy of every area that a child inherits. */
  copyTo(child: Mm): number {
    for (const area of this.#areas) {
      if (area.isNotCopied) {
        continue;
      }
      const copy: VmArea = { ...area, mm: child };
      delete copy.onClose;
      child.#areas.push(copy);
      const result = area.isDevice ? this.#copyDevice(area, copy) : this.#copyPages(area, copy);
      if (result < 0) {
        return result;
      }
    }
    return 0;
  }

  #copyDevice(area: VmArea, copy: VmArea): number {
    for (let at = area.vm_start; at < area.vm_end; at += PAGE_BYTES) {
      const physical = this.table.translate(at);
      const result = physical === undefined ? 0 : copy.mm.remap(copy, at, physical, PAGE_BYTES);
      if (result < 0) {
        return result;
      }
    }
    return 0;
  }

  #copyPages(area: VmArea, copy: VmArea): number {
    for (const [at, chunk] of this.#chunks) {
      if (at < area.vm_start || at >= area.vm_end) {
        continue;
      }
      const result = copy.mm.#mapChunk(copy, at, chunk.bytes);
      if (result < 0) {
        return result;
      }
      const bytes = this.#core.hw.memoryRead(chunk.address, chunk.bytes);
      this.#core.hw.memoryWrite(copy.mm.#chunks.get(at)?.address ?? 0, bytes);
    }
    return 0;
  }

  #populate(area: VmArea): number {
    for (let at = area.vm_start; at < area.vm_end; at += PAGE_BYTES) {
      const result = this.#mapChunk(area, at, PAGE_BYTES);
      if (result < 0) {
        return result;
      }
    }
    return 0;
  }

  #mapChunk(area: VmArea, address: number, bytes: number, alignment = PAGE_BYTES): number {
    const chunk = this.#userPages.alloc(bytes / PAGE_BYTES, this.name, alignment);
    if (IS_ERR(chunk)) {
      return chunk;
    }
    const result = this.table.map(address, chunk.address, bytes, {
      read: area.isReadable,
      write: area.isWritable,
    });
    if (result < 0) {
      this.#userPages.drop(chunk);
      return result;
    }
    this.#chunks.set(address, chunk);
    return 0;
  }

  #eachPage(
    address: number,
    bytes: number,
    isWrite: boolean,
    visit: (physical: number, offset: number, size: number) => void,
  ): number {
    for (let done = 0; done < bytes;) {
      const at = address + done;
      const size = Math.min(bytes - done, PAGE_BYTES - (at % PAGE_BYTES));
      const physical = this.translate(at, isWrite);
      if (physical < 0) {
        return physical;
      }
      visit(physical, done, size);
      done += size;
    }
    return 0;
  }

  #findGap(bytes: number): number {
    const alignment = bytes >= HUGE_BYTES ? HUGE_BYTES : PAGE_BYTES;
    let start = FIRST_AREA;
    for (const area of this.#areas) {
      if (start + bytes <= area.vm_start) {
        break;
      }
      start = Math.max(start, Math.ceil(area.vm_end / alignment) * alignment);
    }
    invariant(start + bytes <= LAST_ADDRESS, `${this.name}: no room for ${toHex(bytes)} bytes`);
    return start;
  }
}
