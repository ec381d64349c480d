import { describe, expect, it } from 'vitest';
import type {
  PauseLocation,
  PausePort,
  ResumeCommand,
  ScriptInspector,
} from '../../../src-main/script/pause-port.ts';
import type {
  ScriptOutcome,
  ScriptRunner,
  ScriptRunnerOptions,
} from '../../../src-main/script/script-runner.ts';
import { outputOf, scriptLab } from '../../support/script-lab.ts';

type Decide = (
  location: PauseLocation,
  inspect: ScriptInspector,
  runner: ScriptRunner,
) => ResumeCommand | undefined;

interface Session {
  readonly outcome: ScriptOutcome;
  readonly stops: readonly PauseLocation[];
  /** `reason path:line` of each stop. */
  readonly trail: readonly string[];
  readonly texts: readonly string[];
}

const resume: ResumeCommand = { kind: 'resume' };
const over: ResumeCommand = { kind: 'step', by: 'over' };
const into: ResumeCommand = { kind: 'step', by: 'into' };
const out: ResumeCommand = { kind: 'step', by: 'out' };

/** Runs with a scripted debugger: `decide` answers each stop, `resume` by default. */
function debug(
  source: string | Readonly<Record<string, string>>,
  options: Partial<ScriptRunnerOptions>,
  decide: Decide | readonly ResumeCommand[] = () => resume,
): Session {
  const stops: PauseLocation[] = [];
  const pause: PausePort = {
    pausedAt: (location, inspect) => {
      stops.push(location);
      const answer =
        typeof decide === 'function'
          ? decide(location, inspect, lab.runner)
          : decide[stops.length - 1];
      return answer ?? resume;
    },
  };
  const lab = scriptLab(source, { ...options, ports: { ...options.ports, pause } });
  const outcome = lab.run();
  const trail = stops.map(({ reason, path, line }) => `${reason} ${path}:${String(line)}`);
  return { outcome, stops, trail, texts: lab.texts() };
}

/** Lines of the stops of a stepping session that starts at the first statement. */
function steps(
  source: string,
  commands: readonly ResumeCommand[] | ResumeCommand,
): readonly number[] {
  const decide = 'kind' in commands ? () => commands : commands;
  return debug(source, { pauseAtStatement: 1 }, decide).stops.map((stop) => stop.line);
}

const CALLS = `function inner(n) {
  const twice = n * 2
  return twice
}
function outer(n) {
  const a = inner(n)
  const b = inner(a)
  return b
}
const r = outer(1)
console.log(r)
`;

describe('breakpoints', () => {
  it('stop before their statement, each time it runs', () => {
    const { trail, outcome } = debug(CALLS, { breakpoints: [{ path: 'a.ts', line: 3 }] });
    expect(trail).toEqual(['breakpoint a.ts:3', 'breakpoint a.ts:3']);
    expect(outcome).toEqual({ kind: 'finished' });
  });

  it('snap to the next statement, or answer null', () => {
    const lab = scriptLab('// comment\n\nconst a = [\n  1,\n]\nfunction f() {\n}\nf()\n// end');
    const lines = [1, 3, 4, 6, 8, 9].map((line) => ({ path: 'a.ts', line }));
    expect(lab.runner.setBreakpoints([...lines, { path: 'b.ts', line: 1 }])).toEqual([
      3,
      3,
      8,
      8,
      8,
      null,
      null,
    ]);
  });

  it('stop at the first of several statements on a line', () => {
    const { stops } = debug('let a = 1; a = 2; a = 3', {
      breakpoints: [{ path: 'a.ts', line: 1 }],
    });
    expect(stops.map((stop) => stop.column)).toEqual([1]);
  });

  it('stop in every file, and say whose', () => {
    const files = {
      'a.ts': 'import { f } from "./b"\nf()',
      'b.ts': 'export function f() {\n  return 1\n}',
    };
    const { stops } = debug(files, {
      breakpoints: [
        { path: 'b.ts', line: 2 },
        { path: 'a.ts', line: 1 },
      ],
    });
    expect(stops.map((s) => [s.path, s.line, s.actor])).toEqual([
      ['a.ts', 2, 'host-driver'],
      ['b.ts', 2, 'vdcm'],
    ]);
  });

  it('can be set and cleared while the script is paused', () => {
    const source = 'for (let i = 0; i < 50; i++) {\n  const a = i\n  const b = a\n}\nconst c = 1';
    const { trail } = debug(
      source,
      { breakpoints: [{ path: 'a.ts', line: 2 }] },
      (_at, _i, runner) => {
        runner.setBreakpoints([{ path: 'a.ts', line: 5 }]);
        return resume;
      },
    );
    expect(trail).toEqual(['breakpoint a.ts:2', 'breakpoint a.ts:5']);
  });

  it('set while paused in a loop are met in the same round', () => {
    const source =
      'for (let i = 0; i < 50; i++) {\n  f(i)\n}\nfunction f(i) {\n  const a = i\n  return a\n}';
    const seen: string[] = [];
    debug(source, {}, undefined);
    const { stops } = debug(
      source,
      { breakpoints: [{ path: 'a.ts', line: 2, condition: 'i === 20' }] },
      (at, inspect, runner) => {
        seen.push(`${String(at.line)} i=${inspect.evaluate('i').text}`);
        runner.setBreakpoints(at.line === 2 ? [{ path: 'a.ts', line: 6 }] : []);
        return resume;
      },
    );
    expect(stops).toHaveLength(2);
    expect(seen).toEqual(['2 i=20', '6 i=20']);
  });

  it('can be set while the script runs, from a tick', () => {
    let isSet = false;
    const lab = scriptLab('let n = 0\nfor (;;) {\n  n = n + 1\n}', {
      ports: {
        onTick: () => {
          if (!isSet) lab.runner.setBreakpoints([{ path: 'a.ts', line: 3 }]);
          isSet = true;
        },
        pause: { pausedAt: () => ({ kind: 'stop' }) },
      },
    });
    expect(lab.run()).toMatchObject({ kind: 'stopped', at: { line: 3 } });
  });

  it('with a condition stop where it holds', () => {
    const { stops } = debug('for (let i = 0; i < 100; i++) {\n  const x = i * i\n}', {
      breakpoints: [{ path: 'a.ts', line: 2, condition: 'i % 40 === 39' }],
    });
    expect(stops.map((stop) => stop.ordinal)).toEqual([41, 81]);
  });

  it('with a condition that cannot be evaluated stop', () => {
    const { stops } = debug('let a = 1\na = 2', {
      breakpoints: [{ path: 'a.ts', line: 2, condition: 'nonsense.x' }],
    });
    expect(stops).toHaveLength(1);
  });

  it('may stand in the text as debugger statements', () => {
    const source = 'function f(x) {\n  debugger\n  return x\n}\nfor (let i = 0; i < 40; i++) f(i)';
    const { trail } = debug(source, {});
    expect(trail).toEqual(Array(40).fill('breakpoint a.ts:2'));
  });

  it('work in callbacks from the host and in promise jobs', () => {
    const source =
      'import { demo_for_each } from "demo/bus"\ndemo_for_each((dev) => {\n  dev.name\n})\nawait 1\nPromise.resolve().then(() => {\n  1\n})';
    const { trail } = debug(source, {
      breakpoints: [3, 7].map((line) => ({ path: 'a.ts', line })),
    });
    expect(trail).toEqual(['breakpoint a.ts:3', 'breakpoint a.ts:3', 'breakpoint a.ts:7']);
  });
});

describe('stepping', () => {
  it('over stays in the function and above', () => {
    expect(steps(CALLS, over)).toEqual([10, 11]);
    expect(
      debug(CALLS, { breakpoints: [{ path: 'a.ts', line: 6 }] }, () => over).stops.map(
        (s) => s.line,
      ),
    ).toEqual([6, 7, 8, 11]);
  });

  it('into enters calls', () => {
    expect(steps(CALLS, into)).toEqual([10, 6, 2, 3, 7, 2, 3, 8, 11]);
  });

  it('out leaves the function', () => {
    expect(steps(CALLS, [into, into, out, out, over])).toEqual([10, 6, 2, 7, 11]);
  });

  it('over a call still meets breakpoints inside', () => {
    const { trail } = debug(
      CALLS,
      { pauseAtStatement: 1, breakpoints: [{ path: 'a.ts', line: 3 }] },
      [over, resume],
    );
    expect(trail).toEqual(['start a.ts:10', 'breakpoint a.ts:3', 'breakpoint a.ts:3']);
  });

  it('over a recursive call stops in the caller, not in the callee', () => {
    const source =
      'function f(n) {\n  if (n === 0) return 0\n  const r = f(n - 1)\n  return r + 1\n}\nf(3)';
    const { stops } = debug(
      source,
      { breakpoints: [{ path: 'a.ts', line: 3, condition: 'n === 3' }] },
      (at, inspect) =>
        at.line === 3 ? over : inspect.evaluate('n').text === '3' ? resume : { kind: 'stop' },
    );
    expect(stops.map((s) => s.line)).toEqual([3, 4]);
  });

  it('over a loop goes round by round', () => {
    expect(steps('let n = 0\nfor (let i = 0; i < 3; i++) {\n  n += i\n}\nn = 9', over)).toEqual([
      1, 2, 3, 3, 3, 5,
    ]);
  });

  it('goes through native callers', () => {
    const source = 'const a = [1, 2]\n  .map((x) => {\n    return x * 2\n  })\nconst b = a';
    expect(steps(source, into)).toEqual([1, 3, 3, 5]);
    expect(steps(source, over)).toEqual([1, 5]);
  });

  it('enters expression bodies of arrow functions', () => {
    expect(steps('const f = (x) =>\n  x * 2\nf(1)', into)).toEqual([1, 3, 2]);
  });

  it('steps through generators', () => {
    const source =
      'function* g() {\n  yield 1\n  yield 2\n}\nfor (const x of g()) {\n  x\n}\nconst z = 0';
    expect(steps(source, into)).toEqual([5, 2, 6, 3, 6, 8]);
    expect(steps(source, over)).toEqual([5, 6, 6, 8]);
  });

  it('over an await comes back to the same function', () => {
    const source = `async function other() {
  await null
  const noise = 1
}
async function main() {
  other()
  await Promise.resolve()
  const after = 2
  return after
}
await main()
const end = 1`;
    const { stops } = debug(source, { breakpoints: [{ path: 'a.ts', line: 7 }] }, () => over);
    expect(stops.map((s) => s.line)).toEqual([7, 8, 9, 12]);
  });

  it('goes through try, catch and finally', () => {
    const source =
      'try {\n  throw new Error("x")\n} catch (e) {\n  e\n} finally {\n  1\n}\nconst z = 1';
    expect(steps(source, over)).toEqual([2, 4, 6, 8]);
  });

  it('runs to a line', () => {
    const { trail } = debug(CALLS, { pauseAtStatement: 1 }, [
      { kind: 'run-to', path: 'a.ts', line: 3 },
    ]);
    expect(trail).toEqual(['start a.ts:10', 'run-to a.ts:3']);
  });
});

describe('pause and stop', () => {
  it('pause a running script at its next statement', () => {
    let ticks = 0;
    const lab = scriptLab('let n = 0\nfor (;;) n++', {
      ports: {
        onTick: () => {
          ticks += 1;
          if (ticks === 3) lab.runner.requestPause();
        },
        pause: {
          pausedAt: (location, inspect) => {
            expect(location).toMatchObject({ reason: 'pause', line: 2 });
            expect(Number(inspect.evaluate('n').text)).toBeGreaterThan(0);
            return { kind: 'stop' };
          },
        },
      },
    });
    expect(lab.run()).toMatchObject({ kind: 'stopped', reason: 'stop', at: { line: 2 } });
  });

  it('stop a paused script that swallows exceptions', () => {
    const source =
      'for (;;) {\n  try {\n    f()\n  } catch {\n    console.log("caught")\n  } finally {\n    console.log("finally")\n  }\n}\nfunction f() {\n  return 1\n}';
    const { outcome, texts } = debug(source, { breakpoints: [{ path: 'a.ts', line: 11 }] }, () => ({
      kind: 'stop',
    }));
    expect(outcome).toEqual({
      kind: 'stopped',
      reason: 'stop',
      at: { path: 'a.ts', line: 11, column: 3 },
    });
    expect(texts).toEqual([]);
  });
});

describe('ordinals', () => {
  const source =
    'let s = 0\nfor (let i = 0; i < 200; i++) {\n  s += i\n  g(s)\n}\nfunction g(x) {\n  return x\n}\nconsole.log(s)';

  it('count statements exactly, however they were run', () => {
    const total = scriptLab(source);
    total.run();
    expect(total.runner.statementCount).toBe(3 + 200 * 3);
    const { stops } = debug(source, { pauseAtStatement: 1 }, () => into);
    expect(stops.map((stop) => stop.ordinal)).toEqual(stops.map((_, index) => index + 1));
    expect(stops).toHaveLength(603);
  });

  it('lead back to the same statement in another run', () => {
    const { stops } = debug(source, { pauseAtStatement: 1 }, () => into);
    for (const ordinal of [1, 2, 17, 100, 355, 602, 603]) {
      const again = debug(source, { pauseAtStatement: ordinal }).stops[0];
      const { reason: _, ...place } = stops[ordinal - 1]!;
      expect(again).toMatchObject(place);
    }
  });

  it('are the same with and without breakpoints and watches', () => {
    const plain = debug(source, { pauseAtStatement: 300 }).stops[0];
    const { stops } = debug(
      source,
      { pauseAtStatement: 300, breakpoints: [{ path: 'a.ts', line: 3, condition: 'g(i) === 40' }] },
      (_at, inspect) => {
        inspect.evaluate('g(1) + g(2)');
        inspect.variables();
        return resume;
      },
    );
    expect(stops.map((stop) => stop.reason)).toEqual(['breakpoint', 'run-to']);
    expect(stops[1]).toEqual(plain);
  });
});

describe('a paused script', () => {
  function inspectAt<T>(source: string, line: number, look: (inspect: ScriptInspector) => T): T {
    let result: { readonly value: T } | undefined;
    debug(source, { breakpoints: [{ path: 'a.ts', line }] }, (_at, inspect) => {
      result ??= { value: look(inspect) };
      return resume;
    });
    if (result === undefined) throw new Error('The breakpoint was not met');
    return result.value;
  }

  it('shows its variables, innermost first', () => {
    const source = `import { hex } from 'console'
const top = 1n
function f(a, { b }) {
  const c = [a, b]
  for (const d of c) {
    stop(d)
  }
}
let later
try { f('x', { b: { z: 1 } }) } catch {}
hex(1)
`;
    expect(inspectAt(source, 6, (inspect) => inspect.variables())).toEqual([
      { name: 'd', value: "'x'", scope: 'local' },
      { name: 'c', value: "['x', { z: 1 }]", scope: 'local' },
      { name: 'b', value: '{ z: 1 }', scope: 'local' },
      { name: 'a', value: "'x'", scope: 'local' },
      { name: 'later', value: 'undefined', scope: 'module' },
      { name: 'f', value: '[function f]', scope: 'module' },
      { name: 'top', value: '1n', scope: 'module' },
      { name: 'hex', value: '[function hex]', scope: 'module' },
    ]);
  });

  it('shows variables before their initialisation as unset', () => {
    const source = 'f()\nconst late = 1\nfunction f() {\n  return 1\n}';
    const variables = inspectAt(source, 4, (inspect) => inspect.variables());
    expect(variables).toContainEqual({ name: 'late', value: undefined, scope: 'module' });
    expect(inspectAt(source, 4, (inspect) => inspect.evaluate('late + 1'))).toEqual({
      text: 'late is not initialised yet',
      isError: true,
    });
  });

  it('shows this in methods', () => {
    const source = 'class Dev {\n  id = 7\n  m() {\n    return this.id\n  }\n}\nnew Dev().m()';
    expect(inspectAt(source, 4, (inspect) => inspect.evaluate('this.id + 1').text)).toBe('8');
    expect(inspectAt(source, 4, (inspect) => inspect.variables()[0])).toEqual({
      name: 'this',
      value: 'Dev { id: 7 }',
      scope: 'local',
    });
  });

  it('shows host objects', () => {
    const source = 'import { demo_get_dev } from "demo/bus"\nconst dev = demo_get_dev(0)\ndev.name';
    expect(inspectAt(source, 3, (inspect) => inspect.evaluate('dev').text)).toBe(
      "struct demo_dev { name: 'demo0', vendor: 0x8086, bar: 0xf000_0000n }",
    );
  });

  it('shows its stack', () => {
    const files =
      'function inner() {\n  return 1\n}\nconst outer = () => {\n  return [0].map(() => inner())\n}\nouter()';
    expect(inspectAt(files, 2, (inspect) => inspect.stack())).toMatchObject([
      { functionName: 'inner', path: 'a.ts', line: 2 },
      { functionName: '(anonymous function)', line: 5 },
      { functionName: 'outer', line: 5 },
      { functionName: '(file body)', line: 7 },
    ]);
  });

  it.each([
    ['total * 100 + 1', '301', false],
    ['{ a: total }', '{ a: 3 }', false],
    ['xs.map((x) => x + total)', '[4, 5]', false],
    ['total as number satisfies number', '3', false],
    ['twice(total)', '6', false],
    ['`${total}!` // comment', "'3!'", false],
    ['typeof nothing', "'undefined'", false],
    ['nothing', 'ReferenceError: nothing is not defined', true],
    ['null.x', "TypeError: cannot read property 'x' of null", true],
    ['total = 5', 'A watch can only read, not assign', true],
    ['xs[0]++', 'A watch can only read, not count up or down', true],
    ['delete xs[0]', 'A watch can only read, not delete', true],
    ['await total', 'A watch cannot wait', true],
    ['1; 2', "')' expected.", true],
    ['', 'Write an expression to watch', true],
    ['(', 'Expression expected.', true],
    ['(() => { for (;;) {} })()', 'The watch takes too long', true],
    ['demo_read(dev, 0)', '0n', false],
    [
      'demo_write(dev, 0, 1n)',
      'TypeError: demo_write changes the machine; a watch can only read',
      true,
    ],
    ['dev.bar', '0xf000_0000n', false],
    ['dev.enable()', 'TypeError: enable changes the machine; a watch can only read', true],
    ['console.log(1)', 'TypeError: log changes the machine; a watch can only read', true],
  ])('evaluates the watch %s', (expression, text, isError) => {
    const source = `import { demo_get_dev, demo_read, demo_write } from "demo/bus"
const dev = demo_get_dev(0)
demo_read(dev, 0); demo_write(dev, 0, 0n)
function twice(n) { return n * 2 }
function f() {
  const total = 3, xs = [1, 2]
  return total + twice(xs[0])
}
f()`;
    expect(inspectAt(source, 7, (inspect) => inspect.evaluate(expression))).toEqual({
      text,
      isError,
    });
  });

  it('goes on as if nobody had looked', () => {
    const source =
      'let n = 0\nfunction count() {\n  n++\n  return n\n}\nfor (let i = 0; i < 40; i++) {\n  count()\n}\nconsole.log(n, Math.random())';
    const plain = outputOf(source);
    const { texts } = debug(
      source,
      { breakpoints: [{ path: 'a.ts', line: 7 }] },
      (_at, inspect) => {
        inspect.evaluate('[1, 2, 3].map((x) => x + i)');
        inspect.variables();
        inspect.stack();
        return over;
      },
    );
    expect(texts).toEqual(plain);
  });

  it('reports statements to a port that wants them all', () => {
    const lines: number[] = [];
    scriptLab('let a = 1\nfor (let i = 0; i < 2; i++) {\n  a += i\n}', {
      ports: { onStatement: (statement) => lines.push(statement.line) },
    }).run();
    expect(lines).toEqual([1, 2, 3, 3]);
  });
});
