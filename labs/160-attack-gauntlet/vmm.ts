// VMMs of their own making: programs that open a device by VFIO, and play its guest themselves.
import { movdir64b } from 'asm/enqcmd';
import { advance } from 'hw';
import { load8, store8 } from 'lab/memory';
import { exit, run_as, spawn } from 'lab/process';
import type { process } from 'lab/process';
import { ls } from 'lab/shell';
import {
  MAP_ANONYMOUS,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
  close,
  ioctl,
  mmap,
  open,
  pread,
  pwrite,
} from 'libc';
import { DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_CRAV, IDXD_OP_FLAG_RCR, dsa_hw_desc } from 'uapi/idxd';
import {
  IOMMU_IOAS_ALLOC,
  IOMMU_IOAS_MAP,
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
} from 'uapi/iommufd';
import type { iommu_ioas_alloc } from 'uapi/iommufd';
import { VFIO_DEVICE_ATTACH_IOMMUFD_PT, VFIO_DEVICE_BIND_IOMMUFD, VFIO_DEVICE_RESET } from 'uapi/vfio';

const PAGE = 4096;
const MS = 1_000_000;
const RW = PROT_READ | PROT_WRITE;
/** The bit above tells that the fault was one of a write. */
const STATUS_MASK = 0x7f;

const region = (index: number): number => index * 2 ** 40;
const REGISTERS = region(0);
const PORTALS = region(2);
const CONFIG = region(7);
const CMD = 0xa0;
const CMDSTATUS = 0xa8;
const WQCFG_MODE = 0x508;
const ENABLE_DEVICE = 1 << 20;
const ENABLE_WQ = 6 << 20;
const DISABLE_WQ = (7 << 20) | 1;
/** Interrupt Line: a byte that software writes for itself. */
const CANARY_AT = 0x3c;
const CANARY = 0xa5;

function put(fd: number, at: number, bytes: 1 | 2 | 4, value: number): void {
  const buffer = new Uint8Array(bytes);
  buffer.forEach((_byte, i) => (buffer[i] = (value >>> (8 * i)) & 0xff));
  pwrite(fd, buffer, at);
}

function get8(fd: number, at: number): number {
  const buffer = new Uint8Array(1);
  pread(fd, buffer, at);
  return buffer[0]!;
}

/** A command of the virtual device. @returns the error code of CMDSTATUS */
function command(fd: number, value: number): number {
  put(fd, REGISTERS + CMD, 4, value);
  return get8(fd, REGISTERS + CMDSTATUS);
}

export interface Vmm {
  readonly who: process;
  readonly fd: number;
  readonly iommufd: number;
  readonly memory: number;
}

/** A program opens a device, and gives it 16 pages of memory, from address 0 on. */
export function openDevice(name: string, uuid: string): Vmm {
  const who = spawn(name, { capabilities: ['CAP_SYS_RAWIO'] });
  return run_as(who, () => {
    const memory = mmap(16 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    const iommufd = open('/dev/iommu');
    const [node] = ls(`/sys/bus/mdev/devices/${uuid}/vfio-dev`);
    const fd = open(`/dev/vfio/devices/${node}`);
    const ioas: iommu_ioas_alloc = {};
    ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, { iommufd });
    ioctl(iommufd, IOMMU_IOAS_ALLOC, ioas);
    const ioas_id = ioas.out_ioas_id ?? 0;
    const flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
    ioctl(iommufd, IOMMU_IOAS_MAP, { flags, ioas_id, user_va: memory, iova: 0, length: 16 * PAGE });
    ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, { pt_id: ioas_id });
    return { who, fd, iommufd, memory };
  });
}

/** Capabilities, bus mastering, device and queue on: ATS, PASID, PRI as a guest's driver sets them. */
export function turnOn({ who, fd }: Vmm): void {
  run_as(who, () => {
    put(fd, CONFIG + 0x106, 2, 0x8000);
    put(fd, CONFIG + 0x126, 2, 0x5);
    put(fd, CONFIG + 0x114, 2, 0x1);
    put(fd, CONFIG + 4, 2, 6);
    command(fd, ENABLE_DEVICE);
    command(fd, ENABLE_WQ);
  });
}

export const mapPage = ({ who, fd }: Vmm, offset: number): number =>
  run_as(who, () => mmap(PAGE, PROT_WRITE, MAP_SHARED, fd, PORTALS + offset));

/** A copy from address 0 to the second page, by a portal. @returns its status, as it lies in the program's own memory */
export function move({ who, memory }: Vmm, portal: number): number {
  return run_as(who, () => {
    store8(memory + 2 * PAGE, 0);
    const desc = dsa_hw_desc({
      opcode: DSA_OPCODE_MEMMOVE,
      flags: IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
      src_addr: 0,
      dst_addr: PAGE,
      xfer_size: 64,
      completion_addr: 2 * PAGE,
    });
    movdir64b(portal, desc);
    advance(MS);
    return load8(memory + 2 * PAGE) & STATUS_MASK;
  });
}

/** The guest writes a PASID of its choice into its queue and turns it on. @returns the error code of CMDSTATUS */
export function claim({ who, fd }: Vmm, pasid: number): number {
  return run_as(who, () => {
    command(fd, DISABLE_WQ);
    put(fd, REGISTERS + WQCFG_MODE, 4, (1 | (pasid << 8) | (1 << 28)) >>> 0);
    return command(fd, ENABLE_WQ);
  });
}

/** The tenant leaves a byte in configuration space, and goes. */
export function leave({ who, fd }: Vmm): void {
  run_as(who, () => put(fd, CONFIG + CANARY_AT, 1, CANARY));
  exit(who);
}

/** The next tenant resets the device, as VMMs do. @returns what it finds where the byte was */
export function inherit({ who, fd, iommufd }: Vmm): number {
  return run_as(who, () => {
    ioctl(fd, VFIO_DEVICE_RESET);
    const found = get8(fd, CONFIG + CANARY_AT);
    close(fd);
    close(iommufd);
    return found;
  });
}
