import { describe, expect, it } from 'vitest';
import { bigOf } from '../../../../src-main/bits/u64.ts';
import { defineRegisterBlock } from '../../../../src-main/bits/register-block.ts';
import {
  EVENT_MESSAGE_SUPPRESSED,
  EVENT_MESSAGE_WITHDRAWN,
} from '../../../../src-main/spec/events/interrupt.ts';
import { EVENT_MESSAGE_HELD, EVENT_MESSAGE_SENT } from '../../../../src-main/spec/events/iommu.ts';
import {
  FEADDR_REG,
  FECTL_REG,
  FEDATA_REG,
  FEUADDR_REG,
} from '../../../../src-main/spec/vtd/registers/fault.ts';
import { RegisterFile } from '../../../../src-main/sim/core/register-file.ts';
import { Trace } from '../../../../src-main/sim/core/trace.ts';
import { EventMessage } from '../../../../src-main/sim/iommu/event-message.ts';
import { kindsOf, lastOf } from '../../../support/trace-records.ts';
import { asRegister } from '../../../../src-main/sim/iommu/command-interface.ts';

const IM = 0x8000_0000n;

function createBench() {
  const trace = new Trace({ mode: 'store' });
  const sent: { address: bigint; data: number; cause: number }[] = [];
  const block = defineRegisterBlock(
    'event',
    [FECTL_REG, FEDATA_REG, FEADDR_REG, FEUADDR_REG].map((r) => asRegister(r as never)),
  );
  const registers: RegisterFile = new RegisterFile(block, 0x100, {
    onDidWrite: ({ register }) => {
      if (register.name === FECTL_REG.name) {
        message.controlWritten();
      }
    },
  });
  const message = new EventMessage({
    registers,
    controlOffset: FECTL_REG.offset,
    name: 'fault',
    sink: {
      deliver: (high, low, data) => {
        sent.push({ address: bigOf(high, low), data, cause: trace.cause });
      },
    },
    trace,
    source: trace.source('dmar0'),
  });
  const control = (): { readonly IP: number; readonly IM: number } =>
    FECTL_REG.decode(registers.wordsOf(asRegister(FECTL_REG as never)));
  registers.write(FEDATA_REG.offset, 4, 0x31n);
  registers.write(FEADDR_REG.offset, 4, 0xfee0_2000n);
  return { trace, sent, registers, message, control };
}

describe('event message', () => {
  it('is masked after reset', () => {
    expect(createBench().control()).toEqual({ IP: 0, IM: 1 });
  });

  it('is sent at once while IM=0, and IP is clear again', () => {
    const bench = createBench();
    bench.registers.write(FECTL_REG.offset, 4, 0n);
    bench.message.raise(false);
    expect(bench.sent).toMatchObject([{ address: 0xfee0_2000n, data: 0x31 }]);
    expect(bench.control().IP).toBe(0);
    expect(bench.sent[0]?.cause).toBe(lastOf(bench.trace, EVENT_MESSAGE_SENT).seq);
  });

  it('waits behind IM=1 and goes out when software clears IM', () => {
    const bench = createBench();
    bench.message.raise(false);
    expect(bench.sent).toEqual([]);
    expect(bench.control()).toEqual({ IP: 1, IM: 1 });
    bench.registers.write(FECTL_REG.offset, 4, 0n);
    expect(bench.sent).toHaveLength(1);
    expect(bench.control()).toEqual({ IP: 0, IM: 0 });
    expect(kindsOf(bench.trace)).toEqual([EVENT_MESSAGE_HELD.kind, EVENT_MESSAGE_SENT.kind]);
  });

  it('goes out once: setting and clearing IM again sends nothing', () => {
    const bench = createBench();
    bench.message.raise(false);
    for (const value of [0n, IM, 0n]) {
      bench.registers.write(FECTL_REG.offset, 4, value);
    }
    expect(bench.sent).toHaveLength(1);
  });

  it('is suppressed while a condition of the block was already set', () => {
    const bench = createBench();
    bench.registers.write(FECTL_REG.offset, 4, 0n);
    bench.message.raise(true);
    expect(bench.sent).toEqual([]);
    expect(kindsOf(bench.trace)).toEqual([EVENT_MESSAGE_SUPPRESSED.kind]);
  });

  it('is withdrawn when all conditions are cleared before IM', () => {
    const bench = createBench();
    bench.message.raise(false);
    bench.message.conditionsChanged(true);
    expect(bench.control().IP).toBe(1);
    bench.message.conditionsChanged(false);
    expect(bench.control().IP).toBe(0);
    bench.registers.write(FECTL_REG.offset, 4, 0n);
    expect(bench.sent).toEqual([]);
    bench.message.conditionsChanged(false);
    expect(kindsOf(bench.trace)).toEqual([EVENT_MESSAGE_HELD.kind, EVENT_MESSAGE_WITHDRAWN.kind]);
  });

  it('software cannot write IP', () => {
    const bench = createBench();
    bench.registers.write(FECTL_REG.offset, 4, IM | 0x4000_0000n);
    bench.registers.write(FECTL_REG.offset, 4, 0n);
    expect(bench.sent).toEqual([]);
  });

  it('uses the upper address for x2APIC and clears trigger mode and level', () => {
    const bench = createBench();
    bench.registers.write(FEUADDR_REG.offset, 4, 0x0001_0200n);
    bench.registers.write(FEDATA_REG.offset, 4, 0xc131n);
    bench.registers.write(FECTL_REG.offset, 4, 0n);
    bench.message.raise(false);
    expect(bench.sent).toMatchObject([{ address: 0x0001_0200_fee0_2000n, data: 0x0131 }]);
  });

  it('keeps all its state in the registers', () => {
    const bench = createBench();
    bench.message.raise(false);
    const state = bench.registers.snapshot();
    bench.registers.write(FECTL_REG.offset, 4, 0n);
    bench.registers.restore(state);
    bench.registers.write(FECTL_REG.offset, 4, 0n);
    expect(bench.sent).toHaveLength(2);
  });
});
