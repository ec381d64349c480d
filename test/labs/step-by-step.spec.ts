/** A learner does a guide from its first step to its last: what is done passes, and the next step is what fails. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { LAB_CHECKS } from '../../labs/registry.ts';
import { firstFailure, runAndGrade } from '../../src-main/labs-engine/prove/run-and-grade.ts';
import { labPackage } from '../support/lab-package.ts';
import { partlySolved } from '../support/partly-solved.ts';
import { testEngine } from '../support/script-lab.ts';

const LABS = path.resolve(import.meta.dirname, '../../labs');

/** Steps in the order of the guide, with the solution regions that each asks for. Steps without any only look. */
const GUIDES: Readonly<Record<string, readonly (readonly [step: string, ...regions: string[]])[]>> = {
  'find-the-capability': [
    ['walk', 'walk'],
    ['judge', 'judge'],
    ['ims', 'ims'],
  ],
  'first-vdev': [
    ['parent', 'parent'],
    ['create', 'create'],
    ['portal', 'portal'],
    ['attach', 'attach'],
    ['submit', 'submit'],
  ],
  'vfs-versus-adis': [
    ['vfs', 'vfs', 'cost'],
    ['adis', 'adis'],
    ['identity', 'identity'],
    ['more', 'vf-more', 'adi-more'],
  ],
  'software-mdev': [
    ['register', 'api', 'types'],
    ['create', 'slots', 'init'],
    ['count', 'available'],
    ['release', 'release', 'remove'],
    ['unload', 'unload'],
  ],
  'compose-config-space': [
    ['capability', 'capability'],
    ['mask', 'mask'],
    ['bars', 'bars'],
    ['status', 'status'],
    ['access', 'access'],
    ['bus-master', 'command'],
  ],
  'first-fast-path': [
    ['areas', 'areas'],
    ['portal', 'portal'],
    ['allowed', 'allowed'],
  ],
  'vfio-dance': [
    ['group', 'group'],
    ['memory', 'map'],
    ['device', 'portal'],
    ['close', 'close'],
    ['wrong', 'early-map', 'early-device', 'window', 'twice', 'half', 'early-info'],
    ['node', 'cdev'],
  ],
  'pasid-isolation': [
    ['attach', 'aux', 'domain', 'attach-pasid', 'attach-aux'],
    ['program', 'program'],
    ['detach', 'detach'],
    ['free', 'free'],
    ['limits', 'taken'],
  ],
  'work-queues-by-hand': [
    ['move', 'move'],
    ['again', 'fresh', 'fill', 'batch'],
    ['refusals', 'refusals'],
    ['dedicated', 'credits'],
    ['shared', 'retry'],
  ],
  'ims-and-posted-interrupts': [
    ['entry', 'attached', 'entry'],
    ['handle', 'handle'],
    ['handler', 'handler'],
    ['posted', 'bypass'],
    ['teardown', 'drain', 'unbind'],
  ],
  'native-sva': [
    ['bind', 'bind'],
    ['threads', 'pool'],
    ['lazy', 'lazy'],
    ['touch', 'parts'],
    ['unmap', 'unmap'],
    ['release', 'release'],
  ],
  'process-death': [
    ['order', 'order'],
    ['dedicated', 'dedicated'],
    ['shared', 'shared'],
  ],
  'vsva-shared': [
    ['contract', 'contract'],
    ['fill', 'fill'],
    ['own', 'own'],
    ['forged', 'forged'],
    ['freed', 'freed'],
  ],
  'page-requests-across-the-vm': [
    ['request', 'request'],
    ['answer', 'answer'],
    ['own', 'own'],
    ['timeout', 'timeout'],
    ['full', 'full'],
    ['leaves', 'leaves'],
  ],
  'attack-gauntlet': [
    ['portal', 'contract', 'offset'],
    ['numbers', 'owner', 'freed', 'register'],
    ['memory', 'flush', 'silent'],
    ['remains', 'reset'],
  ],
  'migrate-a-busy-vdev': [
    ['states', 'states'],
    ['slow', 'pause', 'queue'],
    ['drain', 'drain'],
    ['save', 'save'],
    ['restore', 'translate', 'ims'],
    ['handles', 'revoke'],
  ],
  'viommu-and-guest-iova': [
    ['entry', 'bind'],
    ['invalidation', 'flush'],
    ['waiting', 'order'],
    ['removal', 'unbind'],
  ],
  'vsva-dedicated': [
    ['translate', 'translate'],
    ['own', 'own'],
    ['refuse', 'refuse'],
    ['references', 'hold'],
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

it('knows every lab of the course', () => {
  expect(Object.keys(GUIDES).toSorted()).toEqual(Object.keys(LAB_CHECKS).toSorted());
});

describe.each(Object.entries(GUIDES))('%s', (id, guide) => {
  const stepOf = (check: string | undefined): string | undefined =>
    LAB_CHECKS[id]?.find((known) => known.id === check)?.step;

  it('asks for every region of the scripts, in steps that exist', () => {
    const lab = labPackage(id);
    const regions = lab.scripts.flatMap((script) => script.regions.map(({ name }) => name));
    expect(guide.flatMap(([, ...names]) => names).toSorted()).toEqual(regions.toSorted());
    const steps = (LAB_CHECKS[id] ?? []).map(({ step }) => step);
    expect(guide.filter(([step]) => !steps.includes(step))).toEqual([]);
  });

  it.each(guide.map(([step], index) => [step, index] as const))(
    'leads to step %s, and its checks pass when it is done',
    (step, index) => {
      const regions = (count: number): ReadonlySet<string> =>
        new Set(guide.slice(0, count).flatMap(([, ...names]) => names));
      const before = grade(id, regions(index));
      expect(stepOf(firstFailure(before.results)?.id)).toBe(step);
      const after = grade(id, regions(index + 1));
      const open = after.results.filter(({ status }) => status !== 'pass').map((result) => stepOf(result.id));
      const steps = [...new Set((LAB_CHECKS[id] ?? []).map((check) => check.step))];
      const later = steps.slice(steps.indexOf(step) + 1);
      expect(open.every((name) => name !== undefined && later.includes(name))).toBe(true);
    },
  );
});
