/** State of the whole unit: registers keep their rules under any writes, and a snapshot is all there is to know. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StateHash } from '../../src-main/sim/core/hash.ts';
import { FrameStore } from '../../src-main/sim/memory/frame-store.ts';
import type { Register } from '../../src-main/bits/register-block.ts';
import { checkProperty } from '../support/check-property.ts';
import { FuzzMachine, SeededBytes } from '../support/iommu-fuzz.ts';
import { IommuBench } from '../support/iommu-bench.ts';

/** Machines are built by the hundred. */
const PATIENT = { timeout: 120_000 };

interface Write {
  readonly register: number;
  readonly isUpperHalf: boolean;
  readonly value: bigint;
}

const write: fc.Arbitrary<Write> = fc.record({
  register: fc.nat(1000),
  isUpperHalf: fc.boolean(),
  value: fc.oneof(
    fc.bigInt(0n, (1n << 64n) - 1n),
    fc.constantFrom(0n, (1n << 64n) - 1n, 0x8000_0000n, 0x4000_0000n),
  ),
});

/** Bits that software can never read as ones: reserved, or write-only. */
function hiddenMask(register: Register): bigint {
  return register.fields.reduce((mask, field) => {
    const isHidden = field.spec.role !== 'value' || field.spec.access === 'WO';
    const width = BigInt(field.high - field.low + 1);
    return isHidden ? mask | (((1n << width) - 1n) << BigInt(field.low)) : mask;
  }, 0n);
}

function valueOf(bench: IommuBench, register: Register): bigint {
  let value = 0n;
  for (let at = 0; at < register.bytes; at += 4) {
    value |= bench.unit.read(register.offset + at, 4) << BigInt(at * 8);
  }
  return value;
}

function apply(bench: IommuBench, writes: readonly Write[]): void {
  const { registers } = bench.unit.registers.block;
  for (const { register, isUpperHalf, value } of writes) {
    const { offset, bytes } = registers[register % registers.length] as Register;
    const low = value & 0xffff_ffffn;
    if (bytes === 4) {
      bench.unit.write(offset, 4, low);
    } else if (isUpperHalf) {
      bench.unit.write(offset + bytes - 4, 4, low);
    } else {
      bench.unit.write(offset, 8, value);
    }
  }
}

describe('random register writes', () => {
  it(
    'never make reserved or write-only bits readable, nor change what is read-only',
    PATIENT,
    () => {
      checkProperty(
        fc.property(fc.array(write, { minLength: 50, maxLength: 200 }), (writes) => {
          const bench = new IommuBench({ flags: { PLMR: true, PHMR: true } });
          const fixed = ['VER_REG', 'CAP_REG', 'ECAP_REG'].map((name) => bench.read(name));
          apply(bench, writes);
          for (const register of bench.unit.registers.block.registers) {
            const shown = valueOf(bench, register) & hiddenMask(register);
            expect([register.name, shown]).toEqual([register.name, 0n]);
          }
          expect(['VER_REG', 'CAP_REG', 'ECAP_REG'].map((name) => bench.read(name))).toEqual(fixed);
          expect(bench.read('GCMD_REG')).toBe(0n);
        }),
      );
    },
  );

  it('read the same in halves and whole', PATIENT, () => {
    checkProperty(
      fc.property(fc.array(write, { minLength: 20, maxLength: 100 }), (writes) => {
        const bench = new IommuBench();
        apply(bench, writes);
        for (const { offset, bytes } of bench.unit.registers.block.registers) {
          if (bytes === 8) {
            const halves = bench.unit.read(offset, 4) | (bench.unit.read(offset + 4, 4) << 32n);
            expect(bench.unit.read(offset, 8)).toBe(halves);
          }
        }
      }),
    );
  });
});

function hashOf(machine: FuzzMachine): string {
  const hash = new StateHash();
  const { memory, unit, queue } = machine.bench;
  memory.hashInto(hash);
  return JSON.stringify(
    [hash.digest(), unit.snapshot(), queue.snapshot()],
    (_key, value: unknown) =>
      ArrayBuffer.isView(value) ? Array.from(value as unknown as Iterable<number>) : value,
  );
}

function go(machine: FuzzMachine, seed: number, steps: number): string {
  machine.feed(new SeededBytes(seed));
  for (let i = 0; i < steps; i++) {
    machine.step();
  }
  return hashOf(machine);
}

describe('a snapshot', () => {
  const story = fc.record({
    seed: fc.nat(1_000_000),
    before: fc.integer({ min: 0, max: 400 }),
    after: fc.integer({ min: 1, max: 200 }),
  });

  it('taken and put back changes nothing', PATIENT, () => {
    checkProperty(
      fc.property(story, ({ seed, before }) => {
        const machine = new FuzzMachine(new SeededBytes(seed));
        go(machine, seed, before);
        const here = hashOf(machine);
        machine.load(machine.save());
        expect(hashOf(machine)).toBe(here);
      }),
    );
  });

  it('leads to the same future, in the same machine and in another one', PATIENT, () => {
    checkProperty(
      fc.property(story, ({ seed, before, after }) => {
        const store = new FrameStore(64);
        const machine = new FuzzMachine(new SeededBytes(seed), { store });
        go(machine, seed, before);
        const state = machine.save();
        const future = go(machine, seed + 1, after);
        machine.load(state);
        expect(go(machine, seed + 1, after)).toBe(future);
        const other = new FuzzMachine(new SeededBytes(seed), { store });
        go(other, seed + 2, 50);
        other.load(state);
        expect(go(other, seed + 1, after)).toBe(future);
      }),
    );
  });

  it('shares nothing that later steps change', PATIENT, () => {
    checkProperty(
      fc.property(story, ({ seed, before, after }) => {
        const machine = new FuzzMachine(new SeededBytes(seed));
        go(machine, seed, before);
        const state = machine.save();
        const here = JSON.stringify(structuredClone(state.unit));
        go(machine, seed + 1, after);
        expect(JSON.stringify(state.unit)).toBe(here);
      }),
    );
  });
});
