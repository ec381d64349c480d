/** `struct vm_area_struct` as scripts see it. */
import type { VmArea } from '../../linux/mm/mm.ts';
import { defineHostType } from './sdk-module.ts';

export const vmAreaType = defineHostType<VmArea>({
  name: 'struct vm_area_struct',
  properties: {
    vm_start: { get: (area) => area.vm_start, format: 'hex' },
    vm_end: { get: (area) => area.vm_end, format: 'hex' },
    is_shared: { get: (area) => area.isShared },
    is_writable: { get: (area) => area.isWritable },
    /** In bytes, where Linux counts pages (`vm_pgoff << PAGE_SHIFT`). */
    offset: { get: (area) => area.offset, format: 'hex' },
  },
});
