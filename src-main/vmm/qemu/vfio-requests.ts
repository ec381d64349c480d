/** VFIO requests of a VMM as functions: structures encoded and decoded, the two-call protocol for capabilities included. */
import { invariant } from '../../bits/invariant.ts';
import { VFIO_DEVICE_IOCTLS as D, VFIO_FLAGS as F } from '../../spec/vfio/ioctl-numbers.ts';
import {
  VfioDeviceInfo,
  VfioInfoCapHeader,
  VfioIrqInfo,
  VfioIrqSet,
  VfioRegionInfo,
} from '../../spec/vfio/vfio-structures.ts';
import { decodeBytes, encodeBytes } from '../../linux/core/user-argument.ts';
import { EIO } from '../../linux/errno.ts';
import type { Kernel } from '../../linux/kernel.ts';
import type { Process } from '../../linux/mm/process.ts';

export interface RegionArea {
  readonly offset: number;
  readonly bytes: number;
}

export interface RegionInfo {
  readonly index: number;
  readonly flags: number;
  readonly bytes: number;
  /** Where the region lies in the file. */
  readonly fileOffset: number;
  /** What may be mapped. */
  readonly areas: readonly RegionArea[];
}

export interface IrqInfo {
  readonly flags: number;
  readonly count: number;
}

const AREA_BYTES = 16;
const SPARSE_HEADER_BYTES = 8;

/** An open VFIO device in the hands of a VMM process. */
export class VfioDeviceFd {
  readonly fd: number;
  readonly #kernel: Kernel;
  readonly #process: Process;

  constructor(kernel: Kernel, process: Process, fd: number) {
    this.#kernel = kernel;
    this.#process = process;
    this.fd = fd;
  }

  info(): { readonly flags: number; readonly regions: number; readonly irqs: number } {
    const buffer = encodeBytes(VfioDeviceInfo, { argsz: VfioDeviceInfo.bytes });
    const result = this.ioctl(D.VFIO_DEVICE_GET_INFO, buffer);
    invariant(result >= 0, `VFIO_DEVICE_GET_INFO gave ${result}`);
    const { flags, num_regions, num_irqs } = decodeBytes(VfioDeviceInfo, buffer);
    return { flags, regions: num_regions, irqs: num_irqs };
  }

  /** Undefined for an index that the device does not have. */
  region(index: number): RegionInfo | undefined {
    let buffer = encodeBytes(VfioRegionInfo, { argsz: VfioRegionInfo.bytes, index });
    if (this.ioctl(D.VFIO_DEVICE_GET_REGION_INFO, buffer) < 0) {
      return undefined;
    }
    const { argsz } = decodeBytes(VfioRegionInfo, buffer);
    if (argsz > buffer.length) {
      buffer = new Uint8Array(argsz);
      buffer.set(encodeBytes(VfioRegionInfo, { argsz, index }));
      this.ioctl(D.VFIO_DEVICE_GET_REGION_INFO, buffer);
    }
    const info = decodeBytes(VfioRegionInfo, buffer);
    const bytes = Number(info.size);
    const canMap = (info.flags & F.VFIO_REGION_INFO_FLAG_MMAP) !== 0;
    const sparse = sparseAreas(buffer, info.cap_offset);
    return {
      index,
      flags: info.flags,
      bytes,
      fileOffset: Number(info.offset),
      areas: canMap ? (sparse ?? [{ offset: 0, bytes }]) : [],
    };
  }

  /** Undefined for an index that is not offered. */
  irq(index: number): IrqInfo | undefined {
    const buffer = encodeBytes(VfioIrqInfo, { argsz: VfioIrqInfo.bytes, index });
    if (this.ioctl(D.VFIO_DEVICE_GET_IRQ_INFO, buffer) < 0) {
      return undefined;
    }
    const { flags, count } = decodeBytes(VfioIrqInfo, buffer);
    return { flags, count };
  }

  /** Installs eventfds from `start` on; -1 removes one. */
  setEventfds(index: number, start: number, fds: readonly number[]): number {
    const flags = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;
    const argsz = VfioIrqSet.bytes + fds.length * 4;
    const buffer = new Uint8Array(argsz);
    buffer.set(encodeBytes(VfioIrqSet, { argsz, flags, index, start, count: fds.length }));
    const view = new DataView(buffer.buffer);
    fds.forEach((fd, i) => view.setInt32(VfioIrqSet.bytes + i * 4, fd, true));
    return this.ioctl(D.VFIO_DEVICE_SET_IRQS, buffer);
  }

  /** Takes all interrupts of an index away. */
  disableIrqs(index: number): number {
    const flags = F.VFIO_IRQ_SET_DATA_NONE | F.VFIO_IRQ_SET_ACTION_TRIGGER;
    const argsz = VfioIrqSet.bytes;
    const buffer = encodeBytes(VfioIrqSet, { argsz, flags, index, start: 0, count: 0 });
    return this.ioctl(D.VFIO_DEVICE_SET_IRQS, buffer);
  }

  reset(): number {
    return this.ioctl(D.VFIO_DEVICE_RESET, 0);
  }

  /** All ones when the device refuses. */
  read(fileOffset: number, bytes: 1 | 2 | 4 | 8): bigint {
    const buffer = new Uint8Array(8);
    const result = this.#kernel.calls.pread(
      this.#process,
      this.fd,
      buffer.subarray(0, bytes),
      fileOffset,
    );
    const value = new DataView(buffer.buffer).getBigUint64(0, true);
    return result === bytes ? value : (1n << BigInt(bytes * 8)) - 1n;
  }

  /** Bytes written, or a negative error number. */
  write(fileOffset: number, bytes: 1 | 2 | 4 | 8, value: bigint): number {
    const buffer = new Uint8Array(8);
    new DataView(buffer.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
    const { calls } = this.#kernel;
    const result = calls.pwrite(this.#process, this.fd, buffer.subarray(0, bytes), fileOffset);
    return result >= 0 && result !== bytes ? -EIO : result;
  }

  ioctl(command: number, argument: Uint8Array | number): number {
    return this.#kernel.calls.ioctl(this.#process, this.fd, command, argument);
  }
}

/** The areas of the sparse-mmap capability, undefined when the chain has none. */
function sparseAreas(buffer: Uint8Array, offset: number): readonly RegionArea[] | undefined {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const visited = new Set<number>();
  for (let at = offset; at !== 0 && at + VfioInfoCapHeader.bytes <= buffer.length;) {
    if (visited.has(at)) {
      return undefined;
    }
    visited.add(at);
    const header = decodeBytes(VfioInfoCapHeader, buffer.subarray(at));
    const data = at + VfioInfoCapHeader.bytes;
    if (header.id === F.VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
      const count = view.getUint32(data, true);
      return Array.from({ length: count }, (_, i) => {
        const area = data + SPARSE_HEADER_BYTES + i * AREA_BYTES;
        return {
          offset: Number(view.getBigUint64(area, true)),
          bytes: Number(view.getBigUint64(area + 8, true)),
        };
      });
    }
    at = header.next;
  }
  return undefined;
}
