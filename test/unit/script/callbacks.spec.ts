import { describe, expect, it } from 'vitest';
import { failureOf, outputOf, scriptLab } from '../../support/script-lab.ts';

const bus =
  'import { demo_register_ops, demo_fire, demo_for_each, demo_catch, demo_same, demo_echo, demo_get_dev, demo_busy } from "demo/bus"\n';

describe('functions given to the host', () => {
  it('are called while the host call is in progress', () => {
    const source = `${bus}demo_for_each((dev) => console.log(dev.name, dev === demo_get_dev(dev.vendor === 0x8086 ? 0 : 1)))
console.log("after")`;
    expect(outputOf(source)).toEqual(['demo0 true', 'demo1 true', 'after']);
  });

  it('may call the host, which calls them again', () => {
    const source = `${bus}let depth = 0
function visit() {
  depth++
  if (depth < 5) demo_for_each(visit)
}
demo_for_each(visit)
console.log(depth)`;
    expect(outputOf(source)).toEqual(['10']);
  });

  it('return values', () => {
    const source = `${bus}demo_register_ops({ open: (dev) => ({ rc: -16, dev }) })
const r = demo_fire("open")
console.log(r.rc, r.dev === demo_get_dev(0))`;
    expect(outputOf(source)).toEqual(['-16 true']);
  });

  it('keep their op table as this', () => {
    const source = `${bus}const ops = { opened: 0, open() { this.opened++; return this.opened }, close: () => "closed" }
demo_register_ops(ops)
demo_fire("open")
console.log(demo_fire("open"), ops.opened, demo_fire("close"))`;
    expect(outputOf(source)).toEqual(['2 2 closed']);
  });

  it('are the same function each time', () => {
    const source = `${bus}const f = () => {}
console.log(demo_same(f, f), demo_same(f, () => {}), demo_echo(f) === f)`;
    expect(outputOf(source)).toEqual(['true false true']);
  });

  it('cannot be asynchronous', () => {
    const source = `${bus}demo_register_ops({ open: async () => 0 })\ndemo_fire("open")`;
    expect(failureOf(source)).toContain('the result of open cannot be a promise');
  });
});

describe('errors in callbacks', () => {
  it('name the learner’s line and both frames', () => {
    const outcome = scriptLab(`${bus}demo_for_each((dev) => {\n  dev.missing.x\n})`).run();
    expect(outcome).toMatchObject({
      kind: 'failed',
      error: {
        path: 'a.ts',
        line: 3,
        stack: [{ line: 3 }, { line: 2, functionName: '(file body)' }],
      },
    });
  });

  it('reach the script as the same object', () => {
    const source = `${bus}const mine = new Error("mine")
try { demo_for_each(() => { throw mine }) } catch (e) { console.log(e === mine) }
try { demo_for_each(() => { throw 7 }) } catch (e) { console.log(e) }`;
    expect(outputOf(source)).toEqual(['true', '7']);
  });

  it('can be handled by the host', () => {
    const source = `${bus}console.log(demo_catch(() => null.x), demo_catch(() => {}), demo_catch(() => demo_busy()))`;
    expect(outputOf(source)).toEqual([
      "TypeError: cannot read property 'x' of null nothing Error: The device is busy",
    ]);
  });

  it('of endless mutual recursion end as a RangeError', () => {
    const source = `${bus}const f = () => demo_for_each(f)\nf()`;
    expect(failureOf(source)).toMatch(/RangeError: (Calls between|Maximum call stack)/);
  });

  it('of deep recursion on both sides end as a RangeError', () => {
    const source = `${bus}function deep(n) { return n === 0 ? demo_for_each(() => deep(20)) : deep(n - 1) }\ndeep(20)`;
    expect(failureOf(source)).toMatch(/RangeError: (Calls between|Maximum call stack)/);
  });
});

describe('after the run', () => {
  it('the host may still call functions the script handed over', () => {
    const lab = scriptLab(
      `${bus}let n = 0\ndemo_register_ops({ open: () => { n++; Promise.resolve().then(() => console.log("job", n)); return n } })`,
    );
    expect(lab.run()).toEqual({ kind: 'finished' });
    let result: unknown;
    expect(
      lab.runner.enter(() => {
        result = lab.bus.lastFunction?.call();
      }),
    ).toEqual({ kind: 'finished' });
    expect(result).toBe(1);
    expect(lab.texts()).toEqual(['job 1']);
  });

  it('errors there have the learner’s line too', () => {
    const lab = scriptLab(
      `${bus}demo_register_ops({\n  open: () => {\n    throw new Error("late")\n  },\n})`,
    );
    lab.run();
    expect(lab.runner.enter(() => void lab.bus.lastFunction?.call())).toMatchObject({
      kind: 'failed',
      error: { line: 4, message: 'Error: late' },
    });
  });

  it('a stopped script cannot be entered', () => {
    const lab = scriptLab('for (;;) {}', { limits: { statements: 10 } });
    lab.run();
    expect(() => lab.runner.enter(() => undefined)).toThrow('cannot be entered again');
  });
});
