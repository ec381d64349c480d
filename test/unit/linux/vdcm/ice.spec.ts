/** Virtual network adapters: types, composition, isolation, interrupts, reset and close, in both eras. */
import { describe, expect, it } from 'vitest';
import { EAGAIN, EBUSY, EFAULT, EINVAL, ENOSPC } from '../../../../src-main/linux/errno.ts';
import type { EventfdFile } from '../../../../src-main/linux/core/eventfd.ts';
import { defined } from '../../../../src-main/bits/invariant.ts';
import { STOP } from '../../../../src-main/spec/nic/verdicts.ts';
import { VFIO_FLAGS as F } from '../../../../src-main/spec/vfio/ioctl-numbers.ts';
import { closeVdev, GUEST_RAM, openVdev, type OpenVdev } from '../../../support/linux-idxd.ts';
import {
  available,
  bootSiov,
  create,
  createAndOpen,
  mappedWord,
  type SiovLab,
  type SiovOptions,
} from '../../../support/linux-siov.ts';
import { frameOf } from '../../../support/nic-driver.ts';
import { VNIC_CONTEXTS, VNIC_DOORBELLS, VnicRings } from '../../../support/vnic-rings.ts';
import type { IceVdev } from '../../../../src-main/linux/ice/vdcm/ice-vdev.ts';

const PROFILES = ['iommufd', 'kvmforum2019'] as const;
const BAR = { registers: 0, msix: 3, config: 7 } as const;
const ONE = 'vdcm-1qp-v1';
const FOUR = 'vdcm-4qp-v1';
const MASTER = 6;
const EVENTFD = F.VFIO_IRQ_SET_DATA_EVENTFD | F.VFIO_IRQ_SET_ACTION_TRIGGER;

interface Nic extends OpenVdev {
  readonly lab: SiovLab;
  readonly vdev: IceVdev;
  /** Doorbell page of queue pair 0 in the VMM. */
  readonly doorbell: number;
  readonly rings: VnicRings;
}

function config(open: OpenVdev, at: number, bytes: number): number {
  return open.user.readValue(open.fd, BAR.config, at, bytes);
}

function setConfig(open: OpenVdev, at: number, bytes: number, value: number): void {
  open.user.writeValue(open.fd, BAR.config, at, bytes, value);
}

function use(lab: SiovLab, open: OpenVdev, pair = 0): Nic {
  const doorbell = open.user.mmap(open.fd, VNIC_DOORBELLS + pair * 4096);
  const at = (iova: number): number => open.memory + iova - GUEST_RAM;
  const rings = new VnicRings(
    {
      read: (offset) => open.user.readValue(open.fd, BAR.registers, offset, 4),
      write: (offset, value) => void open.user.writeValue(open.fd, BAR.registers, offset, 4, value),
      readDoorbell: (offset) => mappedWord(open, doorbell + offset).read(),
      writeDoorbell: (offset, value) => void mappedWord(open, doorbell + offset).write(value),
      readMemory: (iova, bytes) => open.user.process.mm.read(at(iova), bytes) as Uint8Array,
      writeMemory: (iova, bytes) => void open.user.process.mm.write(at(iova), bytes),
    },
    pair,
    GUEST_RAM,
  );
  const vdev = defined(lab.kernel.ice.vdcm.vdevs.at(-1), 'VDEV');
  return { ...open, lab, vdev, doorbell, rings };
}

/** A VDEV whose guest has turned bus mastering and its rings on. */
function running(lab: SiovLab, n: number): Nic {
  const nic = use(lab, createAndOpen(lab, ONE, n));
  setConfig(nic, 4, 2, MASTER);
  nic.rings.start();
  return nic;
}

function boot(options: SiovOptions = {}): SiovLab {
  return bootSiov('nic', { device: { queuePairs: 8 }, ...options });
}

/** What the hardware holds for a queue pair. */
function hardware(nic: Nic, register: number): number {
  const [pair] = nic.vdev.pairs;
  return defined(pair, 'Queue pair').registers.words(register, 1)[0] ?? -1;
}

const Q = { control: 0x00, pasid: 0x08, vector: 0x0c, macHigh: 0x3c } as const;

describe.each(PROFILES)('virtual network adapters, %s', (profile) => {
  it('row 13: queue pairs are one pool, so each device of one type makes fewer of the other', () => {
    const lab = boot({ profile });
    const both = (): readonly number[] => [available(lab, ONE), available(lab, FOUR)];
    expect(both()).toEqual([8, 2]);
    expect(create(lab, ONE, 1)).toBe(36);
    expect(both()).toEqual([7, 1]);
    expect(create(lab, FOUR, 2)).toBe(36);
    expect(both()).toEqual([3, 0]);
    expect(create(lab, FOUR, 3)).toBe(-ENOSPC);
    expect(both()).toEqual([3, 0]);
    const path = defined(lab.kernel.mdev.devices[1], 'mdev').path;
    expect(lab.kernel.sysfs.write(`${path}/remove`, '1')).toBe(1);
    expect(both()).toEqual([7, 1]);
  });

  it('show an adapter without Scalable IOV, with a vector for each queue pair', () => {
    const lab = boot({ profile });
    const open = createAndOpen(lab, FOUR);
    expect(config(open, 0, 4)).toBe(0x0dd5_8086);
    expect(config(open, 8, 4) >>> 8).toBe(0x02_0000);
    expect(config(open, 0x42, 2)).toBe(4);
    expect([config(open, 0x44, 4), config(open, 0x48, 4)]).toEqual([3, 0x2003]);
    expect(config(open, 0x100, 4)).toBe(0);
    for (const [at, size] of [
      [0x10, 0xfc00_000c],
      [0x1c, 0xffff_c00c],
    ] as const) {
      setConfig(open, at, 4, 0xffff_ffff);
      expect(config(open, at, 4)).toBe(size);
    }
  });

  it('row 21: one page a queue pair may be mapped, and regions lie at index << 40', () => {
    const lab = boot({ profile });
    const open = createAndOpen(lab, FOUR);
    const { buffer, values } = open.user.regionInfo(open.fd, 0, 32 + 16 + 4 * 16);
    expect(values).toMatchObject({ size: 0x400_0000n, offset: 0n, cap_offset: 32 });
    const view = new DataView(buffer.buffer);
    expect([view.getUint16(32, true), view.getUint32(40, true)]).toEqual([1, 4]);
    const areas = [0, 1, 2, 3].map((i) => view.getBigUint64(48 + i * 16, true));
    expect(areas).toEqual([0, 1, 2, 3].map((i) => BigInt(VNIC_DOORBELLS + i * 4096)));
    const msix = open.user.regionInfo(open.fd, 3).values;
    expect([msix.size, msix.offset]).toEqual([0x4000n, 3n << 40n]);
    expect([1, 2, 4, 5, 6, 8].map((i) => open.user.regionInfo(open.fd, i).values.size)).toEqual(
      Array(6).fill(0n),
    );
    expect(open.user.mmap(open.fd, VNIC_DOORBELLS + 4 * 4096)).toBe(-EINVAL);
    expect(open.user.mmap(open.fd, VNIC_CONTEXTS)).toBe(-EINVAL);
    const { table } = open.user.process.mm;
    const { pairs } = defined(lab.kernel.ice.vdcm.vdevs[0], 'VDEV');
    const at = open.user.mmap(open.fd, VNIC_DOORBELLS + 2 * 4096);
    expect(table.translate(at)).toBe(pairs[2]?.doorbell);
  });

  it('carry frames between two tenants, each by its own PASID', () => {
    const lab = boot({ profile });
    const [first, second] = [running(lab, 1), running(lab, 2)];
    expect(first.rings.mac).not.toBe(second.rings.mac);
    const before = first.vdev.accesses;
    const frame = frameOf(second.rings.mac, first.rings.mac, 100, 7);
    const from = lab.machine.trace.head;
    first.rings.send(frame);
    lab.kernel.core.advance(100_000);
    expect(second.rings.received()).toEqual([frame]);
    expect(first.rings.received()).toEqual([]);
    // Nothing of it was software's work but the look at the address.
    expect(first.vdev.accesses - before).toBe(2);
    const requests = lab
      .rows('iommu.request.translated', 'pcie.translation.received')
      .filter((r) => r.seq >= from && r.values['type'] !== 2);
    expect(new Set(requests.map((r) => r.values['pasid']))).toEqual(
      new Set([first.vdev.pasids.default, second.vdev.pasids.default]),
    );
    expect(lab.rows('iommu.fault.recorded')).toEqual([]);
  });

  it('stop a queue pair that reads what its PASID does not map, and nobody else', () => {
    const lab = boot({ profile });
    const [first, second] = [running(lab, 1), running(lab, 2)];
    first.rings.send(frameOf(second.rings.mac, first.rings.mac), 0x4000_0000);
    lab.kernel.core.advance(100_000);
    expect(second.rings.received()).toEqual([]);
    expect(first.rings.register('Q_STATUS') & 0xf01).toBe(STOP.dataRead << 8);
    const frame = frameOf(first.rings.mac, second.rings.mac);
    second.rings.send(frame);
    lab.kernel.core.advance(100_000);
    expect(first.rings.received()).toEqual([frame]);
  });

  it('keep PASID, vector, address and the rules of the switch from the guest', () => {
    const lab = boot({ profile });
    const [first, second] = [running(lab, 1), running(lab, 2)];
    const pasid = hardware(first, Q.pasid);
    expect(pasid & 0xf_ffff).toBe(first.vdev.pasids.default);
    expect([first.rings.register('Q_PASID'), first.rings.register('Q_VECTOR')]).toEqual([0, 0]);
    const { mac } = first.rings;
    for (const name of ['Q_PASID', 'Q_VECTOR', 'MAC_ADDRESS']) {
      first.rings.setRegister(name, 0x8000_0001);
    }
    // A wide store over the status register and the PASID.
    first.user.write(first.fd, BAR.registers, VNIC_CONTEXTS + 8, new Uint8Array(8).fill(0xff));
    expect(hardware(first, Q.pasid)).toBe(pasid);
    expect(hardware(first, Q.vector)).toBe(0);
    expect(first.rings.mac).toBe(mac);
    first.rings.setRegister('Q_CONTROL', 0xffff_ffff);
    expect(hardware(first, Q.control)).toBe(0xb);
    // A frame under the other one's address goes nowhere.
    first.rings.send(frameOf(second.rings.mac, second.rings.mac));
    lab.kernel.core.advance(100_000);
    expect(second.rings.received()).toEqual([]);
  });

  it('refuse accesses that registers do not take', () => {
    const open = createAndOpen(boot({ profile }), ONE);
    const write = (offset: number, bytes: number): number =>
      open.user.writeValue(open.fd, BAR.registers, offset, bytes, 1);
    expect(write(VNIC_CONTEXTS, 2)).toBe(-EFAULT);
    expect(write(VNIC_CONTEXTS + 2, 4)).toBe(-EFAULT);
    expect(write(0x400_0000, 4)).toBe(-EINVAL);
    expect(open.user.readValue(open.fd, BAR.registers, VNIC_CONTEXTS + 1, 1)).toBe(-EFAULT);
    expect(open.user.readValue(open.fd, BAR.registers, 0x2_1000, 4)).toBe(2);
  });

  it('interrupt through an entry of the message store, and wait while the guest masks', () => {
    const lab = boot({ profile });
    const [first, second] = [running(lab, 1), running(lab, 2)];
    const fds = [0, 1].map(() => lab.kernel.calls.eventfd(second.user.process));
    expect(second.user.setIrqs(second.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, EVENTFD, {}, fds)).toBe(0);
    const file = second.user.process.files.get(defined(fds[1], 'eventfd')) as EventfdFile;
    const index = defined(lab.kernel.ice.devices[0]?.ims, 'IMS').used;
    expect(index).toBe(1);
    expect(hardware(second, Q.vector)).toBe(0x8001_0000);
    mappedWord(second, second.doorbell + 0x10).write(1);
    const send = (): void => {
      first.rings.send(frameOf(second.rings.mac, first.rings.mac));
      lab.kernel.core.advance(200_000);
    };
    send();
    expect(file.total).toBe(1);
    const control = 0x1c;
    second.user.writeValue(second.fd, BAR.msix, control, 4, 1);
    send();
    expect([file.total, second.user.readValue(second.fd, BAR.msix, 0x2000, 4)]).toEqual([1, 2]);
    second.user.writeValue(second.fd, BAR.msix, control, 4, 0);
    lab.kernel.core.advance(10_000);
    expect([file.total, second.user.readValue(second.fd, BAR.msix, 0x2000, 4)]).toEqual([2, 0]);
    const off = F.VFIO_IRQ_SET_DATA_NONE | F.VFIO_IRQ_SET_ACTION_TRIGGER;
    expect(second.user.setIrqs(second.fd, F.VFIO_PCI_MSIX_IRQ_INDEX, off, { count: 0 })).toBe(0);
    expect([hardware(second, Q.vector), lab.kernel.ice.devices[0]?.ims?.used]).toEqual([0, 0]);
  });

  it('reset their own queue pairs alone, and keep PASID and mapped page', () => {
    const lab = boot({ profile });
    const [first, second] = [running(lab, 1), running(lab, 2)];
    const pasid = hardware(first, Q.pasid);
    const physical = first.user.process.mm.table.translate(first.doorbell);
    setConfig(first, 0x58, 2, 0x8000);
    expect([first.rings.control, second.rings.control]).toEqual([0, 0xb]);
    expect(hardware(first, Q.pasid)).toBe(pasid);
    expect(config(first, 4, 2)).toBe(0);
    expect(first.user.process.mm.table.translate(first.doorbell)).toBe(physical);
    // Without bus mastering the guest's rings stay off.
    first.rings.start();
    expect(first.rings.control).toBe(0);
    setConfig(first, 4, 2, MASTER);
    first.rings.start();
    const frame = frameOf(second.rings.mac, first.rings.mac);
    first.rings.send(frame);
    lab.kernel.core.advance(100_000);
    expect(second.rings.received()).toEqual([frame]);
    setConfig(first, 4, 2, 2);
    expect(first.rings.control).toBe(0);
  });

  it('leave nothing behind when they are closed: the next opener finds them as created', () => {
    const lab = boot({ profile });
    const open = createAndOpen(lab, ONE);
    const image = (of: OpenVdev): readonly unknown[] => [
      of.user.read(of.fd, BAR.config, 0, 0x100),
      of.user.read(of.fd, BAR.registers, VNIC_CONTEXTS, 0x48),
      of.user.read(of.fd, BAR.msix, 0, 0x40),
    ];
    const pristine = image(open);
    const nic = use(lab, open);
    setConfig(nic, 4, 2, MASTER);
    nic.rings.start();
    nic.user.writeValue(nic.fd, BAR.msix, 0x10, 4, 0xfee0_0000);
    expect(image(nic)).not.toEqual(pristine);
    closeVdev(nic);
    expect([hardware(nic, Q.control), hardware(nic, Q.pasid), hardware(nic, Q.vector)]).toEqual([
      0, 0, 0,
    ]);
    expect(nic.vdev.pairs[0]?.owner).toBe(nic.vdev.uuid);
    const again = openVdev(lab, { uuid: nic.vdev.uuid }, 'next');
    expect(image(again)).toEqual(pristine);
    expect(lab.kernel.calls.open(again.user.process, `/dev/vfio/none`)).toBeLessThan(0);
  });

  it('give their queue pairs back clean when they are removed', () => {
    const lab = boot({ profile });
    const nic = running(lab, 1);
    const path = defined(lab.kernel.mdev.find(nic.vdev.uuid), 'mdev').path;
    lab.kernel.sysfs.write(`${path}/remove`, '1');
    expect(lab.kernel.ice.vdcm.vdevs).toHaveLength(1);
    expect(lab.kernel.rmmod('ice')).toBe(-EAGAIN);
    closeVdev(nic);
    expect(lab.kernel.ice.vdcm.vdevs).toEqual([]);
    expect(nic.vdev.pairs.map((pair) => pair.owner)).toEqual([null]);
    expect(hardware(nic, Q.macHigh)).toBe(0);
    expect(lab.kernel.core.publishedKeys('vdev/')).toEqual([]);
    expect(lab.kernel.rmmod('ice')).toBe(0);
    expect(lab.kernel.core.publishedKeys('ice/')).toEqual([]);
    expect(lab.dev.driver).toBeNull();
  });

  it('may be started by other code, which can refuse', () => {
    const lab = boot({ profile });
    const asked: string[] = [];
    lab.kernel.ice.vdcm.hooks.override({
      wq_enable: (vdev) => {
        asked.push(vdev.uuid);
        return 1;
      },
    });
    const nic = running(lab, 1);
    expect([asked.length, nic.rings.control]).toEqual([1, 0]);
    lab.kernel.ice.vdcm.hooks.override({});
    nic.rings.start();
    expect(nic.rings.control).toBe(0xb);
  });
});

describe('a virtual network adapter without an address space', () => {
  it('neither starts nor lends its page, and loses both when the address space goes', () => {
    const lab = boot();
    const nic = running(lab, 1);
    expect(nic.user.detach(nic.fd)).toBe(0);
    expect([hardware(nic, Q.control), hardware(nic, Q.pasid)]).toEqual([0, 0]);
    expect(mappedWord(nic, nic.doorbell).read()).toBe(-EFAULT);
    nic.rings.start();
    expect(nic.rings.control).toBe(0);
    const ioas = nic.user.ioas(nic.others[0] ?? -1);
    nic.user.ioasMap(nic.others[0] ?? -1, ioas, nic.memory, GUEST_RAM, nic.pages * 4096);
    expect(nic.user.attach(nic.fd, ioas).rc).toBe(0);
    nic.rings.start();
    expect([nic.rings.control, nic.rings.doorbell('RX_TAIL')]).toEqual([0xb, 7]);
  });

  it('has one user', () => {
    const lab = boot({ profile: 'kvmforum2019' });
    const nic = running(lab, 1);
    const group = nic.user.open(nic.user.groupOf(nic.vdev.uuid));
    expect(group).toBe(-EBUSY);
  });
});
