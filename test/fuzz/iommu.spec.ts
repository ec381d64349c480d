/**
 * A remapping unit under random treatment: no throw, and what must always hold holds after every operation. Inputs that
 * reached something rare are kept in `corpus/iommu.jsonl`; a line is a name and the bytes of the run.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { hexToBytes } from '../../src-main/bits/hex.ts';
import { REQUEST_BLOCKED } from '../../src-main/spec/events/iommu.ts';
import { FuzzMachine, GivenBytes, SeededBytes, fuzz } from '../support/iommu-fuzz.ts';
import { recordsOf } from '../support/trace-records.ts';

const OPERATIONS = 1_000_000;
const OPERATIONS_A_MACHINE = 4000;
const CORPUS = path.join(import.meta.dirname, 'corpus/iommu.jsonl');

interface KeptInput {
  readonly name: string;
  readonly hex: string;
}

const KEPT = readFileSync(CORPUS, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as KeptInput);

describe('a remapping unit', () => {
  it('takes a million random operations', { timeout: 120_000 }, () => {
    // `FUZZ_SEED` repeats a failure or makes the nightly run another one.
    const first = Number(process.env['FUZZ_SEED'] ?? 20_190_830);
    let done = 0;
    for (let seed = first; done < OPERATIONS; seed++) {
      try {
        done += fuzz(new SeededBytes(seed), OPERATIONS_A_MACHINE);
      } catch (error) {
        throw new Error(`Operation of seed ${seed} failed`, { cause: error });
      }
    }
    expect(done).toBe(OPERATIONS);
  });

  it.each(KEPT)('reaches $name again from kept bytes', ({ name, hex }) => {
    const bytes = new GivenBytes(hexToBytes(hex) ?? new Uint8Array());
    const machine = new FuzzMachine(bytes, { traceMode: 'store' });
    let steps = 0;
    while (!bytes.isDone) {
      machine.step();
      steps++;
    }
    expect(steps).toBeGreaterThan(0);
    const reason = /^fault-([0-9a-f]+)$/.exec(name)?.[1];
    const reached = recordsOf(machine.bench.trace)
      .filter((record) => record.kind === REQUEST_BLOCKED.kind)
      .map((record) => Number(record.values['reason']).toString(16));
    expect(reason === undefined || reached.includes(reason)).toBe(true);
  });
});
