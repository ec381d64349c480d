/**
 * Nesting in the words of iommufd: one page table of the VM as parent, a nested one for each PASID of a device, page faults
 * through a fault queue. Guests choose their PASIDs; the CPU's translation is filled when an ENQCMD misses, and cleared
 * before a PASID is detached. vSVA series for Linux and QEMU, 2020.
 */
import {
  IOMMUFD_FLAGS as F,
  IOMMUFD_IOCTLS as I,
  VFIO_DEVICE_IOCTLS as D,
} from '../../spec/vfio/ioctl-numbers.ts';
import {
  IommuDestroy,
  IommuFaultAlloc,
  IommuHwptAlloc,
  IommuHwptInvalidate,
  IommuHwptPageResponse,
  IommuHwptPgfault,
  IommuHwptVtdS1,
  IommuHwptVtdS1Invalidate,
} from '../../spec/vfio/iommufd-structures.ts';
import {
  VfioDeviceAttachIommufdPt,
  VfioDeviceDetachIommufdPt,
} from '../../spec/vfio/vfio-structures.ts';
import { decodeBytes, encodeBytes } from '../../linux/core/user-argument.ts';
import { EINVAL, ENODEV } from '../../linux/errno.ts';
import { FaultQueueFile } from '../../linux/iommufd/fault-queue.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { MAP, PROT } from '../../linux/mm/mm.ts';
import type { Process } from '../../linux/mm/process.ts';
import type {
  GuestFault,
  GuestFaultGroup,
  GuestRange,
  GuestStage1,
  NestingBackend,
  UnrecoverableFault,
} from './nesting-backend.ts';

/** A device that is bound to the VM's iommufd. */
export interface NestingDevice {
  readonly name: string;
  readonly fd: number;
  readonly devId: number;
}

export interface NestingContext {
  readonly iommufd: number;
  /** The page table of guest memory, which may be nested on. */
  readonly parentHwpt: number;
  device(name: string): NestingDevice | undefined;
}

export interface IommufdNestingParts {
  readonly kernel: Kernel;
  readonly process: Process;
  context(): NestingContext | undefined;
  /** The CPU stops translating this number of the guest. */
  clearPasid(pasid: number): void;
}

const PAGE_BYTES = 4096;
const EVERYTHING = 0xffff_ffff_ffff_ffffn;
const RECORD_BYTES = IommuHwptPgfault.bytes;

export class IommufdNesting implements NestingBackend {
  readonly pasids = null;
  onFaults: (group: GuestFaultGroup) => void = () => {};
  /** Never called: what the hardware refuses for good stays in the host's log (VT-d has no IOMMU_VEVENTQ type). */
  onUnrecoverable: (fault: UnrecoverableFault) => void = () => {};
  readonly #parts: IommufdNestingParts;
  /** Page table by device and PASID. */
  readonly #hwpts = new Map<string, number>();
  #fault: { readonly id: number; readonly fd: number } | null = null;
  /** A page of the process for structures that requests point to. */
  #buffer = 0;

  constructor(parts: IommufdNestingParts) {
    this.#parts = parts;
  }

  bind(device: string, pasid: number, stage1: GuestStage1): number {
    const context = this.#parts.context();
    const bound = context?.device(device);
    const fault = context === undefined ? -ENODEV : this.#faultQueue(context);
    if (context === undefined || bound === undefined || typeof fault === 'number') {
      return -ENODEV;
    }
    const hwpt = this.#allocNested(context, bound, stage1, fault.id);
    if (hwpt < 0) {
      return hwpt;
    }
    const attached = this.#attach(bound, pasid, hwpt);
    if (attached < 0) {
      this.#destroy(context, hwpt);
      return attached;
    }
    const key = keyOf(device, pasid);
    const old = this.#hwpts.get(key);
    this.#hwpts.set(key, hwpt);
    if (old !== undefined) {
      this.#destroy(context, old);
    }
    return 0;
  }

  unbind(device: string, pasid: number): void {
    const key = keyOf(device, pasid);
    const hwpt = this.#hwpts.get(key);
    const context = this.#parts.context();
    const bound = context?.device(device);
    if (hwpt === undefined || context === undefined || bound === undefined) {
      return;
    }
    this.#hwpts.delete(key);
    if (pasid === 0) {
      this.#attach(bound, 0, context.parentHwpt);
    } else {
      const isLast = ![...this.#hwpts.keys()].some((other) => other.endsWith(`/${pasid}`));
      if (isLast) {
        this.#parts.clearPasid(pasid);
      }
      const detach = encodeBytes(VfioDeviceDetachIommufdPt, {
        argsz: VfioDeviceDetachIommufdPt.bytes,
        flags: PASID_FLAG,
        pasid,
      });
      this.#ioctl(bound.fd, D.VFIO_DEVICE_DETACH_IOMMUFD_PT, detach);
    }
    this.#destroy(context, hwpt);
  }

  /** A device leaves with its page table. */
  forget(): void {}

  /** Each device has a page table of its own. */
  sharedReach(): undefined {
    return undefined;
  }

  /** A nested page table has one command for both: device TLBs follow the IOTLB by themselves. */
  invalidate(device: string, pasid: number, range: GuestRange | null): void {
    const hwpt = this.#hwpts.get(keyOf(device, pasid));
    const context = this.#parts.context();
    if (hwpt === undefined || context === undefined) {
      return;
    }
    const entry = encodeBytes(IommuHwptVtdS1Invalidate, {
      addr: BigInt(range?.address ?? 0),
      npages: range === null ? EVERYTHING : BigInt(range.bytes / PAGE_BYTES),
      flags: range?.isLeafOnly === true ? F.IOMMU_VTD_INV_FLAGS_LEAF : 0,
    });
    this.#parts.process.mm.write(this.#bufferAddress, entry);
    const request = encodeBytes(IommuHwptInvalidate, {
      size: IommuHwptInvalidate.bytes,
      hwpt_id: hwpt,
      data_uptr: BigInt(this.#bufferAddress),
      data_type: F.IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
      entry_len: entry.length,
      entry_num: 1,
    });
    this.#ioctl(context.iommufd, I.IOMMU_HWPT_INVALIDATE, request);
  }

  respond(cookie: number, code: number): number {
    if (this.#fault === null) {
      return -EINVAL;
    }
    const { kernel, process } = this.#parts;
    const response = encodeBytes(IommuHwptPageResponse, { cookie, code });
    const result = kernel.calls.pwrite(process, this.#fault.fd, response, 0);
    return result < 0 ? result : 0;
  }

  #allocNested(
    context: NestingContext,
    device: NestingDevice,
    stage1: GuestStage1,
    faultId: number,
  ): number {
    const data = encodeBytes(IommuHwptVtdS1, {
      flags: BigInt(
        (stage1.isSupervisorAllowed ? F.IOMMU_VTD_S1_SRE : 0) |
          (stage1.hasExtendedAccessed ? F.IOMMU_VTD_S1_EAFE : 0) |
          (stage1.isWriteProtected ? F.IOMMU_VTD_S1_WPE : 0),
      ),
      pgtbl_addr: BigInt(stage1.root),
      addr_width: stage1.width,
    });
    this.#parts.process.mm.write(this.#bufferAddress, data);
    const request = encodeBytes(IommuHwptAlloc, {
      size: IommuHwptAlloc.bytes,
      flags: F.IOMMU_HWPT_ALLOC_PASID | F.IOMMU_HWPT_FAULT_ID_VALID,
      dev_id: device.devId,
      pt_id: context.parentHwpt,
      data_type: F.IOMMU_HWPT_DATA_VTD_S1,
      data_len: data.length,
      data_uptr: BigInt(this.#bufferAddress),
      fault_id: faultId,
    });
    const result = this.#ioctl(context.iommufd, I.IOMMU_HWPT_ALLOC, request);
    return result < 0 ? result : decodeBytes(IommuHwptAlloc, request).out_hwpt_id;
  }

  #attach({ fd }: NestingDevice, pasid: number, hwpt: number): number {
    const request = encodeBytes(VfioDeviceAttachIommufdPt, {
      argsz: VfioDeviceAttachIommufdPt.bytes,
      flags: pasid === 0 ? 0 : PASID_FLAG,
      pt_id: hwpt,
      pasid,
    });
    return this.#ioctl(fd, D.VFIO_DEVICE_ATTACH_IOMMUFD_PT, request);
  }

  #destroy({ iommufd }: NestingContext, id: number): void {
    this.#ioctl(
      iommufd,
      I.IOMMU_DESTROY,
      encodeBytes(IommuDestroy, { size: IommuDestroy.bytes, id }),
    );
  }

  #faultQueue({ iommufd }: NestingContext): { readonly id: number; readonly fd: number } | number {
    if (this.#fault !== null) {
      return this.#fault;
    }
    const request = encodeBytes(IommuFaultAlloc, { size: IommuFaultAlloc.bytes });
    const result = this.#ioctl(iommufd, I.IOMMU_FAULT_QUEUE_ALLOC, request);
    if (result < 0) {
      return result;
    }
    const { out_fault_id: id, out_fault_fd: fd } = decodeBytes(IommuFaultAlloc, request);
    this.#fault = { id, fd };
    const file = this.#parts.process.files.get(fd);
    if (file instanceof FaultQueueFile) {
      file.onReadable = () => this.#readFaults(fd);
    }
    return this.#fault;
  }

  /** What poll() would wake the VMM for: whole groups, in order. */
  #readFaults(fd: number): void {
    const { kernel, process } = this.#parts;
    const buffer = new Uint8Array(PAGE_BYTES - (PAGE_BYTES % RECORD_BYTES));
    const bytes = kernel.calls.pread(process, fd, buffer, 0);
    let faults: GuestFault[] = [];
    for (let at = 0; at + RECORD_BYTES <= bytes; at += RECORD_BYTES) {
      const record = decodeBytes(IommuHwptPgfault, buffer.subarray(at, at + RECORD_BYTES));
      const isLast = (record.flags & F.IOMMU_PGFAULT_FLAGS_LAST_PAGE) !== 0;
      faults.push({
        address: Number(record.addr),
        isRead: (record.perm & F.IOMMU_PGFAULT_PERM_READ) !== 0,
        isWrite: (record.perm & F.IOMMU_PGFAULT_PERM_WRITE) !== 0,
        isLast,
        group: record.grpid,
      });
      if (isLast) {
        const hasPasid = (record.flags & F.IOMMU_PGFAULT_FLAGS_PASID_VALID) !== 0;
        const pasid = hasPasid ? record.pasid : 0;
        this.onFaults({
          device: this.#deviceOf(record.dev_id),
          pasid,
          faults,
          cookie: record.cookie,
        });
        faults = [];
      }
    }
  }

  #deviceOf(devId: number): string {
    const names = new Set([...this.#hwpts.keys()].map((key) => key.slice(0, key.lastIndexOf('/'))));
    const context = this.#parts.context();
    return [...names].find((name) => context?.device(name)?.devId === devId) ?? '';
  }

  get #bufferAddress(): number {
    if (this.#buffer === 0) {
      this.#buffer = this.#parts.kernel.calls.mmap(this.#parts.process, {
        length: PAGE_BYTES,
        prot: PROT.READ | PROT.WRITE,
        flags: MAP.PRIVATE | MAP.ANONYMOUS,
        fd: -1,
        offset: 0,
      });
    }
    return this.#buffer;
  }

  #ioctl(fd: number, command: number, argument: Uint8Array): number {
    return this.#parts.kernel.calls.ioctl(this.#parts.process, fd, command, argument);
  }
}

const PASID_FLAG = 1;

function keyOf(device: string, pasid: number): string {
  return `${device}/${pasid}`;
}
