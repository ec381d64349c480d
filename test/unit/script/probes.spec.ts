import { describe, expect, it } from 'vitest';
import { transpile } from '../../../src-main/script/transpile.ts';
import { outputOf, scriptLab } from '../../support/script-lab.ts';

/** `line: value` of each probe report. */
function probed(source: string): readonly string[] {
  const lab = scriptLab(source);
  const outcome = lab.run();
  expect(outcome).toEqual({ kind: 'finished' });
  return lab.probes.map((probe) => `${String(probe.line)}: ${probe.text}`);
}

describe('a // ? probe shows', () => {
  it.each([
    ['the value of an expression', '1 + 1 // ?', '2'],
    ['the value of an expression with a semicolon', '"a" + 1; // ?', "'a1'"],
    ['the value that was assigned', 'let x = 0\nx = 5 // ?', '5'],
    ['a declared variable', 'const a: number = 7 // ?', '7'],
    [
      'every variable a statement declares',
      'const a = 1, { b, c: [d] } = { b: 2, c: [3] } // ?',
      '{ a: 1, b: 2, d: 3 }',
    ],
    ['an exported variable', 'export const a = 7n // ?', '7n'],
    ['an awaited value', 'await Promise.resolve(3) // ?', '3'],
    ['the object, not its type', 'const a = { z: 1 } as object // ?', '{ z: 1 }'],
    ['the last statement of a line', 'let x = 1; x = 2; x + 1 // ?', '3'],
    ['the inner statement of a one-line if', 'let x = 0\nif (true) x = 9 // ?', '9'],
    ['a question mark without a space', '4 //?', '4'],
    ['lines that end as on Windows', '4 // ?\r\n', '4'],
  ])('%s', (_what, source, expected) => {
    expect(probed(source).map((line) => line.slice(line.indexOf(' ') + 1))).toEqual([expected]);
  });

  it('returned and thrown values', () => {
    const source =
      'function f(x) {\n  if (x) return x * 2 // ?\n  throw new Error("e") // ?\n}\nf(2)\ntry { f(0) } catch {}';
    expect(probed(source)).toEqual(['2: 4', '3: Error: e']);
  });

  it('conditions, parameters and loop variables where a block opens', () => {
    const source = [
      'function f(a, b) { // ?',
      '  if (a > b) { // ?',
      '    return 1',
      '  }',
      '  return 2',
      '}',
      'f(2, 1)',
      'for (const x of [5, 6]) { // ?',
      '  x',
      '}',
      'for (let i = 0; i < 2; i++) { // ?',
      '}',
      'let n = 1',
      'while (n-- > 0) { // ?',
      '}',
      'try { throw 1 } catch (e) { // ?',
      '}',
      'switch (n) { // ?',
      '}',
    ].join('\n');
    expect(probed(source)).toEqual([
      '1: { a: 2, b: 1 }',
      '2: true',
      '8: 5',
      '8: 6',
      '11: 0',
      '11: 1',
      '14: true',
      '14: false',
      '16: 1',
      '18: -1',
    ]);
  });

  it('parts of an expression that spans lines', () => {
    const source = [
      'const sum = [1, 2, 3]',
      '  .map((x) => x * 2) // ?',
      '  .reduce(',
      '    (a, b) => a + b, // ?',
      '    10 + 1, // ?',
      '  ) // ?',
    ].join('\n');
    expect(probed(source)).toEqual(['2: [2, 4, 6]', '4: [function]', '5: 11', '6: 23']);
  });

  it('the value at that time, each time', () => {
    expect(
      probed('const a = []\nfor (let i = 0; i < 3; i++) {\n  a.push(i) // ?\n  a // ?\n}'),
    ).toEqual(['3: 1', '4: [0]', '3: 2', '4: [0, 1]', '3: 3', '4: [0, 1, 2]']);
  });
});

describe('probe comments', () => {
  it('are found only in line comments', () => {
    const source = 'const a = "// ?"\nconst b = `// ?\n`\n/* \n// ?\n*/\nconst c = /\\/\\/ ?/\n';
    const { probes, problems } = transpile({ path: 'a.ts', source });
    expect(probes).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('without a value are a warning that does not keep the script from running', () => {
    const source =
      '// ?\nlet unset: number // ?\nfunction f() { // ?\n} // ?\nif (1) {} else { // ?\n}\n';
    const lab = scriptLab(source);
    expect(lab.runner.check().map((p) => [p.line, p.severity, p.code])).toEqual(
      [1, 2, 3, 4, 5].map((line) => [line, 'warning', 'probe-without-value']),
    );
    expect(lab.run()).toEqual({ kind: 'finished' });
  });

  it.each([
    [
      'the object of a method call',
      'const o = { v: 3, m() { return this.v } }\nconst r = o.m // ?\n  ()',
    ],
    ['an optional chain', 'const o = undefined\nconst r = o?.a // ?\n  .b.c'],
    ['an assignment target', 'let r\n[\n  r // ?\n] = [3]'],
    ['a counted variable', 'let r = 2\nr // ?\n++\nr'],
  ])('do not change the meaning of %s', (_what, source) => {
    const plain = outputOf(`${source.replaceAll(' // ?', '')}\nconsole.log(r)`);
    expect(outputOf(`${source}\nconsole.log(r)`)).toEqual(plain);
  });
});

describe('a probe that runs often', () => {
  it('reports the first values and the last one', () => {
    const lab = scriptLab('for (let i = 0; i < 1000; i++) {\n  i * 2 // ?\n}', {
      limits: { probeValues: 3 },
    });
    lab.run();
    expect(lab.probes).toEqual([
      { path: 'a.ts', line: 2, text: '0', hits: 1 },
      { path: 'a.ts', line: 2, text: '2', hits: 2 },
      { path: 'a.ts', line: 2, text: '4', hits: 3 },
      { path: 'a.ts', line: 2, text: '1998', hits: 1000 },
    ]);
  });
});
