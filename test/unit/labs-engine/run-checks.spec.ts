import { describe, expect, it } from 'vitest';
import { labStatus, runChecks } from '../../../src-main/labs-engine/grade/run-checks.ts';
import { LabRun } from '../../../src-main/labs-engine/run/lab-run.ts';
import { planLabRun } from '../../../src-main/labs-engine/run/run-plan.ts';
import {
  check,
  defineChecks,
  events,
  type Check,
} from '../../../src-main/labs-engine/sdk/index.ts';
import { testEngine } from '../../support/script-lab.ts';
import { TINY_CHECKS, tinyLab } from '../../support/tiny-lab.ts';

function finishedRun(text: string): LabRun {
  const run = new LabRun({
    plan: planLabRun(tinyLab(), { texts: new Map([['driver.ts', text]]) }),
    engine: testEngine,
  });
  run.start();
  return run;
}

const REPORT = "import { report } from 'lab/oracle';\n\nreport('answer', 41);\n";
const base = TINY_CHECKS[0] as Check;

const passing = (id: string, more: Partial<Check> = {}): Check =>
  check({ ...base, id, pass: 'Good', test: (_facts, { pass }) => pass(), ...more });
const failing = (id: string, more: Partial<Check> = {}): Check =>
  check({
    ...base,
    id,
    test: (_facts, { fail }) =>
      fail('wrong', { object: 'thing', field: 'P', expected: 1, actual: 0 }),
    ...more,
  });

describe('results of checks', () => {
  it('name object, field, expected and found, and jump to the record and the line', () => {
    const run = finishedRun(REPORT);
    const [result] = runChecks(TINY_CHECKS, run);
    const event = result?.at?.event ?? -1;
    expect(result).toEqual({
      id: 'answer',
      step: 'answer',
      status: 'fail',
      kind: 'essential',
      title: 'The answer is right',
      message: 'report: answer is 41, expected 42',
      expected: '42',
      actual: '41',
      at: { event, object: 'report', field: 'answer', script: { path: 'driver.ts', line: 3 } },
      evidence: [event],
      next: 'answer-hint-1',
    });
  });

  it('say what was proved when they pass', () => {
    expect(runChecks(TINY_CHECKS, finishedRun(REPORT.replace('41', '42')))[0]).toMatchObject({
      status: 'pass',
      message: 'The answer is 42',
    });
  });

  it('speak the language of the learner', () => {
    const wording = tinyLab().translations.get('zh-CN')?.checks ?? {};
    expect(runChecks(TINY_CHECKS, finishedRun(REPORT), wording)[0]).toMatchObject({
      title: '答案',
      message: 'report：answer 是 41，应为 42',
    });
  });

  it('wait for the checks they come after', () => {
    const checks = defineChecks([
      failing('first'),
      passing('second', { after: ['first'] }),
      passing('third', { after: ['second'] }),
    ]);
    const results = runChecks(checks, finishedRun(REPORT));
    expect(results.map(({ status, message }) => `${status} ${message}`)).toEqual([
      'fail thing: P is 0, expected 1',
      'notRun Waits for: The answer is right',
      'notRun Waits for: The answer is right',
    ]);
  });

  it('are an error when the check itself breaks', () => {
    const broken = check({
      ...base,
      test: () => {
        throw new Error('no such device');
      },
    });
    const unfilled = check({ ...base, pass: '{nothing}', test: (_facts, { pass }) => pass() });
    expect(runChecks([broken], finishedRun(REPORT))[0]).toMatchObject({
      status: 'error',
      message: 'The check itself failed: no such device',
    });
    expect(runChecks([unfilled], finishedRun(REPORT))[0]).toMatchObject({
      status: 'error',
      message:
        'The check itself failed: The sentence "{nothing}" names nothing, which has no value',
    });
  });

  it('show registers and addresses in hexadecimal', () => {
    const wide = failing('wide', {
      test: (_facts, { fail }) =>
        fail('wrong', {
          object: 'RTADDR_REG',
          field: 'RTA',
          expected: 0x1000n,
          actual: 0xffff_ffff_ffffn,
        }),
    });
    expect(runChecks([wide], finishedRun(REPORT))[0]).toMatchObject({
      expected: '0x1000',
      actual: '0xffffffffffff',
    });
  });

  it('make a lab pass when all that count do', () => {
    const run = finishedRun(REPORT);
    const status = (...checks: readonly Check[]): string =>
      labStatus(checks, runChecks(checks, run));
    expect(status(passing('a'), passing('b', { kind: 'actionable' }))).toBe('pass');
    expect(status(passing('a'), failing('b', { kind: 'informative' }))).toBe('pass');
    expect(status(passing('a'), failing('b', { kind: 'celebratory' }))).toBe('pass');
    expect(status(passing('a'), failing('b', { kind: 'actionable' }))).toBe('fail');
    expect(status(failing('a'), passing('b', { after: ['a'] }))).toBe('fail');
    expect(
      status(
        check({
          ...base,
          test: () => {
            throw new Error('x');
          },
        }),
      ),
    ).toBe('error');
  });
});

describe('declared checks', () => {
  it('name what a failing sentence must name', () => {
    expect(() => defineChecks([{ ...base, fail: { wrong: '{object} is wrong' } }])).toThrow(
      'Check answer: the sentence wrong does not name field, expected, actual',
    );
  });

  it('have ids of their own and come after earlier ones', () => {
    expect(() => defineChecks([base, base])).toThrow('Check answer is declared twice');
    expect(() => defineChecks([passing('a', { after: ['b'] }), passing('b')])).toThrow(
      'Check a comes after b, which is not declared before it',
    );
  });

  it('ask the trace for fields that exist, or do not compile', () => {
    const run = finishedRun(REPORT);
    const ask = check({
      ...base,
      test: ({ trace }, { pass }) => {
        // @ts-expect-error: the kind has no field of this name
        trace.first(events.script.VALUE_REPORTED, { name: 'answer' });
        // @ts-expect-error: a PASID is a number
        trace.first(events.linux.PASID_ENTRY_WRITTEN, { pasid: '1' });
        return pass({ answer: trace.count(events.script.VALUE_REPORTED) });
      },
    });
    expect(runChecks([ask], run)[0]?.message).toBe('The answer is 1');
  });
});
