/** Row 71: every attack between tenants, with all defences and without some of them. */
import { describe, expect, it } from 'vitest';
import { ATTACKS } from '../../../support/attacks/all-attacks.ts';
import type { Attack, Breached, UndefendedRun } from '../../../support/attacks/attack.ts';
import type { Breach } from '../../../support/isolation-breaches.ts';
import { PAGE } from '../../../support/linux-sva.ts';

const nameOf = ({ id, title }: Attack): string => `${id}, ${title}`;

function lackOf({ without }: UndefendedRun): string {
  const { defences = {}, params = {} } = without;
  const settings = Object.entries(params).map(([name, value]) => `${name}=${String(value)}`);
  return [...Object.keys(defences), ...settings].join(' and ');
}

const attacks = ATTACKS.map((attack) => [nameOf(attack), attack] as const);
const undefended = ATTACKS.flatMap((attack) =>
  attack.stoppedBy === 'software'
    ? attack.undefended.map((run) => [nameOf(attack), run.kind, lackOf(run), attack, run] as const)
    : [],
);

/** Each pair once. */
function parties(breaches: readonly Breached[]): ReadonlySet<string> {
  return new Set(breaches.map(({ principal, owner }) => `${principal} reaches ${owner}`));
}

const denies = (run: UndefendedRun): boolean =>
  run.kind === 'denial' || (run.kind === 'breach' && run.alsoDenies === true);

const isPage = ({ page }: Breach): boolean => page > 0 && page % PAGE === 0;

describe('row 71: attacks', () => {
  it.each(attacks)('%s: stopped within its budget, and work goes on', (_name, attack) => {
    const { breaches, seen, benign, cost } = attack.run({});
    expect(seen).toEqual(attack.defended.seen);
    expect(breaches).toEqual([]);
    expect(benign).toEqual({ before: true, after: true });
    expect(cost).toEqual(attack.defended.budget);
  });

  it.each(undefended)('%s: %s without %s', (_name, _kind, _lack, attack, run) => {
    const { breaches, seen, benign, cost } = attack.run(run.without);
    expect(seen).toEqual(run.seen);
    expect(breaches.every(isPage)).toBe(true);
    expect(parties(breaches)).toEqual(parties(run.kind === 'breach' ? run.breached : []));
    expect(benign.after).toBe(benign.before && !denies(run));
    expect(cost.attack).toEqual(run.kind === 'expense' ? run.attackCost : cost.attack);
  });
});
