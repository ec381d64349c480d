import { describe, expect, it } from 'vitest';
import { defined } from '../../../src-main/bits/invariant.ts';
import { EPT_MEMORY_TYPE } from '../../../src-main/spec/cpu/ept.ts';
import { EXIT_REASON } from '../../../src-main/spec/cpu/vm-exit.ts';
import { EEXIST, EINVAL } from '../../../src-main/linux/errno.ts';
import { POSTED_INTR_VECTOR, POSTED_INTR_WAKEUP_VECTOR } from '../../../src-main/vmm/kvm/ports.ts';
import type { KvmVcpu } from '../../../src-main/vmm/kvm/kvm-vcpu.ts';
import { Vm } from '../../../src-main/vmm/vm.ts';
import { makeView } from '../../../src-main/services/views/views.ts';
import { DOORBELL, MSIX_TABLE_OFFSET } from '../../support/queue-parent.ts';
import {
  MIB,
  bootGuest,
  bootVmLab,
  prepareCopy,
  vmUuid,
  type VmLab,
} from '../../support/vm-lab.ts';

const HUGE = 2 * MIB;

function lone(lab: VmLab, name = 'vm0', vcpus = 1): Vm {
  return new Vm(lab.kvm, { name, memoryBytes: 40 * MIB, vcpus });
}

function vcpuOf(vm: Vm, index = 0): KvmVcpu {
  return defined(vm.qemu.vm.vcpus[index], 'vCPU');
}

describe('guest memory', () => {
  it('lies in pages of the VMM process, by large EPT pages where alignment lets it', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const vm = lone(lab);
    const { ept, process } = vm.qemu.vm;
    const slot = defined(vm.qemu.vm.slots.at(HUGE), 'slot');
    const host = process.mm.translate(slot.hva + HUGE - slot.gpa, false);
    expect(ept.walk(HUGE, 'read')).toMatchObject({
      kind: 'mapped',
      address: host,
      pageBytes: HUGE,
      memoryType: EPT_MEMORY_TYPE.WB,
    });
    expect(ept.walk(MIB, 'read')).toMatchObject({ kind: 'mapped', pageBytes: 4096 });
    vm.port.memoryWrite(HUGE + 100, Uint8Array.of(1, 2, 3));
    expect([...lab.hw.memoryRead(host + 100, 3)]).toEqual([1, 2, 3]);
  });

  it('crosses pages in one access', () => {
    const vm = lone(bootVmLab({ queues: ['dedicated'] }));
    const bytes = Uint8Array.from({ length: 9000 }, (_, i) => i & 0xff);
    vm.port.memoryWrite(MIB + 4000, bytes);
    expect(vm.port.memoryRead(MIB + 4000, 9000)).toEqual(bytes);
  });

  it('exits by violation at first and by misconfiguration then where nothing is', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const vm = lone(lab);
    const hole = 0xa_0000;
    const read = () => expect(vm.port.mmioRead(hole, 4)).toBe(0xffff_ffffn);
    expect(vm.exitsDuring(read)).toEqual({ [EXIT_REASON.eptViolation]: 1 });
    expect(vm.exitsDuring(read)).toEqual({ [EXIT_REASON.eptMisconfiguration]: 1 });
    expect(lab.rows('vmm.access.unassigned')).toHaveLength(2);
  });

  it('refuses slots that overlap or are not aligned', () => {
    const vm = lone(bootVmLab({ queues: ['dedicated'] }));
    const { slots } = vm.qemu.vm;
    const { hva } = defined(slots.list()[0], 'slot');
    expect(slots.add(0x1000, 0x1000, hva, 'again')).toBe(-EEXIST);
    expect(slots.add(0x800, 0x1000, hva, 'odd')).toBe(-EINVAL);
  });

  it('is out of reach of another VM at the same address', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const [first, second] = [lone(lab, 'a'), lone(lab, 'b')];
    first.port.memoryWrite64(HUGE, 0x1111n);
    second.port.memoryWrite64(HUGE, 0x2222n);
    expect(first.port.memoryRead64(HUGE)).toBe(0x1111n);
    expect(second.port.memoryRead64(HUGE)).toBe(0x2222n);
  });
});

describe('virtual CPUs', () => {
  it('keep IA32_PASID to themselves: the host gets its own back on every exit', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const vm = lone(lab);
    const vcpu = vcpuOf(vm);
    lab.hw.writeMsr(vcpu.cpu, 0xd93, 0x8000_0005n);
    const exits = vm.exitsDuring(() => vm.port.writeMsr(0, 0xd93, 0x8000_0065n));
    expect(exits).toEqual({});
    expect(lab.hw.readMsr(vcpu.cpu, 0xd93)).toBe(0x8000_0065n);
    vcpu.exit(EXIT_REASON.hlt);
    expect(lab.hw.readMsr(vcpu.cpu, 0xd93)).toBe(0x8000_0005n);
    expect(vm.port.readMsr(0, 0xd93)).toBe(0x8000_0065n);
  });

  it('share a physical CPU by turns: the one put aside waits with notifications suppressed', () => {
    const lab = bootVmLab({ queues: ['dedicated'] }, { cpus: 2 });
    const [first, second] = [lone(lab, 'a'), lone(lab, 'b')];
    first.port.memoryRead64(HUGE);
    expect(vcpuOf(first).isInGuest).toBe(true);
    second.port.memoryRead64(HUGE);
    expect(vcpuOf(first).isInGuest).toBe(false);
    expect(vcpuOf(second).isInGuest).toBe(true);
    expect(vcpuOf(first).descriptor.read()).toMatchObject({ SN: 1, NV: POSTED_INTR_VECTOR });
    expect(first.qemu.vm.exitsOf(EXIT_REASON.externalInterrupt)).toBe(1);
  });

  it('exit for interrupts of the host, which its own handler takes, and run on', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const vm = lone(lab);
    const vcpu = vcpuOf(vm);
    vm.port.memoryRead64(HUGE);
    let handled = 0;
    const vector = lab.kernel.irqs.allocVector(vcpu.cpu, () => (handled += 1), 'test');
    const exits = vm.exitsDuring(() => {
      lab.hw.writeMsr(0, 0x830, (BigInt(vcpu.cpu) << 32n) | BigInt(vector));
      vm.port.advance(1000);
    });
    expect(handled).toBe(1);
    expect(exits).toEqual({ [EXIT_REASON.externalInterrupt]: 1 });
    expect(vcpu.isInGuest).toBe(true);
  });

  it('interrupt each other by the guest’s own APIC', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const vm = lone(lab, 'vm0', 2);
    vm.port.writeMsr(0, 0x830, (1n << 32n) | 0x41n);
    expect(vm.port.takeInterrupt(0)).toBe(-1);
    expect(vm.port.takeInterrupt(1)).toBe(0x41);
    expect(vm.port.takeInterrupt(1)).toBe(-1);
  });

  it('that are blocked are woken by a device interrupt through the host', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const device = bootGuest(lab, 'vm0', vmUuid(1), 'dedicated');
    const vcpu = vcpuOf(device.vm);
    const copy = prepareCopy(device, 'wake', device.handle());
    device.guest.io.iosubmit_cmds512(device.portals, copy.words);
    vcpu.block();
    expect(vcpu.descriptor.read()).toMatchObject({ NV: POSTED_INTR_WAKEUP_VECTOR, SN: 0 });
    lab.kernel.core.advance(100_000);
    expect(vcpu.isInGuest).toBe(true);
    device.guest.core.settle();
    expect(device.interrupts).toEqual([0, 1]);
  });
});

describe('irqfd', () => {
  it('follows the message when the guest moves the vector', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const device = bootGuest(lab, 'vm0', vmUuid(1), 'dedicated');
    const vcpu = vcpuOf(device.vm);
    device.guest.io.writel(0x77, device.bar0 + MSIX_TABLE_OFFSET + 16 + 8);
    const posted = lab.kernel.irqs.list().find((d) => d.posted !== null)?.posted;
    expect(posted).toMatchObject({ vector: 0x77, descriptor: vcpu.descriptor.address });
  });

  it('refuses a message that names no virtual CPU, and a second one for an eventfd', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const { vm } = bootGuest(lab, 'vm0', vmUuid(1), 'dedicated');
    const [eventfd] = [...vm.qemu.vm.irqfds.keys()];
    const known = defined(eventfd, 'eventfd');
    expect(vm.qemu.vm.assignIrqfd(known, 0xfee0_0000n, 0x55)).toBeLessThan(0);
    expect(vm.qemu.vm.assignIrqfd(known, 0xfee0_5000n, 0x55)).toBe(-EINVAL);
  });
});

describe('PASID translation', () => {
  it('belongs to one VM: another’s guest PASID means nothing here', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const [first, second] = [lone(lab, 'a'), lone(lab, 'b')];
    expect(first.qemu.vm.setPasid(0xf_0001, 77)).toBe(0);
    expect(first.qemu.vm.pasids.lookup(0xf_0001)).toBe(77);
    expect(second.qemu.vm.pasids.lookup(0xf_0001)).toBeUndefined();
    expect(first.qemu.vm.setPasid(2 ** 20, 1)).toBe(-EINVAL);
  });

  it('follows the ioasid set of the VM: bind fills, free clears and makes vCPUs leave guest mode', () => {
    const lab = bootVmLab({ queues: ['dedicated'] }, { profile: 'kvmforum2019' });
    const vm = lone(lab);
    const { ioasids } = lab.kernel;
    const set = ioasids.ioasid_alloc_set(vm.qemu.process.mm, 10);
    if (typeof set === 'number') {
      throw new Error(`ioasid_alloc_set gave ${set}`);
    }
    vm.qemu.vm.followPasids(set);
    const id = ioasids.ioasid_alloc(set, 200, 300);
    ioasids.ioasid_attach_spid(id, 101);
    ioasids.ioasid_notify(id, 'BIND');
    expect(vm.qemu.vm.pasids.lookup(101)).toBe(id);
    vm.port.memoryRead64(HUGE);
    ioasids.ioasid_free(set, id);
    expect(vm.qemu.vm.pasids.lookup(101)).toBeUndefined();
    expect(vcpuOf(vm).isInGuest).toBe(false);
  });
});

describe('the EPT pane', () => {
  it('shows slots, the walk of a portal and of trapped registers, and exits', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const device = bootGuest(lab, 'vm0', vmUuid(1), 'dedicated');
    device.guest.io.readl(device.bar0 + DOORBELL);
    const view = (address: number) =>
      makeView('ept', {
        machine: lab.machine,
        trace: lab.machine.trace,
        at: lab.machine.trace.head,
        params: { unit: 'vm0', address: `0x${address.toString(16)}` },
      });
    const portal = view(device.portals).sections;
    expect(portal.map((s) => s.kind)).toEqual(['table', 'walk', 'table']);
    expect(portal[0]).toMatchObject({ rows: { length: 4 } });
    expect(portal[1]).toMatchObject({ result: { ok: true }, steps: { length: 5 } });
    expect(view(device.bar0).sections[1]).toMatchObject({ result: { ok: false } });
  });

  it('says what would be there without a VM', () => {
    const lab = bootVmLab({ queues: ['dedicated'] });
    const { machine } = lab;
    const view = makeView('ept', { machine, trace: machine.trace, at: 0, params: {} });
    expect(view.sections).toEqual([]);
    expect(view.empty).toContain('No VM');
  });
});
