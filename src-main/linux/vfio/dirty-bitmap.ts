/**
 * Which pages of a range a device may have written, as a bitmap in user memory (drivers/vfio/vfio_iommu_type1.c). The
 * container counts every page that a device could reach for writing as dirty.
 */
import type { Values } from '../../bits/layout.ts';
import type { Structure } from '../../bits/structure.ts';
import type { VfioBitmap } from '../../spec/vfio/vfio-structures.ts';
import type { Caller } from '../core/files.ts';
import { EINVAL, IS_ERR } from '../errno.ts';
import { PAGE_BYTES } from '../mm/page-allocator.ts';
import type { Type1 } from './type1.ts';

type Bitmap = typeof VfioBitmap extends Structure<infer F> ? Values<F> : never;

/** 0, or -EINVAL while tracking is off, for another page size, and for a bitmap that is too small. */
export function putDirtyBitmap(
  type1: Type1,
  range: { readonly iova: bigint; readonly size: bigint },
  bitmap: Bitmap,
  caller: Caller,
): number {
  const [iova, bytes] = [Number(range.iova), Number(range.size)];
  if (!type1.isDirtyTracking || bitmap.pgsize !== BigInt(PAGE_BYTES) || bytes === 0) {
    return -EINVAL;
  }
  const pages = type1.dirtyPages(iova, bytes);
  if (IS_ERR(pages)) {
    return pages;
  }
  const bits = new Uint8Array(Math.ceil(bytes / PAGE_BYTES / 8));
  if (bitmap.size < BigInt(bits.length)) {
    return -EINVAL;
  }
  for (const page of pages) {
    const bit = (page - iova) / PAGE_BYTES;
    bits[bit >>> 3] = (bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }
  return caller.mm.write(Number(bitmap.data), bits);
}
