import { describe, expect, it } from 'vitest';
import { failureOf, outputOf, scriptLab } from '../../support/script-lab.ts';

function problemsOf(source: string | Record<string, string>): readonly string[] {
  return scriptLab(source)
    .runner.check()
    .map((p) => `${p.path}:${String(p.line)}:${String(p.column)} ${p.code} ${p.message}`);
}

describe('imports of other files', () => {
  it.each(['./b.ts', './b', './b.js', '../lib/b.ts'])('resolve %s', (specifier) => {
    const files = {
      'lib/a.ts': `import { v } from '${specifier}'\nconsole.log(v)`,
      'lib/b.ts': 'export const v = 5',
    };
    expect(outputOf(files)).toEqual(['5']);
  });

  it('run a shared file once and share its state', () => {
    const files = {
      'a.ts': 'import { count } from "./c"\nimport "./b"\nconsole.log(count())',
      'b.ts': 'import { count } from "./c"\ncount()',
      'c.ts': 'let n = 0\nconsole.log("once")\nexport const count = () => ++n',
    };
    expect(outputOf(files, { entry: ['a.ts', 'b.ts'] })).toEqual(['once', '2']);
  });

  it('may go round in circles', () => {
    const files = {
      'a.ts': 'import { b } from "./b"\nexport function a() { return 1 }\nconsole.log(b())',
      'b.ts': 'import { a } from "./a"\nexport function b() { return a() + 1 }',
    };
    expect(outputOf(files)).toEqual(['2']);
  });

  it('link imports of types that do not say type', () => {
    const files = {
      'a.ts': 'import { Dev, make } from "./b"\nconst d: Dev = make()\nconsole.log(d)',
      'b.ts': 'export interface Dev { id: number }\nexport const make = (): Dev => ({ id: 1 })',
    };
    expect(outputOf(files)).toEqual(['{ id: 1 }']);
  });

  it('run entries in their order, each with all its jobs', () => {
    const files = {
      'a.ts': 'Promise.resolve().then(() => console.log("a job"))\nconsole.log("a")',
      'b.ts': 'console.log("b")',
    };
    expect(outputOf(files, { entry: ['b.ts', 'a.ts'] })).toEqual(['b', 'a', 'a job']);
    expect(outputOf(files, { entry: ['a.ts', 'b.ts'] })).toEqual(['a', 'a job', 'b']);
  });

  it('stop at the first entry that fails', () => {
    const files = { 'a.ts': 'throw new Error("x")', 'b.ts': 'console.log("b")' };
    const lab = scriptLab(files, { entry: ['a.ts', 'b.ts'] });
    expect(lab.run().kind).toBe('failed');
    expect(lab.texts()).toEqual([]);
  });

  it('work dynamically', () => {
    const files = {
      'a.ts':
        'const m = await import("./b")\nconsole.log(m.v)\nconst bus = await import("demo/bus")\nconsole.log(typeof bus.demo_read)',
      'b.ts': 'export const v = 1',
    };
    expect(outputOf(files)).toEqual(['1', 'function']);
  });
});

describe('wrong imports', () => {
  it('name the closest module', () => {
    expect(problemsOf('import { demo_read } from "demo/bux"\ndemo_read()')).toEqual([
      'a.ts:1:27 unknown-module There is no module demo/bux; did you mean demo/bus?',
    ]);
    expect(problemsOf('import "linux/whatever"')).toEqual([
      'a.ts:1:8 unknown-module There is no module linux/whatever',
    ]);
  });

  it('name the closest file, or the files there are', () => {
    const files = { 'a.ts': 'import "./vdcn"', 'vdcm.ts': '' };
    expect(problemsOf(files)[0]).toContain('There is no file vdcn; did you mean vdcm.ts?');
    const others = { 'a.ts': 'import "./something-else"', 'b.ts': '', 'c.ts': '' };
    expect(problemsOf(others)[0]).toContain('the lab has b.ts, c.ts');
  });

  it('name the closest export', () => {
    expect(problemsOf('import { demo_raed } from "demo/bus"\ndemo_raed()')).toEqual([
      'a.ts:1:10 unknown-export demo/bus does not export demo_raed; did you mean demo_read?',
    ]);
    const files = {
      'a.ts': 'import { opn } from "./b"\nopn()',
      'b.ts': 'export * from "./c"',
      'c.ts': 'export const open = 1',
    };
    expect(problemsOf(files)).toEqual([
      'a.ts:1:10 unknown-export ./b does not export opn; did you mean open?',
    ]);
  });

  it('tell types and default exports from values', () => {
    expect(problemsOf('import { demo_dev } from "demo/bus"\nnew demo_dev()')[0]).toContain(
      'demo_dev is a type in demo/bus and has no value',
    );
    expect(problemsOf('import bus from "demo/bus"\nbus()')[0]).toContain('no default export');
    const files = { 'a.ts': 'import { T } from "./b"\nT()', 'b.ts': 'export type T = 1' };
    expect(problemsOf(files)[0]).toContain('T is a type in ./b');
  });

  it('fail where a dynamic import runs', () => {
    expect(failureOf('const name = "demo/bux"\nawait import(name)')).toContain(
      'There is no module demo/bux; did you mean demo/bus?',
    );
  });
});

describe('the lab’s own modules', () => {
  it('cannot be imported', () => {
    expect(problemsOf('import { h } from "lab:hooks"\nh()')).toEqual([
      'a.ts:1:19 reserved-module lab:hooks belongs to the lab and cannot be imported',
    ]);
    expect(failureOf('const name = "lab:hooks"\nconst m = await import(name)\nm.h()')).toContain(
      'belongs to the lab',
    );
    expect(failureOf('await import("sdk:vdcm/demo/bus".slice(0))')).toContain('There is no module');
  });

  it('leave nothing behind in the global object', () => {
    const names = outputOf(
      'console.log(Object.getOwnPropertyNames(globalThis).filter((n) => /lab|hook|boot|enter/i.test(n)).join())',
    );
    expect(names).toEqual(['']);
  });
});

describe('instances of an SDK module', () => {
  it('know the actor of the file that imports them', () => {
    const write = 'import { demo_write, demo_get_dev } from "demo/bus"\n';
    const lab = scriptLab({
      'a.ts': `${write}import { go } from "./b"\ndemo_write(demo_get_dev(0), 0, 1n)\ngo()`,
      'b.ts': `${write}export const go = () => demo_write(demo_get_dev(1), 4, 2n)`,
    });
    lab.run();
    expect(lab.bus.log).toEqual(['host-driver a.ts:3 write demo0 1', 'vdcm b.ts:2 write demo1 2']);
  });

  it('share host objects', () => {
    const files = {
      'a.ts':
        'import { demo_get_dev } from "demo/bus"\nimport { dev } from "./b"\nconsole.log(dev === demo_get_dev(0))',
      'b.ts': 'import { demo_get_dev } from "demo/bus"\nexport const dev = demo_get_dev(0)',
    };
    expect(outputOf(files)).toEqual(['true']);
  });
});
