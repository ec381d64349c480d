/** What VFIO and the mdev core say of virtual accelerators: types, regions and what of them may be mapped. */
import { describe, expect, it } from 'vitest';
import { EAGAIN, EBADF, EINPROGRESS, EINVAL, ENODEV } from '../../../../src-main/linux/errno.ts';
import { PORTAL_PAGE } from '../../../../src-main/spec/dsa/portals.ts';
import { VFIO_FLAGS as F } from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import {
  BAR,
  bootIdxd,
  closeVdev,
  createVdev,
  dsaDevice,
  openVdev,
  typePath,
  uuidOf,
  wqAt,
  type IdxdLab,
  type OpenVdev,
} from '../../../support/linux-idxd.ts';

const PROFILES = ['iommufd', 'kvmforum2019'] as const;
const DWQ = { mode: 'dedicated', type: 'mdev' } as const;
const SWQ = { mode: 'shared', type: 'mdev' } as const;
const REGION_INFO_BYTES = 32;
const MAP_PRIVATE = 2;
const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;

function opened(type: 'dwq' | 'swq', profile: (typeof PROFILES)[number]): OpenVdev {
  const lab = bootIdxd({ profile, wqs: [type === 'dwq' ? DWQ : SWQ] });
  return openVdev(lab, createVdev(lab, `dsa-1${type}-v1`));
}

/** Areas of the portals that may be mapped, from the capability chain. */
function sparseAreas(open: OpenVdev): readonly (readonly [number, number])[] {
  const { buffer, values } = open.user.regionInfo(open.fd, BAR.portals, 256);
  const view = new DataView(buffer.buffer);
  const at = values.cap_offset;
  expect([
    view.getUint16(at, true),
    view.getUint16(at + 2, true),
    view.getUint32(at + 4, true),
  ]).toEqual([F.VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0]);
  return Array.from({ length: view.getUint32(at + 8, true) }, (_, i) => [
    Number(view.getBigUint64(at + 16 + i * 16, true)),
    Number(view.getBigUint64(at + 24 + i * 16, true)),
  ]);
}

describe.each(PROFILES)('virtual accelerators, %s', (profile) => {
  it('row 21: have regions at index << 40, two areas on a dedicated queue and one on a shared one', () => {
    const dwq = opened('dwq', profile);
    const sizes = [0x2000n, 0n, 0x2000n, 0n, 0n, 0n, 0n, 0x1000n, 0n];
    sizes.forEach((size, index) => {
      const { rc, values } = dwq.user.regionInfo(dwq.fd, index);
      expect([rc, values.size, values.offset]).toEqual([0, size, BigInt(index) << 40n]);
    });
    const flags = [0, 2, 7, 1].map((i) => dwq.user.regionInfo(dwq.fd, i).values.flags);
    expect(flags).toEqual([3, 0xf, 3, 0]);
    expect(sparseAreas(dwq)).toEqual([
      [0, 4096],
      [4096, 4096],
    ]);
    expect(sparseAreas(opened('swq', profile))).toEqual([[4096, 4096]]);
  });

  it('row 22: tell the size that their areas need, and give them when it is there', () => {
    const { user, fd } = opened('dwq', profile);
    const short = user.regionInfo(fd, BAR.portals).values;
    expect(short).toMatchObject({ flags: 0xf, cap_offset: 0, size: 0x2000n });
    // Header of the capability, number of areas, two areas.
    expect(short.argsz).toBe(REGION_INFO_BYTES + 8 + 8 + 2 * 16);
    expect(user.regionInfo(fd, BAR.portals, short.argsz - 1).values).toMatchObject({
      argsz: short.argsz,
      cap_offset: 0,
    });
    expect(user.regionInfo(fd, BAR.portals, short.argsz).values).toMatchObject({
      argsz: short.argsz,
      cap_offset: REGION_INFO_BYTES,
    });
  });

  it('row 23: map one shared page of an area, and nothing else', () => {
    for (const type of ['dwq', 'swq'] as const) {
      const { user, fd } = opened(type, profile);
      const portals = BAR.portals * 2 ** 40;
      expect(user.mmap(fd, portals + 4096)).toBeGreaterThan(0);
      expect(user.mmap(fd, portals)).toEqual(type === 'dwq' ? expect.any(Number) : -EINVAL);
      expect(user.mmap(fd, portals + 4096, 4096, MAP_PRIVATE)).toBe(-EINVAL);
      expect(user.mmap(fd, portals, 8192)).toBe(-EINVAL);
      expect(user.mmap(fd, portals + 0x2000)).toBe(-EINVAL);
      expect(user.mmap(fd, BAR.registers)).toBe(-EINVAL);
      expect(user.mmap(fd, BAR.config * 2 ** 40)).toBe(-EINVAL);
      const area = user.process.mm.areas.find((a) => a.kind === 'file');
      expect(area).toMatchObject({ isDevice: true, isNotCopied: true });
    }
  });

  it('row 23: show the interrupt-message portals of their own queue behind the pages', () => {
    const lab = bootIdxd({ profile, devices: [dsaDevice({ wqs: 2 })], wqs: [DWQ, DWQ] });
    const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1', 1));
    const other = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1', 2), 'other');
    const physical = (of: OpenVdev, page: number): number | undefined =>
      of.user.process.mm.table.translate(of.user.mmap(of.fd, BAR.portals * 2 ** 40 + page * 4096));
    const portals = (wq: number): readonly number[] => [
      lab.idxd.portalAddress(wq, PORTAL_PAGE.unlimitedIms),
      lab.idxd.portalAddress(wq, PORTAL_PAGE.limitedIms),
    ];
    expect([0, 1].map((page) => physical(open, page))).toEqual(portals(0));
    expect([0, 1].map((page) => physical(other, page))).toEqual(portals(1));
  });
});

describe.each(PROFILES)('instances of virtual accelerators, %s', (profile) => {
  const available = (lab: IdxdLab, type: string): string | number =>
    lab.sysfsRead(`${typePath(lab, type)}/available_instances`);

  it('row 13: are counted by free dedicated queues and by shared queues', () => {
    const lab = bootIdxd({
      profile,
      devices: [dsaDevice({ wqs: 6 })],
      wqs: [DWQ, DWQ, SWQ, SWQ, { ...DWQ, type: 'user' }, { ...DWQ, enable: false }],
    });
    const counts = (): readonly (string | number)[] =>
      ['dsa-1dwq-v1', 'dsa-1swq-v1', 'iax-1dwq-v1'].map((type) => available(lab, type));
    expect(counts()).toEqual(['2', '2', '0']);
    createVdev(lab, 'dsa-1dwq-v1', 1);
    expect(counts()).toEqual(['1', '2', '0']);
    createVdev(lab, 'dsa-1dwq-v1', 2);
    expect(counts()).toEqual(['0', '2', '0']);
    expect(lab.sysfsWrite(`${typePath(lab, 'dsa-1dwq-v1')}/create`, uuidOf(3))).toBe(-ENODEV);
    for (let n = 4; n < 9; n++) {
      createVdev(lab, 'dsa-1swq-v1', n);
    }
    expect(counts()).toEqual(['0', '2', '0']);
    // Each went to the queue with the fewest.
    expect([wqAt(lab, 2).clients, wqAt(lab, 3).clients]).toEqual([3, 2]);
    lab.sysfsWrite(`bus/mdev/devices/${uuidOf(1)}/remove`, '1');
    expect(counts()).toEqual(['1', '2', '0']);
  });

  it('row 17: that fail to open leave queue, group and interrupts alone', () => {
    const lab = bootIdxd({ profile, wqs: [DWQ] });
    const vdev = createVdev(lab, 'dsa-1dwq-v1');
    const open = openVdev(lab, vdev);
    const groups = lab.kernel.iommu.groups.length;
    const second = lab.sysfsWrite(`${typePath(lab, 'dsa-1dwq-v1')}/create`, uuidOf(2));
    expect(second).toBe(-ENODEV);
    expect([lab.kernel.iommu.groups.length, lab.kernel.mdev.devices.length]).toEqual([groups, 1]);
    expect([wqAt(lab, 0).clients, lab.idxd.ims?.used]).toEqual([1, 0]);
    // A block of interrupts that cannot be installed as a whole is not installed at all.
    const fds = [0, 1].map(() => lab.kernel.calls.eventfd(open.user.process));
    while ((lab.idxd.ims?.ims_alloc_irq() ?? -1) > 0) {
      // Until there is no entry or no vector left.
    }
    const used = lab.idxd.ims?.used;
    expect(open.user.setIrqs(open.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, EVENTFD, {}, fds)).toBeLessThan(0);
    expect(vdev.interrupts.installed).toEqual([]);
    expect(lab.idxd.ims?.used).toBe(used);
  });

  it('row 15: ask their user by the request eventfd, at once and every ten seconds', () => {
    const lab = bootIdxd({ profile, wqs: [DWQ] });
    const open = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1'));
    const fd = lab.kernel.calls.eventfd(open.user.process);
    expect(open.user.setIrqs(open.fd, F.VFIO_PCI_REQ_IRQ_INDEX, EVENTFD, {}, [fd])).toBe(0);
    const signals = (): number => lab.kernel.calls.eventfdRead(open.user.process, fd);
    expect(lab.sysfsWrite(`bus/mdev/devices/${uuidOf(1)}/remove`, '1')).toBe(-EINPROGRESS);
    expect(signals()).toBe(1);
    lab.kernel.core.advance(9_999_999_999);
    expect(signals()).toBe(-EAGAIN);
    lab.kernel.core.advance(1);
    expect(signals()).toBe(1);
    lab.kernel.core.advance(20_000_000_000);
    expect(signals()).toBe(2);
    closeVdev(open);
    expect(lab.kernel.mdev.devices).toEqual([]);
  });

  it('row 24: take, exchange and give back entries of the interrupt message store', () => {
    const lab = bootIdxd({ profile, wqs: [DWQ] });
    const vdev = createVdev(lab, 'dsa-1dwq-v1');
    const open = openVdev(lab, vdev);
    const [first, second, third] = [0, 1, 2].map(() => lab.kernel.calls.eventfd(open.user.process));
    const set = (flags: number, range: object, fds: readonly (number | undefined)[] = []): number =>
      open.user.setIrqs(
        open.fd,
        F.VFIO_PCI_MSIX_IRQ_INDEX,
        flags,
        range,
        fds.map((fd) => fd ?? -1),
      );
    const used = (): number | undefined => lab.idxd.ims?.used;
    const NONE = F.VFIO_IRQ_SET_DATA_NONE | F.VFIO_IRQ_SET_ACTION_TRIGGER;
    const read = (fd = -1): number => lab.kernel.calls.eventfdRead(open.user.process, fd);
    expect([set(EVENTFD, {}, [first, second]), used()]).toEqual([0, 1]);
    // Another eventfd for the same vector.
    expect([set(EVENTFD, { start: 1 }, [third]), used()]).toEqual([0, 1]);
    expect(set(NONE, { start: 0, count: 2 })).toBe(0);
    expect([read(first), read(second), read(third)]).toEqual([1, -EAGAIN, 1]);
    expect([set(EVENTFD, { start: 1 }, [-1]), used()]).toEqual([0, 0]);
    expect([set(EVENTFD, { start: 1 }, [second]), used()]).toEqual([0, 1]);
    expect(set(EVENTFD, {}, [first, 99])).toBe(-EBADF);
    expect([set(NONE, { count: 0 }), used(), vdev.interrupts.installed.length]).toEqual([0, 0, 0]);
  });
});

describe.each(PROFILES)('BARs of a virtual accelerator under %s', (profile) => {
  const BARS = [0x10, 0x14, 0x18, 0x1c];

  it('tell their sizes by the all-ones dance of any width, and nothing else is changed', () => {
    const lab = bootIdxd({ profile, wqs: [DWQ] });
    const { user, fd } = openVdev(lab, createVdev(lab, 'dsa-1dwq-v1'));
    const read = (at: number): number => user.readValue(fd, BAR.config, at, 4) >>> 0;
    const write = (at: number, bytes: number, value: number): void => {
      expect(user.writeValue(fd, BAR.config, at, bytes, value)).toBe(bytes);
    };
    const before = BARS.map(read);
    write(0x10, 4, 0xffff_ffff);
    const fixed = ~read(0x10) >>> 0;
    const size = (fixed | 0xf) + 1;
    expect(size & (size - 1)).toBe(0);
    expect(size).toBeGreaterThanOrEqual(4096);
    for (const bytes of [1, 2]) {
      for (let at = 0; at < 4; at += bytes) {
        write(0x10, 4, 0);
        write(0x10 + at, bytes, 256 ** bytes - 1);
        // Of the written bytes, what the size leaves to software; the rest is zero.
        const written = ((256 ** bytes - 1) * 256 ** at) >>> 0;
        expect((read(0x10) & ~0xf) >>> 0).toBe((written & ~(size - 1)) >>> 0);
      }
    }
    BARS.forEach((at, i) => write(at, 4, before[i] ?? 0));
    expect(BARS.map(read)).toEqual(before);
    expect(lab.rows('linux.warning.printed')).toEqual([]);
  });
});
