import { describe, expect, it } from 'vitest';
import { failureOf, scriptLab } from '../../support/script-lab.ts';

describe('uncaught errors name the learner’s line', () => {
  it.each([
    [
      'at the top level',
      'const a: number = 1\nnull.x\n',
      "a.ts:2: TypeError: cannot read property 'x' of null",
    ],
    [
      'in a function',
      'function f(x: any) {\n  return x.y.z\n}\nf({})',
      "a.ts:2: TypeError: cannot read property 'z' of undefined",
    ],
    [
      'in a native callback',
      '[1]\n  .map(\n    (x) => x.y.z)',
      "a.ts:3: TypeError: cannot read property 'z' of undefined",
    ],
    [
      'in a class',
      'class A {\n  get v(): number {\n    throw new RangeError("r")\n  }\n}\nnew A().v',
      'a.ts:3: RangeError: r',
    ],
    [
      'in a static block',
      'class A {\n  static {\n    oops()\n  }\n}',
      'a.ts:3: ReferenceError: oops is not defined',
    ],
    [
      'after an await',
      'async function f() {\n  await 1\n  throw new Error("late")\n}\nawait f()',
      'a.ts:3: Error: late',
    ],
    [
      'in a promise job',
      'Promise.resolve().then(() => {\n  throw new Error("job")\n})',
      'a.ts:2: Error: job',
    ],
    [
      'in a generator',
      'function* g() {\n  yield 1\n  oops()\n}\nfor (const x of g());',
      'a.ts:3: ReferenceError: oops is not defined',
    ],
    ['in an unhandled rejection', '\nPromise.reject(new Error("r"))', 'a.ts:2: Error: r'],
    [
      'behind a type that spans lines',
      'type A = {\n  a: 1\n}\nlet x = (null as\n  unknown as A)\nx.a',
      "a.ts:6: TypeError: cannot read property 'a' of null",
    ],
  ])('%s', (_where, source, expected) => {
    expect(failureOf(source)).toBe(expected);
  });

  it('with the column of the source, not of the instrumented text', () => {
    const outcome = scriptLab('const o = { a: 1 };   o.b.c').run();
    expect(outcome).toMatchObject({ kind: 'failed', error: { line: 1, column: 23 } });
  });

  it('in a second module, with the frames of both', () => {
    const outcome = scriptLab({
      'a.ts': 'import { probe } from "./vdcm.ts"\n\nprobe(3)',
      'vdcm.ts':
        'export function probe(n: number) {\n  if (n > 0) {\n    throw new Error("no")\n  }\n}',
    }).run();
    expect(outcome).toMatchObject({
      kind: 'failed',
      error: {
        path: 'vdcm.ts',
        line: 3,
        message: 'Error: no',
        stack: [
          { path: 'vdcm.ts', line: 3, functionName: 'probe' },
          { path: 'a.ts', line: 3, functionName: '(file body)' },
        ],
      },
    });
  });

  it('in the fields of a class, with the frame of the class', () => {
    const source = 'class A {\n  #p = [1].map((x) =>\n    oops(x))\n}\nnew A()';
    expect(scriptLab(source).run()).toMatchObject({
      error: {
        stack: [
          { line: 3, functionName: '(anonymous function)' },
          { line: 2, functionName: '(class body)' },
          { functionName: 'A' },
          { line: 5, functionName: '(file body)' },
        ],
      },
    });
  });

  it('of a thrown value that is not an Error', () => {
    expect(failureOf('function f() {\n  throw "text"\n}\nf()')).toBe('a.ts:2: Thrown: text');
    expect(failureOf('\n\nthrow { code: 1 }')).toBe('a.ts:3: Thrown: an object of class Object');
    expect(failureOf('try {\n  throw 1\n} finally {\n}')).toBe('a.ts:2: Thrown: 1');
  });

  it('where an error class of the learner is made, not in its constructor', () => {
    const source =
      'class E extends Error {\n  constructor(m: string) {\n    super(m)\n    this.name = "E"\n  }\n}\nfunction f() {\n  throw new E("x")\n}\nf()';
    expect(failureOf(source)).toBe('a.ts:8: E: x');
  });

  it('of a host function that fails, at the calling line', () => {
    const outcome = scriptLab('import { demo_busy } from "demo/bus"\n\ndemo_busy()').run();
    expect(outcome).toMatchObject({
      kind: 'failed',
      error: { path: 'a.ts', line: 3, message: 'Error: The device is busy' },
    });
  });

  it('even when the script tampers with Error', () => {
    const source =
      'try { Error.stackTraceLimit = 0 } catch {}\ntry { Error.prepareStackTrace = () => "x" } catch {}\n' +
      'Object.defineProperty(Error.prototype, "stack", { get: () => "lies" })\nconst e = new Error("m")\ne.message\nthrow e';
    expect(failureOf(source)).toMatch(/^a\.ts:\d: Error: m$/);
  });
});

describe('messages', () => {
  it('name what is not a function', () => {
    expect(failureOf('const dev = {}\ndev.reset(1)')).toBe(
      'a.ts:2: TypeError: dev.reset is not a function',
    );
    expect(failureOf('let f\nf()')).toBe('a.ts:2: TypeError: f is not a function');
  });

  it.each([
    ['Date.now()', 'no clock'],
    ['setTimeout(f, 1)', 'no timers'],
    ['process.exit()', 'do not run in Node'],
    ['fetch("x")', 'no network'],
    ['require("fs")', 'import'],
    ['new WeakRef({})', 'memory'],
  ])('explain that %s is not there', (source, words) => {
    const failure = failureOf(source);
    expect(failure).toContain('is not defined');
    expect(failure).toContain(words);
  });

  it('say which await never ends', () => {
    expect(failureOf('const a = 1\nawait new Promise(() => {})\nawait 2')).toBe(
      'a.ts:2: This await never ends: nothing is left to run that could settle its promise',
    );
    expect(
      failureOf({ 'a.ts': 'import "./b.ts"', 'b.ts': '\n\nawait new Promise(() => {})' }),
    ).toContain('b.ts:3: This await never ends');
  });
});

describe('check', () => {
  function problemsOf(source: string | Record<string, string>): readonly string[] {
    return scriptLab(source)
      .runner.check()
      .map((p) => `${p.path}:${String(p.line)} ${p.code}: ${p.message}`);
  }

  it('finds errors that only the engine knows', () => {
    expect(problemsOf('let a\nlet a')).toEqual([
      'a.ts:2 engine-syntax: This name is declared twice',
    ]);
    expect(problemsOf('\nreturn 1')).toEqual([
      'a.ts:2 engine-syntax: return can only stand in a function',
    ]);
    expect(problemsOf('function f() {\n  await 1\n}')).toEqual([
      'a.ts:2 engine-syntax: await can only stand in an async function or at the top level',
    ]);
    expect(problemsOf('for (;;) {}\nbreak')).toHaveLength(1);
  });

  it('finds them in every file, also in those nobody imports', () => {
    const problems = problemsOf({ 'a.ts': 'let x\nlet x', 'b.ts': 'return', 'c.ts': 'export {}' });
    expect(problems.map((text) => text.slice(0, 4))).toEqual(['a.ts', 'b.ts']);
  });

  it('keeps a script with errors from running and answers the first', () => {
    const lab = scriptLab('console.log(1)\nlet a: = 2');
    expect(lab.run()).toMatchObject({ kind: 'failed', error: { path: 'a.ts', line: 2 } });
    expect(lab.messages).toEqual([]);
  });

  it('finds nothing wrong with a good script, and runs nothing', () => {
    const lab = scriptLab(
      'import { demo_write, demo_get_dev } from "demo/bus"\ndemo_write(demo_get_dev(0), 0, 1n)',
    );
    expect(lab.runner.check()).toEqual([]);
    expect(lab.bus.log).toEqual([]);
  });
});
