import { beforeEach, describe, expect, it } from 'vitest';
import {
  E2BIG,
  EADDRINUSE,
  EBADF,
  EBADFD,
  EBUSY,
  EDEADLOCK,
  EEXIST,
  EINVAL,
  EMSGSIZE,
  ENOENT,
  ENOTTY,
  EOPNOTSUPP,
  EPERM,
  ESPIPE,
} from '../../../../src-main/linux/errno.ts';
import { encodeBytes, decodeBytes } from '../../../../src-main/linux/core/user-argument.ts';
import type { FaultGroup, PageFault } from '../../../../src-main/linux/iommu/fault-group.ts';
import { PGTT } from '../../../../src-main/spec/vtd/pasid-table-entry.ts';
import {
  IOMMUFD_FLAGS as IF,
  IOMMUFD_IOCTLS as I,
  VFIO_DEVICE_IOCTLS as D,
  VFIO_GROUP_IOCTLS as G,
} from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  IommuDestroy,
  IommuFaultAlloc,
  IommuGetHwInfo,
  IommuHwInfoVtd,
  IommuHwptGetDirtyBitmap,
  IommuHwptInvalidate,
  IommuHwptPageResponse,
  IommuHwptPgfault,
  IommuHwptSetDirtyTracking,
  IommuHwptVtdS1,
  IommuHwptVtdS1Invalidate,
  IommuIoasAllowIovas,
  IommuIoasAlloc,
  IommuIoasCopy,
  IommuIoasIovaRanges,
  IommuIoasMap,
  IommuVfioIoas,
} from '../../../../src-main/spec/vfio/iommufd-structures.ts';
import { VfioDeviceInfo } from '../../../../src-main/spec/vfio/vfio-structures.ts';
import { FakeFunction } from '../../../support/fake-function.ts';
import { bootHost, DSA_BDF, type Host } from '../../../support/linux-host.ts';
import { callbacks, createPoolDriver, poolTypes, UUID } from '../../../support/linux-mdev.ts';
import { VfioUser } from '../../../support/linux-vfio.ts';

const PCI_NAME = '0000:6a:01.0';
const ALL = 2n ** 64n - 1n;

let host: Host;
let qemu: VfioUser;
let iommufd: number;

beforeEach(() => {
  host = bootHost({ functions: [new FakeFunction({ bdf: DSA_BDF, device: 0x1234 })] });
  expect(host.kernel.pci.bind(host.dev, host.kernel.vfioPci)).toBe(0);
  qemu = new VfioUser(host.kernel, 'qemu');
  iommufd = qemu.open('/dev/iommu');
});

function bound(): { device: number; devid: number } {
  const device = qemu.open(qemu.cdevOf(PCI_NAME));
  const { rc, devid } = qemu.bind(device, iommufd);
  expect(rc).toBe(0);
  return { device, devid };
}

function entry(pasid: number): Readonly<Record<string, number | bigint>> {
  return host.kernel.iommu.driver?.info(host.dev)?.pasidTable?.read(pasid) ?? {};
}

/** Writes a structure into memory of the process. */
function inMemory(bytes: Uint8Array): bigint {
  const at = qemu.memory(1);
  qemu.process.mm.write(at, bytes);
  return BigInt(at);
}

function destroy(id: number): number {
  return qemu.request(iommufd, I.IOMMU_DESTROY, IommuDestroy, { id }).rc;
}

describe('row 28: the character device', () => {
  it('gives nothing before BIND, and one user at a time', () => {
    const device = qemu.open(qemu.cdevOf(PCI_NAME));
    expect(qemu.request(device, D.VFIO_DEVICE_GET_INFO, VfioDeviceInfo, {}).rc).toBe(-EINVAL);
    expect(qemu.readValue(device, 7, 0, 2)).toBe(-EINVAL);
    expect(qemu.bind(device, -1).rc).toBe(-EINVAL);
    expect(qemu.bind(device, iommufd, 4).rc).toBe(-EINVAL);
    expect(qemu.bind(device, 99).rc).toBe(-EBADF);
    expect(qemu.bind(device, device).rc).toBe(-EBADFD);
    expect(qemu.bind(device, iommufd).rc).toBe(0);
    expect(qemu.bind(device, iommufd).rc).toBe(-EINVAL);
    expect(qemu.readValue(device, 7, 0, 2)).toBe(0x8086);
    const second = qemu.open(qemu.cdevOf(PCI_NAME));
    expect(qemu.bind(second, iommufd).rc).toBe(-EINVAL);
    qemu.close(device);
    expect(qemu.bind(second, iommufd).rc).toBe(0);
  });

  it('and the group path exclude each other', () => {
    const group = qemu.open(qemu.groupOf(PCI_NAME));
    const device = qemu.open(qemu.cdevOf(PCI_NAME));
    expect(qemu.bind(device, iommufd).rc).toBe(-EBUSY);
    qemu.close(group);
    expect(qemu.bind(device, iommufd).rc).toBe(0);
    expect(qemu.open(qemu.groupOf(PCI_NAME))).toBe(-EBUSY);
    qemu.close(device);
    const again = qemu.open(qemu.groupOf(PCI_NAME));
    expect(again).toBeGreaterThan(2);
    const { device: byGroup } = qemu.openByGroup(PCI_NAME);
    expect(byGroup).toBeLessThan(0);
    expect(qemu.bind(byGroup, iommufd).rc).toBe(-EBADF);
  });

  it('is refused by BIND on a descriptor of the group path', () => {
    const { device } = qemu.openByGroup(PCI_NAME);
    expect(qemu.bind(device, iommufd).rc).toBe(-EINVAL);
  });
});

describe('row 29: ATTACH', () => {
  it('by Requester ID, replaced without a gap, blocked after detach', () => {
    const { device } = bound();
    expect(entry(0)['P']).toBe(0);
    const ioas = qemu.ioas(iommufd);
    const memory = qemu.memory(1);
    expect(qemu.ioasMap(iommufd, ioas, memory, 0x4000, 4096)).toBe(0);
    expect(host.kernel.userPages.pinnedPages).toBe(0);
    const first = qemu.attach(device, ioas);
    expect(first.rc).toBe(0);
    expect(first.ptId).not.toBe(ioas);
    expect(host.kernel.userPages.pinnedPages).toBe(1);
    const did = entry(0)['DID'];
    const other = qemu.ioas(iommufd);
    const from = host.hw.records.length;
    expect(qemu.attach(device, other).rc).toBe(0);
    expect(entry(0)['DID']).not.toBe(did);
    const words = host.hw.records
      .slice(from)
      .filter((r) => r.kind === 'linux.pasid-entry.written' && r.values['word'] === 0);
    expect(words.every((r) => ((r.values['new'] as bigint) & 1n) === 1n)).toBe(true);
    expect(host.kernel.userPages.pinnedPages).toBe(0);
    expect(qemu.detach(device)).toBe(0);
    expect(entry(0)['P']).toBe(0);
  });

  it('by PASID, which needs a compatible page table and a PASID in range', () => {
    const { device, devid } = bound();
    const ioas = qemu.ioas(iommufd);
    const plain = qemu.hwpt(iommufd, devid, ioas);
    const compatible = qemu.hwpt(iommufd, devid, ioas, { flags: IF.IOMMU_HWPT_ALLOC_PASID });
    expect(qemu.attach(device, plain.id, 5).rc).toBe(-EINVAL);
    expect(qemu.attach(device, compatible.id, 0).rc).toBe(-EINVAL);
    expect(qemu.attach(device, compatible.id, 2 ** 20).rc).toBe(-EINVAL);
    expect(qemu.attach(device, 77, 5).rc).toBe(-ENOENT);
    expect(qemu.attach(device, compatible.id, 5)).toEqual({ rc: 0, ptId: compatible.id });
    expect(entry(5)).toMatchObject({ P: 1, PGTT: PGTT.secondStage });
    expect(destroy(compatible.id)).toBe(-EBUSY);
    expect(qemu.detach(device, 5)).toBe(0);
    expect(entry(5)['P']).toBe(0);
    expect(destroy(compatible.id)).toBe(0);
    expect(destroy(compatible.id)).toBe(-ENOENT);
  });

  it('on a driver without the operation is EOPNOTSUPP', () => {
    const emulated = emulatedDevice();
    expect(qemu.attach(emulated.device, emulated.ioas, 5).rc).toBe(-EOPNOTSUPP);
  });

  it('collides with mappings in the interrupt window', () => {
    const { device } = bound();
    const ioas = qemu.ioas(iommufd);
    qemu.ioasMap(iommufd, ioas, qemu.memory(1), 0xfee0_0000, 4096);
    expect(qemu.attach(device, ioas).rc).toBe(-EADDRINUSE);
  });
});

describe('row 30: PASID-compatible page tables', () => {
  it('a page table without the flag on the Requester ID and PASID attachments exclude each other', () => {
    const { device, devid } = bound();
    const ioas = qemu.ioas(iommufd);
    const plain = qemu.hwpt(iommufd, devid, ioas);
    const compatible = qemu.hwpt(iommufd, devid, ioas, { flags: IF.IOMMU_HWPT_ALLOC_PASID });
    expect(qemu.attach(device, plain.id).rc).toBe(0);
    expect(qemu.attach(device, compatible.id, 5).rc).toBe(-EINVAL);
    expect(qemu.attach(device, compatible.id).rc).toBe(0);
    expect(qemu.attach(device, compatible.id, 5).rc).toBe(0);
    expect(qemu.attach(device, plain.id).rc).toBe(-EINVAL);
  });
});

function stage1(values: Parameters<typeof IommuHwptVtdS1.encode>[0] = {}): bigint {
  return inMemory(encodeBytes(IommuHwptVtdS1, { pgtbl_addr: 0x8000n, addr_width: 48, ...values }));
}

function nested(
  devid: number,
  parent: number,
  values: Parameters<typeof IommuHwptVtdS1.encode>[0] = {},
  more: { flags?: number; data_type?: number; data_len?: number; fault_id?: number } = {},
): { rc: number; id: number } {
  return qemu.hwpt(iommufd, devid, parent, {
    data_type: IF.IOMMU_HWPT_DATA_VTD_S1,
    data_len: IommuHwptVtdS1.bytes,
    data_uptr: stage1(values),
    ...more,
  });
}

describe('row 31: nested page tables', () => {
  it('need a nest parent and valid stage-1 data', () => {
    const { device, devid } = bound();
    const ioas = qemu.ioas(iommufd);
    const plain = qemu.hwpt(iommufd, devid, ioas);
    const parent = qemu.hwpt(iommufd, devid, ioas, { flags: IF.IOMMU_HWPT_ALLOC_NEST_PARENT });
    expect(nested(devid, plain.id).rc).toBe(-EINVAL);
    expect(nested(devid, devid).rc).toBe(-EINVAL);
    expect(nested(devid, parent.id, {}, { flags: 0x10 }).rc).toBe(-EOPNOTSUPP);
    expect(nested(devid, parent.id, {}, { flags: IF.IOMMU_HWPT_ALLOC_NEST_PARENT }).rc).toBe(
      -EOPNOTSUPP,
    );
    expect(nested(devid, parent.id, {}, { data_type: 2 }).rc).toBe(-EOPNOTSUPP);
    expect(nested(devid, parent.id, {}, { data_len: 8 }).rc).toBe(-EINVAL);
    expect(nested(devid, parent.id, { flags: 8n }).rc).toBe(-EOPNOTSUPP);
    expect(nested(devid, parent.id, { addr_width: 39 }).rc).toBe(-EINVAL);
    expect(nested(devid, parent.id, { pgtbl_addr: 0x8001n }).rc).toBe(-EINVAL);
    expect(nested(devid, parent.id, { pgtbl_addr: 2n ** 48n }).rc).toBe(-EINVAL);
    const good = nested(devid, parent.id, { flags: 7n });
    expect(good.rc).toBe(0);
    expect(qemu.attach(device, good.id).rc).toBe(0);
    expect(entry(0)).toMatchObject({
      P: 1,
      PGTT: PGTT.nested,
      FSPTPTR: 0x8000n,
      SRE: 1,
      WPE: 1,
      EAFE: 1,
      AW: 2,
    });
    expect(destroy(parent.id)).toBe(-EBUSY);
  });

  it('of an unknown kind, or with reserved fields, are refused', () => {
    const { devid } = bound();
    const ioas = qemu.ioas(iommufd);
    expect(qemu.hwpt(iommufd, devid, ioas, { flags: 0x100 }).rc).toBe(-EOPNOTSUPP);
    expect(qemu.hwpt(iommufd, devid, ioas, { reserved: 1 }).rc).toBe(-EOPNOTSUPP);
    expect(qemu.hwpt(iommufd, devid, ioas, { data_len: 8 }).rc).toBe(-EINVAL);
    expect(qemu.hwpt(iommufd, 99, ioas).rc).toBe(-ENOENT);
    expect(qemu.hwpt(iommufd, ioas, ioas).rc).toBe(-EINVAL);
  });
});

describe('row 32: fault queues', () => {
  function withQueue(): {
    device: number;
    queue: number;
    respond: (f: Partial<PageFault>) => string[];
  } {
    const { device, devid } = bound();
    const ioas = qemu.ioas(iommufd);
    const alloc = qemu.request(iommufd, I.IOMMU_FAULT_QUEUE_ALLOC, IommuFaultAlloc, {});
    expect(alloc.rc).toBe(0);
    const parent = qemu.hwpt(iommufd, devid, ioas, { flags: IF.IOMMU_HWPT_ALLOC_NEST_PARENT });
    const hwpt = nested(
      devid,
      parent.id,
      {},
      {
        flags: IF.IOMMU_HWPT_FAULT_ID_VALID,
        fault_id: alloc.values.out_fault_id,
      },
    );
    expect(qemu.attach(device, hwpt.id).rc).toBe(0);
    const answers: string[] = [];
    const respond = (fault: Partial<PageFault>): string[] => {
      const last: PageFault = {
        rid: host.dev.rid,
        pasid: -1,
        address: 0x9000,
        isRead: true,
        isWrite: true,
        isLast: true,
        group: 3,
        ...fault,
      };
      const group: FaultGroup = {
        faults: [last],
        last,
        respond: (code) => {
          answers.push(`${last.group}:${code}`);
        },
      };
      host.kernel.iommu.driver?.info(host.dev)?.domains.get(0)?.iopf_handler?.(group);
      return answers;
    };
    return { device, queue: alloc.values.out_fault_fd, respond };
  }

  it('read whole records, and take answers by cookie', () => {
    const { queue, respond } = withQueue();
    const { calls } = host.kernel;
    const answers = respond({});
    respond({ group: 4 });
    expect(calls.pread(qemu.process, queue, new Uint8Array(39), 0)).toBe(-ESPIPE);
    expect(calls.pread(qemu.process, queue, new Uint8Array(40), 8)).toBe(-ESPIPE);
    const buffer = new Uint8Array(120);
    expect(calls.pread(qemu.process, queue, buffer, 0)).toBe(80);
    const fault = decodeBytes(IommuHwptPgfault, buffer);
    expect(fault).toMatchObject({ flags: 2, grpid: 3, perm: 3, addr: 0x9000n, cookie: 1 });
    const answer = (cookie: number, code: number): number =>
      calls.pwrite(qemu.process, queue, encodeBytes(IommuHwptPageResponse, { cookie, code }), 0);
    expect(calls.pwrite(qemu.process, queue, new Uint8Array(7), 0)).toBe(-ESPIPE);
    expect(answer(9, 0)).toBe(-EINVAL);
    expect(answer(1, 2)).toBe(-EINVAL);
    expect(answer(1, 0)).toBe(8);
    expect(answer(1, 0)).toBe(-EINVAL);
    expect(answer(2, 1)).toBe(8);
    expect(answers).toEqual(['3:0', '4:1']);
  });

  it('answer Invalid for what is left when the device is detached', () => {
    const { device, queue, respond } = withQueue();
    const answers = respond({});
    respond({ group: 4 });
    host.kernel.calls.pread(qemu.process, queue, new Uint8Array(40), 0);
    qemu.detach(device);
    expect(answers.sort()).toEqual(['3:1', '4:1']);
  });
});

describe('row 33: HWPT_INVALIDATE', () => {
  function entries(
    ...list: readonly Parameters<typeof IommuHwptVtdS1Invalidate.encode>[0][]
  ): bigint {
    return inMemory(
      Uint8Array.from(list.flatMap((e) => [...encodeBytes(IommuHwptVtdS1Invalidate, e)])),
    );
  }

  it('carries entries out in order and stops at the first bad one', () => {
    const { device, devid } = bound();
    const ioas = qemu.ioas(iommufd);
    const parent = qemu.hwpt(iommufd, devid, ioas, { flags: IF.IOMMU_HWPT_ALLOC_NEST_PARENT });
    const child = nested(devid, parent.id);
    qemu.attach(device, child.id);
    const invalidate = (
      data_uptr: bigint,
      entry_num: number,
      more: Parameters<typeof IommuHwptInvalidate.encode>[0] = {},
    ): [number, number] => {
      const { rc, values } = qemu.request(iommufd, I.IOMMU_HWPT_INVALIDATE, IommuHwptInvalidate, {
        hwpt_id: child.id,
        data_uptr,
        entry_len: IommuHwptVtdS1Invalidate.bytes,
        entry_num,
        ...more,
      });
      return [rc, values.entry_num];
    };
    host.hw.iommu?.take();
    const good = { addr: 0x10_0000n, npages: 4n };
    expect(invalidate(entries(good, { npages: ALL }), 2)).toEqual([0, 2]);
    const names = host.hw.iommu?.take().map((d) => d.name.replace('Padded', ''));
    expect(names).toEqual([
      'PasidIotlbInvalidate',
      'DeviceTlbInvalidate',
      'InvalidationWait',
      'PasidIotlbInvalidate',
      'DeviceTlbInvalidate',
      'InvalidationWait',
    ]);
    expect(invalidate(entries(good, { addr: 1n, npages: 1n }, good), 3)).toEqual([-EINVAL, 1]);
    expect(invalidate(entries({ ...good, flags: 2 }), 1)).toEqual([-EOPNOTSUPP, 0]);
    expect(invalidate(entries({ addr: 0x1000n, npages: ALL }), 1)).toEqual([-EINVAL, 0]);
    expect(invalidate(0n, 0)).toEqual([0, 0]);
    expect(invalidate(entries(good), 1, { data_type: 1 })).toEqual([-EINVAL, 0]);
    expect(invalidate(entries(good), 1, { hwpt_id: parent.id })).toEqual([-EOPNOTSUPP, 0]);
  });
});

describe('I/O address spaces', () => {
  it('map at fixed or chosen places and unmap whole areas', () => {
    const ioas = qemu.ioas(iommufd);
    const memory = qemu.memory(4);
    expect(qemu.ioasMap(iommufd, ioas, memory, 0x1_0000, 0x4000)).toBe(0);
    expect(qemu.ioasMap(iommufd, ioas, memory, 0x1_3000, 0x1000)).toBe(-EEXIST);
    const chosen = qemu.request(iommufd, I.IOMMU_IOAS_MAP, IommuIoasMap, {
      flags: IF.IOMMU_IOAS_MAP_READABLE,
      ioas_id: ioas,
      user_va: BigInt(memory),
      length: 4096n,
    });
    expect([chosen.rc, chosen.values.iova]).toEqual([0, 4096n]);
    const map = (flags: number): number =>
      qemu.request(iommufd, I.IOMMU_IOAS_MAP, IommuIoasMap, { flags, ioas_id: ioas, length: 4096n })
        .rc;
    expect([map(0), map(8)]).toEqual([-EINVAL, -EOPNOTSUPP]);
    expect(qemu.ioasUnmap(iommufd, ioas, 0x1_1000n, 0x1000n)).toBe(-ENOENT);
    expect(qemu.ioasUnmap(iommufd, ioas, 0x9_0000n, 0x1000n)).toBe(-ENOENT);
    expect(qemu.ioasUnmap(iommufd, ioas, 0n, 0n)).toBe(-EINVAL);
    expect(qemu.ioasUnmap(iommufd, ioas, 0n, ALL)).toBe(0x5000);
    expect(qemu.ioasMap(iommufd, 99, memory, 0, 4096)).toBe(-ENOENT);
    expect(destroy(ioas)).toBe(0);
  });

  it('copy areas, restrict and report ranges', () => {
    const { device } = bound();
    const ioas = qemu.ioas(iommufd);
    const other = qemu.ioas(iommufd);
    const memory = qemu.memory(4);
    qemu.ioasMap(iommufd, ioas, memory, 0x1_0000, 0x4000);
    const copy = (src: bigint): number =>
      qemu.request(iommufd, I.IOMMU_IOAS_COPY, IommuIoasCopy, {
        flags: IF.IOMMU_IOAS_MAP_FIXED_IOVA | IF.IOMMU_IOAS_MAP_READABLE,
        dst_ioas_id: other,
        src_ioas_id: ioas,
        length: 0x1000n,
        dst_iova: 0x8000n,
        src_iova: src,
      }).rc;
    expect([copy(0x1_1000n), copy(0x9_0000n)]).toEqual([0, -ENOENT]);
    qemu.attach(device, other);
    const buffer = BigInt(qemu.memory(1));
    const ranges = (num: number): [number, number] => {
      const { rc, values } = qemu.request(iommufd, I.IOMMU_IOAS_IOVA_RANGES, IommuIoasIovaRanges, {
        ioas_id: other,
        num_iovas: num,
        allowed_iovas: buffer,
      });
      return [rc, values.num_iovas];
    };
    expect(ranges(1)).toEqual([-EMSGSIZE, 2]);
    expect(ranges(2)).toEqual([0, 2]);
    const bytes = qemu.process.mm.read(Number(buffer), 32) as Uint8Array;
    const view = new DataView(bytes.buffer);
    expect([0, 8, 16].map((at) => view.getBigUint64(at, true))).toEqual([
      0n,
      0xfedf_ffffn,
      0xfef0_0000n,
    ]);
    const allow = (start: bigint, end: bigint): number => {
      const at = qemu.memory(1);
      const span = new Uint8Array(16);
      new DataView(span.buffer).setBigUint64(0, start, true);
      new DataView(span.buffer).setBigUint64(8, end, true);
      qemu.process.mm.write(at, span);
      return qemu.request(iommufd, I.IOMMU_IOAS_ALLOW_IOVAS, IommuIoasAllowIovas, {
        ioas_id: other,
        num_iovas: 1,
        allowed_iovas: BigInt(at),
      }).rc;
    };
    expect(allow(0xfee0_0000n, 0xfee0_ffffn)).toBe(-EADDRINUSE);
    expect(allow(0x50_0000n, 0x5f_ffffn)).toBe(0);
    const chosen = qemu.request(iommufd, I.IOMMU_IOAS_MAP, IommuIoasMap, {
      flags: IF.IOMMU_IOAS_MAP_READABLE,
      ioas_id: other,
      user_va: BigInt(memory),
      length: 4096n,
    });
    expect(chosen.values.iova).toBe(0x50_0000n);
  });

  it('do not unmap what an in-kernel user keeps', () => {
    const { ioas, vdevPin } = emulatedDevice();
    qemu.ioasMap(iommufd, ioas, qemu.memory(1), 0x1000, 4096);
    vdevPin(0x1000);
    expect(qemu.ioasUnmap(iommufd, ioas, 0x1000n, 4096n)).toBe(-EDEADLOCK);
    expect(callbacks(host.hw.records).filter((c) => c.endsWith('dma_unmap'))).toHaveLength(100);
  });

  it('are the container of group files that get the descriptor', () => {
    const group = qemu.open(qemu.groupOf(PCI_NAME));
    expect(qemu.ioctl(group, G.VFIO_GROUP_SET_CONTAINER, iommufd)).toBe(0);
    const device = qemu.ioctl(group, G.VFIO_GROUP_GET_DEVICE_FD, PCI_NAME);
    expect(device).toBeGreaterThan(2);
    const compat = qemu.request(iommufd, I.IOMMU_VFIO_IOAS, IommuVfioIoas, { op: 0 });
    expect(compat.rc).toBe(0);
    expect(qemu.ioasMap(iommufd, compat.values.ioas_id, qemu.memory(1), 0x4000, 4096)).toBe(0);
    expect(entry(0)['P']).toBe(1);
    [device, group].forEach((fd) => qemu.close(fd));
    expect(host.kernel.iommu.iommu_group_get(host.dev)?.owner).toBeNull();
  });
});

describe('the file', () => {
  it('checks sizes, kinds and requests', () => {
    const ioas = qemu.ioas(iommufd);
    const short = qemu.request(iommufd, I.IOMMU_IOAS_ALLOC, IommuIoasAlloc, {}, { bytes: 8 });
    expect(short.rc).toBe(-EINVAL);
    const longer = (byte: number): number =>
      qemu.request(
        iommufd,
        I.IOMMU_IOAS_ALLOC,
        IommuIoasAlloc,
        {},
        { tail: Uint8Array.of(0, 0, 0, byte) },
      ).rc;
    expect([longer(0), longer(1)]).toEqual([0, -E2BIG]);
    expect(qemu.ioctl(iommufd, 0x3bfe)).toBe(-ENOTTY);
    expect(qemu.ioctl(iommufd, I.IOMMU_VIOMMU_ALLOC)).toBe(-EOPNOTSUPP);
    expect(destroy(ioas + 50)).toBe(-ENOENT);
    const { devid } = bound();
    expect(destroy(devid)).toBe(-EBUSY);
  });

  it('reports what the unit and the function can do', () => {
    const { devid } = bound();
    const at = BigInt(qemu.memory(1));
    const { rc, values } = qemu.request(iommufd, I.IOMMU_GET_HW_INFO, IommuGetHwInfo, {
      dev_id: devid,
      data_len: IommuHwInfoVtd.bytes,
      data_uptr: at,
    });
    expect(rc).toBe(0);
    expect(values).toMatchObject({
      out_data_type: 1,
      out_max_pasid_log2: 20,
      out_capabilities: 5n,
    });
    const bytes = qemu.process.mm.read(Number(at), IommuHwInfoVtd.bytes) as Uint8Array;
    expect(decodeBytes(IommuHwInfoVtd, bytes)).toMatchObject({
      cap_reg: host.hw.iommu?.capability.registers.cap,
      ecap_reg: host.hw.iommu?.capability.registers.ecap,
    });
  });

  it('tracks dirty pages in the second-stage entries', () => {
    const { device, devid } = bound();
    const ioas = qemu.ioas(iommufd);
    qemu.ioasMap(iommufd, ioas, qemu.memory(8), 0x8000, 8 * 4096);
    const plain = qemu.hwpt(iommufd, devid, ioas);
    const hwpt = qemu.hwpt(iommufd, devid, ioas, { flags: IF.IOMMU_HWPT_ALLOC_DIRTY_TRACKING });
    qemu.attach(device, hwpt.id);
    const track = (id: number, flags: number): number =>
      qemu.request(iommufd, I.IOMMU_HWPT_SET_DIRTY_TRACKING, IommuHwptSetDirtyTracking, {
        hwpt_id: id,
        flags,
      }).rc;
    expect([track(plain.id, 1), track(hwpt.id, 2), track(hwpt.id, 1)]).toEqual([
      -EOPNOTSUPP,
      -EOPNOTSUPP,
      0,
    ]);
    expect(entry(0)['SSADE']).toBe(1);
    const domain = host.kernel.iommu.iommu_group_get(host.dev)?.domain;
    const leaf = domain?.table?.lookup(0xa000);
    host.hw.memoryWrite64(leaf?.entryAddress ?? 0, (leaf?.entry ?? 0n) | 0x300n);
    const at = qemu.memory(1);
    const get = (): number =>
      qemu.request(iommufd, I.IOMMU_HWPT_GET_DIRTY_BITMAP, IommuHwptGetDirtyBitmap, {
        hwpt_id: hwpt.id,
        iova: 0x8000n,
        length: 0x8000n,
        page_size: 4096n,
        data: BigInt(at),
      }).rc;
    expect(get()).toBe(0);
    expect(qemu.process.mm.read(at, 1)).toEqual(Uint8Array.of(4));
    get();
    expect(qemu.process.mm.read(at, 1)).toEqual(Uint8Array.of(0));
  });

  it('gives everything back when it is closed', () => {
    const { device, devid } = bound();
    const ioas = qemu.ioas(iommufd);
    qemu.ioasMap(iommufd, ioas, qemu.memory(4), 0x1000, 0x4000);
    const hwpt = qemu.hwpt(iommufd, devid, ioas, { flags: IF.IOMMU_HWPT_ALLOC_PASID });
    qemu.attach(device, hwpt.id);
    qemu.attach(device, hwpt.id, 9);
    host.kernel.processes.exit(qemu.process);
    expect(host.kernel.userPages.pinnedPages).toBe(0);
    expect([...host.hw.published.keys()].filter((k) => k.startsWith('iommufd/'))).toEqual([]);
    expect([entry(9)['P'], entry(0)['P']]).toEqual([0, 1]);
    const group = host.kernel.iommu.iommu_group_get(host.dev);
    expect(group?.domain).toBe(group?.default_domain);
  });
});

describe('row 34: DMA ownership through the character device', () => {
  it('is refused while somebody else owns the group', () => {
    const { qemu: first } = { qemu };
    const container = first.open('/dev/vfio/vfio');
    const group = host.kernel.iommu.iommu_group_get(host.dev);
    if (group === null) {
      throw new Error('No group');
    }
    host.kernel.iommu.iommu_group_claim_dma_owner(group, { name: 'somebody' });
    const device = first.open(first.cdevOf(PCI_NAME));
    expect(first.bind(device, iommufd).rc).toBe(-EPERM);
    expect(container).toBeGreaterThan(2);
  });
});

function emulatedDevice(): {
  device: number;
  ioas: number;
  vdevPin: (iova: number) => void;
} {
  const { kernel } = host;
  const other = new FakeFunction({ bdf: '6a:03.0', extended: [] });
  host.hw.functions.push(other);
  const parent = kernel.pci.add({
    rid: other.rid,
    vendor: 1,
    device: 2,
    class: 0,
    isMultifunction: false,
  });
  const { driver, pool } = createPoolDriver(kernel, { ops: { dma_unmap: () => {} } });
  kernel.mdev.mdev_register_driver(driver);
  kernel.mdev.mdev_register_parent(parent, driver, poolTypes());
  kernel.calls.sysfsWrite('class/mdev_bus/0000:6a:03.0/mdev_supported_types/pci-1/create', UUID[0]);
  const device = qemu.open(qemu.cdevOf(UUID[0]));
  expect(qemu.bind(device, iommufd).rc).toBe(0);
  const ioas = qemu.ioas(iommufd);
  expect(qemu.attach(device, ioas)).toEqual({ rc: 0, ptId: ioas });
  return {
    device,
    ioas,
    vdevPin: (iova) => {
      const vdev = pool.vdevs.get(UUID[0]);
      if (vdev !== undefined) {
        kernel.vfio.vfio_pin_pages(vdev, iova, 1, 3);
      }
    },
  };
}
