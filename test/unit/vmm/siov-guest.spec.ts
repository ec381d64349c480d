import { describe, expect, it } from 'vitest';
import { EXIT_REASON } from '../../../src-main/spec/cpu/vm-exit.ts';
import {
  PostedInterruptEntry,
  RemappedInterruptEntry,
} from '../../../src-main/spec/vtd/interrupt-remap-entry.ts';
import { Replica } from '../../../src-main/sim/index.ts';
import { defined } from '../../../src-main/bits/invariant.ts';
import { DOORBELL, MSIX_PBA_OFFSET, MSIX_TABLE_OFFSET } from '../../support/queue-parent.ts';
import {
  MIB,
  bootGuest,
  bootVmLab,
  prepareCopy,
  recordOf,
  startVm,
  textAt,
  vmUuid,
  type GuestDevice,
  type VmLab,
} from '../../support/vm-lab.ts';

const PROFILES = ['kvmforum2019', 'iommufd'] as const;
const UNLIMITED = 0;
const LIMITED = 0x1000;
const VALID = 1n << 31n;
const TENANTS = 64;

function submit(device: GuestDevice, words: Uint32Array): void {
  device.guest.io.iosubmit_cmds512(device.portals + UNLIMITED, words);
}

/** The remapping entry of the VDEV's IMS interrupt, as bytes in memory. */
function irte(lab: VmLab, device: GuestDevice) {
  const vdev = defined(lab.parent.vdevs.get(device.uuid), device.uuid);
  const handle = defined(lab.kernel.irqs.desc(vdev.irq), 'Interrupt').handle;
  const remapping = defined(lab.kernel.iommu.driver, 'IOMMU driver').remapping;
  const bytes = lab.hw.memoryRead(defined(remapping, 'Remapping').base + handle * 16, 16);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Uint32Array.from({ length: 4 }, (_, i) => view.getUint32(i * 4, true));
}

describe.each(PROFILES)('a guest with a dedicated queue, %s', (profile) => {
  const start = (mode: 'dedicated' | 'shared' = 'dedicated', hasPosting = true) => {
    const lab = bootVmLab({ queues: ['dedicated', 'shared'] }, { profile });
    return { lab, device: bootGuest(lab, 'vm0', vmUuid(1), mode, { hasPosting }) };
  };

  it('finds the VDEV by enumeration, at hundreds of exits', () => {
    const { device } = start();
    expect(device.dev.vendor).toBe(0x8086);
    expect(device.vm.exits).toBeGreaterThan(100);
    expect(device.vdev.exitsOf(EXIT_REASON.ioInstruction)).toBeGreaterThan(20);
  });

  it('row 42: submits on the fast path, and gets its data, with no exit', () => {
    const { device } = start();
    const copy = prepareCopy(device, 'through the second stage');
    const exits = device.vm.exitsDuring(() => {
      submit(device, copy.words);
      device.guest.core.advance(100_000);
    });
    expect(recordOf(device, copy)['status']).toBe(1);
    expect(textAt(device.guest, copy.destination, 24)).toBe('through the second stage');
    expect(exits).toEqual({});
  });

  it('row 42: a posted completion interrupt reaches the guest with no exit', () => {
    const { lab, device } = start();
    const copy = prepareCopy(device, 'posted', device.handle());
    const handled = lab.rows('linux.interrupt.handled').length;
    const exits = device.vm.exitsDuring(() => {
      submit(device, copy.words);
      device.guest.core.advance(100_000);
    });
    expect(exits).toEqual({});
    expect(device.interrupts).toEqual([0, 1]);
    expect(recordOf(device, copy)['status']).toBe(1);
    // The only handler that ran is the guest's.
    const sources = lab
      .rows('linux.interrupt.handled')
      .slice(handled)
      .map((row) => row.source);
    expect(sources).toEqual(['vm0']);
    expect(lab.rows('cpu.posted-interrupt.processed').length).toBe(1);
  });

  it('row 44: a remapped interrupt goes host handler, eventfd, irqfd, vCPU', () => {
    const { lab, device } = start('dedicated', false);
    const words = irte(lab, device);
    expect(RemappedInterruptEntry.decode(words)).toMatchObject({ P: 1, IM: 0, SID: 0x6a08 });
    const from = lab.machine.trace.head;
    const copy = prepareCopy(device, 'remapped', device.handle());
    submit(device, copy.words);
    device.guest.core.advance(100_000);
    const kinds = [
      'linux.interrupt.handled',
      'linux.eventfd.signalled',
      'vmm.interrupt.injected',
      'cpu.virtual-interrupt.delivered',
    ];
    const path = lab
      .rows(...kinds)
      .filter((row) => row.seq >= from)
      .map((row) => `${row.source} ${row.kind}`);
    expect(path).toEqual([
      'linux linux.interrupt.handled',
      'linux linux.eventfd.signalled',
      'vm0.vcpu0 vmm.interrupt.injected',
      'cpu1 cpu.virtual-interrupt.delivered',
      'vm0 linux.interrupt.handled',
    ]);
    expect(device.interrupts).toEqual([0, 1]);
  });

  it('row 45: the entry is posted while the bypass is registered, and remapped before and after', () => {
    const { lab, device } = start();
    const vcpu = defined(device.vm.qemu.vm.vcpus[0], 'vCPU');
    const entry = PostedInterruptEntry.decode(irte(lab, device));
    expect(entry).toMatchObject({ P: 1, IM: 1, SID: 0x6a08, PDA: BigInt(vcpu.descriptor.address) });
    const vector = device.guest.irqs.desc(device.guest.msix.pci_irq_vector(device.dev, 1))?.vector;
    expect(entry.VV).toBe(vector);
    const table = device.bar0 + MSIX_TABLE_OFFSET;
    device.guest.io.writel(1, table + 16 + 12);
    expect(RemappedInterruptEntry.decode(irte(lab, device))).toMatchObject({ P: 1, IM: 0 });
    device.guest.io.writel(0, table + 16 + 12);
    expect(PostedInterruptEntry.decode(irte(lab, device))).toMatchObject({
      P: 1,
      IM: 1,
      VV: vector,
    });
  });

  it('row 47: an interrupt of a masked vector is pending, and comes when the guest unmasks', () => {
    const { device } = start();
    const control = device.bar0 + MSIX_TABLE_OFFSET + 16 + 12;
    device.guest.io.writel(1, control);
    submit(device, prepareCopy(device, 'masked', device.handle()).words);
    device.guest.core.advance(100_000);
    expect(device.interrupts).toEqual([0, 0]);
    expect(device.guest.io.readl(device.bar0 + MSIX_PBA_OFFSET)).toBe(2);
    device.guest.io.writel(0, control);
    device.guest.core.settle();
    expect(device.interrupts).toEqual([0, 1]);
    expect(device.guest.io.readl(device.bar0 + MSIX_PBA_OFFSET)).toBe(0);
  });

  it('delivers vector 0, which software emulates, through its eventfd', () => {
    const { device } = start();
    device.guest.io.writel(2, device.bar0 + DOORBELL);
    device.guest.core.settle();
    expect(device.interrupts).toEqual([1, 0]);
  });

  it('submits to a shared queue with the host PASID in place of the guest’s', () => {
    const { lab, device } = start('shared');
    const hostPasid = device.guest.io.readl(device.bar0 + DOORBELL);
    expect(hostPasid).toBeGreaterThan(0);
    device.vm.qemu.vm.setPasid(101, hostPasid);
    const copy = prepareCopy(device, 'shared');
    device.vm.port.writeMsr(0, 0xd93, VALID | 101n);
    const exits = device.vm.exitsDuring(() => {
      expect(device.vm.port.enqcmd(0, device.portals + LIMITED, copy.words)).toBe('accepted');
      device.guest.core.advance(100_000);
    });
    expect(exits).toEqual({});
    expect(recordOf(device, copy)['status']).toBe(1);
    expect(lab.rows('cpu.pasid.translated').at(-1)?.values).toMatchObject({
      guestPasid: 101,
      hostPasid,
    });
  });

  it('exits once for a guest PASID without translation, and never again', () => {
    const { device } = start('shared');
    const hostPasid = device.guest.io.readl(device.bar0 + DOORBELL);
    const enqcmd = () =>
      device.vm.port.enqcmd(0, device.portals + LIMITED, prepareCopy(device, 'x').words);
    device.vm.port.writeMsr(0, 0xd93, VALID | 7n);
    expect(device.vm.exitsDuring(() => expect(enqcmd()).toBe('fault'))).toEqual({
      [EXIT_REASON.enqcmdPasid]: 1,
    });
    device.vm.pasidMiss = (pasid) => (pasid === 7 ? hostPasid : undefined);
    expect(device.vm.exitsDuring(() => expect(enqcmd()).toBe('accepted'))).toEqual({
      [EXIT_REASON.enqcmdPasid]: 1,
    });
    expect(device.vm.exitsDuring(() => expect(enqcmd()).toBe('accepted'))).toEqual({});
    device.vm.qemu.vm.clearPasid(7);
    device.vm.pasidMiss = () => undefined;
    expect(enqcmd()).toBe('fault');
  });
});

describe('two VMs on one accelerator', () => {
  it.each(PROFILES)('move data by the same guest addresses and stay apart, %s', (profile) => {
    const lab = bootVmLab({ queues: ['dedicated', 'dedicated'] }, { profile });
    const devices = [1, 2].map((n) => bootGuest(lab, `vm${n}`, vmUuid(n), 'dedicated'));
    const copies = devices.map((device, i) => prepareCopy(device, `tenant ${i}`, device.handle()));
    expect(copies[0]?.source).toBe(copies[1]?.source);
    devices.forEach((device, i) => submit(device, defined(copies[i], 'Copy').words));
    devices.forEach((device) => device.guest.core.advance(100_000));
    devices.forEach((device, i) => {
      expect(textAt(device.guest, defined(copies[i], 'Copy').destination, 8)).toBe(`tenant ${i}`);
      expect(device.interrupts).toEqual([0, 1]);
    });
    const pasids = devices.map((device) => device.guest.io.readl(device.bar0 + DOORBELL));
    expect(new Set(pasids).size).toBe(2);
  });
});

describe('64 tenants on one accelerator', () => {
  it('all move their data, each by its own PASID, with no exit on the way', () => {
    const lab = bootVmLab(
      { queues: ['shared'] },
      { memory: { bytes: 4096 * MIB }, cpus: 5, profile: 'iommufd' },
    );
    const devices = Array.from({ length: TENANTS }, (_, n) =>
      bootGuest(lab, `vm${n}`, vmUuid(n + 1), 'shared'),
    );
    const pasids = devices.map((device) => device.guest.io.readl(device.bar0 + DOORBELL));
    expect(new Set(pasids).size).toBe(TENANTS);
    devices.forEach((device, n) => {
      const hostPasid = defined(pasids[n], 'PASID');
      device.vm.qemu.vm.setPasid(1, hostPasid);
      device.vm.port.writeMsr(0, 0xd93, VALID | 1n);
      const copy = prepareCopy(device, `tenant ${n}`);
      const exits = device.vm.exitsDuring(() => {
        expect(device.vm.port.enqcmd(0, device.portals + LIMITED, copy.words)).toBe('accepted');
        device.guest.core.advance(20_000);
      });
      expect(exits).toEqual({});
      expect(textAt(device.guest, copy.destination, 8)).toBe(`tenant ${n}`.slice(0, 8));
      expect(lab.rows('cpu.pasid.translated').at(-1)?.values).toMatchObject({
        guestPasid: 1,
        hostPasid,
      });
    });
    // One Requester ID, one context entry; what tells tenants apart is the PASID.
    const requesters = lab.rows('iommu.request.translated').map((row) => row.values['rid']);
    expect(new Set(requesters)).toEqual(new Set([0x6a08]));
  });
});

describe('life of a VM', () => {
  it('row 43: a second VM finds no residue of the first', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const first = bootGuest(lab, 'vm1', vmUuid(1), 'dedicated');
    first.guest.io.writel(0xdead_beef, first.bar0 + 0x100);
    const used = lab.kernel.pages.bytesInUse;
    first.vm.shutdown();
    expect(lab.kvm.vms.size).toBe(0);
    expect(lab.kernel.pages.bytesInUse).toBeLessThan(used - 40 * 2 ** 20);
    const second = startSecond(lab);
    expect(second.guest.io.readl(second.bar0 + 0x100)).toBe(0);
    const copy = prepareCopy(second, 'fresh');
    submit(second, copy.words);
    second.guest.core.advance(100_000);
    expect(recordOf(second, copy)['status']).toBe(1);
  });

  it('a killed VMM leaves the device, its interrupts and all memory to the host', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const before = lab.kernel.pages.bytesInUse;
    const irqs = lab.kernel.irqs.list().length;
    const device = bootGuest(lab, 'vm1', vmUuid(1), 'dedicated');
    device.vm.kill();
    expect(lab.kernel.irqs.list()).toHaveLength(irqs);
    expect(lab.kernel.userPages.pinnedPages).toBe(0);
    expect(lab.kernel.pages.bytesInUse - before).toBeLessThan(64 * 1024);
    expect(lab.hw.vmx.running(1)).toBe(-1);
  });

  it('moves the slots when the guest moves a BAR', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const device = bootGuest(lab, 'vm1', vmUuid(1), 'dedicated');
    const { pci } = device.guest;
    const moved = device.portals + 0x10_0000;
    pci.pci_write_config_word(device.dev, 4, 0);
    expect(device.vdev.mappedAreas).toEqual([]);
    pci.pci_write_config_dword(device.dev, 0x18, moved % 2 ** 32);
    pci.pci_write_config_word(device.dev, 4, 6);
    expect(device.vdev.mappedAreas.map((a) => a.gpa)).toEqual([moved, moved + 0x1000]);
    const copy = prepareCopy(device, 'moved');
    const exits = device.vm.exitsDuring(() => device.guest.io.iosubmit_cmds512(moved, copy.words));
    device.guest.core.advance(100_000);
    expect(exits).toEqual({});
    expect(recordOf(device, copy)['status']).toBe(1);
  });

  it('row 41: a portal that is not mapped costs one exit a submission and all ones a read', () => {
    const lab = bootVmLab({ queues: ['dedicated', 'shared'], mapsPortals: false });
    const device = bootGuest(lab, 'vm1', vmUuid(1), 'dedicated');
    expect(device.guest.io.readq(device.portals)).toBe(0xffff_ffff_ffff_ffffn);
    const copy = prepareCopy(device, 'slow');
    const exits = device.vm.exitsDuring(() => submit(device, copy.words));
    device.guest.core.advance(100_000);
    expect(exits).toEqual({ [EXIT_REASON.eptMisconfiguration]: 1 });
    expect(recordOf(device, copy)['status']).toBe(1);
  });

  it('asks for the device back through the request eventfd', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const { vdev } = startVm(lab, 'vm1', vmUuid(1), 'dedicated');
    const path = defined(lab.kernel.mdev.find(vmUuid(1)), 'mdev').path;
    lab.kernel.calls.sysfsWrite(`${path}/remove`, '1');
    expect(vdev.isReleaseRequested).toBe(true);
  });

  it('replays to the same state, vCPUs and EPT included', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const device = bootGuest(lab, 'vm1', vmUuid(1), 'dedicated');
    submit(device, prepareCopy(device, 'again', device.handle()).words);
    device.guest.core.advance(100_000);
    // Time that passes after the last record is not part of an instant.
    device.guest.core.hw.memoryWrite64(0x20_0000, 1n);
    const replica = new Replica(lab.hw);
    replica.seek(lab.machine.trace.head);
    expect(replica.machine.stateHash()).toBe(lab.machine.stateHash());
  });
});

function startSecond(lab: VmLab): GuestDevice {
  const path = defined(lab.kernel.mdev.find(vmUuid(1)), 'mdev').path;
  lab.kernel.calls.sysfsWrite(`${path}/remove`, '1');
  return bootGuest(lab, 'vm2', vmUuid(2), 'dedicated');
}
