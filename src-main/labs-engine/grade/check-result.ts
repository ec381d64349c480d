/** The outcome of one check as hosts show it and scripts read it. */
import type { CheckKind } from '../sdk/check.ts';
import type { ScriptLine } from '../sdk/trace-query.ts';
import type { ViewTarget } from '../sdk/verdict.ts';

export type CheckStatus = 'pass' | 'fail' | 'error' | 'notRun';

export interface CheckPlace {
  /** Sequence number of the trace record to jump to. */
  readonly event?: number;
  readonly object?: string;
  readonly field?: string;
  readonly link?: ViewTarget;
  readonly script?: ScriptLine;
}

export interface CheckResult {
  readonly id: string;
  readonly step: string;
  readonly status: CheckStatus;
  readonly kind: CheckKind;
  readonly title: string;
  readonly message: string;
  readonly expected?: string;
  readonly actual?: string;
  readonly at?: CheckPlace;
  readonly evidence?: readonly number[];
  /** Hint to open next. */
  readonly next?: string;
}

/** What all checks together say. */
export type LabStatus = 'pass' | 'fail' | 'error';
