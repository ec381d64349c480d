import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { collectTypes, typeProblems } from '../../../../src-main/script/sdk/collect-types.ts';
import { createSdkModules } from '../../../../src-main/script/sdk/sdk-modules.ts';

const modules = createSdkModules({
  kernelOf: () => {
    throw new Error('No kernel is needed for types');
  },
  processOf: () => {
    throw new Error('No process is needed for types');
  },
});

describe('SDK modules', () => {
  it.each(modules.map((m) => [m.name, m] as const))(
    '%s declares exactly what it has, with documentation',
    (_name, module) => {
      expect(typeProblems(module)).toEqual([]);
    },
  );

  it('form one program without type errors', () => {
    const files = new Map(collectTypes(modules).map((f) => [`/${f.path}`, f.text]));
    const main = '/main.ts';
    files.set(main, modules.map((m) => `import '${m.name}';`).join('\n'));
    const options: ts.CompilerOptions = {
      strict: true,
      noEmit: true,
      noLib: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      types: [],
    };
    const lib =
      'interface Array<T> { length: number; [n: number]: T } interface ReadonlyArray<T> { readonly length: number; readonly [n: number]: T } interface Boolean {} interface CallableFunction {} interface Function {} interface IArguments {} interface NewableFunction {} interface Number {} interface Object {} interface RegExp {} interface String {} interface Uint8Array {} interface Uint32Array {} interface BigInt {} type Record<K extends keyof any, T> = { [P in K]: T }; type Partial<T> = { [P in keyof T]?: T[P] };';
    files.set('/lib.d.ts', lib);
    const host: ts.CompilerHost = {
      getSourceFile: (name, version) => {
        const text = files.get(name);
        return text === undefined ? undefined : ts.createSourceFile(name, text, version);
      },
      getDefaultLibFileName: () => '/lib.d.ts',
      writeFile: () => {},
      getCurrentDirectory: () => '/',
      getCanonicalFileName: (name) => name,
      useCaseSensitiveFileNames: () => true,
      getNewLine: () => '\n',
      fileExists: (name) => files.has(name),
      readFile: (name) => files.get(name),
    };
    const program = ts.createProgram([...files.keys()], options, host);
    const problems = ts
      .getPreEmitDiagnostics(program)
      .map(
        (d) => `${d.file?.fileName ?? ''} ${ts.flattenDiagnosticMessageText(d.messageText, ' ')}`,
      );
    expect(problems).toEqual([]);
  });
});
