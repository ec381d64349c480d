import { describe, expect, it } from 'vitest';
import { transpile } from '../../../src-main/script/transpile.ts';
import type { TranspiledScript } from '../../../src-main/script/transpile.ts';

function script(source: string): TranspiledScript {
  return transpile({ path: 'a.ts', source });
}

/** `line:column` of each statement that can stop. */
function stops(source: string): readonly string[] {
  return script(source).statements.map((s) => `${String(s.line)}:${String(s.column)}`);
}

describe('line numbers', () => {
  it.each([
    'const a: number = 1\nlet b = 2\nfunction f<T>(x: T):\n  T {\n  return x\n}\n',
    'type A = {\n  x: number\n}\ninterface B {\n  y: string\n}\nconst c = 1 as\n  number\n',
    'for (const x of [1])\n  x\nif (1) 2\nelse 3\n\nclass C<T> {\n  private x?: T\n  m(): void {}\n}',
    'const f = (\n  a: number,\n): number => a\n',
    ['const s = `a\n$', '{1}\nb`\r\nconst t = 1\r\n'].join(''),
  ])('keeps the number of lines of %j', (source) => {
    const lines = (text: string): number => text.split(/\r\n|\n/).length;
    expect(lines(script(source).js)).toBe(lines(source));
  });

  it('keeps each statement on its line', () => {
    const { js } = script('const a = 1\n\nlet b: string = "x"\n  b += a\n');
    const lines = js.split('\n');
    expect(lines[0]).toMatch(/const a = 1$/);
    expect(lines[2]).toMatch(/let b {9}= "x"$/);
    expect(lines[3]).toMatch(/b \+= a$/);
  });

  it('maps columns behind inserted hooks back to the source', () => {
    const source = 'let x = 1; x.y.z\n';
    const { js, positions } = script(source);
    const column = js.split('\n')[0]!.indexOf('x.y.z') + 1;
    expect(positions.positionOfEngine(1, column)).toEqual({ line: 1, column: 12 });
  });

  it('counts engine columns in UTF-8 bytes', () => {
    const source = 'let é = "😀"; é.y\n';
    const { js, positions } = script(source);
    const units = js.split('\n')[0]!.lastIndexOf('é.y');
    const bytes = new TextEncoder().encode(js.slice(0, units)).length;
    expect(positions.positionOfEngine(1, bytes + 1).column).toBe(source.indexOf('é.y') + 1);
  });
});

describe('statements', () => {
  it.each([
    ['await [...a].length;\n{ f() }\nawait b\nc()\n', ['1:1', '2:3', '3:1', '4:1']],
    ['await [...a].x\nf(1)\nawait /x;y;z/.exec("")\ng()\n', ['1:1', '2:1', '3:1', '4:1']],
    ['const x = await\n  f()\ng()\n', ['1:1', '3:1']],
    ['await /a;b;(;c/.test("a");\ng();h();\n', ['1:1', '2:1', '2:5']],
  ])('has each statement of a module with await once: %j', (source, expected) => {
    expect(script(source).problems).toEqual([]);
    expect(stops(source)).toEqual(expected);
  });

  it('names an error behind such an await by its place', () => {
    const problems = script('await [...a].length;\n{ f() }\nconst = 1\nc()\n').problems;
    expect(problems[0]).toMatchObject({ code: 'syntax', line: 3, column: 7 });
  });

  it('hooks statements and leaves declarations of types and functions alone', () => {
    const source = [
      'import { hex } from "console"',
      'type A = number',
      'interface B { x: A }',
      'declare const d: number',
      'let unset: number',
      'function f() {',
      '  return hex(1)',
      '}',
      '"a directive"',
      ';',
      'export const e = f()',
      'export default e',
    ].join('\n');
    expect(stops(source)).toEqual(['7:3', '11:1', '12:1']);
  });

  it('hooks one-line bodies and expression bodies of arrow functions', () => {
    expect(stops('if (a) b\nelse if (c) d\nelse e\n')).toEqual([
      '1:1',
      '1:8',
      '2:6',
      '2:13',
      '3:6',
    ]);
    expect(stops('const f = (x: number) => x * 2\n')).toEqual(['1:1', '1:26']);
  });

  it('hooks loops without a statement in their body, so that they are counted', () => {
    for (const loop of ['for (;;) {}', 'while (1);', 'do {} while (1)', 'for (;;) { { } }']) {
      expect(stops(loop)).toHaveLength(2);
    }
    expect(stops('for (;;) { f() }')).toHaveLength(2);
  });

  it('numbers functions, file body first', () => {
    const { statements, functionCount } = script(
      'a()\nfunction f() { b() }\nclass C { m() { c() } static { d() } }\n',
    );
    const byLine = statements.map((s) => [s.line, s.functionIndex]);
    expect(byLine).toEqual([
      [1, 0],
      [2, 1],
      [3, 0],
      [3, 2],
      [3, 3],
    ]);
    expect(functionCount).toBe(4);
  });

  it('knows the variables in reach of a statement, innermost first', () => {
    const source = [
      'const top = 1',
      'function f(a, { b, c: [d] }, ...rest) {',
      '  const e = 2',
      '  for (const g of rest) {',
      '    try { h() } catch (err) { stop(this) }',
      '  }',
      '}',
    ].join('\n');
    const { statements, moduleNames } = script(source);
    expect(statements.at(-1)?.names).toEqual(['err', 'g', 'e', 'rest', 'b', 'd', 'a', 'this']);
    expect(moduleNames).toEqual(['f', 'top']);
  });

  it('uses names that do not occur in the source', () => {
    const { js } = script('const $_h = 1, $1_ = 2\n$_h + $1_\n');
    expect(js).toContain('$2_h(0');
  });

  it('takes numbers from the caller, so that several files share one numbering', () => {
    const numbers = { firstStatement: 10, firstFunction: 4, firstProbe: 2, moduleIndex: 1 };
    const result = transpile({ path: 'b.ts', source: 'a(); // ?\n(() => b)' }, numbers);
    expect(result.statements.map((s) => [s.id, s.functionIndex])).toEqual([
      [10, 4],
      [11, 4],
      [12, 5],
    ]);
    expect(result.probes).toEqual([{ id: 2, path: 'b.ts', line: 1 }]);
  });
});

describe('imports', () => {
  it('drops names that are used only as types', () => {
    const { js, facts } = script(
      'import { pci_dev, pci_get, type other } from "linux/pci"\nconst d: pci_dev = pci_get()\n',
    );
    expect(js).toMatch(/import \{ +pci_get, +\} from "linux\/pci"/);
    expect(facts.imports[0]?.names.map((name) => name.imported)).toEqual(['pci_get']);
  });

  it.each([
    ['a value in a shorthand property', 'use({ dev })'],
    ['an extended class', 'class A extends dev {}'],
    ['a re-exported name', 'export { dev }'],
    ['typeof a value in an expression', 'typeof dev'],
  ])('keeps %s', (_what, use) => {
    expect(script(`import { dev } from "x"\n${use}\n`).facts.imports[0]?.names).toHaveLength(1);
  });

  it.each([
    ['a type annotation', 'let a: dev'],
    ['a type argument', 'f<dev>()'],
    ['an implemented interface', 'class A implements dev {}'],
    ['a property of the same name', 'a.dev'],
  ])('drops a name that occurs only as %s', (_what, use) => {
    expect(script(`import { dev } from "x"\n${use}\n`).facts.imports[0]?.names).toHaveLength(0);
  });

  it('reads what a file exports', () => {
    const { facts } = script(
      'export const a = 1, { b } = x\nexport function f() {}\nexport class C {}\n' +
        'export type T = 1\nexport { a as z }\nexport * from "./o"\nexport default 1\n',
    );
    expect([...facts.exports].sort()).toEqual(['C', 'a', 'b', 'default', 'f', 'z']);
    expect([...facts.exportedTypes]).toEqual(['T']);
    expect(facts.starExports).toEqual(['./o']);
  });
});

describe('problems', () => {
  function problemsOf(source: string): readonly string[] {
    return script(source).problems.map(
      (p) => `${String(p.line)}:${String(p.column)} ${p.code} ${p.message}`,
    );
  }

  it('reports every syntax error with its place', () => {
    const [first, second] = problemsOf('let a = ;\nlet b = 1\nfoo(1,,2)\n');
    expect(first).toMatch(/^1:9 syntax Expression expected/);
    expect(second).toMatch(/^3:7 syntax /);
  });

  it.each([
    ['enum E { A }', '1:1', 'enum'],
    ['a(); namespace N { export const x = 1 }', '1:6', 'namespace'],
    ['class C { constructor(private x: number) {} }', '1:23', 'Parameter properties'],
    ['import x = require("y")', '1:1', 'import ='],
    ['a(); const y = <number>x', '1:16', '<T>value'],
    ['@dec class C {}', '1:1', 'Decorators'],
    ['export = 1', '1:1', 'export ='],
  ])('refuses %s', (source, place, words) => {
    const problems = problemsOf(`${source}\n`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`${place} unsupported-syntax`);
    expect(problems[0]).toContain(words);
    expect(problems[0]).toContain('not supported in lab scripts');
  });

  it('accepts what can be erased', () => {
    const source = [
      'abstract class A<T> implements B { declare x: T; abstract m(): void; private y!: number }',
      'declare enum E { X }',
      'declare module "m" { const q: number }',
      'function o(a: string): void',
      'function o(a: number): void',
      'function o(this: unknown, a: unknown): asserts a {}',
      'const s = { a: 1 } satisfies object as const',
      'const n = s!.a!',
      'let g = <T,>(x: T) => x',
      'type B = number',
    ].join('\n');
    expect(problemsOf(source)).toEqual([]);
  });
});
