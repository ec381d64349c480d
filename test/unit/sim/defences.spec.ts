import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DEFENCES } from '../../../src-main/sim/index.ts';

const DOCUMENT = new URL('../../../docs/isolation.md', import.meta.url);

describe('docs/isolation.md', () => {
  it('lists every defence as it is declared, and no other', () => {
    const rows = readFileSync(DOCUMENT, 'utf8')
      .split('\n')
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .filter((cells) => cells[3]?.startsWith('`') === true && cells.length === 7)
      .map(([, , attack, name, title, without]) => [name, attack, title, without]);
    expect(rows).toEqual(
      Object.entries(DEFENCES).map(([name, { attack, title, without }]) => [
        `\`${name}\``,
        attack,
        title,
        without,
      ]),
    );
  });
});
