import { describe, expect, it } from 'vitest';
import { outputOf, scriptLab } from '../../support/script-lab.ts';
import type { ScriptRunnerOptions } from '../../../src-main/script/script-runner.ts';

const SOURCE = `import { demo_write, demo_get_dev, demo_read } from "demo/bus"
const dev = demo_get_dev(0)
const jobs = []
for (let i = 0; i < 20; i++) {
  demo_write(dev, i, BigInt(Math.floor(Math.random() * 1000)))
  jobs.push((async () => {
    if (i % 3 === 0) await null
    demo_write(dev, 100 + i, demo_read(dev, i) + 1n)
  })())
}
await Promise.all(jobs)
console.log(Math.random(), new Map([[{}, 1]]), Object.keys({ b: 1, a: 2 }))
`;

function callsOf(options: Partial<ScriptRunnerOptions>): readonly string[] {
  const lab = scriptLab(SOURCE, options);
  expect(lab.run()).toEqual({ kind: 'finished' });
  return [...lab.bus.log, ...lab.texts()];
}

describe('the same files and seed', () => {
  it('give the same calls to the host and the same output', () => {
    expect(callsOf({ seed: 7 })).toEqual(callsOf({ seed: 7 }));
    expect(callsOf({ seed: 7 })).toHaveLength(41);
  });

  it('do so under a debugger', () => {
    const stepping = callsOf({
      seed: 7,
      pauseAtStatement: 1,
      ports: { pause: { pausedAt: () => ({ kind: 'step', by: 'into' }) } },
    });
    expect(stepping).toEqual(callsOf({ seed: 7 }));
  });

  it('stop at the same call when the budget is used up, under a debugger too', () => {
    const stopped = (options: Partial<ScriptRunnerOptions>): readonly string[] => {
      const lab = scriptLab(SOURCE, { ...options, limits: { statements: 37 } });
      expect(lab.run()).toMatchObject({ kind: 'stopped', reason: 'statement-budget' });
      return lab.bus.log;
    };
    const plain = stopped({});
    expect(plain.length).toBeGreaterThan(5);
    expect(stopped({ breakpoints: [{ path: 'a.ts', line: 8 }] })).toEqual(plain);
    expect(stopped({ ports: { onStatement: () => undefined } })).toEqual(plain);
  });
});

describe('Math.random', () => {
  const draw = (seed: number): readonly string[] =>
    outputOf('for (let i = 0; i < 5; i++) console.log(Math.random())', { seed });

  it('depends on the seed alone', () => {
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('is uniform in [0, 1)', () => {
    const source =
      'const bins = Array(10).fill(0)\nlet isInside = true\nfor (let i = 0; i < 20000; i++) { const r = Math.random(); if (!(r >= 0 && r < 1)) isInside = false; bins[Math.floor(r * 10)]++ }\nconsole.log(isInside, bins.every((n) => n > 1850 && n < 2150))';
    for (const seed of [0, 1, 2 ** 31]) expect(outputOf(source, { seed })).toEqual(['true true']);
  });
});
