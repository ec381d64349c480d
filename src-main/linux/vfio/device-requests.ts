/** The requests that every PCI-flavoured VFIO device answers alike: device, region and interrupt information. */
import { VFIO_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import { VfioDeviceInfo, VfioIrqInfo, VfioRegionInfo } from '../../spec/vfio/vfio-structures.ts';
import type { IoctlArgument } from '../core/files.ts';
import { UserArgument, type InfoCapability } from '../core/user-argument.ts';
import { EINVAL, IS_ERR } from '../errno.ts';

/** A convention of PCI drivers; user space must use the offset it is given. */
export const REGION_SHIFT = 40;
const REGION_BYTES = 2 ** REGION_SHIFT;

export interface RegionArea {
  readonly offset: number;
  readonly size: number;
}

export interface RegionSpec {
  readonly size: number;
  readonly flags: number;
  /** Parts of the region that may be mapped; absent: all or nothing, as the flags say. */
  readonly mmapAreas?: readonly RegionArea[];
}

export interface IrqSpec {
  readonly count: number;
  readonly flags: number;
}

/** Offset in the file of a place in a region. */
export function regionOffset(index: number, offset = 0): number {
  return index * REGION_BYTES + offset;
}

export function regionOf(position: number): { readonly index: number; readonly offset: number } {
  return { index: Math.floor(position / REGION_BYTES), offset: position % REGION_BYTES };
}

export function getDeviceInfo(argument: IoctlArgument, flags: number): number {
  const arg = UserArgument.vfio(VfioDeviceInfo, argument, DEVICE_INFO_MIN_BYTES);
  if (IS_ERR(arg)) {
    return arg;
  }
  arg.put({
    flags,
    num_regions: F.VFIO_PCI_NUM_REGIONS,
    num_irqs: F.VFIO_PCI_NUM_IRQS,
    cap_offset: 0,
  });
  return 0;
}

export function getRegionInfo(
  argument: IoctlArgument,
  regionAt: (index: number) => RegionSpec | undefined,
): number {
  const arg = UserArgument.vfio(VfioRegionInfo, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const { index } = arg.values;
  if (index >= F.VFIO_PCI_NUM_REGIONS) {
    return -EINVAL;
  }
  const region = regionAt(index) ?? { size: 0, flags: 0 };
  const capabilities =
    region.mmapAreas === undefined || region.size === 0 ? [] : [sparseMmap(region.mmapAreas)];
  arg.putWithCapabilities(
    { size: BigInt(region.size), offset: BigInt(regionOffset(index)), cap_offset: 0 },
    capabilities,
    { flags: region.flags, capsFlag: F.VFIO_REGION_INFO_FLAG_CAPS },
  );
  return 0;
}

export function getIrqInfo(argument: IoctlArgument, irqs: ReadonlyMap<number, IrqSpec>): number {
  const arg = UserArgument.vfio(VfioIrqInfo, argument);
  if (IS_ERR(arg)) {
    return arg;
  }
  const irq = irqs.get(arg.values.index);
  if (irq === undefined) {
    return -EINVAL;
  }
  arg.put({ flags: irq.flags, count: irq.count });
  return 0;
}

function sparseMmap(areas: readonly RegionArea[]): InfoCapability {
  const data = new Uint8Array(8 + areas.length * 16);
  const view = new DataView(data.buffer);
  view.setUint32(0, areas.length, true);
  areas.forEach((area, i) => {
    view.setBigUint64(8 + i * 16, BigInt(area.offset), true);
    view.setBigUint64(16 + i * 16, BigInt(area.size), true);
  });
  return { id: F.VFIO_REGION_INFO_CAP_SPARSE_MMAP, data };
}

/** Without the capability offset, as the first version had it. */
const DEVICE_INFO_MIN_BYTES = 16;
