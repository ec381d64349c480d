import { describe, expect, it } from 'vitest';
import { EnqueueCommand } from '../../../../src-main/spec/cpu/enqueue-command.ts';
import { Ia32Pasid, MSR_INDEX } from '../../../../src-main/spec/cpu/msr.ts';
import {
  BLOCK_WRITE_ISSUED,
  BLOCK_WRITE_VANISHED,
  ENQCMD_ACCEPTED,
  ENQCMD_RETRIED,
  FAULT_CAUSE,
  INSTRUCTION_FAULTED,
} from '../../../../src-main/spec/events/cpu.ts';
import { CPU_TIMING } from '../../../../src-main/spec/cpu/timing.ts';
import { createCpuBench, type CpuBench } from '../../../support/cpu-bench.ts';
import { kindsOf, lastOf, recordsOf } from '../../../support/trace-records.ts';

const PORTAL = 0x2000;
const PORTAL_HIGH = 0x2000;

function payload(first = 0): Uint32Array {
  return Uint32Array.from({ length: 16 }, (_, i) => (i === 0 ? first : 0x1000 + i));
}

function setPasid(bench: CpuBench, pasid: number, isValid = true): void {
  const words = Ia32Pasid.encode({ PASID: pasid, V: isValid ? 1 : 0 });
  expect(bench.complex.cpu(0).writeMsr(MSR_INDEX.IA32_PASID, BigInt(words[0]!))).toEqual({
    kind: 'done',
  });
}

describe('ENQCMD', () => {
  it('puts the PASID of IA32_PASID into the command and never PRIV, even at CPL 0', () => {
    const bench = createCpuBench();
    setPasid(bench, 0x1_2345);
    expect(bench.complex.cpu(0).enqcmd(PORTAL_HIGH, PORTAL, payload())).toEqual({
      kind: 'accepted',
    });
    const [write] = bench.bus.writes;
    expect(write).toMatchObject({ high: PORTAL_HIGH, low: PORTAL, kind: 'deferrable' });
    expect(EnqueueCommand.decode(write!.words)).toMatchObject({ PASID: 0x1_2345, PRIV: 0 });
    expect([...write!.words.subarray(1)]).toEqual([...payload().subarray(1)]);
  });

  it.each([
    ['retry', 'retry'],
    ['dropped', 'retry'],
    ['accepted', 'accepted'],
  ] as const)('answers %s of the bus with %s', (answer, kind) => {
    const bench = createCpuBench();
    setPasid(bench, 5);
    bench.bus.answer = answer;
    expect(bench.complex.cpu(0).enqcmd(0, PORTAL, payload()).kind).toBe(kind);
  });

  it('raises #GP without a valid IA32_PASID and sends nothing', () => {
    const bench = createCpuBench();
    setPasid(bench, 5, false);
    expect(bench.complex.cpu(0).enqcmd(0, PORTAL, payload())).toEqual({
      kind: 'fault',
      exception: 13,
      cause: FAULT_CAUSE.pasidInvalid,
    });
    expect(bench.bus.writes).toEqual([]);
    expect(lastOf(bench.trace, INSTRUCTION_FAULTED).values).toEqual({
      instruction: 1,
      exception: 13,
      cause: FAULT_CAUSE.pasidInvalid,
    });
  });

  it('raises #GP for any bit in the first dword of the source: user code names no PASID', () => {
    const bench = createCpuBench();
    setPasid(bench, 5);
    for (const first of [1, 0x8000_0000, 0x4000_0000]) {
      expect(bench.complex.cpu(0).enqcmd(0, PORTAL, payload(first))).toMatchObject({
        kind: 'fault',
        cause: FAULT_CAUSE.sourceReserved,
      });
    }
    expect(bench.bus.writes).toEqual([]);
  });

  it('works at CPL 3', () => {
    const bench = createCpuBench();
    setPasid(bench, 5);
    bench.complex.cpu(0).setPrivilegeLevel(3);
    expect(bench.complex.cpu(0).enqcmd(0, PORTAL, payload()).kind).toBe('accepted');
  });

  it('takes the PASID of the CPU it runs on', () => {
    const bench = createCpuBench();
    setPasid(bench, 5);
    expect(bench.complex.cpu(1).enqcmd(0, PORTAL, payload()).kind).toBe('fault');
  });

  it('raises #UD on a CPU without the feature, which has no IA32_PASID either', () => {
    const bench = createCpuBench({ hasEnqcmd: false });
    expect(bench.complex.cpu(0).enqcmd(0, PORTAL, payload())).toMatchObject({
      kind: 'fault',
      exception: 6,
    });
    expect(bench.complex.cpu(0).readMsr(MSR_INDEX.IA32_PASID).kind).toBe('fault');
  });
});

describe('ENQCMDS', () => {
  it('takes PASID and PRIV from the source', () => {
    const bench = createCpuBench();
    expect(bench.complex.cpu(0).enqcmds(0, PORTAL, payload(0x8000_0007)).kind).toBe('accepted');
    expect(EnqueueCommand.decode(bench.bus.writes[0]!.words)).toMatchObject({ PASID: 7, PRIV: 1 });
  });

  it('needs CPL 0', () => {
    const bench = createCpuBench();
    bench.complex.cpu(0).setPrivilegeLevel(3);
    expect(bench.complex.cpu(0).enqcmds(0, PORTAL, payload(7))).toMatchObject({
      kind: 'fault',
      cause: FAULT_CAUSE.privilege,
    });
  });

  it('refuses reserved bits 30:20 and takes every other value', () => {
    const bench = createCpuBench();
    const cpu = bench.complex.cpu(0);
    for (let bit = 0; bit < 32; bit++) {
      const outcome = cpu.enqcmds(0, PORTAL, payload((1 << bit) >>> 0));
      expect(outcome.kind, `bit ${bit}`).toBe(bit >= 20 && bit <= 30 ? 'fault' : 'accepted');
    }
  });
});

describe('alignment', () => {
  it.each(['movdir64b', 'enqcmd', 'enqcmds'] as const)('%s needs 64 bytes', (name) => {
    const bench = createCpuBench();
    setPasid(bench, 5);
    for (const low of [1, 32, PORTAL + 63]) {
      expect(bench.complex.cpu(0)[name](0, low, payload())).toMatchObject({
        kind: 'fault',
        cause: FAULT_CAUSE.destinationAlignment,
      });
    }
    expect(bench.complex.cpu(0)[name](0, PORTAL + 64, payload()).kind).not.toBe('fault');
  });
});

describe('MOVDIR64B', () => {
  it('sends the source unchanged and hears nothing when nobody takes it', () => {
    const bench = createCpuBench();
    bench.bus.answer = 'dropped';
    expect(bench.complex.cpu(0).movdir64b(0, PORTAL, payload(0xdead_beef))).toEqual({
      kind: 'done',
    });
    expect(bench.bus.writes[0]).toMatchObject({ kind: 'posted' });
    expect(bench.bus.writes[0]!.words[0]).toBe(0xdead_beef);
    expect(lastOf(bench.trace, BLOCK_WRITE_VANISHED).values).toMatchObject({ instruction: 0 });
  });
});

describe('story and account', () => {
  it('makes the store the cause of what the device does with it', () => {
    const bench = createCpuBench();
    setPasid(bench, 9);
    let causeAtDevice = -2;
    bench.bus.blockWrite = () => {
      causeAtDevice = bench.trace.cause;
      return 'retry';
    };
    bench.complex.cpu(0).enqcmd(0, PORTAL, payload());
    const issued = lastOf(bench.trace, BLOCK_WRITE_ISSUED);
    expect(causeAtDevice).toBe(issued.seq);
    expect(issued.values).toEqual({
      instruction: 1,
      address: BigInt(PORTAL),
      pasid: 9,
      isPrivileged: 0,
    });
    expect(recordsOf(bench.trace).at(-1)).toMatchObject({
      kind: ENQCMD_RETRIED.kind,
      cause: -1,
      source: 'cpu0',
    });
  });

  it('shows no PASID for MOVDIR64B, whose first dword the CPU does not read', () => {
    const bench = createCpuBench();
    bench.complex.cpu(0).movdir64b(0, PORTAL, payload(0x8000_0007));
    expect(lastOf(bench.trace, BLOCK_WRITE_ISSUED).values).toMatchObject({
      pasid: -1,
      isPrivileged: 0,
    });
  });

  it('counts instructions, answers and time, and restores the account', () => {
    const bench = createCpuBench();
    const cpu = bench.complex.cpu(0);
    setPasid(bench, 9);
    cpu.enqcmd(0, PORTAL, payload());
    bench.bus.answer = 'retry';
    cpu.enqcmds(0, PORTAL, payload(9));
    bench.bus.answer = 'dropped';
    cpu.movdir64b(0, PORTAL, payload());
    cpu.enqcmd(0, 1, payload());
    const expected = {
      movdir64b: 1,
      enqcmd: 2,
      enqcmds: 1,
      accepted: 1,
      retried: 1,
      vanished: 1,
      faulted: 1,
      exited: 0,
      busyNs: 2 * CPU_TIMING.enqcmd + CPU_TIMING.movdir64b,
    };
    expect(cpu.counters).toEqual(expected);
    const state = bench.complex.snapshot();
    cpu.enqcmd(0, PORTAL, payload());
    bench.complex.restore(state);
    expect(cpu.counters).toEqual(expected);
    expect(kindsOf(bench.trace)).toContain(ENQCMD_ACCEPTED.kind);
  });
});
