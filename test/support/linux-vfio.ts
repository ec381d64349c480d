/** A process of user space that talks VFIO and iommufd, as a VMM would. */
import type { FieldMap, Values } from '../../src-main/bits/layout.ts';
import type { Structure } from '../../src-main/bits/structure.ts';
import { decodeBytes, encodeBytes } from '../../src-main/linux/core/user-argument.ts';
import type { Kernel } from '../../src-main/linux/kernel.ts';
import { MAP, PROT } from '../../src-main/linux/mm/mm.ts';
import type { Process, ProcessOptions } from '../../src-main/linux/mm/process.ts';
import {
  IOMMUFD_FLAGS as IF,
  IOMMUFD_IOCTLS as I,
  VFIO_CONTAINER_IOCTLS as C,
  VFIO_DEVICE_IOCTLS as D,
  VFIO_EXTENSIONS as E,
  VFIO_FLAGS as F,
  VFIO_GROUP_IOCTLS as G,
} from '../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  IommuHwptAlloc,
  IommuIoasAlloc,
  IommuIoasMap,
  IommuIoasUnmap,
} from '../../src-main/spec/vfio/iommufd-structures.ts';
import {
  VfioDeviceAttachIommufdPt,
  VfioDeviceBindIommufd,
  VfioDeviceDetachIommufdPt,
  VfioIommuType1DmaMap,
  VfioIommuType1DmaUnmap,
  VfioIrqSet,
  VfioRegionInfo,
} from '../../src-main/spec/vfio/vfio-structures.ts';

export interface Answer<F extends FieldMap> {
  readonly rc: number;
  readonly values: Values<F>;
  readonly buffer: Uint8Array;
}

const PAGE = 4096;

export class VfioUser {
  readonly kernel: Kernel;
  readonly process: Process;

  /** A new process of this name, or one that is there. */
  constructor(kernel: Kernel, process: string | Process, options: ProcessOptions = {}) {
    this.kernel = kernel;
    this.process =
      typeof process === 'string'
        ? kernel.processes.create(process, { memlockBytes: 64 * 1024 * 1024, ...options })
        : process;
  }

  open(path: string): number {
    return this.kernel.calls.open(this.process, path);
  }

  close(fd: number): number {
    return this.kernel.calls.close(this.process, fd);
  }

  ioctl(fd: number, command: number, argument: Uint8Array | number | string = 0): number {
    return this.kernel.calls.ioctl(this.process, fd, command, argument);
  }

  /** A request with a structure; its first member is filled in unless given. */
  request<F extends FieldMap>(
    fd: number,
    command: number,
    structure: Structure<F>,
    values: Partial<Values<F>>,
    options: { readonly bytes?: number; readonly tail?: Uint8Array } = {},
  ): Answer<F> {
    const tail = options.tail ?? new Uint8Array(0);
    const bytes = options.bytes ?? structure.bytes + tail.length;
    const first = structure.fields[0]?.name ?? '';
    const encoded = encodeBytes(structure, {
      [first]: bytes,
      ...values,
    } as unknown as Partial<Values<F>>);
    const buffer = new Uint8Array(Math.max(bytes, encoded.length + tail.length));
    buffer.set(encoded);
    buffer.set(tail, structure.bytes);
    const rc = this.ioctl(fd, command, buffer);
    return { rc, values: decodeBytes(structure, buffer), buffer };
  }

  memory(pages: number, options: { readonly isHuge?: boolean } = {}): number {
    const flags = MAP.ANONYMOUS | MAP.PRIVATE | (options.isHuge === true ? MAP.HUGETLB : 0);
    return this.kernel.calls.mmap(this.process, {
      length: pages * PAGE,
      prot: PROT.READ | PROT.WRITE,
      flags,
      fd: -1,
      offset: 0,
    });
  }

  mmap(fd: number, offset: number, length = PAGE, flags: number = MAP.SHARED): number {
    return this.kernel.calls.mmap(this.process, {
      length,
      prot: PROT.READ | PROT.WRITE,
      flags,
      fd,
      offset,
    });
  }

  // ---- containers ----------------------------------------------------------------------------------------------------

  groupOf(deviceName: string): string {
    const link = this.kernel.sysfs.resolve(`bus/mdev/devices/${deviceName}/iommu_group`);
    const pci = this.kernel.sysfs.resolve(`bus/pci/devices/${deviceName}/iommu_group`);
    return `/dev/vfio/${(link ?? pci ?? '').split('/').at(-1) ?? ''}`;
  }

  /** Container, group and device in one go. */
  openByGroup(
    deviceName: string,
    type: number = E.VFIO_TYPE1v2_IOMMU,
  ): { container: number; group: number; device: number } {
    const container = this.open('/dev/vfio/vfio');
    const group = this.open(this.groupOf(deviceName));
    this.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, container);
    this.ioctl(container, C.VFIO_SET_IOMMU, type);
    const device = this.ioctl(group, G.VFIO_GROUP_GET_DEVICE_FD, deviceName);
    return { container, group, device };
  }

  mapDma(container: number, vaddr: number, iova: number, bytes: number, flags = 3): number {
    return this.request(container, C.VFIO_IOMMU_MAP_DMA, VfioIommuType1DmaMap, {
      flags,
      vaddr: BigInt(vaddr),
      iova: BigInt(iova),
      size: BigInt(bytes),
    }).rc;
  }

  /** Bytes unmapped, or a negative error number. */
  unmapDma(container: number, iova: number, bytes: number, flags = 0): number {
    const { rc, values } = this.request(container, C.VFIO_IOMMU_UNMAP_DMA, VfioIommuType1DmaUnmap, {
      flags,
      iova: BigInt(iova),
      size: BigInt(bytes),
    });
    return rc < 0 ? rc : Number(values.size);
  }

  // ---- iommufd -------------------------------------------------------------------------------------------------------

  cdevOf(deviceName: string): string {
    const vdev = this.kernel.vfio.devices.find((v) => v.name === deviceName);
    return `/dev/vfio/devices/vfio${vdev?.index ?? -1}`;
  }

  bind(device: number, iommufd: number, flags = 0): { rc: number; devid: number } {
    const { rc, values } = this.request(device, D.VFIO_DEVICE_BIND_IOMMUFD, VfioDeviceBindIommufd, {
      flags,
      iommufd: iommufd < 0 ? 2 ** 32 + iommufd : iommufd,
    });
    return { rc, devid: values.out_devid };
  }

  ioas(iommufd: number): number {
    return this.request(iommufd, I.IOMMU_IOAS_ALLOC, IommuIoasAlloc, {}).values.out_ioas_id;
  }

  ioasMap(iommufd: number, ioas: number, vaddr: number, iova: number, bytes: number): number {
    return this.request(iommufd, I.IOMMU_IOAS_MAP, IommuIoasMap, {
      flags:
        IF.IOMMU_IOAS_MAP_FIXED_IOVA | IF.IOMMU_IOAS_MAP_READABLE | IF.IOMMU_IOAS_MAP_WRITEABLE,
      ioas_id: ioas,
      user_va: BigInt(vaddr),
      iova: BigInt(iova),
      length: BigInt(bytes),
    }).rc;
  }

  ioasUnmap(iommufd: number, ioas: number, iova: bigint, bytes: bigint): number {
    const { rc, values } = this.request(iommufd, I.IOMMU_IOAS_UNMAP, IommuIoasUnmap, {
      ioas_id: ioas,
      iova,
      length: bytes,
    });
    return rc < 0 ? rc : Number(values.length);
  }

  hwpt(
    iommufd: number,
    devid: number,
    ptId: number,
    values: Partial<Values<HwptFields>> = {},
  ): { rc: number; id: number } {
    const answer = this.request(iommufd, I.IOMMU_HWPT_ALLOC, IommuHwptAlloc, {
      dev_id: devid,
      pt_id: ptId,
      ...values,
    });
    return { rc: answer.rc, id: answer.values.out_hwpt_id };
  }

  attach(device: number, ptId: number, pasid?: number): { rc: number; ptId: number } {
    const { rc, values } = this.request(
      device,
      D.VFIO_DEVICE_ATTACH_IOMMUFD_PT,
      VfioDeviceAttachIommufdPt,
      {
        flags: pasid === undefined ? 0 : F.VFIO_DEVICE_ATTACH_PASID,
        pt_id: ptId,
        pasid: pasid ?? 0,
      },
    );
    return { rc, ptId: values.pt_id };
  }

  detach(device: number, pasid?: number): number {
    return this.request(device, D.VFIO_DEVICE_DETACH_IOMMUFD_PT, VfioDeviceDetachIommufdPt, {
      flags: pasid === undefined ? 0 : F.VFIO_DEVICE_DETACH_PASID,
      pasid: pasid ?? 0,
    }).rc;
  }

  // ---- devices -------------------------------------------------------------------------------------------------------

  regionInfo(device: number, index: number, bytes = VfioRegionInfo.bytes): Answer<RegionFields> {
    return this.request(
      device,
      D.VFIO_DEVICE_GET_REGION_INFO,
      VfioRegionInfo,
      { index },
      { bytes },
    );
  }

  setIrqs(
    device: number,
    index: number,
    flags: number,
    range: { readonly start?: number; readonly count?: number },
    fds: readonly number[] = [],
  ): number {
    const tail = new Uint8Array(fds.length * 4);
    const view = new DataView(tail.buffer);
    fds.forEach((fd, i) => view.setInt32(i * 4, fd, true));
    return this.request(
      device,
      D.VFIO_DEVICE_SET_IRQS,
      VfioIrqSet,
      { flags, index, start: range.start ?? 0, count: range.count ?? fds.length },
      { tail },
    ).rc;
  }

  read(device: number, index: number, offset: number, bytes: number): Uint8Array | number {
    const into = new Uint8Array(bytes);
    const rc = this.kernel.calls.pread(this.process, device, into, index * 2 ** 40 + offset);
    return rc < 0 ? rc : into;
  }

  write(device: number, index: number, offset: number, from: Uint8Array): number {
    return this.kernel.calls.pwrite(this.process, device, from, index * 2 ** 40 + offset);
  }

  /** A little-endian value of 1, 2, 4 or 8 bytes from a region, or a negative error number. */
  readValue(device: number, index: number, offset: number, bytes: number): number {
    const read = this.read(device, index, offset, bytes);
    return typeof read === 'number'
      ? read
      : Number(read.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n));
  }

  writeValue(device: number, index: number, offset: number, bytes: number, value: number): number {
    const from = new Uint8Array(bytes);
    let rest = BigInt(value);
    for (let i = 0; i < bytes; i++) {
      from[i] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    return this.kernel.calls.pwrite(this.process, device, from, index * 2 ** 40 + offset);
  }
}

type HwptFields = typeof IommuHwptAlloc extends Structure<infer F> ? F : never;
type RegionFields = typeof VfioRegionInfo extends Structure<infer F> ? F : never;
