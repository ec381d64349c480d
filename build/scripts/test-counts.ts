/** Reads Vitest's JSON report, which is Jest's. */
import { readFileSync } from 'node:fs';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

interface JestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/**
 * Passed and failed tests of one run. A file that fails without a failed test in it (it does not
 * load, or a hook of it threw) counts as one failure, and so does a run that ends badly for any other reason.
 */
export function countTests(report: JestReport, exitCode: number): Counts {
  const brokenFiles = report.testResults.filter(
    (file) =>
      file.status === 'failed' &&
      file.assertionResults.every((assertion) => assertion.status !== 'failed'),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return {
    passed: report.numPassedTests,
    failed: exitCode !== 0 && failed === 0 ? 1 : failed,
  };
}

export function readCounts(file: string, exitCode: number): Counts {
  try {
    return countTests(JSON.parse(readFileSync(file, 'utf8')) as JestReport, exitCode);
  } catch {
    // The runner died before it could report.
    return { passed: 0, failed: 1 };
  }
}

export function addCounts(all: readonly Counts[]): Counts {
  return {
    passed: all.reduce((sum, { passed }) => sum + passed, 0),
    failed: all.reduce((sum, { failed }) => sum + failed, 0),
  };
}
