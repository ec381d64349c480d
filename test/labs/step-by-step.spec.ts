/** A learner does a guide from its first step to its last: what is done passes, and the next step is what fails. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { LAB_CHECKS } from '../../labs/registry.ts';
import { firstFailure, runAndGrade } from '../../src-main/labs-engine/prove/run-and-grade.ts';
import { labPackage } from '../support/lab-window.ts';
import { partlySolved } from '../support/partly-solved.ts';
import { testEngine } from '../support/script-lab.ts';

const LABS = path.resolve(import.meta.dirname, '../../labs');

/** Solution regions in the order in which the guide asks for them, with the step that does. */
const GUIDES: Readonly<Record<string, readonly (readonly [regions: readonly string[], step: string])[]>> = {
  'compose-config-space': [
    [['capability'], 'capability'],
    [['mask'], 'mask'],
    [['bars'], 'bars'],
    [['status'], 'status'],
    [['access'], 'access'],
    [['command'], 'bus-master'],
  ],
  'first-fast-path': [
    [['areas'], 'areas'],
    [['portal'], 'portal'],
    [['allowed'], 'allowed'],
  ],
  'ims-and-posted-interrupts': [
    [['attached', 'entry'], 'entry'],
    [['handle'], 'handle'],
    [['handler'], 'handler'],
    [['bypass'], 'posted'],
    [['drain', 'unbind'], 'teardown'],
  ],
};

function grade(id: string, done: ReadonlySet<string>) {
  const lab = labPackage(id);
  const texts = new Map(
    lab.scripts.map(({ path: file }) => [
      file,
      partlySolved(readFileSync(path.join(LABS, lab.folder, file), 'utf8'), done),
    ]),
  );
  const checks = LAB_CHECKS[id] ?? [];
  return runAndGrade({ lab, checks, tools: { engine: testEngine }, choice: { texts } });
}

describe.each(Object.entries(GUIDES))('%s', (id, guide) => {
  const stepOf = (check: string | undefined): string | undefined =>
    LAB_CHECKS[id]?.find((known) => known.id === check)?.step;

  it('names every region of the scripts, and every step that has checks', () => {
    const regions = labPackage(id).scripts.flatMap((script) => script.regions.map(({ name }) => name));
    expect(guide.flatMap(([names]) => names).toSorted()).toEqual(regions.toSorted());
    const steps = new Set((LAB_CHECKS[id] ?? []).map(({ step }) => step));
    expect(new Set(guide.map(([, step]) => step))).toEqual(steps);
  });

  it.each(guide.map(([, step], index) => [step, index] as const))(
    'leads to step %s, and its checks pass when it is done',
    (step, index) => {
      const regions = (count: number): ReadonlySet<string> =>
        new Set(guide.slice(0, count).flatMap(([names]) => names));
      const before = grade(id, regions(index));
      expect(before.outcome).toEqual({ kind: 'finished' });
      expect(stepOf(firstFailure(before.results)?.id)).toBe(step);
      const after = grade(id, regions(index + 1));
      const open = after.results.filter(({ status }) => status !== 'pass').map((result) => stepOf(result.id));
      const later = guide.slice(index + 1).map(([, name]) => name);
      expect(open.every((name) => name !== undefined && later.includes(name))).toBe(true);
    },
  );
});
