import { describe, expect, it } from 'vitest';
import { proveLab, type LabProof } from '../../../src-main/labs-engine/prove/prove-lab.ts';
import { check, defineChecks, type Check } from '../../../src-main/labs-engine/sdk/index.ts';
import { testEngine } from '../../support/script-lab.ts';
import {
  TINY_CHECKS,
  TINY_DRIVER,
  TINY_TEXT,
  tinyLab,
  type LabFolder,
} from '../../support/tiny-lab.ts';

const tools = { engine: testEngine, nowMs: () => 0 };

function prove(changes: LabFolder = {}, checks: readonly Check[] = TINY_CHECKS): LabProof {
  return proveLab(tinyLab(changes), checks, tools);
}

function problems(
  changes: LabFolder = {},
  checks: readonly Check[] = TINY_CHECKS,
): readonly string[] {
  return prove(changes, checks).issues.map(
    ({ code, path, message }) => `${code} ${path}: ${message}`,
  );
}

const driver = (solution: string, starter: string): string =>
  TINY_DRIVER.replace('const answer = 42;', solution).replace('const answer = 0;', starter);

describe('the proof of a lab', () => {
  it('finds nothing wrong with a good one', () => {
    expect(prove()).toEqual({ issues: [], mutants: { declared: 1, killed: 1, survivors: [] } });
  });

  it('fails when a planted mutant survives', () => {
    const mutant = "import { report } from 'lab/oracle';\nreport('answer', 40 + 2);\n";
    expect(prove({ 'mutants/clever.ts': mutant })).toEqual({
      issues: [
        {
          code: 'mutant-survives',
          path: 'mutants/clever.ts',
          message: 'No check catches clever: every check passes with it',
        },
      ],
      mutants: { declared: 2, killed: 1, survivors: ['clever'] },
    });
  });

  it('says when a surviving mutant is the solution itself', () => {
    expect(problems({ 'mutants/copy.ts': TINY_DRIVER })).toEqual([
      'mutant-survives mutants/copy.ts: No check catches copy: it is the solution itself',
    ]);
  });

  it('wants the check that a mutant names, and the sentence it promises', () => {
    const mutant = (header: string): LabFolder => ({ 'mutants/none.ts': `${header}export {};\n` });
    expect(problems(mutant('// check: answr\n'))).toEqual([
      'mutant-wrong-check mutants/none.ts: Expected check answr to catch none, found answer: "report: answer is not reported, expected 42"',
    ]);
    expect(problems(mutant('// check: answer\n// message: Nothing\n'))).toEqual([
      'mutant-wrong-message mutants/none.ts: Check answer says "report: answer is not reported, expected 42", promised is "Nothing"',
    ]);
    expect(problems(mutant('// check: answer\n'))).toEqual([
      'mutant-wrong-message mutants/none.ts: Check answer says "report: answer is not reported, expected 42", which it does not promise',
    ]);
    expect(problems(mutant(''))).toEqual([
      'mutant-wrong-check mutants/none.ts: none does not say which check catches it; it was answer: "report: answer is not reported, expected 42"',
    ]);
  });

  it('runs a mutant under the kernel profile that it names', () => {
    const mutant = (header: string): LabFolder => ({
      'mutants/later.ts': `${header}import { report } from 'lab/oracle';
import { ls } from 'lab/shell';
report('answer', ls('/dev').includes('iommu') ? 41 : 42);
`,
    });
    const promise = '// check: answer\n// message: report: answer is 41, expected 42\n';
    expect(problems(mutant(`${promise}// profile: kvmforum2019\n`))).toEqual([
      'mutant-survives mutants/later.ts: No check catches later: every check passes with it',
    ]);
    expect(problems(mutant(`${promise}// profile: iommufd\n`))).toEqual([]);
  });

  it('does not take a mutant that cannot even start for caught by its check', () => {
    expect(problems({ 'mutants/broken.ts': '// check: answer\nconst = 1;\n' })).toEqual([
      expect.stringContaining(
        'mutant-wrong-check mutants/broken.ts: Expected check answer to catch broken, found a script that does not start: driver.ts:2',
      ),
    ]);
  });

  it('wants every check to catch a mutant', () => {
    expect(problems({ 'mutants/off-by-one.patch': '' })).toEqual([
      'check-without-mutant checks.ts: Check answer catches no mutant: nothing shows that it can fail',
    ]);
  });

  it('wants the starter to fail, and to fail as intended', () => {
    expect(
      problems({ 'driver.ts': driver('const answer = 42;', 'const answer = 42; // given') }),
    ).toContain('starter-passes lab.md: The starter passes every check: there is nothing to do');
    expect(problems({ 'driver.ts': driver('const answer = 42;', 'const answer = 1;') })).toEqual([
      'starter-wrong-failure lab.md:17: The starter fails with answer: "report: answer is 1, expected 42"; intended is answer: "report: answer is 0, expected 42"',
    ]);
  });

  it('wants the solution to pass with every seed and profile', () => {
    const seeded = check({
      ...(TINY_CHECKS[0] as Check),
      id: 'seeded',
      test: ({ seed, profile }, { pass, fail }) =>
        seed === 1 && profile === 'iommufd'
          ? pass()
          : fail('wrong', {
              object: 'run',
              field: 'seed',
              expected: 1,
              actual: `${String(seed)} ${profile}`,
            }),
      pass: 'Fine',
    });
    const checks = defineChecks([...TINY_CHECKS, seeded]);
    const text = TINY_TEXT.replace('profile: iommufd', 'profile: both').replace(
      ':::hint level=1',
      ':::check id=seeded\n:::\n\n:::hint level=1',
    );
    const found = problems({ 'lab.md': text }, checks).filter((line) =>
      line.includes('solution fails'),
    );
    expect(found).toEqual([
      'solution-fails checks.ts: The solution fails with profile kvmforum2019, seed 1: seeded: "run: seed is 1 kvmforum2019, expected 1"',
      'seed-unsolvable checks.ts: The solution fails with profile kvmforum2019, seed 2: seeded: "run: seed is 2 kvmforum2019, expected 1"',
      'seed-unsolvable checks.ts: The solution fails with profile iommufd, seed 2: seeded: "run: seed is 2 iommufd, expected 1"',
    ]);
  });

  it('wants the solution to run to its end', () => {
    const throwing = TINY_DRIVER.replace(
      "report('answer', answer);",
      "report('answer', answer);\nthrow new Error('late');",
    );
    expect(problems({ 'driver.ts': throwing })).toContain(
      'solution-fails checks.ts: The solution fails with profile iommufd, seed 1: no check, but the script failed: Error: late',
    );
  });

  it('notices when two runs differ', () => {
    let count = 0;
    const fickle = check({
      ...(TINY_CHECKS[0] as Check),
      test: (facts, answers) => {
        count += 1;
        const verdict = (TINY_CHECKS[0] as Check).test(facts, answers);
        return verdict.status === 'pass' ? answers.pass({ answer: count }) : verdict;
      },
    });
    expect(problems({}, defineChecks([fickle]))).toEqual([
      expect.stringMatching(
        /^nondeterministic checks\.ts: Two runs of the solution differ \(profile iommufd, seed 1\)/,
      ),
    ]);
  });

  it('notices what needs the network', () => {
    expect(
      problems({
        'driver.ts': driver(
          'const answer = 42;\nif (answer < 0) fetch(answer);',
          'const answer = 0;',
        ),
      }),
    ).toEqual(['needs-network driver.ts:5: fetch is not on this machine']);
  });

  it('notices a run that takes too long', () => {
    let now = 0;
    const slow = { engine: testEngine, nowMs: () => (now += 6_000), runBudgetMs: 5_000 };
    expect(proveLab(tinyLab(), TINY_CHECKS, slow).issues).toEqual([
      {
        code: 'over-time',
        path: '010-tiny',
        message: 'A run took 6000 ms, expected at most 5000 ms',
      },
    ]);
  });

  it('wants checks, their steps, their hints and their place in the guide to fit', () => {
    const lost = check({
      ...(TINY_CHECKS[0] as Check),
      id: 'lost',
      step: 'anser',
      hint: 'no-hint',
    });
    expect(problems({}, defineChecks([...TINY_CHECKS, lost]))).toEqual([
      'dead-link checks.ts: Check lost belongs to step anser, which the guide does not have',
      'dead-link checks.ts: Check lost opens hint no-hint, which the guide does not have',
      'schema lab.md: Check lost is not shown in step anser',
      'translation-missing i18n/zh-CN.md: The sentences of check lost are not translated',
      'check-without-mutant checks.ts: Check lost catches no mutant: nothing shows that it can fail',
    ]);
    expect(problems({}, [])).toContain('schema checks.ts: The lab has no check');
    expect(problems({}, [])).toContain('dead-link lab.md:26: There is no check answer');
  });
});
