/** `linux/mm`: the one call with which a driver gives a program a page of its device. */
import { PAGE_BYTES } from '../../linux/mm/page-allocator.ts';
import { effect, type SdkEnvironment } from './environment.ts';
import { asAddress } from './numbers.ts';
import { defineSdkModule, type SdkModule } from './sdk-module.ts';
import { vmAreaType } from './vm-area-handle.ts';

const types = `/** A number or BigInt below 2^53. */
export type address = number | bigint;

/** A mapping that a program asks for (\`struct vm_area_struct\`). */
export interface vm_area_struct {
  readonly vm_start: number;
  readonly vm_end: number;
  /** The program asked for MAP_SHARED. */
  readonly is_shared: boolean;
  readonly is_writable: boolean;
  /** Offset in the file, in bytes (Linux counts pages: \`vm_pgoff\`). */
  readonly offset: number;
}

/** Bytes of a page. */
export declare const PAGE_SIZE: 4096;
/** An address shifted right by this is a page frame number. */
export declare const PAGE_SHIFT: 12;

/**
 * Maps device pages into a program's address space, uncached. From then on the program reaches the device without the
 * kernel, and in a VM without an exit.
 * @param vma the mapping
 * @param addr where in it, usually \`vma.vm_start\`
 * @param pfn page frame number: physical address >> PAGE_SHIFT
 * @param size bytes, whole pages
 * @returns 0, or -EINVAL when the place is outside the mapping
 */
export declare function remap_pfn_range(vma: vm_area_struct, addr: address, pfn: number, size: number): number;
`;

export function createMmModule(env: SdkEnvironment): SdkModule {
  return defineSdkModule({
    name: 'linux/mm',
    types,
    constants: { PAGE_SIZE: PAGE_BYTES, PAGE_SHIFT: Math.log2(PAGE_BYTES) },
    functions: {
      remap_pfn_range: effect(env, (_bound, vma, addr, pfn, size) => {
        const area = vmAreaType.target(vma, 'vma');
        const physical = asAddress(pfn, 'pfn') * PAGE_BYTES;
        area.isNotCopied = true;
        return area.mm.remap(area, asAddress(addr, 'addr'), physical, asAddress(size, 'size'));
      }),
    },
  });
}
