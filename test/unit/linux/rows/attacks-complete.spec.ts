/** Row 71: no attack and no defence is left out, and docs/isolation.md says what is mounted. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { DEFENCE_NAMES } from '../../../../src-main/sim/index.ts';
import { ATTACKS } from '../../../support/attacks/all-attacks.ts';
import { ATTACK_IDS } from '../../../support/attacks/attack.ts';
import { FREE, TRAPPED } from '../../../support/attacks/toll.ts';
import { UNDEFENDED_RUNS } from '../../../support/attacks/undefended-runs.ts';

const DOCUMENT = new URL('../../../../docs/isolation.md', import.meta.url);

/** Rows of the table under a heading, without the table's own head. */
function tableUnder(heading: string): readonly (readonly string[])[] {
  const [, section = ''] = readFileSync(DOCUMENT, 'utf8').split(`${heading}\n`);
  const [table = ''] = section.split(/\n#/);
  return table
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) => line.split('|').map((cell) => cell.trim()));
}

const harmful = UNDEFENDED_RUNS.filter(({ run }) => run.kind !== 'held');

/** `8.3 iotlb-flush`, for each run that harms. */
const mounted = new Set(
  harmful.flatMap(({ attack, lacks }) => lacks.map((name) => `${attack.id} ${name}`)),
);

describe('row 71: the attacks are complete', () => {
  it.each(ATTACK_IDS)('%s is mounted', (id) => {
    expect(ATTACKS.some((attack) => attack.id === id)).toBe(true);
  });

  it.each(DEFENCE_NAMES)('%s is taken away by an attack that then does harm', (name) => {
    expect(harmful.some(({ lacks }) => lacks.includes(name))).toBe(true);
  });

  it('every harm shows: in pages, in what is seen, in what is denied, or in what it costs', () => {
    const shown = harmful.filter(
      ({ attack, run }) =>
        (run.kind === 'breach' && run.breached.length > 0) ||
        run.kind === 'denial' ||
        run.kind === 'expense' ||
        !isDeepStrictEqual(run.seen, attack.defended.seen),
    );
    expect(shown).toEqual(harmful);
  });

  it('lets honest work exit not at all, or once where its page is trapped', () => {
    const allowed: readonly unknown[] = [FREE.exits, TRAPPED.exits];
    const exits = ATTACKS.map(({ defended }) => defended.budget.benign.exits);
    expect(exits.filter((each) => !allowed.some((a) => isDeepStrictEqual(a, each)))).toEqual([]);
  });

  it('has a title of its own for each', () => {
    const titles = ATTACKS.map(({ id, title }) => `${id} ${title}`);
    expect(new Set(titles).size).toBe(titles.length);
  });
});

describe('docs/isolation.md', () => {
  it('names an attack that takes each defence away', () => {
    const rows = tableUnder('# Attacks and defences').map(
      ([, id = '', , name = '']) => `${id} ${name.replaceAll('`', '')}`,
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter((row) => !mounted.has(row))).toEqual([]);
  });

  it('lists what hardware alone stops', () => {
    const hardware = ATTACKS.filter(({ stoppedBy }) => stoppedBy === 'hardware').map(
      ({ id }) => id,
    );
    const listed = tableUnder('## Stopped by hardware alone').map(([, id]) => id);
    expect(listed).toEqual(hardware);
  });

  it('says what goes wrong in each attack', () => {
    const kinds = new Map(
      tableUnder('## What goes wrong without a defence').map(([, kind = '', , ids = '']) => [
        kind,
        ids,
      ]),
    );
    const wrong = new Map<string, Set<string>>();
    for (const { attack, run } of harmful) {
      wrong.set(run.kind, (wrong.get(run.kind) ?? new Set()).add(attack.id));
    }
    const said = new Map(
      [...kinds].map(([kind, ids]) => [kind, new Set(ids.split(', ').flatMap(idsIn))]),
    );
    expect(said).toEqual(wrong);
  });

  it('lists the parameters that take a defence away', () => {
    const names: ReadonlySet<string> = new Set(DEFENCE_NAMES);
    const params = [...mounted].filter((row) => !names.has(row.split(' ')[1] ?? ''));
    const listed = tableUnder('## Taken away by parameters of the kernel').map(
      ([, id = '', , name = '']) => `${id} ${name.replaceAll('`', '')}`,
    );
    expect(new Set(listed)).toEqual(new Set(params));
  });
});

/** `8.9a to 8.9e` is each of them. */
function idsIn(text: string): readonly string[] {
  const [first = '', last = first] = text.split(' to ');
  const from = ATTACK_IDS.findIndex((id) => id === first);
  const to = ATTACK_IDS.findIndex((id) => id === last);
  return ATTACK_IDS.slice(from, to + 1);
}
