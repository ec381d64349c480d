import { describe, expect, it } from 'vitest';
import { addCounts, countTests, readCounts } from '../../../build/scripts/test-counts.ts';

const file = (status: string, ...assertions: string[]) => ({
  status,
  assertionResults: assertions.map((one) => ({ status: one })),
});

describe('countTests', () => {
  it('takes the numbers of a clean run', () => {
    const report = {
      numPassedTests: 3,
      numFailedTests: 0,
      testResults: [file('passed', 'passed', 'passed', 'passed')],
    };
    expect(countTests(report, 0)).toEqual({ passed: 3, failed: 0 });
  });

  it('counts a file that does not load as one failure', () => {
    const report = {
      numPassedTests: 1,
      numFailedTests: 1,
      testResults: [file('failed'), file('failed', 'passed', 'failed')],
    };
    expect(countTests(report, 1)).toEqual({ passed: 1, failed: 2 });
  });

  it('counts a file whose hook threw after its tests passed', () => {
    const report = {
      numPassedTests: 2,
      numFailedTests: 0,
      testResults: [file('failed', 'passed')],
    };
    expect(countTests(report, 1)).toEqual({ passed: 2, failed: 1 });
  });

  it('counts a bad end without a failed test, such as an unhandled rejection', () => {
    const report = { numPassedTests: 2, numFailedTests: 0, testResults: [] };
    expect(countTests(report, 1)).toEqual({ passed: 2, failed: 1 });
  });

  it('counts a run without a report as one failure', () => {
    expect(readCounts('/nowhere/report.json', 0)).toEqual({ passed: 0, failed: 1 });
  });
});

describe('addCounts', () => {
  it('sums all runners', () => {
    expect(
      addCounts([
        { passed: 1, failed: 0 },
        { passed: 2, failed: 3 },
      ]),
    ).toEqual({
      passed: 3,
      failed: 3,
    });
  });
});
