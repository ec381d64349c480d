import { describe, expect, it } from 'vitest';
import { NO_SUCH_COUNTER } from '../../../../src-main/sim/iommu/enhanced-command.ts';
import {
  COUNTERS_NOT_MODELLED,
  ENHANCED_COMMAND_DROPPED,
  VIRTUAL_COMMAND_COMPLETED,
  VIRTUAL_COMMAND_DROPPED,
} from '../../../../src-main/spec/events/iommu-command.ts';
import { VIRTUAL_PROFILE } from '../../../../src-main/spec/vtd/capability-profile.ts';
import { ECRSP_REG } from '../../../../src-main/spec/vtd/registers/enhanced-command.ts';
import { IommuBench } from '../../../support/iommu-bench.ts';
import { TwoPasids, createEnhanced, createVirtual } from '../../../support/iommu-command-bench.ts';
import { kindsOf, lastOf } from '../../../support/trace-records.ts';

const CURRENT = { vcmd: 0xe00, vcrsp: 0xe10, vccap: 0xe30, operandShift: 16n, problem: 16n };
const REV_3_0 = { vcmd: 0xe10, vcrsp: 0xe20, vccap: 0xe00, operandShift: 8n, problem: 2n };

describe.each([
  ['current', CURRENT],
  ['rev-3.0', REV_3_0],
] as const)('virtual commands, %s encoding', (encoding, at) => {
  const response = (status: bigint, result = 0n): bigint =>
    (status << 1n) | (result << at.operandShift);

  it('offers PASID allocation where guests look for it', () => {
    const { registers } = createVirtual(encoding);
    expect(registers.read(at.vccap, 8) & 1n).toBe(1n);
    expect(registers.read(at.vccap, 8)).toBe(encoding === 'current' ? 7n : 1n);
  });

  it('allocates until there is none, and frees', () => {
    const { registers, allocator } = createVirtual(encoding);
    const run = (command: bigint): bigint => {
      registers.write(at.vcmd, 8, command);
      return registers.read(at.vcrsp, 8);
    };
    expect(run(1n)).toBe(response(0n, 0x100n));
    expect(run(1n)).toBe(response(0n, 0x101n));
    expect(run(1n)).toBe(response(at.problem));
    expect(run(2n | (0x100n << at.operandShift))).toBe(response(0n));
    expect(run(2n | (0x100n << at.operandShift))).toBe(response(at.problem));
    expect([...allocator.owned]).toEqual([0x101]);
  });

  it('answers the null command and refuses unknown ones', () => {
    const { registers } = createVirtual(encoding);
    registers.write(at.vcmd, 8, 0n);
    expect(registers.read(at.vcrsp, 8)).toBe(response(0n));
    registers.write(at.vcmd, 8, 3n);
    expect(registers.read(at.vcrsp, 8)).toBe(response(1n));
  });

  it('acts on the write that holds the command byte: upper half first', () => {
    const { registers, allocator } = createVirtual(encoding);
    registers.write(at.vcmd, 8, 1n);
    const operand = 0x100n << at.operandShift;
    registers.write(at.vcmd + 4, 4, operand >> 32n);
    expect(allocator.owned.size).toBe(1);
    registers.write(at.vcmd, 4, (operand & 0xffff_ffffn) | 2n);
    expect(allocator.owned.size).toBe(0);
  });

  it('shows IP until the answer comes and drops writes meanwhile', () => {
    const { registers, queue, allocator, trace } = createVirtual(encoding, 1000);
    registers.write(at.vcmd, 8, 1n);
    expect(registers.read(at.vcrsp, 8)).toBe(1n);
    registers.write(at.vcmd, 8, 2n | (5n << at.operandShift));
    expect(registers.read(at.vcmd, 8)).toBe(1n);
    expect(kindsOf(trace)).toContain(VIRTUAL_COMMAND_DROPPED.kind);
    expect(queue.runNext(999)).toBe(false);
    expect(queue.runNext(1000)).toBe(true);
    expect(registers.read(at.vcrsp, 8)).toBe(response(0n, 0x100n));
    expect([...allocator.owned]).toEqual([0x100]);
    expect(lastOf(trace, VIRTUAL_COMMAND_COMPLETED).values).toEqual({
      command: 1,
      status: 0,
      pasid: 0x100,
    });
  });

  it('resumes a command in progress after a restore', () => {
    const bench = createVirtual(encoding, 1000);
    bench.registers.write(at.vcmd, 8, 1n);
    const state = structuredClone({
      registers: bench.registers.snapshot(),
      unit: bench.unit.snapshot(),
      queue: bench.queue.snapshot(),
    });
    bench.queue.runNext(1000);
    expect(bench.unit.snapshot()).toBeNull();
    bench.registers.restore(state.registers);
    bench.unit.restore(state.unit);
    bench.queue.restore(state.queue);
    expect(bench.unit.snapshot()).toEqual(state.unit);
    expect(bench.registers.read(at.vcrsp, 8)).toBe(1n);
    bench.queue.runNext(1000);
    expect(bench.registers.read(at.vcrsp, 8)).toBe(response(0n, 0x101n));
  });
});

describe('enhanced commands', () => {
  it('enable, disable, freeze and reset counters, and say that nothing is counted', () => {
    const bench = createEnhanced();
    expect(bench.run(0xf0, 1n)).toBe(0);
    expect(bench.run(0xf0, 3n)).toBe(0);
    expect(bench.unit.enabledCounters).toEqual([1, 3]);
    expect(bench.run(0xf1, 1n)).toBe(0);
    expect(bench.unit.enabledCounters).toEqual([3]);
    expect(bench.run(0xf4)).toBe(0);
    expect(bench.unit.isFrozen).toBe(true);
    expect(bench.run(0xf3)).toBe(0);
    expect(bench.unit.enabledCounters).toEqual([3]);
    expect(bench.run(0xf2)).toBe(0);
    expect(bench.unit.enabledCounters).toEqual([]);
    expect(kindsOf(bench.trace).filter((k) => k === COUNTERS_NOT_MODELLED.kind)).toHaveLength(6);
  });

  it('refuses a counter that does not exist', () => {
    const bench = createEnhanced();
    expect(bench.run(0xf0, 4n)).toBe(NO_SUCH_COUNTER);
    expect(bench.run(0xf1, 1n << 47n)).toBe(NO_SUCH_COUNTER);
    expect(bench.unit.enabledCounters).toEqual([]);
  });

  it.each([
    ['not defined', 0x01],
    ['not reported in ECCAP3', 0xf5],
  ])('a command %s is undefined', (_name, command) => {
    expect(createEnhanced().run(command)).toBe(1);
  });

  it('are aborted while a global command runs', () => {
    const bench = createEnhanced({ isBusy: true });
    expect(bench.run(0xf0, 1n)).toBe(2);
    expect(bench.unit.enabledCounters).toEqual([]);
  });

  it('drop writes while IP=1', () => {
    const bench = createEnhanced({ latencyNs: 500 });
    bench.run(0xf0, 1n);
    expect(bench.registers.peek32(ECRSP_REG.offset)).toBe(1);
    bench.run(0xf4);
    expect(lastOf(bench.trace, ENHANCED_COMMAND_DROPPED).values).toEqual({ command: 0xf0 });
    bench.queue.runNext(500);
    expect(bench.unit.enabledCounters).toEqual([1]);
    expect(bench.unit.isFrozen).toBe(false);
  });

  it('restore counters and the freeze', () => {
    const bench = createEnhanced();
    bench.run(0xf0, 2n);
    bench.run(0xf4);
    const state = structuredClone(bench.unit.snapshot());
    bench.run(0xf2);
    bench.unit.restore(state);
    expect(bench.unit.snapshot()).toEqual(state);
    expect(state).toEqual({ running: null, enabled: [2], isFrozen: true });
  });
});

describe('virtual commands of a unit', () => {
  it.each([
    ['version 6.0 presents the current encoding', 0x60, CURRENT],
    ['version 3.0 presents that of Rev 3.0', 0x30, REV_3_0],
  ] as const)('of %s', (_name, version, at) => {
    const bench = new IommuBench({ profile: VIRTUAL_PROFILE, version, pasids: new TwoPasids() });
    bench.unit.write(at.vcmd, 8, 1n);
    expect(bench.unit.read(at.vcrsp, 8)).toBe(0x100n << at.operandShift);
    bench.unit.write(at.vcmd, 8, 2n | (0x100n << at.operandShift));
    expect(bench.unit.read(at.vcrsp, 8)).toBe(0n);
    expect(bench.unit.read(at.vccap, 8) & 1n).toBe(1n);
  });
});
