/**
 * Device pages that a VDEV lends to the address space of its user. They are there while the hardware behind them acts under
 * the user's PASID, and gone before it does not: a page that stays mapped could drive a queue that is somebody else's by then.
 */
import { EFAULT, EINVAL } from '../errno.ts';
import type { VmArea } from '../mm/mm.ts';
import { PAGE_BYTES } from '../mm/page-allocator.ts';

export class MappedPages {
  readonly #physicalOf: (offset: number) => number | undefined;
  readonly #pages = new Map<VmArea, number>();
  #isOpen = false;

  /** @param physicalOf page behind an offset of the region, undefined where no page may be mapped */
  constructor(physicalOf: (offset: number) => number | undefined) {
    this.#physicalOf = physicalOf;
  }

  /** One shared page inside an area that was offered. */
  mmap(area: VmArea, offset: number): number {
    const physical = offset % PAGE_BYTES === 0 ? this.#physicalOf(offset) : undefined;
    const bytes = area.vm_end - area.vm_start;
    if (!area.isShared || bytes > PAGE_BYTES || physical === undefined) {
      return -EINVAL;
    }
    area.isNotCopied = true;
    area.isDevice = true;
    if (this.#isOpen && area.mm.remap(area, area.vm_start, physical, PAGE_BYTES) < 0) {
      return -EFAULT;
    }
    this.#pages.set(area, physical);
    const onClose = area.onClose;
    area.onClose = () => {
      this.#pages.delete(area);
      onClose?.();
    };
    return 0;
  }

  /** The pages may be used from now on. */
  open(): void {
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#pages.forEach((physical, area) => {
        area.mm.remap(area, area.vm_start, physical, PAGE_BYTES);
      });
    }
  }

  /** Touches fault from now on. */
  close(): void {
    if (this.#isOpen) {
      this.#isOpen = false;
      this.#pages.forEach((_physical, area) => area.mm.zapDevice(area));
    }
  }
}
