import { describe, expect, it } from 'vitest';
import { CONSOLE_LIMITS } from '../../../src-main/script/script-console.ts';
import { failureOf, outputOf, scriptLab } from '../../support/script-lab.ts';

function printed(expression: string): string | undefined {
  return outputOf(`console.log(${expression})`)[0];
}

describe('console', () => {
  it('reports level, text, file and line', () => {
    const lab = scriptLab({
      'a.ts': 'import { f } from "./b"\nconsole.log("one", 2)\nf()',
      'b.ts':
        'export function f() {\n  console.info()\n  console.warn("w")\n  console.error([1])\n}',
    });
    lab.run();
    expect(lab.messages).toEqual([
      { level: 'log', text: 'one 2', path: 'a.ts', line: 2 },
      { level: 'info', text: '', path: 'b.ts', line: 2 },
      { level: 'warn', text: 'w', path: 'b.ts', line: 3 },
      { level: 'error', text: '[1]', path: 'b.ts', line: 4 },
    ]);
  });

  it('finds the line through native callers', () => {
    const lab = scriptLab('\n;[1].forEach((x) => [x].map(console.log))');
    lab.run();
    expect(lab.messages[0]?.line).toBe(2);
  });

  it('is a module too', () => {
    expect(outputOf('import { hex, log } from "console"\nlog(hex(255))')).toEqual(['0xff']);
  });

  it.each([
    ['{ a: 1, "b-c": "x", d: undefined }', "{ a: 1, 'b-c': 'x', d: undefined }"],
    ['[1, [2, [3, [4, [5]]]]]', '[1, [2, [3, [...]]]]'],
    ['{ a: { b: { c: { d: 1 } } } }', '{ a: { b: { c: {...} } } }'],
    ['Array(60).fill(0).length, Array(60).fill(7)', `60 [${'7, '.repeat(50)}... 10 more]`],
    ['[, 1]', '[undefined, 1]'],
    ['{ get x() { throw 1 } }', '{ x: [getter] }'],
    [
      '{ f() {}, g: class Foo {}, h: () => 1 }',
      '{ f: [function f], g: [function Foo], h: [function h] }',
    ],
    ['new (class Dev { id = 1 })', 'Dev { id: 1 }'],
    ['Object.create(null)', '{}'],
    [
      'new Map([["k", { v: 1 }]]), new Set([1, "a"])',
      "Map(1) { 'k' => { v: 1 } } Set(2) { 1, 'a' }",
    ],
    ['new RangeError("r"), [new Error("in")]', 'RangeError: r [Error: in]'],
    ['Promise.resolve(1), new Promise(() => {})', 'Promise { 1 } Promise { pending }'],
    ['/a\\/b/gi, Symbol("s"), Symbol.iterator', '/a\\/b/gi Symbol(s) Symbol(Symbol.iterator)'],
    ['new Proxy({}, { ownKeys() { throw 1 }, get() { throw 2 } })', '[proxy]'],
    ['["it\'s", "a\\nb", "q\\"q"]', "['it\\'s', 'a\\nb', 'q\"q']"],
    ['[9n, 10n, -5n, -255n, 0x1234_5678n]', '[9n, 0xan, -5n, -0xffn, 0x1234_5678n]'],
    ['new Uint8Array(40).length, new Uint32Array([1])', '40 Uint32Array(4 bytes) [01 00 00 00]'],
    ['[NaN, -0, 1e21]', '[NaN, -0, 1e+21]'],
  ])('prints %s', (expression, expected) => {
    expect(printed(expression)).toBe(expected);
  });

  it('prints rejected promises without counting them as seen', () => {
    expect(failureOf('console.log(Promise.reject(new Error("r")))')).toContain('Error: r');
  });

  it('runs no code of the script while it prints', () => {
    const source = `let ran = 0
const o = { get a() { ran++ }, toString() { ran++ }, toJSON() { ran++ }, [Symbol.toPrimitive]() { ran++ } }
Map.prototype.entries = () => { ran++ }
Map.prototype[Symbol.iterator] = () => { ran++ }
Object.prototype.toString = () => { ran++ }
console.log(o, new Map([]), new Proxy(o, { get() { ran++ }, getPrototypeOf() { ran++ } }))
console.log(ran)`;
    expect(outputOf(source)[1]).toBe('0');
  });

  it('prints tables', () => {
    const source =
      'console.table([{ rid: "0x10", pasid: 1 }, { rid: "0x20", flags: [1] }, 5])\nconsole.table({ a: { n: 1 } })\nconsole.table([])';
    expect(outputOf(source)).toEqual([
      "   rid     pasid  flags  value\n0  '0x10'  1\n1  '0x20'         [1]\n2                        5",
      '   n\na  1',
      '[]',
    ]);
  });

  it('formats hexadecimal', () => {
    expect(printed('console.hex(0x1234567), console.hex(1n, 8), console.hex(-16)')).toBe(
      '0x123_4567 0x0000_0001 -0x10',
    );
    expect(failureOf('console.hex(1.5)')).toContain(
      'hex: value must be a whole number or a BigInt, found 1.5',
    );
  });
});

describe('a flood of lines', () => {
  const limits = { console: { ...CONSOLE_LIMITS, lines: 3 } };

  it('is cut, and what was cut is said', () => {
    const lab = scriptLab('for (let i = 0; i < 10; i++) console.log(i)', { limits });
    expect(lab.run()).toEqual({ kind: 'finished' });
    expect(lab.texts()).toEqual([
      '0',
      '1',
      '2',
      '7 more lines were printed than the console keeps',
    ]);
  });

  it('is cut by size', () => {
    const small = { console: { lines: 100, characters: 50, lineCharacters: 20 } };
    const lab = scriptLab('for (let i = 0; i < 4; i++) console.log("x".repeat(30))', {
      limits: small,
    });
    lab.run();
    expect(lab.texts()).toEqual([
      `${'x'.repeat(20)}... (10 characters cut)`,
      `${'x'.repeat(20)}... (10 characters cut)`,
      '2 more lines were printed than the console keeps',
    ]);
  });

  it('costs the script little: 50,000 lines are not even formatted', () => {
    const lab = scriptLab(
      'const big = { a: Array(50).fill("x") }\nfor (let i = 0; i < 50000; i++) console.log(big)',
      {
        limits,
      },
    );
    lab.run();
    expect(lab.messages).toHaveLength(4);
    expect(lab.texts()[3]).toContain('49997');
  });
});
