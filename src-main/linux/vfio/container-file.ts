/** /dev/vfio/vfio: a container (drivers/vfio/container.c) and the requests of its type1 driver. */
import {
  VFIO_CONTAINER_IOCTLS as C,
  VFIO_EXTENSIONS as E,
  VFIO_FLAGS as F,
} from '../../spec/vfio/ioctl-numbers.ts';
import {
  TYPE1_INFO_MIN_BYTES,
  VfioIommuType1DirtyBitmap,
  VfioBitmap,
  VfioIommuType1DirtyBitmapGet,
  VfioIommuType1DmaMap,
  VfioIommuType1DmaUnmap,
  VfioIommuType1Info,
} from '../../spec/vfio/vfio-structures.ts';
import type { PlainData } from '../../sim/index.ts';
import { OpenFile, type Caller, type IoctlArgument } from '../core/files.ts';
import { decodeBytes, UserArgument, type InfoCapability } from '../core/user-argument.ts';
import { EINVAL, ENODEV, ENOTTY, IS_ERR } from '../errno.ts';
import { IOMMU_READ, IOMMU_WRITE } from '../iommu/iommu.ts';
import type { VfioGroup, VfioIommuOwner } from './group.ts';
import { putDirtyBitmap } from './dirty-bitmap.ts';
import { Type1, type Type1Options } from './type1.ts';

type ContainerState = 'EMPTY' | 'HAS_GROUP' | 'READY';

const PAGE_BYTES = 4096;
/** The bitmap stands behind the structure. */
const UNMAP_WITH_BITMAP_BYTES = VfioIommuType1DmaUnmap.bytes + VfioBitmap.bytes;

export class ContainerFile extends OpenFile implements VfioIommuOwner {
  readonly id: number;
  readonly claimsDevices = false;
  readonly groups: VfioGroup[] = [];
  type1: Type1 | null = null;
  readonly #options: Omit<Type1Options, 'version' | 'isNesting'>;
  #state: ContainerState = 'EMPTY';

  constructor(options: Omit<Type1Options, 'version' | 'isNesting'>) {
    const id = options.core.nextId('vfio-container', 1);
    super(options.core, `vfio container ${id}`);
    this.id = id;
    this.#options = options;
    this.#update();
  }

  get isReady(): boolean {
    return this.type1 !== null;
  }

  // ---- groups --------------------------------------------------------------------------------------------------------

  attachGroup(group: VfioGroup): number {
    const result = this.type1?.attachGroup(group) ?? 0;
    if (result === 0) {
      this.groups.push(group);
      this.hold();
      this.#update();
    }
    return result;
  }

  /** The IOMMU driver goes with the last group. */
  detachGroup(group: VfioGroup): void {
    this.type1?.detachGroup(group);
    this.groups.splice(this.groups.indexOf(group), 1);
    if (this.groups.length === 0) {
      this.type1 = null;
    }
    this.#update();
    this.drop();
  }

  // ---- requests ------------------------------------------------------------------------------------------------------

  override ioctl(command: number, argument: IoctlArgument, caller: Caller): number {
    switch (command) {
      case C.VFIO_GET_API_VERSION:
        return F.VFIO_API_VERSION;
      case C.VFIO_CHECK_EXTENSION:
        return Number(this.#hasExtension(Number(argument)));
      case C.VFIO_SET_IOMMU:
        return this.#setIommu(Number(argument));
      default:
        return this.type1 === null
          ? -EINVAL
          : this.#type1Ioctl(this.type1, command, argument, caller);
    }
  }

  override release(): void {
    this.core.publish(`vfio/container/${this.id}`, undefined);
  }

  override state(): PlainData {
    return { kind: 'container', state: this.#state, id: this.id };
  }

  #type1Ioctl(type1: Type1, command: number, argument: IoctlArgument, caller: Caller): number {
    switch (command) {
      case C.VFIO_IOMMU_GET_INFO:
        return this.#getInfo(type1, argument);
      case C.VFIO_IOMMU_MAP_DMA:
        return this.#mapDma(type1, argument, caller);
      case C.VFIO_IOMMU_UNMAP_DMA:
        return this.#unmapDma(type1, argument, caller);
      case C.VFIO_IOMMU_DIRTY_PAGES:
        return this.#dirtyPages(type1, argument, caller);
      default:
        return -ENOTTY;
    }
  }

  #hasExtension(extension: number): boolean {
    switch (extension) {
      case E.VFIO_TYPE1_IOMMU:
      case E.VFIO_TYPE1v2_IOMMU:
      case E.VFIO_UNMAP_ALL:
        return true;
      case E.VFIO_TYPE1_NESTING_IOMMU:
        return this.core.profile === 'kvmforum2019';
      case E.VFIO_DMA_CC_IOMMU:
        return this.type1?.isCoherent === true;
      case E.VFIO_UPDATE_VADDR:
        return this.type1 !== null && this.type1.emulated.length === 0;
      default:
        return false;
    }
  }

  #setIommu(type: number): number {
    if (this.groups.length === 0 || this.type1 !== null) {
      return -EINVAL;
    }
    const isNesting = type === E.VFIO_TYPE1_NESTING_IOMMU;
    const isKnown =
      type === E.VFIO_TYPE1_IOMMU ||
      type === E.VFIO_TYPE1v2_IOMMU ||
      (isNesting && this.core.profile === 'kvmforum2019');
    if (!isKnown) {
      return -ENODEV;
    }
    const version = type === E.VFIO_TYPE1_IOMMU ? 1 : 2;
    const type1 = new Type1({ ...this.#options, version, isNesting });
    for (const [i, group] of this.groups.entries()) {
      const result = type1.attachGroup(group);
      if (result < 0) {
        this.groups.slice(0, i).forEach((g) => type1.detachGroup(g));
        return result;
      }
    }
    this.type1 = type1;
    this.#update();
    return 0;
  }

  #getInfo(type1: Type1, argument: IoctlArgument): number {
    const arg = UserArgument.vfio(VfioIommuType1Info, argument, TYPE1_INFO_MIN_BYTES);
    if (IS_ERR(arg)) {
      return arg;
    }
    arg.putWithCapabilities({ iova_pgsizes: type1.pageSizes }, infoCapabilities(type1), {
      flags: F.VFIO_IOMMU_INFO_PGSIZES,
      capsFlag: F.VFIO_IOMMU_INFO_CAPS,
    });
    return 0;
  }

  #mapDma(type1: Type1, argument: IoctlArgument, caller: Caller): number {
    const arg = UserArgument.vfio(VfioIommuType1DmaMap, argument);
    if (IS_ERR(arg)) {
      return arg;
    }
    const { flags, vaddr, iova, size } = arg.values;
    const known = F.VFIO_DMA_MAP_FLAG_READ | F.VFIO_DMA_MAP_FLAG_WRITE | F.VFIO_DMA_MAP_FLAG_VADDR;
    if ((flags & ~known) !== 0) {
      return -EINVAL;
    }
    if ((flags & F.VFIO_DMA_MAP_FLAG_VADDR) !== 0) {
      return this.#updateVaddr(type1, { vaddr, iova, size }, flags);
    }
    const prot =
      ((flags & F.VFIO_DMA_MAP_FLAG_READ) === 0 ? 0 : IOMMU_READ) |
      ((flags & F.VFIO_DMA_MAP_FLAG_WRITE) === 0 ? 0 : IOMMU_WRITE);
    const result = type1.map(caller, Number(vaddr), Number(iova), Number(size), prot);
    this.#publishRanges();
    return result;
  }

  /** A new process takes over: same range, another address of it in user space. */
  #updateVaddr(
    type1: Type1,
    wanted: { readonly vaddr: bigint; readonly iova: bigint; readonly size: bigint },
    flags: number,
  ): number {
    const isAlone = flags === F.VFIO_DMA_MAP_FLAG_VADDR;
    const range = type1.ranges.find(
      (r) => BigInt(r.iova) === wanted.iova && BigInt(r.bytes) === wanted.size,
    );
    if (!isAlone || range === undefined || type1.emulated.length > 0) {
      return -EINVAL;
    }
    range.vaddr = Number(wanted.vaddr);
    this.#publishRanges();
    return 0;
  }

  #unmapDma(type1: Type1, argument: IoctlArgument, caller: Caller): number {
    const arg = UserArgument.vfio(VfioIommuType1DmaUnmap, argument);
    if (IS_ERR(arg)) {
      return arg;
    }
    const { flags, iova, size } = arg.values;
    const all = F.VFIO_DMA_UNMAP_FLAG_ALL;
    const vaddr = F.VFIO_DMA_UNMAP_FLAG_VADDR;
    const dirty = F.VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
    if ((flags & ~(all | vaddr | dirty)) !== 0) {
      return -EINVAL;
    }
    if ((flags & all) !== 0 && (iova !== 0n || size !== 0n)) {
      return -EINVAL;
    }
    if ((flags & vaddr) !== 0) {
      return (flags & dirty) === 0 ? 0 : -EINVAL;
    }
    if ((flags & dirty) !== 0) {
      const bitmap = decodeBytes(VfioBitmap, arg.buffer.subarray(VfioIommuType1DmaUnmap.bytes));
      const isUsable = (flags & all) === 0 && arg.buffer.length >= UNMAP_WITH_BITMAP_BYTES;
      const written = isUsable ? putDirtyBitmap(type1, { iova, size }, bitmap, caller) : -EINVAL;
      if (written < 0) {
        return written;
      }
    }
    const result = (flags & all) === 0 ? type1.unmap(Number(iova), Number(size)) : type1.unmapAll();
    if (IS_ERR(result)) {
      return result;
    }
    arg.put({ size: BigInt(result) });
    this.#publishRanges();
    return 0;
  }

  #getBitmap(type1: Type1, rest: Uint8Array, caller: Caller): number {
    const { pgsize, bitmap_size, data, ...range } = decodeBytes(VfioIommuType1DirtyBitmapGet, rest);
    return putDirtyBitmap(type1, range, { pgsize, size: bitmap_size, data }, caller);
  }

  #dirtyPages(type1: Type1, argument: IoctlArgument, caller: Caller): number {
    const arg = UserArgument.vfio(VfioIommuType1DirtyBitmap, argument);
    if (IS_ERR(arg)) {
      return arg;
    }
    switch (arg.values.flags) {
      case F.VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
        type1.isDirtyTracking = true;
        return 0;
      case F.VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
        type1.isDirtyTracking = false;
        return 0;
      case F.VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
        return this.#getBitmap(type1, arg.buffer.subarray(VfioIommuType1DirtyBitmap.bytes), caller);
      default:
        return -EINVAL;
    }
  }

  #update(): void {
    const next = this.groups.length === 0 ? 'EMPTY' : this.type1 === null ? 'HAS_GROUP' : 'READY';
    this.core.stateChanged(this.name, this.#state, next);
    this.#state = next;
    this.#publishRanges();
    this.touch();
  }

  #publishRanges(): void {
    this.core.publish(`vfio/container/${this.id}`, {
      state: this.#state,
      groups: this.groups.map((g) => g.id),
      type: this.type1 === null ? null : this.type1.version === 1 ? 'TYPE1' : 'TYPE1v2',
      domains: this.type1?.domains.map((d) => d.domain.name) ?? [],
      available: this.type1?.available ?? null,
      ranges:
        this.type1?.ranges.map((r) => ({
          iova: r.iova,
          vaddr: r.vaddr,
          bytes: r.bytes,
          isReadable: (r.prot & IOMMU_READ) !== 0,
          isWritable: (r.prot & IOMMU_WRITE) !== 0,
          isPinned: r.runs !== null,
          pinnedByDrivers: r.external.size,
        })) ?? [],
    });
  }
}

function u32(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((v, i) => view.setUint32(i * 4, v, true));
  return bytes;
}

function u64(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  values.forEach((v, i) => view.setBigUint64(i * 8, BigInt(v), true));
  return bytes;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((p) => [...p]));
}

function infoCapabilities(type1: Type1): readonly InfoCapability[] {
  const ranges = type1.validRanges();
  return [
    {
      id: F.VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION,
      data: concat(u32(0, 0), u64(PAGE_BYTES, 0x2000_0000)),
    },
    { id: F.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, data: u32(type1.available) },
    {
      id: F.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
      data: concat(u32(ranges.length, 0), ...ranges.map((r) => u64(r.start, r.end))),
    },
  ];
}
