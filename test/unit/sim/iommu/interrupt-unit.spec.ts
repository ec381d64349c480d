/** Interrupts through a whole unit, by its registers, with CPUs behind it. */
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../../../src-main/sim/core/event-queue.ts';
import { InterruptRemapping } from '../../../../src-main/sim/iommu/interrupt-remapping.ts';
import { createIommuRequest } from '../../../../src-main/sim/iommu/request.ts';
import { ACCESS } from '../../../../src-main/sim/iommu/first-stage-walk.ts';
import { RemappingUnit } from '../../../../src-main/sim/iommu/unit.ts';
import { DEFAULT_IOMMU_CACHES } from '../../../../src-main/sim/machine-config.ts';
import { COMPLETION } from '../../../../src-main/sim/pcie/ports.ts';
import { decodeCapability } from '../../../../src-main/spec/vtd/capability-profile.ts';
import { remappableMessage } from '../../../../src-main/spec/vtd/interrupt-message.ts';
import { PostedInterruptDescriptor } from '../../../../src-main/spec/vtd/posted-interrupt-descriptor.ts';
import { FAULT_RECORDED } from '../../../../src-main/spec/events/iommu.ts';
import {
  INTERRUPT_BLOCKED,
  INTERRUPT_REQUESTED,
  NOTIFICATION_SENT,
} from '../../../../src-main/spec/events/interrupt.ts';
import { INTERRUPT_ACCEPTED } from '../../../../src-main/spec/events/local-apic.ts';
import { POSTED_INTERRUPTS_PROCESSED } from '../../../../src-main/spec/events/vmx.ts';
import { GUEST, createGuestBench } from '../../../support/guest-bench.ts';
import {
  SID,
  TABLE,
  postedEntry,
  profileWith,
  remappedEntry,
} from '../../../support/interrupt-bench.ts';
import { lastOf } from '../../../support/trace-records.ts';

const GCMD = 0x18;
const GSTS = 0x1c;
const RTADDR = 0x20;
const FSTS = 0x34;
const FECTL = 0x38;
const FEDATA = 0x3c;
const FEADDR = 0x40;
const IQT = 0x88;
const IQA = 0x90;
const IRTA = 0xb8;
const FRCD = 0x600;

const TE = 1n << 31n;
const SRTP = 1n << 30n;
const QIE = 1n << 26n;
const IRE = 1n << 25n;
const SIRTP = 1n << 24n;

const ROOT = 0x8000;
const QUEUE = 0x9000;
const EIME = 0x800n;

function createUnit(flags: Readonly<Record<string, boolean>> = {}) {
  const bench = createGuestBench();
  const unit = new RemappingUnit({
    name: 'dmar0',
    capability: decodeCapability(profileWith(flags)),
    caches: DEFAULT_IOMMU_CACHES,
    isCompressingFaults: false,
    memory: bench.memory,
    queue: new EventQueue(bench.trace),
    trace: bench.trace,
    interrupts: bench.complex,
    devices: { invalidate: () => true, pageGroupResponse: () => undefined },
    createInterruptRemapping: (context) => new InterruptRemapping({ ...context, cacheEntries: 16 }),
  });
  return { ...bench, unit };
}

type Bench = ReturnType<typeof createUnit>;

/** As a driver does: queue, table, then enable. */
function enable({ unit }: Bench): void {
  unit.write(IQA, 8, BigInt(QUEUE) | EIME);
  unit.write(GCMD, 4, QIE);
  unit.write(IRTA, 8, BigInt(TABLE) | EIME | 15n);
  unit.write(GCMD, 4, QIE | SIRTP);
  unit.write(GCMD, 4, QIE | IRE);
}

function interrupt({ unit }: Bench, handle: number, rid = SID): number {
  const { address, data } = remappableMessage(handle);
  return unit.interrupt(rid, 0, address, data);
}

function record({ unit }: Bench, index = 0): readonly string[] {
  const offset = FRCD + index * 16;
  return [unit.read(offset, 8), unit.read(offset + 8, 8)].map((v) =>
    v.toString(16).padStart(16, '0'),
  );
}

describe('interrupts through the unit', () => {
  it('are remapped to the local APIC the entry names', () => {
    const bench = createUnit();
    enable(bench);
    expect(bench.unit.read(GSTS, 4)).toBe(QIE | IRE | SIRTP);
    bench.memory.writeWords(TABLE + 5 * 16, remappedEntry({ DST: 1 }));
    expect(interrupt(bench, 5)).toBe(COMPLETION.success);
    expect(bench.complex.cpu(1).takeInterrupt()).toBe(0x41);
  });

  it('22h of interrupt index 20h gives the published fault record and a fault event', () => {
    const bench = createUnit();
    enable(bench);
    bench.unit.write(FEDATA, 4, 0x31n);
    bench.unit.write(FEADDR, 4, 0xfee0_0000n);
    bench.unit.write(FECTL, 4, 0n);
    expect(interrupt(bench, 0x20)).toBe(COMPLETION.unsupportedRequest);
    expect(record(bench)).toEqual(['0020000000000000', '8000002200000318']);
    expect(bench.unit.read(FSTS, 4)).toBe(2n);
    expect(bench.complex.cpu(0).takeInterrupt()).toBe(0x31);
    // From the CPU's vector back to the write of the device.
    const { trace } = bench;
    const recorded = lastOf(trace, FAULT_RECORDED);
    const blocked = lastOf(trace, INTERRUPT_BLOCKED);
    expect(recorded.cause).toBe(blocked.seq);
    expect(blocked.cause).toBe(lastOf(trace, INTERRUPT_REQUESTED).seq);
  });

  it('29h: an access to the interrupt range that is no dword write', () => {
    const bench = createUnit();
    bench.unit.write(RTADDR, 8, BigInt(ROOT) | (1n << 10n));
    bench.unit.write(GCMD, 4, SRTP);
    bench.unit.write(GCMD, 4, TE);
    const request = { ...createIommuRequest(), rid: SID, low: 0xfee0_1000, kind: ACCESS.read };
    expect(bench.unit.translate(request)).toBe(COMPLETION.unsupportedRequest);
    expect(record(bench)[1]?.slice(6, 8)).toBe('29');
  });

  it('with ESIRTPS, SIRTP drops cached entries; without it they live on', () => {
    for (const ESIRTPS of [true, false]) {
      const bench = createUnit({ ESIRTPS });
      enable(bench);
      bench.memory.writeWords(TABLE + 5 * 16, remappedEntry({ DST: 0 }));
      interrupt(bench, 5);
      bench.memory.writeWords(TABLE + 5 * 16, remappedEntry({ DST: 0, V: 0x99 }));
      bench.unit.write(GCMD, 4, QIE | IRE | SIRTP);
      interrupt(bench, 5);
      expect(bench.complex.cpu(0).apic.isPending(0x99)).toBe(ESIRTPS);
    }
  });

  it('an interrupt entry cache descriptor of the queue drops the entry', () => {
    const bench = createUnit();
    bench.unit.write(RTADDR, 8, BigInt(ROOT) | (1n << 10n));
    bench.unit.write(GCMD, 4, SRTP);
    enable(bench);
    bench.memory.writeWords(TABLE + 5 * 16, remappedEntry({ DST: 0 }));
    interrupt(bench, 5);
    bench.memory.writeWords(TABLE + 5 * 16, remappedEntry({ DST: 0, V: 0x99 }));
    // Index 5, IM 0, in a queue of 32-byte descriptors.
    bench.memory.write64(QUEUE, 0x0000_0005_0000_0014n);
    bench.unit.write(IQT, 8, 32n);
    interrupt(bench, 5);
    expect(bench.complex.cpu(0).apic.isPending(0x99)).toBe(true);
  });

  it('survive snapshot and restore of the unit', () => {
    const bench = createUnit();
    enable(bench);
    bench.memory.writeWords(TABLE + 5 * 16, remappedEntry({ DST: 0 }));
    interrupt(bench, 5);
    const state = structuredClone(bench.unit.snapshot());
    bench.unit.write(GCMD, 4, 0n);
    bench.unit.restore(state);
    expect(bench.unit.snapshot()).toEqual(state);
    expect(interrupt(bench, 6)).toBe(COMPLETION.unsupportedRequest);
    expect(interrupt(bench, 5)).toBe(COMPLETION.success);
  });
});

describe('a posted interrupt, from the device to the guest', () => {
  function prepare(ndst: number): Bench {
    const bench = createUnit();
    enable(bench);
    const descriptor = { NV: GUEST.notificationVector, NDST: ndst };
    bench.memory.writeWords(GUEST.descriptor, PostedInterruptDescriptor.encode(descriptor));
    const entry = postedEntry({ PDA: BigInt(GUEST.descriptor), VV: 0x51 });
    bench.memory.writeWords(TABLE + 7 * 16, entry);
    return bench;
  }

  it('reaches the running vCPU without an exit', () => {
    const bench = prepare(1);
    bench.complex.enterGuest(1, bench.vcpu.id);
    expect(interrupt(bench, 7)).toBe(COMPLETION.success);
    expect(bench.vcpu.exits.total).toBe(0);
    expect(bench.complex.cpu(1).takeVirtualInterrupt()).toBe(0x51);
    const processed = lastOf(bench.trace, POSTED_INTERRUPTS_PROCESSED);
    expect(processed.cause).toBe(lastOf(bench.trace, NOTIFICATION_SENT).seq + 1);
  });

  it('stays in the descriptor and interrupts the host where the vCPU does not run', () => {
    const bench = prepare(1);
    interrupt(bench, 7);
    interrupt(bench, 7);
    expect(bench.complex.cpu(1).takeInterrupt()).toBe(GUEST.notificationVector);
    expect(bench.complex.cpu(1).apic.counters.accepted).toBe(1);
    expect(bench.complex.cpu(1).hasPosted(bench.vcpu)).toBe(true);
    expect(lastOf(bench.trace, INTERRUPT_ACCEPTED).source).toBe('cpu1');
  });
});
