/**
 * Measures the script layer: `node test/support/script-bench.ts`. Prints nanoseconds; not a test, because the numbers
 * depend on the machine.
 */
import { defineSdkModule } from '../../src-main/script/sdk/sdk-module.ts';
import { createScriptRunner } from '../../src-main/script/script-runner.ts';
import { demoDeviceType } from './demo-module.ts';
import { testEngine } from './script-lab.ts';

/** Processor time, which other work on the machine disturbs less than the clock. */
function processorMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

const CALLS = 50_000;
const ROUNDS = 5;

const device = { name: 'bench', vendor: 1, enabled: false, bar: 7n };
let sites = 0;
const module = defineSdkModule({
  name: 'bench',
  types: '',
  functions: {
    nothing: () => undefined,
    number: (_call, a) => a,
    big: (_call, a) => a,
    text: (_call, a) => a,
    dev: () => demoDeviceType.of(device),
    take: (_call, a) => demoDeviceType.target(a, 'a').vendor,
    bytes: (_call, a) => a,
    record: (_call, a) => a,
    located: (call) => {
      sites += call.line;
    },
    back: (_call, fn, count) => {
      for (let i = 0; i < Number(count); i++) (fn as { call(): unknown }).call();
    },
  },
});

function measure(body: string, setup = ''): number {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    let from = 0;
    let took = 0;
    const runner = createScriptRunner({
      engine: testEngine,
      files: [
        {
          path: 'bench.ts',
          actor: 'host-driver',
          source:
            `import { nothing, number, big, text, dev, take, bytes, record, located, back } from 'bench';\n` +
            `import { start, end } from 'clock';\n${setup}\n` +
            `function loop() { const n = ${String(CALLS)}; start(); ${body} end(); }\nloop();`,
        },
      ],
      entry: ['bench.ts'],
      modules: [
        module,
        defineSdkModule({
          name: 'clock',
          types: '',
          functions: {
            start: () => {
              from = processorMilliseconds();
            },
            end: () => {
              took = processorMilliseconds() - from;
            },
          },
        }),
      ],
      ports: {},
    });
    const outcome = runner.run();
    if (outcome.kind !== 'finished') throw new Error(JSON.stringify(outcome));
    best = Math.min(best, took);
  }
  return (best / CALLS) * 1e6;
}

const empty = measure('for (let i = 0; i < n; i++) ;');
const plain = measure('new Function("n", "for (let i = 0; i < n; i++);")(n);');
const rows: readonly (readonly [string, number])[] = [
  ['loop without hooks', plain],
  ['loop with an empty body (one hook)', empty],
  ...(
    [
      ['statement x = x + i', 'let x = 0; for (let i = 0; i < n; i++) x = x + i;', ''],
      ['nothing()', 'for (let i = 0; i < n; i++) nothing();', ''],
      ['number(i)', 'for (let i = 0; i < n; i++) number(i);', ''],
      ['big(2^64-1)', 'for (let i = 0; i < n; i++) big(top);', 'const top = 2n ** 64n - 1n;'],
      ['text("hello world")', 'for (let i = 0; i < n; i++) text("hello world");', ''],
      ['dev() host object', 'for (let i = 0; i < n; i++) dev();', ''],
      ['take(dev)', 'for (let i = 0; i < n; i++) take(d);', 'const d = dev();'],
      ['dev.vendor', 'for (let i = 0; i < n; i++) d.vendor;', 'const d = dev();'],
      ['bytes(64)', 'for (let i = 0; i < n; i++) bytes(b);', 'const b = new Uint8Array(64);'],
      [
        'record of 4 fields',
        'for (let i = 0; i < n; i++) record(r);',
        'const r = { a: 1, b: 2, c: 3, d: 4 };',
      ],
      ['call.line', 'for (let i = 0; i < n; i++) located();', ''],
      ['callback from the host', 'back(() => {}, n);', ''],
    ] as const
  ).map(([name, body, setup]) => [name, measure(body, setup)] as const),
];
for (const [name, ns] of rows) {
  process.stdout.write(`${name.padEnd(40)}${ns.toFixed(0).padStart(7)} ns\n`);
}
process.stdout.write(`sites ${String(sites)}\n`);
