/** Row 71: every attack between tenants, with all defences and without some of them. */
import { describe, expect, it } from 'vitest';
import { ATTACKS } from '../../../support/attacks/all-attacks.ts';
import type { Attack, Breached, Outcome, UndefendedRun } from '../../../support/attacks/attack.ts';
import { UNDEFENDED_RUNS } from '../../../support/attacks/undefended-runs.ts';
import type { Breach } from '../../../support/isolation-breaches.ts';
import { PAGE } from '../../../support/linux-sva.ts';

const nameOf = ({ id, title }: Attack): string => `${id}, ${title}`;

const attacks = ATTACKS.map((attack) => [nameOf(attack), attack] as const);
const undefended = UNDEFENDED_RUNS.map(
  ({ attack, run, lacks }) => [nameOf(attack), run.kind, lacks.join(' and '), attack, run] as const,
);
/** Runs that need several defences away, with each of these. */
const several = UNDEFENDED_RUNS.filter(({ lacks }) => lacks.length > 1).flatMap((row) =>
  row.lacks.map((kept) => [nameOf(row.attack), kept, row.attack, row.run] as const),
);

const isPage = ({ page }: Breach): boolean => page > 0 && page % PAGE === 0;

/** Each pair once. */
function parties(breaches: readonly Breached[]): ReadonlySet<string> {
  return new Set(breaches.map(({ principal, owner }) => `${principal} reaches ${owner}`));
}

function denies(run: UndefendedRun): boolean {
  return run.kind === 'denial' || (run.kind === 'breach' && run.alsoDenies === true);
}

function whatCame({ breaches, seen }: Outcome) {
  return { parties: parties(breaches), seen };
}

describe('row 71: attacks', () => {
  it.each(attacks)('%s: stopped within its budget, and work goes on', (_name, attack) => {
    const { breaches, vectors, seen, benign, cost } = attack.run({});
    expect(seen).toEqual(attack.defended.seen);
    expect(breaches).toEqual([]);
    expect(vectors).toEqual([]);
    expect(benign).toEqual({ before: true, after: true });
    expect(cost).toEqual(attack.defended.budget);
  });

  it.each(undefended)('%s: %s without %s', (_name, _kind, _lack, attack, run) => {
    const { breaches, vectors, seen, benign, cost } = attack.run(run.without);
    expect(seen).toEqual(run.seen);
    expect(breaches.every(isPage)).toBe(true);
    expect(parties(breaches)).toEqual(parties(run.kind === 'breach' ? run.breached : []));
    expect(parties(vectors)).toEqual(parties(run.kind === 'interrupt' ? run.raised : []));
    expect(benign.after).toBe(benign.before && !denies(run));
    expect(cost.attack).toEqual(run.kind === 'expense' ? run.attackCost : cost.attack);
  });

  it.each(several)('%s: comes to less with %s', (_name, kept, attack, run) => {
    const { defences = {}, ...others } = run.without;
    const less = attack.run({ ...others, defences: { ...defences, [kept]: true } });
    expect(whatCame(less)).not.toEqual(whatCame(attack.run(run.without)));
  });
});
