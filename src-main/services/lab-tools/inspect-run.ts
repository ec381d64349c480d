/** `inspect VIEW`: what a pane would show of a run, at its end or at an earlier record. */
import * as v from 'valibot';
import { AppError } from '../../protocol/app-error.ts';
import { ViewParamsSchema } from '../../protocol/lab-api.ts';
import type { ViewId, ViewModel, ViewParams } from '../../protocol/views.ts';
import { didYouMean } from '../../labs-engine/closest.ts';
import type { LabRun } from '../../labs-engine/run/lab-run.ts';
import { Replica } from '../../sim/index.ts';
import { toHex } from '../../bits/hex.ts';
import { parseBdf } from '../../spec/pcie/requester-id.ts';
import { AVAILABLE_VIEWS, makeView } from '../views/views.ts';
import { VIEW_PARAM_NAMES } from '../view-vocabulary.ts';

const COUNTS: ReadonlySet<string> = new Set(['pasid', 'length', 'event']);

export function viewIdOf(text: string): ViewId {
  const found = AVAILABLE_VIEWS.find((id) => id === text);
  if (found !== undefined) return found;
  const hint = didYouMean(text, AVAILABLE_VIEWS) ?? `Known views: ${AVAILABLE_VIEWS.join(', ')}`;
  throw new AppError('ERR_VIEW', `There is no view ${text}`, { hint });
}

/** `rid=6a:01.0` and the like. */
export function viewParamsOf(pairs: readonly string[]): ViewParams {
  const params = Object.fromEntries(pairs.map(paramOf));
  const parsed = v.safeParse(ViewParamsSchema, params);
  if (parsed.success) return parsed.output as ViewParams;
  const [issue] = parsed.issues;
  const name = String(issue.path?.[0]?.key ?? '');
  throw new AppError('ERR_VIEW_PARAM', `Parameter ${name}: ${issue.message}`);
}

function paramOf(pair: string): [string, string | number] {
  const at = pair.indexOf('=');
  const name = at < 0 ? pair : pair.slice(0, at);
  const value = at < 0 ? '' : pair.slice(at + 1);
  if (at < 0 || !VIEW_PARAM_NAMES.includes(name)) {
    const hint = didYouMean(name, VIEW_PARAM_NAMES) ?? `Known: ${VIEW_PARAM_NAMES.join(', ')}`;
    throw new AppError('ERR_VIEW_PARAM', `Expected a parameter as name=value, found ${pair}`, {
      hint,
    });
  }
  if (COUNTS.has(name)) return [name, /^\d+$/.test(value) ? Number(value) : value];
  const rid = name === 'rid' ? parseBdf(value) : undefined;
  return [name, rid === undefined ? value : toHex(rid, 4)];
}

export interface InspectRequest {
  readonly view: ViewId;
  readonly params: ViewParams;
  /** Length of the trace at the instant; the end of the run when absent. */
  readonly at?: number | undefined;
}

export function inspectRun(run: LabRun, { view, params, at }: InspectRequest): ViewModel {
  const { trace } = run;
  if (at === undefined || at >= trace.head) {
    return makeView(view, { machine: run.machine, trace, at: trace.head, params });
  }
  const replica = new Replica(run.recorder);
  replica.seek(at);
  return makeView(view, { machine: replica.machine, trace, at, params });
}
