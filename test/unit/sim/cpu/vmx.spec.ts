import { describe, expect, it } from 'vitest';
import { EnqueueCommand } from '../../../../src-main/spec/cpu/enqueue-command.ts';
import { LAPIC_OFFSET } from '../../../../src-main/spec/cpu/local-apic.ts';
import { MSR_INDEX } from '../../../../src-main/spec/cpu/msr.ts';
import { CPU_TIMING } from '../../../../src-main/spec/cpu/timing.ts';
import {
  EXIT_REASON,
  EXIT_REASONS,
  exitReasonInfo,
} from '../../../../src-main/spec/cpu/vm-exit.ts';
import { VMCS_FIELD, VMCS_FIELDS } from '../../../../src-main/spec/cpu/vmcs.ts';
import {
  PASID_MISS_CAUSE,
  PASID_NOT_TRANSLATED,
  PASID_TRANSLATED,
  POSTED_INTERRUPTS_PROCESSED,
  VM_EXITED,
} from '../../../../src-main/spec/events/vmx.ts';
import type { VmExit } from '../../../../src-main/sim/cpu/ports.ts';
import { invariant } from '../../../../src-main/bits/invariant.ts';
import {
  ALL_CONTROLS,
  GUEST,
  createGuestBench,
  hostPasidWord,
  interrupt,
  mapPasid,
  postVectors,
  prepareVcpu,
  readDescriptor,
  setField,
  type GuestBench,
} from '../../../support/guest-bench.ts';
import { kindsOf, lastOf, recordsOf } from '../../../support/trace-records.ts';

const PORTAL = 0x4000;

function source(first = 0): Uint32Array {
  return Uint32Array.from({ length: 16 }, (_, i) => (i === 0 ? first : i));
}

function enter(bench: GuestBench, cpu = 0): void {
  expect(bench.complex.enterGuest(cpu, bench.vcpu.id)).toEqual({ kind: 'entered' });
}

function sentPasid(bench: GuestBench): { readonly PASID: number; readonly PRIV: number } {
  const write = bench.bus.writes.at(-1);
  invariant(write !== undefined, 'Nothing was sent');
  return EnqueueCommand.decode(write.words);
}

describe('PASID translation', () => {
  it.each([0, 0x3ff, 0x400, 0x1_2345, 0x7_ffff, 0x8_0000, 0xf_ffff])(
    'replaces guest PASID %i by the host PASID of the table',
    (guestPasid) => {
      const bench = createGuestBench();
      mapPasid(bench, guestPasid, hostPasidWord(0x201));
      enter(bench);
      const cpu = bench.complex.cpu(0);
      cpu.writeMsr(MSR_INDEX.IA32_PASID, BigInt(0x8000_0000 + guestPasid));
      expect(cpu.enqcmd(0, PORTAL, source())).toEqual({ kind: 'accepted' });
      expect(sentPasid(bench)).toMatchObject({ PASID: 0x201, PRIV: 0 });
      expect(lastOf(bench.trace, PASID_TRANSLATED).values).toMatchObject({
        guestPasid,
        hostPasid: 0x201,
      });
      expect(bench.vcpu.exits.total).toBe(0);
    },
  );

  it('keeps PRIV of an ENQCMDS and translates its PASID', () => {
    const bench = createGuestBench();
    mapPasid(bench, 0x101, hostPasidWord(0x201));
    enter(bench);
    bench.complex.cpu(0).enqcmds(0, PORTAL, source(0x8000_0101));
    expect(sentPasid(bench)).toMatchObject({ PASID: 0x201, PRIV: 1 });
  });

  it('exits with 72 for ENQCMD and 73 for ENQCMDS and sends nothing', () => {
    const bench = createGuestBench();
    const cpu = bench.complex.cpu(0);
    cpu.writeMsr(MSR_INDEX.IA32_PASID, 0x8000_0101n);
    enter(bench);
    expect(cpu.enqcmd(0, PORTAL, source())).toEqual({ kind: 'vm-exit', reason: 72 });
    expect(cpu.vcpu).toBeUndefined();
    expect(bench.vcpu.lastExit).toEqual({ reason: 72, qualification: 0x101, vector: -1 });
    enter(bench);
    expect(cpu.enqcmds(0, PORTAL, source(0x202))).toEqual({ kind: 'vm-exit', reason: 73 });
    expect(bench.vcpu.lastExit?.qualification).toBe(0x202);
    expect(bench.bus.writes).toEqual([]);
    expect(bench.vcpu.exits.counts()).toEqual([
      { reason: 72, count: 1 },
      { reason: 73, count: 1 },
    ]);
    expect(cpu.counters.exited).toBe(2);
  });

  it('exits once for each new guest PASID when the VMM fills the table', () => {
    const bench = createGuestBench();
    const cpu = bench.complex.cpu(0);
    cpu.writeMsr(MSR_INDEX.IA32_PASID, 0x8000_0101n);
    enter(bench);
    cpu.enqcmd(0, PORTAL, source());
    mapPasid(bench, 0x101, hostPasidWord(0x201));
    enter(bench);
    cpu.enqcmd(0, PORTAL, source());
    cpu.enqcmd(0, PORTAL, source());
    expect(bench.vcpu.exits.count(EXIT_REASON.enqcmdPasid)).toBe(1);
    expect(bench.bus.writes).toHaveLength(2);
  });

  it.each([
    ['directory entry not present', PASID_MISS_CAUSE.directoryNotPresent, 0n, undefined],
    ['bit 1 of the directory entry', PASID_MISS_CAUSE.directoryReserved, 0b11n, undefined],
    [
      'bit 46 of the directory entry',
      PASID_MISS_CAUSE.directoryReserved,
      1n | (1n << 46n),
      undefined,
    ],
    ['table entry not valid', PASID_MISS_CAUSE.tableNotValid, undefined, 0x201],
    ['bit 20 of the table entry', PASID_MISS_CAUSE.tableReserved, undefined, 0x8010_0201],
    ['bit 30 of the table entry', PASID_MISS_CAUSE.tableReserved, undefined, 0xc000_0201],
  ])('misses on %s', (_name, cause, directory, table) => {
    const bench = createGuestBench();
    mapPasid(bench, 0x101, table ?? hostPasidWord(0x201));
    if (directory !== undefined) {
      const base = directory > 1n ? BigInt(GUEST.table) : 0n;
      bench.memory.write64(GUEST.lowDirectory, directory | base);
    }
    enter(bench);
    expect(bench.complex.cpu(0).enqcmds(0, PORTAL, source(0x101))).toEqual({
      kind: 'vm-exit',
      reason: 73,
    });
    expect(lastOf(bench.trace, PASID_NOT_TRANSLATED).values).toMatchObject({ cause });
  });

  it('lets the raw guest PASID out when translation is off', () => {
    const bench = createGuestBench();
    setField(bench.vcpu, 'secondaryControls', ALL_CONTROLS.secondary & ~(1 << 21));
    enter(bench);
    bench.complex.cpu(0).enqcmds(0, PORTAL, source(0x101));
    expect(sentPasid(bench).PASID).toBe(0x101);
  });

  it('counts the secondary controls as 0 unless the primary ones activate them', () => {
    const bench = createGuestBench();
    setField(bench.vcpu, 'primaryControls', 0);
    setField(bench.vcpu, 'pinBasedControls', 1);
    enter(bench);
    bench.complex.cpu(0).enqcmds(0, PORTAL, source(0x101));
    expect(sentPasid(bench).PASID).toBe(0x101);
  });

  it('leaves host mode alone', () => {
    const bench = createGuestBench();
    bench.complex.cpu(1).enqcmds(0, PORTAL, source(0x101));
    expect(sentPasid(bench).PASID).toBe(0x101);
  });

  it('checks the source before it exits: a #GP of the guest is the guest’s own', () => {
    const bench = createGuestBench();
    enter(bench);
    expect(bench.complex.cpu(0).enqcmd(0, PORTAL, source()).kind).toBe('fault');
    expect(bench.complex.cpu(0).vcpu).toBe(bench.vcpu);
  });
});

describe('VM entry', () => {
  it.each([
    ['virtual delivery without external-interrupt exiting', 'pinBasedControls', 0],
    ['virtual delivery without TPR shadow', 'primaryControls', 0x8000_0000],
    ['posting without virtual delivery', 'secondaryControls', 0],
    ['posting without acknowledge on exit', 'exitControls', 0],
    ['notification vector 100h', 'notificationVector', 0x100],
    ['descriptor off its alignment', 'postedInterruptDescriptorAddress', GUEST.descriptor + 32],
    ['descriptor beyond the address width', 'postedInterruptDescriptorAddress', 2 ** 46],
    ['virtual-APIC page off its alignment', 'virtualApicAddress', 0x10_0010],
    ['low directory off its alignment', 'lowPasidDirectoryAddress', 8],
    ['high directory beyond the address width', 'highPasidDirectoryAddress', 2 ** 47],
  ] as const)('refuses %s', (_name, field, value) => {
    const bench = createGuestBench();
    setField(bench.vcpu, field, value);
    expect(bench.complex.enterGuest(0, bench.vcpu.id).kind).toBe('refused');
    expect(bench.complex.cpu(0).vcpu).toBeUndefined();
    expect(kindsOf(bench.trace)).toEqual(['cpu.vm-entry.failed']);
  });

  it('refuses a CPU that is in guest mode', () => {
    const bench = createGuestBench();
    const other = bench.complex.createVcpu('vm0.vcpu1');
    prepareVcpu(other);
    enter(bench);
    expect(bench.complex.enterGuest(0, other.id).kind).toBe('refused');
    expect(() => bench.complex.enterGuest(1, bench.vcpu.id)).toThrow(/another CPU/);
    expect(() => {
      bench.complex.destroyVcpu(bench.vcpu.id);
    }).toThrow(/runs/);
  });
});

describe('posted interrupts', () => {
  it('moves PIR to VIRR without an exit when the notification reaches the running vCPU', () => {
    const bench = createGuestBench();
    enter(bench);
    postVectors(bench, [0x31, 0x51, 0xd0]);
    interrupt(bench, 0, GUEST.notificationVector);
    const { virtualApic, counters, exits } = bench.vcpu;
    expect(readDescriptor(bench)).toMatchObject({ PIR: 0n, ON: 0, NV: GUEST.notificationVector });
    expect(virtualApic.rvi).toBe(0xd0);
    expect([0x31, 0x51, 0xd0].every((v) => virtualApic.isRequested(v))).toBe(true);
    expect(counters).toMatchObject({ postedNotifications: 1, postedVectors: 3 });
    expect(exits.total).toBe(0);
    expect(bench.complex.cpu(0).vcpu).toBe(bench.vcpu);
    // The notification itself is over: acknowledged and ended.
    expect(bench.complex.cpu(0).apic.isInService(GUEST.notificationVector)).toBe(false);
    expect(bench.complex.cpu(0).apic.isPending(GUEST.notificationVector)).toBe(false);
    expect(lastOf(bench.trace, POSTED_INTERRUPTS_PROCESSED).values).toEqual({
      vcpu: 'vm0.vcpu0',
      descriptor: BigInt(GUEST.descriptor),
      vectors: 3,
      rvi: 0xd0,
    });
  });

  it('is an ordinary vector of the host where the vCPU does not run', () => {
    const bench = createGuestBench();
    enter(bench, 0);
    postVectors(bench, [0x51]);
    interrupt(bench, 1, GUEST.notificationVector);
    expect(readDescriptor(bench)).toMatchObject({ PIR: 1n << 0x51n, ON: 1 });
    expect(bench.vcpu.counters.postedNotifications).toBe(0);
    expect(bench.complex.cpu(1).takeInterrupt()).toBe(GUEST.notificationVector);
    expect(bench.complex.cpu(1).hasPosted(bench.vcpu)).toBe(true);
  });

  it('is taken over by the VMM before the next entry', () => {
    const bench = createGuestBench();
    postVectors(bench, [0x51]);
    expect(bench.complex.cpu(0).syncPosted(bench.vcpu)).toBe(1);
    expect(bench.complex.cpu(0).syncPosted(bench.vcpu)).toBe(0);
    enter(bench);
    expect(bench.complex.cpu(0).takeVirtualInterrupt()).toBe(0x51);
  });

  it('keeps vectors that were already requested', () => {
    const bench = createGuestBench();
    bench.complex.cpu(0).requestVirtualInterrupt(bench.vcpu, 0xe0);
    enter(bench);
    postVectors(bench, [0x51]);
    interrupt(bench, 0, GUEST.notificationVector);
    expect(bench.vcpu.virtualApic.rvi).toBe(0xe0);
    expect(bench.complex.cpu(0).takeVirtualInterrupt()).toBe(0xe0);
    expect(bench.vcpu.virtualApic.rvi).toBe(0x51);
  });

  it('wakes a halted guest without an exit', () => {
    const bench = createGuestBench();
    enter(bench);
    bench.complex.cpu(0).haltGuest();
    expect(bench.vcpu.isHalted).toBe(true);
    postVectors(bench, [0x51]);
    interrupt(bench, 0, GUEST.notificationVector);
    expect(bench.vcpu.isHalted).toBe(false);
    expect(bench.vcpu.counters.wakeups).toBe(1);
    expect(bench.vcpu.exits.total).toBe(0);
  });

  it('is dealt with at entry when it came before', () => {
    const bench = createGuestBench();
    postVectors(bench, [0x51]);
    interrupt(bench, 0, GUEST.notificationVector);
    enter(bench);
    expect(bench.vcpu.counters.postedVectors).toBe(1);
    expect(bench.vcpu.virtualApic.rvi).toBe(0x51);
  });

  it('knows a descriptor address of 0 as none', () => {
    const bench = createGuestBench();
    setField(bench.vcpu, 'postedInterruptDescriptorAddress', 0);
    bench.memory.write32(0, 1);
    expect(bench.complex.cpu(0).hasPosted(bench.vcpu)).toBe(false);
  });
});

describe('virtual interrupts', () => {
  it('are delivered by priority and ended by EOI', () => {
    const bench = createGuestBench();
    const cpu = bench.complex.cpu(0);
    enter(bench);
    for (const vector of [0x31, 0x51, 0x55]) {
      cpu.requestVirtualInterrupt(bench.vcpu, vector);
    }
    expect(cpu.takeVirtualInterrupt()).toBe(0x55);
    expect(bench.vcpu.virtualApic.svi).toBe(0x55);
    expect(cpu.takeVirtualInterrupt()).toBe(-1);
    cpu.endVirtualInterrupt();
    expect(cpu.takeVirtualInterrupt()).toBe(0x51);
    cpu.endVirtualInterrupt();
    expect(cpu.takeVirtualInterrupt()).toBe(0x31);
    cpu.endVirtualInterrupt();
    expect(bench.vcpu.virtualApic.svi).toBe(0);
    expect(bench.vcpu.counters.virtualInterrupts).toBe(3);
    cpu.endVirtualInterrupt();
    expect(cpu.vcpu).toBe(bench.vcpu);
  });

  it('wait behind the task priority of the guest', () => {
    const bench = createGuestBench();
    const cpu = bench.complex.cpu(0);
    enter(bench);
    bench.vcpu.virtualApic.setTaskPriority(0x50);
    cpu.requestVirtualInterrupt(bench.vcpu, 0x5f);
    expect(cpu.takeVirtualInterrupt()).toBe(-1);
    bench.vcpu.virtualApic.setTaskPriority(0x40);
    expect(cpu.takeVirtualInterrupt()).toBe(0x5f);
  });

  it('live in the virtual-APIC page in memory', () => {
    const bench = createGuestBench();
    bench.complex.cpu(0).requestVirtualInterrupt(bench.vcpu, 0x51);
    expect(bench.memory.read32(GUEST.virtualApic + LAPIC_OFFSET.IRR + 0x20)).toBe(1 << 0x11);
    enter(bench);
    bench.complex.cpu(0).takeVirtualInterrupt();
    expect(bench.memory.read32(GUEST.virtualApic + LAPIC_OFFSET.ISR + 0x20)).toBe(1 << 0x11);
    expect(bench.memory.read32(GUEST.virtualApic + LAPIC_OFFSET.PPR)).toBe(0x50);
  });

  it('exit at EOI for vectors of the EOI-exit bitmap only', () => {
    const bench = createGuestBench();
    const cpu = bench.complex.cpu(0);
    bench.vcpu.vmcs.write(VMCS_FIELD.eoiExitBitmap1, 1n << (0x61n - 64n));
    enter(bench);
    cpu.requestVirtualInterrupt(bench.vcpu, 0x61);
    cpu.requestVirtualInterrupt(bench.vcpu, 0x41);
    cpu.takeVirtualInterrupt();
    cpu.endVirtualInterrupt();
    expect(bench.vcpu.lastExit).toEqual({ reason: 45, qualification: 0x61, vector: -1 });
    enter(bench);
    cpu.takeVirtualInterrupt();
    cpu.endVirtualInterrupt();
    expect(bench.vcpu.exits.total).toBe(1);
  });

  it('are not taken in host mode', () => {
    const bench = createGuestBench();
    bench.complex.cpu(0).requestVirtualInterrupt(bench.vcpu, 0x61);
    expect(bench.complex.cpu(0).takeVirtualInterrupt()).toBe(-1);
  });
});

describe('VM exits', () => {
  it('a host interrupt ends guest mode, acknowledged', () => {
    const bench = createGuestBench();
    const seen: (VmExit & { cpu: number; vcpu: number })[] = [];
    bench.complex.exitListener = {
      onDidExit: (cpu, vcpu, exit) => seen.push({ cpu, vcpu, ...exit }),
    };
    enter(bench);
    interrupt(bench, 0, 0x31);
    expect(seen).toEqual([{ cpu: 0, vcpu: 0, reason: 1, qualification: 0, vector: 0x31 }]);
    expect(bench.complex.cpu(0).apic.isInService(0x31)).toBe(true);
    expect(bench.vcpu.exits.costNs).toBe(CPU_TIMING.vmExit);
  });

  it('leaves the vector pending when it is not acknowledged on exit', () => {
    const bench = createGuestBench();
    setField(bench.vcpu, 'pinBasedControls', 1);
    setField(bench.vcpu, 'exitControls', 0);
    enter(bench);
    interrupt(bench, 0, 0x31);
    expect(bench.vcpu.lastExit).toMatchObject({ reason: 1, vector: -1 });
    expect(bench.complex.cpu(0).takeInterrupt()).toBe(0x31);
  });

  it('happen at once when an interrupt waited at entry', () => {
    const bench = createGuestBench();
    interrupt(bench, 0, 0x31);
    enter(bench);
    expect(bench.complex.cpu(0).vcpu).toBeUndefined();
    expect(bench.vcpu.exits.count(EXIT_REASON.externalInterrupt)).toBe(1);
  });

  it('the guest keeps running when the controls take no exit', () => {
    const bench = createGuestBench();
    setField(bench.vcpu, 'pinBasedControls', 0);
    setField(bench.vcpu, 'primaryControls', 0);
    enter(bench);
    interrupt(bench, 0, 0x31);
    expect(bench.complex.cpu(0).vcpu).toBe(bench.vcpu);
    expect(bench.complex.cpu(0).apic.isPending(0x31)).toBe(true);
  });

  it('an NMI exits with reason 0', () => {
    const bench = createGuestBench();
    enter(bench);
    bench.complex.deliver(0, 0xfee0_0000, 0x400);
    expect(bench.vcpu.lastExit?.reason).toBe(EXIT_REASON.exceptionOrNmi);
    expect(bench.complex.cpu(0).apic.isNmiPending).toBe(false);
  });

  it('are counted by reason, and the record of the exit is the cause of what follows', () => {
    const bench = createGuestBench();
    let cause = -2;
    bench.complex.exitListener = {
      onDidExit: () => {
        cause = bench.trace.cause;
      },
    };
    enter(bench);
    bench.complex.cpu(0).exitGuest(EXIT_REASON.eptViolation, 0x1_0000_0000);
    enter(bench);
    bench.complex.cpu(0).exitGuest(EXIT_REASON.eptViolation);
    bench.complex.cpu(0).exitGuest(EXIT_REASON.hlt);
    const exits = recordsOf(bench.trace).filter((r) => r.kind === VM_EXITED.kind);
    expect(exits.map((r) => r.values['qualification'])).toEqual([0x1_0000_0000n, 0n]);
    expect(cause).toBe(exits.at(-1)?.seq);
    expect(bench.vcpu.exits.counts()).toEqual([{ reason: 48, count: 2 }]);
    expect(bench.vcpu.counters.entries).toBe(2);
  });

  it('every reason of the table has a name', () => {
    for (const code of Object.values(EXIT_REASON)) {
      expect(exitReasonInfo(code).title).not.toBe('');
    }
    expect(new Set(EXIT_REASONS.map((r) => r.code)).size).toBe(Object.values(EXIT_REASON).length);
  });
});

describe('VMCS fields', () => {
  it('every name has a declaration with the same encoding', () => {
    expect(VMCS_FIELDS.map((f) => [f.name, f.encoding])).toEqual(Object.entries(VMCS_FIELD));
  });

  it('keep the width of the field and answer nothing for unknown encodings', () => {
    const { vcpu } = createGuestBench();
    expect(vcpu.vmcs.write(VMCS_FIELD.notificationVector, 0x1_2345n)).toBe(true);
    expect(vcpu.vmcs.read(VMCS_FIELD.notificationVector)).toBe(0x2345n);
    vcpu.vmcs.write(VMCS_FIELD.pinBasedControls, 0x1_0000_0081n);
    expect(vcpu.vmcs.read(VMCS_FIELD.pinBasedControls)).toBe(0x81n);
    vcpu.vmcs.write(VMCS_FIELD.lowPasidDirectoryAddress, 0xffff_ffff_ffff_f000n);
    expect(vcpu.vmcs.read(VMCS_FIELD.lowPasidDirectoryAddress)).toBe(0xffff_ffff_ffff_f000n);
    expect(vcpu.vmcs.write(0x6000, 0n)).toBe(false);
    expect(vcpu.vmcs.read(0x6000)).toBeUndefined();
  });
});

describe('snapshot', () => {
  it('restores guest mode, controls, exits and vCPUs that came and went', () => {
    const bench = createGuestBench();
    enter(bench);
    bench.complex.cpu(0).requestVirtualInterrupt(bench.vcpu, 0x51);
    const state = structuredClone(bench.complex.snapshot());
    bench.complex.cpu(0).exitGuest(EXIT_REASON.hlt);
    bench.complex.destroyVcpu(bench.vcpu.id);
    const late = bench.complex.createVcpu('late');
    bench.complex.restore(state);
    expect(bench.complex.snapshot()).toEqual(state);
    expect(bench.complex.vcpu(late.id)).toBeUndefined();
    expect(bench.complex.cpu(0).vcpu?.name).toBe('vm0.vcpu0');
    expect(bench.complex.vcpu(0)?.virtualApic.rvi).toBe(0x51);
    // Numbering goes on from the restored instant.
    expect(bench.complex.createVcpu('again').id).toBe(late.id);
  });
});
