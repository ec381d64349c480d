/**
 * Replays recorded IOMMU experiments on our unit and counts, per profile, how many agree with the specification's column.
 */
import { InvariantError } from '../../bits/invariant.ts';
import { parseCaseLine, type CaseProblem, type IommuCase } from './case-format.ts';
import { CaseMachine } from './case-machine.ts';
import { explainDifference } from './explain-difference.ts';
import { disagreement, isLike } from './judge.ts';

export interface ProfileCount {
  cases: number;
  agree: number;
  disagree: number;
  readonly unclaimed: { same: number; unlike: number };
}

export interface FirstDifference {
  readonly file: string;
  readonly case: string;
  readonly step: number;
  readonly expected: unknown;
  readonly actual: unknown;
  readonly explain: string;
}

export interface ReplayReport {
  readonly profiles: Readonly<Record<string, ProfileCount>>;
  readonly firstDifferences: readonly FirstDifference[];
  readonly problems: readonly CaseProblem[];
  readonly ok: boolean;
}

/** Steps whose results may be compared with recorded answers when nothing is claimed. */
const COMPARABLE: ReadonlySet<string> = new Set(['regs', 'peek', 'ats', 'pri']);

export class ReplayRun {
  readonly #profiles = new Map<string, ProfileCount>();
  readonly #differences: FirstDifference[] = [];
  readonly #problems: CaseProblem[] = [];

  /** Takes one line of a file. */
  line(file: string, number: number, text: string): void {
    if (text.trim() === '') {
      return;
    }
    const parsed = parseCaseLine(file, number, text);
    if ('problem' in parsed) {
      this.#problems.push(parsed.problem);
      return;
    }
    const machine = machineOf(parsed.case);
    if (typeof machine === 'string') {
      this.#problems.push({ file, line: number, message: machine });
      return;
    }
    this.#case(file, parsed.case, machine);
  }

  report(): ReplayReport {
    const profiles = Object.fromEntries(
      [...this.#profiles.entries()].sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    return {
      profiles,
      firstDifferences: this.#differences,
      problems: this.#problems,
      ok: this.#differences.length === 0 && this.#problems.length === 0,
    };
  }

  #case(file: string, experiment: IommuCase, machine: CaseMachine): void {
    const count = this.#countOf(experiment.profile);
    let difference: FirstDifference | undefined;
    experiment.steps.forEach((step, index) => {
      const result = machine.run(step);
      const claim = experiment.spec?.[index] ?? null;
      if (claim === null) {
        this.#compareUnclaimed(count, experiment, index, step.op, result);
        return;
      }
      const reason = difference === undefined ? disagreement(step, claim, result) : undefined;
      if (reason !== undefined) {
        difference = {
          file,
          case: experiment.id,
          step: index,
          expected: claim,
          actual: result,
          explain: explainDifference(machine, step, { claim, result, reason }),
        };
      }
    });
    count.cases++;
    if (difference === undefined) {
      count.agree++;
    } else {
      count.disagree++;
      this.#differences.push(difference);
    }
  }

  #compareUnclaimed(
    count: ProfileCount,
    experiment: IommuCase,
    index: number,
    op: string,
    result: unknown,
  ): void {
    if (!COMPARABLE.has(op)) {
      return;
    }
    const recorded = (experiment.answers ?? [])
      .map((a) => a.results?.[index])
      .filter((r) => r !== null && r !== undefined);
    if (recorded.length === 0) {
      return;
    }
    if (recorded.some((r) => isLike(r, result))) {
      count.unclaimed.same++;
    } else {
      count.unclaimed.unlike++;
    }
  }

  #countOf(profile: string): ProfileCount {
    const known = this.#profiles.get(profile);
    if (known !== undefined) {
      return known;
    }
    const count: ProfileCount = {
      cases: 0,
      agree: 0,
      disagree: 0,
      unclaimed: { same: 0, unlike: 0 },
    };
    this.#profiles.set(profile, count);
    return count;
  }
}

/** A machine for the case, or why there is none: capability registers can describe a unit that cannot exist. */
function machineOf(experiment: IommuCase): CaseMachine | string {
  try {
    return new CaseMachine(experiment);
  } catch (error) {
    if (error instanceof InvariantError) {
      return `caps: no unit can have these capabilities (${error.message})`;
    }
    throw error;
  }
}
