import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { collectTypes, typeProblems } from '../../../src-main/script/sdk/collect-types.ts';
import { defineSdkModule } from '../../../src-main/script/sdk/sdk-module.ts';
import { consoleModule } from '../../../src-main/script/script-console.ts';
import { createDemoBus } from '../../support/demo-module.ts';

const demo = createDemoBus().module;

describe('defineSdkModule', () => {
  it.each([
    ['a wrong module name', { name: 'Linux PCI', types: '' }],
    ['an export that is no identifier', { name: 'a', types: '', functions: { 'a-b': () => 1 } }],
    [
      'a name declared twice',
      { name: 'a', types: '', functions: { x: () => 1 }, constants: { x: 1 } },
    ],
  ])('refuses %s', (_what, declaration) => {
    expect(() => defineSdkModule(declaration)).toThrow();
  });
});

describe('the types of a module', () => {
  it('agree with what it exports, for the modules there are', () => {
    expect(typeProblems(demo)).toEqual([]);
    expect(typeProblems(consoleModule)).toEqual([]);
  });

  it('are found wanting when they do not', () => {
    const module = defineSdkModule({
      name: 'm',
      types:
        '/** Fine. */\nexport declare const a: number;\nexport declare function b(): void;\n/** Gone. */\nexport declare function c(): void;',
      functions: { b: () => undefined, d: () => undefined },
      constants: { a: 1 },
    });
    expect(typeProblems(module)).toEqual([
      'm: b has no documentation',
      'm: d is not declared in the types',
      'm: c is declared but does not exist',
    ]);
  });

  it('let the editor check a script', () => {
    const script =
      'import { demo_get_dev, demo_read, DEMO_TABLE, type demo_dev } from "demo/bus";\n' +
      'const d: demo_dev = demo_get_dev(0);\nconst v: bigint = demo_read(d, 1);\nconst n: number = DEMO_TABLE[0];\n' +
      'console.log(v, n, console.hex(1n));\nimport { hex } from "console";\nconst t: string = hex(1);\nd.nope;\n';
    const files = new Map([
      ...collectTypes([demo]).map(({ path, text }) => [path, text] as const),
      ['a.ts', script] as const,
    ]);
    expect([...files.keys()]).toEqual(['sdk/console.d.ts', 'sdk/demo/bus.d.ts', 'a.ts']);
    const host = ts.createCompilerHost({});
    const lib = host.getDefaultLibLocation?.() ?? '';
    const program = ts.createProgram(
      [...files.keys()],
      {
        target: ts.ScriptTarget.ES2023,
        lib: ['lib.es2023.d.ts'],
        types: [],
        noEmit: true,
        strict: true,
      },
      {
        ...host,
        getDefaultLibLocation: () => lib,
        getCurrentDirectory: () => '',
        fileExists: (name) => files.has(name) || host.fileExists(name),
        readFile: (name) => files.get(name) ?? host.readFile(name),
        getSourceFile: (name, options) => {
          const text = files.get(name) ?? host.readFile(name);
          return text === undefined ? undefined : ts.createSourceFile(name, text, options);
        },
      },
    );
    const messages = ts
      .getPreEmitDiagnostics(program)
      .map((d) => ts.flattenDiagnosticMessageText(d.messageText, ' '));
    expect(messages).toEqual(["Property 'nope' does not exist on type 'demo_dev'."]);
  });
});
