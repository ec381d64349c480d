import { describe, expect, it } from 'vitest';
import { defineSdkModule } from '../../../src-main/script/sdk/sdk-module.ts';
import type { ScriptValue } from '../../../src-main/script/sdk/sdk-module.ts';
import { failureOf, outputOf, scriptLab } from '../../support/script-lab.ts';

const bus =
  'import { demo_echo, demo_get_dev, demo_get_bus, demo_get_cookie, demo_set_cookie, demo_fill, demo_get_info, demo_read, demo_write, DEMO_U64_MAX, DEMO_TABLE } from "demo/bus"\n';

/** What the host receives for an expression. */
function received(expression: string): ScriptValue {
  let value: ScriptValue = 'nothing came';
  const module = defineSdkModule({
    name: 'sink',
    types: '',
    functions: {
      take: (_call, given) => {
        value = given;
      },
    },
  });
  const outcome = scriptLab(`import { take } from "sink"\ntake(${expression})`, {
    modules: [module],
  }).run();
  expect(outcome).toEqual({ kind: 'finished' });
  return value;
}

/** What the script sees of a host value, printed. */
function shown(value: ScriptValue, expression = 'v'): string | undefined {
  const module = defineSdkModule({ name: 'source', types: '', functions: { give: () => value } });
  const source = `import { give } from "source"\nconst v = give()\nconsole.log(${expression})`;
  return outputOf(source, { modules: [module] })[0];
}

describe('values that scripts pass', () => {
  it.each([
    ['undefined', undefined],
    ['null', null],
    ['true', true],
    ['-1.5', -1.5],
    ['2 ** 53', 2 ** 53],
    ['"héllo 😀\\u0000end"', 'héllo 😀\u0000end'],
    ['"x".repeat(100_000)', 'x'.repeat(100_000)],
    ['0n', 0n],
    ['2n ** 63n - 1n', 2n ** 63n - 1n],
    ['2n ** 63n', 2n ** 63n],
    ['2n ** 64n - 1n', 2n ** 64n - 1n],
    ['2n ** 64n', 2n ** 64n],
    ['-1n', -1n],
    ['-(2n ** 63n)', -(2n ** 63n)],
    ['2n ** 100n + 7n', 2n ** 100n + 7n],
    ['new Uint8Array([1, 2, 255])', new Uint8Array([1, 2, 255])],
    ['new Uint16Array([0x1234])', new Uint8Array([0x34, 0x12])],
    ['new Uint8Array([1, 2, 3, 4]).subarray(1, 3)', new Uint8Array([2, 3])],
    ['new DataView(new Uint8Array([9, 8, 7]).buffer, 1)', new Uint8Array([8, 7])],
    ['new Uint8Array([5]).buffer', new Uint8Array([5])],
    ['new Uint8Array(0)', new Uint8Array(0)],
    ['[1, "a", [2n], undefined]', [1, 'a', [2n], undefined]],
    ['{ a: { b: [1] }, "c d": null }', { a: { b: [1] }, 'c d': null }],
    ['{ get a() { return 3 } }', { a: 3 }],
    ['new (class { x = 1; #y = 2 })', { x: 1 }],
    ['Object.create(null, { a: { value: 1, enumerable: true }, b: { value: 2 } })', { a: 1 }],
  ])('%s', (expression, expected) => {
    expect(received(expression)).toEqual(expected);
  });

  it('keeps NaN, -0 and Infinity', () => {
    expect(received('[NaN, -0, -Infinity]')).toEqual([NaN, -0, -Infinity]);
  });

  it('takes a key named __proto__ as a key', () => {
    const value = received('JSON.parse(\'{"__proto__": 1}\')') as object;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it.each([
    ['new Map()', 'argument 1 cannot be a Map'],
    ['new Set()', 'argument 1 cannot be a Set'],
    ['/x/', 'argument 1 cannot be a RegExp'],
    ['Symbol("s")', 'argument 1 cannot be a symbol'],
    ['Promise.resolve(1)', 'argument 1 cannot be a promise: await it first'],
    ['[[Symbol()]]', 'argument 1 cannot be a symbol'],
    [
      '(() => { const o = {}; o.o = o; return o })()',
      'argument 1 cannot be an object that contains itself',
    ],
    [
      '(() => { let o = {}; for (let i = 0; i < 99; i++) o = { o }; return o })()',
      'argument 1 cannot be so large an object',
    ],
    ['Array(1e6)', 'argument 1 cannot be so long an array'],
  ])('refuses %s with a TypeError that names the argument', (expression, message) => {
    expect(failureOf(`${bus}demo_echo(${expression})`)).toBe(
      `a.ts:2: TypeError: demo_echo: ${message}`,
    );
  });

  it('lets errors of getters through', () => {
    expect(failureOf(`${bus}demo_echo({ get a() { throw new Error("mine") } })`)).toBe(
      'a.ts:2: Error: mine',
    );
  });
});

describe('values that the host gives', () => {
  it.each<[string, ScriptValue]>([
    ['undefined', undefined],
    ['null', null],
    ['false', false],
    ['-0', -0],
    ['1.5', 1.5],
    ['0xffff_ffff_ffff_ffffn', 2n ** 64n - 1n],
    ['0x8000_0000_0000_0000n', 2n ** 63n],
    ['-0x8000_0000_0000_0000n', -(2n ** 63n)],
    ['-0x40_0000_0000_0000_0000n', -(2n ** 70n)],
    ['ü', 'ü'],
    ['[1, [2n]]', [1, [2n]]],
    ["{ a: { b: 'x' } }", { a: { b: 'x' } }],
    ['Uint8Array(2 bytes) [00 ff]', new Uint8Array([0, 255])],
  ])('print as %s', (expected, value) => {
    expect(shown(value)).toBe(expected);
  });

  it('are real values of their type', () => {
    expect(shown(2n ** 64n - 1n, 'v === 2n ** 64n - 1n && typeof v')).toBe('bigint');
    expect(shown([1], 'Array.isArray(v)')).toBe('true');
    expect(shown(new Uint8Array(1), 'v instanceof Uint8Array')).toBe('true');
  });

  it('are copies', () => {
    const list = [1, 2];
    expect(shown(list, '(v.push(3), v.length)')).toBe('3');
    expect(list).toEqual([1, 2]);
  });

  it('carry every 64-bit value there and back', () => {
    expect(
      outputOf(`${bus}const e = DEMO_U64_MAX; console.log(demo_echo(e) === 2n ** 64n - 1n)`),
    ).toEqual(['true']);
    const source = `${bus}for (let i = 0n; i < 65n; i++) { const v = (1n << i) - 1n; if (demo_echo(v) !== v || demo_echo(-v) !== -v) console.log(v) }`;
    expect(outputOf(source)).toEqual([]);
  });

  it('include constants of a module', () => {
    expect(outputOf(`${bus}console.log(DEMO_U64_MAX, DEMO_TABLE)`)).toEqual([
      '0xffff_ffff_ffff_ffffn [1, 2, 3]',
    ]);
  });
});

describe('host objects', () => {
  it('keep their identity', () => {
    const source = `${bus}const d = demo_get_dev(0)
console.log(d === demo_get_dev(0), d === demo_get_dev(1), d.self === d, new Map([[d, 1]]).get(demo_get_dev(0)), demo_echo([d])[0] === d)`;
    expect(outputOf(source)).toEqual(['true false true 1 true']);
  });

  it('show their properties, nothing else, and take what can be set', () => {
    const source = `${bus}const d = demo_get_dev(1)
d.bar = 2n ** 64n - 1n
console.log(d, d.vendor, d.bar, d.enabled, Object.keys(d), String(d))
console.log(d.enable())`;
    const lab = scriptLab(source);
    expect(lab.run()).toEqual({ kind: 'finished' });
    expect(lab.texts()).toEqual([
      "struct demo_dev { name: 'demo1', vendor: 0x1af4, bar: 0xffff_ffff_ffff_ffffn } 6900 0xffff_ffff_ffff_ffffn undefined [] [object struct demo_dev]",
      'demo1 by host-driver',
    ]);
    expect(lab.bus.devices[1]).toMatchObject({ bar: 2n ** 64n - 1n, enabled: true });
  });

  it('print in short inside other values', () => {
    expect(outputOf(`${bus}console.log([demo_get_dev(0)], demo_get_bus())`)).toEqual([
      '[struct demo_dev {...}] struct demo_bus {}',
    ]);
  });

  it.each([
    ['demo_get_dev(0).vendor = 1', 'struct demo_dev.vendor: The field is read-only'],
    ['demo_get_dev(0).bar = "x"', 'struct demo_dev.bar: bar must be a 64-bit unsigned value'],
    ['demo_get_dev(0).nonsense = 1', 'object is not extensible'],
    [
      'Object.create(demo_get_dev(0)).vendor',
      'struct demo_dev.vendor: this is not a struct demo_dev',
    ],
    [
      'Object.getPrototypeOf(demo_get_dev(0)).enable()',
      'struct demo_dev.enable: this is not a struct demo_dev',
    ],
    [
      'demo_read(demo_get_bus(), 0)',
      'demo_read: dev must be a struct demo_dev, found a struct demo_bus',
    ],
    ['demo_read({ vendor: 1 }, 0)', 'demo_read: dev must be a struct demo_dev, found an object'],
    ['demo_read(null, 0)', 'demo_read: dev must be a struct demo_dev, found null'],
  ])('refuse %s', (statement, message) => {
    expect(failureOf(`${bus}${statement}`)).toContain(`a.ts:2: TypeError: ${message}`);
  });
});

describe('arguments', () => {
  it.each([
    ['demo_read(d, -1)', 'offset must be a whole number from 0 to 0xffffffff, found -1'],
    ['demo_read(d, 1.5)', 'found 1.5'],
    ['demo_read(d, "4")', 'found "4"'],
    ['demo_read(d)', 'found undefined'],
    ['demo_read(d, 2n ** 32n)', 'found 4294967296n'],
    ['demo_write(d, 0, 2 ** 53)', 'value must be a 64-bit unsigned value'],
    ['demo_write(d, 0, -1n)', 'found -1n'],
  ])('%s names what was expected and found', (call, words) => {
    expect(failureOf(`${bus}const d = demo_get_dev(0)\n${call}`)).toContain(words);
  });

  it('take BigInts where numbers are meant, and numbers where BigInts are', () => {
    const source = `${bus}const d = demo_get_dev(0)\ndemo_write(d, 8n, 7)\nconsole.log(demo_read(d, 8))`;
    expect(outputOf(source)).toEqual(['7n']);
  });
});

describe('cookies and out-parameters', () => {
  it('gives a kept value back as the very same', () => {
    const source = `${bus}class State { n = 1; f = () => 2 }
const s = new State()
demo_set_cookie(s)
console.log(demo_get_cookie() === s)
demo_set_cookie(5n)
console.log(demo_get_cookie())`;
    expect(outputOf(source)).toEqual(['true', '5n']);
  });

  it('writes into the script’s buffer', () => {
    const source = `${bus}const b = new Uint8Array(8)
demo_fill(b.subarray(2, 5), 7)
console.log(b)`;
    expect(outputOf(source)).toEqual(['Uint8Array(8 bytes) [00 00 07 07 07 00 00 00]']);
  });

  it('fills the script’s structure', () => {
    const source = `${bus}const info = { argsz: 1 }\ndemo_get_info(info)\nconsole.log(info)`;
    expect(outputOf(source)).toEqual(['{ argsz: 1, size: 0x8000_0000_0000_0000n, flags: 3 }']);
  });

  it('refuses what cannot be filled', () => {
    expect(failureOf(`${bus}demo_get_info(5)`)).toContain(
      'demo_get_info: argument 1 must be an object to fill',
    );
  });
});

describe('errors of the host', () => {
  it('carry errno and code', () => {
    const source = `import { demo_busy } from "demo/bus"
try { demo_busy() } catch (e) { console.log(e instanceof Error, e.message, e.errno, e.code) }`;
    expect(outputOf(source)).toEqual(['true The device is busy 16 EBUSY']);
  });

  it('that are bugs leave run() and cannot be caught by the script', () => {
    const lab = scriptLab(
      'import { demo_bug } from "demo/bus"\ntry { demo_bug() } catch { console.log("caught") } finally { console.log("finally") }',
    );
    expect(() => lab.run()).toThrow(new RangeError('a bug of the host'));
    expect(lab.texts()).toEqual([]);
  });
});
