/**
 * Which structure the third argument of each VFIO and iommufd request points to. include/uapi/linux/vfio.h, iommufd.h;
 * include/uapi/linux/vfio.h and iommufd.h.
 *
 * Requests that take a number, a string or a bare file descriptor are not listed.
 */
import type { Structure } from '../../bits/structure.ts';
import {
  IOMMUFD_IOCTLS as I,
  VFIO_CONTAINER_IOCTLS as C,
  VFIO_DEVICE_IOCTLS as D,
  VFIO_GROUP_IOCTLS as G,
} from './ioctl-numbers.ts';
import * as iommufd from './iommufd-structures.ts';
import * as vfio from './vfio-structures.ts';

/** Numbers mean one thing on a container and another on a device. */
export type IoctlTarget = 'container' | 'other';

const row = (command: number, structure: unknown): readonly [number, Structure] => [
  command,
  structure as Structure,
];

const containerArguments: ReadonlyMap<number, Structure> = new Map([
  row(C.VFIO_IOMMU_GET_INFO, vfio.VfioIommuType1Info),
  row(C.VFIO_IOMMU_MAP_DMA, vfio.VfioIommuType1DmaMap),
  row(C.VFIO_IOMMU_UNMAP_DMA, vfio.VfioIommuType1DmaUnmap),
  row(C.VFIO_IOMMU_DIRTY_PAGES, vfio.VfioIommuType1DirtyBitmap),
]);

const otherArguments: ReadonlyMap<number, Structure> = new Map([
  row(G.VFIO_GROUP_GET_STATUS, vfio.VfioGroupStatus),
  row(D.VFIO_DEVICE_GET_INFO, vfio.VfioDeviceInfo),
  row(D.VFIO_DEVICE_GET_REGION_INFO, vfio.VfioRegionInfo),
  row(D.VFIO_DEVICE_GET_IRQ_INFO, vfio.VfioIrqInfo),
  row(D.VFIO_DEVICE_SET_IRQS, vfio.VfioIrqSet),
  row(D.VFIO_DEVICE_FEATURE, vfio.VfioDeviceFeature),
  row(D.VFIO_DEVICE_BIND_IOMMUFD, vfio.VfioDeviceBindIommufd),
  row(D.VFIO_DEVICE_ATTACH_IOMMUFD_PT, vfio.VfioDeviceAttachIommufdPt),
  row(D.VFIO_DEVICE_DETACH_IOMMUFD_PT, vfio.VfioDeviceDetachIommufdPt),
  row(I.IOMMU_DESTROY, iommufd.IommuDestroy),
  row(I.IOMMU_IOAS_ALLOC, iommufd.IommuIoasAlloc),
  row(I.IOMMU_IOAS_ALLOW_IOVAS, iommufd.IommuIoasAllowIovas),
  row(I.IOMMU_IOAS_COPY, iommufd.IommuIoasCopy),
  row(I.IOMMU_IOAS_IOVA_RANGES, iommufd.IommuIoasIovaRanges),
  row(I.IOMMU_IOAS_MAP, iommufd.IommuIoasMap),
  row(I.IOMMU_IOAS_UNMAP, iommufd.IommuIoasUnmap),
  row(I.IOMMU_OPTION, iommufd.IommuOption),
  row(I.IOMMU_VFIO_IOAS, iommufd.IommuVfioIoas),
  row(I.IOMMU_HWPT_ALLOC, iommufd.IommuHwptAlloc),
  row(I.IOMMU_GET_HW_INFO, iommufd.IommuGetHwInfo),
  row(I.IOMMU_HWPT_SET_DIRTY_TRACKING, iommufd.IommuHwptSetDirtyTracking),
  row(I.IOMMU_HWPT_GET_DIRTY_BITMAP, iommufd.IommuHwptGetDirtyBitmap),
  row(I.IOMMU_HWPT_INVALIDATE, iommufd.IommuHwptInvalidate),
  row(I.IOMMU_FAULT_QUEUE_ALLOC, iommufd.IommuFaultAlloc),
]);

/** Structure of a request's argument, undefined when it takes none. */
export function ioctlArgument(command: number, target: IoctlTarget): Structure | undefined {
  return (
    (target === 'container' ? containerArguments.get(command) : undefined) ??
    otherArguments.get(command) ??
    containerArguments.get(command)
  );
}

/** Structures of the VFIO interface, for types and documentation. */
export const VFIO_STRUCTURES: readonly Structure[] = structuresOf(vfio);
/** Structures of the iommufd interface. */
export const IOMMUFD_STRUCTURES: readonly Structure[] = structuresOf(iommufd);

function structuresOf(declarations: object): readonly Structure[] {
  return (Object.values(declarations) as readonly unknown[]).filter(isStructure);
}

function isStructure(value: unknown): value is Structure {
  return typeof value === 'object' && value !== null && 'fields' in value && 'bytes' in value;
}
