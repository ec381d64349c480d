import { describe, expect, it } from 'vitest';
import { MSR_INDEX } from '../../../../src-main/spec/cpu/msr.ts';
import { FAULT_CAUSE, MSR_FAULTED } from '../../../../src-main/spec/events/cpu.ts';
import { APIC_MODE } from '../../../../src-main/spec/events/local-apic.ts';
import { createCpuBench } from '../../../support/cpu-bench.ts';
import { lastOf } from '../../../support/trace-records.ts';

const EXTD = 0x400n;
const EN = 0x800n;
const BASE = 0xfee0_0000n;
const BSP = 0x100n;

describe('IA32_PASID', () => {
  it('starts as 0, keeps what is written, is one a CPU', () => {
    const { complex } = createCpuBench();
    expect(complex.cpu(0).readMsr(MSR_INDEX.IA32_PASID)).toEqual({ kind: 'value', value: 0n });
    complex.cpu(0).writeMsr(MSR_INDEX.IA32_PASID, 0x8001_2345n);
    expect(complex.cpu(0).readMsr(MSR_INDEX.IA32_PASID)).toEqual({
      kind: 'value',
      value: 0x8001_2345n,
    });
    expect(complex.cpu(1).readMsr(MSR_INDEX.IA32_PASID)).toEqual({ kind: 'value', value: 0n });
  });

  it('refuses reserved bits 30:20 and 63:32, one by one, and keeps its value', () => {
    const { complex, trace } = createCpuBench();
    const cpu = complex.cpu(0);
    cpu.writeMsr(MSR_INDEX.IA32_PASID, 0x8000_0001n);
    for (let bit = 0n; bit < 64n; bit++) {
      const isReserved = (bit >= 20n && bit <= 30n) || bit >= 32n;
      const outcome = cpu.writeMsr(MSR_INDEX.IA32_PASID, 1n << bit);
      expect(outcome.kind, `bit ${bit}`).toBe(isReserved ? 'fault' : 'done');
    }
    expect(cpu.readMsr(MSR_INDEX.IA32_PASID)).toEqual({ kind: 'value', value: 0x8000_0000n });
    expect(lastOf(trace, MSR_FAULTED).values).toEqual({
      index: 0xd93,
      isWrite: 1,
      value: 1n << 63n,
      cause: FAULT_CAUSE.msrReserved,
    });
  });
});

describe('IA32_APIC_BASE', () => {
  it('shows mode, base and the bootstrap CPU', () => {
    const { complex } = createCpuBench();
    const read = (cpu: number) => complex.cpu(cpu).readMsr(MSR_INDEX.IA32_APIC_BASE);
    expect(read(0)).toEqual({ kind: 'value', value: BASE | BSP | EN | EXTD });
    expect(read(1)).toEqual({ kind: 'value', value: BASE | EN | EXTD });
  });

  it('allows the mode changes of the architecture and no other', () => {
    const { complex } = createCpuBench();
    const cpu = complex.cpu(1);
    const write = (value: bigint) => cpu.writeMsr(MSR_INDEX.IA32_APIC_BASE, BASE | value);
    const forbidden = { kind: 'fault', cause: FAULT_CAUSE.apicModeChange };
    expect(write(EN)).toEqual(forbidden);
    expect(write(EXTD)).toEqual(forbidden);
    expect(cpu.apic.mode).toBe(APIC_MODE.x2apic);
    expect(write(0n)).toEqual({ kind: 'done' });
    expect(cpu.apic.mode).toBe(APIC_MODE.disabled);
    expect(write(EN | EXTD)).toEqual(forbidden);
    expect(write(EN)).toEqual({ kind: 'done' });
    expect(cpu.apic.mode).toBe(APIC_MODE.xapic);
    expect(write(EN | EXTD)).toEqual({ kind: 'done' });
    expect(cpu.apic.mode).toBe(APIC_MODE.x2apic);
  });

  it('refuses a base beyond the physical address width and keeps BSP', () => {
    const { complex } = createCpuBench({ physicalAddressBits: 46 });
    const cpu = complex.cpu(0);
    expect(cpu.writeMsr(MSR_INDEX.IA32_APIC_BASE, (1n << 46n) | EN | EXTD)).toEqual({
      kind: 'fault',
      cause: FAULT_CAUSE.msrReserved,
    });
    expect(cpu.writeMsr(MSR_INDEX.IA32_APIC_BASE, BASE | EN | EXTD).kind).toBe('done');
    expect(cpu.readMsr(MSR_INDEX.IA32_APIC_BASE)).toEqual({
      kind: 'value',
      value: BASE | BSP | EN | EXTD,
    });
  });
});

describe('other MSRs', () => {
  it('IA32_EFER keeps LMA and switches execute-disable', () => {
    const { complex } = createCpuBench();
    const cpu = complex.cpu(0);
    expect(cpu.paging.isExecuteDisableEnabled).toBe(true);
    expect(cpu.writeMsr(MSR_INDEX.IA32_EFER, 0x101n).kind).toBe('done');
    expect(cpu.readMsr(MSR_INDEX.IA32_EFER)).toEqual({ kind: 'value', value: 0x501n });
    expect(cpu.paging.isExecuteDisableEnabled).toBe(false);
  });

  it('an index that does not exist raises #GP both ways', () => {
    const { complex } = createCpuBench();
    const fault = { kind: 'fault', cause: FAULT_CAUSE.msrUnknown };
    expect(complex.cpu(0).readMsr(0x1234)).toEqual(fault);
    expect(complex.cpu(0).writeMsr(0x1234, 0n)).toEqual(fault);
    expect(complex.cpu(0).readMsr(0x8ff)).toEqual(fault);
  });

  it('survives snapshot and restore', () => {
    const { complex } = createCpuBench();
    complex.cpu(0).writeMsr(MSR_INDEX.IA32_PASID, 0x8000_0011n);
    const state = structuredClone(complex.snapshot());
    complex.cpu(0).writeMsr(MSR_INDEX.IA32_PASID, 0n);
    complex.restore(state);
    expect(complex.cpu(0).readMsr(MSR_INDEX.IA32_PASID)).toEqual({
      kind: 'value',
      value: 0x8000_0011n,
    });
  });
});
