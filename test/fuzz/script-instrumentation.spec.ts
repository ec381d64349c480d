import fc from 'fast-check';
import { propertyOptions } from '../support/check-property.ts';
import { describe, expect, it } from 'vitest';
import { defineSdkModule } from '../../src-main/script/sdk/sdk-module.ts';
import type { ScriptRunnerOptions } from '../../src-main/script/script-runner.ts';
import { runPlain } from '../support/plain-guest.ts';
import type { PlainRun } from '../support/plain-guest.ts';
import { program } from '../support/script-grammar.ts';
import { scriptLab } from '../support/script-lab.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 60);

interface HookedRun extends PlainRun {
  readonly problems: readonly string[];
  readonly statements: number;
}

function runHooked(source: string, options: Partial<ScriptRunnerOptions> = {}): HookedRun {
  const output: string[] = [];
  const out = defineSdkModule({
    name: 'out',
    globalName: 'out',
    types: '',
    functions: {
      put: (_call, value) => {
        output.push(typeof value === 'object' ? 'object' : String(value));
      },
    },
  });
  const lab = scriptLab(source, { modules: [out], ...options });
  const outcome = lab.run();
  return {
    output,
    error: outcome.kind === 'failed' ? outcome.error.message : undefined,
    problems: lab.runner
      .check()
      .filter((problem) => problem.severity === 'error')
      .map((problem) => problem.message),
    statements: lab.runner.statementCount,
  };
}

/** The learner's message says more than the engine's about what is not a function. */
function sameError(plain: string | undefined, hooked: string | undefined): void {
  if (plain === 'TypeError: not a function') expect(hooked).toMatch(/not a function$/);
  else expect(hooked).toBe(plain);
}

/** The suite's, as for all properties: `PROPERTY_SEED` chooses another. */
const { seed } = propertyOptions();

describe('instrumentation', () => {
  it('changes nothing a program can show', () => {
    let withOutput = 0;
    fc.assert(
      fc.property(program, (source) => {
        const plain = runPlain(source);
        const hooked = runHooked(source);
        expect(hooked.problems).toEqual([]);
        expect(hooked.output).toEqual(plain.output);
        sameError(plain.error, hooked.error);
        if (plain.output.length > 1) withOutput += 1;
      }),
      { seed, numRuns: RUNS },
    );
    // The property would be empty if programs mostly failed at once.
    expect(withOutput).toBeGreaterThan(RUNS / 4);
  });

  it('counts the same statements however often the host is asked', () => {
    fc.assert(
      fc.property(program, (source) => {
        const free = runHooked(source);
        const asked = runHooked(source, { ports: { onStatement: () => undefined } });
        const stepped = runHooked(source, {
          pauseAtStatement: 1,
          ports: { pause: { pausedAt: () => ({ kind: 'step', by: 'into' }) } },
        });
        for (const run of [asked, stepped]) {
          expect(run.output).toEqual(free.output);
          expect(run.statements).toBe(free.statements);
        }
      }),
      { seed, numRuns: Math.ceil(RUNS / 3) },
    );
  });

  it('comes back to the same statement by its number', () => {
    fc.assert(
      fc.property(program, fc.nat(), (source, pick) => {
        const places: string[] = [];
        runHooked(source, {
          ports: { onStatement: (s) => places.push(`${String(s.line)}:${String(s.column)}`) },
        });
        const ordinal = (pick % places.length) + 1;
        let met = '';
        runHooked(source, {
          pauseAtStatement: ordinal,
          ports: {
            pause: {
              pausedAt: (at) => {
                met = `${String(at.line)}:${String(at.column)} ${String(at.ordinal)}`;
                return { kind: 'resume' };
              },
            },
          },
        });
        expect(met).toBe(`${places[ordinal - 1] ?? ''} ${String(ordinal)}`);
      }),
      { seed, numRuns: Math.ceil(RUNS / 3) },
    );
  });
});
