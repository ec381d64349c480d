/**
 * Scripts that try not to end. Each must end by its budget, by the memory limit, as an error, or by a stop request, which
 * the tests make after a number of polls instead of a time.
 */
import { describe, expect, it } from 'vitest';
import type { ScriptOutcome } from '../../../src-main/script/script-runner.ts';
import { defineSdkModule } from '../../../src-main/script/sdk/sdk-module.ts';
import { outputOf, scriptLab } from '../../support/script-lab.ts';

/** Asks the script to stop at the n-th poll. */
function stoppedAfter(polls: number, source: string): ScriptOutcome {
  let left = polls;
  const lab = scriptLab(source, {
    ports: {
      shouldStop: () => {
        left -= 1;
        return left < 0;
      },
    },
  });
  return lab.run();
}

const endless: readonly (readonly [string, string])[] = [
  ['an empty loop', 'for (;;) {}'],
  ['a loop without a body', 'while (true);'],
  ['a loop in a try', 'try { for (;;) {} } catch {}'],
  ['a loop in a try in a loop', 'for (;;) { try { for (;;) {} } catch {} finally {} }'],
  ['a catch that goes on', 'function f() { try { f() } catch { f() } finally { f() } } f()'],
  ['a catastrophic regular expression', 'for (;;) /^(a+)+$/.test("a".repeat(40) + "b")'],
  ['a sort whose comparison never ends', '[3, 1, 2].sort(() => { for (;;) {} })'],
  ['nested callbacks', 'const f = () => [1, 2].map(() => f()); for (;;) try { f() } catch {}'],
  ['a generator', 'function* g() { for (;;) yield 1 } for (const x of g()) x'],
  ['a promise loop', 'const f = () => { Promise.resolve().then(f) }; f()'],
  ['an async loop', 'for (;;) await 1'],
  ['an await in a try', 'for (;;) { try { await Promise.reject(1) } catch {} }'],
  ['a getter that never ends', 'const o = { get x() { for (;;) {} } }; o.x'],
  ['a proxy that never ends', 'const p = new Proxy({}, { get() { for (;;) {} } }); p.x'],
  ['toJSON that never ends', 'JSON.stringify({ toJSON() { for (;;) {} } })'],
  ['code made from text', 'new Function("for (;;) {}")()'],
  ['indirect eval', '(0, eval)("for (;;) {}")'],
  ['a class field', 'class A { x = (() => { for (;;) {} })() } new A()'],
  [
    'a loop in the host’s callback',
    'import { demo_for_each } from "demo/bus"\ndemo_for_each(() => { for (;;) {} })',
  ],
  [
    'a host callback that catches',
    'import { demo_catch } from "demo/bus"\nfor (;;) demo_catch(() => { for (;;) {} })',
  ],
  ['native scans over a large array', 'const a = new Uint8Array(1_000_000); for (;;) a.indexOf(1)'],
];

describe('a stop request ends', () => {
  it.each(endless)('%s', (_what, source) => {
    expect(stoppedAfter(20, source)).toMatchObject({ kind: 'stopped', reason: 'stop' });
  });

  it('a script without running its catch and finally blocks', () => {
    const lab = scriptLab(
      'try { for (;;) {} } catch { console.log(1) } finally { console.log(2) }',
      {
        ports: { shouldStop: () => true },
      },
    );
    expect(lab.run()).toMatchObject({ kind: 'stopped', reason: 'stop' });
    expect(lab.texts()).toEqual([]);
  });

  it('a script where it was', () => {
    let polls = 0;
    const outcome = scriptLab('let a = 1\n\nfor (;;) {\n  a = a + 1\n}', {
      ports: { shouldStop: () => ++polls > 50 },
    }).run();
    expect(outcome).toMatchObject({ kind: 'stopped', at: { path: 'a.ts', line: 4 } });
  });

  it('a script before its first statement', () => {
    const lab = scriptLab('console.log(1)', { ports: { shouldStop: () => true } });
    expect(lab.run()).toMatchObject({ kind: 'stopped' });
    expect(lab.messages).toEqual([]);
  });

  it('nothing when the script is already done', () => {
    expect(stoppedAfter(1_000, 'let a = 1')).toEqual({ kind: 'finished' });
  });
});

describe('host work that takes long', () => {
  it('ends its script on a stop request', () => {
    let polls = 0;
    const module = defineSdkModule({
      name: 'long',
      types: '',
      functions: {
        wait: (call) => {
          for (;;) call.checkStop();
        },
      },
    });
    const lab = scriptLab(
      'import { wait } from "long"\ntry { wait() } finally { console.log(1) }',
      {
        modules: [module],
        ports: { shouldStop: () => ++polls > 100 },
      },
    );
    expect(lab.run()).toMatchObject({ kind: 'stopped', reason: 'stop', at: { line: 2 } });
    expect(lab.texts()).toEqual([]);
  });
});

describe('a script that leaves the work to the host', () => {
  it('lets the host have a turn between calls, and stops there', () => {
    let isAsked = false;
    let calls = 0;
    const module = defineSdkModule({
      name: 'slow',
      types: '',
      functions: {
        boot: () => {
          calls += 1;
        },
      },
    });
    const lab = scriptLab('import { boot } from "slow"\nboot(); boot(); boot(); boot()', {
      modules: [module],
      ports: {
        onCall: () => {
          isAsked = calls === 2;
        },
        shouldStop: () => isAsked,
      },
    });
    expect(lab.run()).toMatchObject({ kind: 'stopped', reason: 'stop', at: { line: 2 } });
    expect(calls).toBe(2);
  });
});

describe('the statement budget ends', () => {
  it.each(endless.filter(([what]) => !what.includes('text') && !what.includes('eval')))(
    '%s',
    (_what, source) => {
      const outcome = scriptLab(source, { limits: { statements: 2_000 } }).run();
      expect(['stopped', 'failed']).toContain(outcome.kind);
      if (outcome.kind === 'stopped') expect(outcome.reason).toBe('statement-budget');
    },
  );

  it('code it cannot count, by the engine’s polls', () => {
    const outcome = scriptLab('new Function("for (;;) {}")()', {
      limits: { statements: 100 },
    }).run();
    expect(outcome).toMatchObject({ kind: 'stopped', reason: 'statement-budget' });
  });

  it('to the statement', () => {
    const count = (statements: number): readonly string[] => {
      const lab = scriptLab('for (;;) {\n  console.log("x")\n}', { limits: { statements } });
      lab.run();
      expect(lab.runner.statementCount).toBe(statements);
      return lab.texts();
    };
    expect(count(1)).toHaveLength(0);
    expect(count(2)).toHaveLength(1);
    expect(count(500)).toHaveLength(499);
    const outcome = scriptLab('let a = 0\na = 1\na = 2', { limits: { statements: 3 } }).run();
    expect(outcome).toEqual({ kind: 'finished' });
  });
});

describe('the memory limit', () => {
  it.each([
    ['small objects', 'const a = []; for (;;) a.push({ a: 1 })'],
    ['byte arrays', 'const a = []; for (;;) a.push(new Uint8Array(100_000))'],
    [
      'a doubled string',
      'let s = "x".repeat(100); for (;;) { s += s; s.charCodeAt(s.length - 1) }',
    ],
    ['a large array', 'new Array(1e9).fill(0)'],
    ['a BigInt', 'let b = 2n; for (;;) b = b * b'],
    ['closures', 'const a = []; for (;;) a.push(() => a)'],
    ['deep JSON', 'let s = "1"; for (;;) s = `[${s},${s}]`; JSON.parse(s)'],
    ['a map', 'const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })'],
  ])('ends a script that fills it with %s', (_what, source) => {
    const outcome = scriptLab(source, { limits: { memoryBytes: 8 << 20 } }).run();
    if (outcome.kind === 'failed') {
      expect(outcome.error.message).toMatch(/RangeError/);
      return;
    }
    expect(outcome).toMatchObject({
      kind: 'stopped',
      reason: 'memory',
      at: { path: 'a.ts', line: 1 },
    });
  });

  it('can be met and survived', () => {
    const source =
      'let kept = 0\ntry { const a = []; for (;;) { a.push(new Uint8Array(1_000_000)); kept++ } } catch (e) { console.log(String(e), kept > 3) }';
    expect(outputOf(source)).toEqual(['InternalError: out of memory true']);
  });

  it('holds when the script asks the host while it is full', () => {
    const source = `import { demo_echo } from "demo/bus"
const a = []
for (;;) {
  try { a.push(new Uint8Array(10_000)) } catch { try { a.push("y".repeat(50)) } catch { demo_echo({ a: "x".repeat(5_000) }) } }
}`;
    const outcome = scriptLab(source, {
      limits: { memoryBytes: 4 << 20, statements: 200_000 },
    }).run();
    expect(outcome.kind).toBe('stopped');
  });
});

describe('the stack', () => {
  it.each([
    ['recursion', 'function f() { f() }\nf()'],
    ['recursion through a native function', 'function f() { [1].map(f) }\nf()'],
    ['recursion through a getter', 'const o = { get x() { return o.x } }\no.x'],
    ['recursion in toString', 'const o = { toString: () => String(o) }\nString(o)'],
    [
      'deep nesting of arrays',
      'let a = []; for (let i = 0; i < 1e5; i++) a = [a]\nJSON.stringify(a)',
    ],
    ['a deep regular expression', 'new RegExp("(".repeat(5e4) + ")".repeat(5e4))'],
  ])('ends %s as an error of the script', (_what, source) => {
    const line = source.split('\n').length;
    const outcome = scriptLab(source).run();
    expect(outcome).toMatchObject({ kind: 'failed', error: { path: 'a.ts' } });
    if (source.startsWith('let')) expect(outcome).toMatchObject({ error: { line } });
  });

  it('can be used up and survived', () => {
    const source =
      'let n = 0\nfunction f() { n++; f() }\ntry { f() } catch (e) { console.log(e instanceof RangeError, n > 200) }';
    expect(outputOf(source)).toEqual(['true true']);
  });
});

describe('the sandbox', () => {
  it('has no way out', () => {
    const names = [
      'process',
      'require',
      'global',
      'WebAssembly',
      'fetch',
      'XMLHttpRequest',
      'Worker',
      'setTimeout',
      'Date',
      'performance',
      'crypto',
      'SharedArrayBuffer',
      'Atomics',
      'WeakRef',
      'FinalizationRegistry',
      'std',
      'os',
      'Deno',
      'Bun',
    ];
    expect(
      outputOf(
        `console.log([${names.map((name) => `typeof ${name}`).join()}].every((t) => t === "undefined"))`,
      ),
    ).toEqual(['true']);
    expect(
      outputOf('console.log(typeof (() => {}).constructor("return this")().process, typeof this)'),
    ).toEqual(['undefined undefined']);
  });

  it('shows no path or stack of the host', () => {
    const source = `import { demo_busy, demo_read } from "demo/bus"
for (const f of [demo_busy, () => demo_read(1)]) try { f() } catch (e) { console.log(/node|\\/src|file:/.test(e.stack + e.message)) }`;
    expect(outputOf(source)).toEqual(['false', 'false']);
  });
});
