/** What every run says of itself: length, time, hash, and where its scripts went wrong. */
import type { LabRun } from '../../labs-engine/run/lab-run.ts';

export interface ScriptErrorReport {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface RunNumbers {
  readonly traceHash: string;
  readonly events: number;
  readonly simTimeNs: number;
  readonly scriptErrors: readonly ScriptErrorReport[];
}

const STOPPED = {
  stop: 'Stopped from outside',
  'statement-budget': 'Stopped: more statements than a lab allows; is there a loop without an end?',
  memory: 'Stopped: more memory than a lab allows',
  watchdog: 'Stopped: the machine did not answer',
} as const;

export function numbersOf(run: LabRun): RunNumbers {
  return {
    traceHash: run.trace.hash(),
    events: run.trace.head,
    simTimeNs: run.recorder.nowNs,
    scriptErrors: scriptErrors(run),
  };
}

/** Scripts that could not start. */
export function isUnusable(run: LabRun): boolean {
  return run.problems().some((problem) => problem.severity === 'error');
}

function scriptErrors(run: LabRun): readonly ScriptErrorReport[] {
  const problems = run
    .problems()
    .filter((problem) => problem.severity === 'error')
    .map(({ path, line, column, message }) => ({ file: path, line, column, message }));
  if (problems.length > 0) return problems;
  const { outcome } = run;
  if (outcome?.kind === 'failed') {
    const { path, line, column, message } = outcome.error;
    return [{ file: path, line, column, message }];
  }
  if (outcome?.kind !== 'stopped') return [];
  const { path = run.plan.scripts[0]?.path ?? '', line = 1, column = 1 } = outcome.at ?? {};
  return [{ file: path, line, column, message: STOPPED[outcome.reason] }];
}
