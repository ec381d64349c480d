import { describe, expect, it } from 'vitest';
import { LAPIC_OFFSET } from '../../../../src-main/spec/cpu/local-apic.ts';
import { MSR_INDEX } from '../../../../src-main/spec/cpu/msr.ts';
import { FAULT_CAUSE } from '../../../../src-main/spec/events/cpu.ts';
import {
  APIC_MODE,
  INTERRUPT_ACCEPTED,
  INTERRUPT_MESSAGE_LOST,
  INTERRUPT_REFUSED,
  INTERRUPT_TAKEN,
  MESSAGE_LOSS,
  REFUSAL,
  SPECIAL_INTERRUPT_IGNORED,
} from '../../../../src-main/spec/events/local-apic.ts';
import {
  CompatibilityMessageAddress,
  CompatibilityMessageData,
} from '../../../../src-main/spec/vtd/interrupt-message.ts';
import type { LocalApic } from '../../../../src-main/sim/cpu/local-apic.ts';
import { createCpuBench, type CpuBench } from '../../../support/cpu-bench.ts';
import { lastOf, recordsOf } from '../../../support/trace-records.ts';

interface Message {
  readonly destination: number;
  readonly vector: number;
  readonly isLogical?: boolean;
  readonly hint?: boolean;
  readonly mode?: number;
  readonly isLevel?: boolean;
  readonly isAsserted?: boolean;
}

function send(bench: CpuBench, message: Message): void {
  const address = CompatibilityMessageAddress.encode({
    PREFIX: 0xfee,
    DEST: message.destination % 256,
    DEST_HIGH: Math.floor(message.destination / 256),
    DM: message.isLogical === true ? 1 : 0,
    RH: message.hint === true ? 1 : 0,
  });
  const data = CompatibilityMessageData.encode({
    V: message.vector,
    DLM: message.mode ?? 0,
    TM: message.isLevel === true ? 1 : 0,
    LEVEL: message.isAsserted === false ? 0 : 1,
  });
  bench.complex.deliver(address[1]!, address[0]!, data[0]!);
}

/** Numbers of the CPUs where the vector is pending. */
function pendingOn(bench: CpuBench, vector: number): readonly number[] {
  return bench.complex.cpus.filter((cpu) => cpu.apic.isPending(vector)).map((cpu) => cpu.index);
}

function x2apicWrite(bench: CpuBench, cpu: number, offset: number, value: bigint) {
  return bench.complex.cpu(cpu).writeMsr(0x800 + offset / 16, value);
}

const XAPIC = { apicMode: APIC_MODE.xapic };

describe('physical destinations', () => {
  it('reach the CPU with the identifier', () => {
    const bench = createCpuBench({ cpus: 4 });
    send(bench, { destination: 2, vector: 0x41 });
    expect(pendingOn(bench, 0x41)).toEqual([2]);
  });

  it('FFFF_FFFFh is everybody in x2APIC mode, FFh is not', () => {
    const bench = createCpuBench({ cpus: 3 });
    send(bench, { destination: 0xff, vector: 0x42 });
    expect(pendingOn(bench, 0x42)).toEqual([]);
    expect(lastOf(bench.trace, INTERRUPT_MESSAGE_LOST).values).toMatchObject({
      cause: MESSAGE_LOSS.nobody,
    });
    send(bench, { destination: 0xffff_ffff, vector: 0x41 });
    expect(pendingOn(bench, 0x41)).toEqual([0, 1, 2]);
  });

  it('FFh is everybody in xAPIC mode', () => {
    const bench = createCpuBench({ cpus: 3, ...XAPIC });
    send(bench, { destination: 0xff, vector: 0x41 });
    expect(pendingOn(bench, 0x41)).toEqual([0, 1, 2]);
  });

  it('use all 32 bits in x2APIC mode', () => {
    const bench = createCpuBench({ cpus: 2 });
    send(bench, { destination: 0x101, vector: 0x41 });
    expect(pendingOn(bench, 0x41)).toEqual([]);
    expect(bench.complex.router.counters).toEqual({ messages: 1, lost: 1 });
  });
});

describe('logical destinations', () => {
  it('x2APIC derives cluster and member from the identifier', () => {
    const bench = createCpuBench({ cpus: 20 });
    send(bench, { destination: 0x0000_0006, vector: 0x41, isLogical: true });
    expect(pendingOn(bench, 0x41)).toEqual([1, 2]);
    send(bench, { destination: 0x0001_0009, vector: 0x42, isLogical: true });
    expect(pendingOn(bench, 0x42)).toEqual([16, 19]);
  });

  it('xAPIC flat model compares eight bits of LDR', () => {
    const bench = createCpuBench({ cpus: 3, ...XAPIC });
    bench.complex.cpus.forEach((cpu, i) => {
      cpu.apic.mmioWrite(LAPIC_OFFSET.LDR, (1 << (24 + i)) | 0xff);
      expect(cpu.apic.mmioRead(LAPIC_OFFSET.LDR)).toBe((1 << (24 + i)) >>> 0);
    });
    send(bench, { destination: 0b101, vector: 0x41, isLogical: true });
    expect(pendingOn(bench, 0x41)).toEqual([0, 2]);
  });

  it('xAPIC cluster model compares the cluster and four member bits', () => {
    const bench = createCpuBench({ cpus: 4, ...XAPIC });
    const ldrs = [0x11, 0x12, 0x21, 0x22];
    bench.complex.cpus.forEach((cpu, i) => {
      cpu.apic.mmioWrite(LAPIC_OFFSET.DFR, 0x0fff_ffff);
      cpu.apic.mmioWrite(LAPIC_OFFSET.LDR, ldrs[i]! << 24);
    });
    send(bench, { destination: 0x23, vector: 0x41, isLogical: true });
    expect(pendingOn(bench, 0x41)).toEqual([2, 3]);
    send(bench, { destination: 0x11, vector: 0x42, isLogical: true });
    expect(pendingOn(bench, 0x42)).toEqual([0]);
  });
});

describe('lowest priority', () => {
  it('chooses the CPU with the lowest processor priority, then the lowest number', () => {
    const bench = createCpuBench({ cpus: 3 });
    const group = { destination: 0b111, isLogical: true, mode: 1 };
    send(bench, { ...group, vector: 0x41 });
    expect(pendingOn(bench, 0x41)).toEqual([0]);
    x2apicWrite(bench, 0, LAPIC_OFFSET.TPR, 0x30n);
    send(bench, { ...group, vector: 0x42 });
    expect(pendingOn(bench, 0x42)).toEqual([1]);
    bench.complex.cpu(1).apic.accept(0x81, false);
    bench.complex.cpu(1).takeInterrupt();
    send(bench, { ...group, vector: 0x43 });
    expect(pendingOn(bench, 0x43)).toEqual([2]);
  });

  it('is what the redirection hint asks for', () => {
    const bench = createCpuBench({ cpus: 3 });
    x2apicWrite(bench, 0, LAPIC_OFFSET.TPR, 0x30n);
    send(bench, { destination: 0b111, isLogical: true, hint: true, vector: 0x41 });
    expect(pendingOn(bench, 0x41)).toEqual([1]);
  });

  it('passes an APIC by that software disabled', () => {
    const bench = createCpuBench({ cpus: 2 });
    x2apicWrite(bench, 0, LAPIC_OFFSET.SVR, 0xffn);
    send(bench, { destination: 0b11, isLogical: true, mode: 1, vector: 0x41 });
    expect(pendingOn(bench, 0x41)).toEqual([1]);
  });
});

describe('acceptance', () => {
  it('refuses vectors below 16 and flags the error', () => {
    const bench = createCpuBench();
    for (let vector = 0; vector < 16; vector++) {
      send(bench, { destination: 0, vector });
    }
    expect(bench.complex.cpu(0).apic.counters).toMatchObject({ accepted: 0, refused: 16 });
    expect(lastOf(bench.trace, INTERRUPT_REFUSED).values).toEqual({
      vector: 15,
      cause: REFUSAL.illegalVector,
    });
    expect(bench.complex.cpu(0).apic.registers.peek32(LAPIC_OFFSET.ESR)).toBe(1 << 6);
    x2apicWrite(bench, 0, LAPIC_OFFSET.ESR, 0n);
    expect(bench.complex.cpu(0).apic.registers.peek32(LAPIC_OFFSET.ESR)).toBe(0);
    send(bench, { destination: 0, vector: 16 });
    expect(pendingOn(bench, 16)).toEqual([0]);
  });

  it('merges a second message with the same vector', () => {
    const bench = createCpuBench();
    send(bench, { destination: 0, vector: 0x41 });
    send(bench, { destination: 0, vector: 0x41 });
    expect(bench.complex.cpu(0).apic.counters).toMatchObject({ accepted: 2, coalesced: 1 });
    expect(bench.complex.cpu(0).takeInterrupt()).toBe(0x41);
    expect(lastOf(bench.trace, INTERRUPT_ACCEPTED).values).toMatchObject({ wasPending: 1 });
  });

  it('refuses fixed interrupts while software disabled', () => {
    const bench = createCpuBench();
    x2apicWrite(bench, 0, LAPIC_OFFSET.SVR, 0xffn);
    send(bench, { destination: 0, vector: 0x41 });
    expect(lastOf(bench.trace, INTERRUPT_REFUSED).values).toMatchObject({
      cause: REFUSAL.softwareDisabled,
    });
  });

  it('ignores the deassert of a level interrupt and marks TMR for the assert', () => {
    const bench = createCpuBench();
    send(bench, { destination: 0, vector: 0x41, isLevel: true, isAsserted: false });
    expect(pendingOn(bench, 0x41)).toEqual([]);
    send(bench, { destination: 0, vector: 0x41, isLevel: true });
    expect(pendingOn(bench, 0x41)).toEqual([0]);
    expect(bench.complex.cpu(0).apic.registers.peek32(LAPIC_OFFSET.TMR + 0x20)).toBe(2);
    send(bench, { destination: 0, vector: 0x41 });
    expect(bench.complex.cpu(0).apic.registers.peek32(LAPIC_OFFSET.TMR + 0x20)).toBe(0);
  });

  it('latches NMI, and records the modes it does not model', () => {
    const bench = createCpuBench();
    send(bench, { destination: 0, vector: 0, mode: 4 });
    expect(bench.complex.cpu(0).apic.isNmiPending).toBe(true);
    expect(bench.complex.cpu(0).apic.acknowledgeNmi()).toBe(true);
    expect(bench.complex.cpu(0).apic.acknowledgeNmi()).toBe(false);
    for (const mode of [2, 5, 7]) {
      send(bench, { destination: 0, vector: 0x20, mode });
      expect(lastOf(bench.trace, SPECIAL_INTERRUPT_IGNORED).values).toMatchObject({ mode });
    }
  });

  it.each([3, 6])('loses messages with reserved delivery mode %i', (mode) => {
    const bench = createCpuBench();
    send(bench, { destination: 0, vector: 0x41, mode });
    expect(lastOf(bench.trace, INTERRUPT_MESSAGE_LOST).values).toMatchObject({
      cause: MESSAGE_LOSS.reservedMode,
    });
  });

  it('loses messages that do not go to FEEx_xxxxh', () => {
    const bench = createCpuBench();
    bench.complex.deliver(0, 0xfef0_0000, 0x41);
    expect(lastOf(bench.trace, INTERRUPT_MESSAGE_LOST).values).toMatchObject({
      address: 0xfef0_0000n,
      cause: MESSAGE_LOSS.wrongAddress,
    });
  });
});

describe('priorities', () => {
  function apicOf(bench: CpuBench): LocalApic {
    return bench.complex.cpu(0).apic;
  }

  it('takes the highest vector first and lower classes only after EOI', () => {
    const bench = createCpuBench();
    const cpu = bench.complex.cpu(0);
    for (const vector of [0x31, 0x52, 0x55, 0x71]) {
      send(bench, { destination: 0, vector });
    }
    expect(cpu.takeInterrupt()).toBe(0x71);
    expect(apicOf(bench).processorPriority).toBe(0x70);
    expect(cpu.takeInterrupt()).toBe(-1);
    x2apicWrite(bench, 0, LAPIC_OFFSET.EOI, 0n);
    expect(cpu.takeInterrupt()).toBe(0x55);
    // 52h is of the class in service: it waits.
    expect(cpu.takeInterrupt()).toBe(-1);
    send(bench, { destination: 0, vector: 0x60 });
    expect(cpu.takeInterrupt()).toBe(0x60);
    apicOf(bench).endOfInterrupt();
    apicOf(bench).endOfInterrupt();
    expect(cpu.takeInterrupt()).toBe(0x52);
    apicOf(bench).endOfInterrupt();
    expect(cpu.takeInterrupt()).toBe(0x31);
  });

  it('tells which message a taken vector came from', () => {
    const bench = createCpuBench();
    send(bench, { destination: 0, vector: 0x41 });
    bench.complex.cpu(0).takeInterrupt();
    expect(lastOf(bench.trace, INTERRUPT_TAKEN).values).toEqual({
      vector: 0x41,
      request: lastOf(bench.trace, INTERRUPT_ACCEPTED).seq,
    });
  });

  it('holds vectors of the task priority class and below', () => {
    const bench = createCpuBench();
    x2apicWrite(bench, 0, LAPIC_OFFSET.TPR, 0x50n);
    send(bench, { destination: 0, vector: 0x5f });
    expect(bench.complex.cpu(0).takeInterrupt()).toBe(-1);
    send(bench, { destination: 0, vector: 0x60 });
    expect(bench.complex.cpu(0).takeInterrupt()).toBe(0x60);
  });

  it('an EOI with nothing in service does nothing', () => {
    const bench = createCpuBench();
    const before = recordsOf(bench.trace).length;
    apicOf(bench).endOfInterrupt();
    expect(recordsOf(bench.trace)).toHaveLength(before);
    expect(apicOf(bench).counters.completed).toBe(0);
  });
});

describe('inter-processor interrupts', () => {
  it.each([
    ['no shorthand', 1n << 32n, [1]],
    ['self', 1n << 18n, [0]],
    ['all', 2n << 18n, [0, 1, 2]],
    ['all but self', 3n << 18n, [1, 2]],
  ])('with %s', (_name, command, expected) => {
    const bench = createCpuBench({ cpus: 3 });
    expect(x2apicWrite(bench, 0, LAPIC_OFFSET.ICR_LOW, command | 0x61n)).toEqual({ kind: 'done' });
    expect(pendingOn(bench, 0x61)).toEqual(expected);
    expect(bench.complex.cpu(0).apic.counters.ipisSent).toBe(1);
  });

  it('xAPIC sends to the identifier in ICR bits 63:56', () => {
    const bench = createCpuBench({ cpus: 3, ...XAPIC });
    const { apic } = bench.complex.cpu(0);
    apic.mmioWrite(LAPIC_OFFSET.ICR_HIGH, 2 << 24);
    apic.mmioWrite(LAPIC_OFFSET.ICR_LOW, 0x61);
    expect(pendingOn(bench, 0x61)).toEqual([2]);
  });

  it('refuses to send an illegal vector', () => {
    const bench = createCpuBench({ cpus: 2 });
    x2apicWrite(bench, 0, LAPIC_OFFSET.ICR_LOW, (1n << 32n) | 5n);
    expect(bench.complex.cpu(0).apic.registers.peek32(LAPIC_OFFSET.ESR)).toBe(1 << 5);
    expect(bench.complex.cpu(1).apic.counters.accepted).toBe(0);
  });

  it('self IPI is a register of x2APIC mode', () => {
    const bench = createCpuBench();
    x2apicWrite(bench, 0, LAPIC_OFFSET.SELF_IPI, 0x61n);
    expect(pendingOn(bench, 0x61)).toEqual([0]);
  });
});

describe('register views', () => {
  it('x2APIC registers are MSRs; reserved bits, read-only and absent ones raise #GP', () => {
    const bench = createCpuBench({ cpus: 20 });
    const read = (offset: number) => bench.complex.cpu(19).readMsr(0x800 + offset / 16);
    expect(read(LAPIC_OFFSET.ID)).toEqual({ kind: 'value', value: 19n });
    expect(read(LAPIC_OFFSET.LDR)).toEqual({ kind: 'value', value: 0x1_0008n });
    const fault = (cause: number) => ({ kind: 'fault', cause });
    expect(read(LAPIC_OFFSET.EOI)).toEqual(fault(FAULT_CAUSE.msrUnknown));
    expect(read(LAPIC_OFFSET.DFR)).toEqual(fault(FAULT_CAUSE.msrUnknown));
    const write = (offset: number, value: bigint) => x2apicWrite(bench, 19, offset, value);
    expect(write(LAPIC_OFFSET.ID, 1n)).toEqual(fault(FAULT_CAUSE.msrReadOnly));
    expect(write(LAPIC_OFFSET.LDR, 1n)).toEqual(fault(FAULT_CAUSE.msrReadOnly));
    expect(write(LAPIC_OFFSET.TPR, 0x100n)).toEqual(fault(FAULT_CAUSE.msrReserved));
    expect(write(LAPIC_OFFSET.TPR, 1n << 32n)).toEqual(fault(FAULT_CAUSE.msrReserved));
    expect(write(LAPIC_OFFSET.EOI, 1n)).toEqual(fault(FAULT_CAUSE.msrReserved));
    expect(write(LAPIC_OFFSET.ICR_HIGH, 1n)).toEqual(fault(FAULT_CAUSE.msrUnknown));
  });

  it('the ICR is one 64-bit MSR', () => {
    const bench = createCpuBench();
    x2apicWrite(bench, 0, LAPIC_OFFSET.ICR_LOW, (1n << 32n) | 0x4061n);
    expect(bench.complex.cpu(0).readMsr(0x830)).toEqual({
      kind: 'value',
      value: (1n << 32n) | 0x4061n,
    });
  });

  it('the memory-mapped page answers in xAPIC mode only', () => {
    const xapic = createCpuBench(XAPIC).complex.cpu(1).apic;
    expect(xapic.mmioRead(LAPIC_OFFSET.ID)).toBe(1 << 24);
    expect(xapic.mmioRead(LAPIC_OFFSET.DFR)).toBe(0xffff_ffff);
    expect(createCpuBench(XAPIC).complex.cpu(1).readMsr(0x802).kind).toBe('fault');
    const x2apic = createCpuBench().complex.cpu(1).apic;
    expect(x2apic.mmioRead(LAPIC_OFFSET.ID)).toBe(0xffff_ffff);
    x2apic.mmioWrite(LAPIC_OFFSET.TPR, 0x50);
    expect(x2apic.registers.peek32(LAPIC_OFFSET.TPR)).toBe(0);
  });

  it('disabling the APIC empties it', () => {
    const bench = createCpuBench();
    send(bench, { destination: 1, vector: 0x41 });
    bench.complex.cpu(1).writeMsr(MSR_INDEX.IA32_APIC_BASE, 0xfee0_0000n);
    expect(pendingOn(bench, 0x41)).toEqual([]);
    send(bench, { destination: 1, vector: 0x41 });
    expect(lastOf(bench.trace, INTERRUPT_MESSAGE_LOST).values).toMatchObject({
      cause: MESSAGE_LOSS.nobody,
    });
  });
});

it('restores pending, in-service and counters', () => {
  const bench = createCpuBench();
  send(bench, { destination: 0, vector: 0x41 });
  send(bench, { destination: 0, vector: 0x91 });
  bench.complex.cpu(0).takeInterrupt();
  const state = structuredClone(bench.complex.snapshot());
  bench.complex.cpu(0).apic.endOfInterrupt();
  bench.complex.cpu(0).takeInterrupt();
  send(bench, { destination: 0, vector: 0x92 });
  bench.complex.restore(state);
  expect(bench.complex.snapshot()).toEqual(state);
  expect(bench.complex.cpu(0).apic.isInService(0x91)).toBe(true);
  expect(bench.complex.cpu(0).apic.isPending(0x41)).toBe(true);
  expect(bench.complex.cpu(0).apic.isPending(0x92)).toBe(false);
});
