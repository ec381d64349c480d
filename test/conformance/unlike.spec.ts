/**
 * Steps that the recordings do not claim anything about, and where our answer is unlike every recorded one: each has a
 * reason. `docs/fidelity.md` says them in words.
 */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CaseMachine } from '../../src-main/services/iommu-case/case-machine.ts';
import type { IommuCase } from '../../src-main/services/iommu-case/case-format.ts';
import { isLike } from '../../src-main/services/iommu-case/judge.ts';
import { KEPT_FILE, casesOf, recordingFiles, type RecordedCase } from '../support/iommu-recordings.ts';

/** One value that differs: where it is in the result, what was recorded, what we answer. */
interface Difference {
  readonly family: string;
  readonly at: string;
  readonly recorded: unknown;
  readonly ours: unknown;
}

interface Reason {
  readonly section: string;
  readonly why: string;
  readonly explains: (difference: Difference) => boolean;
}

const bits = (d: Difference): bigint => BigInt(d.recorded as string) ^ BigInt(d.ours as string);
/** Both are numbers and differ in bits of the mask only. */
const within =
  (mask: bigint) =>
  (d: Difference): boolean =>
    typeof d.recorded === 'string' && typeof d.ours === 'string' && (bits(d) & ~mask) === 0n;
const named = (...names: readonly string[]) => (d: Difference): boolean => names.includes(d.at);
const both =
  (...tests: readonly ((d: Difference) => boolean)[]) =>
  (d: Difference): boolean =>
    tests.every((test) => test(d));

const REASONS: readonly Reason[] = [
  {
    section: '6.5.1',
    why: 'register-based invalidation outside legacy mode, or while the queue is on, ends with granularity 00b',
    explains: both(named('CCMD', 'IOTLB'), (d) => d.family !== 'reg-file'),
  },
  {
    section: '11.4.6.1',
    why: 'CCMD keeps SID and FM as written',
    explains: both(named('CCMD'), within(0x8000_0003_ffff_0000n | (3n << 59n))),
  },
  {
    section: '11.4.4.2',
    why: 'CFIS follows CFI, and QIE=0 always disables the queue',
    explains: both(named('GSTS'), within((1n << 23n) | (1n << 26n))),
  },
  {
    section: '6.5.2',
    why: 'a disabled queue has its head at zero',
    explains: (d) => d.at === 'IQH' && d.family === 'iq-shape' && d.ours === '0x0',
  },
  {
    section: '7.2.1',
    why: 'faults are not collapsed by default, so that a second one overflows',
    explains: (d) => d.at === 'FSTS' && d.family === 'fault-log' && bits(d) === 1n,
  },
  {
    section: '7.1.3',
    why: 'the record holds the code of scalable mode, no PASID, and type 01 for page requests',
    explains: named('FRCD_HI', 'fault.raw.1', 'fault.type', 'fault.priv', 'fault.reason'),
  },
  {
    section: '7.3',
    why: 'IP is cleared when no status bit is left; the event of a bad descriptor follows from what is bad',
    explains: both(named('FECTL', 'IECTL'), within(1n << 30n)),
  },
  {
    section: '6.5.2.9',
    why: 'a wait may have any of IF, SW and FN, or none',
    explains: (d) =>
      d.family === 'iq-wait' && ['IQH', 'FSTS', 'ICS', 'peek'].includes(d.at),
  },
  {
    section: '6.5.2.11',
    why: 'nothing is wrong with the descriptor, so there is no error',
    explains: (d) => d.family === 'iq-shape' && d.at === 'FSTS' && d.ours === '0x0',
  },
  {
    section: '11.4.7.3',
    why: 'bits 31:16 of the data registers are reserved',
    explains: (d) => /^[FIP]EDATA$/.test(d.at) && within(0xffff_0000n)(d),
  },
  {
    section: '11.4.9.3',
    why: 'IQA keeps address bits that the host does not have',
    explains: both(named('IQA'), within(~0xfffn & 0xffff_ffff_ffff_ffffn)),
  },
  {
    section: '7.4.1',
    why: 'a request that finds the queue full is answered with success, and the event is masked after reset',
    explains: (d) => d.family === 'pri' && ['ret', 'irq'].includes(d.at),
  },
  {
    section: '7.1.2',
    why: 'a translation request without a mapping succeeds without rights and leaves no record',
    explains: (d) => d.family === 'ats',
  },
];

/** Leaves in which two results differ, keys of both sides being looked at where both are objects. */
function differences(family: string, recorded: unknown, ours: unknown, at = ''): Difference[] {
  if (isObject(recorded) && isObject(ours)) {
    const keys = Object.keys(recorded).filter((key) => !Array.isArray(recorded) || key in ours);
    return keys.flatMap((key) =>
      differences(family, recorded[key], ours[key], at === '' ? key : `${at}.${key}`),
    );
  }
  return isLike(recorded, ours) ? [] : [{ family, at: at === '' ? 'peek' : at, recorded, ours }];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

interface Unlike {
  readonly place: string;
  readonly differences: readonly Difference[];
}

/** Recorded answers to a step that nothing is claimed about; none where there is nothing to compare. */
function answersTo({ steps, spec, answers }: IommuCase, i: number): readonly unknown[] {
  const op = steps[i]?.op ?? '';
  if ((spec?.[i] ?? null) !== null || !['regs', 'peek', 'ats', 'pri'].includes(op)) {
    return [];
  }
  return (answers ?? []).map((a) => a.results?.[i] ?? null).filter((r) => r !== null);
}

/** Steps of a file that are unlike all recorded answers. */
function unlikeSteps(file: string): readonly Unlike[] {
  const found: Unlike[] = [];
  for (const { case: experiment } of casesOf(file)) {
    const recorded = experiment.steps.map((_, i) => answersTo(experiment, i));
    const last = recorded.findLastIndex((answers) => answers.length > 0);
    const machine = last < 0 ? undefined : new CaseMachine(experiment);
    experiment.steps.slice(0, last + 1).forEach((step, i) => {
      const result = machine?.run(step);
      const answers = recorded[i] ?? [];
      if (answers.length > 0 && !answers.some((r) => isLike(r, result))) {
        found.push({
          place: `${path.basename(file)} ${experiment.id} step ${i}`,
          differences: differences(experiment.family, answers[0], result),
        });
      }
    });
  }
  return found;
}

describe('answers unlike all recorded ones', () => {
  it('each have a reason in the specification', { timeout: 120_000 }, () => {
    const steps = recordingFiles().flatMap(unlikeSteps);
    const unexplained = steps.flatMap(({ place, differences: found }) =>
      found
        .filter((d) => !REASONS.some((reason) => reason.explains(d)))
        .map((d) => ({ place, ...d })),
    );
    expect(unexplained).toEqual([]);
  });

  it('are found where there are some', () => {
    const first = casesOf(KEPT_FILE)[0] as RecordedCase;
    const machine = new CaseMachine(first.case);
    const ours = machine.run({ op: 'regs', read: ['FSTS', 'FECTL'] });
    expect(differences('x', { FSTS: '0x10', FECTL: '0x80000000' }, ours)).toEqual([
      { family: 'x', at: 'FSTS', recorded: '0x10', ours: '0x0' },
    ]);
  });
});
