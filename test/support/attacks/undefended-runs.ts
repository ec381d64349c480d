/** The runs of all attacks without a part of their defence, as rows. */
import { ATTACKS } from './all-attacks.ts';
import type { SoftwareStopped, UndefendedRun } from './attack.ts';

export interface UndefendedRow {
  readonly attack: SoftwareStopped;
  readonly run: UndefendedRun;
  /** Names of what is taken away. */
  readonly lacks: readonly string[];
}

export const UNDEFENDED_RUNS: readonly UndefendedRow[] = ATTACKS.flatMap((attack) =>
  attack.stoppedBy === 'software'
    ? attack.undefended.map((run) => ({ attack, run, lacks: lackOf(run) }))
    : [],
);

function lackOf({ without: { defences = {}, params = {} } }: UndefendedRun): readonly string[] {
  return [...Object.keys(defences), ...Object.keys(params)];
}
