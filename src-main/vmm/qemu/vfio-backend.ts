/**
 * How a VMM gets hold of a device and gives it guest memory: through container and group (type1), or through the device's
 * own node and /dev/iommu. QEMU's hw/vfio/container.c and iommufd.c.
 *
 * Every RAM section is mapped at its guest-physical address, so that the addresses in the guest's descriptors are right.
 */
import {
  IOMMUFD_FLAGS as IF,
  IOMMUFD_IOCTLS as I,
  VFIO_CONTAINER_IOCTLS as C,
  VFIO_DEVICE_IOCTLS as D,
  VFIO_EXTENSIONS as E,
  VFIO_FLAGS as F,
  VFIO_GROUP_IOCTLS as G,
} from '../../spec/vfio/ioctl-numbers.ts';
import {
  IommuHwptAlloc,
  IommuIoasAlloc,
  IommuIoasMap,
} from '../../spec/vfio/iommufd-structures.ts';
import {
  VfioDeviceAttachIommufdPt,
  VfioDeviceBindIommufd,
  VfioGroupStatus,
  VfioIommuType1DmaMap,
} from '../../spec/vfio/vfio-structures.ts';
import { decodeBytes, encodeBytes } from '../../linux/core/user-argument.ts';
import { MAP, PROT } from '../../linux/mm/mm.ts';
import { ENODEV, EINVAL } from '../../linux/errno.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Process } from '../../linux/mm/process.ts';
import { EMPTY_TABLE } from '../viommu/empty-table.ts';
import type { NestingContext, NestingDevice } from '../viommu/iommufd-nesting.ts';

const PAGE_BYTES = 4096;

/** A piece of guest RAM (MemoryRegionSection). */
export interface RamSection {
  readonly gpa: number;
  readonly bytes: number;
  readonly hva: number;
}

export interface VfioBackend {
  /** What a virtual IOMMU needs to nest page tables; undefined before the first device, and where the host calls differ. */
  readonly nesting: NestingContext | undefined;
  /** Descriptor of the device, and of the file that names its user to KVM; or a negative error number. */
  open(name: string): { readonly fd: number; readonly kvmFd: number } | number;
}

export interface BackendParts {
  readonly kernel: Kernel;
  readonly process: Process;
  /** RAM that devices may reach. */
  readonly sections: readonly RamSection[];
  /** Devices are attached to a page table on which those of the guest can be nested. */
  readonly isNestParent: boolean;
}

export function createBackend(parts: BackendParts): VfioBackend {
  return parts.kernel.core.profile === 'iommufd'
    ? new IommufdBackend(parts)
    : new GroupBackend(parts);
}

interface Mapping extends RamSection {
  readonly isWritable: boolean;
}

/** What devices may reach: all RAM, and the table without entries where guests' tables can be nested. */
function mappingsOf({ kernel, process, sections, isNestParent }: BackendParts): readonly Mapping[] {
  const memory = sections.map((section) => ({ ...section, isWritable: true }));
  if (!isNestParent) {
    return memory;
  }
  const hva = kernel.calls.mmap(process, {
    length: PAGE_BYTES,
    prot: PROT.READ | PROT.WRITE,
    flags: MAP.PRIVATE | MAP.ANONYMOUS,
    fd: -1,
    offset: 0,
  });
  return [...memory, { gpa: EMPTY_TABLE, bytes: PAGE_BYTES, hva, isWritable: false }];
}

/** One container for the whole VM; a group joins it with its first device. */
export class GroupBackend implements VfioBackend {
  readonly nesting = undefined;
  readonly #parts: BackendParts;
  readonly #groups = new Map<string, number>();
  #container = -1;

  constructor(parts: BackendParts) {
    this.#parts = parts;
  }

  open(name: string): { readonly fd: number; readonly kvmFd: number } | number {
    const { kernel, process } = this.#parts;
    const path = kernel.vfio.devices.find((d) => d.name === name)?.group?.path;
    if (path === undefined) {
      return -ENODEV;
    }
    const group = this.#groups.get(path) ?? this.#openGroup(path);
    if (group < 0) {
      return group;
    }
    const fd = kernel.calls.ioctl(process, group, G.VFIO_GROUP_GET_DEVICE_FD, name);
    return fd < 0 ? fd : { fd, kvmFd: group };
  }

  #openGroup(path: string): number {
    const { kernel, process } = this.#parts;
    const { calls } = kernel;
    const group = calls.open(process, path);
    if (group < 0) {
      return group;
    }
    const result = this.#join(group);
    if (result < 0) {
      calls.close(process, group);
      return result;
    }
    this.#groups.set(path, group);
    return group;
  }

  #join(group: number): number {
    const { kernel, process } = this.#parts;
    const { calls } = kernel;
    const status = encodeBytes(VfioGroupStatus, { argsz: VfioGroupStatus.bytes });
    const asked = calls.ioctl(process, group, G.VFIO_GROUP_GET_STATUS, status);
    if (asked < 0) {
      return asked;
    }
    if ((decodeBytes(VfioGroupStatus, status).flags & F.VFIO_GROUP_FLAGS_VIABLE) === 0) {
      return -EINVAL;
    }
    const isFirst = this.#container < 0;
    const container = isFirst ? calls.open(process, '/dev/vfio/vfio') : this.#container;
    if (container < 0) {
      return container;
    }
    const joined = calls.ioctl(process, group, G.VFIO_GROUP_SET_CONTAINER, container);
    const ready = joined < 0 || !isFirst ? joined : this.#prepare(container);
    if (ready < 0 && isFirst) {
      calls.close(process, container);
      return ready;
    }
    this.#container = container;
    return ready;
  }

  /** The first group decides the IOMMU type; then all RAM is mapped. */
  #prepare(container: number): number {
    const { kernel, process } = this.#parts;
    const { calls } = kernel;
    if (calls.ioctl(process, container, C.VFIO_GET_API_VERSION) !== F.VFIO_API_VERSION) {
      return -EINVAL;
    }
    if (calls.ioctl(process, container, C.VFIO_CHECK_EXTENSION, E.VFIO_TYPE1v2_IOMMU) !== 1) {
      return -EINVAL;
    }
    const set = calls.ioctl(process, container, C.VFIO_SET_IOMMU, E.VFIO_TYPE1v2_IOMMU);
    if (set < 0) {
      return set;
    }
    for (const section of mappingsOf(this.#parts)) {
      const argument = encodeBytes(VfioIommuType1DmaMap, {
        argsz: VfioIommuType1DmaMap.bytes,
        flags: F.VFIO_DMA_MAP_FLAG_READ | (section.isWritable ? F.VFIO_DMA_MAP_FLAG_WRITE : 0),
        vaddr: BigInt(section.hva),
        iova: BigInt(section.gpa),
        size: BigInt(section.bytes),
      });
      const mapped = calls.ioctl(process, container, C.VFIO_IOMMU_MAP_DMA, argument);
      if (mapped < 0) {
        return mapped;
      }
    }
    return 0;
  }
}

/** One /dev/iommu with one IOAS for the whole VM. */
export class IommufdBackend implements VfioBackend {
  readonly #parts: BackendParts;
  readonly #devices = new Map<string, NestingDevice>();
  #iommufd = -1;
  #ioas = 0;
  /** What devices are attached to: the IOAS, or a page table of it. */
  #target = 0;

  constructor(parts: BackendParts) {
    this.#parts = parts;
  }

  open(name: string): { readonly fd: number; readonly kvmFd: number } | number {
    const { kernel, process } = this.#parts;
    const index = kernel.vfio.devices.find((d) => d.name === name)?.index;
    if (index === undefined) {
      return -ENODEV;
    }
    const ready = this.#iommufd < 0 ? this.#prepare() : 0;
    if (ready < 0) {
      return ready;
    }
    const fd = kernel.calls.open(process, `/dev/vfio/devices/vfio${index}`);
    if (fd < 0) {
      return fd;
    }
    const attached = this.#attach(name, fd);
    if (attached < 0) {
      kernel.calls.close(process, fd);
      return attached;
    }
    return { fd, kvmFd: fd };
  }

  get nesting(): NestingContext | undefined {
    return this.#parts.isNestParent && this.#target !== 0
      ? {
          iommufd: this.#iommufd,
          parentHwpt: this.#target,
          device: (name) => this.#devices.get(name),
        }
      : undefined;
  }

  #attach(name: string, fd: number): number {
    const { kernel, process } = this.#parts;
    const bind = encodeBytes(VfioDeviceBindIommufd, {
      argsz: VfioDeviceBindIommufd.bytes,
      iommufd: this.#iommufd,
    });
    const bound = kernel.calls.ioctl(process, fd, D.VFIO_DEVICE_BIND_IOMMUFD, bind);
    if (bound < 0) {
      return bound;
    }
    const devId = decodeBytes(VfioDeviceBindIommufd, bind).out_devid;
    const target = this.#targetFor(devId);
    if (target < 0) {
      return target;
    }
    this.#devices.set(name, { name, fd, devId });
    const attach = encodeBytes(VfioDeviceAttachIommufdPt, {
      argsz: VfioDeviceAttachIommufdPt.bytes,
      pt_id: target,
    });
    return kernel.calls.ioctl(process, fd, D.VFIO_DEVICE_ATTACH_IOMMUFD_PT, attach);
  }

  #targetFor(devId: number): number {
    if (this.#target === 0 && this.#parts.isNestParent) {
      const alloc = encodeBytes(IommuHwptAlloc, {
        size: IommuHwptAlloc.bytes,
        flags: IF.IOMMU_HWPT_ALLOC_NEST_PARENT | IF.IOMMU_HWPT_ALLOC_PASID,
        dev_id: devId,
        pt_id: this.#ioas,
      });
      const { kernel, process } = this.#parts;
      const result = kernel.calls.ioctl(process, this.#iommufd, I.IOMMU_HWPT_ALLOC, alloc);
      if (result < 0) {
        return result;
      }
      this.#target = decodeBytes(IommuHwptAlloc, alloc).out_hwpt_id;
    }
    return this.#target === 0 ? this.#ioas : this.#target;
  }

  #prepare(): number {
    const { kernel, process } = this.#parts;
    const { calls } = kernel;
    const iommufd = calls.open(process, '/dev/iommu');
    if (iommufd < 0) {
      return iommufd;
    }
    const alloc = encodeBytes(IommuIoasAlloc, { size: IommuIoasAlloc.bytes });
    let result = calls.ioctl(process, iommufd, I.IOMMU_IOAS_ALLOC, alloc);
    const ioas = decodeBytes(IommuIoasAlloc, alloc).out_ioas_id;
    for (const section of result < 0 ? [] : mappingsOf(this.#parts)) {
      const argument = encodeBytes(IommuIoasMap, {
        size: IommuIoasMap.bytes,
        flags:
          IF.IOMMU_IOAS_MAP_FIXED_IOVA |
          IF.IOMMU_IOAS_MAP_READABLE |
          (section.isWritable ? IF.IOMMU_IOAS_MAP_WRITEABLE : 0),
        ioas_id: ioas,
        user_va: BigInt(section.hva),
        length: BigInt(section.bytes),
        iova: BigInt(section.gpa),
      });
      result = Math.min(result, calls.ioctl(process, iommufd, I.IOMMU_IOAS_MAP, argument));
    }
    if (result < 0) {
      calls.close(process, iommufd);
      return result;
    }
    this.#iommufd = iommufd;
    this.#ioas = ioas;
    return 0;
  }
}
