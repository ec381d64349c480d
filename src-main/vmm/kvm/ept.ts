/**
 * The extended page tables of one VM: real entries in host memory, walked for every access of the guest. KVM's
 * arch/x86/kvm/mmu.
 *
 * Slots are mapped when they are set (as KVM_PRE_FAULT_MEMORY does), so memory never costs an exit. A page without a slot
 * is marked on its first access, as KVM caches emulated registers: from then on its exits are misconfigurations (49)
 * instead of violations (48). Not modelled: dirty logging, faults on demand, large pages split later.
 */
import { bigOf } from '../../bits/u64.ts';
import { EptPointer } from '../../spec/cpu/ept.ts';
import { DEFAULT_PROFILE } from '../../spec/vtd/capability-profile.ts';
import type { Core } from '../../linux/core/core.ts';
import { PAGE_BYTES, type PageAllocator } from '../../linux/mm/page-allocator.ts';
import type { PageRights } from '../../linux/mm/table-format.ts';
import { RadixTable } from '../../linux/mm/radix-table.ts';
import { walkEpt, type EptWalk, type HardwarePort } from '../../sim/index.ts';
import { EPT_FORMAT, MMIO_MARK } from './ept-format.ts';

const LEVELS = 4;
const WRITE_BACK = 6;

/** Memory of the host in 32-bit words, as table walks read it. */
class HostWords {
  readonly #hw: HardwarePort;

  constructor(hw: HardwarePort) {
    this.#hw = hw;
  }

  read32(address: number): number {
    const quad = this.#hw.memoryRead64(address - (address % 8));
    return Number((address % 8 === 0 ? quad : quad >> 32n) & 0xffff_ffffn);
  }

  write32(): boolean {
    return false;
  }
}

export class Ept {
  readonly table: RadixTable;
  /** Value of the VMCS field. */
  readonly pointer: bigint;
  readonly #pages: PageAllocator;
  readonly #memory: HostWords;
  readonly #physicalAddressBits: number;
  readonly #marked = new Set<number>();

  constructor(core: Core, pages: PageAllocator, vm: string) {
    this.#pages = pages;
    this.#memory = new HostWords(core.hw);
    this.#physicalAddressBits = core.hw.config.iommu.hostAddressWidth ?? DEFAULT_PROFILE.haw;
    this.table = new RadixTable({
      core,
      pages,
      format: EPT_FORMAT,
      levels: LEVELS,
      name: `EPT of ${vm}`,
    });
    const words = EptPointer.encode({
      MT: WRITE_BACK,
      WALK: LEVELS - 1,
      ADDR: BigInt(this.table.root),
    });
    this.pointer = bigOf(words[1] ?? 0, words[0] ?? 0);
  }

  /** Maps a range, in place of marks that are there. 0 or a negative error number. */
  map(gpa: number, address: number, bytes: number, rights: PageRights): number {
    this.#unmark(gpa, bytes);
    return this.table.map(gpa, address, bytes, rights);
  }

  unmap(gpa: number, bytes: number): void {
    this.#unmark(gpa, bytes);
    this.#clear(gpa, bytes);
  }

  /** Remembers that registers are emulated here. */
  markEmulated(gpa: number): void {
    const page = gpa - (gpa % PAGE_BYTES);
    if (!this.#marked.has(page) && this.table.map(page, 0, PAGE_BYTES, MMIO_MARK) === 0) {
      this.#marked.add(page);
    }
  }

  walk(gpa: number, access: 'read' | 'write'): EptWalk {
    const options = {
      memory: this.#memory,
      eptPointer: this.pointer,
      physicalAddressBits: this.#physicalAddressBits,
    };
    return walkEpt(options, gpa, access);
  }

  destroy(): void {
    this.table.destroy();
  }

  #unmark(gpa: number, bytes: number): void {
    for (const page of [...this.#marked]) {
      if (page >= gpa && page < gpa + bytes) {
        this.#marked.delete(page);
        this.#clear(page, PAGE_BYTES);
      }
    }
  }

  #clear(gpa: number, bytes: number): void {
    this.table.unmap(gpa, bytes).freed.forEach((page) => this.#pages.free(page));
  }
}
