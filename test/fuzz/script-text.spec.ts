import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseWatch } from '../../src-main/script/watch-expression.ts';
import { program } from '../support/script-grammar.ts';
import { scriptLab } from '../support/script-lab.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 80);

/** A program with a piece cut out and another put in: mostly wrong, in the ways of half-typed code. */
const halfTyped = fc
  .tuple(
    program,
    fc.nat(),
    fc.nat(40),
    fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom(
        '{',
        '}',
        '(',
        '`',
        '${',
        '/*',
        '//',
        '// ?',
        '"',
        'await ',
        'yield ',
        '=>',
        'import ',
        'class ',
        '@x',
        '\r\n',
        '\u2028',
        '\0',
        '😀',
      ),
    ),
  )
  .map(([text, at, length, piece]) => {
    const start = at % text.length;
    return text.slice(0, start) + piece + text.slice(start + length);
  });

describe('any text', () => {
  it('as a script is checked and run without an error of ours', () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(fc.oneof(halfTyped, fc.string(), fc.string({ unit: 'binary' })), (source) => {
        const lab = scriptLab(source, { limits: { statements: 20_000 } });
        const problems = lab.runner.check();
        const lines = source.split(/\r\n|[\n\r\u2028\u2029]/).length;
        for (const { line, column } of problems) {
          expect(line).toBeGreaterThan(0);
          expect(line).toBeLessThanOrEqual(lines);
          expect(column).toBeGreaterThan(0);
        }
        const outcome = lab.run();
        kinds.add(outcome.kind);
        if (problems.some((problem) => problem.severity === 'error')) {
          expect(outcome.kind).toBe('failed');
        }
      }),
      { numRuns: RUNS },
    );
    expect(kinds.size).toBeGreaterThan(1);
  });

  it('as a watch expression is evaluated or refused', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), halfTyped), (text) => {
        const watch = parseWatch(text);
        if (watch.kind === 'refused') expect(watch.message).not.toBe('');
      }),
      { numRuns: RUNS },
    );
  });
});
